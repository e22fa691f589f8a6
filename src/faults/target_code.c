/* Bytes of the next instruction, as they are fetched: it is executed once with wrong
 * ones, and memory is as it was before. That is done in memory, for one single step
 * that no interrupt comes before: another access to these bytes by this instruction
 * itself sees them, too. Of a CPU that is halted it is the first of what wakes it. */
#include "faults/faults_internal.h"

#include "disassembly/disassembly.h"

#include <stdlib.h>
#include <string.h>

struct wrong_code {
    bool waits; /* for the CPU to wake up */
    gla_t linear;
    uint64_t retired; /* when it was begun, at… */
    uint32_t eip;
    unsigned bytes;
    uint8_t right[DISASSEMBLY_MOST_BYTES], wrong[DISASSEMBLY_MOST_BYTES];
};

static bool arm_code(struct fault *fault, struct error *error)
{
    fault->data = calloc(1, sizeof(struct wrong_code));
    return fault->data || error_set(error, "out of memory for a fault");
}

static bool change_next(struct fault *fault)
{
    struct wrong_code *code = fault->data;
    struct machine *machine = fault->owner->machine;
    const struct cpu *cpu = fault_cpu(fault);
    uint8_t bytes[DISASSEMBLY_MOST_BYTES];
    char line[DISASSEMBLY_LINE_BYTES];
    size_t there = machine_code(machine, bytes, sizeof(bytes));
    bool is16 = !(cpu->code_mode & CODE_MODE_32);
    if (!there) {
        return fault_refuse(fault, "the instruction is not in plain memory");
    }
    size_t length = disassembly_line(bytes, there, cpu->eip, is16, line);
    code->bytes = length < fault->spec.width ? (unsigned)length : fault->spec.width;
    code->linear = cpu->segments[SEGMENT_CS].base + cpu->eip;
    code->retired = cpu->retired;
    code->eip = cpu->eip;
    memcpy(code->right, bytes, code->bytes);
    memcpy(code->wrong, bytes, code->bytes);
    fault_choose_bits(fault, code->bytes);
    fault_apply(fault, code->wrong, code->bytes);
    if (machine_poke(machine, true, code->linear, code->wrong, code->bytes) !=
        code->bytes) {
        machine_poke(machine, true, code->linear, code->right, code->bytes);
        return fault_refuse(fault, "the instruction is not in memory that can be "
                                   "written");
    }
    fault->steps = fault->masks = true;
    if (memcmp(code->right, code->wrong, code->bytes) != 0) {
        fault_note_use(fault);
    } else {
        fault_note_overwritten(fault);
    }
    return true;
}

static bool begin_code(struct fault *fault)
{
    struct wrong_code *code = fault->data;
    fault->present = false;
    code->waits = fault_cpu(fault)->halted;
    fault->steps |= code->waits;
    return code->waits || change_next(fault);
}

/* What the instruction itself has written there stays. */
static void step_code(struct fault *fault)
{
    struct wrong_code *code = fault->data;
    struct machine *machine = fault->owner->machine;
    const struct cpu *cpu = fault_cpu(fault);
    if (code->waits) {
        code->waits = fault->steps = cpu->halted;
        if (!code->waits && !change_next(fault)) {
            fault->report.activation = FAULT_ACTIVATION_UNKNOWN;
        }
        return;
    }
    if (cpu->retired == code->retired && cpu->eip == code->eip) {
        return; /* not yet */
    }
    for (unsigned i = 0; i < code->bytes; i++) {
        uint8_t now;
        if (code->right[i] != code->wrong[i] &&
            machine_peek(machine, true, code->linear + i, &now, 1) == 1 &&
            now == code->wrong[i]) {
            machine_poke(machine, true, code->linear + i, &code->right[i], 1);
        }
    }
    fault->steps = fault->masks = false;
}

static void end_code(struct fault *fault)
{
    (void)fault; /* it is over at once */
}

const struct fault_target fault_code = {
    .arm = arm_code,
    .begin = begin_code,
    .end = end_code,
    .stepped = step_code,
};
