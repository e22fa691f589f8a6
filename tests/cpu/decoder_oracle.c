/* tests/cpu/decoder_oracle.c: our decoder and Zydis on the same bytes. */
#include "decoder_oracle.h"

#include "cpu/core/flags.h"

#include <stdio.h>
#include <string.h>

const uint32_t oracle_code_modes[ORACLE_MODES] = {0, CODE_MODE_VEX,
                                                  CODE_MODE_32 | CODE_MODE_VEX};

static const ZydisMachineMode machine_modes[ORACLE_MODES] = {
    ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_MACHINE_MODE_LEGACY_16,
    ZYDIS_MACHINE_MODE_LEGACY_32};

enum { EIP = 0x1234fff0 };

/* One decoding by both. */
struct comparison {
    unsigned mode; /* index into oracle_code_modes */
    enum decode_result result;
    struct instruction ours;
    const struct instruction_row *row;
    ZyanStatus status;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char *message;
};

static bool differ(struct comparison *c, const char *what, unsigned long ours,
                   unsigned long theirs)
{
    snprintf(c->message, ORACLE_MESSAGE_BYTES, "%s (%s): %s is %#lx, expected %#lx",
             c->row->mnemonic, ZydisMnemonicGetString(c->theirs.mnemonic), what, ours,
             theirs);
    return false;
}

/* What Zydis knows and we do not carry: CPUID does not show it. */
static bool is_absent(const struct comparison *c)
{
    switch (c->theirs.meta.isa_ext) {
    case ZYDIS_ISA_EXT_AMD3DNOW:
    case ZYDIS_ISA_EXT_SSE4A: /* of AMD */
    case ZYDIS_ISA_EXT_XOP:
    case ZYDIS_ISA_EXT_FMA4:
    case ZYDIS_ISA_EXT_TBM:
    case ZYDIS_ISA_EXT_SVM:
    case ZYDIS_ISA_EXT_SNP:
    case ZYDIS_ISA_EXT_AMD_INVLPGB:
    case ZYDIS_ISA_EXT_CLZERO:
    case ZYDIS_ISA_EXT_MONITORX:
    case ZYDIS_ISA_EXT_MCOMMIT:
    case ZYDIS_ISA_EXT_RDPRU:
    case ZYDIS_ISA_EXT_PADLOCK: /* of VIA */
    case ZYDIS_ISA_EXT_VTX:
    case ZYDIS_ISA_EXT_VMFUNC:
    case ZYDIS_ISA_EXT_SMX:
    case ZYDIS_ISA_EXT_SGX:
    case ZYDIS_ISA_EXT_SGX_ENCLV:
    case ZYDIS_ISA_EXT_TDX:
    case ZYDIS_ISA_EXT_AVX512EVEX:
    case ZYDIS_ISA_EXT_AVX512VEX:
    case ZYDIS_ISA_EXT_AVX_VNNI:
    case ZYDIS_ISA_EXT_VAES:
    case ZYDIS_ISA_EXT_VPCLMULQDQ:
    case ZYDIS_ISA_EXT_GFNI:
    case ZYDIS_ISA_EXT_KEYLOCKER:
    case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
    case ZYDIS_ISA_EXT_CET:
    case ZYDIS_ISA_EXT_RTM:
    case ZYDIS_ISA_EXT_TSX_LDTRK:
    case ZYDIS_ISA_EXT_UINTR:
    case ZYDIS_ISA_EXT_HRESET:
    case ZYDIS_ISA_EXT_SERIALIZE:
    case ZYDIS_ISA_EXT_PCONFIG:
    case ZYDIS_ISA_EXT_ENQCMD:
    case ZYDIS_ISA_EXT_MOVDIR:
    case ZYDIS_ISA_EXT_WAITPKG:
    case ZYDIS_ISA_EXT_PT:
    case ZYDIS_ISA_EXT_PKU:
    case ZYDIS_ISA_EXT_SMAP:
    case ZYDIS_ISA_EXT_INVPCID:
    case ZYDIS_ISA_EXT_RDPID:
    case ZYDIS_ISA_EXT_RDWRFSGS:
    case ZYDIS_ISA_EXT_MONITOR:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVES:
    case ZYDIS_ISA_EXT_CLFLUSHOPT:
    case ZYDIS_ISA_EXT_CLWB:
        return true;
    default:
        break;
    }
    /* SYSCALL and SYSRET outside 64-bit mode. */
    return c->theirs.meta.isa_set == ZYDIS_ISA_SET_AMD;
}

