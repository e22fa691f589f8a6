/* bus/port.h: the I/O port space, 65,536 ports.
 *
 * Devices map ranges; the space splits accesses that a device does not take in one
 * piece into bytes, low byte first. A port that nobody owns reads as ones and ignores
 * writes. Thread: any that holds the machine lock. Saved by: nobody (owners map again).
 */
#ifndef BUS_PORT_H
#define BUS_PORT_H

#include "base/types.h"

/* `offset` counts from the start of the range; `width` is 1, 2 or 4 bytes. */
struct port_ops {
    uint32_t (*read)(void *opaque, uint16_t offset, unsigned width);
    void (*write)(void *opaque, uint16_t offset, uint32_t value, unsigned width);
    unsigned widths; /* sum of the widths taken in one piece: 1, 1|2, 1|2|4 … */
};

struct port_range {
    const char *name;
    uint16_t first;
    uint32_t count;
    const struct port_ops *ops;
    void *opaque;
    uint32_t order; /* of mapping */
};

enum { PORT_SPACE_RANGES = 128, PORT_COUNT = 65536 };

/* Who stands between the CPU and the ports: each access is made to him, and he goes on
 * to port_read_device() and port_write_device(), or does not. */
struct port_filter {
    uint32_t (*read)(void *opaque, uint16_t port, unsigned width);
    void (*write)(void *opaque, uint16_t port, uint32_t value, unsigned width);
    void *opaque;
};

struct port_space {
    struct port_range ranges[PORT_SPACE_RANGES];
    uint8_t owner[PORT_COUNT];        /* 0: nobody, else index into ranges + 1 */
    uint32_t mappings;                /* so far */
    const struct port_filter *filter; /* NULL: nobody */
};

/* Maps `count` ports from `first`; returns a handle for port_unmap(). Ranges may cover
 * each other: the one mapped last wins until it is unmapped. */
unsigned port_map(struct port_space *space, const char *name, uint16_t first,
                  uint32_t count, const struct port_ops *ops, void *opaque);
void port_unmap(struct port_space *space, unsigned handle);

uint32_t port_read(struct port_space *space, uint16_t port, unsigned width);
void port_write(struct port_space *space, uint16_t port, uint32_t value,
                unsigned width);
/* Past the filter. */
uint32_t port_read_device(struct port_space *space, uint16_t port, unsigned width);
void port_write_device(struct port_space *space, uint16_t port, uint32_t value,
                       unsigned width);

#endif
