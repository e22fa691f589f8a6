/* trial {…}: the machine, the consoles and Lua are put back, then a function of the
 * script runs as an activity of its own, which is the first one for that time. */
#include "experiment/experiment_internal.h"
#include "experiment/waypoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/inspect.h"

enum { SPACE_DEPTH = 8, SPACE_ROWS = 10000 };

/* -- what the script says -- */

static json_t *json_of(lua_State *lua, int index, int depth);

static json_t *array_of(lua_State *lua, int index, int depth)
{
    json_t *array = json_array();
    lua_Integer count = (lua_Integer)lua_rawlen(lua, index);
    for (lua_Integer i = 1; i <= count && i <= SPACE_ROWS; i++) {
        lua_rawgeti(lua, index, i);
        json_array_append_new(array, json_of(lua, lua_gettop(lua), depth));
        lua_pop(lua, 1);
    }
    return array;
}

static json_t *object_of(lua_State *lua, int index, int depth)
{
    json_t *object = json_object();
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
        if (lua_type(lua, -2) == LUA_TSTRING) {
            json_object_set_new(object, lua_tostring(lua, -2),
                                json_of(lua, lua_gettop(lua), depth));
        }
    }
    return object;
}

/* A table with a first element is an array; what has no JSON is null. */
static json_t *json_of(lua_State *lua, int index, int depth)
{
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        return json_string(lua_tostring(lua, index));
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(lua, index));
    case LUA_TNUMBER:
        return lua_isinteger(lua, index) ? json_integer(lua_tointeger(lua, index))
                                         : json_real(lua_tonumber(lua, index));
    case LUA_TTABLE:
        luaL_checkstack(lua, 4, "a table is too deep");
        if (depth == 0) {
            return json_null();
        }
        return lua_rawlen(lua, index) ? array_of(lua, index, depth - 1)
                                      : object_of(lua, index, depth - 1);
    default:
        return json_null();
    }
}

