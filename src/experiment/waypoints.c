#include "experiment/waypoints.h"

#include <stdlib.h>
#include <string.h>

#include "machine/inspect.h"

enum {
    INTERVAL_MINIMUM = 250000, /* instructions: less does not pay */
};

enum waypoints_mode {
    WAYPOINTS_OFF,
    WAYPOINTS_LAYING,    /* the golden run: answers are kept */
    WAYPOINTS_RETURNING, /* Lua is on its way to a waypoint: answers are given */
    WAYPOINTS_COMPARING, /* answers have been the same up to now */
};

struct waypoint {
    uint64_t instructions, ns;
    uint64_t answers;    /* that the script has got */
    uint64_t exceptions; /* that the CPU has raised */
    struct checkpoint *checkpoint;
    struct console_place said[MACHINE_CONSOLES];
    struct activity *waits; /* of all activities; copies */
    unsigned wait_count;
};

struct waypoints {
    enum waypoints_mode mode;
    int log;           /* the golden run's answers: a reference of Lua */
    uint64_t position; /* in it */
    uint64_t interval; /* instructions */
    bool spoiled;      /* they cannot be used after all */
    bool decided;      /* a run has come to where the golden one was */
    struct experiment_result golden;
    uint64_t exceptions;            /* of all of it */
    char *output[MACHINE_CONSOLES]; /* likewise */
    struct waypoint items[TRIAL_WAYPOINTS];
    unsigned count;
};

static struct waypoints *waypoints_of(const struct experiment *experiment)
{
    return experiment->trial.waypoints;
}

/* -- the log of answers: a table of Lua, whose rows are answers -- */

/* The value on top, or a copy of it if it is a table, whose rows are plain. */
static void push_copy(lua_State *lua, int index)
{
    index = lua_absindex(lua, index);
    if (!lua_istable(lua, index)) {
        lua_pushvalue(lua, index);
        return;
    }
    lua_newtable(lua);
    for (lua_pushnil(lua); lua_next(lua, index) != 0; lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2);
        lua_pushvalue(lua, -2);
        lua_rawset(lua, -5);
    }
}

/* Tables of plain rows that the same function has made. */
static bool equal_rows(lua_State *lua, int a, int b)
{
    for (lua_pushnil(lua); lua_next(lua, a) != 0; lua_pop(lua, 1)) {
        lua_pushvalue(lua, -2);
        lua_rawget(lua, b);
        bool equal = lua_rawequal(lua, -1, -2);
        lua_pop(lua, 1);
        if (!equal) {
            lua_pop(lua, 2);
            return false;
        }
    }
    return true;
}

static bool equal(lua_State *lua, int a, int b)
{
    a = lua_absindex(lua, a);
    b = lua_absindex(lua, b);
    return lua_istable(lua, a) && lua_istable(lua, b) ? equal_rows(lua, a, b)
                                                      : lua_rawequal(lua, a, b);
}

/* Keeps the `count` values on top of the stack, which stay. */
static void keep_answer(struct waypoints *this, lua_State *lua, int count)
{
    int first = lua_gettop(lua) - count + 1;
    luaL_checkstack(lua, 6, "too many answers");
    lua_rawgeti(lua, LUA_REGISTRYINDEX, this->log);
    lua_createtable(lua, count, 0);
    for (int i = 0; i < count; i++) {
        push_copy(lua, first + i);
        lua_rawseti(lua, -2, i + 1);
    }
    lua_pushinteger(lua, count);
    lua_rawseti(lua, -2, 0);
    lua_rawseti(lua, -2, (lua_Integer)++ this->position);
    lua_pop(lua, 1);
}

