/* Near control transfers. A target beyond the limit of CS faults before anything has
 * changed. Intel SDM vol. 2. */
#include "cpu/interpreter/conditions.h"
#include "cpu/interpreter/operands.h"
#include "cpu/interpreter/stack.h"

static inline const struct instruction *jump(struct cpu *cpu, uint32_t target)
{
    if (__builtin_expect(target > cpu->segments[SEGMENT_CS].limit, 0)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    cpu->eip = target;
    return NULL;
}

/* Not taken, the block goes on. */
#define JUMP_IF(code)                                                                  \
    HANDLER(jcc_##code)                                                                \
    {                                                                                  \
        return condition_holds(cpu, code) ? jump(cpu, i->immediate) : i + 1;           \
    }

JUMP_IF(0)
JUMP_IF(1)
JUMP_IF(2)
JUMP_IF(3)
JUMP_IF(4)
JUMP_IF(5)
JUMP_IF(6)
JUMP_IF(7)
JUMP_IF(8)
JUMP_IF(9)
JUMP_IF(10)
JUMP_IF(11)
JUMP_IF(12)
JUMP_IF(13)
JUMP_IF(14)
JUMP_IF(15)

static const struct handler_set jcc_sets[16] = {
    HANDLER_SET_ONE(jcc_0),  HANDLER_SET_ONE(jcc_1),  HANDLER_SET_ONE(jcc_2),
    HANDLER_SET_ONE(jcc_3),  HANDLER_SET_ONE(jcc_4),  HANDLER_SET_ONE(jcc_5),
    HANDLER_SET_ONE(jcc_6),  HANDLER_SET_ONE(jcc_7),  HANDLER_SET_ONE(jcc_8),
    HANDLER_SET_ONE(jcc_9),  HANDLER_SET_ONE(jcc_10), HANDLER_SET_ONE(jcc_11),
    HANDLER_SET_ONE(jcc_12), HANDLER_SET_ONE(jcc_13), HANDLER_SET_ONE(jcc_14),
    HANDLER_SET_ONE(jcc_15),
};

const struct handler_set exec_jcc_Jb = {.by_condition = jcc_sets};
const struct handler_set exec_jcc_Jz = {.by_condition = jcc_sets};

HANDLER(jmp_Jb)
{
    return jump(cpu, i->immediate);
}

HANDLERS_ONE(jmp_Jb)
const struct handler_set exec_jmp_Jz = HANDLER_SET_ONE(jmp_Jb);

/* As jump(), after the return address has been found to fit on the stack. */
static const struct instruction *call16(struct cpu *cpu, const struct instruction *i,
                                        uint32_t target)
{
    if (target > cpu->segments[SEGMENT_CS].limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    push16(cpu, (uint16_t)instruction_next_eip(i));
    return jump(cpu, target);
}

static inline const struct instruction *
call32(struct cpu *cpu, const struct instruction *i, uint32_t target)
{
    if (__builtin_expect(target > cpu->segments[SEGMENT_CS].limit, 0)) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    push32(cpu, instruction_next_eip(i));
    return jump(cpu, target);
}

HANDLER(call_Jz_16)
{
    return call16(cpu, i, i->immediate);
}

HANDLER(call_Jz_32)
{
    return call32(cpu, i, i->immediate);
}

HANDLERS_SIZED(call_Jz)

#define INDIRECT(bits)                                                                 \
    HANDLER(jmp_Ev_##bits##_register)                                                  \
    {                                                                                  \
        return jump(cpu, REG_uint##bits##_t(cpu, i->rm));                              \
    }                                                                                  \
    HANDLER(jmp_Ev_##bits##_memory)                                                    \
    {                                                                                  \
        return jump(cpu,                                                               \
                    segment_read##bits(cpu, i->segment, instruction_offset(cpu, i)));  \
    }                                                                                  \
    HANDLER(call_Ev_##bits##_register)                                                 \
    {                                                                                  \
        return call##bits(cpu, i, REG_uint##bits##_t(cpu, i->rm));                     \
    }                                                                                  \
    HANDLER(call_Ev_##bits##_memory)                                                   \
    {                                                                                  \
        return call##bits(                                                             \
            cpu, i, segment_read##bits(cpu, i->segment, instruction_offset(cpu, i)));  \
    }

INDIRECT(16)
INDIRECT(32)
HANDLERS_WORD(jmp_Ev)
HANDLERS_WORD(call_Ev)

/* RET, with `released` bytes of parameters. */
#define RETURN(bits)                                                                   \
    static inline const struct instruction *return ##bits(struct cpu * cpu,            \
                                                          uint32_t released)           \
    {                                                                                  \
        uint32_t target = stack_peek##bits(cpu, 0);                                    \
        const struct instruction *next = jump(cpu, target);                            \
        stack_move(cpu, (int32_t)((bits) / 8 + released));                             \
        return next;                                                                   \
    }                                                                                  \
    HANDLER(ret_##bits)                                                                \
    {                                                                                  \
        (void)i;                                                                       \
        return return ##bits(cpu, 0);                                                  \
    }                                                                                  \
    HANDLER(ret_Iw_##bits)                                                             \
    {                                                                                  \
        return return ##bits(cpu, i->immediate & 0xffff);                              \
    }

RETURN(16)
RETURN(32)
HANDLERS_SIZED(ret)
HANDLERS_SIZED(ret_Iw)

/* LOOP and JCXZ count in CX or ECX, as the address size says. The count is stored only
 * when the jump is known not to fault. */
static const struct instruction *loop_if(struct cpu *cpu, const struct instruction *i,
                                         bool wanted)
{
    uint32_t ecx = cpu->regs[REGISTER_ECX];
    uint32_t count = (ecx - 1) & i->address_mask;
    const struct instruction *next = i + 1;
    if (count != 0 && wanted) {
        next = jump(cpu, i->immediate);
    } else {
        next = instruction_leave(cpu, i);
    }
    cpu->regs[REGISTER_ECX] = (ecx & ~i->address_mask) | count;
    return next;
}

HANDLER(loop_Jb)
{
    return loop_if(cpu, i, true);
}

HANDLER(loope_Jb)
{
    return loop_if(cpu, i, cpu->arithmetic.ax & ARITHMETIC_ZF);
}

HANDLER(loopne_Jb)
{
    return loop_if(cpu, i, !(cpu->arithmetic.ax & ARITHMETIC_ZF));
}

HANDLER(jcxz_Jb)
{
    if (cpu->regs[REGISTER_ECX] & i->address_mask) {
        return instruction_leave(cpu, i);
    }
    return jump(cpu, i->immediate);
}

HANDLERS_ONE(loop_Jb)
HANDLERS_ONE(loope_Jb)
HANDLERS_ONE(loopne_Jb)
HANDLERS_ONE(jcxz_Jb)
