/* Functions of scripts: faults. */
#define _GNU_SOURCE /* open_memstream() */
#include "experiment/experiment_internal.h"
#include "experiment/waypoints.h"

#include <stdlib.h>

static json_t *report_of(const struct fault *fault)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) {
        return json_object();
    }
    fault_write_json(fault, stream);
    fclose(stream);
    json_t *report = json_loads(text, 0, NULL);
    free(text);
    return report ? report : json_object();
}

json_t *injection_reports(struct experiment *experiment)
{
    json_t *reports = json_array();
    lock_take(machine_lock(experiment->machine));
    for (const struct fault *fault = faults_first(experiment->faults); fault;
         fault = fault_next(fault)) {
        json_array_append_new(reports, report_of(fault));
    }
    lock_release(machine_lock(experiment->machine));
    return reports;
}

/* inject(text): the number of the fault, from 0 on */
static int inject(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    struct machine *machine = script_machine(lua);
    struct error error;
    waypoints_give_up(experiment);
    lock_take(machine_lock(machine));
    lua_Integer number = 0;
    for (const struct fault *fault = faults_first(experiment->faults); fault;
         fault = fault_next(fault)) {
        number++;
    }
    bool good = faults_arm_text(experiment->faults, "inject", text, &error);
    lock_release(machine_lock(machine));
    if (!good) {
        script_raise(lua, "%s", error.text);
    }
    lua_pushinteger(lua, number);
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
static int report_fault(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    lua_Integer number = luaL_checkinteger(lua, 1);
    script_needs_activity(lua);
    waypoints_give_up(experiment);
    json_t *reports = experiment->machine ? injection_reports(experiment) : NULL;
    json_t *report = json_array_get(reports, (size_t)number); /* NULL: none such */
    if (!report) {
        json_decref(reports);
        script_raise(lua, "fault_report: there is no fault %d", (int)number);
    }
    push_json(lua, report);
    json_decref(reports);
    return 1;
}

const struct luaL_Reg injection_functions[] = {
    {"inject", inject},
    {"fault_report", report_fault},
    {NULL, NULL},
};
