/* Shifts, rotates, bit tests and scans. Intel SDM vol. 2. */
#include "cpu/interpreter/alu.h"
#include "cpu/interpreter/operands.h"

#define FLAGS (&cpu->arithmetic)
#define CL ((uint8_t)cpu->regs[REGISTER_ECX])

#define SHIFT_FORMS(op, by, count)                                                     \
    MODIFY_E(op##_Eb_##by, uint8_t, alu_##op##_uint8_t(FLAGS, a, (count)))             \
    MODIFY_E(op##_Ev_##by##_16, uint16_t, alu_##op##_uint16_t(FLAGS, a, (count)))      \
    MODIFY_E(op##_Ev_##by##_32, uint32_t, alu_##op##_uint32_t(FLAGS, a, (count)))      \
    HANDLERS_BYTE(op##_Eb_##by)                                                        \
    HANDLERS_WORD(op##_Ev_##by)

#define SHIFT(op)                                                                      \
    SHIFT_FORMS(op, Ib, (uint8_t)i->immediate)                                         \
    SHIFT_FORMS(op, 1, 1)                                                              \
    SHIFT_FORMS(op, CL, CL)

SHIFT(rol)
SHIFT(ror)
SHIFT(rcl)
SHIFT(rcr)
SHIFT(shl)
SHIFT(shr)
SHIFT(sar)

#define DOUBLE_SHIFT_FORMS(op, by, count)                                              \
    MODIFY_E(op##_Ev_Gv_##by##_16, uint16_t,                                           \
             alu_##op##_uint16_t(FLAGS, a, REG_uint16_t(cpu, i->reg), (count)))        \
    MODIFY_E(op##_Ev_Gv_##by##_32, uint32_t,                                           \
             alu_##op##_uint32_t(FLAGS, a, REG_uint32_t(cpu, i->reg), (count)))        \
    HANDLERS_WORD(op##_Ev_Gv_##by)

DOUBLE_SHIFT_FORMS(shld, Ib, (uint8_t)i->immediate)
DOUBLE_SHIFT_FORMS(shld, CL, CL)
DOUBLE_SHIFT_FORMS(shrd, Ib, (uint8_t)i->immediate)
DOUBLE_SHIFT_FORMS(shrd, CL, CL)

/* Bit tests by an immediate: the bit is within the operand. */
#define BIT_IMMEDIATE(op)                                                              \
    MODIFY_E(op##_Ev_Ib_16, uint16_t,                                                  \
             alu_##op##_uint16_t(FLAGS, a, (uint16_t)i->immediate))                    \
    MODIFY_E(op##_Ev_Ib_32, uint32_t, alu_##op##_uint32_t(FLAGS, a, i->immediate))     \
    HANDLERS_WORD(op##_Ev_Ib)

BIT_IMMEDIATE(bts)
BIT_IMMEDIATE(btr)
BIT_IMMEDIATE(btc)

USE_E(bt_Ev_Ib_16, uint16_t, alu_bt_uint16_t(FLAGS, a, (uint16_t)i->immediate))
USE_E(bt_Ev_Ib_32, uint32_t, alu_bt_uint32_t(FLAGS, a, i->immediate))
HANDLERS_WORD(bt_Ev_Ib)

/* Bit tests by a register: in memory it is a signed offset into a bit string. */
static inline uint32_t bit_string_offset_16(struct cpu *cpu,
                                            const struct instruction *i)
{
    int32_t words = (int16_t)cpu->regs[i->reg] >> 4;
    return (instruction_offset(cpu, i) + (uint32_t)words * 2) & i->address_mask;
}

static inline uint32_t bit_string_offset_32(struct cpu *cpu,
                                            const struct instruction *i)
{
    int32_t dwords = (int32_t)cpu->regs[i->reg] >> 5;
    return (instruction_offset(cpu, i) + (uint32_t)dwords * 4) & i->address_mask;
}

#define BIT_STRING(op, bits)                                                           \
    HANDLER(op##_Ev_Gv_##bits##_register)                                              \
    {                                                                                  \
        REG_uint##bits##_t(cpu, i->rm) = alu_##op##_uint##bits##_t(                    \
            FLAGS, REG_uint##bits##_t(cpu, i->rm), REG_uint##bits##_t(cpu, i->reg));   \
        GO_ON;                                                                         \
    }                                                                                  \
    HANDLER(op##_Ev_Gv_##bits##_memory)                                                \
    {                                                                                  \
        gla_t address = segment_linear_write(                                          \
            cpu, i->segment, bit_string_offset_##bits(cpu, i), (bits) / 8);            \
        uint##bits##_t a = (uint##bits##_t)modify_read_slow(cpu, address, (bits) / 8); \
        linear_write##bits(                                                            \
            cpu, address,                                                              \
            alu_##op##_uint##bits##_t(FLAGS, a, REG_uint##bits##_t(cpu, i->reg)));     \
        return i + 1;                                                                  \
    }

#define BIT_REGISTER(op)                                                               \
    BIT_STRING(op, 16)                                                                 \
    BIT_STRING(op, 32)                                                                 \
    HANDLERS_FORMS(op##_Ev_Gv)

BIT_REGISTER(bts)
BIT_REGISTER(btr)
BIT_REGISTER(btc)

#define BIT_TEST_REGISTER(bits)                                                        \
    HANDLER(bt_Ev_Gv_##bits##_register)                                                \
    {                                                                                  \
        alu_bt_uint##bits##_t(FLAGS, REG_uint##bits##_t(cpu, i->rm),                   \
                              REG_uint##bits##_t(cpu, i->reg));                        \
        GO_ON;                                                                         \
    }                                                                                  \
    HANDLER(bt_Ev_Gv_##bits##_memory)                                                  \
    {                                                                                  \
        uint##bits##_t a =                                                             \
            segment_read##bits(cpu, i->segment, bit_string_offset_##bits(cpu, i));     \
        alu_bt_uint##bits##_t(FLAGS, a, REG_uint##bits##_t(cpu, i->reg));              \
        return i + 1;                                                                  \
    }

BIT_TEST_REGISTER(16)
BIT_TEST_REGISTER(32)
HANDLERS_FORMS(bt_Ev_Gv)

#define SCAN_FORMS(op)                                                                 \
    USE_E(op##_Gv_Ev_16, uint16_t,                                                     \
          REG_uint16_t(cpu, i->reg) =                                                  \
              alu_##op##_uint16_t(FLAGS, REG_uint16_t(cpu, i->reg), a))                \
    USE_E(op##_Gv_Ev_32, uint32_t,                                                     \
          REG_uint32_t(cpu, i->reg) =                                                  \
              alu_##op##_uint32_t(FLAGS, REG_uint32_t(cpu, i->reg), a))                \
    HANDLERS_WORD(op##_Gv_Ev)

SCAN_FORMS(bsf)
SCAN_FORMS(bsr)
SCAN_FORMS(tzcnt)
SCAN_FORMS(lzcnt)
SCAN_FORMS(popcnt)

HANDLER(bswap_Zv_16)
{
    REG_uint16_t(cpu, i->reg) = 0;
    GO_ON;
}

HANDLER(bswap_Zv_32)
{
    cpu->regs[i->reg] = __builtin_bswap32(cpu->regs[i->reg]);
    GO_ON;
}

HANDLERS_SIZED(bswap_Zv)
