#include "isa_generator.h"

#include "isa_steering.h"

#include "cpu/decoder/decoder.h"
#include "cpu/interpreter/handlers.h"

#include <string.h>

enum {
    DATA_MIDDLE = ORACLE_DATA + PAGE_BYTES,
    REPEAT_STEPS = 12,
};

/* Instructions that cannot be compared at privilege 3 of this host. */
static const struct {
    const char *mnemonic, *reason;
} unsuited[] = {
    {"RETF", "far transfers depend on the host's descriptor table"},
    {"IRET", "as RETF"},
    {"ICEBP", "its trap is the one that ends every step"},
    {"SYSENTER", "would enter the host's kernel"},
    {"SYSEXIT", "belongs to kernels"},
    {"SGDT", "shows the host's tables, or Linux's emulation"},
    {"SIDT", "as SGDT"},
    {"SLDT", "as SGDT"},
    {"STR", "as SGDT"},
    {"SMSW", "as SGDT"},
    {"CPUID", "shows the host's features"},
    {"XGETBV", "shows the host's XCR0"},
    {"XSAVE", "saves all components of the host"},
    {"XSAVEOPT", "as XSAVE"},
    {"XRSTOR", "as XSAVE"},
    {"RDTSC", "time"},
    {"RDTSCP", "time"},
    {"RDRAND", "random"},
    {"RDSEED", "random"},
};

static bool is_far_pointer(const struct instruction_row *row)
{
    return (strcmp(row->mnemonic, "JMP") == 0 || strcmp(row->mnemonic, "CALL") == 0) &&
           (row->operands[0].method == OPERAND_A || row->operands[0].size == SIZE_P);
}

const char *isa_unsuited(const struct isa_generator *generator,
                         const struct instruction_row *row)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(unsuited); i++) {
        if (strcmp(unsuited[i].mnemonic, row->mnemonic) == 0) {
            return unsuited[i].reason;
        }
    }
    return is_far_pointer(row) ? "as RETF" : NULL;
}

/* PUSH, POP or MOV of a segment register: what is there when it is not made up for the
 * purpose may name a descriptor of the host's, and signals of Linux make null selectors
 * of any RPL zero. */
static bool moves_selector(const struct instruction_row *row)
{
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        unsigned method = row->operands[i].method;
        if (method == OPERAND_S || (method >= OPERAND_ES && method <= OPERAND_GS)) {
            return true;
        }
    }
    return false;
}

bool isa_unsuited_in_sequence(const struct instruction_row *row)
{
    static const char *const mnemonics[] = {
        "DIV", "IDIV", "AAM", "AAD", "AAA", "AAS", "DAA", "DAS", "PUSHF", "POPF", "LSS",
        "FXSAVE", "FNSAVE", "FNSTENV", "INT", "INT3", "INTO",
        /* The host has descriptors that the guest has not. */
        "LSL", "LAR", "VERR", "VERW", "LES", "LDS", "LFS", "LGS",
        /* Checks alignment where it accesses nothing, or does not. */
        "ENTER",
        /* May fault for what their mask excludes, or not. */
        "VMASKMOVPS", "VMASKMOVPD", "VPMASKMOVD", "VPMASKMOVQ"};
    for (unsigned i = 0; i < ARRAY_LENGTH(mnemonics); i++) {
        if (strcmp(row->mnemonic, mnemonics[i]) == 0) {
            return true;
        }
    }
    return moves_selector(row) || strcmp(handler_names[row->handler], "ud") == 0 ||
           (row->attributes & (ROW_PRIVILEGED | ROW_IOPL | ROW_VSIB));
}

/* The guest's CPUID denies the feature: #UD here, whatever the host has. */
static bool feature_missing(const struct isa_generator *generator,
                            const struct instruction *decoded)
{
    static const uint8_t ud2[] = {0x0f, 0x0b};
    const struct instruction_row *row = instruction_row(decoded);
    unsigned feature =
        decoded->vex_flags & INSTRUCTION_VEX_L ? row->feature_256 : row->feature;
    if (feature == FEATURE_NONE) {
        return false;
    }
    struct instruction invalid = {.eip = 0};
    decode_instruction(&invalid, ud2, sizeof(ud2), 0, CODE_MODE_32);
    return handler_choose(generator->cpu, decoded) ==
           handler_choose(generator->cpu, &invalid);
}

static uint16_t random_data_segment(struct random *random)
{
    static const uint16_t selectors[] = {
        ORACLE_SEGMENT_WINDOW,
        ORACLE_SEGMENT_SHORT,
        ORACLE_SEGMENT_CONSTANT,
        ORACLE_SEGMENT_EXPAND_DOWN,
        ORACLE_SEGMENT_STACK16,
        ORACLE_SEGMENT_CODE16,
        0,
    };
    return random_one_in(random, 6)
               ? selectors[random_below(random, ARRAY_LENGTH(selectors))]
               : ORACLE_DS;
}

