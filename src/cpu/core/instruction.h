/* cpu/core/instruction.h: a decoded instruction, and the contract of its handlers.
 *
 * The decoder fills a struct instruction from the guest's bytes with the help of the
 * instruction table; an engine chooses what to do with it. The interpreter stores in
 * `execute` the C function that does it.
 *
 * Contract of a handler: it is called with cpu->current == instruction. It either
 *  - returns instruction + 1, or calls INSTRUCTION_CONTINUE(cpu, instruction + 1),
 *    which is faster: done, go on with the next one of the block; or
 *  - stores the new cpu->eip and returns NULL: done, leave the block (jumps, and
 *    everything after which decoding, paging, interrupts or privilege may differ); or
 *  - unwinds with cpu_raise…(): not done. */
#ifndef CPU_CORE_INSTRUCTION_H
#define CPU_CORE_INSTRUCTION_H

#include "cpu/core/cpu.h"

typedef const struct instruction *
instruction_handler(struct cpu *cpu, const struct instruction *instruction);

enum instruction_prefix {
    PREFIX_LOCK = 1,
    PREFIX_REPNE = 2, /* F2; the last of F2 and F3 counts */
    PREFIX_REP = 4,   /* F3 */
    PREFIX_OPERAND_SIZE = 8,
    PREFIX_ADDRESS_SIZE = 16,
    PREFIX_SEGMENT = 32,
};

struct instruction {
    instruction_handler *execute;
    uint32_t eip;          /* offset in CS of its first byte */
    uint32_t displacement; /* of the memory operand, sign-extended; moffs */
    uint32_t immediate;    /* sign- or zero-extended as the operand kind says; for
                              relative branches the target EIP, already truncated to
                              the operand size */
    uint32_t address_mask; /* 0xffff or all ones: of the memory operand */
    uint16_t immediate2;   /* ENTER's level, a far pointer's selector, /is4 register */
    uint16_t row;          /* index into the instruction table */
    uint8_t length;        /* 1 to 15 bytes */
    uint8_t operand_bytes; /* 2 or 4 */
    uint8_t modrm;         /* as encoded, 0 if there is none */
    uint8_t reg;          /* ModRM.reg, 0-7; or the register in the opcode's low bits */
    uint8_t rm;           /* ModRM.rm when it names a register, 0-7 */
    bool memory;          /* there is a memory operand, described by the following */
    uint8_t segment;      /* of the memory operand, overrides applied */
    uint8_t base, index;  /* register numbers or REGISTER_ZERO */
    uint8_t scale;        /* shift: 0 to 3 */
    uint8_t prefixes;     /* PREFIX_… */
    uint8_t opcode;       /* the last opcode byte */
    uint8_t vex_register; /* VEX.vvvv, inverted back: 0-7 */
    uint8_t vex_flags;    /* INSTRUCTION_VEX_… */
    uint32_t stub;        /* 0 when decoded; then the host unit's (host_unit.h) */
};

enum {
    INSTRUCTION_VEX = 1, /* has a VEX prefix */
    INSTRUCTION_VEX_W = 2,
    INSTRUCTION_VEX_L = 4, /* 256 bits */
};

/* How a handler goes on with the next instruction of its block. Handlers are threaded:
 * each calls the next one as its last act, which costs the host a single indirect jump
 * that it can predict by where it stands. Where the compiler does not make jumps of
 * such calls (no optimization, sanitizers) the run loop calls them one after another.
 */
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
#define INSTRUCTION_THREADED 0
#elif defined(__clang__)
#if __has_feature(address_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define INSTRUCTION_THREADED 0
#else
#define INSTRUCTION_THREADED 1
#define INSTRUCTION_TAIL_CALL __attribute__((musttail)) return
#endif
#else
#define INSTRUCTION_THREADED 1
#define INSTRUCTION_TAIL_CALL return
#endif

#if INSTRUCTION_THREADED
#define INSTRUCTION_CONTINUE(cpu, next)                                                \
    do {                                                                               \
        const struct instruction *following = (next);                                  \
        (cpu)->current = following;                                                    \
        INSTRUCTION_TAIL_CALL following->execute((cpu), following);                    \
    } while (0)
#else
#define INSTRUCTION_CONTINUE(cpu, next) return (next)
#endif

/* Offset of the memory operand in its segment (LEA's result). */
static inline uint32_t instruction_offset(const struct cpu *cpu,
                                          const struct instruction *instruction)
{
    return (cpu->regs[instruction->base] +
            (cpu->regs[instruction->index] << instruction->scale) +
            instruction->displacement) &
           instruction->address_mask;
}

/* The same where there is no index and addresses have 32 bits. */
static inline uint32_t instruction_simple_offset(const struct cpu *cpu,
                                                 const struct instruction *instruction)
{
    return cpu->regs[instruction->base] + instruction->displacement;
}

static inline uint32_t instruction_next_eip(const struct instruction *instruction)
{
    return instruction->eip + instruction->length;
}

/* What most handlers that must leave the block end with. */
static inline const struct instruction *
instruction_leave(struct cpu *cpu, const struct instruction *instruction)
{
    cpu->eip = instruction_next_eip(instruction);
    return NULL;
}

/* The handlers of one table row: by operand size and by whether ModRM names memory.
 * Rows without such a choice repeat the same function. `simple…` (may be NULL) are for
 * 32-bit addresses without an index, most of what there is. Where the opcode's low four
 * bits are a condition, `by_condition` may offer sixteen sets instead. */
struct handler_set {
    instruction_handler *register16, *register32, *memory16, *memory32;
    instruction_handler *simple16, *simple32;
    const struct handler_set *by_condition;
};

/* One function, whatever the form. */
#define HANDLER_SET_ONE(function)                                                      \
    {                                                                                  \
        .register16 = (function), .register32 = (function), .memory16 = (function),    \
        .memory32 = (function), .simple16 = NULL, .simple32 = NULL,                    \
        .by_condition = NULL,                                                          \
    }

#endif
