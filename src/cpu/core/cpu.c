#include "cpu/core/cpu.h"

#include "cpu/core/cpuid.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction.h"

/* Initial values: Intel SDM vol. 3, table 9-1 and section 11.12.4 (PAT). */
enum {
    RESET_EIP = 0xfff0,
    RESET_CS = 0xf000,
    RESET_LIMIT = 0xffff,
    RESET_DATA_ACCESS =
        SEGMENT_PRESENT | SEGMENT_NOT_SYSTEM | SEGMENT_WRITABLE | SEGMENT_ACCESSED,
    RESET_LDT_ACCESS = SEGMENT_PRESENT | 2, /* LDT */
    RESET_TSS_ACCESS = SEGMENT_PRESENT | 3, /* busy 16-bit TSS */
    RESET_DR7 = 0x400,
    RESET_MISC_ENABLE = 0x1801, /* fast strings; no BTS, no PEBS */
};
#define SEGMENT_BARRIER (1ULL << 62) /* between the halves of the host's addresses */
#define RESET_CS_BASE 0xffff0000U
#define RESET_DR6 0xffff0ff0U
#define RESET_PAT 0x0007040600070406ULL
#define RESET_APIC_BASE 0xfee00900ULL /* enabled, bootstrap processor */

void segment_update(struct segment *segment)
{
    bool usable =
        (segment->access & SEGMENT_PRESENT) && (segment->access & SEGMENT_NOT_SYSTEM);
    uint64_t end = (uint64_t)segment->limit + 1;
    segment->read_end = segment->write_end = 0;
    segment->kind = SEGMENT_CHECKED;
    segment->barrier = SEGMENT_BARRIER;
    if (!usable) {
        return;
    }
    if (segment->access & SEGMENT_CODE) {
        segment->read_end = segment->access & SEGMENT_READABLE ? end : 0;
    } else if (!(segment->access & SEGMENT_EXPAND_DOWN)) {
        segment->read_end = end;
        segment->write_end = segment->access & SEGMENT_WRITABLE ? end : 0;
    }
    if (segment->write_end > UINT32_MAX) {
        segment->kind = segment->base == 0 ? SEGMENT_FLAT : SEGMENT_WHOLE;
        segment->barrier = 0;
    }
}

bool segment_holds(const struct segment *segment, uint32_t offset, unsigned bytes)
{
    uint64_t last = (uint64_t)offset + bytes - 1;
    bool expand_down =
        !(segment->access & SEGMENT_CODE) && (segment->access & SEGMENT_EXPAND_DOWN);
    if (expand_down) {
        uint64_t top = segment->access & SEGMENT_BIG ? UINT32_MAX : 0xffff;
        return offset > segment->limit && last <= top;
    }
    /* A 4 GiB segment does not end: operands wrap to offset 0. */
    return last <= segment->limit || segment->limit == UINT32_MAX;
}

/* enum mmu_rights, which this room does not see: supervisor, user, or user with checks
 * of alignment (SDM vol. 3, section 6.15, #AC). */
static uint8_t access_rights(const struct cpu *cpu)
{
    enum { SUPERVISOR, USER, USER_ALIGNED };
    if (cpu->cpl != 3) {
        return SUPERVISOR;
    }
    bool check_alignment = (cpu->cr0 & CR0_AM) && (cpu->system_flags & EFLAGS_AC);
    return check_alignment ? USER_ALIGNED : USER;
}

void cpu_update_mode(struct cpu *cpu)
{
    const struct segment *stack = &cpu->segments[SEGMENT_SS];
    bool protected = cpu_protected(cpu);
    if (protected) {
        /* SS.DPL and not the RPL of CS, which is anything just after CR0.PE was set. */
        cpu->cpl = (uint8_t)segment_dpl(stack);
    } else {
        cpu->cpl = cpu_v86(cpu) ? 3 : 0;
    }
    cpu->access_rights = access_rights(cpu);
    cpu->stack_mask = stack->access & SEGMENT_BIG ? UINT32_MAX : 0xffff;
    cpu->code_mode =
        (cpu->segments[SEGMENT_CS].access & SEGMENT_BIG ? CODE_MODE_32 : 0) |
        (protected ? CODE_MODE_VEX : 0) | (cpu->cpl == 3 ? CODE_MODE_USER : 0);
}

