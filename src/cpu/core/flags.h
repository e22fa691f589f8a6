/* cpu/core/flags.h: EFLAGS, and the six arithmetic flags as the host hands them over.
 *
 * Arithmetic flags are kept as LAHF and SETO leave them in AX: AH holds SF ZF AF PF CF
 * in their EFLAGS positions, AL holds OF as 0 or 1. Producing them costs two host
 * instructions, testing one is a single TEST, and flags that the manual leaves
 * undefined come out as the host's own processor defines them, which is what the
 * engines that run guest code natively show, too. Source: Intel SDM vol. 1,
 * section 3.4.3. */
#ifndef CPU_CORE_FLAGS_H
#define CPU_CORE_FLAGS_H

#include <stdint.h>

enum {
    EFLAGS_CF = 1U << 0,
    EFLAGS_ALWAYS_ONE = 1U << 1,
    EFLAGS_PF = 1U << 2,
    EFLAGS_AF = 1U << 4,
    EFLAGS_ZF = 1U << 6,
    EFLAGS_SF = 1U << 7,
    EFLAGS_TF = 1U << 8,
    EFLAGS_IF = 1U << 9,
    EFLAGS_DF = 1U << 10,
    EFLAGS_OF = 1U << 11,
    EFLAGS_IOPL = 3U << 12,
    EFLAGS_NT = 1U << 14,
    EFLAGS_RF = 1U << 16,
    EFLAGS_VM = 1U << 17,
    EFLAGS_AC = 1U << 18,
    EFLAGS_VIF = 1U << 19,
    EFLAGS_VIP = 1U << 20,
    EFLAGS_ID = 1U << 21,
    EFLAGS_ARITHMETIC =
        EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF,
    EFLAGS_SYSTEM = EFLAGS_TF | EFLAGS_IF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT |
                    EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP |
                    EFLAGS_ID,
};

struct arithmetic_flags {
    uint16_t ax; /* OF in bit 0; SF ZF AF PF CF in bits 15 14 12 10 8 */
};

enum {
    ARITHMETIC_OF = 1U << 0,
    ARITHMETIC_CF = 1U << 8,
    ARITHMETIC_PF = 1U << 10,
    ARITHMETIC_AF = 1U << 12,
    ARITHMETIC_ZF = 1U << 14,
    ARITHMETIC_SF = 1U << 15,
};

static inline uint32_t arithmetic_flags_get(struct arithmetic_flags flags)
{
    return ((uint32_t)(flags.ax >> 8) & (EFLAGS_ARITHMETIC & 0xff)) |
           (uint32_t)(flags.ax & 1) << 11;
}

static inline struct arithmetic_flags arithmetic_flags_from(uint32_t eflags)
{
    return (struct arithmetic_flags){
        (uint16_t)((eflags & EFLAGS_ARITHMETIC & 0xff) << 8 | ((eflags >> 11) & 1))};
}

#endif