/* What we decode and Zydis does not. */
static bool is_present(const struct comparison *c)
{
    /* In real-address mode #UD is the handler's business. */
    return (c->row->attributes & ROW_PROTECTED) && oracle_code_modes[c->mode] == 0;
}

static bool compare_validity(struct comparison *c)
{
    bool theirs = ZYAN_SUCCESS(c->status);

    if (c->result == DECODE_OK && !theirs && !is_present(c)) {
        snprintf(c->message, ORACLE_MESSAGE_BYTES, "%s: expected invalid (status %x)",
                 c->row->mnemonic, (unsigned)c->status);
        return false;
    }
    if (c->result != DECODE_OK && theirs && !is_absent(c)) {
        snprintf(c->message, ORACLE_MESSAGE_BYTES, "result %d, expected valid: %s %s",
                 c->result, ZydisMnemonicGetString(c->theirs.mnemonic),
                 ZydisISASetGetString(c->theirs.meta.isa_set));
        return false;
    }
    /* What is both too long and invalid may be found to be either first. */
    if (c->result == DECODE_TRUNCATED ||
        (c->result == DECODE_TOO_LONG && c->status == ZYDIS_STATUS_DECODING_ERROR)) {
        snprintf(c->message, ORACLE_MESSAGE_BYTES, "result %d, expected status %x",
                 c->result, (unsigned)c->status);
        return false;
    }
    return true;
}

