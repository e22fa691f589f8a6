/* cpu/core/instruction_table.c: operand sizes. Source: Intel SDM vol. 2, A.2.2. */
#include "cpu/core/instruction_table.h"

unsigned operand_bytes(enum operand_size size, bool memory,
                       const struct instruction *instruction)
{
    bool wide = instruction->operand_bytes == 4;

    switch (size) {
    case SIZE_B:
        return 1;
    case SIZE_W:
    case SIZE_16INT:
        return 2;
    case SIZE_D:
    case SIZE_SS:
    case SIZE_32INT:
    case SIZE_32FP:
        return 4;
    case SIZE_Q:
    case SIZE_SD:
    case SIZE_64INT:
    case SIZE_64FP:
        return 8;
    case SIZE_80FP:
    case SIZE_80BCD:
        return 10;
    case SIZE_DQ:
        return 16;
    case SIZE_V:
    case SIZE_Z:
        return wide ? 4 : 2;
    case SIZE_X:
    case SIZE_PS:
    case SIZE_PD:
        return instruction->vex_flags & INSTRUCTION_VEX_L ? 32 : 16;
    case SIZE_P:
        return wide ? 6 : 4;
    case SIZE_A:
        return wide ? 8 : 4;
    case SIZE_S:
        return 6;
    case SIZE_VW:
        return memory || !wide ? 2 : 4;
    case SIZE_DW:
        return memory ? 2 : 4;
    case SIZE_DB:
        return memory ? 1 : 4;
    case SIZE_ENV:
        return wide ? 28 : 14;
    case SIZE_STATE:
        return wide ? 108 : 94;
    case SIZE_512:
        return 512;
    case SIZE_NONE:
        break;
    }
    return 0;
}

int row_memory_operand(const struct instruction_row *row)
{
    for (int i = 0; i < ROW_OPERANDS_MAX; i++) {
        switch (row->operands[i].method) {
        case OPERAND_E:
        case OPERAND_M:
        case OPERAND_O:
        case OPERAND_Q:
        case OPERAND_W:
        case OPERAND_VM:
            return i;
        default:
            break;
        }
    }
    return -1;
}

unsigned instruction_memory_bytes(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    int operand = row_memory_operand(row);

    if (!instruction->memory || operand < 0) {
        return 0;
    }
    return operand_bytes(row->operands[operand].size, true, instruction);
}
