/* PUSHF, POPF, CLI, STI with their virtual-8086 and protected-mode virtual interrupts
 * (SDM vol. 2; vol. 3, 20.3 and 20.4). */
#include "cpu/interpreter/far_stack.h"
#include "cpu/interpreter/system_operands.h"

enum {
    /* What POPF may change at any privilege. RF is cleared by the 32-bit form. */
    POPF_UNPRIVILEGED =
        EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID,
    /* Never shown by PUSHF. */
    PUSHF_HIDDEN = EFLAGS_VM | EFLAGS_RF,
};

/* In virtual-8086 mode with IOPL below 3, VME lets 16-bit PUSHF and POPF work on VIF in
 * IF's place; without it, they fault. Returns whether that is so. */
static bool uses_virtual_flag(struct cpu *cpu, const struct instruction *instruction)
{
    if (!cpu_v86(cpu) || cpu_iopl(cpu) == 3) {
        return false;
    }
    if (!(cpu->cr4 & CR4_VME) || instruction->operand_bytes == 4) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return true;
}

static const struct instruction *pushf(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    unsigned bytes = instruction->operand_bytes;
    uint32_t image = cpu_eflags(cpu) & ~(uint32_t)PUSHF_HIDDEN;
    if (uses_virtual_flag(cpu, instruction)) {
        image = (image & ~(uint32_t)EFLAGS_IF) | EFLAGS_IOPL |
                (image & EFLAGS_VIF ? EFLAGS_IF : 0);
    }
    struct far_stack stack = far_stack_current(cpu);
    far_stack_push(cpu, &stack, image, bytes);
    far_stack_release(cpu, 0U - bytes);
    return instruction + 1;
}

/* What POPF may change here, VIF aside. */
static uint32_t popf_mask(const struct cpu *cpu, unsigned bytes)
{
    uint32_t mask = POPF_UNPRIVILEGED;
    if (cpu->cpl <= cpu_iopl(cpu)) {
        mask |= EFLAGS_IF;
    }
    if (cpu->cpl == 0) {
        mask |= EFLAGS_IOPL;
    }
    return bytes == 4 ? mask : mask & 0xffff;
}

/* IF as POPF finds it goes to VIF. */
static uint32_t virtual_image(struct cpu *cpu, uint32_t image)
{
    bool pending = cpu->system_flags & EFLAGS_VIP;
    if ((image & EFLAGS_TF) || (pending && (image & EFLAGS_IF))) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return (image & ~(uint32_t)EFLAGS_VIF) | (image & EFLAGS_IF ? EFLAGS_VIF : 0);
}

static const struct instruction *popf(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    unsigned bytes = instruction->operand_bytes;
    bool virtual = uses_virtual_flag(cpu, instruction);
    uint32_t mask = popf_mask(cpu, bytes);
    uint32_t image = far_stack_peek(cpu, 0, bytes);
    if (virtual) {
        image = virtual_image(cpu, image);
        mask |= EFLAGS_VIF;
    }
    uint32_t eflags = (cpu_eflags(cpu) & ~mask) | (image & mask);
    if (bytes == 4) {
        eflags &= ~(uint32_t)EFLAGS_RF;
    }
    far_stack_release(cpu, bytes);
    cpu_set_eflags(cpu, eflags);
    cpu_update_mode(cpu);
    return instruction_leave(cpu, instruction);
}

/* Which flag CLI and STI work on: IF or VIF; faults where neither is allowed. */
static uint32_t interrupt_flag(struct cpu *cpu)
{
    if (cpu->cpl <= cpu_iopl(cpu)) {
        return EFLAGS_IF;
    }
    uint32_t extension = cpu_v86(cpu) ? CR4_VME : CR4_PVI;
    if (cpu->cpl != 3 || !(cpu->cr4 & extension)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return EFLAGS_VIF;
}

static const struct instruction *cli(struct cpu *cpu,
                                     const struct instruction *instruction)
{
    cpu->system_flags &= ~interrupt_flag(cpu);
    return instruction + 1;
}

static const struct instruction *sti(struct cpu *cpu,
                                     const struct instruction *instruction)
{
    uint32_t flag = interrupt_flag(cpu);
    if (flag == EFLAGS_VIF && (cpu->system_flags & EFLAGS_VIP)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    if (flag == EFLAGS_IF && !(cpu->system_flags & EFLAGS_IF)) {
        cpu->shadow |= CPU_SHADOW_STI;
    }
    cpu->system_flags |= flag;
    return instruction_leave(cpu, instruction);
}

const struct handler_set exec_pushf = HANDLER_SET_ONE(pushf);
const struct handler_set exec_popf = HANDLER_SET_ONE(popf);
const struct handler_set exec_cli = HANDLER_SET_ONE(cli);
const struct handler_set exec_sti = HANDLER_SET_ONE(sti);
