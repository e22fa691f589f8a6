/* tests/devices/network_bench.h: a card in slot 3 of the chipset's bench, with its
 * registers decoded, and a cable to the test: what the card sends is kept, and the test
 * may have no room. */
#ifndef TESTS_DEVICES_NETWORK_BENCH_H
#define TESTS_DEVICES_NETWORK_BENCH_H

#include "chipset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "bus/device.h"
#include "bus/network.h"

enum {
    CARD_SLOT = 3,
    CARD_MEMORY = 0xfe000000,
    CARD_PORTS = 0xc000,
    WIRE_FRAMES = 64,
};

static const uint8_t card_address[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

/* The other end of the cable. */
struct wire {
    struct network_port port;
    bool is_full;
    unsigned count, resumes;
    size_t bytes[WIRE_FRAMES];
    uint8_t frames[WIRE_FRAMES][2048];
};

static inline bool wire_receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct wire *wire = opaque;
    if (wire->is_full) {
        return false;
    }
    assert_true(wire->count < WIRE_FRAMES && bytes <= sizeof(wire->frames[0]));
    wire->bytes[wire->count] = bytes;
    memcpy(wire->frames[wire->count++], frame, bytes);
    return true;
}

static inline bool wire_can_receive(void *opaque)
{
    return !((struct wire *)opaque)->is_full;
}

static inline void wire_resume(void *opaque)
{
    ((struct wire *)opaque)->resumes++;
}

static const struct network_port_ops wire_ops = {
    .receive = wire_receive,
    .can_receive = wire_can_receive,
    .resume = wire_resume,
};

static inline void wire_connect(struct wire *wire, struct network_port *card)
{
    *wire = (struct wire){.port = {.ops = &wire_ops, .opaque = wire}};
    network_connect(&wire->port, card);
}

/* Base addresses as they are given, and everything switched on. */
static inline void card_enable(struct bench *bench, unsigned memory_bar,
                               unsigned port_bar)
{
    config_write(bench, CARD_SLOT, 0, PCI_BAR0 + 4 * memory_bar, CARD_MEMORY, 4);
    config_write(bench, CARD_SLOT, 0, PCI_BAR0 + 4 * port_bar, CARD_PORTS, 4);
    config_write(bench, CARD_SLOT, 0, PCI_COMMAND, 7, 2);
}

static inline uint32_t card_read(struct bench *bench, unsigned offset, unsigned width)
{
    const struct memory_region *region =
        memory_find(&bench->memory, CARD_MEMORY + offset, NULL);
    assert_non_null(region);
    return memory_region_read(region, CARD_MEMORY + offset, width);
}

static inline void card_write(struct bench *bench, unsigned offset, uint32_t value,
                              unsigned width)
{
    const struct memory_region *region =
        memory_find(&bench->memory, CARD_MEMORY + offset, NULL);
    assert_non_null(region);
    memory_region_write(region, CARD_MEMORY + offset, value, width);
}

static inline bool card_interrupts(struct bench *bench)
{
    return config_read(bench, CARD_SLOT, 0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT;
}

/* A frame of `bytes` to `address`, whose other bytes count. */
static inline void make_frame(uint8_t *frame, size_t bytes, const uint8_t *address)
{
    for (size_t i = 0; i < bytes; i++) {
        frame[i] = (uint8_t)i;
    }
    memcpy(frame, address, NETWORK_ADDRESS_BYTES);
    frame[12] = 0x12; /* no protocol */
}

#endif
