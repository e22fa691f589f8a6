/* Functions of scripts: hands on the machine. It stands still meanwhile. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "experiment/experiment_internal.h"

#include <string.h>
#include <unistd.h>

#include "host/display/keys.h"
#include "machine/media.h"
#include "machine/network.h"
#include "machine/services.h"
#include "machine/user_input.h"
#include "monitor/keys.h"

/* The machine, locked; the caller releases it before it raises an error. */
static struct machine *take_machine(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    struct machine *machine = script_machine(lua);
    if (experiment->end) {
        script_raise(lua, "the machine has ended (%s)", experiment->end);
    }
    lock_take(machine_lock(machine));
    return machine;
}

static void let_go(lua_State *lua)
{
    lock_release(machine_lock(experiment_of(lua)->machine));
}

/* true, or nil and why not. */
static int push_success(lua_State *lua, bool good, const struct error *error)
{
    if (good) {
        lua_pushboolean(lua, true);
        return 1;
    }
    lua_pushnil(lua);
    lua_pushstring(lua, error->text);
    return 2;
}

/* send(console, text): how many bytes there was room for */
static int send_text(lua_State *lua)
{
    size_t bytes;
    unsigned console = (unsigned)luaL_checkinteger(lua, 1);
    const char *text = luaL_checklstring(lua, 2, &bytes);
    struct machine *machine = take_machine(lua);
    size_t taken = machine_console_type(machine, console, (const uint8_t *)text, bytes);
    let_go(lua);
    lua_pushinteger(lua, (lua_Integer)taken);
    return 1;
}

/* key_code(name); nil: there is none. */
static int key_code(lua_State *lua)
{
    size_t length;
    const char *name = luaL_checklstring(lua, 1, &length);
    uint16_t key = key_by_name(name, length);
    if (key) {
        lua_pushinteger(lua, key);
    } else {
        lua_pushnil(lua);
    }
    return 1;
}

/* character_key(code point): key code and whether with Shift; nil: there is none. */
static int character_key(lua_State *lua)
{
    uint16_t key;
    bool shift;
    if (!key_of_character((uint32_t)luaL_checkinteger(lua, 1), &key, &shift)) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushinteger(lua, key);
    lua_pushboolean(lua, shift);
    return 2;
}

/* key(code, down) */
static int key(lua_State *lua)
{
    uint16_t code = (uint16_t)luaL_checkinteger(lua, 1);
    bool down = lua_toboolean(lua, 2);
    const struct input_sink *input = machine_input(take_machine(lua));
    input->key(input->opaque, code, down);
    let_go(lua);
    return 0;
}

static int power_button(lua_State *lua)
{
    machine_power_down(take_machine(lua));
    let_go(lua);
    return 0;
}

static int reset(lua_State *lua)
{
    machine_reset(take_machine(lua), "host-qmp-system-reset");
    let_go(lua);
    return 0;
}

static int nmi(lua_State *lua)
{
    machine_raise_nmi(take_machine(lua));
    let_go(lua);
    return 0;
}

/* set_cable(id, plugged) */
static int set_cable(lua_State *lua)
{
    struct error error;
    const char *id = luaL_checkstring(lua, 1);
    bool plugged = lua_toboolean(lua, 2);
    bool good = machine_set_cable(take_machine(lua), id, plugged, &error);
    let_go(lua);
    return push_success(lua, good, &error);
}

/* eject(drive, force) */
static int eject(lua_State *lua)
{
    struct error error;
    const char *drive = luaL_checkstring(lua, 1);
    bool force = lua_toboolean(lua, 2);
    bool good = machine_media_eject(take_machine(lua), drive, force, &error);
    let_go(lua);
    return push_success(lua, good, &error);
}

static const struct medium *find_medium(const struct experiment *experiment,
                                        const char *name)
{
    for (unsigned i = 0; i < experiment->media_count; i++) {
        if (strcmp(experiment->media[i].name, name) == 0) {
            return &experiment->media[i];
        }
    }
    return NULL;
}

/* insert(drive, medium). The drive closes what it is given: it gets a descriptor of its
 * own, since nothing can be opened any more. */
static int insert(lua_State *lua)
{
    struct error error;
    const char *drive = luaL_checkstring(lua, 1), *name = luaL_checkstring(lua, 2);
    const struct medium *medium = find_medium(experiment_of(lua), name);
    if (!medium) {
        script_raise(lua,
                     "insert: there is no medium '%s'; machine { media = {%s = "
                     "FILE} } names it",
                     name, name);
    }
    struct machine *machine = take_machine(lua);
    int fd = dup(medium->fd);
    bool good = fd < 0 ? error_set(&error, "too many open files")
                       : machine_services(machine)->insert(machine, drive, fd,
                                                           medium->file, true, &error);
    let_go(lua);
    return push_success(lua, good, &error);
}

const struct luaL_Reg drive_functions[] = {
    {"send", send_text},
    {"key_code", key_code},
    {"character_key", character_key},
    {"key", key},
    {"power_button", power_button},
    {"reset", reset},
    {"nmi", nmi},
    {"set_cable", set_cable},
    {"eject", eject},
    {"insert", insert},
    {NULL, NULL},
};
