#include "cpu/direct/lengths.h"

#include "cpu/core/instruction.h"

enum {
    ASK_DECODER = 0xff,
    PROBE_BYTES = 15,
    ESCAPE = 0x0f,
    OPCODE_SYSCALL = 0x105, /* 0F 05 */
    OPCODE_XSAVEC = 0x1c7,  /* 0F C7, and others */
    MODRM_REGISTER = 0xc0,
    MODRM_LONGEST = 0x84, /* [SIB + disp32] */
    LONGEST_EXTRA = 5,    /* bytes that follow it */
};

static unsigned ask_decoder(uint32_t mode, const uint8_t *bytes, unsigned available)
{
    struct instruction instruction;
    unsigned left = available < PROBE_BYTES ? available : PROBE_BYTES;
    enum decode_result result = decode_instruction(&instruction, bytes, left, 0, mode);
    if (result == DECODE_TRUNCATED) {
        return available;
    }
    return result == DECODE_OK ? instruction.length : 1;
}

/* 0: no such instruction. */
static unsigned probe(uint32_t mode, unsigned opcode, uint8_t modrm)
{
    uint8_t bytes[PROBE_BYTES + 1] = {0};
    struct instruction instruction;
    unsigned at = 0;
    if (opcode > UINT8_MAX) {
        bytes[at++] = ESCAPE;
    }
    bytes[at++] = (uint8_t)opcode;
    bytes[at] = modrm;
    return decode_instruction(&instruction, bytes, PROBE_BYTES, 0, mode) == DECODE_OK
               ? instruction.length
               : 0;
}

/* Fills in a row if all forms of the opcode are of one kind. */
static void learn(struct lengths *lengths, unsigned opcode)
{
    unsigned first = probe(lengths->mode, opcode, MODRM_REGISTER);
    unsigned opcode_bytes = opcode > UINT8_MAX ? 2 : 1;
    bool modrm = probe(lengths->mode, opcode, MODRM_LONGEST) == first + LONGEST_EXTRA;
    lengths->immediate[opcode] = ASK_DECODER;
    for (unsigned reg = 0; reg < 8; reg++) {
        unsigned shorter = probe(lengths->mode, opcode, MODRM_REGISTER | reg << 3);
        unsigned longer = probe(lengths->mode, opcode, MODRM_LONGEST | reg << 3);
        if (!shorter || shorter != first ||
            longer != shorter + (modrm ? LONGEST_EXTRA : 0)) {
            return;
        }
    }
    lengths->modrm[opcode] = modrm;
    lengths->immediate[opcode] = (uint8_t)(first - opcode_bytes - modrm);
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e ||
           (byte >= 0x64 && byte <= 0x67) || byte == 0xf0 || byte == 0xf2 ||
           byte == 0xf3;
}

void lengths_create(struct lengths *lengths, uint32_t mode)
{
    lengths->mode = mode;
    for (unsigned opcode = 0; opcode < LENGTHS_OPCODES; opcode++) {
        if ((opcode <= UINT8_MAX && is_prefix((uint8_t)opcode)) || opcode == ESCAPE) {
            lengths->immediate[opcode] = ASK_DECODER;
        } else {
            learn(lengths, opcode);
        }
    }
    /* The guest's processor does not have all of these, but the host's does, and there
     * is code that asks first. */
    lengths->immediate[OPCODE_SYSCALL] = lengths->immediate[OPCODE_XSAVEC] = 0;
    lengths->modrm[OPCODE_SYSCALL] = false;
    lengths->modrm[OPCODE_XSAVEC] = true;
}

/* ModRM with what belongs to it, 32-bit addresses (SDM vol. 2, tables 2-2 and 2-3). */
static unsigned modrm_bytes(const uint8_t *bytes)
{
    unsigned mod = bytes[0] >> 6, rm = bytes[0] & 7;
    if (mod == 3) {
        return 1;
    }
    unsigned count = rm == 4 ? 2 : 1;
    if (mod == 0) {
        bool displaced = rm == 5 || (rm == 4 && (bytes[1] & 7) == 5);
        return count + (displaced ? 4 : 0);
    }
    return count + (mod == 1 ? 1 : 4);
}

unsigned lengths_of(const struct lengths *lengths, const uint8_t *bytes,
                    unsigned available)
{
    if (available < PROBE_BYTES) {
        return ask_decoder(lengths->mode, bytes, available);
    }
    unsigned opcode = bytes[0], count = 1;
    if (opcode == ESCAPE) {
        opcode = 0x100 | bytes[1];
        count = 2;
    }
    if (lengths->immediate[opcode] == ASK_DECODER) {
        return ask_decoder(lengths->mode, bytes, available);
    }
    count += lengths->modrm[opcode] ? modrm_bytes(bytes + count) : 0;
    return count + lengths->immediate[opcode];
}
