/* Moving the guest's vector state between the host's registers and struct fpu. */
#include "cpu/core/fpu.h"

/* What the host's registers hold while no guest state is in them: all components in
 * their initial configuration (XSTATE_BV is 0), MXCSR is taken from here. */
static const struct {
    _Alignas(64) uint8_t start[FPU_AREA_MXCSR];
    uint32_t mxcsr;
    uint8_t rest[XSAVE_AREA_BYTES - FPU_AREA_MXCSR - 4];
} host_defaults = {.mxcsr = MXCSR_INIT};

#define FPU_BARRIER (1ULL << 62) /* between the halves of the host's addresses */
enum { ALL_COMPONENTS = XCR0_X87 | XCR0_SSE | XCR0_AVX };

static void host_xrstor(const void *area, uint64_t mask)
{
    __asm__ volatile("xrstor (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
                     : "memory");
}

/* What the host stores beside the guest's state: where its own last x87 instruction and
 * operand were (the guest's are kept elsewhere), and which bits its MXCSR has. */
static void forget_host(struct cpu *cpu)
{
    fpu_area_put16(cpu, FPU_AREA_OPCODE, 0);
    fpu_area_put64(cpu, FPU_AREA_INSTRUCTION, 0);
    fpu_area_put64(cpu, FPU_AREA_OPERAND, 0);
    fpu_area_put32(cpu, FPU_AREA_MXCSR_MASK, 0);
}

void fpu_park_slow(struct cpu *cpu)
{
    uint64_t mask = cpu->cpuid.host_xsave_mask;
    if (mask) {
        __asm__ volatile("xsave (%0)"
                         :
                         : "r"(cpu->fpu.area), "a"((uint32_t)mask),
                           "d"((uint32_t)(mask >> 32))
                         : "memory");
        host_xrstor(&host_defaults, mask);
        /* What the host says about components in use depends on its own history. */
        fpu_area_put64(cpu, FPU_AREA_XSTATE_BV, ALL_COMPONENTS);
    } else {
        uint32_t mxcsr = MXCSR_INIT;
        __asm__ volatile("fxsave (%0)" : : "r"(cpu->fpu.area) : "memory");
        __asm__ volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
    }
    forget_host(cpu);
    cpu->fpu.live = false;
    cpu->fpu.barrier = FPU_BARRIER;
}

/* Whether the upper half of any YMM register of the guest (there are eight) holds
 * something: if not, the host had better know that it can mix SSE and AVX freely. */
static bool avx_in_use(const struct cpu *cpu)
{
    uint64_t any = 0;
    for (unsigned offset = 0; offset < 8 * 16; offset += 8) {
        any |= fpu_area_get64(cpu, FPU_AREA_YMM_HIGH + offset);
    }
    return any;
}

void fpu_load(struct cpu *cpu)
{
    uint64_t mask = cpu->cpuid.host_xsave_mask;
    if (mask) {
        uint64_t in_use = XCR0_X87 | XCR0_SSE | (avx_in_use(cpu) ? XCR0_AVX : 0);
        fpu_area_put64(cpu, FPU_AREA_XSTATE_BV, in_use & mask);
        host_xrstor(cpu->fpu.area, mask);
    } else {
        __asm__ volatile("fxrstor (%0)" : : "r"(cpu->fpu.area) : "memory");
    }
    cpu->fpu.live = true;
    cpu->fpu.barrier = 0;
}

void fpu_area_set_words(struct cpu *cpu, uint16_t control, uint16_t status)
{
    control = (control & FPU_CONTROL_BITS) | FPU_CONTROL_ONE;
    if (status & ~control & FPU_EXCEPTIONS) {
        status |= FPU_STATUS_SUMMARY | FPU_STATUS_BUSY;
    } else {
        status &= (uint16_t) ~(FPU_STATUS_SUMMARY | FPU_STATUS_BUSY);
    }
    fpu_area_put16(cpu, FPU_AREA_CONTROL, control);
    fpu_area_put16(cpu, FPU_AREA_STATUS, status);
}

void fpu_clear_pointers(struct cpu *cpu)
{
    struct fpu *fpu = &cpu->fpu;
    fpu->opcode = 0;
    fpu->instruction_offset = 0;
    fpu->instruction_selector = 0;
    fpu->operand_offset = 0;
    fpu->operand_selector = 0;
}

uint16_t fpu_status(const struct cpu *cpu)
{
    if (!cpu->fpu.live) {
        return fpu_area_get16(cpu, FPU_AREA_STATUS);
    }
    uint16_t status;
    __asm__ volatile("fnstsw %0" : "=a"(status));
    return status;
}

uint16_t fpu_control(const struct cpu *cpu)
{
    if (!cpu->fpu.live) {
        return fpu_area_get16(cpu, FPU_AREA_CONTROL);
    }
    uint16_t control;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    return control;
}

uint32_t fpu_mxcsr(const struct cpu *cpu)
{
    if (!cpu->fpu.live) {
        return fpu_area_get32(cpu, FPU_AREA_MXCSR);
    }
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr;
}

static void note_mxcsr(struct cpu *cpu, uint32_t value)
{
    cpu->fpu.simd_unmasked = (value & MXCSR_MASKS) != MXCSR_MASKS;
}

void fpu_mxcsr_changed(struct cpu *cpu)
{
    note_mxcsr(cpu, fpu_mxcsr(cpu));
}

void fpu_set_mxcsr(struct cpu *cpu, uint32_t value)
{
    if (cpu->fpu.live) {
        __asm__ volatile("ldmxcsr %0" : : "m"(value));
    } else {
        fpu_area_put32(cpu, FPU_AREA_MXCSR, value);
    }
    note_mxcsr(cpu, value);
}

void fpu_run_elsewhere(struct cpu *cpu)
{
    cpu->fpu.simd_unmasked = (fpu_mxcsr(cpu) & MXCSR_MASKS) != MXCSR_MASKS;
}

void fpu_loaded(struct cpu *cpu)
{
    cpu->fpu.live = false;
    cpu->fpu.barrier = FPU_BARRIER;
    cpuid_init(&cpu->cpuid);
    /* XRSTOR faults on a header with reserved bits (SDM vol. 1, section 13.8). */
    __builtin_memset(cpu->fpu.area + FPU_AREA_XSTATE_BV, 0, FPU_AREA_HEADER_BYTES);
    forget_host(cpu);
    fpu_area_put64(cpu, FPU_AREA_XSTATE_BV, ALL_COMPONENTS);
    fpu_set_mxcsr(cpu, fpu_area_get32(cpu, FPU_AREA_MXCSR) & MXCSR_BITS);
    fpu_area_set_words(cpu, fpu_area_get16(cpu, FPU_AREA_CONTROL),
                       fpu_area_get16(cpu, FPU_AREA_STATUS));
}

void fpu_reset(struct cpu *cpu)
{
    enum { ALL_VALID = 0xff }; /* tag word 5555h: every register holds zero */
    cpuid_init(&cpu->cpuid);
    fpu_park(cpu);
    __builtin_memset(&cpu->fpu, 0, sizeof(cpu->fpu));
    fpu_area_put64(cpu, FPU_AREA_XSTATE_BV, ALL_COMPONENTS);
    fpu_area_set_words(cpu, FPU_CONTROL_RESET, 0);
    fpu_area_put16(cpu, FPU_AREA_TAGS, ALL_VALID);
    fpu_set_mxcsr(cpu, MXCSR_INIT);
}
