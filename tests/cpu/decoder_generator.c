/* tests/cpu/decoder_generator.c: bytes to decode, made at random. */
#include "decoder_generator.h"

#include "cpu/core/instruction_table.h"

struct writer {
    uint64_t *state;
    uint8_t *bytes;
    unsigned position;
};

static unsigned below(struct writer *writer, unsigned bound)
{
    return random_next(writer->state) % bound;
}

static void put(struct writer *writer, uint8_t byte)
{
    writer->bytes[writer->position++] = byte;
}

static void put_prefixes(struct writer *writer)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x66,
                                       0x66, 0x67, 0x67, 0x67, 0xf0, 0xf0, 0xf2, 0xf3};
    unsigned kind = below(writer, 32);
    unsigned count = kind < 16 ? 0 : kind < 31 ? kind % 4 : below(writer, 16);

    while (count-- > 0) {
        put(writer, prefixes[below(writer, sizeof prefixes)]);
    }
}

static uint8_t mandatory(struct writer *writer, uint8_t accepted)
{
    unsigned choice;

    do {
        choice = below(writer, 4);
    } while (!(accepted & (1U << choice)));
    return choice;
}

static void put_vex(struct writer *writer,
                    const struct instruction_candidate *candidate, unsigned map)
{
    unsigned l = candidate->demands & CANDIDATE_L1   ? 1
                 : candidate->demands & CANDIDATE_L0 ? 0
                                                     : below(writer, 2);
    unsigned w = candidate->demands & CANDIDATE_W1   ? 1
                 : candidate->demands & CANDIDATE_W0 ? 0
                                                     : below(writer, 2);
    unsigned vvvv = candidate->demands & CANDIDATE_NO_VVVV ? 15 : 8 + below(writer, 8);
    unsigned last = vvvv << 3 | l << 2 | mandatory(writer, candidate->prefixes);

    if (map == OPCODE_MAP_VEX_0F && w == 0 && below(writer, 2)) {
        put(writer, 0xc5);
        put(writer, 0x80 | last);
    } else {
        put(writer, 0xc4);
        put(writer, 0xc0 | below(writer, 2) << 5 | (map - OPCODE_MAP_VEX_0F + 1));
        put(writer, w << 7 | last);
    }
}

static void put_legacy(struct writer *writer,
                       const struct instruction_candidate *candidate, unsigned map)
{
    static const uint8_t prefixes[4] = {0, 0x66, 0xf3, 0xf2};

    if (candidate->prefixes != 15) {
        unsigned choice = mandatory(writer, candidate->prefixes);
        if (choice != 0) {
            put(writer, prefixes[choice]);
        }
    }
    if (map != OPCODE_MAP_1) {
        put(writer, 0x0f);
    }
    if (map == OPCODE_MAP_0F38 || map == OPCODE_MAP_0F3A) {
        put(writer, map == OPCODE_MAP_0F38 ? 0x38 : 0x3a);
    }
}

static void put_row(struct writer *writer)
{
    const struct opcode_entry *entry;
    unsigned map, opcode;

    do {
        map = below(writer, OPCODE_MAP_COUNT);
        opcode = below(writer, 256);
        entry = &opcode_entries[map][opcode];
    } while (entry->count == 0);
    const struct instruction_candidate *candidate =
        &instruction_candidates[entry->first + below(writer, entry->count)];
    put_prefixes(writer);
    if (map >= OPCODE_MAP_VEX_0F) {
        put_vex(writer, candidate, map);
    } else {
        put_legacy(writer, candidate, map);
    }
    put(writer, opcode);
    if (entry->modrm) {
        uint8_t modrm = writer->bytes[writer->position];
        modrm = (modrm & ~candidate->modrm_mask) | candidate->modrm_value;
        if (candidate->demands & CANDIDATE_MEMORY) {
            modrm &= below(writer, 2) ? 0x7f : 0xbf;
        }
        put(writer, modrm);
    }
}

void generate_instruction(uint64_t *state, uint8_t *bytes, unsigned count)
{
    enum { LONGEST = 15 + 1 + 6 }; /* prefixes, mandatory one, opcode and ModRM */
    uint8_t buffer[LONGEST + 16];
    struct writer writer = {.state = state, .bytes = buffer};

    for (unsigned i = 0; i < sizeof buffer; i++) {
        buffer[i] = random_next(state);
    }
    if (below(&writer, 8) != 0) {
        put_row(&writer);
    }
    for (unsigned i = below(&writer, 8); i > 0 && i < 3; i--) {
        unsigned bit = below(&writer, 8 * (writer.position + 2));
        buffer[bit / 8] ^= 1U << (bit % 8);
    }
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = i < sizeof buffer ? buffer[i] : 0;
    }
}
