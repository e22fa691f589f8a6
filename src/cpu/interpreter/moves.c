/* MOV, MOVZX, MOVSX, LEA, XCHG, XADD, CMPXCHG and their kin, flag moves, NOPs.
 * Intel SDM vol. 2. */
#include "cpu/interpreter/alu.h"
#include "cpu/interpreter/conditions.h"
#include "cpu/interpreter/operands.h"

#define FLAGS (&cpu->arithmetic)

STORE_E(mov_Eb_Gb, uint8_t, REG_uint8_t(cpu, i->reg))
STORE_E(mov_Ev_Gv_16, uint16_t, REG_uint16_t(cpu, i->reg))
STORE_E(mov_Ev_Gv_32, uint32_t, cpu->regs[i->reg])
STORE_E(mov_Eb_Ib, uint8_t, i->immediate)
STORE_E(mov_Ev_Iz_16, uint16_t, i->immediate)
STORE_E(mov_Ev_Iz_32, uint32_t, i->immediate)
USE_E(mov_Gb_Eb, uint8_t, REG_uint8_t(cpu, i->reg) = a)
USE_E(mov_Gv_Ev_16, uint16_t, REG_uint16_t(cpu, i->reg) = a)
USE_E(mov_Gv_Ev_32, uint32_t, cpu->regs[i->reg] = a)
HANDLERS_BYTE(mov_Eb_Gb)
HANDLERS_WORD(mov_Ev_Gv)
HANDLERS_BYTE(mov_Eb_Ib)
HANDLERS_WORD(mov_Ev_Iz)
HANDLERS_BYTE(mov_Gb_Eb)
HANDLERS_WORD(mov_Gv_Ev)

HANDLER(mov_Zb_Ib)
{
    REG_uint8_t(cpu, i->reg) = (uint8_t)i->immediate;
    GO_ON;
}

HANDLER(mov_Zv_Iv_16)
{
    REG_uint16_t(cpu, i->reg) = (uint16_t)i->immediate;
    GO_ON;
}

HANDLER(mov_Zv_Iv_32)
{
    cpu->regs[i->reg] = i->immediate;
    GO_ON;
}

HANDLERS_ONE(mov_Zb_Ib)
HANDLERS_SIZED(mov_Zv_Iv)

/* Accumulator and a direct offset. */
USE_E(mov_AL_Ob, uint8_t, REG_uint8_t(cpu, REGISTER_EAX) = a)
USE_E(mov_eAX_Ov_16, uint16_t, REG_uint16_t(cpu, REGISTER_EAX) = a)
USE_E(mov_eAX_Ov_32, uint32_t, cpu->regs[REGISTER_EAX] = a)
STORE_E(mov_Ob_AL, uint8_t, REG_uint8_t(cpu, REGISTER_EAX))
STORE_E(mov_Ov_eAX_16, uint16_t, REG_uint16_t(cpu, REGISTER_EAX))
STORE_E(mov_Ov_eAX_32, uint32_t, cpu->regs[REGISTER_EAX])
HANDLERS_BYTE(mov_AL_Ob)
HANDLERS_BYTE(mov_Ob_AL)
HANDLERS_WORD(mov_eAX_Ov)
HANDLERS_WORD(mov_Ov_eAX)

USE_E(movzx_Gv_Eb_16, uint8_t, REG_uint16_t(cpu, i->reg) = a)
USE_E(movzx_Gv_Eb_32, uint8_t, cpu->regs[i->reg] = a)
USE_E(movzx_Gv_Ew_16, uint16_t, REG_uint16_t(cpu, i->reg) = a)
USE_E(movzx_Gv_Ew_32, uint16_t, cpu->regs[i->reg] = a)
USE_E(movsx_Gv_Eb_16, uint8_t, REG_uint16_t(cpu, i->reg) = (uint16_t)(int8_t)a)
USE_E(movsx_Gv_Eb_32, uint8_t, cpu->regs[i->reg] = (uint32_t)(int8_t)a)
USE_E(movsx_Gv_Ew_16, uint16_t, REG_uint16_t(cpu, i->reg) = a)
USE_E(movsx_Gv_Ew_32, uint16_t, cpu->regs[i->reg] = (uint32_t)(int16_t)a)
HANDLERS_WORD(movzx_Gv_Eb)
HANDLERS_WORD(movzx_Gv_Ew)
HANDLERS_WORD(movsx_Gv_Eb)
HANDLERS_WORD(movsx_Gv_Ew)

HANDLER(lea_Gv_M_16)
{
    REG_uint16_t(cpu, i->reg) = (uint16_t)instruction_offset(cpu, i);
    GO_ON;
}

