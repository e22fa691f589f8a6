/* Activities of a script take turns with the machine. In the order of their beginning
 * those that can go on do; then the machine runs up to the next instant at which one of
 * them can. All of that depends on virtual time and on what the guest does, so it is
 * the same in each run. */
#include "experiment/experiment_internal.h"
#include "experiment/waypoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/inspect.h"

struct activity *activity_start(struct experiment *experiment, lua_State *thread,
                                int reference)
{
    struct activity **place = &experiment->activities;
    struct activity *activity = calloc(1, sizeof(*activity));
    if (!activity) {
        return NULL;
    }
    *activity = (struct activity){.thread = thread,
                                  .reference = reference,
                                  .number = ++experiment->activity_count,
                                  .deadline_ns = CLOCK_NEVER};
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        activity->cursors[i] = experiment->consoles[i].total;
    }
    while (*place) {
        place = &(*place)->next;
    }
    *place = activity;
    return activity;
}

void activities_free(struct experiment *experiment)
{
    struct activity *next;
    for (struct activity *a = experiment->activities; a; a = next) {
        next = a->next;
        if (!a->over) {
            luaL_unref(experiment->lua, LUA_REGISTRYINDEX, a->reference);
        }
        free(a);
    }
    experiment->activities = NULL;
}

void experiment_finish(struct experiment *experiment, const char *outcome,
                       const char *detail)
{
    struct experiment_result *result = experiment->result;
    if (experiment->finished) {
        return;
    }
    experiment->finished = true;
    snprintf(result->outcome, sizeof(result->outcome), "%s", outcome);
    snprintf(result->detail, sizeof(result->detail), "%s", detail ? detail : "");
}

static void give_up(struct experiment *experiment)
{
    char detail[128];
    snprintf(detail, sizeof(detail),
             "%u seconds of host time were not enough; --limit gives it more",
             experiment->options->limit_s);
    experiment_finish(experiment, "limit", detail);
}

/* -- activities -- */

/* What the wait has come to, with a line if that is what it was for; NULL: it is not
 * over. */
static const char *outcome_of_wait(struct experiment *experiment,
                                   struct activity *activity, char *line, size_t bytes,
                                   ptrdiff_t *length)
{
    const struct console_record *record = &experiment->consoles[activity->console];
    *length = -1;
    switch (activity->kind) {
    case WAIT_NOTHING:
        return "";
    case WAIT_TEXT:
        if (activity->found) {
            return "found";
        }
        break;
    case WAIT_LINE:
        *length = console_take_line(record, &activity->cursors[activity->console], line,
                                    bytes);
        if (*length >= 0) {
            return "found";
        }
        break;
    case WAIT_END:
        if (experiment->end || (experiment->halted && activity->halt_is_end)) {
            return "end";
        }
        break;
    case WAIT_TRIAL:
        return experiment->trial.exists ? NULL : "over";
    case WAIT_TIME:
        if (machine_cpu(experiment->machine)->retired >= activity->instructions) {
            return "found";
        }
        break;
    }
    if (experiment->end) {
        return "ended";
    }
    return machine_now_ns(experiment->machine) >= activity->deadline_ns ? "timeout"
                                                                        : NULL;
}

static void end_activity(struct experiment *experiment, struct activity *activity)
{
    activity->over = true;
    luaL_unref(experiment->lua, LUA_REGISTRYINDEX, activity->reference);
    if (activity == experiment->activities) {
        experiment_finish(experiment, "ok", NULL);
    }
}

/* Errors of Lua name the line of the script, even if they are found in our own part. */
void activities_fail(struct experiment *experiment, lua_State *thread, int status)
{
    char where[LUA_IDSIZE + 16], text[EXPERIMENT_DETAIL_BYTES];
    const char *message = lua_tostring(thread, -1);
    int length = 0;
    message = message ? message : "the script has raised an error without text";
    script_where(thread, where, sizeof(where));
    if (status == LUA_ERRMEM) {
        snprintf(text, sizeof(text), "%s: the script needs more than %d MiB", where,
                 SCRIPT_MEMORY_MIB);
    } else if (sscanf(message, SCRIPT_PRELUDE ":%*d: %n", &length) >= 0 && length > 0) {
        snprintf(text, sizeof(text), "%s: %s", where, message + length);
    } else {
        snprintf(text, sizeof(text), "%s", message);
    }
    experiment_finish(experiment, "error", text);
}