/* What both RESET# and INIT# do; CR0.CD and NW are the caller's. */
static void initialize(struct cpu *cpu)
{
    for (unsigned i = 0; i < REGISTER_COUNT; i++) {
        cpu->regs[i] = 0;
    }
    cpu->regs[REGISTER_EDX] = cpu->cpuid.signature;
    cpu->eip = RESET_EIP;
    cpu_set_eflags(cpu, 0);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        struct segment *segment = &cpu->segments[i];
        segment->selector = 0;
        segment->base = 0;
        segment->limit = RESET_LIMIT;
        segment->access = RESET_DATA_ACCESS;
        segment_update(segment);
    }
    cpu->segments[SEGMENT_CS].selector = RESET_CS;
    cpu->segments[SEGMENT_CS].base = RESET_CS_BASE;
    cpu->gdtr.base = cpu->idtr.base = 0;
    cpu->gdtr.limit = cpu->idtr.limit = RESET_LIMIT;
    cpu->ldtr = (struct segment){.limit = RESET_LIMIT, .access = RESET_LDT_ACCESS};
    cpu->tr = (struct segment){.limit = RESET_LIMIT, .access = RESET_TSS_ACCESS};
    cpu->cr0 = (cpu->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = 0;
    for (unsigned i = 0; i < 8; i++) {
        cpu->dr[i] = 0;
    }
    cpu->dr[6] = RESET_DR6;
    cpu->dr[7] = RESET_DR7;
    cpu->shadow = 0;
    cpu->halted = false;
    cpu->nmi_blocked = false;
    cpu->current = cpu->block_start = NULL;
    cpu->delivering = -1;
    cpu->delivering_external = false;
    cpu->delivered_at = UINT64_MAX;
    cpu->dr6_pending = 0;
    cpu_update_mode(cpu);
    atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_NMI);
    atomic_fetch_or(&cpu->request, CPU_REQUEST_FLUSH);
}

void cpu_reset(struct cpu *cpu)
{
    fpu_reset(cpu);
    cpu->cr0 = CR0_CD | CR0_NW;
    cpu->xcr0 = 1;
    cpu->efer = 0;
    cpu->pat = RESET_PAT;
    cpu->apic_base = RESET_APIC_BASE;
    cpu->misc_enable = RESET_MISC_ENABLE;
    cpu->mtrr_def_type = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(cpu->mtrr_fixed); i++) {
        cpu->mtrr_fixed[i] = 0;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(cpu->mtrr_variable); i++) {
        cpu->mtrr_variable[i] = 0;
    }
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->mcg_status = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(cpu->pdpte); i++) {
        cpu->pdpte[i] = 0;
    }
    cpu->a20_mask = UINT32_MAX;
    atomic_store(&cpu->a20_line, true);
    initialize(cpu);
    cpu->tsc_offset -= cpu_tsc(cpu);
}

void cpu_init_signal(struct cpu *cpu)
{
    initialize(cpu);
}

void cpu_request(struct cpu *cpu, uint32_t what)
{
    uint32_t before = atomic_fetch_or(&cpu->request, what);
    if (cpu->nudge && (before & what) != what) {
        cpu->nudge(cpu);
    }
}

void cpu_kick(struct cpu *cpu)
{
    cpu_request(cpu, CPU_REQUEST_KICK);
}

void cpu_set_interrupt_line(struct cpu *cpu, bool level)
{
    if (level) {
        cpu_request(cpu, CPU_REQUEST_INTERRUPT);
    } else {
        atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_INTERRUPT);
    }
}

void cpu_raise_nmi(struct cpu *cpu)
{
    cpu_request(cpu, CPU_REQUEST_NMI);
}

void cpu_set_a20(struct cpu *cpu, bool enabled)
{
    if (atomic_exchange(&cpu->a20_line, enabled) != enabled) {
        cpu_request(cpu, CPU_REQUEST_A20);
    }
}

uint64_t cpu_retired(const struct cpu *cpu)
{
    uint64_t in_block =
        cpu->block_start ? (uint64_t)(cpu->current - cpu->block_start) : 0;
    return cpu->retired + in_block;
}

void cpu_registers_loaded(struct cpu *cpu)
{
    /* A saved image is hostile input: whatever it holds must be a possible state. */
    cpu->regs[REGISTER_ZERO] = 0;
    cpu_set_eflags(cpu, cpu_eflags(cpu));
    cpu->arithmetic = arithmetic_flags_from(cpu_eflags(cpu));
    cpu->cr0 |= CR0_ET;
    cpu->efer &= EFER_NXE;
    cpu->xcr0 = (cpu->xcr0 & (XCR0_SSE | XCR0_AVX)) | XCR0_X87;
    cpu->shadow &= CPU_SHADOW_STI | CPU_SHADOW_MOV_SS;
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        segment_update(&cpu->segments[i]);
    }
    cpu->current = cpu->block_start = NULL;
    cpu->delivering = -1;
    cpu->delivering_external = false;
    fpu_loaded(cpu);
    cpu_update_mode(cpu);
}

void cpu_loaded(struct cpu *cpu)
{
    cpu_registers_loaded(cpu);
    cpu->a20_mask |= ~(1U << 20);
    atomic_store(&cpu->a20_line, cpu->a20_mask == UINT32_MAX);
    atomic_fetch_or(&cpu->request, CPU_REQUEST_FLUSH);
}
