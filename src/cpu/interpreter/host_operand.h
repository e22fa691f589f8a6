/* cpu/interpreter/host_operand.h: the operands of a stub on their way between guest and
 * host.
 *
 * Plain memory is handed to the stub as it is; a page boundary, a device or a page that
 * holds code puts the buffer in between. Whatever can fault has done so before the stub
 * runs. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_HOST_OPERAND_H
#define CPU_INTERPRETER_HOST_OPERAND_H

#include "cpu/interpreter/host_unit.h"
#include "cpu/mmu/access.h"

/* Where a memory operand is during the execution. */
struct host_operand {
    void *memory;
    uint32_t offset; /* in its segment */
    bool buffered;   /* a store that must still be carried out */
};

/* #AC where it is enabled: SDM vol. 3, table 6-7. `alignment`: a power of two. */
static inline void host_check_alignment(struct cpu *cpu, gla_t address,
                                        unsigned alignment)
{
    if (__builtin_expect(mmu_current_rights(cpu) == MMU_USER_ALIGNED, 0) &&
        (address & (alignment - 1))) {
        cpu_raise_error(cpu, EXCEPTION_AC, 0);
    }
}

/* The slow ways: through the buffer. */
void host_operand_probe_write(struct cpu *cpu, const struct instruction *instruction,
                              uint32_t offset, unsigned bytes);
void host_operand_read(struct cpu *cpu, const struct instruction *instruction,
                       uint32_t offset, unsigned bytes);
void host_operand_write(struct cpu *cpu, const struct instruction *instruction,
                        uint32_t offset, unsigned bytes);

/* What an instruction itself demands, before segment limits are looked at. */
static inline void host_demand_alignment(struct cpu *cpu,
                                         const struct instruction *instruction,
                                         const struct host_form *form, uint32_t offset)
{
    gla_t address = cpu->segments[instruction->segment].base + offset;
    if (__builtin_expect(address & form->alignment_mask, 0)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static inline void host_operand_load(struct cpu *cpu,
                                     const struct instruction *instruction,
                                     const struct host_form *form,
                                     struct host_operand *operand)
{
    unsigned bytes = form->memory_bytes;
    uint32_t offset = instruction_offset(cpu, instruction);
    host_demand_alignment(cpu, instruction, form, offset);
    gla_t address = segment_linear_read(cpu, instruction->segment, offset, bytes);
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    if (__builtin_expect(tlb_hits(e->read_tag, address, bytes) &&
                             !(form->flags & HOST_BUFFERED),
                         1)) {
        operand->memory = e->host + (uintptr_t)address;
        return;
    }
    host_operand_read(cpu, instruction, offset, bytes);
    operand->memory = cpu->host_unit->buffer;
}

/* `direct`: the stub may write guest memory itself. */
static inline void host_operand_prepare_store(struct cpu *cpu,
                                              const struct instruction *instruction,
                                              const struct host_form *form, bool direct,
                                              struct host_operand *operand)
{
    unsigned bytes = form->memory_bytes;
    operand->offset = instruction_offset(cpu, instruction);
    host_demand_alignment(cpu, instruction, form, operand->offset);
    gla_t address =
        segment_linear_write(cpu, instruction->segment, operand->offset, bytes);
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    if (__builtin_expect(tlb_hits(e->write_tag, address, bytes) && direct, 1)) {
        operand->memory = e->host + (uintptr_t)address;
        operand->buffered = false;
        return;
    }
    host_operand_probe_write(cpu, instruction, operand->offset, bytes);
    operand->memory = cpu->host_unit->buffer;
    operand->buffered = true;
}

static inline void host_operand_finish_store(struct cpu *cpu,
                                             const struct instruction *instruction,
                                             const struct host_form *form,
                                             const struct host_operand *operand)
{
    if (__builtin_expect(operand->buffered, 0)) {
        host_operand_write(cpu, instruction, operand->offset, form->memory_bytes);
    }
}

static inline void host_exchange_in(const struct cpu *cpu, const struct host_form *form,
                                    struct host_exchange *exchange)
{
    if (form->flags & HOST_GENERAL_IN) {
        exchange->general = cpu->regs[form->general];
    }
    if (form->flags & HOST_LENGTHS_IN) {
        exchange->general = cpu->regs[REGISTER_EAX];
        exchange->edx = cpu->regs[REGISTER_EDX];
    }
    exchange->flags = cpu->arithmetic;
}

static inline void host_exchange_out(struct cpu *cpu, const struct host_form *form,
                                     const struct host_exchange *exchange)
{
    if (form->flags & HOST_GENERAL_OUT) {
        cpu->regs[form->general] = exchange->general;
    }
    if (form->flags & HOST_INDEX_OUT) {
        cpu->regs[REGISTER_ECX] = exchange->ecx;
    }
    if (form->flags & HOST_FLAGS_OUT) {
        cpu->arithmetic = exchange->flags;
    }
}

static inline void host_need_state(struct cpu *cpu)
{
    if (__builtin_expect(!cpu->fpu.live, 0)) {
        fpu_load(cpu);
    }
}

/* After every instruction that ran on the host's unit. */
static inline void host_done(struct cpu *cpu)
{
    if (FPU_PARK_ALWAYS) {
        fpu_park(cpu);
    }
}

/* A pending x87 exception is reported: raises #MF if CR0.NE is set. Else FERR# is
 * signalled and the result true: the instruction goes on, with host_run_pending(). */
bool host_report_pending(struct cpu *cpu);

static inline bool host_wait(struct cpu *cpu)
{
    return __builtin_expect(fpu_status(cpu) & FPU_STATUS_SUMMARY, 0) &&
           host_report_pending(cpu);
}

/* Whether the form is to be run with host_run_pending(). */
static inline bool host_pending(struct cpu *cpu, const struct host_form *form)
{
    if (!(form->flags & (HOST_WAITS | HOST_PASSES))) {
        return false;
    }
    if (form->flags & HOST_PASSES) {
        return fpu_status(cpu) & FPU_STATUS_SUMMARY;
    }
    return host_wait(cpu);
}

/* Runs a stub while an x87 exception is pending, as if IGNNE# was active: masks what
 * would make the host's unit fault, and unmasks it afterwards (unless the instruction
 * controls the unit). */
void host_run_pending(struct cpu *cpu, const struct host_form *form, void *memory,
                      struct host_exchange *exchange);

#endif
