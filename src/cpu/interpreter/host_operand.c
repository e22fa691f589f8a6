#include "cpu/interpreter/host_operand.h"

/* SDM vol. 3, table 6-7: 80-bit operands at 8 bytes, vectors at 16. */
static unsigned natural_alignment(unsigned bytes)
{
    if (bytes == 10) {
        return 8;
    }
    return bytes > 16 ? 16 : bytes;
}

void host_operand_probe_write(struct cpu *cpu, const struct instruction *instruction,
                              uint32_t offset, unsigned bytes)
{
    gla_t address = segment_linear_write(cpu, instruction->segment, offset, bytes);
    host_check_alignment(cpu, address, natural_alignment(bytes));
    segment_probe_write(cpu, instruction->segment, offset, bytes);
}

void host_operand_read(struct cpu *cpu, const struct instruction *instruction,
                       uint32_t offset, unsigned bytes)
{
    unsigned segment = instruction->segment;
    uint8_t *buffer = cpu->host_unit->buffer;
    switch (bytes) {
    case 1:
        buffer[0] = segment_read8(cpu, segment, offset);
        break;
    case 2: {
        uint16_t value = segment_read16(cpu, segment, offset);
        __builtin_memcpy(buffer, &value, sizeof(value));
        break;
    }
    case 4: {
        uint32_t value = segment_read32(cpu, segment, offset);
        __builtin_memcpy(buffer, &value, sizeof(value));
        break;
    }
    case 8: {
        uint64_t value = segment_read64(cpu, segment, offset);
        __builtin_memcpy(buffer, &value, sizeof(value));
        break;
    }
    default:
        host_check_alignment(cpu, segment_linear_read(cpu, segment, offset, bytes),
                             natural_alignment(bytes));
        segment_read_bytes(cpu, segment, offset, buffer, bytes);
        break;
    }
}

void host_operand_write(struct cpu *cpu, const struct instruction *instruction,
                        uint32_t offset, unsigned bytes)
{
    unsigned segment = instruction->segment;
    const uint8_t *buffer = cpu->host_unit->buffer;
    switch (bytes) {
    case 1:
        segment_write8(cpu, segment, offset, buffer[0]);
        break;
    case 2: {
        uint16_t value;
        __builtin_memcpy(&value, buffer, sizeof(value));
        segment_write16(cpu, segment, offset, value);
        break;
    }
    case 4: {
        uint32_t value;
        __builtin_memcpy(&value, buffer, sizeof(value));
        segment_write32(cpu, segment, offset, value);
        break;
    }
    case 8: {
        uint64_t value;
        __builtin_memcpy(&value, buffer, sizeof(value));
        segment_write64(cpu, segment, offset, value);
        break;
    }
    default:
        segment_write_bytes(cpu, segment, offset, buffer, bytes);
        break;
    }
}

bool host_report_pending(struct cpu *cpu)
{
    if (cpu->cr0 & CR0_NE) {
        cpu_raise(cpu, EXCEPTION_MF);
    }
    if (cpu->wiring.set_ferr) {
        fpu_park(cpu);
        lock_take(cpu->wiring.lock);
        cpu->wiring.set_ferr(cpu->wiring.opaque, true);
        lock_release(cpu->wiring.lock);
    }
    return true;
}

/* The environment as FNSTENV stores it in 64-bit mode (SDM vol. 1, figure 8-9). */
struct host_environment {
    uint16_t control, unused1;
    uint32_t rest[6];
};

void host_run_pending(struct cpu *cpu, const struct host_form *form, void *memory,
                      struct host_exchange *exchange)
{
    struct host_environment environment;
    /* FNSTENV does not wait, and masks all exceptions. */
    __asm__ volatile("fnstenv %0" : "=m"(environment));
    uint16_t control = environment.control;
    form->code(memory, exchange);
    if (form->flags & HOST_CONTROLS) {
        return;
    }
    __asm__ volatile("fnstenv %0" : "=m"(environment));
    environment.control = control;
    __asm__ volatile("fldenv %0" : : "m"(environment));
}
