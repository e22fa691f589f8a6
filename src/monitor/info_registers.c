#include "monitor/info.h"

#include "cpu/core/fpu.h"

#include <inttypes.h>
#include <string.h>

enum { FULL_TAG_WORD = 8 };

static void print_flags(const struct cpu *cpu, FILE *out)
{
    static const struct {
        uint32_t bit;
        char letter;
    } flags[] = {{1U << 10, 'D'}, {1U << 11, 'O'}, {1U << 7, 'S'}, {1U << 6, 'Z'},
                 {1U << 4, 'A'},  {1U << 2, 'P'},  {1U << 0, 'C'}};
    uint32_t eflags = cpu_eflags(cpu);
    fprintf(out, "EIP=%08x EFL=%08x [", cpu->eip, eflags);
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        fputc(eflags & flags[i].bit ? flags[i].letter : '-', out);
    }
    fprintf(out, "] CPL=%u II=%d A20=%d SMM=0 HLT=%d\n", cpu->cpl, cpu->shadow != 0,
            cpu->a20_mask == UINT32_MAX, cpu->halted);
}

/* "DPL=0 DS   [-WA]" */
static void print_type(const struct cpu *cpu, const struct segment *segment, FILE *out)
{
    static const char *const system_types[] = {
        "Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
        "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
        "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
        "CallGate32", "Reserved",  "IntGate32", "TrapGate32"};
    unsigned access = segment->access;
    if (!(access & SEGMENT_PRESENT) || !cpu_protected(cpu)) {
        fputc('\n', out);
        return;
    }
    fprintf(out, " DPL=%u ", segment_dpl(segment));
    bool used = access & SEGMENT_ACCESSED;
    if (!(access & SEGMENT_NOT_SYSTEM)) {
        fputs(system_types[access & 15], out);
    } else if (access & SEGMENT_CODE) {
        fprintf(out, "CS%s [%c%c%c]", access & SEGMENT_BIG ? "32" : "16",
                access & SEGMENT_CONFORMING ? 'C' : '-',
                access & SEGMENT_READABLE ? 'R' : '-', used ? 'A' : '-');
    } else {
        fprintf(out, "DS%s [%c%c%c]", access & SEGMENT_BIG ? "  " : "16",
                access & SEGMENT_EXPAND_DOWN ? 'E' : '-',
                access & SEGMENT_WRITABLE ? 'W' : '-', used ? 'A' : '-');
    }
    fputc('\n', out);
}

static void print_segment(const struct cpu *cpu, const char *name,
                          const struct segment *segment, FILE *out)
{
    uint32_t flags = (uint32_t)segment->access << 8;
    fprintf(out, "%-3s=%04x %08x %08x %08x", name, segment->selector, segment->base,
            segment->limit, flags);
    print_type(cpu, segment, out);
}

static void print_system(const struct cpu *cpu, FILE *out)
{
    fprintf(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n", cpu->gdtr.base,
            cpu->gdtr.limit, cpu->idtr.base, cpu->idtr.limit);
    fprintf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", cpu->cr0, cpu->cr2, cpu->cr3,
            cpu->cr4);
    for (unsigned i = 0; i < 4; i++) {
        fprintf(out, "DR%u=%08x ", i, cpu->dr[i]);
    }
    fprintf(out, "\nDR6=%08x DR7=%08x\nEFER=%016" PRIx64 "\n", cpu->dr[6], cpu->dr[7],
            cpu->efer);
}

static void print_vectors(const struct cpu *cpu, FILE *out)
{
    unsigned top = fpu_status(cpu) >> FPU_STATUS_TOP_SHIFT & 7;
    fprintf(out, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", fpu_control(cpu),
            fpu_status(cpu), top, cpu->fpu.area[FPU_AREA_TAGS], fpu_mxcsr(cpu));
    for (unsigned i = 0; i < FULL_TAG_WORD; i++) {
        /* ST(0) is stored first; QEMU's are numbered as the processor has them */
        unsigned slot = (i - top) & 7;
        const uint8_t *value = cpu->fpu.area + FPU_AREA_ST + 16 * slot;
        uint64_t mantissa;
        uint16_t exponent;
        memcpy(&mantissa, value, sizeof(mantissa));
        memcpy(&exponent, value + 8, sizeof(exponent));
        fprintf(out, "FPR%u=%016" PRIx64 " %04x%c", i, mantissa, exponent,
                i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < FULL_TAG_WORD; i++) {
        uint64_t low = fpu_area_get64(cpu, FPU_AREA_XMM + 16 * i);
        uint64_t high = fpu_area_get64(cpu, FPU_AREA_XMM + 16 * i + 8);
        fprintf(out, "XMM%02u=%016" PRIx64 "%016" PRIx64 "%c", i, high, low,
                i % 2 ? '\n' : ' ');
    }
}

void info_registers(struct machine *machine, FILE *out)
{
    static const struct {
        const char *name;
        unsigned number;
    } segments[] = {{"ES", SEGMENT_ES}, {"CS", SEGMENT_CS}, {"SS", SEGMENT_SS},
                    {"DS", SEGMENT_DS}, {"FS", SEGMENT_FS}, {"GS", SEGMENT_GS}};
    const struct cpu *cpu = machine_cpu(machine);
    const uint32_t *regs = cpu->regs;
    fprintf(out, "\nCPU#0\nEAX=%08x EBX=%08x ECX=%08x EDX=%08x\n", regs[REGISTER_EAX],
            regs[REGISTER_EBX], regs[REGISTER_ECX], regs[REGISTER_EDX]);
    fprintf(out, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", regs[REGISTER_ESI],
            regs[REGISTER_EDI], regs[REGISTER_EBP], regs[REGISTER_ESP]);
    print_flags(cpu, out);
    for (size_t i = 0; i < ARRAY_LENGTH(segments); i++) {
        print_segment(cpu, segments[i].name, &cpu->segments[segments[i].number], out);
    }
    print_segment(cpu, "LDT", &cpu->ldtr, out);
    print_segment(cpu, "TR", &cpu->tr, out);
    print_system(cpu, out);
    print_vectors(cpu, out);
}
