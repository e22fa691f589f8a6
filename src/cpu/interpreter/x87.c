/* x87: rows with exec=x87, and WAIT. Source: Intel SDM vol. 1, chapter 8. */
#include "cpu/core/exception.h"
#include "cpu/interpreter/host_operand.h"
#include "cpu/interpreter/vector_internal.h"

/* What FSTENV and FSAVE show: SDM vol. 1, sections 8.1.8 and 8.1.9. */
static inline void note_instruction(struct cpu *cpu,
                                    const struct instruction *instruction)
{
    struct fpu *fpu = &cpu->fpu;
    fpu->opcode = (uint16_t)((instruction->opcode & 7) << 8 | instruction->modrm);
    fpu->instruction_offset = instruction->eip;
    fpu->instruction_selector = cpu->segments[SEGMENT_CS].selector;
    if (instruction->memory) {
        fpu->operand_offset = instruction_offset(cpu, instruction);
        fpu->operand_selector = cpu->segments[instruction->segment].selector;
    }
}

static inline void run(struct cpu *cpu, const struct host_form *form, void *memory,
                       bool pending)
{
    struct host_exchange exchange;
    if (form->flags & HOST_EXCHANGES) {
        host_exchange_in(cpu, form, &exchange);
    }
    host_need_state(cpu);
    if (__builtin_expect(pending, 0)) {
        host_run_pending(cpu, form, memory, &exchange);
    } else {
        form->code(memory, &exchange);
    }
    if (form->flags & HOST_EXCHANGES) {
        host_exchange_out(cpu, form, &exchange);
    }
}

/* Whether an unmasked exception has kept the instruction from storing its result: all
 * but an inexact result do (SDM vol. 1, sections 8.5.1 to 8.5.6). None was pending
 * before. */
static bool store_suppressed(const struct cpu *cpu, const struct host_form *form)
{
    if (form->flags & HOST_CONTROLS) {
        return false;
    }
    return fpu_status(cpu) & ~fpu_control(cpu) &
           (FPU_EXCEPTIONS & ~FPU_EXCEPTION_PRECISION);
}

static void store(struct cpu *cpu, const struct instruction *instruction,
                  const struct host_form *form, bool pending)
{
    struct host_operand operand;
    host_operand_prepare_store(cpu, instruction, form, true, &operand);
    run(cpu, form, operand.memory, pending);
    if (operand.buffered && (pending || !store_suppressed(cpu, form))) {
        host_operand_finish_store(cpu, instruction, form, &operand);
    }
}

static void lower_ferr(struct cpu *cpu)
{
    if (cpu->wiring.set_ferr) {
        fpu_park(cpu);
        lock_take(cpu->wiring.lock);
        cpu->wiring.set_ferr(cpu->wiring.opaque, false);
        lock_release(cpu->wiring.lock);
    }
}

/* FLDCW, FNSTCW, FNSTSW, FNCLEX, FNINIT… */
static void control(struct cpu *cpu, const struct instruction *instruction,
                    const struct host_form *form, bool pending)
{
    enum { FNINIT_OPCODE = 0xdb, FNINIT_MODRM = 0xe3 };
    bool was_pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
    if (!instruction->memory) {
        run(cpu, form, NULL, pending);
        if (instruction->opcode == FNINIT_OPCODE &&
            instruction->modrm == FNINIT_MODRM) {
            fpu_clear_pointers(cpu);
        }
    } else if (form->flags & HOST_STORES) {
        store(cpu, instruction, form, pending);
    } else {
        struct host_operand operand;
        host_operand_load(cpu, instruction, form, &operand);
        run(cpu, form, operand.memory, pending);
    }
    x87_controlled(cpu, was_pending);
}

void x87_controlled(struct cpu *cpu, bool was_pending)
{
    if (was_pending && !(cpu->cr0 & CR0_NE) &&
        !(fpu_status(cpu) & FPU_STATUS_SUMMARY)) {
        lower_ferr(cpu);
    }
}

/* Where FERR# was raised the interrupt that it makes is to come at once. */
static const struct instruction *
after(struct cpu *cpu, const struct instruction *instruction, bool pending)
{
    return pending ? instruction_leave(cpu, instruction) : instruction + 1;
}

static const struct instruction *execute(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    const struct host_form *form = host_form(cpu, instruction);
    struct host_operand operand;
    host_check(cpu, &form->demands);
    bool pending = (form->flags & HOST_WAITS) && host_wait(cpu);
    if (form->special) {
        return form->special(cpu, instruction);
    }
    if (form->flags & HOST_CONTROLS) {
        control(cpu, instruction, form, pending);
        host_done(cpu);
        return after(cpu, instruction, pending);
    }
    if (!instruction->memory) {
        run(cpu, form, NULL, pending);
    } else if (form->flags & HOST_STORES) {
        store(cpu, instruction, form, pending);
    } else {
        host_operand_load(cpu, instruction, form, &operand);
        run(cpu, form, operand.memory, pending);
    }
    note_instruction(cpu, instruction);
    host_done(cpu);
    return after(cpu, instruction, pending);
}

const struct handler_set exec_x87 = HANDLER_SET_ONE(execute);

/* WAIT obeys CR0.TS only if CR0.MP is set (SDM vol. 3, table 2-2). */
static const struct instruction *fwait(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) {
        cpu_raise(cpu, EXCEPTION_NM);
    }
    return after(cpu, instruction, host_wait(cpu));
}

const struct handler_set exec_fwait = HANDLER_SET_ONE(fwait);

/* FNSTSW AX. */
const struct instruction *x87_store_status(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    cpu->regs[REGISTER_EAX] = (cpu->regs[REGISTER_EAX] & 0xffff0000U) | fpu_status(cpu);
    return instruction + 1;
}
