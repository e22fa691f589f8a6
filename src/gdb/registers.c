/* The registers that gdb sees. */
#include "gdb/gdb_internal.h"

#include "cpu/core/fpu.h"
#include "cpu/interpreter/descriptor.h"
#include "machine/inspect.h"

#include <string.h>

enum { X87_REGISTERS = 8, X87_BYTES = 10, XMM_BYTES = 16 };

static void put32(uint8_t *value, uint32_t number)
{
    memcpy(value, &number, sizeof(number));
}

static uint32_t get32(const uint8_t *value)
{
    uint32_t number;
    memcpy(&number, value, sizeof(number));
    return number;
}

static void get_general(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    put32(value, cpu->regs[which]);
}

static void set_general(struct machine *machine, struct cpu *cpu, unsigned which,
                        const uint8_t *value)
{
    (void)machine;
    cpu->regs[which] = get32(value);
}

static void get_eip(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    (void)which;
    put32(value, cpu->eip);
}

/* Who sends it elsewhere does not mean it to go on sleeping. */
static void set_eip(struct machine *machine, struct cpu *cpu, unsigned which,
                    const uint8_t *value)
{
    (void)machine, (void)which;
    cpu->halted = cpu->halted && cpu->eip == get32(value);
    cpu->eip = get32(value);
}

static void get_eflags(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    (void)which;
    put32(value, cpu_eflags(cpu));
}

static void set_eflags(struct machine *machine, struct cpu *cpu, unsigned which,
                       const uint8_t *value)
{
    (void)machine, (void)which;
    cpu_set_eflags(cpu, get32(value));
}

static void get_selector(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    put32(value, cpu->segments[which].selector);
}

/* What MOV would load, without its checks. */
static void load_descriptor(struct machine *machine, struct cpu *cpu, unsigned which,
                            uint16_t selector)
{
    struct descriptor descriptor;
    bool local = selector & SELECTOR_LOCAL;
    uint32_t table = local ? cpu->ldtr.base : cpu->gdtr.base;
    uint32_t limit = local ? cpu->ldtr.limit : cpu->gdtr.limit;
    uint32_t offset = selector & ~7U;
    uint32_t words[2];
    if (selector_is_null(selector)) {
        cpu->segments[which] = segment_null(selector);
    } else if (offset + 7 <= limit && machine_peek(machine, true, table + offset, words,
                                                   sizeof(words)) == sizeof(words)) {
        descriptor.low = words[0];
        descriptor.high = words[1];
        descriptor.address = table + offset;
        cpu->segments[which] = descriptor_segment(&descriptor, selector);
    }
}

static void set_selector(struct machine *machine, struct cpu *cpu, unsigned which,
                         const uint8_t *value)
{
    uint16_t selector = (uint16_t)get32(value);
    struct segment *segment = &cpu->segments[which];
    if (segment->selector == selector) {
        return;
    }
    if (cpu_protected(cpu)) {
        load_descriptor(machine, cpu, which, selector);
    } else {
        segment->selector = selector;
        segment->base = (uint32_t)selector << 4;
    }
}

static void get_base(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    put32(value, cpu->segments[which].base);
}

static void set_base(struct machine *machine, struct cpu *cpu, unsigned which,
                     const uint8_t *value)
{
    (void)machine;
    cpu->segments[which].base = get32(value);
}

static void get_control(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    const uint32_t values[] = {cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4};
    put32(value, values[which]);
}

static void load_pdptes(struct machine *machine, struct cpu *cpu)
{
    bool pae = (cpu->cr0 & CR0_PG) && (cpu->cr4 & CR4_PAE);
    uint64_t entries[ARRAY_LENGTH(cpu->pdpte)];
    if (pae && machine_peek(machine, false, cpu->cr3 & ~31U, entries,
                            sizeof(entries)) == sizeof(entries)) {
        memcpy(cpu->pdpte, entries, sizeof(entries));
    }
}

static void set_control(struct machine *machine, struct cpu *cpu, unsigned which,
                        const uint8_t *value)
{
    uint32_t *const places[] = {&cpu->cr0, NULL, &cpu->cr2, &cpu->cr3, &cpu->cr4};
    if (*places[which] != get32(value)) {
        *places[which] = get32(value);
        load_pdptes(machine, cpu);
    }
}

