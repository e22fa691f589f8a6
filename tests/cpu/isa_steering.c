#include "isa_steering.h"

#include "cpu/core/fpu.h"

#include <string.h>

enum { OPERAND_MAX = 512 };

uint32_t steering_zone(struct random *random, unsigned bytes)
{
    unsigned align = 1;
    while (align * 2 <= bytes && align < 32 && !random_one_in(random, 8)) {
        align *= 2;
    }
    /* Distance from a border, such that the operand may cross it. */
    uint32_t before = random_below(random, bytes + 3);
    uint32_t room = ORACLE_DATA_BYTES - (bytes < OPERAND_MAX ? bytes : OPERAND_MAX);
    switch (random_below(random, 40)) {
    case 0:
    case 1:
    case 2:
        return ORACLE_DATA + PAGE_BYTES - before;
    case 3:
        return ORACLE_READ_ONLY - before;
    case 4:
    case 5:
        return (ORACLE_READ_ONLY + random_below(random, PAGE_BYTES)) & ~(align - 1);
    case 6:
        return ORACLE_READ_ONLY + ORACLE_READ_ONLY_BYTES - before;
    case 7:
        return ORACLE_DATA - before;
    case 8:
        return (uint32_t)random_next(random);
    default:
        return (ORACLE_DATA + random_below(random, room + 1)) & ~(align - 1);
    }
}

uint32_t steering_segment_base(const struct duel_case *duel_case, unsigned segment)
{
    uint16_t selector = duel_case->before.segments[segment];
    return selector & 4 ? oracle_segments[selector >> 3].base : 0;
}

void steering_store(struct duel_case *duel_case, uint32_t address, const void *bytes,
                    unsigned count)
{
    const uint8_t *from = bytes;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = address + i - ORACLE_DATA;
        if (offset < ORACLE_DATA_BYTES) {
            duel_case->data[offset] = from[i];
        }
    }
}

static uint32_t load(const struct duel_case *duel_case, uint32_t address,
                     unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t offset = address + i - ORACLE_DATA;
        if (offset < ORACLE_DATA_BYTES) {
            value |= (uint32_t)duel_case->data[offset] << 8 * i;
        }
    }
    return value;
}

static uint32_t register_value(const struct duel_case *duel_case, unsigned number)
{
    return number < 8 ? duel_case->before.regs[number] : 0;
}

static uint32_t current_offset(const struct duel_case *duel_case,
                               const struct instruction *decoded)
{
    uint32_t index = register_value(duel_case, decoded->index);
    if (instruction_row(decoded)->attributes & ROW_VSIB) {
        index = 0;
    }
    return (register_value(duel_case, decoded->base) + (index << decoded->scale) +
            decoded->displacement) &
           decoded->address_mask;
}

uint32_t steering_operand_address(const struct duel_case *duel_case,
                                  const struct instruction *decoded)
{
    return steering_segment_base(duel_case, decoded->segment) +
           current_offset(duel_case, decoded);
}

/* x such that x + (x << scale) is as close to `sum` as can be. */
static uint32_t split_between_base_and_index(uint32_t sum, unsigned scale)
{
    uint32_t factor = 1 + (1U << scale), inverse = factor;
    if (scale == 0) {
        return sum / 2;
    }
    for (unsigned i = 0; i < 4; i++) {
        inverse *= 2 - factor * inverse; /* Newton: inverse modulo 2^32 */
    }
    return sum * inverse;
}

void steering_move_operand(struct duel_case *duel_case, struct isa_encoding *encoding,
                           const struct instruction *decoded, uint32_t target)
{
    uint32_t *regs = duel_case->before.regs;
    uint32_t offset = target - steering_segment_base(duel_case, decoded->segment);
    uint32_t delta = offset - current_offset(duel_case, decoded);
    if (encoding->displacement_bytes >= 2) {
        uint32_t displacement = decoded->displacement + delta;
        memcpy(encoding->bytes + encoding->displacement, &displacement,
               encoding->displacement_bytes);
        return;
    }
    bool vsib = instruction_row(decoded)->attributes & ROW_VSIB;
    if (decoded->base >= 8) {
        return;
    }
    if (decoded->base == decoded->index && !vsib) {
        uint32_t sum = offset - decoded->displacement;
        regs[decoded->base] = split_between_base_and_index(sum, decoded->scale);
    } else if (decoded->address_mask == 0xffff) {
        uint32_t low = (regs[decoded->base] + delta) & 0xffff;
        regs[decoded->base] = (regs[decoded->base] & 0xffff0000) | low;
    } else {
        regs[decoded->base] += delta;
    }
}