/* Rows whose mnemonic Zydis writes otherwise. */
static bool is_alias(const char *ours, const char *theirs)
{
    static const char *const aliases[][2] = {
        /* It has names for the forms with 32-bit operands or addresses. */
        {"CBW", "cwde"},
        {"CWD", "cdq"},
        {"PUSHA", "pushad"},
        {"POPA", "popad"},
        {"PUSHF", "pushfd"},
        {"POPF", "popfd"},
        {"IRET", "iretd"},
        {"JCXZ", "jecxz"},
        /* Here the manual has two names. */
        {"RETF", "ret"},
        {"ICEBP", "int1"},
        /* Not in the manual. */
        {"FNENI", "feni8087_nop"},
        {"FNDISI", "fdisi8087_nop"},
        {"FNSETPM", "fsetpm287_nop"},
        {"FSTP", "fstpnce"},
        /* Hints that have no effect. */
        {"NOP", "prefetch"},
        {"NOP", "prefetchwt1"},
        {"ENDBR32", "nop"},
    };
    for (unsigned i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(ours, aliases[i][0]) == 0 && strcmp(theirs, aliases[i][1]) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_mnemonic(const struct instruction_row *row, const char *theirs)
{
    size_t length = strlen(row->mnemonic);

    if (row->opcode_count == 16) { /* …cc */
        return strncasecmp(row->mnemonic, theirs, length - 2) == 0;
    }
    if (row->attributes & ROW_STRING) { /* without the size */
        return strncasecmp(row->mnemonic, theirs, length) == 0 &&
               strlen(theirs) == length + 1;
    }
    return strcasecmp(row->mnemonic, theirs) == 0 || is_alias(row->mnemonic, theirs);
}

static unsigned register_number(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_NONE:
        return REGISTER_ZERO;
    default:
        return ZydisRegisterGetId(reg);
    }
}

/* Whether what it accesses is no fixed number of bytes: an XSAVE area, a cache line, an
 * element of a vector, nothing. */
static bool size_depends(const struct instruction_row *row)
{
    int operand = row_memory_operand(row);

    return row->operands[operand].size == SIZE_NONE || (row->attributes & ROW_VSIB) ||
           row->handler == HANDLER_clflush_Mb || row->handler == HANDLER_nop_Ev;
}

static bool compare_memory(struct comparison *c, const ZydisDecodedOperand *operand)
{
    const struct instruction *ours = &c->ours;
    const ZydisDecodedOperandMem *memory = &operand->mem;
    uint32_t mask = c->theirs.address_width == 16 ? 0xffff : 0xffffffff;

    if (!ours->memory) {
        return differ(c, "memory", 0, 1);
    }
    if (ours->base != register_number(memory->base)) {
        return differ(c, "base", ours->base, register_number(memory->base));
    }
    if (ours->index != register_number(memory->index)) {
        return differ(c, "index", ours->index, register_number(memory->index));
    }
    if (ours->index != REGISTER_ZERO && 1U << ours->scale != memory->scale) {
        return differ(c, "scale", 1U << ours->scale, memory->scale);
    }
    if ((ours->displacement & mask) != ((uint32_t)memory->disp.value & mask)) {
        return differ(c, "displacement", ours->displacement, memory->disp.value);
    }
    if (memory->type == ZYDIS_MEMOP_TYPE_AGEN) { /* LEA: never accessed */
        return true;
    }
    if (ours->segment != ZydisRegisterGetId(memory->segment)) {
        return differ(c, "segment", ours->segment, ZydisRegisterGetId(memory->segment));
    }
    if (!size_depends(c->row) && instruction_memory_bytes(ours) * 8 != operand->size) {
        return differ(c, "memory bits", instruction_memory_bytes(ours) * 8,
                      operand->size);
    }
    return true;
}

/* The register that an operand of ours names; NONE: it is in memory, or no register. */
static ZydisRegister our_register(const struct comparison *c, unsigned i)
{
    struct operand_kind kind = c->row->operands[i];
    const struct instruction *ours = &c->ours;
    unsigned bytes = operand_bytes(kind.size, false, ours);
    ZydisRegisterClass general = bytes == 1   ? ZYDIS_REGCLASS_GPR8
                                 : bytes == 2 ? ZYDIS_REGCLASS_GPR16
                                              : ZYDIS_REGCLASS_GPR32;
    ZydisRegisterClass vector = bytes == 32 ? ZYDIS_REGCLASS_YMM : ZYDIS_REGCLASS_XMM;

    switch (kind.method) {
    case OPERAND_B:
        return ZydisRegisterEncode(general, ours->vex_register);
    case OPERAND_C:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_CONTROL, ours->reg);
    case OPERAND_D:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_DEBUG, ours->reg);
    case OPERAND_E:
        return ours->memory ? 0 : ZydisRegisterEncode(general, ours->rm);
    case OPERAND_R:
        return ZydisRegisterEncode(general, ours->rm);
    case OPERAND_G:
    case OPERAND_Z:
        return ZydisRegisterEncode(general, ours->reg);
    case OPERAND_H:
        return ZydisRegisterEncode(vector, ours->vex_register);
    case OPERAND_L:
        return ZydisRegisterEncode(vector, ours->immediate2);
    case OPERAND_N:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_MMX, ours->rm);
    case OPERAND_P:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_MMX, ours->reg);
    case OPERAND_Q:
        return ours->memory ? 0 : ZydisRegisterEncode(ZYDIS_REGCLASS_MMX, ours->rm);
    case OPERAND_S:
    case OPERAND_ES ... OPERAND_GS:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_SEGMENT, ours->reg);
    case OPERAND_U:
        return ZydisRegisterEncode(vector, ours->rm);
    case OPERAND_V:
        return ZydisRegisterEncode(vector, ours->reg);
    case OPERAND_W:
        return ours->memory ? 0 : ZydisRegisterEncode(vector, ours->rm);
    case OPERAND_AL:
        return ZYDIS_REGISTER_AL;
    case OPERAND_AX:
        return ZYDIS_REGISTER_AX;
    case OPERAND_EAX:
        return ours->operand_bytes == 4 ? ZYDIS_REGISTER_EAX : ZYDIS_REGISTER_AX;
    case OPERAND_CL:
        return ZYDIS_REGISTER_CL;
    case OPERAND_DX:
        return ZYDIS_REGISTER_DX;
    case OPERAND_XMM0:
        return ZYDIS_REGISTER_XMM0;
    case OPERAND_ST0:
        return ZYDIS_REGISTER_ST0;
    case OPERAND_STI:
        return ZydisRegisterEncode(ZYDIS_REGCLASS_X87, ours->rm);
    default:
        return ZYDIS_REGISTER_NONE;
    }
}

