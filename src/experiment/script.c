/* A Lua that reaches nothing of the host: of the standard library there is only what
 * computes. Memory and time are limited; errors cannot be caught, so that an end is
 * one. What differs from run to run of an ordinary Lua (random numbers, the order of
 * pairs()) is replaced in prelude.lua. */
#include "experiment/experiment_internal.h"
#include "experiment/waypoints.h"

#include <lualib.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Generated of the files in Lua. */
#include "experiment/lua_prelude.h"
#include "experiment/lua_procedure.h"
#include "experiment/lua_trial.h"

enum {
    MEMORY_MAXIMUM = SCRIPT_MEMORY_MIB << 20,
    CHECK_EVERY = 100000, /* steps of Lua's machine, between two looks at the limit */
    RECORD_MAXIMUM = 16 << 10,
    RECORD_OVERHEAD = 32, /* of a value */
};

struct experiment *experiment_of(lua_State *lua)
{
    return *(struct experiment **)lua_getextraspace(lua);
}

void script_where(lua_State *lua, char *text, size_t bytes)
{
    lua_Debug place;
    snprintf(text, bytes, "%s", experiment_of(lua)->options->script);
    for (int level = 0; lua_getstack(lua, level, &place); level++) {
        lua_getinfo(lua, "Sl", &place);
        if (place.currentline > 0 && strcmp(place.source, "=" SCRIPT_PRELUDE) != 0) {
            snprintf(text, bytes, "%s:%d", place.short_src, place.currentline);
            return;
        }
    }
}

void script_raise(lua_State *lua, const char *format, ...)
{
    char where[LUA_IDSIZE + 16], text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    script_where(lua, where, sizeof(where));
    lua_pushfstring(lua, "%s: %s", where, text);
    lua_error(lua);
    abort(); /* lua_error() does not return */
}

void script_needs_activity(lua_State *lua)
{
    if (!experiment_of(lua)->running) {
        script_raise(lua, "faults() draws a fault before a run begins: it cannot look "
                          "at the machine, wait, or judge");
    }
}

struct machine *script_machine(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    script_needs_activity(lua);
    if (!experiment->machine) {
        script_raise(lua,
                     "there is no machine yet: describe one first, by machine {…}");
    }
    return experiment->machine;
}

bool script_parse_duration(const char *text, uint64_t *duration_ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}};
    char *end;
    if (*text < '0' || *text > '9') {
        return false;
    }
    double value = strtod(text, &end);
    end += strspn(end, " ");
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        double ns = value * units[i].ns;
        if (strcmp(end, units[i].name) == 0 && ns >= 0 && ns < 0x1p62) {
            *duration_ns = (uint64_t)llround(ns);
            return true;
        }
    }
    return false;
}

/* -- limits -- */

static void *allocate(void *opaque, void *block, size_t old_bytes, size_t bytes)
{
    struct experiment *experiment = opaque;
    size_t old = block ? old_bytes : 0; /* else it is a kind of object */
    if (bytes == 0) {
        experiment->lua_bytes -= old;
        free(block);
        return NULL;
    }
    if (bytes > old && experiment->lua_bytes + (bytes - old) > MEMORY_MAXIMUM) {
        return NULL;
    }
    void *new = realloc(block, bytes);
    if (new) {
        experiment->lua_bytes += bytes - old;
    }
    return new;
}

static void check_limit(lua_State *lua, lua_Debug *place)
{
    struct experiment *experiment = experiment_of(lua);
    struct timespec now;
    (void)place;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double passed_s = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    passed_s -= experiment->began_s;
    unsigned limit_s = experiment->options->limit_s;
    if (limit_s && passed_s > limit_s) {
        experiment->limit_reached = true;
        script_raise(lua, "the limit of host time is reached");
    }
}

/* -- functions of scripts -- */

static int raise_error(lua_State *lua)
{
    script_raise(lua, "%s", luaL_checkstring(lua, 1));
}

static int where(lua_State *lua)
{
    char text[LUA_IDSIZE + 16];
    script_where(lua, text, sizeof(text));
    lua_pushstring(lua, text);
    return 1;
}