void activities_forget_over(struct experiment *experiment)
{
    struct activity **place = &experiment->activities;
    while (*place) {
        struct activity *activity = *place;
        if (activity->over) {
            *place = activity->next;
            free(activity);
        } else {
            place = &activity->next;
        }
    }
}

void activity_resume(struct experiment *experiment, struct activity *activity,
                     const char *outcome, const char *line, size_t length)
{
    lua_State *thread = activity->thread;
    int arguments = 0, results;
    if (*outcome) { /* else its function is on its stack */
        lua_pushstring(thread, outcome);
        arguments++;
    }
    if (line) {
        lua_pushlstring(thread, line, length);
        arguments++;
    }
    activity->kind = WAIT_NOTHING;
    experiment->running = activity;
    int status = lua_resume(thread, experiment->lua, arguments, &results);
    experiment->running = NULL;
    if (status == LUA_YIELD) {
        lua_pop(thread, results);
    } else if (status == LUA_OK) {
        end_activity(experiment, activity);
    } else if (experiment->limit_reached) {
        give_up(experiment);
    } else {
        activities_fail(experiment, thread, status);
    }
}

/* Lets the activity go on if it can. */
static bool run_activity(struct experiment *experiment, struct activity *activity)
{
    char buffer[NEEDLE_BYTES];
    ptrdiff_t length;
    if (activity->over) {
        return false;
    }
    const char *outcome =
        outcome_of_wait(experiment, activity, buffer, sizeof(buffer), &length);
    if (!outcome) {
        return false;
    }
    const char *line = length >= 0 ? buffer : NULL;
    waypoints_note_wait(experiment, activity, outcome, line, line ? (size_t)length : 0);
    activity_resume(experiment, activity, outcome, line, line ? (size_t)length : 0);
    return true;
}

/* -- the machine -- */

/* Halted with interrupts off: time goes on, and devices with it. */
static void pass_time_while_halted(struct experiment *experiment)
{
    struct clock *clock = machine_clock(experiment->machine);
    lock_take(machine_lock(experiment->machine));
    uint64_t next_ns = clock_next_deadline_ns(clock);
    if (next_ns != CLOCK_NEVER) {
        clock_skip_to_ns(clock, next_ns);
        clock_run_timers(clock);
    }
    lock_release(machine_lock(experiment->machine));
}

static bool somebody_waits_for_halt(const struct experiment *experiment)
{
    for (const struct activity *a = experiment->activities; a; a = a->next) {
        if (a->kind == WAIT_END && a->halt_is_end) {
            return true;
        }
    }
    return false;
}

static void run_machine(struct experiment *experiment)
{
    struct machine *machine = experiment->machine;
    uint64_t deadline_ns = experiment->trial.deadline_ns, instructions = UINT64_MAX;
    for (const struct activity *a = experiment->activities; a; a = a->next) {
        deadline_ns = a->deadline_ns < deadline_ns ? a->deadline_ns : deadline_ns;
        if (a->kind == WAIT_TIME && a->instructions < instructions) {
            instructions = a->instructions;
        }
    }
    uint64_t waypoint = waypoints_next(experiment);
    instructions = waypoint < instructions ? waypoint : instructions;
    lock_take(machine_lock(machine));
    timer_set_ns(&experiment->wait_timer, deadline_ns);
    lock_release(machine_lock(machine));
    struct machine_result result = machine_run(
        machine,
        instructions == UINT64_MAX ? 0 : instructions - machine_cpu(machine)->retired);
    experiment->halted = result.end == MACHINE_END_HALTED;
    experiment->exit_code = result.exit_code;
    switch (result.end) {
    case MACHINE_END_BUDGET:
        if (machine_cpu(machine)->retired == waypoint) {
            waypoints_arrive(experiment);
        }
        break;
    case MACHINE_END_INTERRUPTED:
        break;
    case MACHINE_END_HALTED:
        if (!somebody_waits_for_halt(experiment)) {
            pass_time_while_halted(experiment);
        }
        break;
    case MACHINE_END_POWER_OFF:
        experiment->end = "power-off";
        break;
    case MACHINE_END_RESET:
        experiment->end = "reset";
        break;
    case MACHINE_END_DEBUG_EXIT:
        experiment->end = "debug-exit";
        break;
    case MACHINE_END_POWER_CUT:
        experiment->end = "power-cut";
        break;
    case MACHINE_END_STOPPED:
        experiment_finish(experiment, "stopped", "the user has stopped it");
        break;
    case MACHINE_END_HOST_ERROR:
        experiment_finish(experiment, "error", result.error.text);
        break;
    }
    if (experiment->limit_reached) {
        give_up(experiment);
    }
}

