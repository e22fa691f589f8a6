/* What CPUID tells: the host's answers, masked; and the leaves that are our own. */
#include "cpu/core/cpuid.h"

#include "cpu/core/cpu.h"

#include <cpuid.h>

#define FEATURE(name) (1U << (CPUID_##name % 32))

/* Ours, whatever the host has: paging, MSRs, interrupts and the like are emulated. */
static const uint32_t own_features[CPUID_WORDS] = {
    [CPUID_WORD_1_EDX] = FEATURE(FPU) | FEATURE(VME) | FEATURE(DE) | FEATURE(PSE) |
                         FEATURE(TSC) | FEATURE(MSR) | FEATURE(PAE) | FEATURE(MCE) |
                         FEATURE(CX8) | FEATURE(SEP) | FEATURE(MTRR) | FEATURE(PGE) |
                         FEATURE(MCA) | FEATURE(CMOV) | FEATURE(PAT) | FEATURE(PSE36) |
                         FEATURE(CLFSH),
    [CPUID_WORD_EXTENDED_EDX] = FEATURE(NX),
};

/* Carried through if the host has them. */
static const uint32_t host_features[CPUID_WORDS] = {
    [CPUID_WORD_1_EDX] = FEATURE(MMX) | FEATURE(FXSR) | FEATURE(SSE) | FEATURE(SSE2),
    [CPUID_WORD_1_ECX] = FEATURE(SSE3) | FEATURE(PCLMULQDQ) | FEATURE(SSSE3) |
                         FEATURE(SSE41) | FEATURE(SSE42) | FEATURE(MOVBE) |
                         FEATURE(POPCNT) | FEATURE(AES) | FEATURE(RDRAND),
    [CPUID_WORD_7_EBX] = FEATURE(BMI1) | FEATURE(BMI2) | FEATURE(ERMS) |
                         FEATURE(RDSEED) | FEATURE(ADX) | FEATURE(CLFLUSHOPT) |
                         FEATURE(CLWB) | FEATURE(SHA),
    [CPUID_WORD_EXTENDED_ECX] = FEATURE(LZCNT) | FEATURE(PREFETCHW),
};

/* Likewise, and only where the host's kernel has switched on XSAVE, … */
static const uint32_t xsave_features[CPUID_WORDS] = {
    [CPUID_WORD_1_ECX] = FEATURE(XSAVE),
    [CPUID_WORD_D1_EAX] = FEATURE(XSAVEOPT),
};

/* … and AVX state with it. */
static const uint32_t avx_features[CPUID_WORDS] = {
    [CPUID_WORD_1_ECX] = FEATURE(FMA) | FEATURE(AVX) | FEATURE(F16C),
    [CPUID_WORD_7_EBX] = FEATURE(AVX2),
};

enum {
    LEAF_FEATURES = 1,
    LEAF_CACHE_DESCRIPTORS = 2,
    LEAF_CACHES = 4,
    LEAF_MORE_FEATURES = 7,
    LEAF_XSAVE = 0xd,
};
#define LEAF_EXTENDED 0x80000000U

static struct cpuid_result host_leaf(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r = {0};
    uint32_t last = __get_cpuid_max(leaf & LEAF_EXTENDED, NULL);
    if (leaf <= last) {
        __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
    }
    return r;
}

/* XCR0 of the host, cut to what struct fpu holds; 0 if it does not use XSAVE. */
static uint64_t host_xsave_mask(uint32_t leaf_1_ecx)
{
    if (!(leaf_1_ecx & FEATURE(OSXSAVE))) {
        return 0;
    }
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    low &= XCR0_X87 | XCR0_SSE | XCR0_AVX;
    /* The place of the AVX state is the host's to tell; everybody has it here. */
    if ((low & XCR0_AVX) && host_leaf(LEAF_XSAVE, 2).ebx != FPU_AREA_YMM_HIGH) {
        low &= ~(uint32_t)XCR0_AVX;
    }
    return low;
}