static const uint16_t selectors[] = {
    0,
    3,
    ORACLE_CS,
    ORACLE_DS,
    ORACLE_DS,
    ORACLE_DS & ~3,
    ORACLE_CS & ~1,
    ORACLE_SEGMENT_WINDOW,
    ORACLE_SEGMENT_WINDOW & ~3,
    ORACLE_SEGMENT_SHORT,
    ORACLE_SEGMENT_CONSTANT,
    ORACLE_SEGMENT_EXPAND_DOWN,
    ORACLE_SEGMENT_STACK16,
    ORACLE_SEGMENT_CODE16,
    ORACLE_SEGMENT_EXECUTE_ONLY,
    ORACLE_SEGMENT_ABSENT,
    ORACLE_SEGMENTS << 3 | 7, /* beyond the table */
    0xfffc,
};

bool steering_knows_selector(uint16_t selector)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(selectors); i++) {
        if (selectors[i] == selector) {
            return true;
        }
    }
    return false;
}

uint16_t steering_selector(struct random *random)
{
    return selectors[random_below(random, ARRAY_LENGTH(selectors))];
}

static bool is(const struct instruction *decoded, const char *mnemonic)
{
    return strcmp(instruction_row(decoded)->mnemonic, mnemonic) == 0;
}

static bool starts(const struct instruction *decoded, const char *prefix)
{
    return strncmp(instruction_row(decoded)->mnemonic, prefix, strlen(prefix)) == 0;
}

/* Puts a selector where the instruction takes one from. */
static void favour_selector(struct random *random, struct duel_case *duel_case,
                            const struct instruction *decoded, uint32_t target)
{
    const struct instruction_row *row = instruction_row(decoded);
    uint32_t *regs = duel_case->before.regs;
    uint16_t selector = steering_selector(random);
    enum operand_method first = row->operands[0].method;
    bool loads_far = row->operands[1].size == SIZE_P;
    if (is(decoded, "MOV") && first == OPERAND_S) {
        /* fall out */
    } else if (is(decoded, "POP") && first >= OPERAND_ES && first <= OPERAND_GS) {
        uint32_t base = steering_segment_base(duel_case, SEGMENT_SS);
        uint16_t ss = duel_case->before.segments[SEGMENT_SS];
        bool big = !(ss & 4) || oracle_segments[ss >> 3].big;
        steering_store(duel_case, base + (regs[REGISTER_ESP] & (big ? ~0U : 0xffff)),
                       &selector, 2);
        return;
    } else if (loads_far) {
        target += decoded->operand_bytes;
    } else if (!is(decoded, "LAR") && !is(decoded, "LSL") && !starts(decoded, "VER")) {
        return;
    }
    if (decoded->memory) {
        steering_store(duel_case, target, &selector, 2);
    } else {
        regs[decoded->rm] = (regs[decoded->rm] & 0xffff0000) | selector;
    }
}

static void favour_string(struct random *random, struct duel_case *duel_case,
                          const struct instruction *decoded)
{
    const struct instruction_row *row = instruction_row(decoded);
    uint32_t *regs = duel_case->before.regs;
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        unsigned method = row->operands[i].method;
        bool implied_di = is(decoded, "MASKMOVQ") || is(decoded, "MASKMOVDQU") ||
                          is(decoded, "VMASKMOVDQU");
        if (method == OPERAND_X) {
            regs[REGISTER_ESI] = steering_zone(random, 4) -
                                 steering_segment_base(duel_case, decoded->segment);
        } else if (method == OPERAND_Y || (implied_di && i == 0)) {
            unsigned segment = method == OPERAND_Y ? SEGMENT_ES : decoded->segment;
            regs[REGISTER_EDI] = steering_zone(random, implied_di ? 16 : 4) -
                                 steering_segment_base(duel_case, segment);
        }
    }
    if (row->attributes & ROW_STRING) {
        if (!random_one_in(random, 8)) {
            regs[REGISTER_ECX] =
                (regs[REGISTER_ECX] & ~decoded->address_mask) | random_below(random, 9);
        }
        if (row->attributes & ROW_IOPL) {
            /* Processors differ in whether no iteration needs no permission. */
            regs[REGISTER_ECX] |= 1;
        }
        /* Comparisons that go on. */
        if ((row->attributes & ROW_REPCC) && random_one_in(random, 2)) {
            memset(duel_case->data, (uint8_t)regs[REGISTER_EAX],
                   sizeof(duel_case->data));
            regs[REGISTER_EAX] = (regs[REGISTER_EAX] & 0xff) * 0x01010101;
        }
    } else if (is(decoded, "XLAT")) {
        regs[REGISTER_EBX] = steering_zone(random, 256) -
                             steering_segment_base(duel_case, decoded->segment);
    }
}

