#include "cpu/core/cpu_trace.h"

#include "cpu/core/fpu.h"

void cpu_trace(struct cpu *cpu, const char *format, ...)
{
    va_list arguments;
    fpu_park(cpu);
    va_start(arguments, format);
    trace_print(cpu->wiring.trace, format, arguments);
    va_end(arguments);
}

static void trace_segment(struct cpu *cpu, const char *name,
                          const struct segment *segment)
{
    cpu_trace(cpu, "%-3s=%04x %08x %08x %04x\n", name, segment->selector, segment->base,
              segment->limit, segment->access);
}

static void trace_table(struct cpu *cpu, const char *name,
                        const struct descriptor_table *table)
{
    cpu_trace(cpu, "%s=     %08x %08x\n", name, table->base, table->limit);
}

void cpu_trace_registers(struct cpu *cpu, uint32_t eip)
{
    static const char *const names[SEGMENT_COUNT] = {"ES", "CS", "SS",
                                                     "DS", "FS", "GS"};
    const uint32_t *regs = cpu->regs;
    cpu_trace(cpu, "EAX=%08x EBX=%08x ECX=%08x EDX=%08x\n", regs[REGISTER_EAX],
              regs[REGISTER_EBX], regs[REGISTER_ECX], regs[REGISTER_EDX]);
    cpu_trace(cpu, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", regs[REGISTER_ESI],
              regs[REGISTER_EDI], regs[REGISTER_EBP], regs[REGISTER_ESP]);
    cpu_trace(cpu, "EIP=%08x EFL=%08x CPL=%u A20=%u HLT=%u\n", eip, cpu_eflags(cpu),
              cpu->cpl, cpu->a20_mask == UINT32_MAX, cpu->halted);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        trace_segment(cpu, names[i], &cpu->segments[i]);
    }
    trace_segment(cpu, "LDT", &cpu->ldtr);
    trace_segment(cpu, "TR", &cpu->tr);
    trace_table(cpu, "GDT", &cpu->gdtr);
    trace_table(cpu, "IDT", &cpu->idtr);
    cpu_trace(cpu, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", cpu->cr0, cpu->cr2,
              cpu->cr3, cpu->cr4);
}
