/* tests/cpu/decoder_oracle.h: our decoder and Zydis on the same bytes. */
#ifndef TESTS_CPU_DECODER_ORACLE_H
#define TESTS_CPU_DECODER_ORACLE_H

#include "cpu/core/instruction_table.h"
#include "cpu/decoder/decoder.h"

#include <Zydis/Zydis.h>

enum { ORACLE_BYTES = 20, ORACLE_MODES = 3, ORACLE_MESSAGE_BYTES = 200 };

/* 16-bit without VEX, 16-bit, 32-bit. */
extern const uint32_t oracle_code_modes[ORACLE_MODES];

/* Decodes `bytes` both ways. Returns true if the two agree, in all that can be
 * compared, or differ for a reason that is listed; else `message` says what differs, in
 * terms of mnemonics, not of the bytes. */
bool oracle_agrees(unsigned mode, const uint8_t bytes[ORACLE_BYTES], int *row,
                   char message[ORACLE_MESSAGE_BYTES]);

#endif