/* The value at `index`; LUA_NOREF if that is nil. */
static int refer(lua_State *lua, int index)
{
    if (lua_isnil(lua, index)) {
        return LUA_NOREF;
    }
    lua_pushvalue(lua, index);
    return luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* trial(run, rows or nil, draw or nil, timeout_ns, put_back) */
static int request_trial(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    struct trial *trial = &experiment->trial;
    struct error error;
    struct machine *machine = script_machine(lua);
    if (trial->over) {
        script_raise(lua, "trial: there has been one, and a script has one");
    }
    if (trial->exists || experiment->running != experiment->activities ||
        experiment->activities->next) {
        script_raise(lua, "trial: there can be one at a time, and no other activity "
                          "beside it when it begins");
    }
    if (experiment->end) {
        script_raise(lua, "trial: the machine has ended (%s)", experiment->end);
    }
    lock_take(machine_lock(machine));
    bool typed = machine_consoles_have_input(machine);
    bool broken = faults_first(experiment->faults);
    lock_release(machine_lock(machine));
    if (typed || broken) {
        script_raise(lua, "trial: %s",
                     typed ? "the guest has not read yet what was sent to a console: "
                             "wait until it has"
                           : "inject() its faults in it: those from before would not "
                             "be there in its next run");
    }
    trial->checkpoint = checkpoint_take(machine, &error);
    if (!trial->checkpoint) {
        script_raise(lua, "trial: %s", error.text);
    }
    if (!console_records_keep(experiment)) {
        script_raise(lua, "trial: out of memory");
    }
    trial->exists = true;
    trial->begun = false;
    trial->run = refer(lua, 1);
    trial->space = lua_istable(lua, 2) ? json_of(lua, 2, SPACE_DEPTH) : NULL;
    trial->draw = refer(lua, 3);
    trial->timeout_ns = (uint64_t)luaL_checkinteger(lua, 4);
    trial->put_back = refer(lua, 5);
    trial->begin_instructions = machine_cpu(machine)->retired;
    trial->begin_ns = machine_now_ns(machine);
    trial->random_state = experiment->random_state;
    experiment->running->kind = WAIT_TRIAL;
    return lua_yield(lua, 0);
}

const struct luaL_Reg trial_functions[] = {
    {"trial", request_trial},
    {NULL, NULL},
};

void trial_free(struct experiment *experiment)
{
    struct trial *trial = &experiment->trial;
    waypoints_free(experiment);
    checkpoint_free(trial->checkpoint);
    json_decref(trial->space);
    *trial = (struct trial){.deadline_ns = CLOCK_NEVER};
}

/* -- for who repeats it -- */

struct machine *trial_machine(struct experiment *experiment)
{
    return experiment->machine;
}

void trial_listen_to_looks(struct experiment *experiment, trial_look *looked,
                           void *opaque)
{
    experiment->trial.looked = looked;
    experiment->trial.looked_opaque = opaque;
}

uint64_t trial_begin(const struct experiment *experiment)
{
    return experiment->trial.begin_instructions;
}

uint64_t trial_begin_ns(const struct experiment *experiment)
{
    return experiment->trial.begin_ns;
}

const char *trial_engine(const struct experiment *experiment)
{
    return experiment->result->engine;
}

uint64_t trial_timeout_ns(const struct experiment *experiment)
{
    return experiment->trial.timeout_ns;
}

const json_t *trial_space(const struct experiment *experiment)
{
    return experiment->trial.space;
}

bool trial_draws(const struct experiment *experiment)
{
    return experiment->trial.draw != LUA_NOREF;
}

/* Lua is as it was when the trial was begun. On failure, an error is on the stack. */
static int put_lua_back(struct experiment *experiment)
{
    lua_rawgeti(experiment->lua, LUA_REGISTRYINDEX, experiment->trial.put_back);
    return lua_pcall(experiment->lua, 0, 0, 0);
}

/* Numbers that are close to each other give other numbers. */
static uint64_t mix(uint64_t seed, uint64_t number)
{
    uint64_t words[] = {seed, number};
    return state_hash_bytes(0, words, sizeof(words));
}

char *trial_draw(struct experiment *experiment, uint64_t seed, uint64_t number,
                 uint64_t instruction, struct error *error)
{
    lua_State *lua = experiment->lua;
    char *texts = NULL;
    int status = put_lua_back(experiment); /* who has run before, and what it left */
    if (status == LUA_OK) {
        experiment->random_state = mix(seed, number);
        lua_rawgeti(lua, LUA_REGISTRYINDEX, experiment->trial.draw);
        lua_pushinteger(lua, (lua_Integer)number);
        lua_pushinteger(lua, (lua_Integer)instruction);
        status = lua_pcall(lua, 2, 1, 0);
    }
    if (status == LUA_OK) {
        texts = strdup(lua_tostring(lua, -1));
    } else {
        const char *message = lua_tostring(lua, -1);
        error_set(error, "%s", message ? message : "faults() has failed without text");
    }
    lua_pop(lua, 1);
    return texts;
}

/* -- a run -- */

/* What the run before has left is gone, and the machine is as in the checkpoint. False,
 * with the result: it cannot be. */
static bool begin_again(struct experiment *experiment, uint64_t seed,
                        const struct checkpoint *checkpoint)
{
    struct trial *trial = &experiment->trial;
    struct error error;
    lock_take(machine_lock(experiment->machine));
    timer_cancel(&experiment->wait_timer);
    faults_forget_all(experiment->faults, seed);
    machine_consoles_forget_input(experiment->machine);
    lock_release(machine_lock(experiment->machine));
    if (!trial->begun) {
        trial->begun = true;
        return true;
    }
    if (!checkpoint_restore(experiment->machine, checkpoint, &error)) {
        experiment_finish(experiment, "error", error.text);
        return false;
    }
    console_records_return(experiment);
    experiment->end = NULL;
    experiment->halted = false;
    int status = put_lua_back(experiment);
    if (status != LUA_OK) {
        activities_fail(experiment, experiment->lua, status);
    }
    return status == LUA_OK;
}

bool trial_next_fault(const char **texts, char line[TRIAL_FAULT_BYTES])
{
    size_t length = strcspn(*texts, "\n");
    if (length == 0) {
        return false;
    }
    snprintf(line, TRIAL_FAULT_BYTES, "%.*s", (int)length, *texts);
    *texts += length + ((*texts)[length] == '\n');
    return true;
}

/* Arms what the order says. */
static bool arm(struct experiment *experiment, const char *texts)
{
    char line[TRIAL_FAULT_BYTES];
    struct error error = {{0}};
    bool good = true;
    lock_take(machine_lock(experiment->machine));
    while (good && trial_next_fault(&texts, line)) {
        good = strlen(line) < sizeof(line) - 1
                   ? faults_arm_text(experiment->faults, "fault", line, &error) != NULL
                   : error_set(&error, "a fault's text is longer than %zu characters",
                               sizeof(line) - 2);
    }
    lock_release(machine_lock(experiment->machine));
    if (!good) {
        experiment_finish(experiment, "error", error.text);
    }
    return good;
}

static bool start_run(struct experiment *experiment, const struct activity *script)
{
    lua_State *lua = experiment->lua;
    lua_State *thread = lua_newthread(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, experiment->trial.run);
    lua_xmove(lua, thread, 1);
    struct activity *activity =
        activity_start(experiment, thread, luaL_ref(lua, LUA_REGISTRYINDEX));
    if (!activity) {
        experiment_finish(experiment, "error", "out of memory");
        return false;
    }
    memcpy(activity->cursors, script->cursors, sizeof(activity->cursors));
    return true;
}

/* The machine, the faults, Lua: all is ready to go on. */
static bool set_up(struct experiment *experiment, const struct trial_order *order,
                   const struct activity *script)
{
    struct trial *trial = &experiment->trial;
    const struct waypoint *waypoint = waypoints_before(experiment, order);
    if (!begin_again(experiment, order->seed,
                     waypoint ? waypoint_checkpoint(waypoint) : trial->checkpoint) ||
        (order->faults && !arm(experiment, order->faults)) ||
        !start_run(experiment, script)) {
        return false;
    }
    experiment->random_state = trial->random_state;
    if (!waypoints_begin_run(experiment, order, waypoint)) {
        experiment_finish(experiment, "error",
                          "the script goes another way in a second run: what it does "
                          "may follow only from the machine, its settings and its "
                          "seed");
        return false;
    }
    return true;
}

/* What the consoles have said, one after the other: the last of it. */
static void take_output(struct experiment *experiment)
{
    struct experiment_result *result = experiment->result;
    char *text = calloc(1, EXPERIMENT_OUTPUT_BYTES + 1);
    size_t length = 0;
    result->output_hash = 0;
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        const struct console_record *record = &experiment->consoles[i];
        uint64_t pair[] = {record->total - record->kept_total, record->hash};
        result->output_hash = state_hash_bytes(result->output_hash, pair, sizeof(pair));
        uint64_t room = text ? EXPERIMENT_OUTPUT_BYTES - length : 0;
        uint64_t first = pair[0] > room ? record->total - room : record->kept_total;
        for (uint64_t at = first; at < record->total; at++) {
            text[length++] = record->bytes[at % CONSOLE_RECORD_BYTES];
        }
    }
    result->output = text;
}

