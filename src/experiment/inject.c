/* Functions of scripts: faults. */
#define _GNU_SOURCE /* open_memstream() */
#include "experiment/experiment_internal.h"

#include <stdlib.h>

json_t *injection_report(struct experiment *experiment, unsigned fault)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) {
        return json_object();
    }
    lock_take(machine_lock(experiment->machine));
    experiment->host->injector->report(experiment->injections, fault, stream);
    lock_release(machine_lock(experiment->machine));
    fclose(stream);
    json_t *report = json_loads(text, 0, NULL);
    free(text);
    return report ? report : json_object();
}

/* inject(text): the number of the fault, from 0 on */
static int inject(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    struct error error;
    if (!experiment->machine) {
        script_raise(lua,
                     "there is no machine yet: describe one first, by machine {…}");
    }
    lock_take(machine_lock(experiment->machine));
    bool good =
        experiment->host->injector->inject(experiment->injections, text, &error);
    lock_release(machine_lock(experiment->machine));
    if (!good) {
        script_raise(lua, "inject: %s", error.text);
    }
    lua_pushinteger(lua, experiment->fault_count++);
    return 1;
}

static void push_json(lua_State *lua, const json_t *json)
{
    const char *key;
    json_t *value;
    luaL_checkstack(lua, 4, "a report is too deep");
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        lua_newtable(lua);
        json_object_foreach((json_t *)json, key, value)
        {
            push_json(lua, value);
            lua_setfield(lua, -2, key);
        }
        break;
    case JSON_ARRAY:
        lua_newtable(lua);
        for (size_t i = 0; i < json_array_size(json); i++) {
            push_json(lua, json_array_get(json, i));
            lua_seti(lua, -2, (lua_Integer)i + 1);
        }
        break;
    case JSON_STRING:
        lua_pushlstring(lua, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        lua_pushinteger(lua, json_integer_value(json));
        break;
    case JSON_REAL:
        lua_pushnumber(lua, json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(lua, json_is_true(json));
        break;
    case JSON_NULL:
        lua_pushnil(lua);
        break;
    }
}

/* fault_report(number): a table */
static int fault_report(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    lua_Integer fault = luaL_checkinteger(lua, 1);
    if (fault < 0 || fault >= experiment->fault_count) {
        script_raise(lua, "fault_report: there is no fault %d", (int)fault);
    }
    json_t *report = injection_report(experiment, (unsigned)fault);
    push_json(lua, report);
    json_decref(report);
    return 1;
}

const struct luaL_Reg injection_functions[] = {
    {"inject", inject},
    {"fault_report", fault_report},
    {NULL, NULL},
};
