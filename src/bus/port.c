#include "bus/port.h"

#include <assert.h>
#include <string.h>

/* Of the ranges that cover a port the youngest owns it. */
static void assign_owners(struct port_space *space)
{
    memset(space->owner, 0, sizeof(space->owner));
    for (unsigned i = 0; i < PORT_SPACE_RANGES; i++) {
        const struct port_range *range = &space->ranges[i];
        for (uint32_t port = range->first;
             range->ops && port < range->first + range->count && port < PORT_COUNT;
             port++) {
            uint8_t *owner = &space->owner[port];
            if (*owner == 0 || space->ranges[*owner - 1].order < range->order) {
                *owner = (uint8_t)(i + 1);
            }
        }
    }
}

unsigned port_map(struct port_space *space, const char *name, uint16_t first,
                  uint32_t count, const struct port_ops *ops, void *opaque)
{
    unsigned handle = 0;
    while (space->ranges[handle].ops) {
        handle++;
        assert(handle < PORT_SPACE_RANGES);
    }
    space->ranges[handle] = (struct port_range){
        .name = name,
        .first = first,
        .count = count,
        .ops = ops,
        .opaque = opaque,
        .order = ++space->mappings,
    };
    assign_owners(space);
    return handle;
}

void port_unmap(struct port_space *space, unsigned handle)
{
    assert(handle < PORT_SPACE_RANGES);
    space->ranges[handle] = (struct port_range){0};
    assign_owners(space);
}

/* The range that takes an access of `width` at `port` whole, or NULL. */
static struct port_range *whole_owner(struct port_space *space, uint16_t port,
                                      unsigned width)
{
    unsigned owner = space->owner[port];
    if (owner == 0) {
        return NULL;
    }
    struct port_range *range = &space->ranges[owner - 1];
    bool inside = (uint32_t)(port - range->first) + width <= range->count;
    return inside && (range->ops->widths & width) ? range : NULL;
}

uint32_t port_read_device(struct port_space *space, uint16_t port, unsigned width)
{
    struct port_range *range = whole_owner(space, port, width);
    if (range) {
        uint32_t value =
            range->ops->read(range->opaque, (uint16_t)(port - range->first), width);
        return width == 4 ? value : value & ((1U << (8 * width)) - 1);
    }
    if (width == 1) {
        return 0xff;
    }
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value |= port_read_device(space, (uint16_t)(port + i), 1) << (8 * i);
    }
    return value;
}

void port_write_device(struct port_space *space, uint16_t port, uint32_t value,
                       unsigned width)
{
    struct port_range *range = whole_owner(space, port, width);
    if (range) {
        range->ops->write(range->opaque, (uint16_t)(port - range->first), value, width);
        return;
    }
    for (unsigned i = 0; width > 1 && i < width; i++) {
        port_write_device(space, (uint16_t)(port + i), (value >> (8 * i)) & 0xff, 1);
    }
}

uint32_t port_read(struct port_space *space, uint16_t port, unsigned width)
{
    const struct port_filter *filter = space->filter;
    return __builtin_expect(filter != NULL, 0)
               ? filter->read(filter->opaque, port, width)
               : port_read_device(space, port, width);
}

void port_write(struct port_space *space, uint16_t port, uint32_t value, unsigned width)
{
    const struct port_filter *filter = space->filter;
    if (__builtin_expect(filter != NULL, 0)) {
        filter->write(filter->opaque, port, value, width);
    } else {
        port_write_device(space, port, value, width);
    }
}
