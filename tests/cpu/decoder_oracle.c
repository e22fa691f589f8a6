/* tests/cpu/decoder_oracle.c: our decoder and Zydis on the same bytes. */
#include "decoder_oracle.h"

#include "decoder_exceptions.h"

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

static bool compare_validity(struct comparison *c)
{
    bool theirs = ZYAN_SUCCESS(c->status);

    if (c->result == DECODE_OK && !theirs &&
        !exception_present(c->row, oracle_code_modes[c->mode])) {
        snprintf(c->message, ORACLE_MESSAGE_BYTES, "%s: expected invalid (status %x)",
                 c->row->mnemonic, (unsigned)c->status);
        return false;
    }
    if (c->result != DECODE_OK && theirs && !exception_absent(&c->theirs)) {
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
    return strcasecmp(row->mnemonic, theirs) == 0 ||
           exception_alias(row->mnemonic, theirs);
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
    if (!exception_size(c->row) &&
        instruction_memory_bytes(ours) * 8 != operand->size) {
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

static bool compare_registers(struct comparison *c)
{
    unsigned ours = 0;

    for (unsigned i = 0; i < c->theirs.operand_count; i++) {
        const ZydisDecodedOperand *operand = &c->operands[i];
        if (operand->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            continue;
        }
        if (ours == ROW_OPERANDS_MAX) {
            return differ(c, "number of operands", ours, ours + 1);
        }
        ZydisRegister reg = operand->type == ZYDIS_OPERAND_TYPE_REGISTER
                                ? operand->reg.value
                                : ZYDIS_REGISTER_NONE;
        if (our_register(c, ours) != reg) {
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
    if (ours < ROW_OPERANDS_MAX && c->row->operands[ours].method != OPERAND_NONE) {
        return differ(c, "number of operands", ours + 1, ours);
    }
    return true;
}

static bool compare_operands(struct comparison *c)
{
    bool memory = false;

    if (c->row->attributes & ROW_STRING) {
        return compare_string(c);
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
    }
    if (c->ours.memory != memory) {
        return differ(c, "memory", c->ours.memory, memory);
    }
    return exception_operands(c->row) || compare_registers(c);
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

static bool compare_flags(struct comparison *c)
{
    ZydisAccessedFlags none = {0};
    const ZydisAccessedFlags *flags = c->theirs.cpu_flags ? c->theirs.cpu_flags : &none;
    uint32_t mask = EFLAGS_ARITHMETIC | EFLAGS_DF;
    uint32_t written = (flags->modified | flags->set_0 | flags->set_1) & mask;
    uint32_t undefined = flags->undefined & mask, read = flags->tested & mask;

    if (exception_flags(c->row)) {
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
    exception_configure(decoder);
}

bool oracle_agrees(unsigned mode, const uint8_t bytes[ORACLE_BYTES], int *row,
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
    *row = c.result == DECODE_OK ? c.ours.row : -1;
    if (!compare_validity(&c)) {
        return false;
    }
    return c.result != DECODE_OK || !ZYAN_SUCCESS(c.status) || compare_fields(&c);
}
