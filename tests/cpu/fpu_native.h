/* tests/cpu/fpu_native.h: the very same bytes run by the host in 64-bit mode.
 *
 * Instructions whose operands are registers 0 to 7 and memory at [EDI] mean the same in
 * both modes. One per process: it owns signal handlers. */
#ifndef TESTS_CPU_FPU_NATIVE_H
#define TESTS_CPU_FPU_NATIVE_H

#include "cpu/core/cpu.h"

enum { NATIVE_OK, NATIVE_NO_INSTRUCTION, NATIVE_SIMD_EXCEPTION };

struct native_state {
    _Alignas(64) uint8_t area[XSAVE_AREA_BYTES];
    uint64_t regs[8]; /* RAX RCX RDX RBX in and out; [7]: RDI, in */
    uint64_t flags;   /* in and out: the arithmetic ones */
};

void native_create(void);

/* Runs the instruction from `state` and leaves there what became of it. An unmasked
 * SIMD exception leaves the upper halves of YMM registers and all else as they were. */
int native_run(struct native_state *state, const uint8_t *bytes, unsigned length);

#endif
