#include "cpu/direct/scan.h"

#include "cpu/core/instruction.h"
#include "cpu/decoder/decoder.h"
#include "cpu/direct/ordinary.h"

enum {
    AROUND = 64, /* bytes on either side of what is marked that have to be code */
    LEAD = 48,   /* within which decoding finds the right place */
    GUESSES = 15,
    WINDOW_MAXIMUM = 16,
    FUNCTION_ALIGNMENT = 16,
    PADDING = 4,         /* bytes */
    MODRM_MARKED = 0x20, /* with opcodes of which some forms are marked */
    OPCODE_NOP = 0x90,
    OPCODE_INT3 = 0xcc,
};

static bool is_memory(uint8_t modrm)
{
    return modrm < 0xc0;
}

static unsigned reg_of(uint8_t modrm)
{
    return (modrm >> 3) & 7;
}

static bool is_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return false;
    }
}

/* The byte behind 0F, and the one behind that. */
static bool is_marked_0f(uint8_t opcode, uint8_t modrm)
{
    switch (opcode) {
    case 0x00: /* SLDT, STR, VERR, VERW */
    case 0x01: /* SGDT, SIDT, SMSW, XGETBV, RDTSCP */
    case 0x02: /* LAR */
    case 0x03: /* LSL */
    case 0x05: /* SYSCALL */
    case 0x31: /* RDTSC */
    case 0x34: /* SYSENTER */
    case 0xa0: /* PUSH FS */
    case 0xa1: /* POP FS */
    case 0xa2: /* CPUID */
    case 0xa8: /* PUSH GS */
    case 0xa9: /* POP GS */
    case 0xb2: /* LSS */
    case 0xb4: /* LFS */
    case 0xb5: /* LGS */
        return true;
    case 0xae: /* XSAVE, XRSTOR, XSAVEOPT */
        return is_memory(modrm) && reg_of(modrm) >= 4 && reg_of(modrm) <= 6;
    case 0xc7: /* XRSTORS, XSAVEC, XSAVES */
        return is_memory(modrm) && reg_of(modrm) >= 3 && reg_of(modrm) <= 5;
    default:
        return false;
    }
}

/* PUSH of ES, CS, SS, DS. */
static bool is_push(uint8_t opcode)
{
    return (opcode & 0xe7) == 0x06;
}

/* POP of ES, SS, DS. */
static bool is_pop(uint8_t opcode)
{
    return (opcode & 0xe7) == 0x07 && opcode != 0x0f;
}

static bool is_pop_register(uint8_t opcode)
{
    return (opcode & 0xf8) == 0x58;
}

static bool loads_selector(const uint8_t *bytes)
{
    return bytes[0] == 0x8e || bytes[0] == 0xc4 || bytes[0] == 0xc5 ||
           (bytes[0] == 0x0f && (bytes[1] == 0xa1 || bytes[1] == 0xa9 ||
                                 (bytes[1] >= 0xb2 && bytes[1] <= 0xb5)));
}

/* Whether it could be one of the instructions meant; what is not known could be. */
static bool is_marked(const struct scan *scan, unsigned at)
{
    const uint8_t *bytes = scan->bytes + at;
    unsigned left = scan->count - at;
    if (left == 0) {
        return true;
    }
    switch (bytes[0]) {
    case 0x0f:
        return left < 2 || is_marked_0f(bytes[1], left < 3 ? MODRM_MARKED : bytes[2]);
    case 0x8c: /* MOV of segment registers */
    case 0x8e:
        return left < 2 || reg_of(bytes[1]) < SEGMENT_COUNT;
    case 0xc4: /* LES, or VEX */
    case 0xc5: /* LDS, or VEX */
        return left < 2 || is_memory(bytes[1]) || !scan->vex_allowed;
    case 0x62: /* EVEX: the guest's processor has no AVX-512 */
        return left < 2 || !is_memory(bytes[1]);
    case 0xcd: /* INT 80h */
        /* With prefixes it is marked always: it comes back without. */
        return (scan->mark_int80 || (at && is_prefix(bytes[-1]))) &&
               (left < 2 || bytes[1] == 0x80);
    default:
        /* Of one byte: that is often found in data. */
        return (is_push(bytes[0]) &&
                (scan->mark_pushes || (left > 1 && is_pop_register(bytes[1])))) ||
               (is_pop(bytes[0]) && scan->mark_pushes);
    }
}

