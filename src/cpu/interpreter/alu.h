/* cpu/interpreter/alu.h: integer arithmetic with flags, one function per operation and
 * width, by the host's own instructions.
 *
 * Each function takes the operands and the flags before, stores the flags after, and
 * returns the result. The host has the very unit that is to be shown, so nothing about
 * flags is modelled here: LAHF and SETO fetch them (see cpu/core/flags.h), and where an
 * operation reads flags or leaves some alone, they are put in place first.
 * Semantics: Intel SDM vol. 2. */
#ifndef CPU_INTERPRETER_ALU_H
#define CPU_INTERPRETER_ALU_H

#include "cpu/core/cpu.h"

#define ALU_FETCH_FLAGS "lahf\n\tseto %%al\n\t"
/* CF alone; OF alone needs an addition that overflows exactly when AL is 1. */
#define ALU_LOAD_CARRY "btl $8, %%eax\n\t"
#define ALU_LOAD_FLAGS "addb $0x7f, %%al\n\tsahf\n\t"

/* Flags depend on the operands alone: add, sub, and, or, xor, cmp, test, neg. */
#define ALU_BINARY(name, mnemonic, type, suffix)                                       \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a,     \
                                           type b)                                     \
    {                                                                                  \
        uint32_t eax;                                                                  \
        __asm__(#mnemonic #suffix " %2, %1\n\t" ALU_FETCH_FLAGS                        \
                : "=&a"(eax), "+&q"(a)                                                 \
                : "qi"(b)                                                              \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

/* adc, sbb: read CF. */
#define ALU_BINARY_CARRY(name, mnemonic, type, suffix)                                 \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a,     \
                                           type b)                                     \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        __asm__(ALU_LOAD_CARRY #mnemonic #suffix " %2, %1\n\t" ALU_FETCH_FLAGS         \
                : "+&a"(eax), "+&q"(a)                                                 \
                : "qi"(b)                                                              \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

/* One operand: inc, dec leave CF alone; neg sets all; not none (and needs none). */
#define ALU_UNARY(name, mnemonic, type, suffix)                                        \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a)     \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        __asm__(ALU_LOAD_CARRY #mnemonic #suffix " %1\n\t" ALU_FETCH_FLAGS             \
                : "+&a"(eax), "+&q"(a)                                                 \
                :                                                                      \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

/* Shifts and rotates by CL: all flags go in, as a count of 0 changes none. */
#define ALU_SHIFT(name, mnemonic, type, suffix)                                        \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a,     \
                                           uint8_t count)                              \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        __asm__(ALU_LOAD_FLAGS #mnemonic #suffix " %%cl, %1\n\t" ALU_FETCH_FLAGS       \
                : "+&a"(eax), "+&q"(a)                                                 \
                : "c"(count)                                                           \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

/* SHLD, SHRD. */
#define ALU_DOUBLE_SHIFT(name, mnemonic, type, suffix)                                 \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a,     \
                                           type b, uint8_t count)                      \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        __asm__(ALU_LOAD_FLAGS #mnemonic #suffix " %%cl, %2, %1\n\t" ALU_FETCH_FLAGS   \
                : "+&a"(eax), "+&r"(a)                                                 \
                : "r"(b), "c"(count)                                                   \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

/* Two registers, the first is read and written, all flags go in and out: BSF (leaves
 * the destination alone for 0), BT and its kin, two-operand IMUL, POPCNT… */
#define ALU_TWO_OPERANDS(name, mnemonic, type, suffix)                                 \
    static inline type alu_##name##_##type(struct arithmetic_flags *flags, type a,     \
                                           type b)                                     \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        __asm__(ALU_LOAD_FLAGS #mnemonic #suffix " %2, %1\n\t" ALU_FETCH_FLAGS         \
                : "+&a"(eax), "+&r"(a)                                                 \
                : "r"(b)                                                               \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return a;                                                                      \
    }

#define ALU_ALL_WIDTHS(FORM, name, mnemonic)                                           \
    FORM(name, mnemonic, uint8_t, b)                                                   \
    FORM(name, mnemonic, uint16_t, w)                                                  \
    FORM(name, mnemonic, uint32_t, l)

#define ALU_16_32(FORM, name, mnemonic)                                                \
    FORM(name, mnemonic, uint16_t, w)                                                  \
    FORM(name, mnemonic, uint32_t, l)

ALU_ALL_WIDTHS(ALU_BINARY, add, add)
ALU_ALL_WIDTHS(ALU_BINARY, or, or)
ALU_ALL_WIDTHS(ALU_BINARY, and, and)
ALU_ALL_WIDTHS(ALU_BINARY, sub, sub)
ALU_ALL_WIDTHS(ALU_BINARY, xor, xor)
ALU_ALL_WIDTHS(ALU_BINARY, cmp, cmp)
ALU_ALL_WIDTHS(ALU_BINARY, test, test)
ALU_ALL_WIDTHS(ALU_BINARY_CARRY, adc, adc)
ALU_ALL_WIDTHS(ALU_BINARY_CARRY, sbb, sbb)
ALU_ALL_WIDTHS(ALU_UNARY, inc, inc)
ALU_ALL_WIDTHS(ALU_UNARY, dec, dec)
ALU_ALL_WIDTHS(ALU_UNARY, neg, neg)
ALU_ALL_WIDTHS(ALU_SHIFT, rol, rol)
ALU_ALL_WIDTHS(ALU_SHIFT, ror, ror)
ALU_ALL_WIDTHS(ALU_SHIFT, rcl, rcl)
ALU_ALL_WIDTHS(ALU_SHIFT, rcr, rcr)
ALU_ALL_WIDTHS(ALU_SHIFT, shl, shl)
ALU_ALL_WIDTHS(ALU_SHIFT, shr, shr)
ALU_ALL_WIDTHS(ALU_SHIFT, sar, sar)
ALU_16_32(ALU_DOUBLE_SHIFT, shld, shld)
ALU_16_32(ALU_DOUBLE_SHIFT, shrd, shrd)
ALU_16_32(ALU_TWO_OPERANDS, imul, imul)
ALU_16_32(ALU_TWO_OPERANDS, bsf, bsf)
ALU_16_32(ALU_TWO_OPERANDS, bsr, bsr)
ALU_16_32(ALU_TWO_OPERANDS, tzcnt, tzcnt)
ALU_16_32(ALU_TWO_OPERANDS, lzcnt, lzcnt)
ALU_16_32(ALU_TWO_OPERANDS, popcnt, popcnt)
ALU_16_32(ALU_TWO_OPERANDS, bt, bt)
ALU_16_32(ALU_TWO_OPERANDS, bts, bts)
ALU_16_32(ALU_TWO_OPERANDS, btr, btr)
ALU_16_32(ALU_TWO_OPERANDS, btc, btc)

/* MUL and IMUL by one operand: the product's halves in `*low` and `*high`. */
#define ALU_MULTIPLY(name, mnemonic, type, suffix)                                     \
    static inline void alu_##name##_##type(struct arithmetic_flags *flags, type *low,  \
                                           type *high, type by)                        \
    {                                                                                  \
        uint32_t ax = flags->ax;                                                       \
        uint32_t eax = *low, edx;                                                      \
        __asm__("movl %%eax, %%edx\n\tmovl %2, %%eax\n\t" ALU_LOAD_FLAGS               \
                "movl %%edx, %%eax\n\t" #mnemonic #suffix " %3\n\t"                    \
                "movl %%eax, %2\n\t" ALU_FETCH_FLAGS                                   \
                : "+&a"(eax), "=&d"(edx), "+&r"(ax)                                    \
                : "r"(by)                                                              \
                : "cc");                                                               \
        *low = (type)ax;                                                               \
        *high = (type)edx;                                                             \
        flags->ax = (uint16_t)eax;                                                     \
    }

