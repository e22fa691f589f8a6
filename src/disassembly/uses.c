#include "disassembly/uses.h"

#include <Zydis/Zydis.h>

enum { VECTOR_BITS = 128, FLAGS = 0xcd5 /* OF DF SF ZF AF PF CF */ };

/* The bits of the 32-bit register that `reg` is a part of; 0: of another. */
static uint32_t general_bits(ZydisRegister reg, unsigned number)
{
    if (reg == ZYDIS_REGISTER_NONE ||
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LEGACY_32, reg) !=
            ZYDIS_REGISTER_EAX + number) {
        return 0;
    }
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH) {
        return 0xff00;
    }
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
        return 0xff;
    case ZYDIS_REGCLASS_GPR16:
        return 0xffff;
    default:
        return UINT32_MAX;
    }
}

static uint32_t register_bits(enum disassembly_kind kind, ZydisRegister reg,
                              unsigned number)
{
    if (kind == DISASSEMBLY_GENERAL) {
        return general_bits(reg, number);
    }
    bool same =
        reg == ZYDIS_REGISTER_XMM0 + number || reg == ZYDIS_REGISTER_YMM0 + number;
    return kind == DISASSEMBLY_VECTOR && same ? UINT32_MAX : 0;
}

static void add_operand(struct disassembly_use *use, enum disassembly_kind kind,
                        unsigned number, const ZydisDecodedOperand *operand)
{
    if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        use->reads |= register_bits(kind, operand->mem.base, number);
        use->reads |= register_bits(kind, operand->mem.index, number);
        return;
    }
    if (operand->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return;
    }
    uint32_t bits = register_bits(kind, operand->reg.value, number);
    if (operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ) {
        use->reads |= bits;
    }
    /* Instructions may write a part of a vector register: only moves of all of it, and
     * what the assembler knows as a plain write, count. */
    bool whole = kind == DISASSEMBLY_GENERAL || operand->size >= VECTOR_BITS;
    if ((operand->actions & ZYDIS_OPERAND_ACTION_WRITE) && whole) {
        use->writes |= bits;
    }
}

static void add_flags(struct disassembly_use *use, const ZydisAccessedFlags *flags)
{
    use->reads |= flags->tested & FLAGS;
    use->writes |=
        (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & FLAGS;
}

/* XOR and SUB of a register with itself: what it held does not matter. */
static bool is_clearing(const ZydisDecodedInstruction *instruction,
                        const ZydisDecodedOperand *operands)
{
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_PXOR:
    case ZYDIS_MNEMONIC_XORPS:
    case ZYDIS_MNEMONIC_XORPD:
        return operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
               operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
               operands[0].reg.value == operands[1].reg.value;
    default:
        return false;
    }
}

/* These put all flags, or registers, into memory or elsewhere. */
static bool reads_flags(const ZydisDecodedInstruction *instruction)
{
    switch (instruction->mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT3:
        return true;
    default:
        return false;
    }
}

static bool decode(const uint8_t *code, size_t bytes, bool is16,
                   ZydisDecodedInstruction *instruction, ZydisDecodedOperand *operands)
{
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder,
                     is16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     is16 ? ZYDIS_STACK_WIDTH_16 : ZYDIS_STACK_WIDTH_32);
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, code, bytes, instruction, operands));
}

struct disassembly_use disassembly_use(const uint8_t *code, size_t bytes, bool is16,
                                       enum disassembly_kind kind, unsigned number)
{
    struct disassembly_use use = {0};
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!decode(code, bytes, is16, &instruction, operands)) {
        return use;
    }
    use.known = true;
    if (kind == DISASSEMBLY_FLAGS) {
        if (instruction.cpu_flags) {
            add_flags(&use, instruction.cpu_flags);
        }
        use.reads |= reads_flags(&instruction) ? FLAGS : 0;
        return use;
    }
    for (unsigned i = 0; i < instruction.operand_count; i++) {
        add_operand(&use, kind, number, &operands[i]);
    }
    if (is_clearing(&instruction, operands)) {
        use.reads &= ~use.writes;
    }
    return use;
}

/* -- on the safe side -- */

/* How far it is known what an instruction does with registers. */
enum knowledge {
    NOT_KNOWN,
    AS_DECODED,   /* what the disassembler says of operands and flags */
    FLAGS_REMAIN, /* likewise, but flags may stay what they were: shifts by 0 */
    REPEATABLE,   /* string instructions: with a REP prefix they may do nothing */
};

static enum knowledge knowledge_of(ZydisMnemonic mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_ADC:
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_BSWAP:
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_CBW:
    case ZYDIS_MNEMONIC_CDQ:
    case ZYDIS_MNEMONIC_CLC:
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_CMC:
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_CWD:
    case ZYDIS_MNEMONIC_CWDE:
    case ZYDIS_MNEMONIC_DEC:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_LEA:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVZX:
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_NOT:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_OUT:
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_SAHF:
    case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_STC:
    case ZYDIS_MNEMONIC_STD:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_XADD:
    case ZYDIS_MNEMONIC_XCHG:
    case ZYDIS_MNEMONIC_XOR:
        return AS_DECODED;
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SHRD:
        return FLAGS_REMAIN;
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSD:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSD:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSW:
        return REPEATABLE;
    default:
        return NOT_KNOWN;
    }
}

