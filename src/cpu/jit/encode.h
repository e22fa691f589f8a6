/* cpu/jit/encode.h: guest instructions encoded anew for the host.
 *
 * Most instructions stay what they are: the same opcode, with registers renamed and
 * the memory operand reached through the view. Thread: the CPU's own. */
#ifndef CPU_JIT_ENCODE_H
#define CPU_JIT_ENCODE_H

#include "cpu/core/instruction_table.h"
#include "cpu/jit/jit.h"

/* An instruction to be encoded. Registers are the host's. */
struct shape {
    uint8_t prefix; /* 0, 0x66, 0xf2, 0xf3 */
    bool sixteen;   /* operand-size prefix */
    uint8_t map;    /* OPCODE_MAP_1 to OPCODE_MAP_0F3A */
    uint8_t opcode;
    uint8_t reg;            /* or the opcode's extension */
    uint8_t rm;             /* unless the guest's operand is in memory */
    bool reg_high, rm_high; /* AH, CH, DH, BH: no REX prefix may be there */
    uint8_t immediate_bytes;
    uint32_t immediate;
};

static inline unsigned host_register_of(unsigned guest)
{
    return guest == REGISTER_ESP ? HOST_ESP : guest;
}

/* Whether translated code can reach the memory operand of the instruction: a data
 * segment of 4 GiB, 32-bit addresses. */
bool encode_reaches(const struct instruction *instruction, uint32_t assumptions);

/* A memory operand. Registers are the host's; HOST_RSP: none. */
struct address {
    uint8_t base, index;
    uint8_t scale;
    bool wide; /* 64 bits: more than what wraps at 4 GiB is added */
    uint32_t displacement;
};

/* The operand's offset in its segment. */
struct address encode_offset(const struct instruction *instruction);
/* Its place in the view. May load scratch registers (R8, R9) on the way. */
struct address encode_address(struct emitter *e, const struct instruction *instruction,
                              uint32_t assumptions);

/* The prefixes that lead to the view. */
void encode_reach(struct emitter *e, const struct address *address);

/* The instruction `shape` on the memory at `address`. `lea`: on the address itself. */
void encode_memory(struct emitter *e, const struct shape *shape,
                   const struct address *address, bool lock, bool lea);
/* …on register `shape->rm`. */
void encode_register(struct emitter *e, const struct shape *shape);
/* …without operands. */
void encode_bare(struct emitter *e, const struct shape *shape);
/* ModRM, SIB and displacement. */
void encode_modrm_address(struct emitter *e, unsigned reg,
                          const struct address *address);

/* Encodes an instruction that does on the host what it does in the guest. False if it
 * is none such. */
bool encode_plain(struct emitter *e, const struct instruction *instruction,
                  uint32_t assumptions);
/* encode_stack.c: 4 bytes, or 2. */

/* mov reg, gs:[r12d + displacement], or the reverse; `opcode` 8B, 89. */
void encode_stack(struct emitter *e, bool sixteen, unsigned opcode, unsigned reg,
                  int8_t displacement);
/* lea r12d, [r12 + distance] */
void encode_move_stack(struct emitter *e, int32_t distance);
void encode_push_register(struct emitter *e, bool sixteen, unsigned reg);
void encode_push_constant(struct emitter *e, bool sixteen, uint32_t value);

/* encode_flags.c: what it could not do goes on at these places of relative addresses,
 * with all registers but the scratch ones and, of POPF, the flags as they were. */
struct slow_path {
    const uint8_t *sites[4];
    unsigned count;
};

/* Whether it is one of PUSHF, POPF, CLI, STI that encode_flags() can encode. */
bool encode_is_flags(const struct instruction *instruction, uint32_t assumptions);
void encode_flags(struct emitter *e, const struct instruction *instruction,
                  struct slow_path *slow);

/* MOVS, STOS, LODS, SCAS, CMPS; repeated ones where they do not depend on flags.
 * `rest`: how many instructions of the block follow. */
bool encode_string(struct emitter *e, const struct instruction *instruction,
                   unsigned rest, uint32_t assumptions);
/* Whether it is an x87 instruction that FSTENV shows as the last one. */
bool encode_is_noted(struct cpu *cpu, const struct instruction *instruction);
/* x87, MMX, SSE, AVX. Of the last x87 instruction it notes only the operand's offset.
 */
bool encode_vector(struct emitter *e, struct cpu *cpu,
                   const struct instruction *instruction, uint32_t assumptions);

#endif
