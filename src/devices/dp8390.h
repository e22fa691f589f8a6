/* devices/dp8390.h: National Semiconductor DP8390D, the network controller that
 * NE2000-like cards are built around, with the memory of such a card.
 *
 * The controller receives into a ring of 256-byte pages in the card's memory, transmits
 * from there, and moves bytes between it and a data port ("remote DMA"). Whoever builds
 * it into a card decodes its ports and saves it. Source: DP8390D/NS32490D data sheet;
 * Novell's NE2000 for the memory map: the address PROM at 0, 32 KiB of RAM at 0x4000.
 * Thread: any that holds the machine lock. Saved by: the card, by dp8390_fields. */
#ifndef DEVICES_DP8390_H
#define DEVICES_DP8390_H

#include "bus/network.h"
#include "state/state.h"

enum {
    DP8390_REGISTERS = 16,
    DP8390_MEMORY_START = 0x4000,
    DP8390_MEMORY_BYTES = 0x8000,
    DP8390_PROM_BYTES = 32,
    DP8390_STATE_VERSION = 1,
};

struct dp8390 {
    /* wiring */
    struct network_port port;
    void (*interrupt)(void *opaque, bool level);
    void *opaque;
    uint8_t prom[DP8390_PROM_BYTES];
    bool transmitting; /* guards against resume() from within */
    bool held_up;      /* the cable has had to wait since there was room last */
    /* saved */
    uint8_t command, interrupt_status, interrupt_mask;
    uint8_t receive_config, transmit_config, data_config;
    uint8_t receive_status, transmit_status;
    uint8_t page_start, page_stop, boundary, current, transmit_page;
    uint8_t errors[3]; /* counters */
    uint16_t transmit_bytes, remote_address, remote_bytes;
    uint8_t address[NETWORK_ADDRESS_BYTES], multicast[8];
    uint8_t memory[DP8390_MEMORY_BYTES];
};

extern const struct state_field dp8390_fields[];

/* `address`: what the PROM says. */
void dp8390_init(struct dp8390 *chip, const uint8_t *address,
                 void (*interrupt)(void *opaque, bool level), void *opaque);
/* Power-on; registers only. */
void dp8390_reset(struct dp8390 *chip);
/* The reset line alone, as the card's reset port pulls it. */
void dp8390_stop(struct dp8390 *chip);
void dp8390_update_interrupt(struct dp8390 *chip);

uint8_t dp8390_read(struct dp8390 *chip, unsigned offset);
void dp8390_write(struct dp8390 *chip, unsigned offset, uint8_t value);

/* The data port, by accesses of 1, 2 or 4 bytes. */
uint32_t dp8390_read_data(struct dp8390 *chip, unsigned width);
void dp8390_write_data(struct dp8390 *chip, uint32_t value, unsigned width);

#endif