static void random_segments(struct random *random, struct oracle_state *state)
{
    static const uint16_t stacks[] = {ORACLE_SEGMENT_WINDOW, ORACLE_SEGMENT_SHORT,
                                      ORACLE_SEGMENT_EXPAND_DOWN,
                                      ORACLE_SEGMENT_STACK16};
    state->segments[SEGMENT_CS] =
        random_one_in(random, 8) ? ORACLE_SEGMENT_CODE16 : ORACLE_CS;
    state->segments[SEGMENT_DS] = random_data_segment(random);
    state->segments[SEGMENT_ES] = random_data_segment(random);
    state->segments[SEGMENT_FS] = random_data_segment(random);
    state->segments[SEGMENT_GS] = random_data_segment(random);
    state->segments[SEGMENT_SS] =
        random_one_in(random, 8) ? stacks[random_below(random, ARRAY_LENGTH(stacks))]
                                 : ORACLE_DS;
}

/* See ORACLE_STACK16_HIGH. */
static void set_stack16_high(struct oracle_state *state)
{
    uint16_t selector = state->segments[SEGMENT_SS];
    if ((selector & 4) && !oracle_segments[selector >> 3].big) {
        state->regs[REGISTER_ESP] =
            ORACLE_STACK16_HIGH | (state->regs[REGISTER_ESP] & 0xffff);
    }
}

static void random_stack_pointers(struct random *random, struct duel_case *duel_case)
{
    struct oracle_state *state = &duel_case->before;
    uint32_t base = steering_segment_base(duel_case, SEGMENT_SS);
    uint32_t stack = DATA_MIDDLE - 0x400 + random_below(random, 0x200) * 4;
    if (random_one_in(random, 16)) {
        stack = steering_zone(random, 4);
    }
    state->regs[REGISTER_ESP] = stack - base;
    if (random_one_in(random, 4)) {
        state->regs[REGISTER_EBP] = stack + random_below(random, 64) * 4 - base;
    }
    set_stack16_high(state);
}

void isa_random_state(struct isa_generator *generator, struct duel_case *duel_case)
{
    struct random *random = &generator->random;
    struct oracle_state *state = &duel_case->before;
    for (unsigned i = 0; i < ARRAY_LENGTH(state->regs); i++) {
        state->regs[i] = random_integer(random);
    }
    random_segments(random, state);
    random_stack_pointers(random, duel_case);
    uint32_t flags = (uint32_t)random_next(random);
    state->eflags =
        (flags & (EFLAGS_ARITHMETIC | EFLAGS_ID)) | EFLAGS_ALWAYS_ONE | EFLAGS_IF;
    state->eflags |= random_one_in(random, 4) ? EFLAGS_DF : 0;
    state->eflags |= random_one_in(random, 16) ? EFLAGS_AC : 0;
    random_vector_state(random, state->vector);
    random_fill(random, duel_case->data, sizeof(duel_case->data));
    uint32_t offset = 0x100 + random_below(random, 0xe00);
    if (random_one_in(random, 16)) {
        offset = PAGE_BYTES - 1 - random_below(random, 8);
    }
    bool is16 = state->segments[SEGMENT_CS] == ORACLE_SEGMENT_CODE16;
    state->eip = offset + (is16 ? 0 : ORACLE_CODE);
}

static uint32_t code_mode(const struct duel_case *duel_case)
{
    bool is16 = duel_case->before.segments[SEGMENT_CS] == ORACLE_SEGMENT_CODE16;
    return (is16 ? 0 : CODE_MODE_32) | CODE_MODE_VEX;
}

/* 16-bit offsets reach the data area through certain segments only. */
static void give_window(struct random *random, struct duel_case *duel_case,
                        const struct instruction *decoded)
{
    static const uint16_t windows[] = {ORACLE_SEGMENT_WINDOW, ORACLE_SEGMENT_WINDOW,
                                       ORACLE_SEGMENT_SHORT, ORACLE_SEGMENT_CONSTANT,
                                       ORACLE_SEGMENT_EXPAND_DOWN};
    uint16_t *selector = &duel_case->before.segments[decoded->segment];
    if (decoded->address_mask == 0xffff && *selector == ORACLE_DS &&
        decoded->segment != SEGMENT_SS && !random_one_in(random, 8)) {
        *selector = windows[random_below(random, ARRAY_LENGTH(windows))];
    }
}

static void steer_operand(struct isa_generator *generator, struct duel_case *duel_case,
                          struct isa_encoding *encoding,
                          const struct instruction *decoded)
{
    struct random *random = &generator->random;
    unsigned bytes = instruction_memory_bytes(decoded);
    give_window(random, duel_case, decoded);
    uint32_t target = steering_zone(random, bytes ? bytes : 16);
    steering_move_operand(duel_case, encoding, decoded, target);
    uint8_t value[32];
    random_vector(random, value);
    random_vector(random, value + 16);
    if (bytes == 10) {
        random_extended(random, value);
    }
    if (random_one_in(random, 2)) {
        steering_store(duel_case, target, value, sizeof(value));
    }
}