static bool enters_kernel(const struct scan *scan, unsigned at)
{
    const uint8_t *bytes = scan->bytes + at;
    return bytes[0] == 0xcd ||
           (bytes[0] == 0x0f && (bytes[1] == 0x05 || bytes[1] == 0x34));
}

static bool has_begun(const struct scan *scan, unsigned at)
{
    return scan->starts[at / 64] >> (at % 64) & 1;
}

static enum decode_result decode_at(const struct scan *scan, unsigned at,
                                    struct instruction *out)
{
    unsigned left = scan->count - at;
    return decode_instruction(out, scan->bytes + at,
                              left < SCAN_BEHIND ? left : SCAN_BEHIND, at,
                              scan->lengths->mode);
}

static unsigned length_at(const struct scan *scan, unsigned at)
{
    return lengths_of(scan->lengths, scan->bytes + at, scan->count - at);
}

/* Decodes from `at` up to `end`, or to where decoding has been. */
static void decode_from(struct scan *scan, unsigned at, unsigned end)
{
    while (at < end && !has_begun(scan, at)) {
        scan->starts[at / 64] |= 1ULL << (at % 64);
        at += length_at(scan, at);
    }
}

/* Where the instruction begins that has its opcode at `at`, if decoding has come to it;
 * SCAN_NONE. */
static int find_start(const struct scan *scan, unsigned at)
{
    unsigned start = at;
    while (!has_begun(scan, start)) {
        if (start == 0 || at - start == SCAN_BEHIND ||
            !is_prefix(scan->bytes[start - 1])) {
            return SCAN_NONE;
        }
        start--;
    }
    return (int)start;
}

/* Whether decoding that begins at `from` comes to an instruction that has its opcode at
 * `at`. */
static bool comes_to(const struct scan *scan, unsigned from, unsigned at)
{
    unsigned here = from, last = from;
    while (here < at) {
        last = here;
        here += length_at(scan, here);
    }
    bool prefixed = here > at && last < at;
    for (unsigned i = last; prefixed && i < at; i++) {
        prefixed = is_prefix(scan->bytes[i]);
    }
    return here == at || prefixed;
}

/* Whether most decodings that begin some bytes before come there; or all. */
static bool is_reached(const struct scan *scan, unsigned at, bool by_all)
{
    unsigned end = at >= LEAD + GUESSES ? at - LEAD : GUESSES;
    unsigned guesses = 0, reached = 0;
    for (unsigned from = end - GUESSES; from < end && from <= at; from++) {
        bool comes = comes_to(scan, from, at);
        if (by_all && !comes) {
            return false;
        }
        reached += comes;
        guesses++;
    }
    return reached > guesses / 2;
}

/* Whether what is decoded at an instruction, before and behind it is what
 * programs are made of. Else it may be a table that they read, which has to stay as it
 * is. */
static bool is_among_code(const struct scan *scan, unsigned start)
{
    unsigned end = scan->count - start > AROUND ? start + AROUND : scan->count;
    unsigned at = start > AROUND ? start - AROUND : 0;
    while (at < start && !(has_begun(scan, at) && comes_to(scan, at, start))) {
        at++;
    }
    while (at < end) {
        unsigned length = length_at(scan, at);
        if (at + length <= end &&
            !is_ordinary_instruction(scan->bytes + at, scan->count - at)) {
            return false;
        }
        at += length;
    }
    return true;
}

