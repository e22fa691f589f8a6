/* tests/cpu/decoder_exceptions.h: where our decoder and Zydis differ deliberately. */
#ifndef TESTS_CPU_DECODER_EXCEPTIONS_H
#define TESTS_CPU_DECODER_EXCEPTIONS_H

#include "cpu/core/instruction_table.h"

#include <Zydis/Zydis.h>

/* Switches off what would make other instructions of old ones. */
void exception_configure(ZydisDecoder *decoder);

/* Zydis knows it, we do not carry it: CPUID does not show it. */
bool exception_absent(const ZydisDecodedInstruction *theirs);

/* We decode it in this code mode, Zydis does not. */
bool exception_present(const struct instruction_row *row, uint32_t code_mode);

/* The two mnemonics mean the same. */
bool exception_alias(const char *ours, const char *theirs);

/* Not to be compared: flags; operands; the size of the memory operand. */
bool exception_flags(const struct instruction_row *row);
bool exception_operands(const struct instruction_row *row);
bool exception_size(const struct instruction_row *row);

#endif
