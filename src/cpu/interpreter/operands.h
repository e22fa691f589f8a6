/* cpu/interpreter/operands.h: templates for handlers, by form of operand.
 *
 * A template defines the register and the memory handler of an instruction from one
 * expression; sets of the widths an instruction has are named with HANDLERS_BYTE and
 * HANDLERS_WORD. In expressions, `cpu` and `i` (the instruction) are in scope, `a` is
 * the old value of the operand named by ModRM.rm; T is its type. */
#ifndef CPU_INTERPRETER_OPERANDS_H
#define CPU_INTERPRETER_OPERANDS_H

#include "cpu/core/instruction.h"
#include "cpu/mmu/access.h"

/* Registers by their number in an encoding, as lvalues. Numbers 4-7 of byte registers
 * are AH CH DH BH. */
#define REG_uint8_t(cpu, n) (((uint8_t *)&(cpu)->regs[(n)&3])[(n) >> 2])
#define REG_uint16_t(cpu, n) (*(uint16_t *)&(cpu)->regs[n])
#define REG_uint32_t(cpu, n) ((cpu)->regs[n])

#define SEGMENT_READ_uint8_t segment_read8
#define SEGMENT_READ_uint16_t segment_read16
#define SEGMENT_READ_uint32_t segment_read32
#define SEGMENT_WRITE_uint8_t segment_write8
#define SEGMENT_WRITE_uint16_t segment_write16
#define SEGMENT_WRITE_uint32_t segment_write32

#define HANDLER(name)                                                                  \
    static const struct instruction *name(struct cpu *cpu, const struct instruction *i)

#define GO_ON INSTRUCTION_CONTINUE(cpu, i + 1)

/* Host memory of the operand at `offset`, or NULL: segment limit, TLB miss, device… */
static inline __attribute__((always_inline)) void *fast_host(struct cpu *cpu,
                                                             unsigned segment,
                                                             uint32_t offset,
                                                             unsigned bytes, bool write)
{
    const struct segment *s = &cpu->segments[segment];
    uint64_t end = write ? s->write_end : s->read_end;
    gla_t address = s->base + offset;
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    uint32_t tag = write ? e->write_tag : e->read_tag;
    if (__builtin_expect((uint64_t)offset + bytes > end, 0) ||
        __builtin_expect(!tlb_hits(tag, address, bytes), 0)) {
        return NULL;
    }
    return e->host + (uintptr_t)address;
}

/* First half of the slow path of a read-modify-write; the second is mmu_write_slow(),
 * which cannot fault any more. */
static inline uint64_t modify_read_slow(struct cpu *cpu, gla_t address, unsigned bytes)
{
    enum mmu_rights rights = mmu_current_rights(cpu);
    mmu_probe_write(cpu, address, bytes, rights);
    return mmu_read_slow(cpu, address, bytes, rights);
}

/* What a fast handler calls, last, when it cannot be fast: a function of its own, so
 * that the fast one needs no stack frame. */
#define SLOW_HANDLER(name)                                                             \
    static __attribute__((noinline)) const struct instruction *name(                   \
        struct cpu *cpu, const struct instruction *i)