/* Pushes row `position` of the log; how many values it has. */
static int push_row(const struct waypoints *this, lua_State *lua)
{
    luaL_checkstack(lua, 6, "too many answers");
    lua_rawgeti(lua, LUA_REGISTRYINDEX, this->log);
    lua_rawgeti(lua, -1, (lua_Integer)this->position);
    lua_remove(lua, -2);
    if (!lua_istable(lua, -1)) {
        return -1;
    }
    lua_rawgeti(lua, -1, 0);
    int count = (int)lua_tointeger(lua, -1);
    lua_pop(lua, 1);
    return count;
}

/* Whether the golden run got the same answer. */
static bool is_next_answer(struct waypoints *this, lua_State *lua, int count)
{
    int first = lua_gettop(lua) - count + 1;
    this->position++;
    bool same = push_row(this, lua) == count;
    for (int i = 0; same && i < count; i++) {
        lua_rawgeti(lua, -1, i + 1);
        same = equal(lua, -1, first + i);
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return same;
}

static void note_answer(struct waypoints *this, lua_State *lua, int count)
{
    if (this->mode == WAYPOINTS_LAYING) {
        keep_answer(this, lua, count);
    } else if (this->mode == WAYPOINTS_COMPARING && !is_next_answer(this, lua, count)) {
        this->mode = WAYPOINTS_OFF;
    }
}

/* What the golden run was answered; the function is not called. */
static int give_answer(struct waypoints *this, lua_State *lua)
{
    this->position++;
    int count = push_row(this, lua), row = lua_gettop(lua);
    if (count < 0) {
        return luaL_error(lua, "the script asks for what it did not before");
    }
    luaL_checkstack(lua, count + 4, "too many answers");
    for (int i = 0; i < count; i++) {
        lua_rawgeti(lua, row, i + 1);
        push_copy(lua, -1);
        lua_remove(lua, -2);
    }
    return count;
}

static int call(lua_State *lua)
{
    struct waypoints *this = waypoints_of(experiment_of(lua));
    if (this && this->mode == WAYPOINTS_RETURNING) {
        return give_answer(this, lua);
    }
    int count = lua_tocfunction(lua, lua_upvalueindex(1))(lua);
    if (this) {
        note_answer(this, lua, count);
    }
    return count;
}

void waypoints_push_functions(lua_State *lua, const struct luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushcfunction(lua, functions->func);
        lua_pushcclosure(lua, call, 1);
        lua_setfield(lua, -2, functions->name);
    }
}

void waypoints_note_wait(struct experiment *experiment, const struct activity *activity,
                         const char *outcome, const char *line, size_t length)
{
    struct waypoints *this = waypoints_of(experiment);
    lua_State *lua = experiment->lua;
    if (!this || this->mode == WAYPOINTS_OFF) {
        return;
    }
    lua_pushinteger(lua, activity->number);
    lua_pushstring(lua, outcome);
    line ? (void)lua_pushlstring(lua, line, length) : lua_pushboolean(lua, false);
    note_answer(this, lua, 3);
    lua_pop(lua, 3);
}

void waypoints_give_up(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    if (this) {
        this->spoiled |= this->mode == WAYPOINTS_LAYING;
        this->mode = WAYPOINTS_OFF;
    }
}

/* -- laying them -- */

/* How all activities wait. */
static bool keep_waits(const struct experiment *experiment, struct waypoint *waypoint)
{
    unsigned count = 0;
    for (const struct activity *a = experiment->activities; a; a = a->next) {
        count += !a->over;
    }
    waypoint->waits = calloc(count, sizeof(*waypoint->waits));
    if (!waypoint->waits) {
        return false;
    }
    for (const struct activity *a = experiment->activities; a; a = a->next) {
        if (!a->over) {
            waypoint->waits[waypoint->wait_count++] = *a;
        }
    }
    return true;
}