/* Nobody can go on. */
static void let_time_pass(struct experiment *experiment)
{
    const struct trial *trial = &experiment->trial;
    char detail[80];
    activities_forget_over(experiment);
    if (experiment->activities->kind == WAIT_TRIAL) {
        trial_conduct(experiment);
    } else if (experiment->machine &&
               machine_now_ns(experiment->machine) >= trial->deadline_ns) {
        snprintf(detail, sizeof(detail), "the trial is not over within %.9g s",
                 (double)(trial->deadline_ns - trial->begin_ns) / NS_PER_SECOND);
        experiment_finish(experiment, "timeout", detail);
    } else {
        run_machine(experiment);
    }
}

void activities_run(struct experiment *experiment)
{
    while (!experiment->finished) {
        bool any = false;
        for (struct activity *a = experiment->activities; a && !experiment->finished;
             a = a->next) {
            any |= run_activity(experiment, a);
        }
        if (!any && !experiment->finished) {
            let_time_pass(experiment);
        }
    }
}

/* -- functions of scripts: waiting -- */

static struct activity *begin_wait(lua_State *lua, enum wait_kind kind,
                                   lua_Integer timeout_ns)
{
    struct experiment *experiment = experiment_of(lua);
    struct activity *activity = experiment->running;
    uint64_t now_ns = machine_now_ns(script_machine(lua));
    activity->kind = kind;
    activity->instructions = UINT64_MAX;
    activity->found = false;
    activity->deadline_ns = now_ns + (uint64_t)timeout_ns;
    return activity;
}

/* wait_time(ns[, instructions]) */
static int wait_time(lua_State *lua)
{
    struct activity *activity = begin_wait(lua, WAIT_TIME, luaL_checkinteger(lua, 1));
    activity->instructions = (uint64_t)luaL_optinteger(lua, 2, -1);
    return lua_yield(lua, 0);
}

/* wait_text(console, text, timeout_ns) */
static int wait_text(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    unsigned console = (unsigned)luaL_checkinteger(lua, 1);
    size_t bytes;
    const char *text = luaL_checklstring(lua, 2, &bytes);
    if (bytes == 0 || bytes > NEEDLE_BYTES) {
        script_raise(lua, "a text to wait for has 1 to %d characters", NEEDLE_BYTES);
    }
    struct activity *activity = begin_wait(lua, WAIT_TEXT, luaL_checkinteger(lua, 3));
    activity->console = console;
    memcpy(activity->needle, text, bytes);
    activity->needle_bytes = bytes;
    activity->found = console_find(&experiment->consoles[console],
                                   &activity->cursors[console], text, bytes);
    return lua_yield(lua, 0);
}

/* wait_line(console, timeout_ns) */
static int wait_line(lua_State *lua)
{
    unsigned console = (unsigned)luaL_checkinteger(lua, 1);
    begin_wait(lua, WAIT_LINE, luaL_checkinteger(lua, 2))->console = console;
    return lua_yield(lua, 0);
}

/* wait_end(timeout_ns, halt_is_end) */
static int wait_end(lua_State *lua)
{
    struct activity *activity = begin_wait(lua, WAIT_END, luaL_checkinteger(lua, 1));
    activity->halt_is_end = lua_toboolean(lua, 2);
    return lua_yield(lua, 0);
}

static int spawn(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    script_needs_activity(lua);
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_State *thread = lua_newthread(lua);
    lua_pushvalue(lua, 1);
    lua_xmove(lua, thread, 1);
    int reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    struct activity *activity = activity_start(experiment, thread, reference);
    if (!activity) {
        script_raise(lua, "out of memory");
    }
    memcpy(activity->cursors, experiment->running->cursors, sizeof(activity->cursors));
    return 0;
}

/* finish(outcome, detail, by_script): does not return. */
static int finish(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    script_needs_activity(lua);
    experiment->result->by_script = lua_toboolean(lua, 3);
    experiment_finish(experiment, luaL_checkstring(lua, 1), luaL_optstring(lua, 2, ""));
    return lua_yield(lua, 0);
}

const struct luaL_Reg wait_functions[] = {
    {"wait_time", wait_time},
    {"wait_text", wait_text},
    {"wait_line", wait_line},
    {"wait_end", wait_end},
    {"spawn", spawn},
    {"finish", finish},
    {NULL, NULL},
};
