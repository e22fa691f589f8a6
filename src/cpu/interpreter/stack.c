/* PUSH, POP, PUSHA, POPA, ENTER, LEAVE. Intel SDM vol. 2. (Segment registers and flags
 * are elsewhere: what they do besides matters more.) */
#include "cpu/interpreter/stack.h"

#include "cpu/interpreter/operands.h"

/* The common ones by the fast path that operands have. */
#define PUSH_FAST(name, bits, value)                                                   \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        push##bits(cpu, (uint##bits##_t)(value));                                      \
        return i + 1;                                                                  \
    }                                                                                  \
    HANDLER(name)                                                                      \
    {                                                                                  \
        uint32_t top = stack_offset(cpu, -(bits) / 8);                                 \
        uint##bits##_t *host = fast_host(cpu, SEGMENT_SS, top, (bits) / 8, true);      \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        *host = (uint##bits##_t)(value);                                               \
        stack_move(cpu, -(bits) / 8);                                                  \
        GO_ON;                                                                         \
    }

PUSH_FAST(push_Zv_16, 16, cpu->regs[i->reg])
PUSH_FAST(push_Zv_32, 32, cpu->regs[i->reg])
PUSH_FAST(push_Iz_16, 16, i->immediate)
PUSH_FAST(push_Iz_32, 32, i->immediate)

USE_E(push_Ev_16, uint16_t, push16(cpu, a))
USE_E(push_Ev_32, uint32_t, push32(cpu, a))

HANDLERS_SIZED(push_Zv)
HANDLERS_SIZED(push_Iz)
HANDLERS_WORD(push_Ev)

#define POP_FAST(name, bits)                                                           \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        uint##bits##_t value = stack_peek##bits(cpu, 0);                               \
        stack_move(cpu, (bits) / 8);                                                   \
        REG_uint##bits##_t(cpu, i->reg) = value;                                       \
        return i + 1;                                                                  \
    }                                                                                  \
    HANDLER(name)                                                                      \
    {                                                                                  \
        const uint##bits##_t *host =                                                   \
            fast_host(cpu, SEGMENT_SS, stack_offset(cpu, 0), (bits) / 8, false);       \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        uint##bits##_t value = *host;                                                  \
        stack_move(cpu, (bits) / 8);                                                   \
        REG_uint##bits##_t(cpu, i->reg) = value;                                       \
        GO_ON;                                                                         \
    }

POP_FAST(pop_Zv_16, 16)
POP_FAST(pop_Zv_32, 32)
HANDLERS_SIZED(pop_Zv)

/* An address based on ESP is computed with ESP as it is after the pop. */
static uint32_t offset_after_pop(struct cpu *cpu, const struct instruction *i,
                                 int32_t bytes)
{
    uint32_t esp = cpu->regs[REGISTER_ESP];
    stack_move(cpu, bytes);
    uint32_t offset = instruction_offset(cpu, i);
    cpu->regs[REGISTER_ESP] = esp;
    return offset;
}

