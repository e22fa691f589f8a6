/* cpu/core/instruction_table.h: the instruction table as data.
 *
 * tools/instruction_table.py makes it of instructions.table, whose head explains the
 * columns. Decoder, engines, tests and tools read it; nobody changes it. Any thread.
 *
 * The decoder looks up (map, opcode) and gets a short list of candidates: what they
 * demand of prefixes, ModRM and VEX. The first that fits names the row. */
#ifndef CPU_CORE_INSTRUCTION_TABLE_H
#define CPU_CORE_INSTRUCTION_TABLE_H

#include "cpu/core/instruction.h"
#include "cpu/core/instruction_handlers.h" /* INSTRUCTION_HANDLERS(X), generated */

enum opcode_map {
    OPCODE_MAP_1, /* one byte */
    OPCODE_MAP_0F,
    OPCODE_MAP_0F38,
    OPCODE_MAP_0F3A,
    OPCODE_MAP_VEX_0F,
    OPCODE_MAP_VEX_0F38,
    OPCODE_MAP_VEX_0F3A,
    OPCODE_MAP_COUNT,
};

/* How an operand is encoded: Intel SDM vol. 2, A.2.1, and ours. */
enum operand_method {
    OPERAND_NONE,
    OPERAND_A,  /* far pointer in the instruction */
    OPERAND_B,  /* general register in VEX.vvvv */
    OPERAND_C,  /* control register in ModRM.reg */
    OPERAND_D,  /* debug register in ModRM.reg */
    OPERAND_E,  /* general register or memory in ModRM */
    OPERAND_G,  /* general register in ModRM.reg */
    OPERAND_H,  /* vector register in VEX.vvvv */
    OPERAND_I,  /* immediate, zero-extended (or as wide as the operands) */
    OPERAND_SI, /* immediate, sign-extended */
    OPERAND_J,  /* relative branch */
    OPERAND_L,  /* vector register in bits 4 to 6 of an immediate byte */
    OPERAND_M,  /* memory in ModRM */
    OPERAND_N,  /* MMX register in ModRM.rm */
    OPERAND_O,  /* memory; its offset is in the instruction, no ModRM */
    OPERAND_P,  /* MMX register in ModRM.reg */
    OPERAND_Q,  /* MMX register or memory in ModRM */
    OPERAND_R,  /* general register in ModRM.rm, whatever mod is */
    OPERAND_S,  /* segment register in ModRM.reg */
    OPERAND_U,  /* vector register in ModRM.rm */
    OPERAND_V,  /* vector register in ModRM.reg */
    OPERAND_W,  /* vector register or memory in ModRM */
    OPERAND_X,  /* memory at DS:ESI */
    OPERAND_Y,  /* memory at ES:EDI */
    OPERAND_Z,  /* general register in the opcode */
    OPERAND_VM, /* addresses made of a base and a vector register (VSIB) */
    /* Fixed. */
    OPERAND_AL,
    OPERAND_AX,
    OPERAND_EAX, /* or AX, by operand size */
    OPERAND_CL,
    OPERAND_DX,
    OPERAND_1,
    OPERAND_ES,
    OPERAND_CS,
    OPERAND_SS,
    OPERAND_DS,
    OPERAND_FS,
    OPERAND_GS,
    OPERAND_XMM0,
    OPERAND_ST0,
    OPERAND_STI, /* x87 register in ModRM.rm */
};

/* How wide it is: SDM vol. 2, A.2.2, and ours. */
enum operand_size {
    SIZE_NONE,
    SIZE_B,  /* 1 byte */
    SIZE_W,  /* 2 */
    SIZE_D,  /* 4 */
    SIZE_Q,  /* 8 */
    SIZE_DQ, /* 16 */
    SIZE_V,  /* 2 or 4, by operand size */
    SIZE_Z,  /* the same outside 64-bit mode */
    SIZE_X,  /* 16 or 32, by VEX.L */
    SIZE_PS, /* as X: packed single */
    SIZE_PD, /* as X: packed double */
    SIZE_SS, /* 4: scalar single */
    SIZE_SD, /* 8: scalar double */
    SIZE_P,  /* far pointer, 4 or 6 */
    SIZE_A,  /* two bounds, 4 or 8 */
    SIZE_S,  /* limit and base of a descriptor table, 6 */
    SIZE_VW, /* register as V, memory as W */
    SIZE_DW, /* register as D, memory as W */
    SIZE_DB, /* register as D, memory as B */
    SIZE_16INT,
    SIZE_32INT,
    SIZE_64INT,
    SIZE_32FP,
    SIZE_64FP,
    SIZE_80FP,
    SIZE_80BCD,
    SIZE_ENV,   /* x87 environment, 14 or 28 */
    SIZE_STATE, /* x87 state, 94 or 108 */
    SIZE_512,   /* FXSAVE area */
};

enum row_attribute {
    ROW_PRIVILEGED = 1U << 0,
    ROW_PROTECTED = 1U << 1,
    ROW_IOPL = 1U << 2,
    ROW_ENDS = 1U << 3,
    ROW_LOCK = 1U << 4,
    ROW_STRING = 1U << 5,
    ROW_REP = 1U << 6,
    ROW_REPCC = 1U << 7,
    ROW_BITSTRING = 1U << 8,
    ROW_X87 = 1U << 9,
    ROW_MMX = 1U << 10,
    ROW_SSE = 1U << 11,
    ROW_AVX = 1U << 12,
    ROW_WAITS = 1U << 13,
    ROW_ALIGNED = 1U << 14, /* #GP unless a memory operand of 16 or 32 bytes is */
    ROW_MODRM = 1U << 15,   /* the encoding has a ModRM byte */
    ROW_VSIB = 1U << 16,
    ROW_REGISTER = 1U << 17, /* ModRM.mod is ignored */
    ROW_SPECIAL = 1U << 18,  /* the decoder checks register numbers */
};

