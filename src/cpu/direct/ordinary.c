#include "cpu/direct/ordinary.h"

enum {
    FARTHEST_JUMP = 64 << 20, /* bytes; images are smaller */
    CODE_FORM = 0xc0,         /* ModRM: registers only */
};

/* A bit for each opcode of one byte that is ordinary; the lowest is that of x0. Not:
 * PUSH and POP of segments, decimal adjustments, BOUND, ARPL, ports, far transfers,
 * ENTER, XLAT, LOOPE, LOOPNE, CLI, STI, INTO, ICEBP, segments ES and SS. */
static const uint16_t ordinary[16] = {
    0xbf3f, /* 0x: ADD, OR, 0F */
    0x3f3f, /* 1x: ADC, SBB */
    0x7f3f, /* 2x: AND, SUB, CS: */
    0x7f3f, /* 3x: XOR, CMP, DS: */
    0xffff, /* 4x: INC, DEC */
    0xffff, /* 5x: PUSH, POP */
    0x0f74, /* 6x: EVEX, FS:, GS:, 66, PUSH, IMUL */
    0xffff, /* 7x: Jcc */
    0xfffb, /* 8x */
    0xfbff, /* 9x: all but CALL far */
    0xffff, /* ax: MOV, TEST, strings */
    0xffff, /* bx: MOV */
    0x32ff, /* cx: shifts, RET, VEX, MOV, LEAVE, INT3, INT */
    0xff0f, /* dx: shifts, x87 */
    0x0b0c, /* ex: LOOP, JECXZ, CALL, JMP */
    0xf3fd, /* fx: LOCK, REP, CMC, groups, CLC, CLD, STD */
};

/* Likewise, of those behind 0F. Not: privileged ones, 3DNow!, those that do not exist,
 * SLDT and its group, LAR, PUSH, POP and loads with pointers of segments. */
static const uint16_t ordinary_0f[16] = {
    0x282a, /* 0x: group 7, LSL, SYSCALL (sic), UD2, PREFETCHW; NOP of group */
    0xffff, /* 1x: SSE moves, hints, NOP */
    0xff00, /* 2x: SSE */
    0x0512, /* 3x: RDTSC, SYSENTER, 38, 3A */
    0xffff, /* 4x: CMOVcc */
    0xffff, /* 5x: SSE */
    0xffff, /* 6x: MMX, SSE2 */
    0xf0ff, /* 7x: likewise */
    0xffff, /* 8x: Jcc */
    0xffff, /* 9x: SETcc */
    0xf83c, /* ax: CPUID, bits, SHLD, fences, IMUL */
    0xfdcb, /* bx */
    0xffff, /* cx */
    0xffff, /* dx */
    0xffff, /* ex */
    0x7fff, /* fx */
};

static bool has_bit(const uint16_t table[16], uint8_t opcode)
{
    return table[opcode >> 4] >> (opcode & 15) & 1;
}

static bool is_prefix(uint8_t byte)
{
    return byte == 0x66 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 ||
           byte == 0x2e || byte == 0x3e || byte == 0x64 || byte == 0x65 || byte == 0x67;
}

static bool is_near(const uint8_t *distance)
{
    int32_t bytes;
    __builtin_memcpy(&bytes, distance, sizeof(bytes));
    return bytes > -FARTHEST_JUMP && bytes < FARTHEST_JUMP;
}

/* `bytes`: behind 0F. */
static bool is_ordinary_0f(const uint8_t *bytes, unsigned available)
{
    if (!has_bit(ordinary_0f, bytes[0])) {
        return false;
    }
    if (bytes[0] == 0x01) { /* SGDT and the like have memory; XGETBV, XEND have none */
        return available < 2 || bytes[1] >= CODE_FORM;
    }
    return (bytes[0] & 0xf0) != 0x80 || available < 5 || is_near(bytes + 1);
}

/* `next`: ModRM, or an immediate. */
static bool is_ordinary_form(uint8_t opcode, uint8_t next)
{
    unsigned reg = next >> 3 & 7;
    switch (opcode) {
    case 0x00: /* ADD of a byte to memory: what numbers with zeros are */
        return next >= CODE_FORM;
    case 0x62: /* in place of BOUND, LES, LDS: EVEX, VEX */
    case 0xc4:
    case 0xc5:
        return next >= CODE_FORM;
    case 0x8c: /* MOV of a selector: programs have it in a register */
    case 0x8e:
        return next >= CODE_FORM && reg < 6;
    case 0x8d: /* LEA has no register form */
        return next < CODE_FORM;
    case 0x8f: /* POP: one of a group of eight */
        return reg == 0;
    case 0xc6: /* MOV; XABORT, XBEGIN */
    case 0xc7:
        return reg == 0 || next == 0xf8;
    case 0xcd:
        return next == 0x80;
    case 0xfe: /* INC, DEC */
        return reg < 2;
    case 0xff: /* but not what is far */
        return reg != 3 && reg != 5 && reg != 7;
    default:
        return true;
    }
}

bool is_ordinary_instruction(const uint8_t *bytes, unsigned available)
{
    while (available > 1 && is_prefix(*bytes)) {
        bytes++;
        available--;
    }
    if (available < 2 || !has_bit(ordinary, bytes[0])) {
        return available < 2;
    }
    if (bytes[0] == 0x0f) {
        return is_ordinary_0f(bytes + 1, available - 1);
    }
    bool jump = bytes[0] == 0xe8 || bytes[0] == 0xe9;
    return is_ordinary_form(bytes[0], bytes[1]) &&
           (!jump || available < 5 || is_near(bytes + 1));
}