#define POP_E(bits)                                                                    \
    HANDLER(pop_Ev_##bits##_register)                                                  \
    {                                                                                  \
        uint##bits##_t value = stack_peek##bits(cpu, 0);                               \
        stack_move(cpu, (bits) / 8);                                                   \
        REG_uint##bits##_t(cpu, i->rm) = value;                                        \
        return i + 1;                                                                  \
    }                                                                                  \
    HANDLER(pop_Ev_##bits##_memory)                                                    \
    {                                                                                  \
        uint##bits##_t value = stack_peek##bits(cpu, 0);                               \
        segment_write##bits(cpu, i->segment, offset_after_pop(cpu, i, (bits) / 8),     \
                            value);                                                    \
        stack_move(cpu, (bits) / 8);                                                   \
        return i + 1;                                                                  \
    }

POP_E(16)
POP_E(32)
HANDLERS_FORMS(pop_Ev)

enum { ALL_REGISTERS = 8 };

/* EAX ends up highest. All eight are written before ESP moves. */
#define PUSH_ALL(bits)                                                                 \
    HANDLER(pusha_##bits)                                                              \
    {                                                                                  \
        enum { BYTES = (bits) / 8 };                                                   \
        for (int n = 0; n < ALL_REGISTERS; n++) {                                      \
            segment_write##bits(cpu, SEGMENT_SS, stack_offset(cpu, -BYTES *(n + 1)),   \
                                REG_uint##bits##_t(cpu, n));                           \
        }                                                                              \
        stack_move(cpu, -BYTES *ALL_REGISTERS);                                        \
        return i + 1;                                                                  \
    }

/* The stored ESP is skipped. */
#define POP_ALL(bits)                                                                  \
    HANDLER(popa_##bits)                                                               \
    {                                                                                  \
        enum { BYTES = (bits) / 8 };                                                   \
        uint##bits##_t values[ALL_REGISTERS];                                          \
        for (int n = ALL_REGISTERS - 1; n >= 0; n--) {                                 \
            if (n != REGISTER_ESP) {                                                   \
                values[n] = stack_peek##bits(cpu, BYTES * (ALL_REGISTERS - 1 - n));    \
            }                                                                          \
        }                                                                              \
        for (int n = 0; n < ALL_REGISTERS; n++) {                                      \
            if (n != REGISTER_ESP) {                                                   \
                REG_uint##bits##_t(cpu, n) = values[n];                                \
            }                                                                          \
        }                                                                              \
        stack_move(cpu, BYTES *ALL_REGISTERS);                                         \
        return i + 1;                                                                  \
    }

PUSH_ALL(16)
PUSH_ALL(32)
POP_ALL(16)
POP_ALL(32)
HANDLERS_SIZED(pusha)
HANDLERS_SIZED(popa)

/* ENTER: a frame of i->immediate bytes with nesting level 0 to 31. The last address of
 * the new frame is probed for writing, as processors do. */
#define ENTER(bits)                                                                    \
    HANDLER(enter_Iw_Ib_##bits)                                                        \
    {                                                                                  \
        enum { BYTES = (bits) / 8 };                                                   \
        unsigned level = i->immediate2 & 31;                                           \
        int32_t down = -BYTES;                                                         \
        uint32_t frame = cpu->regs[REGISTER_EBP];                                      \
        /* All of ESP, also where only SP counts. */                                   \
        uint32_t new_frame =                                                           \
            (cpu->regs[REGISTER_ESP] & ~cpu->stack_mask) | stack_offset(cpu, -BYTES);  \
        segment_write##bits(cpu, SEGMENT_SS, stack_offset(cpu, down),                  \
                            (uint##bits##_t)frame);                                    \
        for (unsigned n = 1; n < level; n++) {                                         \
            frame -= BYTES;                                                            \
            down -= BYTES;                                                             \
            uint##bits##_t link =                                                      \
                segment_read##bits(cpu, SEGMENT_SS, frame & cpu->stack_mask);          \
            segment_write##bits(cpu, SEGMENT_SS, stack_offset(cpu, down), link);       \
        }                                                                              \
        if (level > 0) {                                                               \
            down -= BYTES;                                                             \
            segment_write##bits(cpu, SEGMENT_SS, stack_offset(cpu, down),              \
                                (uint##bits##_t)new_frame);                            \
        }                                                                              \
        down -= (int32_t)(i->immediate & 0xffff);                                      \
        segment_probe_write(cpu, SEGMENT_SS, stack_offset(cpu, down), BYTES);          \
        stack_move(cpu, down);                                                         \
        REG_uint##bits##_t(cpu, REGISTER_EBP) = (uint##bits##_t)new_frame;             \
        return i + 1;                                                                  \
    }

ENTER(16)
ENTER(32)
HANDLERS_SIZED(enter_Iw_Ib)

#define LEAVE(bits)                                                                    \
    HANDLER(leave_##bits)                                                              \
    {                                                                                  \
        uint32_t frame = cpu->regs[REGISTER_EBP] & cpu->stack_mask;                    \
        uint##bits##_t value = segment_read##bits(cpu, SEGMENT_SS, frame);             \
        cpu->regs[REGISTER_ESP] =                                                      \
            (cpu->regs[REGISTER_ESP] & ~cpu->stack_mask) | frame;                      \
        stack_move(cpu, (bits) / 8);                                                   \
        REG_uint##bits##_t(cpu, REGISTER_EBP) = value;                                 \
        return i + 1;                                                                  \
    }

LEAVE(16)
LEAVE(32)
HANDLERS_SIZED(leave)
