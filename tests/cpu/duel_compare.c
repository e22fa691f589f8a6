#include "duel_compare.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "disassembly/disassembly.h"
#include "xsave_area.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void duel_differ(struct duel_result *result, const char *format, ...)
{
    size_t length = strlen(result->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->text + length, sizeof(result->text) - length, format, arguments);
    va_end(arguments);
    result->agree = false;
}

enum {
    OPERAND_BYTES = 512,
    MXCSR_OVERFLOW = 0x08,
    MXCSR_PRECISION = 0x20,
    PAGE_FAULT_FETCH = 0x10,
};

/* EFLAGS that are compared. TF is the oracle's own; RF, VIF, VIP are not user's. */
static const uint32_t compared_flags = EFLAGS_ARITHMETIC | EFLAGS_DF | EFLAGS_IF |
                                       EFLAGS_IOPL | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID;

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
        duel_differ(result, "exception: host %d (error %x), ours %d (error %x)\n",
                    host->vector, host->error, guest->vector, guest->error);
        return;
    }
    if (host->vector < 0) {
        return;
    }
    if (duel_case->exemptions & DUEL_ANY_PAGE) {
        return;
    }
    /* The fixture's own tables are present, but not for the user. The host's kernel
     * uses NX, ours does not. */
    bool page_fault = guest->vector == EXCEPTION_PF;
    uint32_t ignored = page_fault && guest->cr2 >= FIXTURE_TABLES;
    ignored |= page_fault ? PAGE_FAULT_FETCH : 0;
    if ((host->error & ~ignored) != (guest->error & ~ignored)) {
        duel_differ(result, "error code: host %x, ours %x\n", host->error,
                    guest->error);
    }
    if (host->vector == EXCEPTION_PF && host->cr2 != guest->cr2) {
        duel_differ(result, "CR2: host %x, ours %x\n", host->cr2, guest->cr2);
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
            duel_differ(result, "%s: host %08x, ours %08x\n", names[i], host->regs[i],
                        guest->regs[i]);
        }
    }
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        /* The IRETs of the host's kernel make null selectors of any RPL zero. */
        bool both_null = !(host->segments[i] & ~3) && !(guest->segments[i] & ~3);
        if (host->segments[i] != guest->segments[i] && !both_null) {
            duel_differ(result, "%s: host %04x, ours %04x\n", segments[i],
                        host->segments[i], guest->segments[i]);
        }
    }
    if (host->eip != guest->eip) {
        duel_differ(result, "eip: host %08x, ours %08x\n", host->eip, guest->eip);
    }
    uint32_t differences = (host->eflags ^ guest->eflags) & compared_flags;
    result->undefined_differences = differences & duel_case->undefined_flags;
    if (differences & ~duel_case->undefined_flags) {
        duel_differ(result, "eflags: host %08x, ours %08x\n", host->eflags,
                    guest->eflags);
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
            duel_differ(result, "[%08x]: host %02x, ours %02x, before %02x\n",
                        ORACLE_DATA + i, host[i], guest[i], duel_case->data[i]);
        }
    }
}

static void compare_code(struct duel *duel, struct duel_result *result)
{
    const uint8_t *host = host_oracle_code();
    const uint8_t *guest = cpu_fixture_ram(&duel->fixture, DUEL_CODE_PHYSICAL);
    for (unsigned i = 0; i < ORACLE_CODE_BYTES; i++) {
        if (host[i] != guest[i]) {
            duel_differ(result, "[%08x]: host %02x, ours %02x, before %02x\n",
                        ORACLE_CODE + i, host[i], guest[i], duel->code[i]);
        }
    }
}

static void compare_vector_state(const struct duel_case *duel_case,
                                 struct duel_result *result)
{
    char text[256];
    uint8_t host[XSAVE_AREA_BYTES], guest[XSAVE_AREA_BYTES];
    memcpy(host, result->host.state.vector, sizeof(host));
    memcpy(guest, result->guest.state.vector, sizeof(guest));
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
        duel_differ(result, "%s", text);
        result->vector_matters = true;
    }
}

bool duel_compare_states(const struct duel_case *duel_case, struct duel_result *result)
{
    if ((duel_case->exemptions & DUEL_MASKED) &&
        (result->host.outcome.vector < 0) != (result->guest.outcome.vector < 0)) {
        return false;
    }
    compare_outcomes(duel_case, result);
    if ((duel_case->exemptions & DUEL_PARTIAL) && result->host.outcome.vector >= 0) {
        return false;
    }
    compare_registers(duel_case, result);
    compare_memory(duel_case, result);
    compare_vector_state(duel_case, result);
    return true;
}

void duel_compare(struct duel *duel, const struct duel_case *duel_case,
                  struct duel_result *result)
{
    if (duel_compare_states(duel_case, result)) {
        compare_code(duel, result);
    }
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
