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
