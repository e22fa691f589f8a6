#include "duel.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "disassembly/disassembly.h"
#include "xsave_area.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MXCSR_OVERFLOW = 0x08, MXCSR_PRECISION = 0x20 };

/* EFLAGS that are compared. TF is the oracle's own; RF, VIF, VIP are not user's. */
static const uint32_t compared_flags = EFLAGS_ARITHMETIC | EFLAGS_DF | EFLAGS_IF |
                                       EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;

static uint8_t *host_memory(uint32_t address)
{
    return (uint8_t *)(uintptr_t)address;
}

static void install_segments(struct cpu_fixture *fixture)
{
    for (unsigned i = 0; i < ORACLE_SEGMENTS; i++) {
        const struct oracle_segment *from = &oracle_segments[i];
        unsigned access =
            SEGMENT_NOT_SYSTEM | SEGMENT_ACCESSED | 3 << SEGMENT_DPL_SHIFT;
        access |= from->present ? SEGMENT_PRESENT : 0;
        access |= from->big ? SEGMENT_BIG : 0;
        access |= from->code ? SEGMENT_CODE : 0;
        access |= from->expand_down ? SEGMENT_EXPAND_DOWN : 0;
        access |= from->writable || from->readable_code ? SEGMENT_WRITABLE : 0;
        cpu_fixture_set_descriptor(
            fixture, (uint16_t)(i << 3 | 7),
            cpu_fixture_descriptor(from->base, from->limit, (uint16_t)access));
    }
}

bool duel_create(struct duel *duel, struct error *error)
{
    if (!cpu_fixture_create(&duel->fixture, DUEL_RAM_BYTES, error)) {
        return false;
    }
    struct cpu_fixture *fixture = &duel->fixture;
    cpu_fixture_protected_mode(fixture, 3);
    install_segments(fixture);
    for (uint32_t i = 0; i < ORACLE_CODE_BYTES; i += PAGE_BYTES) {
        cpu_fixture_map(fixture, ORACLE_CODE + i, DUEL_CODE_PHYSICAL + i, true, true);
    }
    for (uint32_t i = 0; i < ORACLE_DATA_BYTES; i += PAGE_BYTES) {
        cpu_fixture_map(fixture, ORACLE_DATA + i, DUEL_DATA_PHYSICAL + i, true, true);
    }
    gpa_t read_only = DUEL_DATA_PHYSICAL + ORACLE_DATA_BYTES;
    cpu_fixture_map(fixture, ORACLE_READ_ONLY, read_only, false, true);
    memcpy(cpu_fixture_ram(fixture, read_only), host_memory(ORACLE_READ_ONLY),
           ORACLE_READ_ONLY_BYTES);
    return true;
}

void duel_destroy(struct duel *duel)
{
    cpu_fixture_destroy(&duel->fixture);
}

gla_t duel_code_address(const struct oracle_state *state, uint32_t eip)
{
    uint16_t selector = state->segments[SEGMENT_CS];
    return eip + (selector & 4 ? oracle_segments[selector >> 3].base : 0);
}

/* The whole area, for bit strings and odd pointers reach far and may have written there
 * before. */
static void place_code(struct duel *duel, const struct duel_case *duel_case)
{
    gla_t address = duel_code_address(&duel_case->before, duel_case->before.eip);
    memset(duel->code, DUEL_CODE_FILLER, ORACLE_CODE_BYTES);
    memcpy(duel->code + (address - ORACLE_CODE), duel_case->code, duel_case->length);
    memcpy(host_memory(ORACLE_CODE), duel->code, ORACLE_CODE_BYTES);
    cpu_fixture_store(&duel->fixture, DUEL_CODE_PHYSICAL, duel->code,
                      ORACLE_CODE_BYTES);
}

static void run_on_host(const struct duel_case *duel_case, struct duel_side *host)
{
    host->state = duel_case->before;
    memcpy(host_memory(ORACLE_DATA), duel_case->data, ORACLE_DATA_BYTES);
    host_oracle_run(&host->state, duel_case->max_steps, duel_case->first_eip,
                    duel_case->last_eip, &host->outcome);
    memcpy(host->data, host_memory(ORACLE_DATA), ORACLE_DATA_BYTES);
}

