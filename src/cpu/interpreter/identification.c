/* CPUID, XGETBV, XSETBV. Source: Intel SDM vol. 2. */
#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction.h"

static const struct instruction *cpuid(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    struct cpuid_result result =
        cpuid_leaf(cpu, cpu->regs[REGISTER_EAX], cpu->regs[REGISTER_ECX]);
    cpu->regs[REGISTER_EAX] = result.eax;
    cpu->regs[REGISTER_EBX] = result.ebx;
    cpu->regs[REGISTER_ECX] = result.ecx;
    cpu->regs[REGISTER_EDX] = result.edx;
    return instruction + 1;
}

const struct handler_set exec_cpuid = HANDLER_SET_ONE(cpuid);

/* XCR0 is the only extended control register here. */
static void check_register_number(struct cpu *cpu)
{
    if (cpu->regs[REGISTER_ECX] != 0) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static const struct instruction *xgetbv(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    check_register_number(cpu);
    cpu->regs[REGISTER_EAX] = (uint32_t)cpu->xcr0;
    cpu->regs[REGISTER_EDX] = (uint32_t)(cpu->xcr0 >> 32);
    return instruction + 1;
}

const struct handler_set exec_xgetbv = HANDLER_SET_ONE(xgetbv);

static const struct instruction *xsetbv(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    if (cpu->cpl != 0) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    check_register_number(cpu);
    uint64_t value = cpu->regs[REGISTER_EAX] | (uint64_t)cpu->regs[REGISTER_EDX] << 32;
    bool avx_alone = (value & XCR0_AVX) && !(value & XCR0_SSE);
    if (!(value & XCR0_X87) || avx_alone || (value & ~cpu->cpuid.host_xsave_mask)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    cpu->xcr0 = value;
    return instruction_leave(cpu, instruction);
}

const struct handler_set exec_xsetbv = HANDLER_SET_ONE(xsetbv);