/* Strings: Zydis hides all operands. */
static bool compare_string(struct comparison *c)
{
    for (unsigned i = 0; i < c->theirs.operand_count; i++) {
        const ZydisDecodedOperand *operand = &c->operands[i];
        if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY ||
            ZydisRegisterGetId(operand->mem.base) != REGISTER_ESI) {
            continue;
        }
        if (c->ours.segment != ZydisRegisterGetId(operand->mem.segment)) {
            return differ(c, "segment", c->ours.segment,
                          ZydisRegisterGetId(operand->mem.segment));
        }
    }
    unsigned width = c->ours.address_mask == 0xffff ? 16 : 32;
    if (width != c->theirs.address_width) {
        return differ(c, "address bits", width, c->theirs.address_width);
    }
    return true;
}

static bool compare_operands(struct comparison *c)
{
    bool memory = false;
    unsigned ours = 0;

    if (c->row->attributes & ROW_STRING) {
        return compare_string(c);
    }
    if (strcmp(c->row->mnemonic, "FUCOMP") == 0 ||  /* it has ST0, too, unlike FUCOM */
        strcmp(c->row->mnemonic, "ENDBR32") == 0) { /* a NOP with operands */
        return true;
    }

    for (unsigned i = 0; i < c->theirs.operand_count; i++) {
        const ZydisDecodedOperand *operand = &c->operands[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (operand->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
             operand->encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64)) {
            memory = true;
            if (!compare_memory(c, operand)) {
                return false;
            }
        }
        if (operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            continue;
        }
        if (ours == ROW_OPERANDS_MAX) {
            return differ(c, "number of operands", ours, ours + 1);
        }
        ZydisRegister reg = operand->type == ZYDIS_OPERAND_TYPE_REGISTER
                                ? operand->reg.value
                                : ZYDIS_REGISTER_NONE;
        if (our_register(c, ours) != reg && c->row->handler != HANDLER_nop_Ev) {
            snprintf(c->message, ORACLE_MESSAGE_BYTES, "%s: operand %u is %s, not %s",
                     c->row->mnemonic, ours,
                     ZydisRegisterGetString(our_register(c, ours)),
                     ZydisRegisterGetString(reg));
            return false;
        }
        ours++;
    }
    if (ours < ROW_OPERANDS_MAX && c->row->operands[ours].method == OPERAND_XMM0) {
        ours++; /* which it hides */
    }
    if (ours < ROW_OPERANDS_MAX && c->row->operands[ours].method != OPERAND_NONE &&
        c->row->handler != HANDLER_nop_Ev) {
        return differ(c, "number of operands", ours + 1, ours);
    }
    if (c->ours.memory != memory) {
        return differ(c, "memory", c->ours.memory, memory);
    }
    return true;
}

static bool compare_immediates(struct comparison *c)
{
    const struct ZydisDecodedInstructionRawImm_ *raw = c->theirs.raw.imm;
    uint32_t expected = (uint32_t)raw[0].value.u;
    uint32_t expected2 = 0;

    switch (c->row->immediate) {
    case IMMEDIATE_BYTE:
        expected &= 0xff;
        break;
    case IMMEDIATE_WORD:
        expected &= 0xffff;
        break;
    case IMMEDIATE_FULL:
    case IMMEDIATE_SIGNED_BYTE:
        if (c->ours.operand_bytes == 2) {
            c->ours.immediate &= 0xffff;
            expected &= 0xffff;
        }
        break;
    case IMMEDIATE_BRANCH_BYTE:
    case IMMEDIATE_BRANCH_FULL:
        expected += EIP + c->theirs.length;
        if (c->ours.operand_bytes == 2) {
            expected &= 0xffff;
        }
        break;
    case IMMEDIATE_FAR:
    case IMMEDIATE_ENTER:
        expected2 = (uint16_t)raw[1].value.u;
        break;
    case IMMEDIATE_REGISTER:
        expected &= 0xff;
        expected2 = (expected >> 4) & 7;
        break;
    default:
        expected = 0;
        break;
    }
    if (c->ours.immediate != expected) {
        return differ(c, "immediate", c->ours.immediate, expected);
    }
    if (c->ours.immediate2 != expected2) {
        return differ(c, "second immediate", c->ours.immediate2, expected2);
    }
    return true;
}