static void load_guest(struct duel *duel, const struct oracle_state *state)
{
    struct cpu *cpu = duel->fixture.cpu;
    memcpy(cpu->regs, state->regs, sizeof(state->regs));
    cpu->eip = state->eip;
    cpu_set_eflags(cpu, state->eflags);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        cpu_fixture_load_segment(&duel->fixture, i, state->segments[i]);
    }
    memcpy(cpu->fpu.area, state->vector, XSAVE_AREA_BYTES);
    fpu_loaded(cpu);
    cpu->halted = false;
    cpu->shadow = 0;
    cpu->cr2 = 0;
    cpu_update_mode(cpu);
}

static void keep_guest(struct duel *duel, struct duel_side *guest)
{
    struct cpu *cpu = duel->fixture.cpu;
    struct oracle_state *state = &guest->state;
    memcpy(state->regs, cpu->regs, sizeof(state->regs));
    state->eip = cpu->eip;
    state->eflags = cpu_eflags(cpu);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        state->segments[i] = cpu->segments[i].selector;
    }
    memcpy(state->vector, cpu->fpu.area, XSAVE_AREA_BYTES);
    /* Parked, our area is complete whatever its header says. */
    state->vector[FPU_AREA_XSTATE_BV] = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    struct cpu_fixture_exception exception;
    if (cpu_fixture_exception(&duel->fixture, &exception)) {
        guest->outcome.vector = exception.vector;
        guest->outcome.error = exception.error;
        guest->outcome.cr2 = cpu->cr2;
        state->eip = exception.eip;
        state->eflags = exception.eflags;
        state->regs[REGISTER_ESP] = exception.esp;
        state->segments[SEGMENT_CS] = (uint16_t)exception.cs;
        state->segments[SEGMENT_SS] = (uint16_t)exception.ss;
    }
}

/* As many instructions as the host has done, and the one that faulted there. */
static void run_on_guest(struct duel *duel, const struct duel_case *duel_case,
                         const struct oracle_outcome *host, struct duel_side *guest)
{
    struct cpu *cpu = duel->fixture.cpu;
    uint8_t *data = cpu_fixture_ram(&duel->fixture, DUEL_DATA_PHYSICAL);
    memcpy(data, duel_case->data, ORACLE_DATA_BYTES);
    load_guest(duel, &duel_case->before);
    guest->outcome = (struct oracle_outcome){.vector = -1, .steps = host->steps};
    uint64_t budget = host->steps + (host->vector >= 0 ? 1 : 0);
    if (duel_case->exemptions & DUEL_ONE_INSTRUCTION) {
        budget = 1;
    }
    cpu_fixture_run(&duel->fixture, budget);
    if ((cpu->shadow & CPU_SHADOW_MOV_SS) || (cpu->cpl == 0 && !cpu->halted)) {
        /* No single-step trap between these two; INT3 and INTO count as instructions,
         * the HLT of their handlers is still to come. */
        cpu_fixture_run(&duel->fixture, 1);
    }
    keep_guest(duel, guest);
    memcpy(guest->data, data, ORACLE_DATA_BYTES);
}

__attribute__((format(printf, 2, 3))) static void differ(struct duel_result *result,
                                                         const char *format, ...)
{
    size_t length = strlen(result->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->text + length, sizeof(result->text) - length, format, arguments);
    va_end(arguments);
    result->agree = false;
}

enum { OPERAND_BYTES = 512 };

/* Whether the two exceptions are but different choices among several. Of a misaligned
 * address #AC, #GP and #PF may come first (SDM vol. 3, table 6-2; vol. 2, FXSAVE). */