static void favour_arithmetic(struct random *random, struct duel_case *duel_case,
                              const struct instruction *decoded, uint32_t target)
{
    uint32_t *regs = duel_case->before.regs;
    bool lucky = !random_one_in(random, 4);
    if ((is(decoded, "DIV") || is(decoded, "IDIV")) && lucky) {
        bool negative = is(decoded, "IDIV") && (regs[REGISTER_EAX] >> 31);
        regs[REGISTER_EDX] = negative ? UINT32_MAX : 0;
        if (decoded->opcode == 0xf6) {
            regs[REGISTER_EAX] &= 0xffff03ff;
        }
    } else if (is(decoded, "CMPXCHG") && lucky) {
        regs[REGISTER_EAX] =
            decoded->memory ? load(duel_case, target, 4) : regs[decoded->rm];
    } else if (is(decoded, "CMPXCHG8B") && lucky) {
        regs[REGISTER_EAX] = load(duel_case, target, 4);
        regs[REGISTER_EDX] = load(duel_case, target + 4, 4);
    } else if (is(decoded, "BOUND") && lucky) {
        static const uint8_t low[4] = {0, 0, 0, 0x80},
                             high[4] = {0xff, 0xff, 0xff, 0x7f};
        unsigned skip = 4 - decoded->operand_bytes;
        steering_store(duel_case, target, low + skip, decoded->operand_bytes);
        steering_store(duel_case, target + decoded->operand_bytes, high + skip,
                       decoded->operand_bytes);
    } else if ((instruction_row(decoded)->attributes & ROW_BITSTRING) && lucky &&
               decoded->reg != decoded->base && decoded->reg != decoded->index &&
               decoded->reg != REGISTER_ESP) {
        regs[decoded->reg] = random_below(random, 256) - 128;
    } else if ((is(decoded, "LEAVE") || is(decoded, "ENTER")) && lucky) {
        regs[REGISTER_EBP] = regs[REGISTER_ESP] + random_below(random, 32) * 4;
    }
    if (is(decoded, "ENTER")) {
        /* Processors differ in whether its probe of the stack checks alignment. */
        duel_case->before.eflags &= ~(uint32_t)EFLAGS_AC;
    }
}

/* Where the x87's pointers are in what the instruction stores. */
static void note_x87_pointers(struct duel_case *duel_case,
                              const struct instruction *decoded, uint32_t target)
{
    bool is16 = decoded->operand_bytes == 2;
    if (is(decoded, "FNSTENV") || is(decoded, "FNSAVE")) {
        duel_case->ignored[0].address = target + (is16 ? 6 : 12);
        duel_case->ignored[0].bytes = is16 ? 8 : 16;
    } else if (is(decoded, "FXSAVE")) {
        duel_case->ignored[0].address = target + FPU_AREA_OPCODE;
        duel_case->ignored[0].bytes = FPU_AREA_MXCSR - FPU_AREA_OPCODE;
        /* AMD's has a bit more than we show. */
        duel_case->ignored[1].address = target + FPU_AREA_MXCSR_MASK;
        duel_case->ignored[1].bytes = 4;
    }
}

enum { MXCSR_MISALIGNED = 1 << 17 };

