/* HLT, INVLPG, INVD, WBINVD, RDTSC, RDTSCP, RDPMC (SDM vol. 2). */
#include "cpu/interpreter/system_operands.h"

static const struct instruction *hlt(struct cpu *cpu,
                                     const struct instruction *instruction)
{
    require_cpl0(cpu);
    cpu->halted = true;
    return instruction_leave(cpu, instruction);
}

/* The address is not checked against the segment's limit. */
static const struct instruction *invlpg_Mb(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    require_cpl0(cpu);
    mmu_flush_page(cpu, cpu->segments[instruction->segment].base +
                            instruction_offset(cpu, instruction));
    return instruction_leave(cpu, instruction);
}

/* Caches are not modelled. */
static const struct instruction *invd(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    require_cpl0(cpu);
    return instruction_leave(cpu, instruction);
}

static void read_tsc(struct cpu *cpu)
{
    if ((cpu->cr4 & CR4_TSD) && cpu->cpl != 0) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    uint64_t tsc = cpu_tsc(cpu);
    cpu->regs[REGISTER_EAX] = (uint32_t)tsc;
    cpu->regs[REGISTER_EDX] = (uint32_t)(tsc >> 32);
}

static const struct instruction *rdtsc(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    read_tsc(cpu);
    return instruction + 1;
}

/* There is no IA32_TSC_AUX to be written: it stays 0. */
static const struct instruction *rdtscp(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    read_tsc(cpu);
    cpu->regs[REGISTER_ECX] = 0;
    return instruction + 1;
}

/* There are no counters: every number is invalid, whatever CPL and CR4.PCE. */
static const struct instruction *rdpmc(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    cpu_raise_error(cpu, EXCEPTION_GP, 0);
}

const struct handler_set exec_hlt = HANDLER_SET_ONE(hlt);
const struct handler_set exec_invlpg_Mb = HANDLER_SET_ONE(invlpg_Mb);
const struct handler_set exec_invd = HANDLER_SET_ONE(invd);
const struct handler_set exec_wbinvd = HANDLER_SET_ONE(invd);
const struct handler_set exec_rdtsc = HANDLER_SET_ONE(rdtsc);
const struct handler_set exec_rdtscp = HANDLER_SET_ONE(rdtscp);
const struct handler_set exec_rdpmc = HANDLER_SET_ONE(rdpmc);