static bool are_both_right(const struct duel_case *duel_case,
                           const struct oracle_outcome *a, /* host's */
                           const struct oracle_outcome *b)
{
    if (a->vector < 0 || b->vector < 0) {
        return false;
    }
    bool alignment = a->vector == EXCEPTION_AC || b->vector == EXCEPTION_AC;
    bool others = a->vector == EXCEPTION_PF || b->vector == EXCEPTION_PF ||
                  a->vector == EXCEPTION_GP || b->vector == EXCEPTION_GP ||
                  a->vector == EXCEPTION_SS || b->vector == EXCEPTION_SS;
    bool segment = (a->vector == EXCEPTION_SS && b->vector == EXCEPTION_GP) ||
                   (a->vector == EXCEPTION_GP && b->vector == EXCEPTION_SS);
    /* An operand that wraps at 4 GiB may exceed the limit (section 5.3). */
    bool wraps = (a->vector == EXCEPTION_SS || a->vector == EXCEPTION_GP) &&
                 b->vector == EXCEPTION_PF &&
                 b->cr2 + OPERAND_BYTES < 2 * OPERAND_BYTES;
    return (alignment && others) || wraps || (duel_case->exemptions & DUEL_ANY_FAULT) ||
           (segment && (duel_case->exemptions & DUEL_ALIGNMENT_OR_LIMIT));
}

static void compare_outcomes(const struct duel_case *duel_case,
                             struct duel_result *result)
{
    const struct oracle_outcome *host = &result->host.outcome;
    const struct oracle_outcome *guest = &result->guest.outcome;
    if (are_both_right(duel_case, host, guest)) {
        return;
    }
    if (host->vector != guest->vector) {
        differ(result, "exception: host %d (error %x), ours %d (error %x)\n",
               host->vector, host->error, guest->vector, guest->error);
        return;
    }
    if (host->vector < 0) {
        return;
    }
    if (duel_case->exemptions & DUEL_ANY_PAGE) {
        return;
    }
    /* The fixture's own tables are present, but not for the user. */
    uint32_t present = guest->vector == EXCEPTION_PF && guest->cr2 >= FIXTURE_TABLES;
    if (host->error != (guest->error & ~present)) {
        differ(result, "error code: host %x, ours %x\n", host->error, guest->error);
    }
    if (host->vector == EXCEPTION_PF && host->cr2 != guest->cr2) {
        differ(result, "CR2: host %x, ours %x\n", host->cr2, guest->cr2);
    }
}

static void compare_registers(const struct duel_case *duel_case,
                              struct duel_result *result)
{
    static const char *const names[8] = {"eax", "ecx", "edx", "ebx",
                                         "esp", "ebp", "esi", "edi"};
    static const char *const segments[SEGMENT_COUNT] = {"es", "cs", "ss",
                                                        "ds", "fs", "gs"};
    const struct oracle_state *host = &result->host.state,
                              *guest = &result->guest.state;
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
        if (host->regs[i] != guest->regs[i]) {
            differ(result, "%s: host %08x, ours %08x\n", names[i], host->regs[i],
                   guest->regs[i]);
        }
    }
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        /* The IRETs of the host's kernel make null selectors of any RPL zero. */
        bool both_null = !(host->segments[i] & ~3) && !(guest->segments[i] & ~3);
        if (host->segments[i] != guest->segments[i] && !both_null) {
            differ(result, "%s: host %04x, ours %04x\n", segments[i], host->segments[i],
                   guest->segments[i]);
        }
    }
    if (host->eip != guest->eip) {
        differ(result, "eip: host %08x, ours %08x\n", host->eip, guest->eip);
    }
    uint32_t differences = (host->eflags ^ guest->eflags) & compared_flags;
    result->undefined_differences = differences & duel_case->undefined_flags;
    if (differences & ~duel_case->undefined_flags) {
        differ(result, "eflags: host %08x, ours %08x\n", host->eflags, guest->eflags);
    }
}

static bool is_ignored(const struct duel_case *duel_case, uint32_t address)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(duel_case->ignored); i++) {
        if (address - duel_case->ignored[i].address < duel_case->ignored[i].bytes) {
            return true;
        }
    }
    return false;
}

static void compare_memory(const struct duel_case *duel_case,
                           struct duel_result *result)
{
    const uint8_t *host = result->host.data, *guest = result->guest.data;
    if (memcmp(host, guest, ORACLE_DATA_BYTES) == 0) {
        return;
    }
    for (unsigned i = 0; i < ORACLE_DATA_BYTES; i++) {
        uint8_t difference = host[i] ^ guest[i];
        if (duel_case->exemptions & DUEL_PUSHES_FLAGS) {
            difference &= (uint8_t) ~(EFLAGS_TF >> 8);
        }
        if (difference && !is_ignored(duel_case, ORACLE_DATA + i)) {
            differ(result, "[%08x]: host %02x, ours %02x, before %02x\n",
                   ORACLE_DATA + i, host[i], guest[i], duel_case->data[i]);
        }
    }
}

