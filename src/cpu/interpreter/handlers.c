#include "cpu/interpreter/handlers.h"

#include "cpu/core/cpuid.h"
#include "cpu/core/exception.h"
#include "cpu/core/instruction_table.h"

#define X(name) extern const struct handler_set exec_##name;
INSTRUCTION_HANDLERS(X)
#undef X

static const struct handler_set *const handler_sets[] = {
#define X(name) &exec_##name,
    INSTRUCTION_HANDLERS(X)
#undef X
};

static const struct instruction *raise_invalid(struct cpu *cpu,
                                               const struct instruction *instruction)
{
    (void)instruction;
    cpu_raise(cpu, EXCEPTION_UD);
}

/* Features of the instruction table and the CPUID bits that report them. */
static const uint16_t feature_bits[FEATURE_COUNT] = {
    [FEATURE_FPU] = CPUID_FPU,
    [FEATURE_TSC] = CPUID_TSC,
    [FEATURE_MSR] = CPUID_MSR,
    [FEATURE_CX8] = CPUID_CX8,
    [FEATURE_SEP] = CPUID_SEP,
    [FEATURE_CMOV] = CPUID_CMOV,
    [FEATURE_CLFLUSH] = CPUID_CLFSH,
    [FEATURE_CLFLUSHOPT] = CPUID_CLFLUSHOPT,
    [FEATURE_CLWB] = CPUID_CLWB,
    [FEATURE_MMX] = CPUID_MMX,
    [FEATURE_FXSR] = CPUID_FXSR,
    [FEATURE_SSE] = CPUID_SSE,
    [FEATURE_SSE2] = CPUID_SSE2,
    [FEATURE_SSE3] = CPUID_SSE3,
    [FEATURE_SSSE3] = CPUID_SSSE3,
    [FEATURE_SSE4_1] = CPUID_SSE41,
    [FEATURE_SSE4_2] = CPUID_SSE42,
    [FEATURE_POPCNT] = CPUID_POPCNT,
    [FEATURE_MOVBE] = CPUID_MOVBE,
    [FEATURE_AES] = CPUID_AES,
    [FEATURE_PCLMULQDQ] = CPUID_PCLMULQDQ,
    [FEATURE_SHA] = CPUID_SHA,
    [FEATURE_XSAVE] = CPUID_XSAVE,
    [FEATURE_XSAVEOPT] = CPUID_XSAVEOPT,
    [FEATURE_AVX] = CPUID_AVX,
    [FEATURE_AVX2] = CPUID_AVX2,
    [FEATURE_FMA] = CPUID_FMA,
    [FEATURE_F16C] = CPUID_F16C,
    [FEATURE_BMI1] = CPUID_BMI1,
    [FEATURE_BMI2] = CPUID_BMI2,
    [FEATURE_LZCNT] = CPUID_LZCNT,
    [FEATURE_ADX] = CPUID_ADX,
    [FEATURE_RDRAND] = CPUID_RDRAND,
    [FEATURE_RDSEED] = CPUID_RDSEED,
    [FEATURE_RDTSCP] = CPUID_RDTSCP,
};

static bool has_feature(const struct cpu *cpu, const struct instruction *instruction,
                        const struct instruction_row *row)
{
    unsigned feature =
        instruction->vex_flags & INSTRUCTION_VEX_L ? row->feature_256 : row->feature;
    return feature == FEATURE_NONE || cpuid_has(cpu, feature_bits[feature]);
}

/* Processors that lack TZCNT and LZCNT ignore the prefix that makes them. */
static const struct handler_set *without_feature(const struct instruction_row *row)
{
    switch (row->handler) {
    case HANDLER_tzcnt_Gv_Ev:
        return handler_sets[HANDLER_bsf_Gv_Ev];
    case HANDLER_lzcnt_Gv_Ev:
        return handler_sets[HANDLER_bsr_Gv_Ev];
    default:
        return NULL;
    }
}

instruction_handler *handler_choose(const struct cpu *cpu,
                                    const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    const struct handler_set *set = handler_sets[row->handler];
    if (!has_feature(cpu, instruction, row)) {
        set = without_feature(row);
        if (!set) {
            return raise_invalid;
        }
    }
    if (set->by_condition) {
        set = &set->by_condition[instruction->opcode & 15];
    }
    bool is_16_bit = instruction->operand_bytes == 2;
    if (!instruction->memory) {
        return is_16_bit ? set->register16 : set->register32;
    }
    bool simple = set->simple32 && instruction->index == REGISTER_ZERO &&
                  instruction->address_mask == UINT32_MAX;
    if (simple) {
        return is_16_bit ? set->simple16 : set->simple32;
    }
    return is_16_bit ? set->memory16 : set->memory32;
}

bool handler_is_invalid(const struct instruction *instruction)
{
    return instruction->execute == raise_invalid;
}

bool handler_ends_block(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    bool conditional_jump = row->handler == HANDLER_jcc_Jb ||
                            row->handler == HANDLER_jcc_Jz ||
                            row->handler == HANDLER_jcxz_Jb;
    return (row->attributes & ROW_ENDS) && !conditional_jump;
}