static void get_efer(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    (void)which;
    memcpy(value, &cpu->efer, sizeof(cpu->efer));
}

static void get_x87(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    memcpy(value, cpu->fpu.area + FPU_AREA_ST + 16 * which, X87_BYTES);
}

static void set_x87(struct machine *machine, struct cpu *cpu, unsigned which,
                    const uint8_t *value)
{
    (void)machine;
    memcpy(cpu->fpu.area + FPU_AREA_ST + 16 * which, value, X87_BYTES);
}

enum {
    X87_CONTROL,
    X87_STATUS,
    X87_TAGS,
    X87_FISEG,
    X87_FIOFF,
    X87_FOSEG,
    X87_FOOFF,
    X87_OPCODE
};

/* Two bits for each physical register (SDM vol. 1, section 8.1.7). */
static uint32_t full_tags(const struct cpu *cpu)
{
    enum { VALID, ZERO, SPECIAL, EMPTY };
    unsigned top = fpu_status(cpu) >> FPU_STATUS_TOP_SHIFT & 7;
    uint32_t tags = 0;
    for (unsigned i = 0; i < X87_REGISTERS; i++) {
        const uint8_t *st = cpu->fpu.area + FPU_AREA_ST + 16 * ((i - top) & 7);
        uint64_t mantissa;
        uint16_t exponent;
        memcpy(&mantissa, st, sizeof(mantissa));
        memcpy(&exponent, st + 8, sizeof(exponent));
        exponent &= 0x7fff;
        uint32_t tag = !(cpu->fpu.area[FPU_AREA_TAGS] >> i & 1) ? EMPTY
                       : exponent == 0 && mantissa == 0         ? ZERO
                       : exponent == 0 || exponent == 0x7fff || !(mantissa >> 63)
                           ? SPECIAL
                           : VALID;
        tags |= tag << (2 * i);
    }
    return tags;
}

static void get_x87_word(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    const struct fpu *fpu = &cpu->fpu;
    switch (which) {
    case X87_CONTROL:
        put32(value, fpu_control(cpu));
        return;
    case X87_STATUS:
        put32(value, fpu_status(cpu));
        return;
    case X87_TAGS:
        put32(value, full_tags(cpu));
        return;
    case X87_FISEG:
        put32(value, fpu->instruction_selector);
        return;
    case X87_FIOFF:
        put32(value, fpu->instruction_offset);
        return;
    case X87_FOSEG:
        put32(value, fpu->operand_selector);
        return;
    case X87_FOOFF:
        put32(value, fpu->operand_offset);
        return;
    default:
        put32(value, fpu->opcode);
        return;
    }
}

static void set_x87_word(struct machine *machine, struct cpu *cpu, unsigned which,
                         const uint8_t *value)
{
    uint16_t word = (uint16_t)get32(value);
    (void)machine;
    if (which == X87_CONTROL) {
        fpu_area_put16(cpu, FPU_AREA_CONTROL, word);
    } else if (which == X87_STATUS) {
        fpu_area_put16(cpu, FPU_AREA_STATUS, word);
    } else if (which == X87_TAGS) {
        uint8_t tags = 0;
        for (unsigned i = 0; i < X87_REGISTERS; i++) {
            tags |= (uint8_t)(((word >> (2 * i) & 3) != 3) << i);
        }
        cpu->fpu.area[FPU_AREA_TAGS] = tags;
    }
}

static void get_xmm(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    memcpy(value, cpu->fpu.area + FPU_AREA_XMM + XMM_BYTES * which, XMM_BYTES);
}

static void set_xmm(struct machine *machine, struct cpu *cpu, unsigned which,
                    const uint8_t *value)
{
    (void)machine;
    memcpy(cpu->fpu.area + FPU_AREA_XMM + XMM_BYTES * which, value, XMM_BYTES);
}

static void get_mxcsr(const struct cpu *cpu, unsigned which, uint8_t *value)
{
    (void)which;
    put32(value, fpu_mxcsr(cpu));
}

static void set_mxcsr(struct machine *machine, struct cpu *cpu, unsigned which,
                      const uint8_t *value)
{
    (void)machine, (void)which;
    fpu_area_put32(cpu, FPU_AREA_MXCSR, get32(value) & MXCSR_BITS);
}

