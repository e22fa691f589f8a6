/* FLDENV, FNSTENV, FRSTOR, FNSAVE: the host's, with the guest's pointers, in the four
 * formats that operand size and mode choose (SDM vol. 1, figures 8-9 to 8-12). */
#include "cpu/interpreter/host_operand.h"
#include "cpu/interpreter/vector_internal.h"

/* As the host stores it, which is the 32-bit protected mode format. Upper halves of
 * words without a meaning are ones. */
struct environment {
    uint32_t control, status, tags;
    uint32_t instruction_offset;
    uint16_t instruction_selector, opcode;
    uint32_t operand_offset, operand_selector;
};

enum {
    ENVIRONMENT_BYTES_16 = 14,
    ENVIRONMENT_BYTES_32 = 28,
    REGISTERS_BYTES = 80,
    STATE_BYTES_32 = ENVIRONMENT_BYTES_32 + REGISTERS_BYTES,
    OPCODE_BITS = 0x7ff,
};

/* What FNSAVE stores. */
struct state {
    struct environment environment;
    uint8_t registers[REGISTERS_BYTES];
};

static unsigned environment_bytes(const struct instruction *instruction)
{
    return instruction->operand_bytes == 4 ? ENVIRONMENT_BYTES_32
                                           : ENVIRONMENT_BYTES_16;
}

/* Alignment, where it is checked, is that of the operand size, and looked at with the
 * first access. */
static void probe_write(struct cpu *cpu, const struct instruction *instruction,
                        uint32_t offset, unsigned count)
{
    host_check_alignment(cpu,
                         segment_linear_write(cpu, instruction->segment, offset, count),
                         instruction->operand_bytes);
    segment_probe_write(cpu, instruction->segment, offset, count);
}

static void read(struct cpu *cpu, const struct instruction *instruction,
                 uint32_t offset, uint8_t *bytes, unsigned count)
{
    host_check_alignment(cpu,
                         segment_linear_read(cpu, instruction->segment, offset,
                                             instruction->operand_bytes),
                         instruction->operand_bytes);
    segment_read_bytes(cpu, instruction->segment, offset, bytes, count);
}

/* Real-address and virtual-8086 mode show 20 (or 32) bits of linear address. */
static void format_real(const struct fpu *fpu, bool wide, uint32_t *pointers)
{
    uint32_t instruction =
        ((uint32_t)fpu->instruction_selector << 4) + fpu->instruction_offset;
    uint32_t operand = ((uint32_t)fpu->operand_selector << 4) + fpu->operand_offset;
    if (wide) {
        pointers[0] = 0xffff0000U | (instruction & 0xffff);
        pointers[1] = (instruction >> 16) << 12 | (fpu->opcode & OPCODE_BITS);
        pointers[2] = 0xffff0000U | (operand & 0xffff);
        pointers[3] = (operand >> 16) << 12;
    } else {
        pointers[0] = instruction & 0xffff;
        pointers[1] = ((instruction >> 16) & 15) << 12 | (fpu->opcode & OPCODE_BITS);
        pointers[2] = operand & 0xffff;
        pointers[3] = ((operand >> 16) & 15) << 12;
    }
}

static void format_protected(const struct fpu *fpu, uint32_t *pointers)
{
    pointers[0] = fpu->instruction_offset;
    pointers[1] = fpu->instruction_selector | (uint32_t)fpu->opcode << 16;
    pointers[2] = fpu->operand_offset;
    pointers[3] = 0xffff0000U | fpu->operand_selector;
}

/* The guest's format of what the host has stored; at most 28 bytes. */
static void format_environment(const struct cpu *cpu,
                               const struct environment *environment, bool wide,
                               uint8_t *bytes)
{
    uint32_t words[7] = {environment->control, environment->status, environment->tags};
    if (cpu_protected(cpu)) {
        format_protected(&cpu->fpu, &words[3]);
    } else {
        format_real(&cpu->fpu, wide, &words[3]);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
        uint16_t half = (uint16_t)words[i];
        if (wide) {
            __builtin_memcpy(bytes + 4 * i, &words[i], sizeof(words[i]));
        } else {
            __builtin_memcpy(bytes + 2 * i, &half, sizeof(half));
        }
    }
}