static int duration(lua_State *lua)
{
    uint64_t ns;
    if (lua_type(lua, 1) == LUA_TSTRING &&
        script_parse_duration(lua_tostring(lua, 1), &ns)) {
        lua_pushinteger(lua, (lua_Integer)ns);
    } else {
        lua_pushnil(lua);
    }
    return 1;
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static int random_bits(lua_State *lua)
{
    uint64_t z = experiment_of(lua)->random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    lua_pushinteger(lua, (lua_Integer)(z ^ (z >> 31)));
    return 1;
}

static int print(lua_State *lua)
{
    const struct experiment_host *host = experiment_of(lua)->host;
    const char *line = luaL_checkstring(lua, 1);
    if (host->print) {
        host->print(host->opaque, line);
    }
    return 0;
}

/* Of names and texts; a worker of a campaign has to tell them in one message. */
static size_t recorded_bytes(json_t *values)
{
    const char *name;
    json_t *value;
    size_t bytes = 0;
    json_object_foreach(values, name, value)
    {
        bytes += strlen(name) + json_string_length(value) + RECORD_OVERHEAD;
    }
    return bytes;
}

/* record(name, number, string or boolean) */
static int record(lua_State *lua)
{
    json_t *values = experiment_of(lua)->result->values, *value = NULL;
    const char *name = luaL_checkstring(lua, 1);
    script_needs_activity(lua);
    if (lua_isinteger(lua, 2)) {
        value = json_integer(lua_tointeger(lua, 2));
    } else if (lua_type(lua, 2) == LUA_TNUMBER) {
        value = json_real(lua_tonumber(lua, 2));
    } else if (lua_type(lua, 2) == LUA_TBOOLEAN) {
        value = json_boolean(lua_toboolean(lua, 2));
    } else if (lua_type(lua, 2) == LUA_TSTRING) {
        value = json_string(lua_tostring(lua, 2));
    }
    if (!value || json_object_set_new(values, name, value) != 0) {
        script_raise(
            lua, "record: '%s' is to be a number, a boolean or a text in UTF-8", name);
    }
    if (recorded_bytes(values) > RECORD_MAXIMUM) {
        script_raise(lua, "record: '%s' is too much: there are %d KiB in all", name,
                     RECORD_MAXIMUM >> 10);
    }
    return 0;
}

const struct luaL_Reg script_functions[] = {
    {"raise", raise_error}, {"where", where},
    {"duration", duration}, {"random_bits", random_bits},
    {"print", print},       {"record", record},
    {NULL, NULL},
};

/* -- its beginning and end -- */

static void push_functions(struct experiment *experiment, lua_State *lua)
{
    const struct luaL_Reg *const tables[] = {script_functions, wait_functions,
                                             machine_functions, injection_functions,
                                             trial_functions};
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++) {
        luaL_setfuncs(lua, tables[i], 0);
    }
    waypoints_push_functions(lua, drive_functions);
    waypoints_push_functions(lua, observe_functions);
    const struct experiment_options *options = experiment->options;
    lua_pushinteger(lua, (lua_Integer)options->seed);
    lua_setfield(lua, -2, "seed");
    lua_newtable(lua);
    for (unsigned i = 0; i < options->setting_count; i++) {
        const char *equals = strchr(options->settings[i], '=');
        lua_pushlstring(lua, options->settings[i],
                        (size_t)(equals - options->settings[i]));
        lua_pushstring(lua, equals + 1);
        lua_settable(lua, -3);
    }
    lua_setfield(lua, -2, "settings");
}

static void load_own(lua_State *lua, const unsigned char *text, size_t bytes)
{
    if (luaL_loadbufferx(lua, (const char *)text, bytes, "=" SCRIPT_PRELUDE, "t") !=
        LUA_OK) {
        lua_error(lua);
    }
}

/* Places on the stack while a Lua is filled. */
enum { CORE = 1, OWN = 2 };

