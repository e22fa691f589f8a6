/* devices/virtio.h: the PCI transport of virtio devices: configuration space, features,
 * status, queues and the interrupt.
 *
 * A device embeds a struct virtio behind its struct device, tells by a struct
 * virtio_class what it is, and is called when the driver has put something into a
 * queue. Two drivers' views exist of the same state: the one of version 1, found by
 * capabilities (BAR 4), and the legacy one (BAR 0, ports), which newer kinds of devices
 * do not have. There is no MSI-X.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.2, chapters 2 to 4.1, and 7.4 for what
 * is legacy. Thread: any that holds the machine lock. Saved by: the device, by
 * VIRTIO_STATE_FIELDS. */
#ifndef DEVICES_VIRTIO_H
#define DEVICES_VIRTIO_H

#include "bus/device.h"
#include "bus/pci.h"
#include "devices/virtio_queue.h"

enum virtio_type {
    VIRTIO_TYPE_NET = 1,
    VIRTIO_TYPE_BLOCK = 2,
    VIRTIO_TYPE_ENTROPY = 4,
    VIRTIO_TYPE_INPUT = 18,
};

/* Features that are the transport's own business. */
#define VIRTIO_FEATURE_INDIRECT (1ULL << 28)
#define VIRTIO_FEATURE_EVENT_INDEX (1ULL << 29)
#define VIRTIO_FEATURE_VERSION_1 (1ULL << 32)

enum {
    VIRTIO_QUEUES = 3,
    VIRTIO_CONFIG_BYTES = 256, /* at most */
    VIRTIO_NO_QUEUE = 0xffff,
};

struct virtio_class {
    const char *name; /* for messages */
    enum virtio_type type;
    uint32_t class_code; /* PCI's */
    bool is_modern_only;
    uint64_t features; /* the device's own */
    unsigned queue_count;
    uint16_t queue_sizes[VIRTIO_QUEUES];
    unsigned config_bytes;
    /* The driver has added to a queue. */
    void (*notify)(void *opaque, unsigned queue);
    /* The driver has written to the device's configuration. May be NULL. */
    void (*config_written)(void *opaque, unsigned offset, unsigned width);
    /* The driver has reset the device, or machine has. May be NULL. */
    void (*reset)(void *opaque);
};

struct virtio {
    const struct virtio_class *class;
    void *opaque;
    struct log *log;
    /* saved */
    struct pci_function function;
    uint8_t config[VIRTIO_CONFIG_BYTES]; /* the device's, as the driver reads it */
    uint8_t status, isr, generation;
    uint32_t device_feature_select, driver_feature_select;
    uint64_t driver_features;
    uint16_t queue_select;
    struct virtqueue queues[VIRTIO_QUEUES];
};

#define VIRTIO_STATE_FIELDS(type, member)                                              \
    STATE_FIELD(type, member.function.config, 1), STATE_FIELD(type, member.config, 1), \
        STATE_FIELD(type, member.status, 1), STATE_FIELD(type, member.isr, 1),         \
        STATE_FIELD(type, member.generation, 1),                                       \
        STATE_FIELD(type, member.device_feature_select, 1),                            \
        STATE_FIELD(type, member.driver_feature_select, 1),                            \
        STATE_FIELD(type, member.driver_features, 1),                                  \
        STATE_FIELD(type, member.queue_select, 1)

/* Makes it visible on the bus. `opaque` goes to the class's functions. */
void virtio_init(struct virtio *virtio, const struct virtio_class *class, void *opaque,
                 struct log *log, struct pci_bus *bus, unsigned slot);
/* For the device class: */
void virtio_power_on(struct virtio *virtio);
void virtio_reset_lines(struct virtio *virtio);
bool virtio_loaded(struct virtio *virtio, struct error *error);
void virtio_save_queues(const struct virtio *virtio, struct state_buffer *buffer);
bool virtio_load_queues(struct virtio *virtio, struct state_buffer *buffer,
                        struct error *error);

bool virtio_has_feature(const struct virtio *virtio, unsigned bit);
/* Whether the driver has said that it is ready. */
bool virtio_is_running(const struct virtio *virtio);

/* Interrupts the driver if it wants that for what was given back in the queue. Also
 * notices queues that have been broken. */
void virtio_notify_driver(struct virtio *virtio, unsigned queue);
/* The configuration has changed: tells the driver. */
void virtio_config_changed(struct virtio *virtio);

#endif