/* The other way round: pointers to struct fpu, the rest to `environment`. */
static void parse_environment(struct cpu *cpu, const uint8_t *bytes, bool wide,
                              struct environment *environment)
{
    struct fpu *fpu = &cpu->fpu;
    uint32_t words[7];
    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
        uint16_t half;
        __builtin_memcpy(&half, bytes + 2 * i, sizeof(half));
        words[i] = half;
        if (wide) {
            __builtin_memcpy(&words[i], bytes + 4 * i, sizeof(words[i]));
        }
    }
    *environment = (struct environment){
        .control = words[0] & 0xffff,
        .status = words[1] & 0xffff,
        .tags = words[2] & 0xffff,
    };
    if (cpu_protected(cpu)) {
        fpu->instruction_offset = words[3];
        fpu->instruction_selector = (uint16_t)words[4];
        fpu->opcode = wide ? (words[4] >> 16) & OPCODE_BITS : 0;
        fpu->operand_offset = words[5];
        fpu->operand_selector = (uint16_t)words[6];
        return;
    }
    uint32_t high = wide ? 0xffff : 15;
    fpu->instruction_offset = (words[3] & 0xffff) | ((words[4] >> 12) & high) << 16;
    fpu->operand_offset = (words[5] & 0xffff) | ((words[6] >> 12) & high) << 16;
    fpu->opcode = words[4] & OPCODE_BITS;
    fpu->instruction_selector = fpu->operand_selector = 0;
}

const struct instruction *x87_store_environment(struct cpu *cpu,
                                                const struct instruction *instruction)
{
    uint32_t offset = instruction_offset(cpu, instruction);
    unsigned count = environment_bytes(instruction);
    bool was_pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
    struct environment environment;
    uint8_t bytes[ENVIRONMENT_BYTES_32];
    probe_write(cpu, instruction, offset, count);
    host_need_state(cpu);
    __asm__ volatile("fnstenv %0" : "=m"(environment));
    format_environment(cpu, &environment, count == ENVIRONMENT_BYTES_32, bytes);
    x87_controlled(cpu, was_pending);
    host_done(cpu);
    segment_write_bytes(cpu, instruction->segment, offset, bytes, count);
    return instruction + 1;
}

/* FLDENV and FRSTOR replace what is pending, without looking at it. */
static void drop_pending(bool was_pending)
{
    if (was_pending) {
        __asm__ volatile("fnclex");
    }
}

const struct instruction *x87_load_environment(struct cpu *cpu,
                                               const struct instruction *instruction)
{
    uint32_t offset = instruction_offset(cpu, instruction);
    unsigned count = environment_bytes(instruction);
    bool was_pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
    struct environment environment;
    uint8_t bytes[ENVIRONMENT_BYTES_32];
    read(cpu, instruction, offset, bytes, count);
    parse_environment(cpu, bytes, count == ENVIRONMENT_BYTES_32, &environment);
    host_need_state(cpu);
    drop_pending(was_pending);
    __asm__ volatile("fldenv %0" : : "m"(environment));
    x87_controlled(cpu, was_pending);
    host_done(cpu);
    return instruction + 1;
}

const struct instruction *x87_store_state(struct cpu *cpu,
                                          const struct instruction *instruction)
{
    uint32_t offset = instruction_offset(cpu, instruction);
    unsigned count = environment_bytes(instruction);
    bool was_pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
    struct state state;
    uint8_t bytes[STATE_BYTES_32];
    probe_write(cpu, instruction, offset, count + REGISTERS_BYTES);
    host_need_state(cpu);
    __asm__ volatile("fnsave %0" : "=m"(state));
    format_environment(cpu, &state.environment, count == ENVIRONMENT_BYTES_32, bytes);
    fpu_clear_pointers(cpu);
    x87_controlled(cpu, was_pending);
    host_done(cpu);
    for (unsigned i = 0; i < REGISTERS_BYTES; i++) {
        bytes[count + i] = state.registers[i];
    }
    segment_write_bytes(cpu, instruction->segment, offset, bytes,
                        count + REGISTERS_BYTES);
    return instruction + 1;
}

const struct instruction *x87_load_state(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    uint32_t offset = instruction_offset(cpu, instruction);
    unsigned count = environment_bytes(instruction);
    bool was_pending = fpu_status(cpu) & FPU_STATUS_SUMMARY;
    struct state state;
    uint8_t bytes[STATE_BYTES_32];
    read(cpu, instruction, offset, bytes, count + REGISTERS_BYTES);
    parse_environment(cpu, bytes, count == ENVIRONMENT_BYTES_32, &state.environment);
    for (unsigned i = 0; i < REGISTERS_BYTES; i++) {
        state.registers[i] = bytes[count + i];
    }
    host_need_state(cpu);
    drop_pending(was_pending);
    __asm__ volatile("frstor %0" : : "m"(state));
    x87_controlled(cpu, was_pending);
    host_done(cpu);
    return instruction + 1;
}
