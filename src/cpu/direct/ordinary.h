/* cpu/direct/ordinary.h: whether bytes are what programs are made of.
 *
 * Tables between code, as in cryptographic libraries, decode to instructions, too:
 * among them soon one that compilers do not make and people have no use for in 32-bit
 * user code, or a jump to nowhere. Of random bytes every third instruction is such a
 * one. Thread: any. */
#ifndef CPU_DIRECT_ORDINARY_H
#define CPU_DIRECT_ORDINARY_H

#include "base/types.h"

/* The instruction at `bytes`, of which so many are there; what is cut off may be. */
bool is_ordinary_instruction(const uint8_t *bytes, unsigned available);

#endif
