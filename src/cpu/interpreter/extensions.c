/* Integer instructions beyond the i686: MOVBE, CRC32, ADX, BMI1, BMI2, RDRAND. They run
 * on the host's own unit; the guest's CPUID reports only what the host has. The VEX
 * forms are 32 bits wide whatever the operand size. Intel SDM vol. 2. */
#include "cpu/interpreter/alu.h"
#include "cpu/interpreter/operands.h"

#define FLAGS (&cpu->arithmetic)

HANDLER(movbe_Gv_Mv_16)
{
    REG_uint16_t(cpu, i->reg) =
        __builtin_bswap16(segment_read16(cpu, i->segment, instruction_offset(cpu, i)));
    return i + 1;
}

HANDLER(movbe_Gv_Mv_32)
{
    cpu->regs[i->reg] =
        __builtin_bswap32(segment_read32(cpu, i->segment, instruction_offset(cpu, i)));
    return i + 1;
}

HANDLER(movbe_Mv_Gv_16)
{
    segment_write16(cpu, i->segment, instruction_offset(cpu, i),
                    __builtin_bswap16(REG_uint16_t(cpu, i->reg)));
    return i + 1;
}

HANDLER(movbe_Mv_Gv_32)
{
    segment_write32(cpu, i->segment, instruction_offset(cpu, i),
                    __builtin_bswap32(cpu->regs[i->reg]));
    return i + 1;
}

HANDLERS_SIZED(movbe_Gv_Mv)
HANDLERS_SIZED(movbe_Mv_Gv)

#define CRC(name, T, suffix)                                                           \
    static inline uint32_t name(uint32_t crc, T data)                                  \
    {                                                                                  \
        __asm__("crc32" suffix " %1, %0" : "+r"(crc) : "r"(data));                     \
        return crc;                                                                    \
    }

CRC(crc_byte, uint8_t, "b")
CRC(crc_word, uint16_t, "w")
CRC(crc_dword, uint32_t, "l")

USE_E(crc32_Gd_Eb, uint8_t, cpu->regs[i->reg] = crc_byte(cpu->regs[i->reg], a))
USE_E(crc32_Gd_Ev_16, uint16_t, cpu->regs[i->reg] = crc_word(cpu->regs[i->reg], a))
USE_E(crc32_Gd_Ev_32, uint32_t, cpu->regs[i->reg] = crc_dword(cpu->regs[i->reg], a))
HANDLERS_BYTE(crc32_Gd_Eb)
HANDLERS_WORD(crc32_Gd_Ev)

