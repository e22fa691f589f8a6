#include "cpu/interpreter/trace.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "disassembly/disassembly.h"

#include <inttypes.h>

static unsigned code_bits(const struct cpu *cpu)
{
    return cpu->code_mode & CODE_MODE_32 ? 32 : 16;
}

static void begin_code(struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    cpu_trace(cpu,
              "----------------\n"
              "IN: %04x:%08x linear %08x, %u-bit, ring %u\n",
              cs->selector, cpu->eip, cs->base + cpu->eip, code_bits(cpu), cpu->cpl);
}

static void trace_line(struct cpu *cpu, const uint8_t *bytes, unsigned count,
                       uint32_t eip)
{
    char line[DISASSEMBLY_LINE_BYTES];
    fpu_park(cpu);
    disassembly_line(bytes, count, eip, code_bits(cpu) == 16, line);
    cpu_trace(cpu, "%s\n", line);
}

void trace_decoded_bytes(struct cpu *cpu, const uint8_t *bytes, unsigned count)
{
    begin_code(cpu);
    trace_line(cpu, bytes, count, cpu->eip);
    cpu_trace(cpu, "\n");
}

/* From one page or two. DMA may be changing them. */
static void copy_bytes(const struct cpu *cpu, const struct block *block,
                       uint32_t offset, uint8_t *bytes, unsigned count)
{
    gla_t linear = cpu->segments[SEGMENT_CS].base + block->eip;
    uint32_t in_page = PAGE_BYTES - (linear & PAGE_OFFSET_MASK);
    for (unsigned i = 0; i < count; i++, offset++) {
        bytes[i] =
            offset < in_page ? block->host[offset] : block->next_host[offset - in_page];
    }
}

void trace_decoded(struct cpu *cpu, const struct block *block)
{
    begin_code(cpu);
    for (uint32_t i = 0; i < block->count; i++) {
        const struct instruction *instruction = &block->instructions[i];
        uint8_t bytes[DISASSEMBLY_MOST_BYTES];
        copy_bytes(cpu, block, instruction->eip - block->eip, bytes,
                   instruction->length);
        trace_line(cpu, bytes, instruction->length, instruction->eip);
    }
    cpu_trace(cpu, "\n");
}

void trace_executed(struct cpu *cpu, const struct block *block, const uint8_t *code)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    char how[32] = "interpreted";
    if (code) {
        fpu_park(cpu);
        snprintf(how, sizeof(how), "at %012" PRIxPTR, (uintptr_t)code);
    }
    cpu_trace(cpu, "Trace: %04x:%08x linear %08x, %u-bit, ring %u, %u long, %s\n",
              cs->selector, cpu->eip, cs->base + cpu->eip, code_bits(cpu), cpu->cpl,
              block->count, how);
}

static const char *name_of(enum interrupt_source source)
{
    switch (source) {
    case INTERRUPT_EXCEPTION:
        return "exception";
    case INTERRUPT_HARDWARE:
        return "hardware";
    case INTERRUPT_SOFTWARE:
    case INTERRUPT_SOFTWARE_EXCEPTION:
        break;
    }
    return "software";
}

void trace_interrupt(struct cpu *cpu, uint8_t vector, enum interrupt_source source,
                     bool has_error, uint32_t error, uint32_t return_eip)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    bool software =
        source == INTERRUPT_SOFTWARE || source == INTERRUPT_SOFTWARE_EXCEPTION;
    bool page_fault = vector == EXCEPTION_PF && source == INTERRUPT_EXCEPTION;
    cpu_trace(cpu,
              "%6" PRIu64 ": v=%02x e=%04x i=%u cpl=%u IP=%04x:%08x pc=%08x "
              "SP=%04x:%08x %s=%08x %s\n",
              cpu_retired(cpu), vector, has_error ? error : 0, software, cpu->cpl,
              cs->selector, return_eip, cs->base + return_eip,
              cpu->segments[SEGMENT_SS].selector, cpu->regs[REGISTER_ESP],
              page_fault ? "CR2" : "EAX",
              page_fault ? cpu->cr2 : cpu->regs[REGISTER_EAX], name_of(source));
    cpu_trace_registers(cpu, return_eip);
}