static bool is_conditional(const ZydisDecodedInstruction *instruction)
{
    return instruction->meta.category == ZYDIS_CATEGORY_COND_BR ||
           instruction->meta.category == ZYDIS_CATEGORY_SETCC ||
           instruction->meta.category == ZYDIS_CATEGORY_CMOV;
}

/* Near jumps, calls and returns within what general registers, flags, EIP and memory
 * are: no selectors, no control registers. */
static bool has_plain_operands(const ZydisDecodedInstruction *instruction,
                               const ZydisDecodedOperand *operands)
{
    if (instruction->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        return false;
    }
    for (unsigned i = 0; i < instruction->operand_count; i++) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) {
            continue;
        }
        switch (ZydisRegisterGetClass(operands[i].reg.value)) {
        case ZYDIS_REGCLASS_GPR8:
        case ZYDIS_REGCLASS_GPR16:
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_FLAGS:
        case ZYDIS_REGCLASS_IP:
            break;
        case ZYDIS_REGCLASS_SEGMENT: /* of memory, by itself */
            if (operands[i].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
                break;
            }
            return false;
        default:
            return false;
        }
    }
    return true;
}

/* Either does, also one that the manual has not for the instruction. */
static bool has_repeat_prefix(const ZydisDecodedInstruction *instruction)
{
    for (unsigned i = 0; i < instruction->raw.prefix_count; i++) {
        if ((instruction->raw.prefixes[i].value & 0xfe) == 0xf2) {
            return true;
        }
    }
    return false;
}

/* How wide stack pointers are, and which part of a counter counts, need not be known:
 * all of it is read. */
static void widen(struct disassembly_all_uses *uses,
                  const ZydisDecodedInstruction *instruction,
                  const ZydisDecodedOperand *operands, bool repeats)
{
    enum { ECX = 1, ESP = 4, ESI = 6, EDI = 7 };
    for (unsigned i = 0; i < instruction->operand_count; i++) {
        if (operands[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN) {
            continue;
        }
        for (unsigned number = 0; number < 8; number++) {
            struct disassembly_use use = {0};
            add_operand(&use, DISASSEMBLY_GENERAL, number, &operands[i]);
            bool address = operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY;
            if ((number == ESP && (use.reads || use.writes)) ||
                (address && use.reads)) {
                uses->reads[number] = UINT32_MAX;
            }
        }
    }
    if (instruction->meta.category == ZYDIS_CATEGORY_COND_BR) {
        uses->reads[ECX] |= uses->reads[ECX] ? UINT32_MAX : 0;
    }
    if (repeats) {
        uses->reads[ECX] = uses->reads[ESI] = uses->reads[EDI] = UINT32_MAX;
        uses->reads_flags |= uses->writes_flags;
        for (unsigned number = 0; number < 8; number++) {
            uses->reads[number] |= uses->writes[number];
        }
    }
}

/* What it reads and writes of a register; or may write, which is no better. */
static void find_general(struct disassembly_all_uses *uses, unsigned number,
                         const ZydisDecodedInstruction *instruction,
                         const ZydisDecodedOperand *operands)
{
    struct disassembly_use use = {0};
    uint32_t may_write = 0;
    for (unsigned i = 0; i < instruction->operand_count; i++) {
        add_operand(&use, DISASSEMBLY_GENERAL, number, &operands[i]);
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (operands[i].actions & ZYDIS_OPERAND_ACTION_CONDWRITE)) {
            may_write |= general_bits(operands[i].reg.value, number);
        }
    }
    if (is_clearing(instruction, operands)) {
        use.reads &= ~use.writes;
    }
    uses->reads[number] = use.reads | may_write;
    uses->writes[number] = use.writes;
}

static void find_flags(struct disassembly_all_uses *uses,
                       const ZydisAccessedFlags *flags, bool may_remain)
{
    const uint32_t written = flags->modified | flags->set_0 | flags->set_1;
    uses->writes_flags = written & FLAGS;
    uses->reads_flags =
        (flags->tested | flags->undefined | (may_remain ? written : 0)) & FLAGS;
}

void disassembly_find_uses(const uint8_t *code, size_t bytes, bool is16,
                           struct disassembly_all_uses *uses)
{
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    *uses = (struct disassembly_all_uses){0};
    if (!decode(code, bytes, is16, &instruction, operands)) {
        return;
    }
    uses->length = instruction.length;
    enum knowledge knowledge =
        is_conditional(&instruction) ? AS_DECODED : knowledge_of(instruction.mnemonic);
    if (knowledge == NOT_KNOWN || !has_plain_operands(&instruction, operands)) {
        return;
    }
    uses->certain = true;
    for (unsigned number = 0; number < 8; number++) {
        find_general(uses, number, &instruction, operands);
    }
    if (instruction.cpu_flags) {
        find_flags(uses, instruction.cpu_flags, knowledge == FLAGS_REMAIN);
    }
    widen(uses, &instruction, operands,
          knowledge == REPEATABLE && has_repeat_prefix(&instruction));
}