HANDLER(lea_Gv_M_32)
{
    cpu->regs[i->reg] = instruction_offset(cpu, i);
    GO_ON;
}

HANDLERS_SIZED(lea_Gv_M)

/* The source is read, and may fault, whatever the condition. */
USE_E(
    cmovcc_Gv_Ev_16, uint16_t,
    if (condition_holds(cpu, i->opcode)) { REG_uint16_t(cpu, i->reg) = a; })
USE_E(
    cmovcc_Gv_Ev_32, uint32_t,
    if (condition_holds(cpu, i->opcode)) { cpu->regs[i->reg] = a; })
HANDLERS_WORD(cmovcc_Gv_Ev)

STORE_E(setcc_Eb, uint8_t, condition_holds(cpu, i->opcode))
HANDLERS_BYTE(setcc_Eb)

/* Exchanges the register with `a`, giving what was in the register. */
#define EXCHANGE(name, T)                                                              \
    static inline T name(T *place, T a)                                                \
    {                                                                                  \
        T old = *place;                                                                \
        *place = a;                                                                    \
        return old;                                                                    \
    }

EXCHANGE(exchange8, uint8_t)
EXCHANGE(exchange16, uint16_t)
EXCHANGE(exchange32, uint32_t)

MODIFY_E(xchg_Eb_Gb, uint8_t, exchange8(&REG_uint8_t(cpu, i->reg), a))
MODIFY_E(xchg_Ev_Gv_16, uint16_t, exchange16(&REG_uint16_t(cpu, i->reg), a))
MODIFY_E(xchg_Ev_Gv_32, uint32_t, exchange32(&cpu->regs[i->reg], a))
HANDLERS_BYTE(xchg_Eb_Gb)
HANDLERS_WORD(xchg_Ev_Gv)

HANDLER(xchg_Zv_eAX_16)
{
    uint16_t old = REG_uint16_t(cpu, i->reg);
    REG_uint16_t(cpu, i->reg) = REG_uint16_t(cpu, REGISTER_EAX);
    REG_uint16_t(cpu, REGISTER_EAX) = old;
    GO_ON;
}

HANDLER(xchg_Zv_eAX_32)
{
    uint32_t old = cpu->regs[i->reg];
    cpu->regs[i->reg] = cpu->regs[REGISTER_EAX];
    cpu->regs[REGISTER_EAX] = old;
    GO_ON;
}

HANDLERS_SIZED(xchg_Zv_eAX)

/* XADD: the sum goes to E (also where both are one register), the old E to G. */
#define EXCHANGE_ADD(T)                                                                \
    static inline T exchange_add_##T(struct cpu *cpu, T *place, T a)                   \
    {                                                                                  \
        T sum = alu_add_##T(FLAGS, a, *place);                                         \
        *place = a;                                                                    \
        return sum;                                                                    \
    }

EXCHANGE_ADD(uint8_t)
EXCHANGE_ADD(uint16_t)
EXCHANGE_ADD(uint32_t)

MODIFY_E(xadd_Eb_Gb, uint8_t, exchange_add_uint8_t(cpu, &REG_uint8_t(cpu, i->reg), a))
MODIFY_E(xadd_Ev_Gv_16, uint16_t,
         exchange_add_uint16_t(cpu, &REG_uint16_t(cpu, i->reg), a))
MODIFY_E(xadd_Ev_Gv_32, uint32_t, exchange_add_uint32_t(cpu, &cpu->regs[i->reg], a))
HANDLERS_BYTE(xadd_Eb_Gb)
HANDLERS_WORD(xadd_Ev_Gv)

/* CMPXCHG: memory is written in either case; a register that does not match keeps all
 * its bits, and the accumulator is loaded. */
#define COMPARE_EXCHANGE(T)                                                            \
    static inline T compare_exchange_##T(struct cpu *cpu, T a, T source)               \
    {                                                                                  \
        T *accumulator = &REG_##T(cpu, REGISTER_EAX);                                  \
        alu_cmp_##T(FLAGS, *accumulator, a);                                           \
        if (*accumulator == a) {                                                       \
            return source;                                                             \
        }                                                                              \
        *accumulator = a;                                                              \
        return a;                                                                      \
    }

COMPARE_EXCHANGE(uint8_t)
COMPARE_EXCHANGE(uint16_t)
COMPARE_EXCHANGE(uint32_t)

/* With the accumulator itself as E, a mismatch is impossible. */
MODIFY_E(cmpxchg_Eb_Gb, uint8_t,
         compare_exchange_uint8_t(cpu, a, REG_uint8_t(cpu, i->reg)))