static void take_result(struct experiment *experiment)
{
    struct experiment_result *result = experiment->result;
    struct machine *machine = experiment->machine;
    result->has_trial = true;
    result->trial_hash = checkpoint_hash(machine, experiment->trial.checkpoint);
    result->virtual_ns = machine_now_ns(machine);
    result->instructions = machine_cpu(machine)->retired;
    result->faults = injection_reports(experiment);
    snprintf(result->end, sizeof(result->end), "%s",
             experiment->end      ? experiment->end
             : experiment->halted ? "halted"
                                  : "");
    take_output(experiment);
}

void trial_run(struct experiment *experiment, const struct trial_order *order,
               struct experiment_result *result)
{
    struct trial *trial = &experiment->trial;
    struct experiment_result *whole = experiment->result;
    struct activity *script = experiment->activities;
    *result = (struct experiment_result){.values = json_object()};
    experiment->result = result;
    experiment->activities = NULL;
    experiment->activity_count = 0;
    experiment->finished = false;
    if (set_up(experiment, order, script)) {
        trial->deadline_ns =
            order->timeout_ns ? trial->begin_ns + order->timeout_ns : CLOCK_NEVER;
        activities_run(experiment);
        trial->deadline_ns = CLOCK_NEVER;
    }
    if (!waypoints_end_run(experiment, result)) {
        take_result(experiment);
    }
    activities_free(experiment);
    experiment->activities = script;
    experiment->result = whole;
}

/* -- once, or again and again -- */

static void merge(struct experiment *experiment, struct experiment_result *once)
{
    struct experiment_result *result = experiment->result;
    json_object_update(result->values, once->values);
    result->has_trial = true;
    result->trial_hash = once->trial_hash;
    result->output_hash = once->output_hash;
    memcpy(result->end, once->end, sizeof(result->end));
    free(result->output);
    result->output = once->output;
    once->output = NULL;
    if (strcmp(once->outcome, "ok") != 0 || once->by_script) {
        result->by_script = once->by_script;
        experiment_finish(experiment, once->outcome, once->detail);
    }
    experiment_result_free(once);
}

void trial_conduct(struct experiment *experiment)
{
    const struct experiment_host *host = experiment->host;
    const struct experiment_options *options = experiment->options;
    if (host->conduct) {
        host->conduct(host->opaque, experiment);
        experiment_finish(experiment, "ok", NULL);
        return;
    }
    struct experiment_result *once = calloc(1, sizeof(*once));
    if (!once) {
        experiment_finish(experiment, "error", "out of memory");
        return;
    }
    struct trial_order order = options->trial;
    order.timeout_ns =
        order.timeout_ns ? order.timeout_ns : experiment->trial.timeout_ns;
    trial_run(experiment, &order, once);
    experiment->finished = false;
    merge(experiment, once);
    free(once);
    trial_free(experiment);
    experiment->trial.over = true;
}
