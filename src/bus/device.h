/* bus/device.h: the device contract.
 *
 * A device is a structure whose first member is a struct device. It is created by one
 * call of its own, `struct X *X_create(wires…)`, that maps its ports and regions and
 * leaves it in the power-on state; the class tells the rest of the house how to reset,
 * save, load and destroy it. The machine keeps all devices in one array, over which
 * the generic tests (reset, round trip, random accesses) iterate.
 *
 * Reset has two phases: first every device resets its own state, then every device
 * sets its output lines accordingly.
 * Thread: any that holds the machine lock. */
#ifndef BUS_DEVICE_H
#define BUS_DEVICE_H

#include "base/error.h"
#include "base/log.h"
#include "base/types.h"
#include "state/state.h"

struct device_class {
    const char *name; /* the chip's or standard's name, e.g. "i8259" */
    uint32_t version; /* of the saved state, from 1 */
    size_t size;
    const struct state_field *fields;
    void (*reset)(void *device);       /* own state only; may be NULL */
    void (*reset_lines)(void *device); /* then outputs; may be NULL */
    /* Check what was loaded, set lines, arm timers; may be NULL. */
    bool (*loaded)(void *device, struct error *error);
    /* State that no table can name (variable length); may be NULL. */
    void (*save_more)(const void *device, struct state_buffer *buffer);
    bool (*load_more)(void *device, struct state_buffer *buffer, struct error *error);
    void (*destroy)(
        void *device); /* frees what hangs off it, not itself; may be NULL */
};

struct device {
    const struct device_class *class;
    struct log *log;
};

/* Zeroed memory of class->size with its header filled in. Never fails. */
void *device_allocate(const struct device_class *class, struct log *log);
void device_destroy(struct device *device);

void device_save(const struct device *device, struct state_buffer *buffer);
/* Failing, it leaves half a device: for who knows that it does not, or has saved it. */
bool device_load_at_once(struct device *device, struct state_buffer *buffer,
                         struct error *error);
/* On failure the device is what it was before. */
bool device_load(struct device *device, struct state_buffer *buffer,
                 struct error *error);

#endif