static bool is_relative_jump(const uint8_t *bytes)
{
    while (is_prefix(*bytes)) {
        bytes++;
    }
    return (bytes[0] & 0xf0) == 0x70 || (bytes[0] & 0xfc) == 0xe0 || bytes[0] == 0xe8 ||
           bytes[0] == 0xe9 || bytes[0] == 0xeb ||
           (bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80);
}

/* Whether a jump in the page leads to a place behind `first`, before `end`. */
static bool is_jumped_into(const struct scan *scan, unsigned first, unsigned end)
{
    for (unsigned at = scan->page; at < scan->page + PAGE_BYTES; at++) {
        struct instruction instruction;
        if (has_begun(scan, at) && is_relative_jump(scan->bytes + at) &&
            decode_at(scan, at, &instruction) == DECODE_OK &&
            instruction.immediate > first && instruction.immediate < end) {
            return true;
        }
    }
    return false;
}

/* Whether what follows is only reached from here: behind others code is entered from
 * elsewhere, by a return or as a function. */
static bool falls_through(const uint8_t *bytes)
{
    while (is_prefix(*bytes)) {
        bytes++;
    }
    switch (bytes[0]) {
    case 0x9a: /* CALL and JMP far */
    case 0xea:
    case 0xc2: /* RET, RETF, IRET */
    case 0xc3:
    case 0xca:
    case 0xcb:
    case 0xcf:
    case 0xcc: /* INT3, INT, INTO, ICEBP, HLT */
    case 0xcd:
    case 0xce:
    case 0xf1:
    case 0xf4:
    case 0xe8: /* CALL, JMP */
    case 0xe9:
    case 0xeb:
        return false;
    case 0xff: /* the same, indirect */
        return reg_of(bytes[1]) < 2 || reg_of(bytes[1]) > 5;
    case 0x0f: /* SYSCALL, UD2, SYSENTER */
        return bytes[1] != 0x05 && bytes[1] != 0x0b && bytes[1] != 0x34;
    default:
        return true;
    }
}

/* Whether decoding that begins at `first` comes to `at`, and execution, too. */
static bool leads_to(const struct scan *scan, unsigned first, unsigned at)
{
    while (first < at) {
        if (!falls_through(scan->bytes + first)) {
            return false;
        }
        first += length_at(scan, first);
    }
    return first == at;
}

/* Whether a function could begin there, behind what fills up to an alignment. */
static bool follows_padding(const struct scan *scan, unsigned first)
{
    if ((first - scan->page) % FUNCTION_ALIGNMENT || first < scan->page + PADDING) {
        return false;
    }
    uint8_t padding = scan->bytes[first - 1];
    for (unsigned i = 2; i <= PADDING; i++) {
        if (scan->bytes[first - i] != padding) {
            return false;
        }
    }
    return padding == 0 || padding == OPCODE_NOP || padding == OPCODE_INT3;
}

/* Whether an instruction begins there for sure: where decoding has begun one, and most
 * others would, or where a function begins. */
static bool is_boundary(const struct scan *scan, unsigned first, unsigned start)
{
    return leads_to(scan, first, start) &&
           (follows_padding(scan, first) ||
            (has_begun(scan, first) && is_reached(scan, first, false)));
}

/* The bytes up to the end of an instruction that may be replaced by a jump; their
 * number, 0: none. */
static unsigned find_window(const struct scan *scan, unsigned start)
{
    unsigned end = start + length_at(scan, start);
    for (unsigned bytes = SCAN_WINDOW_MINIMUM; bytes <= WINDOW_MAXIMUM; bytes++) {
        unsigned first = end - bytes;
        if (end < scan->page + bytes || end > scan->page + PAGE_BYTES) {
            return 0;
        }
        if (is_boundary(scan, first, start)) {
            return is_jumped_into(scan, first, end) ? 0 : bytes;
        }
    }
    return 0;
}

