/* cpu/core/debugger.h: break- and watchpoints of debuggers outside the guest: gdb, and
 * whoever waits for the guest to get somewhere.
 *
 * The guest sees nothing of them: neither its memory nor its debug registers change.
 * A CPU may have several. While it has any every engine interprets: in blocks that end
 * where a breakpoint is, or by single steps as long as memory is watched. Addresses are
 * linear. A run ends with CPU_EXIT_DEBUG before an instruction at a breakpoint, and
 * after one that has accessed what is watched. Thread: changed while the CPU does not
 * run; else the CPU's own. Who changes what is watched asks for CPU_REQUEST_FLUSH.
 * Saved by: nobody. */
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
    bool met;       /* since the CPU was let go */
};

enum { DEBUGGER_POINTS = 256 };

struct debugger {
    struct debugger_point points[DEBUGGER_POINTS];
    unsigned count, watch_count; /* all of them; those that are no breakpoints */
    bool step;                   /* stop after one instruction */
    bool no_interrupts;          /* none is taken before that */
    bool moved;                  /* something has happened since the CPU was let go */
    const struct debugger_point *met; /* NULL: none */
    /* Called where a run has ended, before the next instruction: the machine goes on
     * then. NULL: it stands still. */
    void (*reached)(void *opaque);
    void *opaque;
    struct debugger *next; /* of the CPU's; NULL: none */
};

/* False if there are too many already, or none such to remove. The same point may be
 * there several times. */
bool debugger_add(struct debugger *debugger, const struct debugger_point *point);
bool debugger_remove(struct debugger *debugger, const struct debugger_point *point);

/* The CPU is about to go on: a breakpoint where it stands does not stop it. */
void debugger_let_go(struct debugger *debugger, bool step);

/* Whether the run has ended because of this one. */
bool debugger_has_stopped(const struct debugger *debugger);

/* These ask all that the CPU has. */

/* Whether a breakpoint is at `address`. */
bool debugger_breaks(const struct cpu *cpu, gla_t address);
/* Whether anything is watched among these bytes. */
bool debugger_watches(const struct cpu *cpu, gla_t address, uint32_t bytes);
void debugger_note_access(struct cpu *cpu, gla_t address, uint32_t bytes, bool write);
/* An instruction or an interrupt comes. */
void debugger_note_move(struct cpu *cpu);
/* Whether single steps are wanted; …and whether no interrupt may come before that. */
bool debugger_wants_steps(const struct cpu *cpu);
bool debugger_masks(const struct cpu *cpu);
/* At an instruction boundary: whether the run is to end here; then `met` says at what
 * point, if it was one. */
bool debugger_stops(struct cpu *cpu);

#endif
