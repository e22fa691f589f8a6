/* Control and debug registers: MOV, LMSW, SMSW, CLTS (SDM vol. 2; vol. 3, 2.5, 17.2).
 */
#include "cpu/core/cpu_trace.h"
#include "cpu/core/cpuid.h"
#include "cpu/core/debug.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/system_operands.h"

#define CR0_DEFINED                                                                    \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW |  \
     CR0_CD | CR0_PG)
#define CR0_TRANSLATION (CR0_PG | CR0_WP)
#define CR0_LOADS_PDPTES (CR0_PG | CR0_CD | CR0_NW)
#define CR4_TRANSLATION (CR4_PSE | CR4_PAE | CR4_PGE)
#define CR4_DEFINED                                                                    \
    (CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE |    \
     CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT)

#define DR6_ONES 0xffff0ff0U
#define DR6_WRITABLE 0x0000e00fU
#define DR7_ONES 0x00000400U
#define DR7_WRITABLE 0xffff23ffU

static void write_cr0(struct cpu *cpu, uint32_t value)
{
    uint32_t new = (value & CR0_DEFINED) | CR0_ET;
    uint32_t changed = new ^ cpu->cr0;
    if (((new &CR0_PG) && !(new &CR0_PE)) || ((new &CR0_NW) && !(new &CR0_CD))) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    if ((new &CR0_PG) && (cpu->cr4 & CR4_PAE) && (changed & CR0_LOADS_PDPTES)) {
        mmu_load_pdptes(cpu, cpu->cr3);
    }
    cpu->cr0 = new;
    CPU_TRACE(cpu, TRACE_MMU, "CR0 update: CR0=%08x\n", new);
    if (changed & CR0_TRANSLATION) {
        mmu_flush_all(cpu);
    } else if (changed & CR0_PE) {
        mmu_flush_entries(cpu);
    }
    cpu_update_mode(cpu);
}

static void write_cr4(struct cpu *cpu, uint32_t value)
{
    uint32_t defined = CR4_DEFINED | (cpuid_has(cpu, CPUID_XSAVE) ? CR4_OSXSAVE : 0);
    uint32_t changed = value ^ cpu->cr4;
    if (value & ~defined) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    if ((cpu->cr0 & CR0_PG) && (value & CR4_PAE) && (changed & CR4_TRANSLATION)) {
        mmu_load_pdptes(cpu, cpu->cr3);
    }
    cpu->cr4 = value;
    CPU_TRACE(cpu, TRACE_MMU, "CR4 update: CR4=%08x\n", value);
    if (changed & (CR4_PSE | CR4_PAE)) {
        mmu_flush_all(cpu);
    } else if (changed & CR4_PGE) {
        mmu_flush_entries(cpu);
    }
}

void control_register_write(struct cpu *cpu, unsigned number, uint32_t value)
{
    switch (number) {
    case 0:
        write_cr0(cpu, value);
        break;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        mmu_load_cr3(cpu, value);
        break;
    case 4:
        write_cr4(cpu, value);
        break;
    default:
        cpu_raise(cpu, EXCEPTION_UD);
    }
}

/* There are CR0, CR2, CR3 and CR4. */
static void require_control_register(struct cpu *cpu, unsigned number)
{
    if (number == 1 || number > 4) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    require_cpl0(cpu);
}

static const struct instruction *mov_Cd_Rd(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    require_control_register(cpu, instruction->reg);
    control_register_write(cpu, instruction->reg, cpu->regs[instruction->rm]);
    return instruction_leave(cpu, instruction);
}

static const struct instruction *mov_Rd_Cd(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    const uint32_t values[] = {cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4};
    require_control_register(cpu, instruction->reg);
    cpu->regs[instruction->rm] = values[instruction->reg];
    return instruction + 1;
}

/* The register that `number` names: DR4 and DR5 are DR6 and DR7 unless CR4.DE. */
static unsigned require_debug_register(struct cpu *cpu, unsigned number)
{
    bool alias = number == 4 || number == 5;
    if (alias && (cpu->cr4 & CR4_DE)) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    require_cpl0(cpu);
    if (cpu->dr[7] & DR7_GENERAL_DETECT) {
        cpu->dr[6] |= DR6_ACCESS_DETECTED;
        cpu_raise(cpu, EXCEPTION_DB);
    }
    return alias ? number + 2 : number;
}

static const struct instruction *mov_Dd_Rd(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    unsigned number = require_debug_register(cpu, instruction->reg);
    uint32_t value = cpu->regs[instruction->rm];
    if (number == 6) {
        cpu->dr[6] = (value & DR6_WRITABLE) | DR6_ONES;
    } else {
        bool watched = debug_breakpoints_enabled(cpu);
        cpu->dr[number] = number == 7 ? (value & DR7_WRITABLE) | DR7_ONES : value;
        /* Watched pages are kept out of the TLB, and all out of the views. */
        if (debug_breakpoints_enabled(cpu) != watched) {
            mmu_flush_all(cpu);
        } else {
            mmu_flush_entries(cpu);
        }
    }
    return instruction_leave(cpu, instruction);
}

static const struct instruction *mov_Rd_Dd(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    unsigned number = require_debug_register(cpu, instruction->reg);
    cpu->regs[instruction->rm] = cpu->dr[number];
    return instruction + 1;
}

/* Loads PE, MP, EM and TS; PE cannot be cleared. */
static const struct instruction *lmsw_Ew(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    uint32_t changeable = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
    require_cpl0(cpu);
    uint32_t value = operand_read_Ew(cpu, instruction) & changeable;
    uint32_t kept = cpu->cr0 & (~changeable | CR0_PE);
    control_register_write(cpu, 0, kept | value);
    return instruction_leave(cpu, instruction);
}

static const struct instruction *smsw_Ev(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    operand_write_Evw(cpu, instruction, cpu->cr0);
    return instruction + 1;
}

static const struct instruction *clts(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    require_cpl0(cpu);
    cpu->cr0 &= ~(uint32_t)CR0_TS;
    return instruction_leave(cpu, instruction);
}

const struct handler_set exec_mov_Cd_Rd = HANDLER_SET_ONE(mov_Cd_Rd);
const struct handler_set exec_mov_Rd_Cd = HANDLER_SET_ONE(mov_Rd_Cd);
const struct handler_set exec_mov_Dd_Rd = HANDLER_SET_ONE(mov_Dd_Rd);
const struct handler_set exec_mov_Rd_Dd = HANDLER_SET_ONE(mov_Rd_Dd);
const struct handler_set exec_lmsw_Ew = HANDLER_SET_ONE(lmsw_Ew);
const struct handler_set exec_smsw_Ev = HANDLER_SET_ONE(smsw_Ev);
const struct handler_set exec_clts = HANDLER_SET_ONE(clts);
