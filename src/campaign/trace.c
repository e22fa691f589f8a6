#include "campaign/trace_internal.h"

#include "faults/register_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* -- instructions -- */

/* What is executed next. What instructions do is known by their bytes: most come again.
 */
static void look_at_instruction(struct access_trace *trace)
{
    const struct cpu *cpu = machine_cpu(trace->machine);
    const gla_t linear = cpu->segments[SEGMENT_CS].base + cpu->eip;
    uint8_t code[DISASSEMBLY_MOST_BYTES + 1] = {0};
    size_t bytes = machine_code(trace->machine, code, DISASSEMBLY_MOST_BYTES);
    code[DISASSEMBLY_MOST_BYTES] = !(cpu->code_mode & CODE_MODE_32);
    uint64_t hash;
    memcpy(&hash, code, sizeof(hash));
    hash = (hash ^ linear) * 0x9e3779b97f4a7c15ULL;
    struct known_uses *known = &trace->known[hash >> 52];
    _Static_assert(TRACE_USES == 1 << (64 - 52), "the hash");
    if (!known->uses.length || memcmp(known->code, code, sizeof(code)) != 0) {
        memcpy(known->code, code, sizeof(code));
        disassembly_find_uses(code, bytes, code[DISASSEMBLY_MOST_BYTES], &known->uses);
    }
    trace->uses = known->uses;
    trace->code_is_known =
        known->uses.length &&
        machine_translate(trace->machine, linear, &trace->code, NULL, NULL);
}

/* A reset, or INIT: registers are new without an instruction. */
static bool is_reset(const struct cpu *cpu)
{
    return cpu->segments[SEGMENT_CS].base == 0xffff0000 && cpu->eip == 0xfff0;
}

/* What has happened under the number trace->now, besides memory accesses. Whatever is
 * delivered may use all: task switches do. */
static void finish_step(struct access_trace *trace)
{
    const struct cpu *cpu = machine_cpu(trace->machine);
    bool delivered = cpu->delivered_at != UINT64_MAX && cpu->delivered_at >= trace->now;
    bool executed = cpu->retired == trace->now + 1 && !delivered;
    bool sleeps = cpu->halted && cpu->retired == trace->now && !delivered;
    for (; trace->ahead && !executed; trace->ahead &= trace->ahead - 1) {
        trace_note_bytes(trace, trace->code + (gpa_t)__builtin_ctz(trace->ahead), 1);
    }
    trace->ahead = 0;
    if (executed && trace->uses.certain && !is_reset(cpu)) {
        trace_note_uses(trace, &trace->uses);
    } else if (!sleeps) {
        trace_note_all_registers(trace);
    }
}

/* Where a fault of this instruction would come. */
static void visit(void *opaque)
{
    struct access_trace *trace = opaque;
    const struct cpu *cpu = machine_cpu(trace->machine);
    if (trace->begun) {
        finish_step(trace);
    }
    trace->begun = true;
    trace->now = cpu->retired;
    trace->code_is_known = false;
    if (!trace->is_full) {
        look_at_instruction(trace);
        trace->visitor.at = cpu->retired + 1;
    }
}

/* -- begin and end -- */

static void choose_registers(struct access_trace *trace)
{
    for (unsigned i = 0; i < trace->space->row_count; i++) {
        const struct space_row *row = &trace->space->rows[i];
        for (unsigned j = 0; j < row->register_count; j++) {
            const struct register_name *name = row->registers[j].name;
            if (register_kind(name) == REGISTER_GENERAL) {
                trace->follows_general[register_number(name)] = true;
            }
            trace->follows_flags |= register_kind(name) == REGISTER_EFLAGS;
        }
    }
}

struct access_trace *trace_start(struct machine *machine,
                                 const struct fault_space *space, uint64_t most_bytes,
                                 struct error *error)
{
    struct access_trace *trace = calloc(1, sizeof(*trace));
    if (trace) {
        trace->known = calloc(TRACE_USES, sizeof(*trace->known));
    }
    if (!trace || !trace->known) {
        free(trace);
        error_set(error, "out of memory for the trace of the golden run");
        return NULL;
    }
    trace->machine = machine;
    trace->space = space;
    trace->most_bytes = most_bytes;
    trace->range.from = machine_cpu(machine)->retired;
    trace->visitor = (struct machine_visitor){
        .visit = visit, .opaque = trace, .at = trace->range.from};
    choose_registers(trace);
    lock_take(machine_lock(machine));
    bool watches = trace_watch_memory(trace, error);
    lock_release(machine_lock(machine));
    machine_add_visitor(machine, &trace->visitor);
    if (!watches) {
        trace_free(trace);
        return NULL;
    }
    return trace;
}

void trace_note_look(struct access_trace *trace, gpa_t address, uint64_t bytes)
{
    if (bytes) {
        trace_note_bytes(trace, address, bytes);
    } else {
        trace_note_all_registers(trace);
    }
}

static void leave(struct access_trace *trace)
{
    if (!trace->stopped) {
        trace->stopped = true;
        lock_take(machine_lock(trace->machine));
        trace_unwatch_memory(trace);
        machine_remove_visitor(trace->machine, &trace->visitor);
        lock_release(machine_lock(trace->machine));
    }
}

bool trace_stop(struct access_trace *trace, struct error *error)
{
    const uint64_t now = machine_cpu(trace->machine)->retired;
    if (trace->begun) {
        finish_step(trace);
    }
    trace->range.to = now;
    leave(trace);
    return !trace->is_full ||
           error_set(
               error,
               "the golden run uses the fault space too often to be traced: %" PRIu64
               " accesses take %" PRIu64 " MiB and more; make the space or the "
               "run smaller, or do without pruning",
               trace->statistics.accesses, trace->statistics.bytes >> 20);
}

void trace_free(struct access_trace *trace)
{
    if (trace) {
        leave(trace);
        trace_free_cells(trace);
        free(trace->known);
        free(trace);
    }
}

struct instruction_range trace_range(const struct access_trace *trace)
{
    return trace->range;
}

bool trace_prunes(const struct access_trace *trace, const struct fault_point *point)
{
    return trace->space->rows[point->row].is_flip;
}

struct trace_statistics trace_statistics(const struct access_trace *trace)
{
    return trace->statistics;
}
