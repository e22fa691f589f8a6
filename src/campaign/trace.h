/* campaign/trace.h: who uses what of the fault space, and when: accesses of the golden
 * run.
 *
 * For each cell (a byte of RAM, a part of a register) the instructions are kept that
 * read or overwrite it. A fault of instruction t comes before that instruction, and
 * before an interrupt that is taken there; so what is noted under number t is all that
 * happens from there on to where a fault of t + 1 would come: an interrupt or exception
 * that is delivered, the instruction, and what devices do right after it (DMA). Of
 * several accesses under one number the first decides.
 *
 * Exact are writes: a cell that is noted as overwritten was, all of it, and nothing of
 * it was read before. Reads are on the safe side. See docs/campaigns-pruning.md.
 *
 * The machine runs as without a trace, and ends in the same state; but by single steps,
 * slowly. Thread: the one that runs the machine, between two runs. Saved by: nobody. */
#ifndef CAMPAIGN_TRACE_H
#define CAMPAIGN_TRACE_H

#include "campaign/space.h"

struct access_trace;

/* Accesses of one cell, ascending: instruction << 1, plus 1 if it is overwritten. */
struct access_list {
    uint64_t *items;
    size_t count, capacity;
    /* It is used at times that are not known: page tables, which are cached. */
    bool elusive;
};

enum { TRACE_MOST_BYTES = 1 << 30 };

/* `space` has to live as long as the trace. `most_bytes`: what it may take of the
 * host's memory. NULL with one line in `error`. */
struct access_trace *trace_start(struct machine *machine,
                                 const struct fault_space *space, uint64_t most_bytes,
                                 struct error *error);
/* Somebody beside the machine looks at memory, or at registers (`bytes` is 0), and the
 * outcome of the experiment may depend on what is there. Not needed for reads by a
 * physical address by machine_peek(). */
void trace_note_look(struct access_trace *trace, gpa_t address, uint64_t bytes);
/* To be called before the machine is destroyed. False, with one line, if there were
 * more accesses than the host's memory was to hold: it is of no use then. */
bool trace_stop(struct access_trace *trace, struct error *error);
/* Also of one that has not been stopped. NULL is fine. */
void trace_free(struct access_trace *trace);

/* From trace_start() to trace_stop(). */
struct instruction_range trace_range(const struct access_trace *trace);
/* Accesses to the bit; NULL: they are not known. */
const struct access_list *trace_find(const struct access_trace *trace,
                                     const struct fault_point *point);

/* Whether what a fault does depends on its accesses alone: bits that are inverted once.
 */
bool trace_prunes(const struct access_trace *trace, const struct fault_point *point);

struct trace_statistics {
    uint64_t accesses, bytes; /* kept; of the host's memory */
};

struct trace_statistics trace_statistics(const struct access_trace *trace);

#endif