/* What CPUID must show. */
enum cpu_feature {
    FEATURE_NONE,
    FEATURE_FPU,
    FEATURE_TSC,
    FEATURE_MSR,
    FEATURE_CX8,
    FEATURE_SEP,
    FEATURE_CMOV,
    FEATURE_CLFLUSH,
    FEATURE_CLFLUSHOPT,
    FEATURE_CLWB,
    FEATURE_MMX,
    FEATURE_FXSR,
    FEATURE_SSE,
    FEATURE_SSE2,
    FEATURE_SSE3,
    FEATURE_SSSE3,
    FEATURE_SSE4_1,
    FEATURE_SSE4_2,
    FEATURE_POPCNT,
    FEATURE_MOVBE,
    FEATURE_AES,
    FEATURE_PCLMULQDQ,
    FEATURE_SHA,
    FEATURE_XSAVE,
    FEATURE_XSAVEOPT,
    FEATURE_AVX,
    FEATURE_AVX2,
    FEATURE_FMA,
    FEATURE_F16C,
    FEATURE_BMI1,
    FEATURE_BMI2,
    FEATURE_LZCNT,
    FEATURE_ADX,
    FEATURE_RDRAND,
    FEATURE_RDSEED,
    FEATURE_RDTSCP,
    FEATURE_COUNT,
};

/* What follows ModRM, SIB and displacement. */
enum immediate_kind {
    IMMEDIATE_NONE,
    IMMEDIATE_BYTE,
    IMMEDIATE_SIGNED_BYTE,
    IMMEDIATE_WORD,
    IMMEDIATE_FULL, /* 2 or 4 bytes, by operand size */
    IMMEDIATE_BRANCH_BYTE,
    IMMEDIATE_BRANCH_FULL,
    IMMEDIATE_FAR,   /* offset by operand size, selector */
    IMMEDIATE_MOFFS, /* offset by address size */
    IMMEDIATE_ENTER, /* word, byte */
    IMMEDIATE_REGISTER,
};

#define HANDLER_NUMBER(name) HANDLER_##name,
/* One for each exec name: HANDLER_add_Eb_Gb… */
enum handler_number { INSTRUCTION_HANDLERS(HANDLER_NUMBER) HANDLER_COUNT };
#undef HANDLER_NUMBER

struct operand_kind {
    uint8_t method; /* enum operand_method */
    uint8_t size;   /* enum operand_size */
};

enum { ROW_OPERANDS_MAX = 4 };

struct instruction_row {
    const char *mnemonic; /* Jcc, SETcc, CMOVcc: the condition is opcode & 15 */
    uint32_t attributes;  /* enum row_attribute */
    uint32_t flags_written, flags_undefined, flags_read; /* EFLAGS_… */
    struct operand_kind operands[ROW_OPERANDS_MAX];      /* ends with OPERAND_NONE */
    uint16_t handler;                                    /* enum handler_number */
    uint8_t feature, feature_256; /* enum cpu_feature; with VEX.L = 0 and 1 */
    uint8_t immediate;            /* enum immediate_kind */
    uint8_t map, opcode;          /* the lowest, if it has several */
    uint8_t opcode_count;         /* 1; 8 for +r, 16 for +cc */
};

/* Bits of a candidate's `prefixes`: which mandatory prefix it accepts. Of several
 * prefixes the last F3 or F2 counts before 66. */
enum candidate_prefix {
    CANDIDATE_NP = 1,
    CANDIDATE_66 = 2,
    CANDIDATE_F3 = 4,
    CANDIDATE_F2 = 8,
};

enum candidate_demand {
    CANDIDATE_MEMORY = 1, /* mod must not be 3 */
    CANDIDATE_L0 = 2,
    CANDIDATE_L1 = 4,
    CANDIDATE_W0 = 8,
    CANDIDATE_W1 = 16,
    CANDIDATE_NO_VVVV = 32, /* VEX.vvvv must be 1111 */
};

struct instruction_candidate {
    uint16_t row;
    uint8_t prefixes;
    uint8_t demands;
    uint8_t modrm_mask, modrm_value;
};

struct opcode_entry {
    uint16_t first; /* candidate */
    uint8_t count;  /* 0: no such instruction */
    bool modrm;     /* all candidates have a ModRM byte, or none has */
};

extern const struct instruction_row instruction_rows[];
extern const unsigned instruction_row_count;
extern const struct instruction_candidate instruction_candidates[];
extern const struct opcode_entry opcode_entries[OPCODE_MAP_COUNT][256];
extern const char *const handler_names[HANDLER_COUNT];

static inline const struct instruction_row *
instruction_row(const struct instruction *instruction)
{
    return &instruction_rows[instruction->row];
}

/* Bytes of an operand of this size: `memory` for memory, else for a register. 0: it
 * depends on more than the instruction (XSAVE), or there is nothing to access (LEA). */
unsigned operand_bytes(enum operand_size size, bool memory,
                       const struct instruction *instruction);

/* Bytes of the instruction's memory operand; 0 as above, or if it has none. Gathers: of
 * an element. */
unsigned instruction_memory_bytes(const struct instruction *instruction);

/* The operand of this row that is in memory (or may be), -1: none. */
int row_memory_operand(const struct instruction_row *row);

#endif
