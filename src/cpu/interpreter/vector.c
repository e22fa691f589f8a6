/* MMX, SSE and AVX: rows with exec=vector. */
#include "cpu/core/exception.h"
#include "cpu/interpreter/host_operand.h"

/* Runs the stub with all SIMD exceptions masked and MXCSR as given; returns the
 * exceptions that it met. Leaves the state parked. */
static uint32_t try_stub(struct cpu *cpu, const struct host_form *form, void *memory,
                         struct host_exchange *exchange, uint32_t mxcsr)
{
    fpu_area_put32(cpu, FPU_AREA_MXCSR,
                   (mxcsr | MXCSR_MASKS) & ~(uint32_t)MXCSR_EXCEPTIONS);
    bool pending = fpu_area_get16(cpu, FPU_AREA_STATUS) & FPU_STATUS_SUMMARY;
    fpu_load(cpu);
    if (pending && (form->flags & (HOST_WAITS | HOST_PASSES))) {
        host_run_pending(cpu, form, memory, exchange);
    } else {
        form->code(memory, exchange);
    }
    fpu_park_slow(cpu);
    return fpu_area_get32(cpu, FPU_AREA_MXCSR) & MXCSR_EXCEPTIONS;
}

/* The exceptions that the instruction meets, given what MXCSR masks. An unmasked
 * underflow is a tiny result, exact or not (SDM vol. 1, section 4.9.1.5); flushing to
 * zero is what makes the host tell (but not of VCVTPS2PH, which never flushes). */
static uint32_t met_exceptions(struct cpu *cpu, const struct host_form *form,
                               void *memory, struct host_exchange *exchange,
                               uint32_t mxcsr)
{
    struct host_unit *unit = cpu->host_unit;
    if (mxcsr & MXCSR_UNDERFLOW << MXCSR_MASK_SHIFT) {
        return try_stub(cpu, form, memory, exchange, mxcsr);
    }
    struct host_exchange untouched = *exchange;
    uint32_t met = try_stub(cpu, form, memory, exchange, mxcsr | MXCSR_FLUSH_TO_ZERO);
    if (!(met & MXCSR_UNDERFLOW)) {
        return met;
    }
    __builtin_memcpy(cpu->fpu.area, unit->saved, sizeof(unit->saved));
    *exchange = untouched;
    return MXCSR_UNDERFLOW |
           try_stub(cpu, form, memory, exchange, mxcsr & ~MXCSR_FLUSH_TO_ZERO);
}

/* The transition from x87 to MMX comes before the instruction (SDM vol. 2, CVTPS2PI).
 */
static void enter_mmx(struct cpu *cpu)
{
    uint64_t unused;
    if (!(fpu_area_get16(cpu, FPU_AREA_STATUS) & FPU_STATUS_SUMMARY)) {
        fpu_load(cpu);
        __asm__ volatile("movd %%mm0, %k0" : "=r"(unused));
        fpu_park_slow(cpu);
    }
}

/* MXCSR unmasks something: the host must not fault, so that the instruction is tried
 * with everything masked, and taken back if it should have faulted. `memory` must not
 * be the guest's if it is written. SDM vol. 1, section 11.5. */
static void run_unmasked(struct cpu *cpu, const struct host_form *form, void *memory,
                         struct host_exchange *exchange)
{
    struct host_unit *unit = cpu->host_unit;
    fpu_park(cpu);
    __builtin_memcpy(unit->saved, cpu->fpu.area, sizeof(unit->saved));
    uint32_t mxcsr = fpu_area_get32(cpu, FPU_AREA_MXCSR);
    uint32_t met = met_exceptions(cpu, form, memory, exchange, mxcsr);
    uint32_t unmasked = met & ~(mxcsr >> MXCSR_MASK_SHIFT);
    if (unmasked) {
        __builtin_memcpy(cpu->fpu.area, unit->saved, sizeof(unit->saved));
        if (form->flags & HOST_WAITS) {
            enter_mmx(cpu);
        }
        if (unmasked & MXCSR_EXCEPTIONS_BEFORE) {
            met &= MXCSR_EXCEPTIONS_BEFORE;
        }
    }
    fpu_area_put32(cpu, FPU_AREA_MXCSR, mxcsr | met);
    if (unmasked) {
        cpu_raise(cpu, cpu->cr4 & CR4_OSXMMEXCPT ? EXCEPTION_XM : EXCEPTION_UD);
    }
}

static inline void run(struct cpu *cpu, const struct host_form *form, void *memory,
                       bool unmasked, bool pending)
{
    struct host_exchange exchange;
    if (form->flags & HOST_EXCHANGES) {
        host_exchange_in(cpu, form, &exchange);
    }
    if (__builtin_expect(unmasked, 0)) {
        run_unmasked(cpu, form, memory, &exchange);
    } else {
        host_need_state(cpu);
        if (__builtin_expect(pending, 0)) {
            host_run_pending(cpu, form, memory, &exchange);
        } else {
            form->code(memory, &exchange);
        }
    }
    if (form->flags & HOST_EXCHANGES) {
        host_exchange_out(cpu, form, &exchange);
    }
}

static const struct instruction *execute(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    const struct host_form *form = host_form(cpu, instruction);
    struct host_operand operand = {.memory = NULL};
    host_check(cpu, &form->demands);
    bool pending = host_pending(cpu, form);
    if (__builtin_expect(form->special != NULL, 0)) {
        return form->special(cpu, instruction);
    }
    bool unmasked = cpu->fpu.simd_unmasked && (form->flags & HOST_SIMD);
    if (!instruction->memory) {
        run(cpu, form, NULL, unmasked, pending);
    } else if (!(form->flags & HOST_STORES)) {
        host_operand_load(cpu, instruction, form, &operand);
        run(cpu, form, operand.memory, unmasked, pending);
    } else {
        host_operand_prepare_store(cpu, instruction, form, !unmasked, &operand);
        run(cpu, form, operand.memory, unmasked, pending);
        host_operand_finish_store(cpu, instruction, form, &operand);
    }
    host_done(cpu);
    return instruction + 1;
}

const struct handler_set exec_vector = HANDLER_SET_ONE(execute);