static void favour_vector(struct random *random, struct duel_case *duel_case,
                          const struct instruction *decoded, uint32_t target)
{
    uint8_t area[XSAVE_AREA_BYTES];
    random_vector_state(random, area);
    bool saved = is(decoded, "FXRSTOR");
    if (saved && !random_one_in(random, 4)) {
        steering_store(duel_case, target, area, XSAVE_LEGACY_BYTES);
    } else if (saved || is(decoded, "LDMXCSR") || is(decoded, "VLDMXCSR")) {
        /* Any bit but the one that only AMD's have. */
        uint32_t any = (uint32_t)random_next(random) & ~(uint32_t)MXCSR_MISALIGNED;
        const void *mxcsr =
            random_one_in(random, 4) ? (const void *)&any : area + FPU_AREA_MXCSR;
        steering_store(duel_case, target + (saved ? FPU_AREA_MXCSR : 0), mxcsr, 4);
    }
    if (instruction_row(decoded)->attributes & ROW_VSIB) {
        /* Small indices, in both halves of the register. */
        for (unsigned i = 0; i < 8; i++) {
            unsigned half = i < 4 ? FPU_AREA_XMM : FPU_AREA_YMM_HIGH;
            bool quad = starts(decoded, "VPGATHERQ") || starts(decoded, "VGATHERQ");
            uint32_t index = quad && i % 2 ? 0 : random_below(random, 64);
            memcpy(duel_case->before.vector + half + 16 * (decoded->index & 7) +
                       4 * (i % 4),
                   &index, sizeof(index));
        }
    }
    note_x87_pointers(duel_case, decoded, target);
}

static bool is_one_of(const struct instruction *decoded, const char *const *names)
{
    while (*names && !is(decoded, *names)) {
        names++;
    }
    return *names;
}

static void note_vector_exemptions(struct duel_case *duel_case,
                                   const struct instruction *decoded)
{
    uint32_t attributes = instruction_row(decoded)->attributes;
    bool wide =
        (attributes & (ROW_SSE | ROW_AVX)) && instruction_memory_bytes(decoded) > 8;
    if (wide || (attributes & ROW_VSIB)) {
        /* Alignment of more than 8 bytes, or of gathered elements, is checked by some
         * processors. */
        duel_case->before.eflags &= ~(uint32_t)EFLAGS_AC;
        duel_case->exemptions |= DUEL_ALIGNMENT_OR_LIMIT;
    }
    if (attributes & ROW_VSIB) {
        duel_case->exemptions |= DUEL_ONE_INSTRUCTION;
    }
    if (starts(decoded, "DPP") || starts(decoded, "VDPP")) {
        /* They multiply and add: what is flagged when the first of it faults varies. */
        static const uint32_t masked = MXCSR_INIT;
        memcpy(duel_case->before.vector + FPU_AREA_MXCSR, &masked, sizeof(masked));
    }
    if (attributes & ROW_MMX) {
        duel_case->exemptions |= DUEL_MMX_FAULT;
    }
    if (decoded->memory && (is(decoded, "CVTPI2PS") || is(decoded, "CVTPI2PD"))) {
        /* With memory they do not use the x87's registers; some report its pending
         * exceptions nevertheless. */
        memset(duel_case->before.vector + FPU_AREA_STATUS, 0, 2);
    }
}

void steering_note_exemptions(struct duel_case *duel_case,
                              const struct instruction *decoded)
{
    static const char *const partial[] = {"PUSHA", "POPA", NULL};
    static const char *const several_pages[] = {"PUSHA", "POPA", "ENTER", NULL};
    /* CMPS reads from two places, CALL reads, writes and checks its target; images of
     * the x87 are read and written bit by bit, of which some may be beyond the limit.
     */
    static const char *const several_faults[] = {"CMPS",    "CALL",   "FXSAVE",
                                                 "FXRSTOR", "FNSAVE", "FRSTOR",
                                                 "FNSTENV", "FLDENV", NULL};
    static const char *const masked[] = {"MASKMOVQ", "MASKMOVDQU", "VMASKMOVDQU", NULL};
    if (is(decoded, "PUSHF")) {
        duel_case->exemptions |= DUEL_PUSHES_FLAGS;
    }
    if (is_one_of(decoded, several_pages)) {
        duel_case->exemptions |= DUEL_ANY_PAGE;
    }
    if (is_one_of(decoded, several_faults)) {
        duel_case->exemptions |= DUEL_ANY_PAGE | DUEL_ANY_FAULT;
    }
    if (is_one_of(decoded, partial)) {
        duel_case->exemptions |= DUEL_PARTIAL;
    }
    if (is_one_of(decoded, masked)) {
        duel_case->exemptions |= DUEL_ANY_PAGE | DUEL_MASKED;
    }
    note_vector_exemptions(duel_case, decoded);
}

void steering_favour(struct isa_generator *generator, struct duel_case *duel_case,
                     const struct instruction *decoded, uint32_t target)
{
    struct random *random = &generator->random;
    favour_string(random, duel_case, decoded);
    favour_selector(random, duel_case, decoded, target);
    favour_arithmetic(random, duel_case, decoded, target);
    favour_vector(random, duel_case, decoded, target);
}
