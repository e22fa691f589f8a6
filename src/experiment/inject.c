/* Functions of scripts: faults. */
#include "experiment/experiment_internal.h"

/* inject(text): the number of the fault */
static int inject(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const char *text = luaL_checkstring(lua, 1);
    struct error error;
    if (!experiment->machine) {
        script_raise(lua,
                     "there is no machine yet: describe one first, by machine {…}");
    }
    int fault =
        experiment->host->injector->inject(experiment->injections, text, &error);
    if (fault < 0) {
        script_raise(lua, "inject: %s", error.text);
    }
    lua_pushinteger(lua, fault);
    return 1;
}

/* fault_report(number): a table */
static int fault_report(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const struct injection_report *rows = experiment->host->injector->report(
        experiment->injections, (int)luaL_checkinteger(lua, 1));
    lua_newtable(lua);
    for (; rows && rows->key; rows++) {
        lua_pushstring(lua, rows->value);
        lua_setfield(lua, -2, rows->key);
    }
    return 1;
}

const struct luaL_Reg injection_functions[] = {
    {"inject", inject},
    {"fault_report", fault_report},
    {NULL, NULL},
};