/* Where it is not possible, there is none. */
static void lay(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    struct waypoint *waypoint = &this->items[this->count];
    const struct cpu *cpu = machine_cpu(experiment->machine);
    struct error error;
    lock_take(machine_lock(experiment->machine));
    bool typed = machine_consoles_have_input(experiment->machine);
    lock_release(machine_lock(experiment->machine));
    *waypoint = (struct waypoint){
        .instructions = cpu->retired,
        .ns = machine_now_ns(experiment->machine),
        .answers = this->position,
        .exceptions = cpu->statistics->exceptions,
    };
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        waypoint->said[i] = console_place(&experiment->consoles[i]);
    }
    if (typed || !keep_waits(experiment, waypoint)) {
        return;
    }
    waypoint->checkpoint = checkpoint_take(experiment->machine, &error);
    if (waypoint->checkpoint) {
        this->count++;
    } else {
        free(waypoint->waits);
    }
}

static void forget(struct waypoints *this)
{
    for (unsigned i = 0; i < this->count; i++) {
        checkpoint_free(this->items[i].checkpoint);
        free(this->items[i].waits);
    }
    this->count = 0;
}

/* What all consoles have said from the beginning to the end; false if that is no more
 * known. */
static bool keep_output(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    bool good = true;
    for (unsigned i = 0; i < MACHINE_CONSOLES && good; i++) {
        good = console_copy(&experiment->consoles[i], &this->output[i]);
    }
    return good;
}

void trial_lay_waypoints(struct experiment *experiment, unsigned most,
                         const struct experiment_result *golden)
{
    struct trial *trial = &experiment->trial;
    uint64_t length = golden->instructions - trial->begin_instructions;
    uint64_t intervals = length / INTERVAL_MINIMUM;
    const struct trial_order order = {.seed = 0};
    struct waypoints *this = NULL;
    most = most < TRIAL_WAYPOINTS ? most : TRIAL_WAYPOINTS;
    intervals = intervals < most + 1 ? intervals : most + 1;
    if (intervals < 2 || !(this = calloc(1, sizeof(*this)))) {
        return;
    }
    lua_newtable(experiment->lua);
    this->log = luaL_ref(experiment->lua, LUA_REGISTRYINDEX);
    this->interval = length / intervals;
    this->mode = WAYPOINTS_LAYING;
    trial->waypoints = this;
    trial_run(experiment, &order, &this->golden);
    this->mode = WAYPOINTS_OFF;
    this->exceptions = machine_cpu(experiment->machine)->statistics->exceptions;
    if (this->spoiled || this->golden.trial_hash != golden->trial_hash ||
        !keep_output(experiment)) {
        luaL_unref(experiment->lua, LUA_REGISTRYINDEX, this->log);
        waypoints_free(experiment);
    }
}

void waypoints_free(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    if (!this) {
        return;
    }
    forget(this);
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        free(this->output[i]);
    }
    experiment_result_free(&this->golden);
    free(this);
    experiment->trial.waypoints = NULL;
}

/* -- where a run begins -- */

/* Whether a run for that order goes on at that time. */
static bool is_in_time(const struct experiment *experiment, uint64_t timeout_ns,
                       uint64_t ns)
{
    return !timeout_ns || ns - experiment->trial.begin_ns < timeout_ns;
}

/* Whether the fault cannot have come by then. */
static bool is_before(const struct waypoint *waypoint, const struct fault_spec *spec)
{
    switch (spec->when.event) {
    case FAULT_INSTRUCTION:
        return waypoint->instructions < spec->when.at;
    case FAULT_TIME:
        return waypoint->ns < spec->when.at;
    default:
        return false;
    }
}

/* How many of the waypoints are before the fault of that text. */
static unsigned count_before(const struct waypoints *this, const char *text)
{
    struct fault_spec spec;
    struct error error;
    unsigned count = 0;
    if (!fault_spec_parse(&spec, "fault", text, &error)) {
        return 0;
    }
    while (count < this->count && is_before(&this->items[count], &spec)) {
        count++;
    }
    return count;
}

