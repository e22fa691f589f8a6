/* cpu/decoder/modrm.c: memory operands. Source: Intel SDM vol. 2, tables 2-1 to 2-3,
 * and section 2.3.12 for vectors of addresses. */
#include "cpu/decoder/decoder_internal.h"

#include <string.h>

/* Sets the default segment: SS with (E)BP or ESP as base. */
static void set_base(struct instruction *out, uint8_t base)
{
    out->base = base;
    if (!(out->prefixes & PREFIX_SEGMENT) &&
        (base == REGISTER_EBP || base == REGISTER_ESP)) {
        out->segment = SEGMENT_SS;
    }
}

/* Returns how many bytes of displacement follow. */
static unsigned decode_address16(struct instruction *out)
{
    static const uint8_t bases[8] = {REGISTER_EBX, REGISTER_EBX, REGISTER_EBP,
                                     REGISTER_EBP, REGISTER_ESI, REGISTER_EDI,
                                     REGISTER_EBP, REGISTER_EBX};
    static const uint8_t indices[4] = {REGISTER_ESI, REGISTER_EDI, REGISTER_ESI,
                                       REGISTER_EDI};
    unsigned mod = out->modrm >> 6, rm = out->modrm & 7;

    if (mod == 0 && rm == 6) {
        return 2;
    }
    set_base(out, bases[rm]);
    if (rm < 4) {
        out->index = indices[rm];
    }
    return mod;
}

static unsigned decode_address32(struct instruction *out, uint8_t sib, bool vsib)
{
    unsigned mod = out->modrm >> 6, base = out->modrm & 7;

    if (base == 4) {
        unsigned index = (sib >> 3) & 7;
        base = sib & 7;
        if (index != 4 || vsib) {
            out->index = index;
            out->scale = sib >> 6;
        }
    }
    if (mod == 0 && base == 5) {
        return 4;
    }
    set_base(out, base);
    return mod == 2 ? 4 : mod;
}

static enum decode_result decode_displacement(struct decoder *decoder,
                                              struct instruction *out, unsigned width)
{
    enum decode_result result = decoder_need(decoder, width);
    const uint8_t *bytes = decoder->bytes + decoder->position;
    int16_t word;

    if (result != DECODE_OK) {
        return result;
    }
    switch (width) {
    case 1:
        out->displacement = (uint32_t)(int8_t)bytes[0];
        break;
    case 2:
        memcpy(&word, bytes, sizeof word);
        out->displacement = (uint32_t)word;
        break;
    case 4:
        memcpy(&out->displacement, bytes, sizeof out->displacement);
        break;
    default:
        break;
    }
    decoder->position += width;
    return DECODE_OK;
}

enum decode_result decode_modrm(struct decoder *decoder, struct instruction *out,
                                uint32_t attributes)
{
    uint8_t sib = 0;

    out->reg = (out->modrm >> 3) & 7;
    if (out->modrm >= 0xc0 || (attributes & ROW_REGISTER)) {
        out->rm = out->modrm & 7;
        return DECODE_OK;
    }
    out->memory = true;
    if (out->address_mask == 0xffff) {
        if (attributes & ROW_VSIB) {
            return DECODE_INVALID;
        }
        return decode_displacement(decoder, out, decode_address16(out));
    }
    if ((out->modrm & 7) == 4) {
        enum decode_result result = decoder_need(decoder, 1);
        if (result != DECODE_OK) {
            return result;
        }
        sib = decoder->bytes[decoder->position++];
    } else if (attributes & ROW_VSIB) {
        return DECODE_INVALID;
    }
    return decode_displacement(decoder, out,
                               decode_address32(out, sib, attributes & ROW_VSIB));
}