/* The fast ways, by how the offset of the operand is found. */
#define MODIFY_FAST(name, form, T, offset, expression)                                 \
    HANDLER(name##_##form)                                                             \
    {                                                                                  \
        T *host = fast_host(cpu, i->segment, offset(cpu, i), sizeof(T), true);         \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        T a = *host;                                                                   \
        *host = (T)(expression);                                                       \
        GO_ON;                                                                         \
    }

#define USE_FAST(name, form, T, offset, statements)                                    \
    HANDLER(name##_##form)                                                             \
    {                                                                                  \
        const T *host = fast_host(cpu, i->segment, offset(cpu, i), sizeof(T), false);  \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        T a = *host;                                                                   \
        statements;                                                                    \
        GO_ON;                                                                         \
    }

#define STORE_FAST(name, form, T, offset, expression)                                  \
    HANDLER(name##_##form)                                                             \
    {                                                                                  \
        T *host = fast_host(cpu, i->segment, offset(cpu, i), sizeof(T), true);         \
        if (__builtin_expect(!host, 0)) {                                              \
            return name##_slow(cpu, i);                                                \
        }                                                                              \
        *host = (T)(expression);                                                       \
        GO_ON;                                                                         \
    }

/* E = expression of a. */
#define MODIFY_E(name, T, expression)                                                  \
    HANDLER(name##_register)                                                           \
    {                                                                                  \
        T a = REG_##T(cpu, i->rm);                                                     \
        REG_##T(cpu, i->rm) = (T)(expression);                                         \
        GO_ON;                                                                         \
    }                                                                                  \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        gla_t address = segment_linear_write(cpu, i->segment,                          \
                                             instruction_offset(cpu, i), sizeof(T));   \
        T a = (T)modify_read_slow(cpu, address, sizeof(T));                            \
        mmu_write_slow(cpu, address, (T)(expression), sizeof(T),                       \
                       mmu_current_rights(cpu));                                       \
        return i + 1;                                                                  \
    }                                                                                  \
    MODIFY_FAST(name, memory, T, instruction_offset, expression)                       \
    MODIFY_FAST(name, simple, T, instruction_simple_offset, expression)

/* E is read: statements that use a. */
#define USE_E(name, T, statements)                                                     \
    HANDLER(name##_register)                                                           \
    {                                                                                  \
        T a = REG_##T(cpu, i->rm);                                                     \
        statements;                                                                    \
        GO_ON;                                                                         \
    }                                                                                  \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        T a = SEGMENT_READ_##T(cpu, i->segment, instruction_offset(cpu, i));           \
        statements;                                                                    \
        return i + 1;                                                                  \
    }                                                                                  \
    USE_FAST(name, memory, T, instruction_offset, statements)                          \
    USE_FAST(name, simple, T, instruction_simple_offset, statements)

/* E is written, not read. */
#define STORE_E(name, T, expression)                                                   \
    HANDLER(name##_register)                                                           \
    {                                                                                  \
        REG_##T(cpu, i->rm) = (T)(expression);                                         \
        GO_ON;                                                                         \
    }                                                                                  \
    SLOW_HANDLER(name##_slow)                                                          \
    {                                                                                  \
        SEGMENT_WRITE_##T(cpu, i->segment, instruction_offset(cpu, i),                 \
                          (T)(expression));                                            \
        return i + 1;                                                                  \
    }                                                                                  \
    STORE_FAST(name, memory, T, instruction_offset, expression)                        \
    STORE_FAST(name, simple, T, instruction_simple_offset, expression)

/* The sets that the instruction table names. */
#define HANDLERS_BYTE(name)                                                            \
    const struct handler_set exec_##name = {                                           \
        .register16 = name##_register,                                                 \
        .register32 = name##_register,                                                 \
        .memory16 = name##_memory,                                                     \
        .memory32 = name##_memory,                                                     \
        .simple16 = name##_simple,                                                     \
        .simple32 = name##_simple,                                                     \
    };
#define HANDLERS_WORD(name)                                                            \
    const struct handler_set exec_##name = {                                           \
        .register16 = name##_16_register,                                              \
        .register32 = name##_32_register,                                              \
        .memory16 = name##_16_memory,                                                  \
        .memory32 = name##_32_memory,                                                  \
        .simple16 = name##_16_simple,                                                  \
        .simple32 = name##_32_simple,                                                  \
    };
/* As HANDLERS_WORD, for handlers that were not made of the templates above. */
#define HANDLERS_FORMS(name)                                                           \
    const struct handler_set exec_##name = {                                           \
        .register16 = name##_16_register,                                              \
        .register32 = name##_32_register,                                              \
        .memory16 = name##_16_memory,                                                  \
        .memory32 = name##_32_memory,                                                  \
    };
/* No ModRM choice, but an operand size. */
#define HANDLERS_SIZED(name)                                                           \
    const struct handler_set exec_##name = {                                           \
        .register16 = name##_16,                                                       \
        .register32 = name##_32,                                                       \
        .memory16 = name##_16,                                                         \
        .memory32 = name##_32,                                                         \
    };
#define HANDLERS_ONE(name) const struct handler_set exec_##name = HANDLER_SET_ONE(name);

#endif