static void ask_host_features(struct cpuid *cpuid)
{
    struct cpuid_result leaf_1 = host_leaf(LEAF_FEATURES, 0);
    struct cpuid_result leaf_7 = host_leaf(LEAF_MORE_FEATURES, 0);
    struct cpuid_result extended = host_leaf(LEAF_EXTENDED + 1, 0);
    const uint32_t host[CPUID_WORDS] = {
        [CPUID_WORD_1_EDX] = leaf_1.edx,
        [CPUID_WORD_1_ECX] = leaf_1.ecx,
        [CPUID_WORD_7_EBX] = leaf_7.ebx,
        [CPUID_WORD_7_ECX] = leaf_7.ecx,
        [CPUID_WORD_D1_EAX] = host_leaf(LEAF_XSAVE, 1).eax,
        [CPUID_WORD_EXTENDED_EDX] = extended.edx,
        [CPUID_WORD_EXTENDED_ECX] = extended.ecx,
    };
    cpuid->signature = leaf_1.eax;
    cpuid->host_xsave_mask = host_xsave_mask(leaf_1.ecx);
    for (unsigned i = 0; i < CPUID_WORDS; i++) {
        uint32_t carried = host_features[i];
        if (cpuid->host_xsave_mask) {
            carried |= xsave_features[i];
        }
        if (cpuid->host_xsave_mask & XCR0_AVX) {
            carried |= avx_features[i];
        }
        cpuid->features[i] = own_features[i] | (host[i] & carried);
    }
}

void cpuid_init(struct cpuid *cpuid)
{
    if (cpuid->known) {
        return;
    }
    struct cpuid_result vendor = host_leaf(0, 0);
    cpuid->vendor[0] = vendor.ebx;
    cpuid->vendor[1] = vendor.edx;
    cpuid->vendor[2] = vendor.ecx;
    for (unsigned i = 0; i < 3; i++) {
        struct cpuid_result brand = host_leaf(LEAF_EXTENDED + 2 + i, 0);
        cpuid->brand[i * 4] = brand.eax;
        cpuid->brand[i * 4 + 1] = brand.ebx;
        cpuid->brand[i * 4 + 2] = brand.ecx;
        cpuid->brand[i * 4 + 3] = brand.edx;
    }
    ask_host_features(cpuid);
    cpuid->known = true;
}

uint32_t cpuid_signature(void)
{
    return host_leaf(LEAF_FEATURES, 0).eax;
}

bool cpuid_has(const struct cpu *cpu, enum cpuid_feature feature)
{
    if (feature == CPUID_OSXSAVE) {
        return cpu->cr4 & CR4_OSXSAVE;
    }
    if (feature == CPUID_APIC) {
        return cpu->wiring.set_apic_base && (cpu->apic_base & CPU_APIC_ENABLED);
    }
    return cpuid_reports(&cpu->cpuid, feature);
}

/* Deterministic cache parameters (SDM vol. 2, CPUID leaf 4): one core, nothing shared.
 */
static struct cpuid_result cache_leaf(uint32_t subleaf)
{
    static const struct {
        uint8_t type; /* 1 data, 2 instructions, 3 unified */
        uint8_t level, ways;
        uint16_t sets;
    } caches[] = {{1, 1, 8, 64}, {2, 1, 8, 64}, {3, 2, 8, 1024}};
    enum { SELF_INITIALIZING = 1 << 8, LINE_BYTES = 64 };
    if (subleaf >= ARRAY_LENGTH(caches)) {
        return (struct cpuid_result){0};
    }
    return (struct cpuid_result){
        .eax = caches[subleaf].type | (uint32_t)caches[subleaf].level << 5 |
               SELF_INITIALIZING,
        .ebx = (LINE_BYTES - 1) | (uint32_t)(caches[subleaf].ways - 1) << 22,
        .ecx = caches[subleaf].sets - 1U,
    };
}

/* Sizes of the XSAVE area (SDM vol. 1, section 13.2), standard format. */
static struct cpuid_result xsave_leaf(const struct cpu *cpu, uint32_t subleaf)
{
    if (!cpuid_has(cpu, CPUID_XSAVE)) {
        return (struct cpuid_result){0};
    }
    bool avx = cpu->cpuid.host_xsave_mask & XCR0_AVX;
    switch (subleaf) {
    case 0:
        return (struct cpuid_result){
            .eax = (uint32_t)cpu->cpuid.host_xsave_mask,
            .ebx = cpu->xcr0 & XCR0_AVX ? XSAVE_AREA_BYTES : FPU_AREA_YMM_HIGH,
            .ecx = avx ? XSAVE_AREA_BYTES : FPU_AREA_YMM_HIGH,
        };
    case 1:
        return (struct cpuid_result){.eax = cpu->cpuid.features[CPUID_WORD_D1_EAX]};
    case 2:
        return (struct cpuid_result){
            .eax = avx ? XSAVE_AREA_BYTES - FPU_AREA_YMM_HIGH : 0,
            .ebx = avx ? FPU_AREA_YMM_HIGH : 0,
        };
    default:
        return (struct cpuid_result){0};
    }
}