MODIFY_E(cmpxchg_Ev_Gv_16, uint16_t,
         compare_exchange_uint16_t(cpu, a, REG_uint16_t(cpu, i->reg)))
MODIFY_E(cmpxchg_Ev_Gv_32, uint32_t,
         compare_exchange_uint32_t(cpu, a, cpu->regs[i->reg]))
HANDLERS_BYTE(cmpxchg_Eb_Gb)
HANDLERS_WORD(cmpxchg_Ev_Gv)

HANDLER(cmpxchg8b_Mq)
{
    gla_t address =
        segment_linear_write(cpu, i->segment, instruction_offset(cpu, i), 8);
    uint64_t old = modify_read_slow(cpu, address, 8);
    uint64_t expected =
        (uint64_t)cpu->regs[REGISTER_EDX] << 32 | cpu->regs[REGISTER_EAX];
    bool equal = old == expected;
    uint64_t new =
        equal ? (uint64_t)cpu->regs[REGISTER_ECX] << 32 | cpu->regs[REGISTER_EBX] : old;
    linear_write64(cpu, address, new);
    if (!equal) {
        cpu->regs[REGISTER_EAX] = (uint32_t)old;
        cpu->regs[REGISTER_EDX] = (uint32_t)(old >> 32);
    }
    cpu->arithmetic.ax =
        (uint16_t)((cpu->arithmetic.ax & ~ARITHMETIC_ZF) | (equal ? ARITHMETIC_ZF : 0));
    return i + 1;
}

HANDLERS_ONE(cmpxchg8b_Mq)

HANDLER(xlat)
{
    uint32_t offset = cpu->regs[REGISTER_EBX] + (cpu->regs[REGISTER_EAX] & 0xff);
    REG_uint8_t(cpu, REGISTER_EAX) =
        segment_read8(cpu, i->segment, offset & i->address_mask);
    return i + 1;
}

HANDLER(movnti_Md_Gd)
{
    segment_write32(cpu, i->segment, instruction_offset(cpu, i), cpu->regs[i->reg]);
    return i + 1;
}

HANDLERS_ONE(xlat)
HANDLERS_ONE(movnti_Md_Gd)

/* Flags. */
HANDLER(lahf)
{
    REG_uint8_t(cpu, REGISTER_EAX + 4) =
        (uint8_t)(arithmetic_flags_get(cpu->arithmetic) | EFLAGS_ALWAYS_ONE);
    GO_ON;
}

HANDLER(sahf)
{
    uint32_t overflow = arithmetic_flags_get(cpu->arithmetic) & EFLAGS_OF;
    cpu->arithmetic =
        arithmetic_flags_from(REG_uint8_t(cpu, REGISTER_EAX + 4) | overflow);
    GO_ON;
}

HANDLER(cmc)
{
    cpu->arithmetic.ax ^= ARITHMETIC_CF;
    GO_ON;
}

HANDLER(clc)
{
    cpu->arithmetic.ax &= (uint16_t)~ARITHMETIC_CF;
    GO_ON;
}

HANDLER(stc)
{
    cpu->arithmetic.ax |= ARITHMETIC_CF;
    GO_ON;
}

HANDLER(cld)
{
    cpu->system_flags &= ~(uint32_t)EFLAGS_DF;
    GO_ON;
}

HANDLER(std)
{
    cpu->system_flags |= EFLAGS_DF;
    GO_ON;
}

HANDLER(salc)
{
    REG_uint8_t(cpu, REGISTER_EAX) = cpu->arithmetic.ax & ARITHMETIC_CF ? 0xff : 0;
    GO_ON;
}

HANDLER(nop)
{
    (void)cpu;
    GO_ON;
}

HANDLERS_ONE(lahf)
HANDLERS_ONE(sahf)
HANDLERS_ONE(cmc)
HANDLERS_ONE(clc)
HANDLERS_ONE(stc)
HANDLERS_ONE(cld)
HANDLERS_ONE(std)
HANDLERS_ONE(salc)
HANDLERS_ONE(nop)
const struct handler_set exec_nop_Ev = HANDLER_SET_ONE(nop);
const struct handler_set exec_pause = HANDLER_SET_ONE(nop);
const struct handler_set exec_lfence = HANDLER_SET_ONE(nop);
const struct handler_set exec_mfence = HANDLER_SET_ONE(nop);
const struct handler_set exec_sfence = HANDLER_SET_ONE(nop);

/* Faults as a byte read would; caches are not modelled. */
HANDLER(clflush_Mb)
{
    segment_read8(cpu, i->segment, instruction_offset(cpu, i));
    return i + 1;
}

HANDLERS_ONE(clflush_Mb)
