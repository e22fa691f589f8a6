/* disassembly/disassembly.h: instruction bytes for the eye, by Zydis.
 *
 * Thread: any; there is no state. It uses vector registers: who holds the guest's in
 * the host's parks them first (cpu/core/fpu.h). */
#ifndef DISASSEMBLY_DISASSEMBLY_H
#define DISASSEMBLY_DISASSEMBLY_H

#include "base/types.h"

#include <stdio.h>

enum {
    DISASSEMBLY_MOST_BYTES = 15, /* of one instruction (SDM vol. 2, section 2.3.11) */
    DISASSEMBLY_LINE_BYTES = 192,
};

/* Writes "EIP: bytes  mnemonic operands" (Intel's syntax) of the first instruction in
 * `code` to `line`. Returns its length; what is no instruction, or is cut off, takes
 * all of `bytes`, at most 15. */
size_t disassembly_line(const uint8_t *code, size_t bytes, uint32_t eip, bool is16,
                        char line[DISASSEMBLY_LINE_BYTES]);

/* The same of the host's code, for 64-bit mode. */
size_t disassembly_host_line(const uint8_t *code, size_t bytes, uint64_t address,
                             char line[DISASSEMBLY_LINE_BYTES]);

/* Prints a line per instruction. `eip`: of the first byte. */
void disassembly_print(FILE *stream, const uint8_t *code, size_t bytes, uint32_t eip,
                       bool is16);

#endif