/* VEX instructions and ADX: three 32-bit operands and all flags, in and out. */
#define VEX_OPERATION(name, text, sources)                                             \
    static inline uint32_t vex_##name(struct arithmetic_flags *flags, uint32_t old,    \
                                      uint32_t first, uint32_t second)                 \
    {                                                                                  \
        uint32_t eax = flags->ax, result = old;                                        \
        __asm__(ALU_LOAD_FLAGS text " " sources "\n\t" ALU_FETCH_FLAGS                 \
                : "+&a"(eax), "+&r"(result)                                            \
                : "r"(first), "r"(second)                                              \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return result;                                                                 \
    }

/* In AT&T order the last source comes first: %2 is `first`, %3 is `second`. */
VEX_OPERATION(adcx, "adcxl", "%2, %1")
VEX_OPERATION(adox, "adoxl", "%2, %1")
VEX_OPERATION(andn, "andnl", "%3, %2, %1")
VEX_OPERATION(pext, "pextl", "%3, %2, %1")
VEX_OPERATION(pdep, "pdepl", "%3, %2, %1")
VEX_OPERATION(bzhi, "bzhil", "%3, %2, %1")
VEX_OPERATION(bextr, "bextrl", "%3, %2, %1")
VEX_OPERATION(shlx, "shlxl", "%3, %2, %1")
VEX_OPERATION(sarx, "sarxl", "%3, %2, %1")
VEX_OPERATION(shrx, "shrxl", "%3, %2, %1")
VEX_OPERATION(blsr, "blsrl", "%2, %1")
VEX_OPERATION(blsmsk, "blsmskl", "%2, %1")
VEX_OPERATION(blsi, "blsil", "%2, %1")

#define VEX_FORM(name, operands, destination, first, second)                           \
    USE_E(name##_##operands, uint32_t,                                                 \
          cpu->regs[destination] =                                                     \
              vex_##name(FLAGS, cpu->regs[destination], (first), (second)))            \
    HANDLERS_BYTE(name##_##operands)

VEX_FORM(adcx, Gd_Ed, i->reg, a, 0)
VEX_FORM(adox, Gd_Ed, i->reg, a, 0)
VEX_FORM(andn, Gd_Bd_Ed, i->reg, cpu->regs[i->vex_register], a)
VEX_FORM(pext, Gd_Bd_Ed, i->reg, cpu->regs[i->vex_register], a)
VEX_FORM(pdep, Gd_Bd_Ed, i->reg, cpu->regs[i->vex_register], a)
VEX_FORM(bzhi, Gd_Ed_Bd, i->reg, a, cpu->regs[i->vex_register])
VEX_FORM(bextr, Gd_Ed_Bd, i->reg, a, cpu->regs[i->vex_register])
VEX_FORM(shlx, Gd_Ed_Bd, i->reg, a, cpu->regs[i->vex_register])
VEX_FORM(sarx, Gd_Ed_Bd, i->reg, a, cpu->regs[i->vex_register])
VEX_FORM(shrx, Gd_Ed_Bd, i->reg, a, cpu->regs[i->vex_register])
VEX_FORM(blsr, Bd_Ed, i->vex_register, a, 0)
VEX_FORM(blsmsk, Bd_Ed, i->vex_register, a, 0)
VEX_FORM(blsi, Bd_Ed, i->vex_register, a, 0)

static inline uint32_t rotate_right(uint32_t value, unsigned count)
{
    count &= 31;
    return count ? value >> count | value << (32 - count) : value;
}

USE_E(rorx_Gd_Ed_Ib, uint32_t, cpu->regs[i->reg] = rotate_right(a, i->immediate))
HANDLERS_BYTE(rorx_Gd_Ed_Ib)

/* Where both destinations are one register, the high half wins. */
static inline void multiply_wide(struct cpu *cpu, const struct instruction *i,
                                 uint32_t a)
{
    uint64_t product = (uint64_t)cpu->regs[REGISTER_EDX] * a;
    cpu->regs[i->vex_register] = (uint32_t)product;
    cpu->regs[i->reg] = (uint32_t)(product >> 32);
}

USE_E(mulx_Gd_Bd_Ed, uint32_t, multiply_wide(cpu, i, a))
HANDLERS_BYTE(mulx_Gd_Bd_Ed)

/* RDRAND and RDSEED draw from the machine's own generator (splitmix64), so that a run
 * can be repeated. They always succeed: CF set, the other flags clear. */
static uint64_t draw_random(struct cpu *cpu)
{
    uint64_t z = cpu->random_state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

HANDLER(rdrand_Ev_16)
{
    REG_uint16_t(cpu, i->rm) = (uint16_t)draw_random(cpu);
    cpu->arithmetic.ax = ARITHMETIC_CF;
    return i + 1;
}

HANDLER(rdrand_Ev_32)
{
    cpu->regs[i->rm] = (uint32_t)draw_random(cpu);
    cpu->arithmetic.ax = ARITHMETIC_CF;
    return i + 1;
}

HANDLERS_SIZED(rdrand_Ev)
const struct handler_set exec_rdseed_Ev = {
    .register16 = rdrand_Ev_16,
    .register32 = rdrand_Ev_32,
    .memory16 = rdrand_Ev_16,
    .memory32 = rdrand_Ev_32,
};
