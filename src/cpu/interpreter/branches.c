/* Near control transfers. A target beyond the limit of CS faults before anything has
 * changed. Intel SDM vol. 2. */
#include "cpu/interpreter/code_cache.h"
#include "cpu/interpreter/conditions.h"
#include "cpu/interpreter/operands.h"
#include "cpu/interpreter/stack.h"

static __attribute__((noinline)) _Noreturn void jump_fault(struct cpu *cpu)
{
    cpu_raise_error(cpu, EXCEPTION_GP, 0);
}

static inline void jump(struct cpu *cpu, uint32_t target)
{
    if (__builtin_expect(target > cpu->segments[SEGMENT_CS].limit, 0)) {
        jump_fault(cpu);
    }
    cpu->eip = target;
}

#define CHAIN INSTRUCTION_CHAIN(cpu, i)

/* Not taken, the block goes on. */
#define JUMP_IF(code)                                                                  \
    HANDLER(jcc_##code)                                                                \
    {                                                                                  \
        if (!condition_holds(cpu, code)) {                                             \
            GO_ON;                                                                     \
        }                                                                              \
        jump(cpu, i->immediate);                                                       \
        CHAIN;                                                                         \
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
    jump(cpu, i->immediate);
    CHAIN;
}

HANDLERS_ONE(jmp_Jb)
const struct handler_set exec_jmp_Jz = HANDLER_SET_ONE(jmp_Jb);

/* As jump(), after the return address has been found to fit on the stack. */
#define DEFINE_CALL(bits)                                                              \
    static inline void call##bits(struct cpu *cpu, const struct instruction *i,        \
                                  uint32_t target)                                     \
    {                                                                                  \
        if (__builtin_expect(target > cpu->segments[SEGMENT_CS].limit, 0)) {           \
            jump_fault(cpu);                                                           \
        }                                                                              \
        push##bits(cpu, (uint##bits##_t)instruction_next_eip(i));                      \
        cpu->eip = target;                                                             \
    }

DEFINE_CALL(16)
DEFINE_CALL(32)

#define CALL_NEAR(bits)                                                                \
    SLOW_HANDLER(call_Jz_##bits##_slow)                                                \
    {                                                                                  \
        call##bits(cpu, i, i->immediate);                                              \
        return NULL;                                                                   \
    }                                                                                  \
    HANDLER(call_Jz_##bits)                                                            \
    {                                                                                  \
        uint32_t top = stack_offset(cpu, -(bits) / 8);                                 \
        uint##bits##_t *host = fast_host(cpu, SEGMENT_SS, top, (bits) / 8, true);      \
        if (__builtin_expect(!host, 0)) {                                              \
            return call_Jz_##bits##_slow(cpu, i);                                      \
        }                                                                              \
        jump(cpu, i->immediate);                                                       \
        *host = (uint##bits##_t)instruction_next_eip(i);                               \
        stack_move(cpu, -(bits) / 8);                                                  \
        CHAIN;                                                                         \
    }

CALL_NEAR(16)
CALL_NEAR(32)
HANDLERS_SIZED(call_Jz)

#define INDIRECT(bits)                                                                 \
    HANDLER(jmp_Ev_##bits##_register)                                                  \
    {                                                                                  \
        jump(cpu, REG_uint##bits##_t(cpu, i->rm));                                     \
        CHAIN;                                                                         \
    }                                                                                  \
    HANDLER(jmp_Ev_##bits##_memory)                                                    \
    {                                                                                  \
        jump(cpu, segment_read##bits(cpu, i->segment, instruction_offset(cpu, i)));    \
        CHAIN;                                                                         \
    }                                                                                  \
    HANDLER(call_Ev_##bits##_register)                                                 \
    {                                                                                  \
        call##bits(cpu, i, REG_uint##bits##_t(cpu, i->rm));                            \
        CHAIN;                                                                         \
    }                                                                                  \
    HANDLER(call_Ev_##bits##_memory)                                                   \
    {                                                                                  \
        call##bits(cpu, i,                                                             \
                   segment_read##bits(cpu, i->segment, instruction_offset(cpu, i)));   \
        CHAIN;                                                                         \
    }

INDIRECT(16)
INDIRECT(32)
HANDLERS_FORMS(jmp_Ev)
HANDLERS_FORMS(call_Ev)

/* RET, with `released` bytes of parameters. */
#define RETURN(name, bits, released)                                                   \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        (void)i;                                                                       \
        jump(cpu, stack_peek##bits(cpu, 0));                                           \
        stack_move(cpu, (int32_t)((bits) / 8 + (released)));                           \
        return NULL;                                                                   \
    }                                                                                  \
    HANDLER(name)                                                                      \
    {                                                                                  \
        const uint##bits##_t *host =                                                   \
            fast_host(cpu, SEGMENT_SS, stack_offset(cpu, 0), (bits) / 8, false);       \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        jump(cpu, *host);                                                              \
        stack_move(cpu, (int32_t)((bits) / 8 + (released)));                           \
        CHAIN;                                                                         \
    }

RETURN(ret_16, 16, 0)
RETURN(ret_32, 32, 0)
RETURN(ret_Iw_16, 16, i->immediate & 0xffff)
RETURN(ret_Iw_32, 32, i->immediate & 0xffff)
HANDLERS_SIZED(ret)
HANDLERS_SIZED(ret_Iw)

/* LOOP and JCXZ count in CX or ECX, as the address size says. The count is stored only
 * when the jump is known not to fault. */
static inline void loop_if(struct cpu *cpu, const struct instruction *i, bool wanted)
{
    uint32_t ecx = cpu->regs[REGISTER_ECX];
    uint32_t count = (ecx - 1) & i->address_mask;
    if (count != 0 && wanted) {
        jump(cpu, i->immediate);
    } else {
        cpu->eip = instruction_next_eip(i);
    }
    cpu->regs[REGISTER_ECX] = (ecx & ~i->address_mask) | count;
}

HANDLER(loop_Jb)
{
    loop_if(cpu, i, true);
    CHAIN;
}

HANDLER(loope_Jb)
{
    loop_if(cpu, i, cpu->arithmetic.ax & ARITHMETIC_ZF);
    CHAIN;
}

HANDLER(loopne_Jb)
{
    loop_if(cpu, i, !(cpu->arithmetic.ax & ARITHMETIC_ZF));
    CHAIN;
}

HANDLER(jcxz_Jb)
{
    if (cpu->regs[REGISTER_ECX] & i->address_mask) {
        GO_ON;
    }
    jump(cpu, i->immediate);
    CHAIN;
}

HANDLERS_ONE(loop_Jb)
HANDLERS_ONE(loope_Jb)
HANDLERS_ONE(loopne_Jb)
HANDLERS_ONE(jcxz_Jb)
