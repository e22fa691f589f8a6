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

/* Any but ESP. */
static uint8_t some_register(struct fuzz *fuzz)
{
    uint8_t number = (uint8_t)fuzz_below(fuzz, 7);
    return number < 4 ? number : number + 1;
}

/* ModRM of a register, or of memory where one of EBX, EBP, ESI, EDI points to. */
static unsigned add_sane_operand(struct fuzz *fuzz, uint8_t *code, unsigned reg)
{
    static const uint8_t bases[] = {3, 5, 6, 7};
    if (fuzz_one_in(fuzz, 2)) {
        code[0] = (uint8_t)(0xc0 | reg << 3 | some_register(fuzz));
        return 1;
    }
    code[0] = (uint8_t)(0x40 | reg << 3 | bases[fuzz_below(fuzz, sizeof(bases))]);
    code[1] = (uint8_t)fuzz_random(fuzz);
    return 2;
}

static unsigned add_sane_data(struct fuzz *fuzz, uint8_t *code)
{
    static const uint8_t opcodes[] = {0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b};
    uint32_t address = FUZZ_DATA + fuzz_below(fuzz, FUZZ_DATA_BYTES);
    switch (fuzz_below(fuzz, 8)) {
    case 0: /* a pointer becomes good again: mov $address, %ebx, %ebp, %esi or %edi */
        code[0] =
            (uint8_t)(0xb8 | (fuzz_one_in(fuzz, 4) ? 3 : 5 + fuzz_below(fuzz, 3)));
        memcpy(code + 1, &address, sizeof(address));
        return 5;
    case 1: /* push or pop */
        code[0] = (uint8_t)(0x50 | fuzz_below(fuzz, 2) << 3 | some_register(fuzz));
        return 1;
    case 2: /* inc, dec */
        code[0] = (uint8_t)(0x40 | fuzz_below(fuzz, 2) << 3 | some_register(fuzz));
        return 1;
    case 3: /* rol, shl… by 1 or %cl */
        code[0] = (uint8_t)(0xd0 + fuzz_below(fuzz, 4));
        return 1 + add_sane_operand(fuzz, code + 1, fuzz_below(fuzz, 8));
    case 4: /* test, xchg, mov */
        code[0] = opcodes[fuzz_below(fuzz, sizeof(opcodes))];
        return 1 + add_sane_operand(fuzz, code + 1, some_register(fuzz));
    default: /* add, or, adc… */
        code[0] = (uint8_t)(fuzz_below(fuzz, 8) << 3 | fuzz_below(fuzz, 4));
        return 1 + add_sane_operand(fuzz, code + 1, some_register(fuzz));
    }
}

static unsigned add_sane_jump(struct fuzz *fuzz, uint8_t *code)
{
    unsigned back = fuzz_below(fuzz, 60);
    switch (fuzz_below(fuzz, 5)) {
    case 0: /* dec %ecx; jnz back: nearly always ends */
        memcpy(code, "\x49\x75", 2);
        code[2] = (uint8_t)(0U - 3 - back);
        return 3;
    case 1: /* mov $few, %ecx */
        memcpy(code, "\xb9\x00\x00\x00", 5);
        code[1] = (uint8_t)fuzz_below(fuzz, 20);
        return 5;
    case 2: /* call a bit further on; what is pushed is popped or returned to */
        memcpy(code, "\xe8\x00\x00\x00", 5);
        code[1] = (uint8_t)fuzz_below(fuzz, 40);
        return 5;
    case 3:
        code[0] = 0xc3;
        return fuzz_one_in(fuzz, 2) ? 1 : add_sane_data(fuzz, code);
    default: /* a conditional jump over something */
        code[0] = (uint8_t)(0x70 + fuzz_below(fuzz, 16));
        code[1] = (uint8_t)fuzz_below(fuzz, 16);
        return 2;
    }
}

/* What kernels do all day. */
static unsigned add_sane_system(struct fuzz *fuzz, uint8_t *code)
{
    static const struct {
        uint8_t length;
        uint8_t bytes[10];
    } templates[] = {
        {2, {0xfb, 0x90}},                         /* sti; nop */
        {1, {0xfa}},                               /* cli */
        {2, {0x9c, 0x9d}},                         /* pushf; popf */
        {2, {0x06, 0x07}},                         /* push %es; pop %es */
        {2, {0x1e, 0x1f}},                         /* push %ds; pop %ds */
        {4, {0x8c, 0xd8, 0x8e, 0xe0}},             /* %ds to %fs */
        {6, {0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8}}, /* reload %cr3 */
        {3, {0x0f, 0x01, 0x3b}},                   /* invlpg (%ebx) */
        {2, {0xcd, 0x80}},                         /* int $0x80 */
        {7, {0xb9, 9, 0, 0, 0, 0xf3, 0xa4}},       /* rep movsb */
        {7, {0xb9, 5, 0, 0, 0, 0xf3, 0xab}},       /* rep stos */
        {2, {0xfc, 0xac}},                         /* cld; lods */
        /* pushf; push %cs; call to the iret, which returns to the jmp over it */
        {10, {0x9c, 0x0e, 0xe8, 2, 0, 0, 0, 0xeb, 1, 0xcf}},
        {3, {0x0f, 0x58, 0xc1}},       /* addps */
        {4, {0xf3, 0x0f, 0x58, 0x03}}, /* addss (%ebx) */
        {2, {0xdd, 0x03}},             /* fldl (%ebx) */
        {2, {0xdd, 0x1b}},             /* fstpl (%ebx) */
    };
    unsigned which = fuzz_below(fuzz, ARRAY_LENGTH(templates) + 2);
    uint32_t address;
    if (which < ARRAY_LENGTH(templates)) {
        memcpy(code, templates[which].bytes, templates[which].length);
        return templates[which].length;
    }
    /* xorb: changes code, or rights of a page */
    memcpy(code, "\x80\x35", 2);
    address = FUZZ_CODE + fuzz_below(fuzz, FUZZ_CODE_BYTES);
    code[6] = (uint8_t)(1U << fuzz_below(fuzz, 8));
    if (which > ARRAY_LENGTH(templates)) {
        address =
            FUZZ_PAGE_ENTRIES + 4 * (FUZZ_CODE / PAGE_BYTES + fuzz_below(fuzz, 64));
        code[6] = (uint8_t)(1U << fuzz_below(fuzz, 7));
    }
    memcpy(code + 2, &address, sizeof(address));
    return 7;
}

/* Instructions that mostly do not fault, in 32-bit code. */
static unsigned add_sane(struct fuzz *fuzz, uint8_t *code)
{
    switch (fuzz_below(fuzz, 8)) {
    case 0:
        return add_sane_system(fuzz, code);
    case 1:
    case 2:
        return add_sane_jump(fuzz, code);
    default:
        return add_sane_data(fuzz, code);
    }
}

void generate_code(struct fuzz *fuzz, uint8_t *code, unsigned bytes)
{
    enum { SANE = 10 };
    uint8_t piece[2 * LONGEST + IMMEDIATE_BYTES];
    unsigned style = fuzz_below(fuzz, 8), length;
    for (unsigned n = 0; n < bytes; n += length) {
        memset(piece, 0, sizeof(piece));
        bool sane = style >= 4 && !fuzz_one_in(fuzz, style == 4 ? 4 : 64);
        switch (style == 0 ? 0 : sane ? SANE : fuzz_below(fuzz, SANE)) {
        case SANE:
            length = add_sane(fuzz, piece);
            break;
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
