/* RDMSR and WRMSR (SDM vol. 2; vol. 4 for the numbers; vol. 3, 11.11 for MTRRs). What
 * is not listed here does not exist: #GP(0). */
#include "cpu/core/cpuid.h"
#include "cpu/interpreter/system_operands.h"

enum {
    MSR_P5_MC_ADDR = 0x00,
    MSR_P5_MC_TYPE = 0x01,
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_FEATURE_CONTROL = 0x3a,
    MSR_BIOS_UPDATE_TRIGGER = 0x79,
    MSR_BIOS_SIGNATURE = 0x8b,
    MSR_MTRR_CAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUG_CONTROL = 0x1d9,
    MSR_MTRR_VARIABLE = 0x200, /* base and mask of each range, in turn */
    MSR_MTRR_FIXED_64K = 0x250,
    MSR_MTRR_FIXED_16K = 0x258, /* two */
    MSR_MTRR_FIXED_4K = 0x268,  /* eight */
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
};
/* AMD's, which its processors' drivers take for granted (AMD APM vol. 2, appendix A;
 * BIOS and kernel developer's guides of families 10h to 16h). */
#define MSR_EFER 0xc0000080U
#define MSR_AMD_SYSTEM_CONFIG 0xc0010010U
#define MSR_AMD_HARDWARE_CONFIG 0xc0010015U
#define MSR_AMD_NORTHBRIDGE_CONFIG 0xc001001fU
#define MSR_AMD_PATCH_LOADER 0xc0010020U
#define MSR_AMD_INTERRUPT_PENDING 0xc0010055U
#define MSR_AMD_MMIO_CONFIG_BASE 0xc0010058U
#define MSR_AMD_SMM_ADDRESS 0xc0010112U
#define MSR_AMD_SMM_MASK 0xc0010113U
#define MSR_AMD_INSTRUCTION_CACHE_CONFIG 0xc0011021U
#define MSR_AMD_DATA_CACHE_CONFIG 0xc0011022U
#define MSR_AMD_TABLE_WALKER_CONFIG 0xc0011023U
#define MSR_AMD_DECODE_CONFIG 0xc0011029U
#define MSR_AMD_BUS_UNIT_CONFIG_2 0xc001102aU

/* What the constant ones hold. */
#define FEATURE_CONTROL_LOCKED 1ULL
#define MICROCODE_REVISION (1ULL << 32)
#define MTRR_CAP_VALUE 0x508ULL /* 8 variable ranges, fixed ranges, write combining */
#define AMD_TSC_AT_NOMINAL_FREQUENCY (1ULL << 24)
#define AMD_LFENCE_SERIALIZES 2ULL
#define CPUID_VENDOR_AMD_EBX 0x68747541U /* "Auth" of "AuthenticAMD" */

#define PHYSICAL_MASK ((1ULL << CPUID_PHYSICAL_BITS) - 1)
#define APIC_BASE_WRITABLE ((PHYSICAL_MASK & ~0xfffULL) | 0x900) /* enable, BSP */
#define MTRR_DEF_TYPE_DEFINED 0xcffULL
#define MTRR_BASE_DEFINED ((PHYSICAL_MASK & ~0xfffULL) | 0xff)
#define MTRR_MASK_DEFINED ((PHYSICAL_MASK & ~0xfffULL) | 0x800)
/* Fast strings, thermal control, SpeedStep, MONITOR, CPUID limit, xTPR, no execute. */
#define MISC_ENABLE_WRITABLE 0x400c50009ULL
#define MISC_ENABLE_READ_ONLY 0x1880ULL

/* A memory type in an MTRR: UC, WC, WT, WP, WB; the PAT has UC-, too. */
static bool is_memory_type(uint64_t type, bool in_pat)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6) || (in_pat && type == 7);
}

static bool are_memory_types(uint64_t eight, bool in_pat)
{
    for (unsigned i = 0; i < 8; i++) {
        if (!is_memory_type((eight >> (8 * i)) & 0xff, in_pat)) {
            return false;
        }
    }
    return true;
}

