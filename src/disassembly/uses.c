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
    bool same = reg == ZYDIS_REGISTER_XMM0 + number ||
                reg == ZYDIS_REGISTER_YMM0 + number;
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

struct disassembly_use disassembly_use(const uint8_t *code, size_t bytes, bool is16,
                                       enum disassembly_kind kind, unsigned number)
{
    struct disassembly_use use = {0};
    ZydisDecoder decoder;
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecoderInit(&decoder,
                     is16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32,
                     is16 ? ZYDIS_STACK_WIDTH_16 : ZYDIS_STACK_WIDTH_32);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code, bytes, &instruction, operands))) {
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
