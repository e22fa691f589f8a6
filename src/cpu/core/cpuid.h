/* cpu/core/cpuid.h: what the guest's CPUID instruction tells.
 *
 * The guest sees what the host's processor has and what we carry through faithfully.
 * System features (paging, MSRs, time stamp counter…) are our own and always there;
 * instruction sets that run on the host's unit are there if the host has them. The host
 * is asked once, when the CPU is first reset: CPUID traps in virtual machines.
 * Leaves and bits: Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E.
 * Thread: the CPU's own. Saved by: nobody (a saved machine wants the same features). */
#ifndef CPU_CORE_CPUID_H
#define CPU_CORE_CPUID_H

#include "base/types.h"

struct cpu;

/* Words of feature bits. */
enum {
    CPUID_WORD_1_EDX,
    CPUID_WORD_1_ECX,
    CPUID_WORD_7_EBX,
    CPUID_WORD_7_ECX,
    CPUID_WORD_D1_EAX,
    CPUID_WORD_EXTENDED_EDX,
    CPUID_WORD_EXTENDED_ECX,
    CPUID_WORDS,
};

#define CPUID_BIT(word, bit) ((word)*32 + (bit))

/* Features by place: word * 32 + bit. */
enum cpuid_feature {
    CPUID_FPU = CPUID_BIT(CPUID_WORD_1_EDX, 0),
    CPUID_VME = CPUID_BIT(CPUID_WORD_1_EDX, 1),
    CPUID_DE = CPUID_BIT(CPUID_WORD_1_EDX, 2),
    CPUID_PSE = CPUID_BIT(CPUID_WORD_1_EDX, 3),
    CPUID_TSC = CPUID_BIT(CPUID_WORD_1_EDX, 4),
    CPUID_MSR = CPUID_BIT(CPUID_WORD_1_EDX, 5),
    CPUID_PAE = CPUID_BIT(CPUID_WORD_1_EDX, 6),
    CPUID_MCE = CPUID_BIT(CPUID_WORD_1_EDX, 7),
    CPUID_CX8 = CPUID_BIT(CPUID_WORD_1_EDX, 8),
    CPUID_APIC = CPUID_BIT(CPUID_WORD_1_EDX, 9), /* follows IA32_APIC_BASE */
    CPUID_SEP = CPUID_BIT(CPUID_WORD_1_EDX, 11),
    CPUID_MTRR = CPUID_BIT(CPUID_WORD_1_EDX, 12),
    CPUID_PGE = CPUID_BIT(CPUID_WORD_1_EDX, 13),
    CPUID_MCA = CPUID_BIT(CPUID_WORD_1_EDX, 14),
    CPUID_CMOV = CPUID_BIT(CPUID_WORD_1_EDX, 15),
    CPUID_PAT = CPUID_BIT(CPUID_WORD_1_EDX, 16),
    CPUID_PSE36 = CPUID_BIT(CPUID_WORD_1_EDX, 17),
    CPUID_CLFSH = CPUID_BIT(CPUID_WORD_1_EDX, 19),
    CPUID_MMX = CPUID_BIT(CPUID_WORD_1_EDX, 23),
    CPUID_FXSR = CPUID_BIT(CPUID_WORD_1_EDX, 24),
    CPUID_SSE = CPUID_BIT(CPUID_WORD_1_EDX, 25),
    CPUID_SSE2 = CPUID_BIT(CPUID_WORD_1_EDX, 26),
    CPUID_SSE3 = CPUID_BIT(CPUID_WORD_1_ECX, 0),
    CPUID_PCLMULQDQ = CPUID_BIT(CPUID_WORD_1_ECX, 1),
    CPUID_SSSE3 = CPUID_BIT(CPUID_WORD_1_ECX, 9),
    CPUID_FMA = CPUID_BIT(CPUID_WORD_1_ECX, 12),
    CPUID_SSE41 = CPUID_BIT(CPUID_WORD_1_ECX, 19),
    CPUID_SSE42 = CPUID_BIT(CPUID_WORD_1_ECX, 20),
    CPUID_MOVBE = CPUID_BIT(CPUID_WORD_1_ECX, 22),
    CPUID_POPCNT = CPUID_BIT(CPUID_WORD_1_ECX, 23),
    CPUID_AES = CPUID_BIT(CPUID_WORD_1_ECX, 25),
    CPUID_XSAVE = CPUID_BIT(CPUID_WORD_1_ECX, 26),
    CPUID_OSXSAVE = CPUID_BIT(CPUID_WORD_1_ECX, 27), /* follows CR4 */
    CPUID_AVX = CPUID_BIT(CPUID_WORD_1_ECX, 28),
    CPUID_F16C = CPUID_BIT(CPUID_WORD_1_ECX, 29),
    CPUID_RDRAND = CPUID_BIT(CPUID_WORD_1_ECX, 30),
    CPUID_BMI1 = CPUID_BIT(CPUID_WORD_7_EBX, 3),
    CPUID_AVX2 = CPUID_BIT(CPUID_WORD_7_EBX, 5),
    CPUID_BMI2 = CPUID_BIT(CPUID_WORD_7_EBX, 8),
    CPUID_ERMS = CPUID_BIT(CPUID_WORD_7_EBX, 9),
    CPUID_RDSEED = CPUID_BIT(CPUID_WORD_7_EBX, 18),
    CPUID_ADX = CPUID_BIT(CPUID_WORD_7_EBX, 19),
    CPUID_CLFLUSHOPT = CPUID_BIT(CPUID_WORD_7_EBX, 23),
    CPUID_CLWB = CPUID_BIT(CPUID_WORD_7_EBX, 24),
    CPUID_SHA = CPUID_BIT(CPUID_WORD_7_EBX, 29),
    CPUID_XSAVEOPT = CPUID_BIT(CPUID_WORD_D1_EAX, 0),
    CPUID_NX = CPUID_BIT(CPUID_WORD_EXTENDED_EDX, 20),
    CPUID_RDTSCP = CPUID_BIT(CPUID_WORD_EXTENDED_EDX, 27),
    CPUID_LZCNT = CPUID_BIT(CPUID_WORD_EXTENDED_ECX, 5),
    CPUID_PREFETCHW = CPUID_BIT(CPUID_WORD_EXTENDED_ECX, 8),
};

/* Width of guest-physical addresses in bits. */
enum { CPUID_PHYSICAL_BITS = 36 };

struct cpuid {
    bool known;               /* the rest has been filled in */
    uint64_t host_xsave_mask; /* x87|SSE|AVX as the host's XCR0 has it; 0: no XSAVE */
    uint32_t signature;       /* leaf 1, EAX: family, model, stepping */
    uint32_t vendor[3];       /* in the order EBX, EDX, ECX */
    uint32_t brand[12];       /* leaves 80000002h to 80000004h */
    uint32_t features[CPUID_WORDS];
};

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

/* Asks the host, once; later calls do nothing. fpu_reset() calls it. */
void cpuid_init(struct cpuid *cpuid);

/* One leaf, as the guest's instruction shows it. */
struct cpuid_result cpuid_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf);

/* Whether the guest's processor reports `feature`. OSXSAVE and APIC: whatever
 * CR4 and IA32_APIC_BASE say. */
static inline bool cpuid_reports(const struct cpuid *cpuid, enum cpuid_feature feature)
{
    return (cpuid->features[feature / 32] >> (feature % 32)) & 1;
}
bool cpuid_has(const struct cpu *cpu, enum cpuid_feature feature);

/* Leaf 1, EAX: what EDX holds after reset (SDM vol. 3, table 9-1). Asks the host. */
uint32_t cpuid_signature(void);

#endif
