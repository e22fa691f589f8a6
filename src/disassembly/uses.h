/* disassembly/uses.h: which bits of a register an instruction reads and writes, by
 * Zydis.
 *
 * Thread and vector registers: as disassembly.h. */
#ifndef DISASSEMBLY_USES_H
#define DISASSEMBLY_USES_H

#include "base/types.h"

enum disassembly_kind {
    DISASSEMBLY_GENERAL, /* eax, ecx, edx, ebx, esp, ebp, esi, edi */
    DISASSEMBLY_FLAGS,   /* arithmetic flags and DF, as in EFLAGS */
    DISASSEMBLY_VECTOR,  /* xmm0 to xmm7: all or nothing */
};

struct disassembly_use {
    bool known;      /* what it is */
    uint32_t reads;  /* bits; a vector register: 0, or all ones */
    uint32_t writes; /* …that have a new value afterwards, for certain */
};

struct disassembly_use disassembly_use(const uint8_t *code, size_t bytes, bool is16,
                                       enum disassembly_kind kind, unsigned number);

#endif