/* The fixed-range MTRR of that number, or NULL. */
static uint64_t *fixed_mtrr(struct cpu *cpu, uint32_t number)
{
    if (number == MSR_MTRR_FIXED_64K) {
        return &cpu->mtrr_fixed[0];
    }
    if (number >= MSR_MTRR_FIXED_16K && number < MSR_MTRR_FIXED_16K + 2) {
        return &cpu->mtrr_fixed[1 + (number - MSR_MTRR_FIXED_16K)];
    }
    if (number >= MSR_MTRR_FIXED_4K && number < MSR_MTRR_FIXED_4K + 8) {
        return &cpu->mtrr_fixed[3 + (number - MSR_MTRR_FIXED_4K)];
    }
    return NULL;
}

static uint64_t *variable_mtrr(struct cpu *cpu, uint32_t number)
{
    uint32_t index = number - MSR_MTRR_VARIABLE;
    return index < ARRAY_LENGTH(cpu->mtrr_variable) ? &cpu->mtrr_variable[index] : NULL;
}

/* MSRs that hold what they always hold; writes have no effect. False: no such MSR. */
static bool constant_msr(const struct cpu *cpu, uint32_t number, uint64_t *value)
{
    switch (number) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_EBL_CR_POWERON:
    case MSR_BIOS_UPDATE_TRIGGER:
        *value = 0;
        return true;
    case MSR_BIOS_SIGNATURE:
        *value = MICROCODE_REVISION;
        return true;
    /* Nothing that they configure is here: no extended PCI configuration space, neither
     * by ports nor by memory, no SMM memory, no microcode, no caches. */
    case MSR_AMD_SYSTEM_CONFIG:
    case MSR_AMD_NORTHBRIDGE_CONFIG:
    case MSR_AMD_PATCH_LOADER:
    case MSR_AMD_INTERRUPT_PENDING:
    case MSR_AMD_MMIO_CONFIG_BASE:
    case MSR_AMD_SMM_ADDRESS:
    case MSR_AMD_SMM_MASK:
    case MSR_AMD_INSTRUCTION_CACHE_CONFIG:
    case MSR_AMD_DATA_CACHE_CONFIG:
    case MSR_AMD_TABLE_WALKER_CONFIG:
    case MSR_AMD_BUS_UNIT_CONFIG_2:
        *value = 0;
        break;
    case MSR_AMD_HARDWARE_CONFIG:
        *value = AMD_TSC_AT_NOMINAL_FREQUENCY;
        break;
    case MSR_AMD_DECODE_CONFIG:
        *value = AMD_LFENCE_SERIALIZES;
        break;
    default:
        return false;
    }
    return cpu->cpuid.vendor[0] == CPUID_VENDOR_AMD_EBX;
}

/* MSRs that cannot be written at all. */
static bool read_only_msr(uint32_t number, uint64_t *value)
{
    switch (number) {
    case MSR_PLATFORM_ID:
    case MSR_MCG_CAP: /* no bank */
        *value = 0;
        return true;
    case MSR_FEATURE_CONTROL:
        *value = FEATURE_CONTROL_LOCKED;
        return true;
    case MSR_MTRR_CAP:
        *value = MTRR_CAP_VALUE;
        return true;
    default:
        return false;
    }
}

static bool read_msr(struct cpu *cpu, uint32_t number, uint64_t *value)
{
    const uint64_t *mtrr = fixed_mtrr(cpu, number);
    mtrr = mtrr ? mtrr : variable_mtrr(cpu, number);
    if (mtrr) {
        *value = *mtrr;
        return true;
    }
    switch (number) {
    case MSR_TSC:
        *value = cpu_tsc(cpu);
        return true;
    case MSR_APIC_BASE:
        *value = cpu->apic_base;
        return true;
    case MSR_SYSENTER_CS:
        *value = cpu->sysenter_cs;
        return true;
    case MSR_SYSENTER_ESP:
        *value = cpu->sysenter_esp;
        return true;
    case MSR_SYSENTER_EIP:
        *value = cpu->sysenter_eip;
        return true;
    case MSR_MCG_STATUS:
        *value = cpu->mcg_status;
        return true;
    case MSR_MISC_ENABLE:
        *value = cpu->misc_enable;
        return true;
    case MSR_DEBUG_CONTROL:
        *value = 0;
        return true;
    case MSR_PAT:
        *value = cpu->pat;
        return true;
    case MSR_MTRR_DEF_TYPE:
        *value = cpu->mtrr_def_type;
        return true;
    case MSR_EFER:
        *value = cpu->efer;
        return true;
    default:
        return read_only_msr(number, value) || constant_msr(cpu, number, value);
    }
}

static bool write_checked(uint64_t *msr, uint64_t value, bool valid)
{
    if (valid) {
        *msr = value;
    }
    return valid;
}