ALU_16_32(ALU_MULTIPLY, mul, mul)
ALU_16_32(ALU_MULTIPLY, imul1, imul)

/* The 8-bit forms: AX = AL * operand. */
#define ALU_MULTIPLY_8(name, mnemonic)                                                 \
    static inline uint16_t alu_##name##_uint8_t(struct arithmetic_flags *flags,        \
                                                uint8_t a, uint8_t by)                 \
    {                                                                                  \
        uint32_t ax = flags->ax;                                                       \
        uint32_t eax = a, edx;                                                         \
        __asm__("movl %%eax, %%edx\n\tmovl %2, %%eax\n\t" ALU_LOAD_FLAGS               \
                "movl %%edx, %%eax\n\t" #mnemonic "b %3\n\t"                           \
                "movl %%eax, %2\n\t" ALU_FETCH_FLAGS                                   \
                : "+&a"(eax), "=&d"(edx), "+&r"(ax)                                    \
                : "r"(by)                                                              \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return (uint16_t)ax;                                                           \
    }

ALU_MULTIPLY_8(mul, mul)
ALU_MULTIPLY_8(imul1, imul)

/* DIV and IDIV, of what fits: `*low` becomes the quotient, `*high` the remainder. */
#define ALU_DIVIDE(name, mnemonic, type, suffix)                                       \
    static inline void alu_##name##_##type(struct arithmetic_flags *flags, type *low,  \
                                           type *high, type by)                        \
    {                                                                                  \
        uint32_t eax = flags->ax;                                                      \
        uint32_t edx = *high, quotient = *low;                                         \
        __asm__(ALU_LOAD_FLAGS "movl %2, %%eax\n\t" #mnemonic #suffix " %3\n\t"        \
                               "movl %%eax, %2\n\t" ALU_FETCH_FLAGS                    \
                : "+&a"(eax), "+&d"(edx), "+&r"(quotient)                              \
                : "r"(by)                                                              \
                : "cc");                                                               \
        *low = (type)quotient;                                                         \
        *high = (type)edx;                                                             \
        flags->ax = (uint16_t)eax;                                                     \
    }

ALU_16_32(ALU_DIVIDE, div, div)
ALU_16_32(ALU_DIVIDE, idiv, idiv)

/* The 8-bit forms: AX divided; AL is the quotient, AH the remainder. */
#define ALU_DIVIDE_8(name, mnemonic)                                                   \
    static inline uint16_t alu_##name##_uint8_t(struct arithmetic_flags *flags,        \
                                                uint16_t dividend, uint8_t by)         \
    {                                                                                  \
        uint32_t eax = flags->ax, ax = dividend;                                       \
        __asm__(ALU_LOAD_FLAGS "movl %1, %%eax\n\t" #mnemonic "b %2\n\t"               \
                               "movl %%eax, %1\n\t" ALU_FETCH_FLAGS                    \
                : "+&a"(eax), "+&r"(ax)                                                \
                : "q"(by)                                                              \
                : "cc");                                                               \
        flags->ax = (uint16_t)eax;                                                     \
        return (uint16_t)ax;                                                           \
    }

ALU_DIVIDE_8(div, div)
ALU_DIVIDE_8(idiv, idiv)

#endif
