/* lockstep/side.h: one engine with its machine, in a process of its own.
 *
 * The process waits for requests on a socket and answers each. RAM is looked at
 * directly: it is a file that both processes map. Thread: one. */
#ifndef LOCKSTEP_SIDE_H
#define LOCKSTEP_SIDE_H

#include "bus/memory.h"
#include "lockstep/lockstep.h"
#include "state/state.h"

#include <sys/types.h>

enum side_state {
    SIDE_READY,   /* has done what it was asked to do, and waits */
    SIDE_RUNNING, /* side_run() has been called, side_receive() not yet */
    SIDE_CRASHED,
    SIDE_HUNG,
    SIDE_NONE, /* not started */
};

struct side {
    enum side_state state;
    pid_t pid;
    int fd;                      /* the socket */
    struct ram ram;              /* read only; code_lines is NULL */
    enum machine_end end;        /* of the last run; MACHINE_END_BUDGET: may go on */
    int exit_code;               /* for MACHINE_END_DEBUG_EXIT */
    uint64_t retired;            /* instructions */
    int wait_status;             /* SIDE_CRASHED */
    struct state_buffer cpu;     /* dump after the last run */
    struct state_buffer devices; /* as far as side_ask_devices() was called after it */
};

/* Starts the process of engine `index` and powers its machine on. The sockets of
 * `others` are closed in the new process. */
bool side_start(struct side *side, const struct lockstep_config *config, unsigned index,
                const struct side *others, unsigned other_count, struct error *error);
/* Makes a process that is like this one: in the same place, with the same in all caches
 * of its engine. Both can go on; the copy writes no files. Whether it can be made or
 * not, `copy` is to be stopped in the end. Wants PR_SET_CHILD_SUBREAPER of the caller.
 */
bool side_copy(struct side *side, struct side *copy, struct error *error);
/* Ends the process, whatever it is doing. A side that is not started is left alone. */
void side_stop(struct side *side);

/* Asks for a run up to `until` instructions since power-on. A machine that has come to
 * its end, or so far, just answers. */
void side_run(struct side *side, uint64_t until);
/* Waits for the answer, which must be under way. */
void side_receive(struct side *side);
/* Gives up waiting. */
void side_give_up(struct side *side);

/* These ask a side that is ready; false if it is not, or crashes. */
bool side_ask_devices(struct side *side);
bool side_ask_code(struct side *side, struct lockstep_code *code);

/* What became of it, for the user. */
void side_describe(const struct side *side, char *text, size_t bytes);

#endif
