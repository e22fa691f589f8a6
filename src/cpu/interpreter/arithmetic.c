/* Integer arithmetic and logic: groups 1, 3, 4 and 5, the ALU rows of the opcode map,
 * and decimal adjustment. Intel SDM vol. 2; flags come from cpu/interpreter/alu.h. */
#include "cpu/interpreter/alu.h"
#include "cpu/interpreter/operands.h"

#define FLAGS (&cpu->arithmetic)

/* An operation with a result: all of its forms. */
#define BINARY_FORMS(op)                                                               \
    MODIFY_E(op##_Eb_Gb, uint8_t,                                                      \
             alu_##op##_uint8_t(FLAGS, a, REG_uint8_t(cpu, i->reg)))                   \
    MODIFY_E(op##_Ev_Gv_16, uint16_t,                                                  \
             alu_##op##_uint16_t(FLAGS, a, REG_uint16_t(cpu, i->reg)))                 \
    MODIFY_E(op##_Ev_Gv_32, uint32_t,                                                  \
             alu_##op##_uint32_t(FLAGS, a, REG_uint32_t(cpu, i->reg)))                 \
    USE_E(op##_Gb_Eb, uint8_t,                                                         \
          REG_uint8_t(cpu, i->reg) =                                                   \
              alu_##op##_uint8_t(FLAGS, REG_uint8_t(cpu, i->reg), a))                  \
    USE_E(op##_Gv_Ev_16, uint16_t,                                                     \
          REG_uint16_t(cpu, i->reg) =                                                  \
              alu_##op##_uint16_t(FLAGS, REG_uint16_t(cpu, i->reg), a))                \
    USE_E(op##_Gv_Ev_32, uint32_t,                                                     \
          REG_uint32_t(cpu, i->reg) =                                                  \
              alu_##op##_uint32_t(FLAGS, REG_uint32_t(cpu, i->reg), a))                \
    MODIFY_E(op##_Eb_Ib, uint8_t, alu_##op##_uint8_t(FLAGS, a, (uint8_t)i->immediate)) \
    MODIFY_E(op##_Ev_Iz_16, uint16_t,                                                  \
             alu_##op##_uint16_t(FLAGS, a, (uint16_t)i->immediate))                    \
    MODIFY_E(op##_Ev_Iz_32, uint32_t, alu_##op##_uint32_t(FLAGS, a, i->immediate))     \
    HANDLERS_BYTE(op##_Eb_Gb)                                                          \
    HANDLERS_WORD(op##_Ev_Gv)                                                          \
    HANDLERS_BYTE(op##_Gb_Eb)                                                          \
    HANDLERS_WORD(op##_Gv_Ev)                                                          \
    HANDLERS_BYTE(op##_Eb_Ib)                                                          \
    HANDLERS_WORD(op##_Ev_Iz)

BINARY_FORMS(add)
BINARY_FORMS(or)
BINARY_FORMS(adc)
BINARY_FORMS(sbb)
BINARY_FORMS(and)
BINARY_FORMS(sub)
BINARY_FORMS(xor)

/* CMP and TEST: flags only. */
#define COMPARE_FORMS(op)                                                              \
    USE_E(op##_Eb_Gb, uint8_t, alu_##op##_uint8_t(FLAGS, a, REG_uint8_t(cpu, i->reg))) \
    USE_E(op##_Ev_Gv_16, uint16_t,                                                     \
          alu_##op##_uint16_t(FLAGS, a, REG_uint16_t(cpu, i->reg)))                    \
    USE_E(op##_Ev_Gv_32, uint32_t,                                                     \
          alu_##op##_uint32_t(FLAGS, a, REG_uint32_t(cpu, i->reg)))                    \
    USE_E(op##_Eb_Ib, uint8_t, alu_##op##_uint8_t(FLAGS, a, (uint8_t)i->immediate))    \
    USE_E(op##_Ev_Iz_16, uint16_t,                                                     \
          alu_##op##_uint16_t(FLAGS, a, (uint16_t)i->immediate))                       \
    USE_E(op##_Ev_Iz_32, uint32_t, alu_##op##_uint32_t(FLAGS, a, i->immediate))        \
    HANDLERS_BYTE(op##_Eb_Gb)                                                          \
    HANDLERS_WORD(op##_Ev_Gv)                                                          \
    HANDLERS_BYTE(op##_Eb_Ib)                                                          \
    HANDLERS_WORD(op##_Ev_Iz)

COMPARE_FORMS(cmp)
COMPARE_FORMS(test)

USE_E(cmp_Gb_Eb, uint8_t, alu_cmp_uint8_t(FLAGS, REG_uint8_t(cpu, i->reg), a))
USE_E(cmp_Gv_Ev_16, uint16_t, alu_cmp_uint16_t(FLAGS, REG_uint16_t(cpu, i->reg), a))
USE_E(cmp_Gv_Ev_32, uint32_t, alu_cmp_uint32_t(FLAGS, REG_uint32_t(cpu, i->reg), a))
HANDLERS_BYTE(cmp_Gb_Eb)
HANDLERS_WORD(cmp_Gv_Ev)

#define UNARY_FORMS(op)                                                                \
    MODIFY_E(op##_Eb, uint8_t, alu_##op##_uint8_t(FLAGS, a))                           \
    MODIFY_E(op##_Ev_16, uint16_t, alu_##op##_uint16_t(FLAGS, a))                      \
    MODIFY_E(op##_Ev_32, uint32_t, alu_##op##_uint32_t(FLAGS, a))                      \
    HANDLERS_BYTE(op##_Eb)                                                             \
    HANDLERS_WORD(op##_Ev)

UNARY_FORMS(inc)
UNARY_FORMS(dec)
UNARY_FORMS(neg)

MODIFY_E(not_Eb, uint8_t, ~a)
MODIFY_E(not_Ev_16, uint16_t, ~a)
MODIFY_E(not_Ev_32, uint32_t, ~a)
HANDLERS_BYTE(not_Eb)
HANDLERS_WORD(not_Ev)

#define STEP_REGISTER(op, bits)                                                        \
    HANDLER(op##_Zv_##bits)                                                            \
    {                                                                                  \
        REG_uint##bits##_t(cpu, i->reg) =                                              \
            alu_##op##_uint##bits##_t(FLAGS, REG_uint##bits##_t(cpu, i->reg));         \
        GO_ON;                                                                         \
    }

STEP_REGISTER(inc, 16)
STEP_REGISTER(inc, 32)
STEP_REGISTER(dec, 16)
STEP_REGISTER(dec, 32)
HANDLERS_SIZED(inc_Zv)
HANDLERS_SIZED(dec_Zv)

/* Multiplication. */
#define AX REG_uint16_t(cpu, REGISTER_EAX)
#define EAX cpu->regs[REGISTER_EAX]
#define EDX cpu->regs[REGISTER_EDX]

USE_E(mul_Eb, uint8_t, AX = alu_mul_uint8_t(FLAGS, (uint8_t)EAX, a))
USE_E(mul_Ev_16, uint16_t,
      alu_mul_uint16_t(FLAGS, &AX, &REG_uint16_t(cpu, REGISTER_EDX), a))
USE_E(mul_Ev_32, uint32_t, alu_mul_uint32_t(FLAGS, &EAX, &EDX, a))
HANDLERS_BYTE(mul_Eb)
HANDLERS_WORD(mul_Ev)

USE_E(imul_Eb, uint8_t, AX = alu_imul1_uint8_t(FLAGS, (uint8_t)EAX, a))
USE_E(imul_Ev_16, uint16_t,
      alu_imul1_uint16_t(FLAGS, &AX, &REG_uint16_t(cpu, REGISTER_EDX), a))
USE_E(imul_Ev_32, uint32_t, alu_imul1_uint32_t(FLAGS, &EAX, &EDX, a))
HANDLERS_BYTE(imul_Eb)
HANDLERS_WORD(imul_Ev)

#define IMUL(name, T)                                                                  \
    USE_E(name, T, REG_##T(cpu, i->reg) = alu_imul_##T(FLAGS, REG_##T(cpu, i->reg), a))

IMUL(imul_Gv_Ev_16, uint16_t)
IMUL(imul_Gv_Ev_32, uint32_t)
HANDLERS_WORD(imul_Gv_Ev)

#define IMUL_IMMEDIATE(name, T)                                                        \
    USE_E(name, T, REG_##T(cpu, i->reg) = alu_imul_##T(FLAGS, a, (T)i->immediate))

IMUL_IMMEDIATE(imul_Gv_Ev_Iz_16, uint16_t)
IMUL_IMMEDIATE(imul_Gv_Ev_Iz_32, uint32_t)
HANDLERS_WORD(imul_Gv_Ev_Iz)

/* Division. #DE where the divisor is 0 or the quotient does not fit: the host must see
 * only what it can divide. An unsigned quotient fits if the dividend's high half is
 * below the divisor. */
static void check_unsigned(struct cpu *cpu, uint32_t high, uint32_t divisor)
{
    if (high >= divisor) {
        cpu_raise(cpu, EXCEPTION_DE);
    }
}

static void check_signed(struct cpu *cpu, int64_t dividend, int32_t divisor,
                         int32_t largest)
{
    if (divisor == 0 || (dividend == INT64_MIN && divisor == -1)) {
        cpu_raise(cpu, EXCEPTION_DE);
    }
    int64_t result = dividend / divisor;
    if (result > largest || result < -(int64_t)largest - 1) {
        cpu_raise(cpu, EXCEPTION_DE);
    }
}

static void divide_8(struct cpu *cpu, uint8_t by, bool is_signed)
{
    if (is_signed) {
        check_signed(cpu, (int16_t)AX, (int8_t)by, INT8_MAX);
        AX = alu_idiv_uint8_t(FLAGS, AX, by);
    } else {
        check_unsigned(cpu, AX >> 8, by);
        AX = alu_div_uint8_t(FLAGS, AX, by);
    }
}

static void divide_16(struct cpu *cpu, uint16_t by, bool is_signed)
{
    uint16_t *high = &REG_uint16_t(cpu, REGISTER_EDX);
    if (is_signed) {
        check_signed(cpu, (int32_t)((uint32_t)*high << 16 | AX), (int16_t)by,
                     INT16_MAX);
        alu_idiv_uint16_t(FLAGS, &AX, high, by);
    } else {
        check_unsigned(cpu, *high, by);
        alu_div_uint16_t(FLAGS, &AX, high, by);
    }
}

static void divide_32(struct cpu *cpu, uint32_t by, bool is_signed)
{
    if (is_signed) {
        check_signed(cpu, (int64_t)((uint64_t)EDX << 32 | EAX), (int32_t)by, INT32_MAX);
        alu_idiv_uint32_t(FLAGS, &EAX, &EDX, by);
    } else {
        check_unsigned(cpu, EDX, by);
        alu_div_uint32_t(FLAGS, &EAX, &EDX, by);
    }
}

USE_E(div_Eb, uint8_t, divide_8(cpu, a, false))
USE_E(div_Ev_16, uint16_t, divide_16(cpu, a, false))
USE_E(div_Ev_32, uint32_t, divide_32(cpu, a, false))
USE_E(idiv_Eb, uint8_t, divide_8(cpu, a, true))
USE_E(idiv_Ev_16, uint16_t, divide_16(cpu, a, true))
USE_E(idiv_Ev_32, uint32_t, divide_32(cpu, a, true))
HANDLERS_BYTE(div_Eb)
HANDLERS_WORD(div_Ev)
HANDLERS_BYTE(idiv_Eb)
HANDLERS_WORD(idiv_Ev)

HANDLER(cbw_16)
{
    AX = (uint16_t)(int8_t)EAX;
    GO_ON;
}

HANDLER(cbw_32)
{
    EAX = (uint32_t)(int16_t)EAX;
    GO_ON;
}

HANDLER(cwd_16)
{
    REG_uint16_t(cpu, REGISTER_EDX) = EAX & 0x8000 ? 0xffff : 0;
    GO_ON;
}

HANDLER(cwd_32)
{
    EDX = EAX & 0x80000000U ? UINT32_MAX : 0;
    GO_ON;
}

HANDLERS_SIZED(cbw)
HANDLERS_SIZED(cwd)

/* Decimal adjustment: the host has none of these in 64-bit mode. */
enum { AF = ARITHMETIC_AF, CF = ARITHMETIC_CF };

/* SF, ZF and PF of a byte; AF and CF as given, OF clear. */
static void set_decimal_flags(struct cpu *cpu, uint8_t result, uint16_t adjust)
{
    alu_test_uint8_t(FLAGS, result, result);
    cpu->arithmetic.ax = (uint16_t)((cpu->arithmetic.ax & ~(AF | CF)) | adjust);
}

/* DAA (sign +1) and DAS (-1). */
static void adjust_packed(struct cpu *cpu, int sign)
{
    uint8_t al = (uint8_t)EAX, result = al;
    uint16_t before = cpu->arithmetic.ax, adjust = 0;
    if ((al & 15) > 9 || (before & AF)) {
        bool borrow = sign < 0 && al < 6;
        result = (uint8_t)(result + 6 * sign);
        adjust |= AF | (borrow ? CF : 0);
    }
    if (al > 0x99 || (before & CF)) {
        result = (uint8_t)(result + 0x60 * sign);
        adjust |= CF;
    }
    REG_uint8_t(cpu, REGISTER_EAX) = result;
    set_decimal_flags(cpu, result, adjust);
}

/* AAA (+1) and AAS (-1). */
static void adjust_unpacked(struct cpu *cpu, int sign)
{
    bool adjusts = (EAX & 15) > 9 || (cpu->arithmetic.ax & AF);
    if (adjusts) {
        AX = (uint16_t)(AX + 0x106 * sign);
    }
    uint8_t al = EAX & 15;
    REG_uint8_t(cpu, REGISTER_EAX) = al;
    set_decimal_flags(cpu, al, adjusts ? AF | CF : 0);
}

HANDLER(daa)
{
    adjust_packed(cpu, 1);
    GO_ON;
}

HANDLER(das)
{
    adjust_packed(cpu, -1);
    GO_ON;
}

HANDLER(aaa)
{
    adjust_unpacked(cpu, 1);
    GO_ON;
}

HANDLER(aas)
{
    adjust_unpacked(cpu, -1);
    GO_ON;
}

HANDLER(aam_Ib)
{
    uint8_t base = (uint8_t)i->immediate, al = (uint8_t)EAX;
    if (base == 0) {
        cpu_raise(cpu, EXCEPTION_DE);
    }
    AX = (uint16_t)((al / base) << 8 | al % base);
    set_decimal_flags(cpu, (uint8_t)EAX, 0);
    GO_ON;
}

HANDLER(aad_Ib)
{
    uint8_t al = (uint8_t)(EAX + ((EAX >> 8) & 0xff) * i->immediate);
    AX = al;
    set_decimal_flags(cpu, al, 0);
    GO_ON;
}

HANDLERS_ONE(daa)
HANDLERS_ONE(das)
HANDLERS_ONE(aaa)
HANDLERS_ONE(aas)
HANDLERS_ONE(aam_Ib)
HANDLERS_ONE(aad_Ib)