/* Forms of suited rows that are better left alone. */
static bool is_unsuited_form(const struct duel_case *duel_case,
                             const struct instruction *decoded)
{
    const struct instruction_row *row = instruction_row(decoded);
    /* Operands of SHA1… and SHA256… need no alignment by AMD. */
    if (strncmp(row->mnemonic, "SHA", 3) == 0 && decoded->memory &&
        steering_operand_address(duel_case, decoded) % 16 != 0) {
        return true;
    }
    /* INT 80 is a system call of the host. */
    if (strcmp(row->mnemonic, "INT") == 0 && decoded->immediate == 0x80) {
        return true;
    }
    /* What the oracle keeps below 4 GiB for itself. */
    uint32_t address = steering_operand_address(duel_case, decoded);
    if (row->attributes & ROW_BITSTRING) {
        address += (uint32_t)((int32_t)duel_case->before.regs[decoded->reg] >> 3);
    }
    if (decoded->memory &&
        address - (ORACLE_STACK16_HIGH - PAGE_BYTES) < 2 * PAGE_BYTES) {
        return true;
    }
    /* How much of EBP a 16-bit stack gives with 32-bit operands, all of ESP by AMD. */
    uint16_t stack = duel_case->before.segments[SEGMENT_SS];
    if (strcmp(row->mnemonic, "ENTER") == 0 && decoded->operand_bytes == 4 &&
        (stack & 4) && !oracle_segments[stack >> 3].big) {
        return true;
    }
    /* PREFETCHW of a register: #UD by AMD, NOP by Intel. */
    return row->map == OPCODE_MAP_0F && row->opcode == 0x0d && !decoded->memory;
}

unsigned isa_random_instruction(struct isa_generator *generator, unsigned row,
                                struct duel_case *duel_case, uint8_t *code, bool steer,
                                struct instruction *decoded)
{
    struct isa_encoding encoding;
    uint32_t mode = code_mode(duel_case);
    memset(decoded, 0, sizeof(*decoded));
    isa_encode(&generator->random, row, !(mode & CODE_MODE_32), &encoding);
    enum decode_result result = decode_instruction(
        decoded, encoding.bytes, encoding.length, duel_case->before.eip, mode);
    if (result == DECODE_OK) {
        if (isa_unsuited(generator, instruction_row(decoded)) ||
            feature_missing(generator, decoded)) {
            return 0;
        }
        if (steer) {
            uint32_t target = 0;
            if (decoded->memory) {
                steer_operand(generator, duel_case, &encoding, decoded);
                decode_instruction(decoded, encoding.bytes, encoding.length,
                                   duel_case->before.eip, mode);
                target = steering_operand_address(duel_case, decoded);
            }
            steering_favour(generator, duel_case, decoded, target);
            set_stack16_high(&duel_case->before);
        }
        steering_note_exemptions(duel_case, decoded);
        if (is_unsuited_form(duel_case, decoded)) {
            return 0;
        }
        encoding.length = decoded->length;
    } else {
        decoded->row = (uint16_t)row;
        decoded->length = 0;
    }
    memcpy(code, encoding.bytes, encoding.length);
    return encoding.length;
}

bool isa_generate(struct isa_generator *generator, unsigned row,
                  struct duel_case *duel_case, struct instruction *decoded)
{
    duel_case->exemptions = 0;
    memset(duel_case->ignored, 0, sizeof(duel_case->ignored));
    isa_random_state(generator, duel_case);
    duel_case->length = isa_random_instruction(generator, row, duel_case,
                                               duel_case->code, true, decoded);
    if (duel_case->length == 0) {
        return false;
    }
    duel_case->undefined_flags = instruction_rows[decoded->row].flags_undefined;
    bool repeats = instruction_rows[decoded->row].attributes & (ROW_STRING | ROW_VSIB);
    duel_case->max_steps = repeats ? REPEAT_STEPS : 1;
    duel_case->first_eip = duel_case->last_eip = duel_case->before.eip;
    return true;
}

/* MOV of a selector that means the same on both sides to DS, ES, FS or GS. */
static bool loads_known_selector(const struct oracle_state *state,
                                 const struct instruction *decoded)
{
    const struct instruction_row *row = instruction_row(decoded);
    return strcmp(row->mnemonic, "MOV") == 0 && row->operands[0].method == OPERAND_S &&
           decoded->reg != SEGMENT_SS && !decoded->memory &&
           steering_knows_selector((uint16_t)state->regs[decoded->rm]);
}

bool isa_judges(const struct isa_generator *generator, struct duel_case *duel_case,
                const uint8_t *code, unsigned available)
{
    struct instruction decoded;
    struct oracle_state before;
    enum decode_result result = decode_instruction(
        &decoded, code, available, duel_case->before.eip, code_mode(duel_case));
    if (result != DECODE_OK || isa_unsuited(generator, instruction_row(&decoded)) ||
        (isa_unsuited_in_sequence(instruction_row(&decoded)) &&
         !loads_known_selector(&duel_case->before, &decoded)) ||
        feature_missing(generator, &decoded) || is_unsuited_form(duel_case, &decoded)) {
        return false;
    }
    memcpy(&before, &duel_case->before, sizeof(before));
    duel_case->exemptions = 0;
    steering_note_exemptions(duel_case, &decoded);
    return memcmp(&before, &duel_case->before, sizeof(before)) == 0;
}
