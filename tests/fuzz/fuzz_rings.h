/* fuzz_rings.h: rings of descriptors in memory, as no sane driver makes them, and
 * frames that arrive meanwhile. */
#ifndef FUZZ_RINGS_H
#define FUZZ_RINGS_H

#include "fuzz.h"

/* Where fuzz_rings() expects the cards that fuzz_make_machine() adds, for whoever
 * enables them: function (slot * 8), register, value. */
struct fuzz_ring_setup {
    uint32_t function, offset, value;
};

enum { FUZZ_RING_SETUPS = 15 };

extern const struct fuzz_ring_setup fuzz_ring_setup[FUZZ_RING_SETUPS];

/* One attack on one of them. Machine lock held. */
void fuzz_rings(struct fuzz *fuzz);

#endif
