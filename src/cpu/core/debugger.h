/* cpu/core/debugger.h: break- and watchpoints of a debugger outside the guest.
 *
 * The guest sees nothing of them: neither its memory nor its debug registers change.
 * While a CPU has a debugger every engine interprets: in blocks that end where a
 * breakpoint is, or by single steps as long as memory is watched. Addresses are linear.
 * A run ends with CPU_EXIT_DEBUG before an instruction at a breakpoint, and after one
 * that has accessed what is watched.
 * Thread: changed while the CPU does not run; else the CPU's own. Who changes what is
 * watched asks for CPU_REQUEST_FLUSH. Saved by: nobody. */
#ifndef CPU_CORE_DEBUGGER_H
#define CPU_CORE_DEBUGGER_H

#include "base/types.h"

struct cpu;

enum debugger_kind {
    DEBUGGER_EXECUTE,
    DEBUGGER_WRITE,
    DEBUGGER_READ,
    DEBUGGER_ACCESS, /* either */
};

struct debugger_point {
    enum debugger_kind kind;
    gla_t address;
    uint32_t bytes; /* of what is watched */
};

enum { DEBUGGER_POINTS = 256 };

struct debugger {
    struct debugger_point points[DEBUGGER_POINTS];
    unsigned count, watch_count; /* all of them; those that are no breakpoints */
    bool step;                   /* stop after one instruction */
    bool no_interrupts;          /* none is taken before that */
    bool moved;                  /* something has happened since the CPU was let go */
    const struct debugger_point *met; /* NULL: none */
};

/* False if there are too many already, or none such to remove. The same point may be
 * there several times. */
bool debugger_add(struct debugger *debugger, const struct debugger_point *point);
bool debugger_remove(struct debugger *debugger, const struct debugger_point *point);

/* The CPU is about to go on: a breakpoint where it stands does not stop it. */
void debugger_let_go(struct debugger *debugger, bool step);

/* Whether a breakpoint is at `address`. */
bool debugger_breaks(const struct debugger *debugger, gla_t address);
/* Whether anything is watched among these bytes. */
bool debugger_watches(const struct debugger *debugger, gla_t address, uint32_t bytes);
void debugger_note_access(struct debugger *debugger, gla_t address, uint32_t bytes,
                          bool write);
/* At an instruction boundary: whether the run is to end here; then `met` says at what
 * point, if it was one. */
bool debugger_stops(struct cpu *cpu);

#endif
