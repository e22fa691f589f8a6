/* cpu/decoder/decoder_internal.h: what the two halves of the decoder share. */
#ifndef CPU_DECODER_DECODER_INTERNAL_H
#define CPU_DECODER_DECODER_INTERNAL_H

#include "cpu/core/instruction_table.h"
#include "cpu/decoder/decoder.h"

struct decoder {
    const uint8_t *bytes;
    unsigned position; /* of the next byte to look at */
    unsigned limit;    /* no byte from here on may be read; 15 at most */
    uint8_t map;       /* enum opcode_map */
    uint8_t prefix;    /* enum candidate_prefix: the one that there is */
    uint8_t fulfilled; /* enum candidate_demand: what the bytes comply with */
};

/* DECODE_OK if `count` more bytes may be read. */
enum decode_result decoder_need(const struct decoder *decoder, unsigned count);

/* The fields that ModRM, SIB and displacement determine; the position is behind ModRM,
 * out->modrm. `attributes` are the row's. */
enum decode_result decode_modrm(struct decoder *decoder, struct instruction *out,
                                uint32_t attributes);

#endif
