/* FXSAVE and XSAVE areas, MXCSR, XCR0. Source: Intel SDM vol. 1, sections 10.5 and 13.4
 * to 13.9 (standard format; the compacted one is not offered by CPUID). */
#include "cpu/core/exception.h"
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/host_operand.h"

enum {
    X87_REGISTERS = 8,
    VECTOR_REGISTERS = 8, /* outside 64-bit mode */
    REGISTER_BYTES = 16,
    X87_REGISTER_BYTES = 10,
    FXSAVE_WRITTEN = FPU_AREA_XMM + VECTOR_REGISTERS * REGISTER_BYTES,
    FXSAVE_ALIGNMENT = 16,
    XSAVE_ALIGNMENT = 64,
    XSAVE_HEADER_READ = 24, /* the bytes that XRSTOR checks */
    YMM_BYTES = VECTOR_REGISTERS * REGISTER_BYTES,
};

static uint64_t get64(const uint8_t *from)
{
    uint64_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static uint16_t get16(const uint8_t *from)
{
    uint16_t value;
    __builtin_memcpy(&value, from, sizeof(value));
    return value;
}

static void put16(uint8_t *to, uint16_t value)
{
    __builtin_memcpy(to, &value, sizeof(value));
}

static void put32(uint8_t *to, uint32_t value)
{
    __builtin_memcpy(to, &value, sizeof(value));
}

/* Bytes of vector state are moved by 8, where nobody needs the host's registers. */
static void copy(uint8_t *to, const uint8_t *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 8) {
        __builtin_memcpy(to + i, from + i, 8);
    }
}

static void clear(uint8_t *to, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 8) {
        __builtin_memset(to + i, 0, 8);
    }
}

static bool any_bit(const uint8_t *from, unsigned bytes)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < bytes; i += 8) {
        any |= get64(from + i);
    }
    return any;
}

/* The x87 part of a (parked) area, as the guest shall see it. */
static void format_x87(const struct cpu *cpu, uint8_t *image)
{
    const struct fpu *fpu = &cpu->fpu;
    copy(image, fpu->area, FPU_AREA_MXCSR);
    put16(image + FPU_AREA_OPCODE, fpu->opcode);
    put32(image + FPU_AREA_INSTRUCTION, fpu->instruction_offset);
    put32(image + FPU_AREA_INSTRUCTION + 4, fpu->instruction_selector);
    put32(image + FPU_AREA_OPERAND, fpu->operand_offset);
    put32(image + FPU_AREA_OPERAND + 4, fpu->operand_selector);
    copy(image + FPU_AREA_ST, fpu->area + FPU_AREA_ST, X87_REGISTERS * REGISTER_BYTES);
}

static void parse_x87(struct cpu *cpu, const uint8_t *image)
{
    enum { OPCODE_BITS = 0x7ff };
    struct fpu *fpu = &cpu->fpu;
    fpu_area_set_words(cpu, get16(image + FPU_AREA_CONTROL),
                       get16(image + FPU_AREA_STATUS));
    fpu_area_put16(cpu, FPU_AREA_TAGS, image[FPU_AREA_TAGS]);
    fpu->opcode = get16(image + FPU_AREA_OPCODE) & OPCODE_BITS;
    fpu->instruction_offset = get32(image + FPU_AREA_INSTRUCTION);
    fpu->instruction_selector = get16(image + FPU_AREA_INSTRUCTION + 4);
    fpu->operand_offset = get32(image + FPU_AREA_OPERAND);
    fpu->operand_selector = get16(image + FPU_AREA_OPERAND + 4);
    for (unsigned i = 0; i < X87_REGISTERS; i++) {
        unsigned offset = FPU_AREA_ST + i * REGISTER_BYTES;
        __builtin_memcpy(fpu->area + offset, image + offset, X87_REGISTER_BYTES);
    }
}

static void init_x87(struct cpu *cpu)
{
    fpu_area_set_words(cpu, FPU_CONTROL_INIT, 0);
    fpu_area_put16(cpu, FPU_AREA_TAGS, 0);
    fpu_clear_pointers(cpu);
    clear(cpu->fpu.area + FPU_AREA_ST, X87_REGISTERS * REGISTER_BYTES);
}

