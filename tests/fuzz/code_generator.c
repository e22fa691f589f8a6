#include "code_generator.h"

#include "cpu/core/instruction.h"

#include <string.h>

enum { LONGEST = 15, IMMEDIATE_BYTES = 6 };

static unsigned add_prefixes(struct fuzz *fuzz, uint8_t *code)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e,
                                       0x36, 0x3e, 0x26, 0x64, 0x65};
    unsigned count = 0;
    while (count < 4 && fuzz_one_in(fuzz, 3)) {
        code[count++] = prefixes[fuzz_below(fuzz, sizeof(prefixes))];
    }
    return count;
}

/* ModRM, SIB and displacement; operands in memory are near what registers point to. */
static unsigned add_modrm(struct fuzz *fuzz, uint8_t *code)
{
    code[0] = (uint8_t)fuzz_random(fuzz);
    code[1] = (uint8_t)fuzz_random(fuzz);
    uint32_t displacement = fuzz_interesting(fuzz);
    memcpy(code + 2, &displacement, sizeof(displacement));
    bool sib = (code[0] & 7) == 4 && code[0] < 0xc0;
    switch (code[0] >> 6) {
    case 0:
        return (code[0] & 7) == 5 ? 6 : 1 + sib;
    case 1:
        return 2 + sib;
    case 2:
        return 5 + sib;
    default:
        return 1;
    }
}

/* An opcode of one of the maps, or VEX, and something behind it. */
static unsigned add_instruction(struct fuzz *fuzz, uint8_t *code)
{
    unsigned n = add_prefixes(fuzz, code);
    switch (fuzz_below(fuzz, 16)) {
    case 0 ... 3:
        code[n++] = 0x0f;
        break;
    case 4:
        code[n++] = 0x0f;
        code[n++] = fuzz_one_in(fuzz, 2) ? 0x38 : 0x3a;
        break;
    case 5:
        code[n++] = 0xc5;
        code[n++] = (uint8_t)fuzz_random(fuzz) | 0xc0;
        break;
    case 6:
        code[n++] = 0xc4;
        code[n++] = (uint8_t)(0xe0 | (1 + fuzz_below(fuzz, 3)));
        code[n++] = (uint8_t)fuzz_random(fuzz);
        break;
    case 7:
        code[n++] = (uint8_t)(0xd8 + fuzz_below(fuzz, 8));
        return n + add_modrm(fuzz, code + n);
    default:
        break;
    }
    code[n++] = (uint8_t)fuzz_random(fuzz);
    n += add_modrm(fuzz, code + n);
    uint32_t immediate = fuzz_interesting(fuzz);
    memcpy(code + n, &immediate, sizeof(immediate));
    return n + (fuzz_one_in(fuzz, 2) ? fuzz_below(fuzz, 5) : 0);
}

/* Instructions that chance seldom meets whole. */
static unsigned add_system(struct fuzz *fuzz, uint8_t *code)
{
    static const struct {
        uint8_t length;
        uint8_t bytes[7];
    } templates[] = {
        {2, {0xcd, 0x80}},             /* int */
        {1, {0xcf}},                   /* iret */
        {3, {0x0f, 0x20, 0xc0}},       /* mov %cr0, %eax */
        {3, {0x0f, 0x22, 0xc0}},       /* mov %eax, %cr0 */
        {3, {0x0f, 0x22, 0xd8}},       /* mov %eax, %cr3 */
        {3, {0x0f, 0x22, 0xe0}},       /* mov %eax, %cr4 */
        {3, {0x0f, 0x23, 0xf8}},       /* mov %eax, %dr7 */
        {7, {0xea, 0, 0, 1, 0, 8, 0}}, /* ljmp */
        {7, {0x9a, 0, 0, 1, 0, 8, 0}}, /* lcall */
        {1, {0xcb}},                   /* lret */
        {2, {0x8e, 0xd0}},             /* mov %ax, %ss */
        {2, {0x8e, 0xd8}},             /* mov %ax, %ds */
        {3, {0x0f, 0x01, 0x13}},       /* lgdt */
        {3, {0x0f, 0x01, 0x1b}},       /* lidt */
        {3, {0x0f, 0x00, 0xd8}},       /* ltr %ax */
        {3, {0x0f, 0x00, 0xd0}},       /* lldt %ax */
        {2, {0x0f, 0x30}},             /* wrmsr */
        {2, {0x0f, 0x34}},             /* sysenter */
        {2, {0x0f, 0x35}},             /* sysexit */
        {1, {0x9d}},                   /* popf */
        {1, {0xfb}},                   /* sti */
        {1, {0xf4}},                   /* hlt */
        {2, {0xf3, 0xa5}},             /* rep movs */
        {2, {0xf3, 0x6c}},             /* rep ins */
        {2, {0xf3, 0x6e}},             /* rep outs */
        {2, {0xf3, 0xab}},             /* rep stos */
        {4, {0xc8, 0x10, 0, 0x1f}},    /* enter */
        {3, {0x0f, 0xae, 0x03}},       /* fxsave */
        {3, {0x0f, 0xae, 0x0b}},       /* fxrstor */
        {3, {0x0f, 0xae, 0x23}},       /* xsave */
        {3, {0x0f, 0xae, 0x2b}},       /* xrstor */
        {3, {0x0f, 0x01, 0xd1}},       /* xsetbv */
        {3, {0x0f, 0x01, 0x3b}},       /* invlpg */
        {2, {0xd9, 0x2b}},             /* fldcw */
        {2, {0xdd, 0x23}},             /* frstor */
        {3, {0xc7, 0x03, 0x90}},       /* a write, perhaps to code */
    };
    unsigned which = fuzz_below(fuzz, ARRAY_LENGTH(templates));
    memcpy(code, templates[which].bytes, templates[which].length);
    if (fuzz_one_in(fuzz, 4)) {
        code[templates[which].length - 1] = (uint8_t)fuzz_random(fuzz);
    }
    return templates[which].length;
}

/* A register gets a value that leads somewhere. */
static unsigned add_constant(struct fuzz *fuzz, uint8_t *code)
{
    uint32_t value = fuzz_interesting(fuzz);
    code[0] = (uint8_t)(0xb8 + fuzz_below(fuzz, 8));
    memcpy(code + 1, &value, sizeof(value));
    return 5;
}

void generate_code(struct fuzz *fuzz, uint8_t *code, unsigned bytes)
{
    uint8_t piece[2 * LONGEST + IMMEDIATE_BYTES];
    unsigned style = fuzz_below(fuzz, 4), length;
    for (unsigned n = 0; n < bytes; n += length) {
        memset(piece, 0, sizeof(piece));
        switch (style == 0 ? 0 : fuzz_below(fuzz, 10)) {
        case 0:
            length = 1;
            piece[0] = (uint8_t)fuzz_random(fuzz);
            break;
        case 1:
        case 2:
            length = add_system(fuzz, piece);
            break;
        case 3:
            length = add_constant(fuzz, piece);
            break;
        default:
            length = add_instruction(fuzz, piece);
        }
        if (style == 1 && fuzz_one_in(fuzz, 4)) {
            piece[fuzz_below(fuzz, length)] ^= (uint8_t)(1U << fuzz_below(fuzz, 8));
        }
        if (length > bytes - n) {
            length = bytes - n;
        }
        memcpy(code + n, piece, length);
    }
}