/* A part that needs what prelude.lua gives. */
static void load_part(lua_State *lua, const unsigned char *text, size_t bytes)
{
    load_own(lua, text, bytes);
    lua_pushvalue(lua, CORE);
    lua_pushvalue(lua, OWN);
    lua_call(lua, 2, 0);
}

/* Of an empty Lua: what computes, and what is our own. */
static int fill(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    static const struct luaL_Reg libraries[] = {{"_G", luaopen_base},
                                                {"string", luaopen_string},
                                                {"table", luaopen_table},
                                                {"math", luaopen_math},
                                                {"utf8", luaopen_utf8}};
    for (size_t i = 0; i < ARRAY_LENGTH(libraries); i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
    lua_newtable(lua);
    push_functions(experiment, lua);
    luaL_requiref(lua, "debug", luaopen_debug, 0); /* for our own part */
    lua_setfield(lua, -2, "debug");
    load_own(lua, prelude_lua, sizeof(prelude_lua));
    lua_pushvalue(lua, CORE);
    lua_call(lua, 1, 1);
    load_part(lua, procedure_lua, sizeof(procedure_lua));
    load_part(lua, trial_lua, sizeof(trial_lua));
    return 0;
}

/* The whole file, to be freed; NULL with an error. */
static char *read_script(const char *path, size_t *bytes, struct error *error);

bool script_create(struct experiment *experiment, struct error *error)
{
    size_t bytes;
    char name[4096];
    char *text = read_script(experiment->options->script, &bytes, error);
    lua_State *lua = text ? lua_newstate(allocate, experiment) : NULL;
    if (!lua) {
        free(text);
        return text && error_set(error, "no memory for a script");
    }
    experiment->lua = lua;
    *(struct experiment **)lua_getextraspace(lua) = experiment;
    lua_pushcfunction(lua, fill);
    if (lua_pcall(lua, 0, 0, 0) != LUA_OK) {
        free(text);
        return error_set(error, "%s", lua_tostring(lua, -1));
    }
    lua_sethook(lua, check_limit, LUA_MASKCOUNT, CHECK_EVERY);
    lua_State *thread = lua_newthread(lua);
    int reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    snprintf(name, sizeof(name), "@%s", experiment->options->script);
    /* Text only: Lua does not check compiled code. */
    bool good = luaL_loadbufferx(thread, text, bytes, name, "t") == LUA_OK;
    free(text);
    if (!good) {
        experiment_finish(experiment, "error", lua_tostring(thread, -1));
        return true;
    }
    return activity_start(experiment, thread, reference) ||
           error_set(error, "no memory for a script");
}

void script_destroy(struct experiment *experiment)
{
    activities_free(experiment);
    if (experiment->lua) {
        lua_close(experiment->lua);
    }
}

static char *read_script(const char *path, size_t *bytes, struct error *error)
{
    enum { SCRIPT_BYTES = 16 << 20 };
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(SCRIPT_BYTES) : NULL;
    if (!text) {
        error_set_errno(error, errno, "cannot read the script '%s'", path);
        if (file) {
            fclose(file);
        }
        return NULL;
    }
    *bytes = fread(text, 1, SCRIPT_BYTES, file);
    text[*bytes < SCRIPT_BYTES ? *bytes : SCRIPT_BYTES - 1] = '\0';
    bool good = !ferror(file) && *bytes < SCRIPT_BYTES;
    fclose(file);
    if (!good) {
        error_set(error, "the script '%s' cannot be read, or is larger than 16 MiB",
                  path);
        free(text);
        return NULL;
    }
    return text;
}

char *experiment_script_text(const char *file, struct error *error)
{
    size_t bytes;
    return read_script(file, &bytes, error);
}

bool experiment_script_hash(const char *file, char text[EXPERIMENT_ID_BYTES],
                            struct error *error)
{
    size_t bytes;
    char *script = read_script(file, &bytes, error);
    if (script) {
        snprintf(text, EXPERIMENT_ID_BYTES, "%016" PRIx64,
                 state_hash_bytes(0, script, bytes));
    }
    free(script);
    return script != NULL;
}
