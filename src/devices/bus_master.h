/* devices/bus_master.h: one channel of an IDE bus master.
 *
 * Eight ports per channel: command, status, and the address of a table of physical
 * region descriptors (PRDs) that scatters a transfer over memory. Source: Programming
 * Interface for Bus Master IDE Controller, revision 1.0.
 * Thread: any that holds the machine lock. Saved by: the controller. */
#ifndef DEVICES_BUS_MASTER_H
#define DEVICES_BUS_MASTER_H

#include "bus/dma.h"
#include "state/state.h"

enum { BUS_MASTER_PORTS = 8, BUS_MASTER_STATE_VERSION = 1 };

struct bus_master {
    struct memory_map *memory;
    const char *name; /* of the controller */
    /* saved */
    uint8_t command, status;
    uint32_t table;   /* where the guest has put the PRDs */
    uint32_t next;    /* the PRD to fetch next */
    uint32_t address; /* of the present region, what is left of it */
    uint32_t left;
    uint8_t last; /* the present region is the table's last */
};

extern const struct state_field bus_master_fields[];

void bus_master_reset(struct bus_master *master);

/* Byte accesses, offset 0-7. */
uint8_t bus_master_read(const struct bus_master *master, unsigned offset);
/* Returns true if the write has started the engine. */
bool bus_master_write(struct bus_master *master, unsigned offset, uint8_t value);

bool bus_master_is_active(const struct bus_master *master);
/* The drive has raised its interrupt. */
void bus_master_note_interrupt(struct bus_master *master);

/* Moves bytes from or to memory as the PRDs say; returns how many. Fewer than `length`
 * if the table ends before, or the engine is stopped. */
uint32_t bus_master_transfer(struct bus_master *master, uint8_t *bytes, uint32_t length,
                             bool to_memory);

#endif
