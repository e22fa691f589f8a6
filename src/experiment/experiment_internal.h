/* experiment/experiment_internal.h: an experiment, for those who carry it out.
 *
 * A script is a few activities: coroutines of which none or one runs, while the machine
 * stands still. When all of them wait, the machine runs until the first has what it
 * waits for: a text, a time, its end. So a script takes no virtual time. */
#ifndef EXPERIMENT_EXPERIMENT_INTERNAL_H
#define EXPERIMENT_EXPERIMENT_INTERNAL_H

#include "clock/clock.h"
#include "experiment/experiment.h"
#include "experiment/trial.h"
#include "machine/checkpoint.h"
#include "machine/consoles.h"
#include "machine/control.h"
#include "state/state.h"

#include <lauxlib.h>
#include <lua.h>

enum {
    CONSOLE_RECORD_BYTES = 1 << 18,
    NEEDLE_BYTES = 1024,
    SCRIPT_MEMORY_MIB = 256,
    MEDIA_MAXIMUM = 16,
    MACHINE_ARGUMENTS = 256,
};

/* What Lua calls our own part, prelude.lua and procedure.lua. */
#define SCRIPT_PRELUDE "faumachine"

/* What a console has said: the last of it. Carriage returns are left out. */
struct console_record {
    char *bytes;         /* a ring */
    uint64_t total;      /* all that came */
    uint64_t hash;       /* of what has come since the trial began… */
    char *kept;          /* …when there was this in the ring, */
    uint64_t kept_total; /* …and so much had come */
};

enum wait_kind {
    WAIT_NOTHING, /* it can go on */
    WAIT_TIME,
    WAIT_TEXT,
    WAIT_LINE,
    WAIT_END,
    WAIT_TRIAL,
};

/* A coroutine of the script. */
struct activity {
    struct activity *next;
    lua_State *thread;
    int reference;      /* that keeps it */
    lua_Integer number; /* in the order of beginning, from 1 on */
    bool over;
    enum wait_kind kind;
    uint64_t deadline_ns;  /* CLOCK_NEVER: none */
    uint64_t instructions; /* WAIT_TIME: or so many since power on; UINT64_MAX: none */
    unsigned console;
    char needle[NEEDLE_BYTES];
    size_t needle_bytes;
    bool found;                         /* WAIT_TEXT; `cursors` is behind it */
    bool halt_is_end;                   /* WAIT_END */
    uint64_t cursors[MACHINE_CONSOLES]; /* how much of each console it has seen */
};

struct waypoints;

enum { TRIAL_FAULT_BYTES = 1024 };

/* What trial {…} is to repeat. */
struct trial {
    bool exists;
    bool over;               /* it has been carried out, once */
    int run, draw, put_back; /* references of Lua; LUA_NOREF: none */
    json_t *space;
    uint64_t timeout_ns;
    struct checkpoint *checkpoint;
    uint64_t begin_instructions, begin_ns;
    uint64_t random_state;
    uint64_t deadline_ns; /* of the run that is going on; CLOCK_NEVER */
    bool begun;           /* …or was: the machine is not as it was in the beginning */
    struct waypoints *waypoints; /* of its golden run (waypoints.h); NULL: none */
    trial_look *looked;          /* NULL: nobody */
    void *looked_opaque;
};

struct medium {
    char *name;
    char *file;
    int fd;
};

struct experiment {
    const struct experiment_options *options;
    const struct experiment_host *host;
    struct experiment_result *result;
    lua_State *lua;
    size_t lua_bytes;
    uint64_t random_state;
    struct activity *activities; /* in the order of their beginning */
    struct activity *running;
    lua_Integer activity_count;   /* of those that have begun */
    bool finished;                /* `result` has its outcome */
    char *script_path, *log_path; /* absolute; the second may be NULL */
    char script_hash[EXPERIMENT_ID_BYTES];
    double began_s;

    struct machine *machine; /* NULL: not yet */
    bool started;            /* it has been switched on */
    char *arguments[MACHINE_ARGUMENTS];
    unsigned argument_count;
    struct medium media[MEDIA_MAXIMUM];
    unsigned media_count;
    struct console_record consoles[MACHINE_CONSOLES];
    struct timer wait_timer, limit_timer;
    struct machine_observer observer;
    bool limit_reached;
    bool halted;           /* the CPU, and no interrupt can wake it */
    const char *end;       /* how the machine has ended; NULL: it has not */
    int exit_code;         /* with "debug-exit" */
    struct faults *faults; /* with the machine */
    struct trial trial;
};

