/* Values on the bus: what the CPU reads from ports and device memory, and writes. */
#include "faults/faults_internal.h"
#include "faults/bus_value.h"

#include <stdlib.h>
#include <string.h>

/* -- what becomes of a value -- */

static bool concerns(const struct fault *fault, bool write, uint64_t address,
                     unsigned width)
{
    const struct fault_spec *spec = &fault->spec;
    return fault->present &&
           (spec->uses_of & (write ? FAULT_ON_WRITE : FAULT_ON_READ)) &&
           address < spec->address + spec->width && spec->address < address + width;
}

/* The bytes that are broken, of a value that begins at another address. */
static uint32_t applied(const struct fault *fault, uint64_t address, unsigned width,
                        uint32_t value)
{
    const struct fault_spec *spec = &fault->spec;
    uint8_t bytes[FAULT_VALUE_BYTES] = {0};
    uint32_t result = value;
    for (unsigned i = 0; i < spec->width; i++) {
        uint64_t at = spec->address + i - address; /* wraps: not in the value */
        bytes[i] = at < width ? (uint8_t)(value >> (8 * at)) : 0;
    }
    fault_apply(fault, bytes, spec->width);
    for (unsigned i = 0; i < spec->width; i++) {
        uint64_t at = spec->address + i - address;
        if (at < width) {
            result &= ~((uint32_t)0xff << (8 * at));
            result |= (uint32_t)bytes[i] << (8 * at);
        }
    }
    return result;
}

uint32_t bus_value_changed(struct fault *fault, bool write, uint64_t address,
                           unsigned width, uint32_t value)
{
    if (fault->spec.model == FAULT_LOST || !concerns(fault, write, address, width) ||
        !fault_hits(fault)) {
        return value;
    }
    /* Every second access. */
    if (fault->spec.model == FAULT_TOGGLE && fault->toggles++ % 2) {
        return value;
    }
    fault_choose_bits(fault, fault->spec.width);
    uint32_t result = applied(fault, address, width, value);
    if (result != value) {
        fault_note_use(fault);
    }
    return result;
}

bool bus_value_lost(struct fault *fault, bool write, uint64_t address, unsigned width)
{
    return fault->spec.model == FAULT_LOST && concerns(fault, write, address, width) &&
           fault_strikes(fault);
}

bool bus_value_begin(struct fault *fault)
{
    (void)fault;
    return true;
}

void bus_value_end(struct fault *fault)
{
    (void)fault;
}

/* -- ports -- */

static uint32_t filter_read(void *opaque, uint16_t port, unsigned width)
{
    struct faults *faults = opaque;
    struct port_space *space = machine_ports(faults->machine);
    uint32_t value = 0;
    bool lost = false;
    for (struct fault *f = faults->first; f; f = f->next) {
        lost |= f->spec.target == FAULT_PORT && bus_value_lost(f, false, port, width);
    }
    value =
        lost ? UINT32_MAX >> (32 - 8 * width) : port_read_device(space, port, width);
    for (struct fault *f = faults->first; f; f = f->next) {
        if (f->spec.target == FAULT_PORT) {
            value = bus_value_changed(f, false, port, width, value);
        }
    }
    for (struct fault *f = faults->first; f; f = f->next) {
        trigger_note_port(f, false, port, width, value);
    }
    return value;
}

static void filter_write(void *opaque, uint16_t port, uint32_t value, unsigned width)
{
    struct faults *faults = opaque;
    bool lost = false;
    for (struct fault *f = faults->first; f; f = f->next) {
        trigger_note_port(f, true, port, width, value);
    }
    for (struct fault *f = faults->first; f; f = f->next) {
        if (f->spec.target == FAULT_PORT) {
            lost |= bus_value_lost(f, true, port, width);
            value = bus_value_changed(f, true, port, width, value);
        }
    }
    if (!lost) {
        port_write_device(machine_ports(faults->machine), port, value, width);
    }
}

static bool wants_ports(const struct fault *fault)
{
    const enum fault_state state = fault->report.state;
    const enum fault_event event = fault->spec.when.event;
    bool waits = state == FAULT_WAITING && (event == FAULT_IN || event == FAULT_OUT);
    return waits || (state == FAULT_PRESENT && fault->spec.target == FAULT_PORT);
}

void port_filter_update(struct faults *faults)
{
    bool wanted = false;
    for (const struct fault *f = faults->first; f; f = f->next) {
        wanted |= wants_ports(f);
    }
    faults->port_filter = (struct port_filter){
        .read = filter_read, .write = filter_write, .opaque = faults};
    machine_ports(faults->machine)->filter = wanted ? &faults->port_filter : NULL;
}

const struct fault_target fault_port = {
    .begin = bus_value_begin,
    .end = bus_value_end,
};
