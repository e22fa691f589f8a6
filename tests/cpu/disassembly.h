/* tests/cpu/disassembly.h: instruction bytes for the eye, by Zydis. */
#ifndef TESTS_CPU_DISASSEMBLY_H
#define TESTS_CPU_DISASSEMBLY_H

#include "base/types.h"

/* Prints a line per instruction. `eip`: of the first byte. */
void disassembly_print(const uint8_t *code, size_t bytes, uint32_t eip, bool is16);

#endif
