#include "cpu/core/exception.h"

#include "cpu/core/fpu.h"

_Noreturn void cpu_raise(struct cpu *cpu, enum exception_vector vector)
{
    cpu->pending.vector = (uint8_t)vector;
    cpu->pending.has_error = false;
    cpu->pending.error = 0;
    longjmp(cpu->unwind, 1);
}

_Noreturn void cpu_raise_error(struct cpu *cpu, enum exception_vector vector,
                               uint32_t error)
{
    /* The error codes of #DF and #AC are always 0: no selector, no EXT bit. */
    bool selector = vector != EXCEPTION_DF && vector != EXCEPTION_AC;
    cpu->pending.vector = (uint8_t)vector;
    cpu->pending.has_error = true;
    cpu->pending.error = error | (selector && cpu->delivering_external ? 1 : 0);
    longjmp(cpu->unwind, 1);
}

_Noreturn void cpu_raise_page_fault(struct cpu *cpu, gla_t address, uint32_t error)
{
    cpu->cr2 = address;
    cpu->pending.vector = EXCEPTION_PF;
    cpu->pending.has_error = true;
    cpu->pending.error = error;
    longjmp(cpu->unwind, 1);
}

void cpu_delivered(struct cpu *cpu, unsigned vector, uint32_t error)
{
    if (cpu->observer) {
        fpu_park(cpu);
        cpu->observer->delivered(cpu->observer->opaque, vector, error);
    }
}