struct experiment *experiment_of(lua_State *lua);

/* script.c: a Lua that reaches nothing of the host. */
bool script_create(struct experiment *experiment, struct error *error);
void script_destroy(struct experiment *experiment);
/* The place in the script that runs now: "FILE:LINE". */
void script_where(lua_State *lua, char *text, size_t bytes);
/* Ends the activity with an error at that place. */
_Noreturn void script_raise(lua_State *lua, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* An error in the script if it is not an activity that asks: between two runs of a
 * trial, faults() has nothing but Lua. */
void script_needs_activity(lua_State *lua);
/* Likewise, and an error if there is none. */
struct machine *script_machine(lua_State *lua);
/* "1.5 s" in ns; false if it is none. */
bool script_parse_duration(const char *text, uint64_t *duration_ns);

/* Functions that prelude.lua and procedure.lua make those of that scripts have. NULL
 * ends a table. */
extern const struct luaL_Reg script_functions[], wait_functions[], drive_functions[],
    observe_functions[], machine_functions[], injection_functions[], trial_functions[];

/* activities.c */
struct activity *activity_start(struct experiment *experiment, lua_State *thread,
                                int reference);
/* Lets it go on: what it has waited for has come to this, with a line of so many bytes
 * or none. "": it begins. */
void activity_resume(struct experiment *experiment, struct activity *activity,
                     const char *outcome, const char *line, size_t length);
/* Those that are over. The first one is never, before the experiment is. */
void activities_forget_over(struct experiment *experiment);
/* Runs all activities that can go on; then the machine; until the experiment is
 * finished. */
void activities_run(struct experiment *experiment);
void activities_free(struct experiment *experiment);
/* An error that Lua has left on the stack is the end. */
void activities_fail(struct experiment *experiment, lua_State *thread, int status);

/* trial.c: the only activity waits for its trial to be carried out. */
void trial_conduct(struct experiment *experiment);
void trial_free(struct experiment *experiment);
/* Takes the next fault off the texts, a line each, and cuts what is too long to be one.
 * False: no more. */
bool trial_next_fault(const char **texts, char line[TRIAL_FAULT_BYTES]);

/* The experiment is over with this outcome, unless it is already. */
void experiment_finish(struct experiment *experiment, const char *outcome,
                       const char *detail);

/* console.c */
bool console_records_create(struct experiment *experiment);
void console_records_free(struct experiment *experiment);
/* A trial begins: what is there now is to be there again in console_records_return().
 * False: out of memory. */
bool console_records_keep(struct experiment *experiment);
void console_records_return(struct experiment *experiment);
/* How much has come, and a hash of what has come since the trial began. */
struct console_place {
    uint64_t total, hash;
};
struct console_place console_place(const struct console_record *record);
/* What has come since the trial began, to be freed; NULL if there is no such console.
 * False: the ring has not all of it, or out of memory. */
bool console_copy(const struct console_record *record, char **bytes);
/* The trial has just begun: brings the record to a place, of what console_copy() has
 * given since. */
void console_go_on(struct console_record *record, const char *bytes,
                   const struct console_place *place);
/* For struct console_listener; `opaque`: the experiment. */
void console_heard(void *opaque, unsigned console, uint8_t byte);
/* Whether what the activity waits for is there already; moves its cursor behind it. */
bool console_find(const struct console_record *record, uint64_t *cursor,
                  const char *needle, size_t bytes);
/* Takes a complete line off; its length, or -1 if there is none yet. */
ptrdiff_t console_take_line(const struct console_record *record, uint64_t *cursor,
                            char *line, size_t bytes);
/* The last lines, for people: controls are shown as "\xNN". */
void console_tail(const struct console_record *record, char *text, size_t bytes);

/* inject.c: what is to tell of all faults, an array. */
json_t *injection_reports(struct experiment *experiment);

/* result.c */
/* Opens, or makes, a file to append to; -1 with an error. */
int result_open(const char *file, struct error *error);
bool result_store(int fd, const struct experiment *experiment, struct error *error);
void result_make_id(struct experiment *experiment);

#endif
