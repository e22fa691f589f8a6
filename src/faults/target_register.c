/* Registers. Who uses a wrong general register, flag or vector register is found out by
 * single steps until somebody has, or has written another value; what the other
 * registers do is not tracked. One that is stuck is set again after each instruction.
 */
#include "faults/faults_internal.h"

#include "disassembly/disassembly.h"
#include "disassembly/uses.h"
#include "faults/register_file.h"

#include <stdlib.h>
#include <string.h>

enum {
    TRACKED_STEPS = 1000000, /* who does not use it for so long gets away */
    KNOWN_USES_BITS = 6,
};

/* What an instruction does with the register, by its bytes: loops come again. */
struct known_use {
    uint8_t code[DISASSEMBLY_MOST_BYTES];
    uint8_t bytes; /* 0: nothing is known here */
    bool is16;
    struct disassembly_use use;
};

struct wrong_register {
    const struct register_name *name;
    uint32_t wrong;   /* bits that are wrong still; all of a vector register */
    uint32_t written; /* by the instruction that is executed now */
    uint32_t steps;
    bool is_tracked;
    struct known_use known[1 << KNOWN_USES_BITS]; /* by the place of the instruction */
};

static bool arm_register(struct fault *fault, struct error *error)
{
    struct wrong_register *wrong = calloc(1, sizeof(*wrong));
    if (!wrong) {
        return error_set(error, "out of memory for a fault");
    }
    wrong->name = register_find(fault->spec.name);
    fault->data = wrong;
    return true;
}

/* -- use -- */

static bool can_be_tracked(const struct fault *fault, enum disassembly_kind *kind)
{
    const struct wrong_register *wrong = fault->data;
    const uint32_t arithmetic = 0xcd5;
    switch (register_kind(wrong->name)) {
    case REGISTER_GENERAL:
        *kind = DISASSEMBLY_GENERAL;
        return true;
    case REGISTER_EFLAGS:
        *kind = DISASSEMBLY_FLAGS;
        return !(wrong->wrong & ~arithmetic);
    case REGISTER_XMM:
        *kind = DISASSEMBLY_VECTOR;
        return true;
    default:
        return false;
    }
}

static struct disassembly_use next_use(struct fault *fault, enum disassembly_kind kind)
{
    struct wrong_register *wrong = fault->data;
    const struct cpu *cpu = fault_cpu(fault);
    const bool is16 = !(cpu->code_mode & CODE_MODE_32);
    uint8_t code[DISASSEMBLY_MOST_BYTES] = {0};
    size_t bytes = machine_code(fault->owner->machine, code, sizeof(code));
    struct known_use *known =
        &wrong->known[cpu->eip * 0x9e3779b9U >> (32 - KNOWN_USES_BITS)];
    if (known->bytes != bytes || known->is16 != is16 ||
        memcmp(known->code, code, sizeof(code)) != 0) {
        known->bytes = (uint8_t)bytes;
        known->is16 = is16;
        memcpy(known->code, code, sizeof(code));
        known->use =
            disassembly_use(code, bytes, is16, kind, register_number(wrong->name));
    }
    return known->use;
}

static void stop_tracking(struct fault *fault)
{
    struct wrong_register *wrong = fault->data;
    wrong->is_tracked = false;
    fault->steps = fault->present; /* a stuck one has to be set again */
}

/* What the next instruction does to it. An interrupt that comes before is looked at as
 * its handler's first instruction. */
static void track(struct fault *fault)
{
    struct wrong_register *wrong = fault->data;
    enum disassembly_kind kind;
    if (machine_interrupt_is_next(fault->owner->machine)) {
        return;
    }
    if (!can_be_tracked(fault, &kind) || wrong->steps++ == TRACKED_STEPS) {
        fault->report.activation = FAULT_ACTIVATION_UNKNOWN;
        stop_tracking(fault);
        return;
    }
    struct disassembly_use use = next_use(fault, kind);
    if (use.reads & wrong->wrong) {
        fault_note_use(fault);
        stop_tracking(fault);
        return;
    }
    wrong->written = use.writes;
    if (fault->present) {
        return;
    }
    wrong->wrong &= ~use.writes;
    if (!wrong->wrong) {
        fault_note_overwritten(fault);
        stop_tracking(fault);
    }
}

/* -- begin and end -- */

static uint32_t low_word(const uint8_t *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Sets it; `*changed`: which bits of the lowest word have changed (all, of others). */
static bool set(struct fault *fault, uint32_t *changed)
{
    const struct wrong_register *wrong = fault->data;
    uint8_t before[REGISTER_FILE_BYTES], after[REGISTER_FILE_BYTES];
    const struct cpu *cpu = fault_cpu(fault);
    register_get(cpu, wrong->name, before);
    memcpy(after, before, sizeof(after));
    fault_apply(fault, after, register_bytes(wrong->name));
    if (memcmp(before, after, sizeof(after)) == 0) {
        *changed = 0;
        return false;
    }
    register_set(fault->owner->machine, wrong->name, after);
    register_get(cpu, wrong->name, after);
    bool has_changed = memcmp(before, after, sizeof(after)) != 0;
    bool is_long = register_bytes(wrong->name) > sizeof(uint32_t);
    *changed = is_long ? has_changed * UINT32_MAX : low_word(before) ^ low_word(after);
    if (has_changed && !is_long && !*fault->report.reason) {
        fault_refuse(fault, "0x%08x -> 0x%08x", low_word(before), low_word(after));
    }
    return has_changed;
}

static bool is_instant(const struct fault *fault)
{
    return fault->spec.model == FAULT_FLIP || fault->spec.model == FAULT_SET;
}

static bool begin_register(struct fault *fault)
{
    struct wrong_register *wrong = fault->data;
    uint32_t changed;
    fault_choose_bits(fault, register_bytes(wrong->name));
    bool has_changed = set(fault, &changed);
    if (is_instant(fault)) {
        fault->present = false;
        if (!has_changed && fault->spec.model == FAULT_FLIP) {
            return fault_refuse(fault, "the register does not have these bits");
        }
        if (!has_changed) {
            fault_note_overwritten(fault);
            return true;
        }
    }
    if (register_kind(wrong->name) == REGISTER_EIP) {
        fault_note_use(fault); /* by the next instruction */
        return true;
    }
    wrong->wrong |= changed;
    wrong->steps = 0;
    wrong->is_tracked = fault->report.activation == FAULT_NOT_ACTIVATED &&
                        (wrong->wrong || fault->present);
    fault->steps = wrong->is_tracked || fault->present;
    if (wrong->is_tracked && wrong->wrong) {
        track(fault);
    }
    return true;
}

static void step_register(struct fault *fault)
{
    struct wrong_register *wrong = fault->data;
    uint32_t changed;
    if (fault->present) {
        wrong->wrong &= ~wrong->written;
        wrong->written = 0;
        wrong->wrong |= set(fault, &changed) ? changed : 0;
    }
    if (wrong->is_tracked && wrong->wrong) {
        track(fault);
    }
}

/* The value stays until it is written. */
static void end_register(struct fault *fault)
{
    struct wrong_register *wrong = fault->data;
    wrong->is_tracked &= wrong->wrong != 0;
    fault->steps = wrong->is_tracked;
    if (!wrong->wrong) {
        fault_note_overwritten(fault);
    }
}

const struct fault_target fault_register = {
    .arm = arm_register,
    .begin = begin_register,
    .end = end_register,
    .stepped = step_register,
};