static void check_mxcsr(struct cpu *cpu, uint32_t value)
{
    if (value & ~(uint32_t)MXCSR_BITS) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

static void format_mxcsr(const struct cpu *cpu, uint8_t *image)
{
    put32(image + FPU_AREA_MXCSR, fpu_area_get32(cpu, FPU_AREA_MXCSR));
    put32(image + FPU_AREA_MXCSR_MASK, MXCSR_BITS);
}

static void demand_alignment(struct cpu *cpu, gla_t address, unsigned alignment)
{
    if (address & (alignment - 1)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
}

/* Where #AC is enabled, it depends on the processor how much misalignment of an FXSAVE
 * area leads to it, the rest to #GP. */
static void demand_fxsave_alignment(struct cpu *cpu, gla_t address)
{
    host_check_alignment(cpu, address, 4);
    demand_alignment(cpu, address, FXSAVE_ALIGNMENT);
}

/* FXSAVE, FXRSTOR: CR0.EM and TS lead to #NM. */
static void check_fxsave(struct cpu *cpu)
{
    if (cpu->cr0 & (CR0_EM | CR0_TS)) {
        cpu_raise(cpu, EXCEPTION_NM);
    }
}

static const struct instruction *fxsave(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    uint8_t image[FXSAVE_WRITTEN];
    check_fxsave(cpu);
    uint32_t offset = instruction_offset(cpu, instruction);
    demand_fxsave_alignment(cpu, segment_linear_write(cpu, instruction->segment, offset,
                                                      XSAVE_LEGACY_BYTES));
    segment_probe_write(cpu, instruction->segment, offset, XSAVE_LEGACY_BYTES);
    fpu_park(cpu);
    format_x87(cpu, image);
    format_mxcsr(cpu, image);
    copy(image + FPU_AREA_XMM, cpu->fpu.area + FPU_AREA_XMM, YMM_BYTES);
    segment_write_bytes(cpu, instruction->segment, offset, image, sizeof(image));
    return instruction + 1;
}

const struct handler_set exec_fxsave = HANDLER_SET_ONE(fxsave);

static const struct instruction *fxrstor(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    uint8_t image[XSAVE_LEGACY_BYTES];
    check_fxsave(cpu);
    uint32_t offset = instruction_offset(cpu, instruction);
    demand_fxsave_alignment(cpu, segment_linear_read(cpu, instruction->segment, offset,
                                                     XSAVE_LEGACY_BYTES));
    fpu_park(cpu);
    segment_read_bytes(cpu, instruction->segment, offset, image, sizeof(image));
    check_mxcsr(cpu, get32(image + FPU_AREA_MXCSR));
    parse_x87(cpu, image);
    fpu_set_mxcsr(cpu, get32(image + FPU_AREA_MXCSR));
    copy(cpu->fpu.area + FPU_AREA_XMM, image + FPU_AREA_XMM, YMM_BYTES);
    return instruction + 1;
}

const struct handler_set exec_fxrstor = HANDLER_SET_ONE(fxrstor);

/* What XSAVE and XRSTOR have in common; returns the requested components. */
static uint64_t check_xsave(struct cpu *cpu)
{
    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        cpu_raise(cpu, EXCEPTION_UD);
    }
    if (cpu->cr0 & CR0_TS) {
        cpu_raise(cpu, EXCEPTION_NM);
    }
    return cpu->xcr0 &
           (cpu->regs[REGISTER_EAX] | (uint64_t)cpu->regs[REGISTER_EDX] << 32);
}

/* The components that are not in their initial configuration (XINUSE); what the host
 * says depends on its own history. */
static uint64_t components_in_use(const struct cpu *cpu)
{
    const struct fpu *fpu = &cpu->fpu;
    uint64_t in_use = 0;
    if (fpu_area_get16(cpu, FPU_AREA_CONTROL) != FPU_CONTROL_INIT ||
        fpu_area_get16(cpu, FPU_AREA_STATUS) || fpu_area_get16(cpu, FPU_AREA_TAGS) ||
        fpu->opcode || fpu->instruction_offset || fpu->instruction_selector ||
        fpu->operand_offset || fpu->operand_selector ||
        any_bit(fpu->area + FPU_AREA_ST, X87_REGISTERS * REGISTER_BYTES)) {
        in_use |= XCR0_X87;
    }
    if (any_bit(fpu->area + FPU_AREA_XMM, YMM_BYTES)) {
        in_use |= XCR0_SSE;
    }
    if (any_bit(fpu->area + FPU_AREA_YMM_HIGH, YMM_BYTES)) {
        in_use |= XCR0_AVX;
    }
    return in_use;
}

/* Bytes from the start of an area that has these components. */
static unsigned area_bytes(uint64_t components)
{
    return components & XCR0_AVX ? XSAVE_AREA_BYTES : FPU_AREA_YMM_HIGH;
}

/* `optimize`: XSAVEOPT leaves out components in their initial configuration. Parts are
 * written one by one because what lies between them must stay. */
static const struct instruction *
save(struct cpu *cpu, const struct instruction *instruction, bool optimize)
{
    uint64_t requested = check_xsave(cpu);
    unsigned segment = instruction->segment;
    uint32_t offset = instruction_offset(cpu, instruction);
    uint8_t image[FPU_AREA_XMM];
    demand_alignment(cpu, cpu->segments[segment].base + offset, XSAVE_ALIGNMENT);
    segment_probe_write(cpu, segment, offset, area_bytes(requested));
    uint64_t old = segment_read64(cpu, segment, offset + FPU_AREA_XSTATE_BV);
    fpu_park(cpu);
    uint64_t in_use = components_in_use(cpu);
    uint64_t written = optimize ? requested & in_use : requested;
    if (written & XCR0_X87) {
        format_x87(cpu, image);
        segment_write_bytes(cpu, segment, offset, image, FPU_AREA_MXCSR);
        segment_write_bytes(cpu, segment, offset + FPU_AREA_ST, image + FPU_AREA_ST,
                            X87_REGISTERS * REGISTER_BYTES);
    }
    if (requested & (XCR0_SSE | XCR0_AVX)) {
        format_mxcsr(cpu, image);
        segment_write_bytes(cpu, segment, offset + FPU_AREA_MXCSR,
                            image + FPU_AREA_MXCSR, 8);
    }
    if (written & XCR0_SSE) {
        segment_write_bytes(cpu, segment, offset + FPU_AREA_XMM,
                            cpu->fpu.area + FPU_AREA_XMM, YMM_BYTES);
    }
    if (written & XCR0_AVX) {
        segment_write_bytes(cpu, segment, offset + FPU_AREA_YMM_HIGH,
                            cpu->fpu.area + FPU_AREA_YMM_HIGH, YMM_BYTES);
    }
    segment_write64(cpu, segment, offset + FPU_AREA_XSTATE_BV,
                    (old & ~requested) | (in_use & requested));
    return instruction + 1;
}

static const struct instruction *xsave(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    return save(cpu, instruction, false);
}

const struct handler_set exec_xsave = HANDLER_SET_ONE(xsave);

static const struct instruction *xsaveopt(struct cpu *cpu,
                                          const struct instruction *instruction)
{
    return save(cpu, instruction, true);
}

const struct handler_set exec_xsaveopt = HANDLER_SET_ONE(xsaveopt);

/* SDM vol. 1, section 13.8.1: components of XCR0 only, no compacted format, the next
 * 128 bits are zero. Returns XSTATE_BV. */
static uint64_t check_header(struct cpu *cpu, const uint8_t *header)
{
    uint64_t components = get64(header);
    if ((components & ~cpu->xcr0) || any_bit(header + 8, XSAVE_HEADER_READ - 8)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return components;
}

static const struct instruction *xrstor(struct cpu *cpu,
                                        const struct instruction *instruction)
{
    uint64_t requested = check_xsave(cpu);
    uint32_t offset = instruction_offset(cpu, instruction);
    uint8_t image[XSAVE_AREA_BYTES];
    demand_alignment(cpu, cpu->segments[instruction->segment].base + offset,
                     XSAVE_ALIGNMENT);
    fpu_park(cpu);
    segment_read_bytes(cpu, instruction->segment, offset, image, area_bytes(requested));
    uint64_t present = check_header(cpu, image + FPU_AREA_XSTATE_BV);
    bool mxcsr = requested & (XCR0_SSE | XCR0_AVX);
    if (mxcsr) {
        check_mxcsr(cpu, get32(image + FPU_AREA_MXCSR));
        fpu_set_mxcsr(cpu, get32(image + FPU_AREA_MXCSR));
    }
    if (requested & present & XCR0_X87) {
        parse_x87(cpu, image);
    } else if (requested & XCR0_X87) {
        init_x87(cpu);
    }
    if (requested & present & XCR0_SSE) {
        copy(cpu->fpu.area + FPU_AREA_XMM, image + FPU_AREA_XMM, YMM_BYTES);
    } else if (requested & XCR0_SSE) {
        clear(cpu->fpu.area + FPU_AREA_XMM, YMM_BYTES);
    }
    if (requested & present & XCR0_AVX) {
        copy(cpu->fpu.area + FPU_AREA_YMM_HIGH, image + FPU_AREA_YMM_HIGH, YMM_BYTES);
    } else if (requested & XCR0_AVX) {
        clear(cpu->fpu.area + FPU_AREA_YMM_HIGH, YMM_BYTES);
    }
    return instruction + 1;
}

const struct handler_set exec_xrstor = HANDLER_SET_ONE(xrstor);

static void check_mxcsr_access(struct cpu *cpu, const struct instruction *instruction)
{
    struct host_demands demands =
        host_demands_of(instruction_row(instruction)->attributes);
    host_check(cpu, &demands);
}

static const struct instruction *ldmxcsr(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    check_mxcsr_access(cpu, instruction);
    uint32_t value =
        segment_read32(cpu, instruction->segment, instruction_offset(cpu, instruction));
    check_mxcsr(cpu, value);
    fpu_set_mxcsr(cpu, value);
    return instruction + 1;
}

const struct handler_set exec_ldmxcsr = HANDLER_SET_ONE(ldmxcsr);

static const struct instruction *stmxcsr(struct cpu *cpu,
                                         const struct instruction *instruction)
{
    check_mxcsr_access(cpu, instruction);
    segment_write32(cpu, instruction->segment, instruction_offset(cpu, instruction),
                    fpu_mxcsr(cpu));
    return instruction + 1;
}

const struct handler_set exec_stmxcsr = HANDLER_SET_ONE(stmxcsr);
