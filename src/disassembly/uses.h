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

/* What an instruction reads or may write, and what it overwrites for certain: on the
 * safe side, for those who conclude that bits of a register do not matter. */
struct disassembly_all_uses {
    bool certain;   /* else anything may be read and written */
    uint8_t length; /* in bytes; 0: not known what it is */
    /* General registers: bits. What is in both is read. */
    uint32_t reads[8], writes[8];
    uint32_t reads_flags, writes_flags; /* arithmetic flags and DF, as in EFLAGS */
};

/* Certain is what the integer instructions of users do, as long as they do not fault.
 * Flags that the manual calls undefined, or that may stay what they were, are read. */
void disassembly_find_uses(const uint8_t *code, size_t bytes, bool is16,
                           struct disassembly_all_uses *uses);

#endif