#define GENERAL(name, type, number)                                                    \
    {                                                                                  \
        name, 32, type, NULL, FEATURE_CORE, number, get_general, set_general           \
    }
#define SELECTOR(name, number)                                                         \
    {                                                                                  \
        name, 32, "int32", NULL, FEATURE_CORE, number, get_selector, set_selector      \
    }
#define X87(number)                                                                    \
    {                                                                                  \
        "st" #number, 80, "i387_ext", NULL, FEATURE_CORE, number, get_x87, set_x87     \
    }
#define X87_WORD(name, number)                                                         \
    {                                                                                  \
        name, 32, "int", "float", FEATURE_CORE, number, get_x87_word, set_x87_word     \
    }
#define XMM(number)                                                                    \
    {                                                                                  \
        "xmm" #number, 128, "vec128", NULL, FEATURE_SSE, number, get_xmm, set_xmm      \
    }
#define SYSTEM(name, number, get, set)                                                 \
    {                                                                                  \
        name, 32, "int32", NULL, FEATURE_SYSTEM, number, get, set                      \
    }

const struct gdb_register gdb_registers[] = {
    GENERAL("eax", "int32", REGISTER_EAX),
    GENERAL("ecx", "int32", REGISTER_ECX),
    GENERAL("edx", "int32", REGISTER_EDX),
    GENERAL("ebx", "int32", REGISTER_EBX),
    GENERAL("esp", "data_ptr", REGISTER_ESP),
    GENERAL("ebp", "data_ptr", REGISTER_EBP),
    GENERAL("esi", "int32", REGISTER_ESI),
    GENERAL("edi", "int32", REGISTER_EDI),
    {"eip", 32, "code_ptr", NULL, FEATURE_CORE, 0, get_eip, set_eip},
    {"eflags", 32, "i386_eflags", NULL, FEATURE_CORE, 0, get_eflags, set_eflags},
    SELECTOR("cs", SEGMENT_CS),
    SELECTOR("ss", SEGMENT_SS),
    SELECTOR("ds", SEGMENT_DS),
    SELECTOR("es", SEGMENT_ES),
    SELECTOR("fs", SEGMENT_FS),
    SELECTOR("gs", SEGMENT_GS),
    X87(0),
    X87(1),
    X87(2),
    X87(3),
    X87(4),
    X87(5),
    X87(6),
    X87(7),
    X87_WORD("fctrl", X87_CONTROL),
    X87_WORD("fstat", X87_STATUS),
    X87_WORD("ftag", X87_TAGS),
    X87_WORD("fiseg", X87_FISEG),
    X87_WORD("fioff", X87_FIOFF),
    X87_WORD("foseg", X87_FOSEG),
    X87_WORD("fooff", X87_FOOFF),
    X87_WORD("fop", X87_OPCODE),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    {"mxcsr", 32, "i386_mxcsr", "vector", FEATURE_SSE, 0, get_mxcsr, set_mxcsr},
    SYSTEM("fs_base", SEGMENT_FS, get_base, set_base),
    SYSTEM("gs_base", SEGMENT_GS, get_base, set_base),
    SYSTEM("cr0", 0, get_control, set_control),
    SYSTEM("cr2", 2, get_control, set_control),
    SYSTEM("cr3", 3, get_control, set_control),
    SYSTEM("cr4", 4, get_control, set_control),
    {"efer", 64, "int64", NULL, FEATURE_SYSTEM, 0, get_efer, NULL},
};

const unsigned gdb_register_count = ARRAY_LENGTH(gdb_registers);

unsigned gdb_get_register(const struct gdb_server *server, unsigned number,
                          uint8_t *value)
{
    const struct gdb_register *row = &gdb_registers[number];
    row->get(machine_cpu(server->machine), row->first, value);
    return row->bits / 8;
}

bool gdb_set_register(struct gdb_server *server, unsigned number, const uint8_t *value)
{
    const struct gdb_register *row = &gdb_registers[number];
    struct cpu *cpu = machine_cpu_to_change(server->machine);
    if (!row->set) {
        return false;
    }
    row->set(server->machine, cpu, row->first, value);
    cpu_loaded(cpu);
    return true;
}
