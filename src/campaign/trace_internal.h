/* campaign/trace_internal.h: the parts of a trace: cells, memory, registers. */
#ifndef CAMPAIGN_TRACE_INTERNAL_H
#define CAMPAIGN_TRACE_INTERNAL_H

#include "bus/memory.h"
#include "campaign/trace.h"
#include "cpu/core/cpu.h"
#include "disassembly/disassembly.h"
#include "disassembly/uses.h"
#include "machine/control.h"
#include "machine/inspect.h"

/* General registers have three cells each (AL, AH, and the upper half), EFLAGS one for
 * each flag that arithmetic or string instructions use. */
enum {
    TRACE_GENERAL = 8,
    TRACE_PARTS = 3,
    TRACE_FLAGS = 7,
    TRACE_USES = 4096,
};

/* Pages that are watched as one. */
struct traced_memory {
    struct access_trace *trace;
    gpa_t first;
    uint64_t pages;
    struct access_list **cells; /* of each page PAGE_BYTES, or NULL: never accessed */
    unsigned handle;            /* of its region */
    bool is_watched;
};

/* What an instruction does, by its bytes. */
struct known_uses {
    uint8_t code[DISASSEMBLY_MOST_BYTES + 1]; /* the last: whether it is 16-bit code */
    struct disassembly_all_uses uses;
};

struct access_trace {
    struct machine *machine;
    const struct fault_space *space;
    struct instruction_range range;
    uint64_t now; /* what accesses are noted under */
    bool begun, stopped;
    struct machine_visitor visitor;

    struct traced_memory memory[SPACE_ROWS];
    unsigned memory_count;
    struct access_list general[TRACE_GENERAL][TRACE_PARTS], flags[TRACE_FLAGS];
    bool follows_general[TRACE_GENERAL], follows_flags;

    /* The instruction that is executed under that number, if nothing comes between. */
    struct disassembly_all_uses uses;
    gpa_t code;
    bool code_is_known;
    /* Bytes that were fetched behind it, a bit for each from `code` on: only read if
     * something else was executed. */
    uint32_t ahead;
    struct known_uses *known; /* TRACE_USES */

    struct trace_statistics statistics;
    uint64_t most_bytes;
    bool is_full;
};

/* -- trace_cells.c -- */

/* Under the number trace->now. */
void trace_note(struct access_trace *trace, struct access_list *list, bool write);
/* What may be taken of the host's memory, zeroed; NULL: no more. */
void *trace_allocate(struct access_trace *trace, size_t count, size_t bytes);
/* The cell that a bit of a register belongs to; NULL: it is not known who uses that. */
const struct access_list *trace_register_cell(const struct access_trace *trace,
                                              const struct space_register *place,
                                              unsigned bit);
/* All registers whose uses are followed, by what an instruction does. */
void trace_note_uses(struct access_trace *trace,
                     const struct disassembly_all_uses *uses);
void trace_note_all_registers(struct access_trace *trace);
void trace_free_cells(struct access_trace *trace);

/* -- trace_memory.c -- */

/* Has all accesses to the space's RAM noted; and no more. Lock held. */
bool trace_watch_memory(struct access_trace *trace, struct error *error);
void trace_unwatch_memory(struct access_trace *trace);
/* NULL: it has never been accessed. */
const struct access_list *trace_byte(const struct access_trace *trace, gpa_t address);
void trace_note_bytes(struct access_trace *trace, gpa_t address, uint64_t bytes);

#endif