/* Where Zydis' list of flags is not the manual's, or they mean something else by it. */
static bool flags_differ(const struct instruction_row *row)
{
    static const char *const mnemonics[] = {
        "SBB",                          /* it forgets AF */
        "VPTEST", "VTESTPS", "VTESTPD", /* they clear the other four */
        "BEXTR",                        /* it clears CF and OF */
        "INT3",   "INT",     "INTO",    "ICEBP", "SYSENTER", /* in the handler's eyes */
        "RSM", /* is for ever invalid here */
    };

    for (unsigned i = 0; i < sizeof mnemonics / sizeof *mnemonics; i++) {
        if (strcmp(row->mnemonic, mnemonics[i]) == 0) {
            return true;
        }
    }
    /* Shifts by one define OF; it does not tell them from others. The ZF that ends a
     * repetition is the one of the comparison, not the old one. */
    return row->operands[1].method == OPERAND_1 || (row->attributes & ROW_REPCC);
}

static bool compare_flags(struct comparison *c)
{
    ZydisAccessedFlags none = {0};
    const ZydisAccessedFlags *flags = c->theirs.cpu_flags ? c->theirs.cpu_flags : &none;
    uint32_t mask = EFLAGS_ARITHMETIC | EFLAGS_DF;
    uint32_t written = (flags->modified | flags->set_0 | flags->set_1) & mask;
    uint32_t undefined = flags->undefined & mask, read = flags->tested & mask;

    if (flags_differ(c->row)) {
        return true;
    }
    if (c->row->opcode_count == 16) { /* …cc: which of them it reads is its condition */
        read |= c->row->flags_read;
    }
    if ((c->row->flags_written & mask) != written) {
        return differ(c, "flags written", c->row->flags_written & mask, written);
    }
    if ((c->row->flags_undefined & mask) != undefined) {
        return differ(c, "flags undefined", c->row->flags_undefined & mask, undefined);
    }
    if ((c->row->flags_read & mask) != read) {
        return differ(c, "flags read", c->row->flags_read & mask, read);
    }
    return true;
}

static bool compare_fields(struct comparison *c)
{
    if (c->ours.length != c->theirs.length) {
        return differ(c, "length", c->ours.length, c->theirs.length);
    }
    if (!same_mnemonic(c->row, ZydisMnemonicGetString(c->theirs.mnemonic))) {
        snprintf(c->message, ORACLE_MESSAGE_BYTES, "%s, expected %s", c->row->mnemonic,
                 ZydisMnemonicGetString(c->theirs.mnemonic));
        return false;
    }
    return compare_operands(c) && compare_immediates(c) && compare_flags(c);
}

static void start_zydis(ZydisDecoder *decoder, unsigned mode)
{
    ZydisDecoderInit(decoder, machine_modes[mode],
                     oracle_code_modes[mode] & CODE_MODE_32 ? ZYDIS_STACK_WIDTH_32
                                                            : ZYDIS_STACK_WIDTH_16);
    /* Where these are absent, they are NOPs, or something older. */
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
}

bool oracle_agrees(unsigned mode, const uint8_t bytes[ORACLE_BYTES],
                   char message[ORACLE_MESSAGE_BYTES])
{
    struct comparison c = {.mode = mode, .message = message};
    ZydisDecoder decoder;

    start_zydis(&decoder, mode);
    c.status =
        ZydisDecoderDecodeFull(&decoder, bytes, ORACLE_BYTES, &c.theirs, c.operands);
    c.result =
        decode_instruction(&c.ours, bytes, ORACLE_BYTES, EIP, oracle_code_modes[mode]);
    c.row = instruction_row(&c.ours);
    if (!compare_validity(&c)) {
        return false;
    }
    return c.result != DECODE_OK || !ZYAN_SUCCESS(c.status) || compare_fields(&c);
}
