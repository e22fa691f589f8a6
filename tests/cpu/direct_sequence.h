/* tests/cpu/direct_sequence.h: random sequences of ring-3 instructions in which
 * anything may happen: faults, traps, what only ring 0 may do, what shows the
 * processor.
 *
 * They are grown on the interpreter: what comes next is made up for the state in which
 * what is there leaves the machine. */
#ifndef TESTS_CPU_DIRECT_SEQUENCE_H
#define TESTS_CPU_DIRECT_SEQUENCE_H

#include "direct_world.h"
#include "isa_generator.h"

enum {
    SEQUENCE_ITEMS = 24,
    SEQUENCE_CODE = 0x200000, /* physical, two pages */
    SEQUENCE_DATA = 0x210000, /* physical, two pages; a read-only one follows */
    SEQUENCE_TLS = 0x53,      /* selectors: 4 GiB of data from SEQUENCE_TLS_BASE */
    SEQUENCE_TLS_SHORT = 0x5b,
    SEQUENCE_TLS_BASE = 0x20,
    SEQUENCE_SYSTEM_CALL = 0x80, /* INT that ring 3 may use */
};

struct sequence {
    struct duel_case duel_case;
    unsigned items;
    struct {
        uint16_t offset;        /* in the code */
        unsigned exemptions;    /* enum duel_exemption */
    } item[SEQUENCE_ITEMS + 1]; /* the last one is the end */
};

/* Code and data with all rights, descriptors. */
void sequence_lay_out(struct direct_world *world);

/* Changes the state of the world's reference. */
void sequence_grow(struct direct_world *world, struct isa_generator *generator,
                   struct sequence *sequence);

#endif