static void compare_code(struct duel *duel, struct duel_result *result)
{
    const uint8_t *host = host_memory(ORACLE_CODE);
    const uint8_t *guest = cpu_fixture_ram(&duel->fixture, DUEL_CODE_PHYSICAL);
    for (unsigned i = 0; i < ORACLE_CODE_BYTES; i++) {
        if (host[i] != guest[i]) {
            differ(result, "[%08x]: host %02x, ours %02x, before %02x\n",
                   ORACLE_CODE + i, host[i], guest[i], duel->code[i]);
        }
    }
}

static void compare_vector_state(const struct duel_case *duel_case,
                                 struct duel_result *result)
{
    char text[256];
    uint8_t *host = result->host.state.vector, *guest = result->guest.state.vector;
    if ((duel_case->exemptions & DUEL_MMX_FAULT) && result->host.outcome.vector >= 0) {
        memcpy(host, guest, FPU_AREA_MXCSR);
        memcpy(host + FPU_AREA_ST, guest + FPU_AREA_ST, FPU_AREA_XMM - FPU_AREA_ST);
    }
    if (result->host.outcome.vector == EXCEPTION_XM &&
        (host[FPU_AREA_MXCSR] & (MXCSR_UNDERFLOW | MXCSR_OVERFLOW))) {
        /* Whether a tiny or huge result that traps would also be inexact: ours is
         * rounded to what can be stored, the host's as if the exponent had no limit. */
        host[FPU_AREA_MXCSR] |= MXCSR_PRECISION;
        guest[FPU_AREA_MXCSR] |= MXCSR_PRECISION;
    }
    if (!xsave_area_compare(host, guest, text, sizeof(text))) {
        differ(result, "%s", text);
        result->vector_matters = true;
    }
}

void duel_run(struct duel *duel, const struct duel_case *duel_case,
              struct duel_result *result)
{
    result->agree = true;
    result->vector_matters = false;
    result->undefined_differences = 0;
    result->text[0] = '\0';
    place_code(duel, duel_case);
    run_on_host(duel_case, &result->host);
    run_on_guest(duel, duel_case, &result->host.outcome, &result->guest);
    if ((duel_case->exemptions & DUEL_MASKED) &&
        (result->host.outcome.vector < 0) != (result->guest.outcome.vector < 0)) {
        return;
    }
    compare_outcomes(duel_case, result);
    if ((duel_case->exemptions & DUEL_PARTIAL) && result->host.outcome.vector >= 0) {
        return;
    }
    compare_registers(duel_case, result);
    compare_memory(duel_case, result);
    compare_code(duel, result);
    compare_vector_state(duel_case, result);
}

static void print_state(const char *name, const struct oracle_state *state, bool vector)
{
    printf("%s: eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi "
           "%08x\n  eip %08x eflags %08x cs %04x ss %04x ds %04x es %04x fs %04x gs "
           "%04x\n",
           name, state->regs[0], state->regs[1], state->regs[2], state->regs[3],
           state->regs[4], state->regs[5], state->regs[6], state->regs[7], state->eip,
           state->eflags, state->segments[SEGMENT_CS], state->segments[SEGMENT_SS],
           state->segments[SEGMENT_DS], state->segments[SEGMENT_ES],
           state->segments[SEGMENT_FS], state->segments[SEGMENT_GS]);
    if (vector) {
        xsave_area_print(state->vector);
    }
}

void duel_print(const struct duel_case *duel_case, const struct duel_result *result)
{
    bool is16 = duel_case->before.segments[SEGMENT_CS] == ORACLE_SEGMENT_CODE16;
    disassembly_print(stdout, duel_case->code, duel_case->length, duel_case->before.eip,
                      is16);
    print_state("before", &duel_case->before, result->vector_matters);
    print_state("host", &result->host.state, result->vector_matters);
    print_state("ours", &result->guest.state, result->vector_matters);
    printf("host: %u steps, exception %d error %x cr2 %08x\n",
           result->host.outcome.steps, result->host.outcome.vector,
           result->host.outcome.error, result->host.outcome.cr2);
    printf("%s\n", result->text);
}