static struct cpuid_result basic_leaf(const struct cpu *cpu, uint32_t leaf,
                                      uint32_t subleaf)
{
    const struct cpuid *c = &cpu->cpuid;
    enum { CLFLUSH_QUADWORDS = 8 };
    switch (leaf) {
    case 0:
        return (struct cpuid_result){.eax = LEAF_XSAVE,
                                     .ebx = c->vendor[0],
                                     .edx = c->vendor[1],
                                     .ecx = c->vendor[2]};
    case LEAF_FEATURES:
        return (struct cpuid_result){
            .eax = c->signature,
            .ebx = CLFLUSH_QUADWORDS << 8 | 1 << 16, /* one logical processor, id 0 */
            .ecx = c->features[CPUID_WORD_1_ECX] |
                   (cpu->cr4 & CR4_OSXSAVE ? FEATURE(OSXSAVE) : 0),
            .edx = c->features[CPUID_WORD_1_EDX] |
                   (cpuid_has(cpu, CPUID_APIC) ? FEATURE(APIC) : 0),
        };
    case LEAF_CACHE_DESCRIPTORS:
        /* TLBs for 4 KiB pages: 32 entries for code, 64 for data; caches: leaf 4. */
        return (struct cpuid_result){.eax = 0x0301ff01};
    case LEAF_CACHES:
        return cache_leaf(subleaf);
    case LEAF_MORE_FEATURES:
        return subleaf ? (struct cpuid_result){0}
                       : (struct cpuid_result){.ebx = c->features[CPUID_WORD_7_EBX],
                                               .ecx = c->features[CPUID_WORD_7_ECX]};
    case LEAF_XSAVE:
        return xsave_leaf(cpu, subleaf);
    default:
        return (struct cpuid_result){0};
    }
}

static struct cpuid_result extended_leaf(const struct cpu *cpu, uint32_t leaf)
{
    const struct cpuid *c = &cpu->cpuid;
    switch (leaf - LEAF_EXTENDED) {
    case 0:
        return (struct cpuid_result){.eax = LEAF_EXTENDED + 8,
                                     .ebx = c->vendor[0],
                                     .edx = c->vendor[1],
                                     .ecx = c->vendor[2]};
    case 1:
        return (struct cpuid_result){.eax = c->signature,
                                     .ecx = c->features[CPUID_WORD_EXTENDED_ECX],
                                     .edx = c->features[CPUID_WORD_EXTENDED_EDX]};
    case 2:
    case 3:
    case 4: {
        const uint32_t *part = &c->brand[(leaf - LEAF_EXTENDED - 2) * 4];
        return (struct cpuid_result){part[0], part[1], part[2], part[3]};
    }
    case 5:
        /* AMD APM: TLBs with 64 entries; L1 caches of 32 KiB, 8 ways, 64-byte lines. */
        return (struct cpuid_result){0xff40ff40, 0xff40ff40, 0x20080140, 0x20080140};
    case 6:
        /* L2: 512 KiB, 8 ways, 64-byte lines; no L2 TLB, no L3. */
        return (struct cpuid_result){.ecx = 0x02006140};
    case 7:
        return (struct cpuid_result){.edx = 1 << 8}; /* the TSC's rate is constant */
    case 8:
        return (struct cpuid_result){.eax = CPUID_PHYSICAL_BITS | 32 << 8};
    default:
        return (struct cpuid_result){0};
    }
}

struct cpuid_result cpuid_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    if (leaf >= LEAF_EXTENDED && leaf <= LEAF_EXTENDED + 8) {
        return extended_leaf(cpu, leaf);
    }
    /* Leaves that do not exist answer with zeros, as AMD's processors do; Intel's show
     * the last basic one (SDM vol. 2, CPUID). */
    return basic_leaf(cpu, leaf, subleaf);
}