static void add_mark(const struct scan *scan, unsigned at, unsigned start,
                     struct scan_marks *out)
{
    if (out->count == SCAN_MARKS) {
        out->doubtful = true;
        return;
    }
    bool prefixes_before = start < scan->page; /* HLT traps with them, too */
    start = prefixes_before ? at : start;
    unsigned end = start + length_at(scan, start), before = scan->page;
    if (out->count) {
        before += out->marks[out->count - 1].start;
        before += length_at(scan, before);
    }
    unsigned bytes =
        enters_kernel(scan, at) && !prefixes_before ? find_window(scan, start) : 0;
    bytes = bytes && end - bytes >= before ? bytes : 0;
    out->marks[out->count].start = (uint16_t)(start - scan->page);
    out->marks[out->count].window =
        bytes ? (int16_t)(end - bytes - scan->page) : SCAN_NONE;
    out->marks[out->count].window_bytes = (uint8_t)bytes;
    out->count++;
}

/* Whether an instruction that begins in the page before may be meant because of how it
 * goes on in this one: when that page was examined, another may have followed it. */
static bool crosses_into(const struct scan *scan)
{
    unsigned last = scan->page - 1;
    if (scan->page < SCAN_BEFORE) {
        return false;
    }
    bool three = scan->bytes[last - 1] == 0x0f && has_begun(scan, last - 1) &&
                 (scan->bytes[last] == 0xae || scan->bytes[last] == 0xc7);
    return (is_marked(scan, last) && find_start(scan, last) != SCAN_NONE) ||
           (three && is_marked(scan, last - 1));
}

/* The first bytes of a page, with nothing known of the one before, are often the end of
 * an instruction that begins there: rather that than one that programs do not have. */
static bool is_rather_an_end(const struct scan *scan, unsigned at, int entered)
{
    return scan->page == 0 && at < SCAN_BEHIND && (int)at != entered &&
           !is_ordinary_instruction(scan->bytes + at, scan->count - at);
}

static void find_marks(struct scan *scan, int entered, struct scan_marks *out)
{
    unsigned first = scan->page + scan->code, end = scan->page + scan->code_end;
    out->count = 0;
    out->doubtful = crosses_into(scan);
    for (unsigned at = first;
         at <= scan->count && at < sizeof(scan->bytes) && !out->doubtful; at++) {
        if (at >= end && !is_prefix(scan->bytes[at - 1])) {
            break; /* no instruction that begins in the page has its opcode there */
        }
        if (__builtin_expect(!is_marked(scan, at), 1) ||
            is_rather_an_end(scan, at, entered)) {
            continue;
        }
        int start = find_start(scan, at);
        bool reached = is_reached(scan, at, start == SCAN_NONE);
        if (start != SCAN_NONE && reached &&
            (scan->code_is_known || is_among_code(scan, (unsigned)start))) {
            add_mark(scan, at, (unsigned)start, out);
        } else if (start != SCAN_NONE || (at < end && reached)) {
            out->doubtful = true;
        }
    }
}

static bool has_load(const struct scan *scan, const struct scan_marks *marks)
{
    for (unsigned i = 0; i < marks->count; i++) {
        const uint8_t *bytes = scan->bytes + scan->page + marks->marks[i].start;
        while (is_prefix(*bytes)) {
            bytes++;
        }
        if (loads_selector(bytes)) {
            return true;
        }
    }
    return false;
}

void scan_find_marks(struct scan *scan, int entered, struct scan_marks *out)
{
    unsigned first = scan->page + scan->code, end = scan->page + scan->code_end;
    if (entered != SCAN_NONE) {
        decode_from(scan, scan->page + (unsigned)entered, end);
    }
    decode_from(scan, scan->code ? first : 0, end);
    scan->mark_pushes = false;
    find_marks(scan, entered, out);
    if (!out->doubtful && has_load(scan, out)) {
        /* Selectors that are saved here are loaded here. */
        scan->mark_pushes = true;
        find_marks(scan, entered, out);
    }
}