static bool write_variable_mtrr(uint64_t *mtrr, uint32_t number, uint64_t value)
{
    bool is_mask = number & 1;
    uint64_t defined = is_mask ? MTRR_MASK_DEFINED : MTRR_BASE_DEFINED;
    return write_checked(mtrr, value,
                         !(value & ~defined) &&
                             (is_mask || is_memory_type(value & 0xff, false)));
}

static bool write_apic_base(struct cpu *cpu, uint64_t value)
{
    bool moved = value != cpu->apic_base;
    if (!write_checked(&cpu->apic_base, value, !(value & ~APIC_BASE_WRITABLE))) {
        return false;
    }
    if (moved && cpu->wiring.set_apic_base) {
        cpu_place_apic(cpu);
    }
    return true;
}

static bool write_misc_enable(struct cpu *cpu, uint64_t value)
{
    if (value & ~(MISC_ENABLE_WRITABLE | MISC_ENABLE_READ_ONLY)) {
        return false;
    }
    cpu->misc_enable =
        (value & MISC_ENABLE_WRITABLE) | (cpu->misc_enable & MISC_ENABLE_READ_ONLY);
    return true;
}

/* NXE is all there is: no SYSCALL outside 64-bit mode, no 64-bit mode. */
static bool write_efer(struct cpu *cpu, uint64_t value)
{
    uint64_t defined = cpuid_has(cpu, CPUID_NX) ? EFER_NXE : 0;
    if (value & ~defined) {
        return false;
    }
    if (cpu->efer != value) {
        cpu->efer = value;
        mmu_flush_all(cpu);
    }
    return true;
}

static bool write_msr(struct cpu *cpu, uint32_t number, uint64_t value)
{
    uint64_t unused;
    if (fixed_mtrr(cpu, number)) {
        return write_checked(fixed_mtrr(cpu, number), value,
                             are_memory_types(value, false));
    }
    if (variable_mtrr(cpu, number)) {
        return write_variable_mtrr(variable_mtrr(cpu, number), number, value);
    }
    switch (number) {
    case MSR_TSC:
        cpu->tsc_offset += value - cpu_tsc(cpu);
        return true;
    case MSR_APIC_BASE:
        return write_apic_base(cpu, value);
    case MSR_SYSENTER_CS:
        cpu->sysenter_cs = (uint32_t)value;
        return true;
    case MSR_SYSENTER_ESP:
        cpu->sysenter_esp = (uint32_t)value;
        return true;
    case MSR_SYSENTER_EIP:
        cpu->sysenter_eip = (uint32_t)value;
        return true;
    case MSR_MCG_STATUS: /* can only be cleared */
        cpu->mcg_status = value ? cpu->mcg_status : 0;
        return value == 0;
    case MSR_MISC_ENABLE:
        return write_misc_enable(cpu, value);
    case MSR_DEBUG_CONTROL: /* no branch records, no branch steps */
        return value == 0;
    case MSR_PAT:
        return write_checked(&cpu->pat, value, are_memory_types(value, true));
    case MSR_MTRR_DEF_TYPE:
        return write_checked(&cpu->mtrr_def_type, value,
                             !(value & ~MTRR_DEF_TYPE_DEFINED) &&
                                 is_memory_type(value & 0xff, false));
    case MSR_EFER:
        return write_efer(cpu, value);
    default:
        return constant_msr(cpu, number, &unused);
    }
}

static const struct instruction *rdmsr(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    uint64_t value;
    require_cpl0(cpu);
    if (!read_msr(cpu, cpu->regs[REGISTER_ECX], &value)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    cpu->regs[REGISTER_EAX] = (uint32_t)value;
    cpu->regs[REGISTER_EDX] = (uint32_t)(value >> 32);
    return instruction + 1;
}

static const struct instruction *wrmsr(struct cpu *cpu,
                                       const struct instruction *instruction)
{
    uint64_t value = (uint64_t)cpu->regs[REGISTER_EDX] << 32 | cpu->regs[REGISTER_EAX];
    require_cpl0(cpu);
    if (!write_msr(cpu, cpu->regs[REGISTER_ECX], value)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    return instruction_leave(cpu, instruction);
}

const struct handler_set exec_rdmsr = HANDLER_SET_ONE(rdmsr);
const struct handler_set exec_wrmsr = HANDLER_SET_ONE(wrmsr);