const struct waypoint *waypoints_before(const struct experiment *experiment,
                                        const struct trial_order *order)
{
    const struct waypoints *this = waypoints_of(experiment);
    if (!this || !order->faults) {
        return NULL;
    }
    unsigned count = this->count;
    char line[TRIAL_FAULT_BYTES];
    for (const char *texts = order->faults; trial_next_fault(&texts, line);) {
        unsigned before = count_before(this, line);
        count = before < count ? before : count;
    }
    while (count &&
           !is_in_time(experiment, order->timeout_ns, this->items[count - 1].ns)) {
        count--;
    }
    return count ? &this->items[count - 1] : NULL;
}

const struct checkpoint *waypoint_checkpoint(const struct waypoint *waypoint)
{
    return waypoint->checkpoint;
}

static struct activity *find_activity(const struct experiment *experiment,
                                      lua_Integer number)
{
    struct activity *a = experiment->activities;
    while (a && a->number != number) {
        a = a->next;
    }
    return a;
}

/* Ends the next wait as it ended in the golden run. */
static bool repeat_wait(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    lua_State *lua = experiment->lua;
    size_t length = 0;
    this->position++;
    if (push_row(this, lua) != 3) {
        lua_pop(lua, 1);
        return false;
    }
    int row = lua_gettop(lua);
    lua_rawgeti(lua, row, 1);
    lua_rawgeti(lua, row, 2);
    lua_rawgeti(lua, row, 3);
    struct activity *activity = find_activity(experiment, lua_tointeger(lua, row + 1));
    const char *outcome = lua_tostring(lua, row + 2);
    const char *line = lua_tolstring(lua, row + 3, &length); /* NULL: false */
    bool good = activity && !activity->over && outcome;
    if (good) {
        activity_resume(experiment, activity, outcome, line, length);
    }
    lua_settop(lua, row - 1);
    return good;
}

/* All activities wait as they did. */
static bool return_waits(struct experiment *experiment, const struct waypoint *waypoint)
{
    unsigned waiting = 0;
    for (struct activity *a = experiment->activities; a; a = a->next) {
        waiting += !a->over;
    }
    for (unsigned i = 0; i < waypoint->wait_count; i++) {
        const struct activity *then = &waypoint->waits[i];
        struct activity *now = find_activity(experiment, then->number);
        if (!now || now->over) {
            return false;
        }
        struct activity before = *now;
        *now = *then;
        now->next = before.next;
        now->thread = before.thread;
        now->reference = before.reference;
    }
    return waiting == waypoint->wait_count;
}

static bool return_to(struct experiment *experiment, const struct waypoint *waypoint)
{
    struct waypoints *this = waypoints_of(experiment);
    bool good = true;
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        console_go_on(&experiment->consoles[i], this->output[i], &waypoint->said[i]);
    }
    this->mode = WAYPOINTS_RETURNING;
    while (good && this->position < waypoint->answers) {
        good = repeat_wait(experiment) && !experiment->finished;
    }
    this->mode = WAYPOINTS_OFF;
    activities_forget_over(experiment);
    return good && this->position == waypoint->answers &&
           return_waits(experiment, waypoint);
}

bool waypoints_begin_run(struct experiment *experiment, const struct trial_order *order,
                         const struct waypoint *waypoint)
{
    struct waypoints *this = waypoints_of(experiment);
    if (!this) {
        return true;
    }
    this->position = 0;
    this->decided = false;
    if (this->mode == WAYPOINTS_LAYING) {
        return true;
    }
    this->mode = WAYPOINTS_OFF;
    if (waypoint && !return_to(experiment, waypoint)) {
        return false;
    }
    /* Without faults it is the golden run, which somebody wants to see. */
    if (faults_first(experiment->faults) &&
        is_in_time(experiment, order->timeout_ns, this->golden.virtual_ns)) {
        this->mode = WAYPOINTS_COMPARING;
    }
    return true;
}

/* -- on the way -- */

