/* cpu/core/fpu.h: x87, MMX, SSE and AVX by the host's own unit.
 *
 * The guest's vector state stays in the host's registers (cpu->fpu.live) from the first
 * such instruction until something else needs them: all code in cpu/ is compiled with
 * general registers only, and whoever leaves it (a device access, the return from the
 * engine, libc) parks the state first. Parked, `area` holds all of it in the standard
 * format of XSAVE, complete (XSTATE_BV is 7, whatever the host has); a
 * host without XSAVE uses the first 512 bytes (FXSAVE). The x87 pointers and opcode are
 * not in the area but beside it.
 * Thread: the CPU's own. Saved by: the machine, parked. */
#ifndef CPU_CORE_FPU_H
#define CPU_CORE_FPU_H

#include "cpu/core/cpu.h"

/* Sanitizers put calls everywhere; there the state stays live within one instruction
 * only. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { FPU_PARK_ALWAYS = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||             \
    __has_feature(undefined_behavior_sanitizer)
enum { FPU_PARK_ALWAYS = 1 };
#else
enum { FPU_PARK_ALWAYS = 0 };
#endif
#else
enum { FPU_PARK_ALWAYS = 0 };
#endif

/* Control and status words of the x87 (SDM vol. 1, sections 8.1.3 to 8.1.5). */
enum {
    FPU_EXCEPTIONS = 0x3f, /* flags in the status, masks in the control word */
    FPU_EXCEPTION_PRECISION = 0x20,
    FPU_STATUS_SUMMARY = 0x80,     /* ES: an unmasked exception waits */
    FPU_STATUS_BUSY = 0x8000,      /* shows ES */
    FPU_STATUS_CONDITION = 0x4700, /* C0 to C3 */
    FPU_STATUS_TOP_SHIFT = 11,
    FPU_CONTROL_BITS = 0x1f7f, /* the others read as 0, bit 6 as 1 */
    FPU_CONTROL_ONE = 0x40,
    FPU_CONTROL_INIT = 0x37f, /* after FNINIT */
    FPU_CONTROL_RESET = 0x40, /* after power-on */
};

/* MXCSR (SDM vol. 1, section 10.2.3). */
enum {
    MXCSR_EXCEPTIONS = 0x3f,
    MXCSR_EXCEPTIONS_BEFORE = 0x07, /* invalid, denormal, divide: before computing */
    MXCSR_UNDERFLOW = 0x10,
    MXCSR_MASK_SHIFT = 7,
    MXCSR_MASKS = 0x1f80,
    MXCSR_FLUSH_TO_ZERO = 0x8000,
    MXCSR_INIT = 0x1f80,
    MXCSR_BITS = 0xffff, /* the others are reserved: MXCSR_MASK */
};

void fpu_park_slow(struct cpu *cpu);
/* Host registers -> cpu->fpu.area, host defaults restored. */
static inline void fpu_park(struct cpu *cpu)
{
    if (cpu->fpu.live) {
        fpu_park_slow(cpu);
    }
}
/* cpu->fpu.area -> host registers. */
void fpu_load(struct cpu *cpu);

/* x87 and MXCSR as after power-on (SDM vol. 3, table 9-1). Also asks the host what it
 * has, when called for the first time. */
void fpu_reset(struct cpu *cpu);

/* After `area` was loaded from outside: makes it something that the host's XRSTOR
 * takes, and derives what follows from it. */
void fpu_loaded(struct cpu *cpu);

/* The words of a parked area. */
static inline uint16_t fpu_area_get16(const struct cpu *cpu, unsigned offset)
{
    uint16_t value;
    __builtin_memcpy(&value, cpu->fpu.area + offset, sizeof(value));
    return value;
}
static inline uint32_t fpu_area_get32(const struct cpu *cpu, unsigned offset)
{
    uint32_t value;
    __builtin_memcpy(&value, cpu->fpu.area + offset, sizeof(value));
    return value;
}
static inline uint64_t fpu_area_get64(const struct cpu *cpu, unsigned offset)
{
    uint64_t value;
    __builtin_memcpy(&value, cpu->fpu.area + offset, sizeof(value));
    return value;
}
static inline void fpu_area_put16(struct cpu *cpu, unsigned offset, uint16_t value)
{
    __builtin_memcpy(cpu->fpu.area + offset, &value, sizeof(value));
}
static inline void fpu_area_put32(struct cpu *cpu, unsigned offset, uint32_t value)
{
    __builtin_memcpy(cpu->fpu.area + offset, &value, sizeof(value));
}
static inline void fpu_area_put64(struct cpu *cpu, unsigned offset, uint64_t value)
{
    __builtin_memcpy(cpu->fpu.area + offset, &value, sizeof(value));
}

/* Control and status word stored into a parked area, in the form that the processor
 * keeps them: reserved bits, and ES and B as follow from flags and masks. */
void fpu_area_set_words(struct cpu *cpu, uint16_t control, uint16_t status);

/* Last instruction and operand as after FNINIT. */
void fpu_clear_pointers(struct cpu *cpu);

/* Parked or live. */
uint16_t fpu_status(const struct cpu *cpu);
uint16_t fpu_control(const struct cpu *cpu);
uint32_t fpu_mxcsr(const struct cpu *cpu);
/* Live, and not by instructions that the interpreter or the JIT know of: derives anew
 * what follows from the registers. */
void fpu_run_elsewhere(struct cpu *cpu);
/* `value` has no reserved bits. */
void fpu_set_mxcsr(struct cpu *cpu, uint32_t value);
/* Guest code may have changed it that was not looked at. */
void fpu_mxcsr_changed(struct cpu *cpu);

#endif
