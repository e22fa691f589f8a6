/* tests/cpu/decoder_exceptions.c: where our decoder and Zydis differ deliberately. */
#include "decoder_exceptions.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const uint8_t absent_extensions[] = {
    /* Of AMD. */
    ZYDIS_ISA_EXT_AMD3DNOW,
    ZYDIS_ISA_EXT_SSE4A,
    ZYDIS_ISA_EXT_XOP,
    ZYDIS_ISA_EXT_FMA4,
    ZYDIS_ISA_EXT_TBM,
    ZYDIS_ISA_EXT_SVM,
    ZYDIS_ISA_EXT_SNP,
    ZYDIS_ISA_EXT_AMD_INVLPGB,
    ZYDIS_ISA_EXT_CLZERO,
    ZYDIS_ISA_EXT_MONITORX,
    ZYDIS_ISA_EXT_MCOMMIT,
    ZYDIS_ISA_EXT_RDPRU,
    /* Of VIA. */
    ZYDIS_ISA_EXT_PADLOCK,
    /* Virtual machines and enclaves within ours. */
    ZYDIS_ISA_EXT_VTX,
    ZYDIS_ISA_EXT_VMFUNC,
    ZYDIS_ISA_EXT_SMX,
    ZYDIS_ISA_EXT_SGX,
    ZYDIS_ISA_EXT_SGX_ENCLV,
    ZYDIS_ISA_EXT_TDX,
    /* Vectors beyond AVX2. */
    ZYDIS_ISA_EXT_AVX512EVEX,
    ZYDIS_ISA_EXT_AVX512VEX,
    ZYDIS_ISA_EXT_AVX_VNNI,
    ZYDIS_ISA_EXT_VAES,
    ZYDIS_ISA_EXT_VPCLMULQDQ,
    ZYDIS_ISA_EXT_GFNI,
    ZYDIS_ISA_EXT_KEYLOCKER,
    ZYDIS_ISA_EXT_KEYLOCKER_WIDE,
    /* Control flow and transactions. */
    ZYDIS_ISA_EXT_CET,
    ZYDIS_ISA_EXT_RTM,
    ZYDIS_ISA_EXT_TSX_LDTRK,
    ZYDIS_ISA_EXT_UINTR,
    /* System instructions newer than the rest of this processor. */
    ZYDIS_ISA_EXT_HRESET,
    ZYDIS_ISA_EXT_SERIALIZE,
    ZYDIS_ISA_EXT_PCONFIG,
    ZYDIS_ISA_EXT_ENQCMD,
    ZYDIS_ISA_EXT_MOVDIR,
    ZYDIS_ISA_EXT_WAITPKG,
    ZYDIS_ISA_EXT_PT,
    ZYDIS_ISA_EXT_PKU,
    ZYDIS_ISA_EXT_SMAP,
    ZYDIS_ISA_EXT_INVPCID,
    ZYDIS_ISA_EXT_RDPID,
    ZYDIS_ISA_EXT_RDWRFSGS,
    ZYDIS_ISA_EXT_MONITOR,
    ZYDIS_ISA_EXT_XSAVEC,
    ZYDIS_ISA_EXT_XSAVES,
};

static const char *const aliases[][2] = {
    /* Zydis has names for the forms with 32-bit operands or addresses. */
    {"CBW", "cwde"},
    {"CWD", "cdq"},
    {"PUSHA", "pushad"},
    {"POPA", "popad"},
    {"PUSHF", "pushfd"},
    {"POPF", "popfd"},
    {"IRET", "iretd"},
    {"JCXZ", "jecxz"},
    /* The manual writes both RET; ICEBP is what everybody calls INT1. */
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
    {"ENDBR32", "nop"}, /* with CET off */
};

static const char *const other_flags[] = {
    "SBB",      /* Zydis forgets AF */
    "VPTEST",   /* clears the other four, too */
    "VTESTPS",  /* the same */
    "VTESTPD",  /* the same */
    "BEXTR",    /* clears CF and OF */
    "INT3",     /* Zydis shows them as the handler sees them */
    "INT",      /* the same */
    "INTO",     /* the same */
    "ICEBP",    /* the same */
    "SYSENTER", /* the same */
    "RSM",      /* for ever invalid here */
};

static const char *const other_operands[] = {
    "FUCOMP",  /* for Zydis ST0 is an operand, unlike FUCOM's */
    "ENDBR32", /* a NOP with operands */
};

void exception_configure(ZydisDecoder *decoder)
{
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
}

bool exception_absent(const ZydisDecodedInstruction *theirs)
{
    for (unsigned i = 0; i < COUNT(absent_extensions); i++) {
        if (theirs->meta.isa_ext == absent_extensions[i]) {
            return true;
        }
    }
    /* AMD's SYSCALL and SYSRET outside 64-bit mode. */
    return theirs->meta.isa_set == ZYDIS_ISA_SET_AMD;
}

bool exception_present(const struct instruction_row *row, uint32_t code_mode)
{
    /* That they are invalid in real-address mode is their handlers' business. */
    return (row->attributes & ROW_PROTECTED) && !(code_mode & CODE_MODE_VEX);
}

bool exception_alias(const char *ours, const char *theirs)
{
    for (unsigned i = 0; i < COUNT(aliases); i++) {
        if (strcmp(ours, aliases[i][0]) == 0 && strcmp(theirs, aliases[i][1]) == 0) {
            return true;
        }
    }
    return false;
}

static bool contains(const char *const *list, unsigned count, const char *mnemonic)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(list[i], mnemonic) == 0) {
            return true;
        }
    }
    return false;
}

bool exception_flags(const struct instruction_row *row)
{
    /* Shifts by one define OF; Zydis does not tell them from others. The ZF that ends a
     * repetition is the one of the comparison, not the old one. */
    return row->operands[1].method == OPERAND_1 || (row->attributes & ROW_REPCC) ||
           contains(other_flags, COUNT(other_flags), row->mnemonic);
}

bool exception_operands(const struct instruction_row *row)
{
    /* Of NOPs with ModRM Zydis names a second operand for some. */
    return row->handler == HANDLER_nop_Ev ||
           contains(other_operands, COUNT(other_operands), row->mnemonic);
}

bool exception_size(const struct instruction_row *row)
{
    /* No fixed number of bytes: an XSAVE area, nothing, elements of a vector, a cache
     * line. */
    return row->operands[row_memory_operand(row)].size == SIZE_NONE ||
           (row->attributes & ROW_VSIB) || row->handler == HANDLER_clflush_Mb ||
           row->handler == HANDLER_nop_Ev;
}