uint64_t waypoints_next(const struct experiment *experiment)
{
    const struct waypoints *this = waypoints_of(experiment);
    if (!this || this->mode == WAYPOINTS_OFF) {
        return UINT64_MAX;
    }
    uint64_t now = machine_cpu(experiment->machine)->retired;
    if (this->mode == WAYPOINTS_LAYING) {
        uint64_t begin = experiment->trial.begin_instructions;
        return this->count < TRIAL_WAYPOINTS
                   ? now + this->interval - (now - begin) % this->interval
                   : UINT64_MAX;
    }
    for (unsigned i = 0; i < this->count; i++) {
        if (this->items[i].instructions > now) {
            return this->items[i].instructions;
        }
    }
    return UINT64_MAX;
}

/* Whether nothing that is still to come could change the report. `exceptions`: some
 * are to come in a run that goes on like the golden one. Only of the CPU and of memory
 * it is certain that all that a fault can do shows in the machine's state. */
static bool is_settled(const struct fault *fault, bool exceptions)
{
    const struct fault_spec *spec = fault_spec(fault);
    const struct fault_report *report = fault_report(fault);
    if ((spec->target != FAULT_RAM && spec->target != FAULT_REGISTER) ||
        spec->module.is_meant) {
        return false;
    }
    if (report->state != FAULT_OVER && report->state != FAULT_REFUSED) {
        return false;
    }
    bool may_be_detected = report->activation == FAULT_ACTIVATED ||
                           report->activation == FAULT_ACTIVATION_UNKNOWN;
    return !report->injections || report->activation == FAULT_OVERWRITTEN ||
           (may_be_detected &&
            (!exceptions || report->detected_vector != FAULT_NO_VECTOR));
}

static bool faults_are_settled(struct experiment *experiment, bool exceptions)
{
    bool settled = true;
    lock_take(machine_lock(experiment->machine));
    for (const struct fault *fault = faults_first(experiment->faults); fault;
         fault = fault_next(fault)) {
        settled &= is_settled(fault, exceptions);
    }
    lock_release(machine_lock(experiment->machine));
    return settled;
}

/* Whether the golden run was here, too. The answers so far were the same. */
static bool is_golden(struct experiment *experiment, const struct waypoint *waypoint)
{
    const struct waypoints *this = waypoints_of(experiment);
    bool same = this->position == waypoint->answers &&
                machine_now_ns(experiment->machine) == waypoint->ns;
    for (unsigned i = 0; same && i < MACHINE_CONSOLES; i++) {
        struct console_place now = console_place(&experiment->consoles[i]);
        same =
            now.total == waypoint->said[i].total && now.hash == waypoint->said[i].hash;
    }
    return same &&
           faults_are_settled(experiment, this->exceptions != waypoint->exceptions) &&
           checkpoint_is_now(experiment->machine, waypoint->checkpoint);
}

static void compare(struct experiment *experiment)
{
    struct waypoints *this = waypoints_of(experiment);
    uint64_t now = machine_cpu(experiment->machine)->retired;
    for (unsigned i = 0; i < this->count; i++) {
        const struct waypoint *waypoint = &this->items[i];
        if (waypoint->instructions == now && is_golden(experiment, waypoint)) {
            this->decided = true;
            experiment_finish(experiment, this->golden.outcome, this->golden.detail);
        }
    }
}

void waypoints_arrive(struct experiment *experiment)
{
    waypoints_of(experiment)->mode == WAYPOINTS_LAYING ? lay(experiment)
                                                       : compare(experiment);
}

bool waypoints_end_run(struct experiment *experiment, struct experiment_result *result)
{
    struct waypoints *this = waypoints_of(experiment);
    if (!this || !this->decided) {
        return false;
    }
    const struct experiment_result *golden = &this->golden;
    json_t *values = result->values;
    *result = *golden;
    json_object_update(values, golden->values);
    result->values = values;
    result->faults = injection_reports(experiment);
    result->output = golden->output ? strdup(golden->output) : NULL;
    return true;
}
