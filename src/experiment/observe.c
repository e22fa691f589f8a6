/* Functions of scripts: looking at the machine, which changes nothing. */
#include "experiment/experiment_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/display.h"
#include "machine/inspect.h"

enum { SCREEN_BYTES = 1 << 16, TAIL_BYTES = 4096, PEEK_MAXIMUM = 16 << 20 };

static int now_ns(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)machine_now_ns(script_machine(lua)));
    return 1;
}

static int instructions(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)machine_cpu(script_machine(lua))->retired);
    return 1;
}

/* machine_end(): how, and the exit code; nil: it has not. */
static int machine_end(lua_State *lua)
{
    const struct experiment *experiment = experiment_of(lua);
    script_needs_activity(lua);
    if (!experiment->end && !experiment->halted) {
        lua_pushnil(lua);
        return 1;
    }
    lua_pushstring(lua, experiment->end ? experiment->end : "halted");
    lua_pushinteger(lua, experiment->exit_code);
    return 2;
}

static void look(struct experiment *experiment, gpa_t address, uint64_t bytes)
{
    if (experiment->trial.looked) {
        experiment->trial.looked(experiment->trial.looked_opaque, address, bytes);
    }
}

static void look_at_all(struct experiment *experiment)
{
    look(experiment, 0, machine_ram(experiment->machine)->bytes);
    look(experiment, 0, 0);
}

static void look_at_linear(struct experiment *experiment, gla_t address, uint64_t bytes)
{
    gpa_t physical;
    while (bytes) {
        const uint64_t in_page = PAGE_BYTES - (address & PAGE_OFFSET_MASK);
        const uint64_t piece = bytes < in_page ? bytes : in_page;
        if (machine_translate(experiment->machine, address, &physical, NULL, NULL)) {
            look(experiment, physical, piece);
        }
        address += (gla_t)piece;
        bytes -= piece;
    }
}

static int state_hash_text(lua_State *lua)
{
    char text[20];
    snprintf(text, sizeof(text), "%016llx",
             (unsigned long long)machine_hash(script_machine(lua)));
    look_at_all(experiment_of(lua));
    lua_pushstring(lua, text);
    return 1;
}

/* The text screen; nil in a graphics mode. */
static int screen(lua_State *lua)
{
    struct machine *machine = script_machine(lua);
    luaL_Buffer buffer;
    char *text = luaL_buffinitsize(lua, &buffer, SCREEN_BYTES);
    lock_take(machine_lock(machine));
    size_t length = machine_screen_text(machine, text, SCREEN_BYTES);
    lock_release(machine_lock(machine));
    luaL_pushresultsize(&buffer, length);
    if (length == 0) {
        lua_pushnil(lua);
    }
    return 1;
}

/* console_exists(number) */
static int console_exists(lua_State *lua)
{
    unsigned console = (unsigned)luaL_checkinteger(lua, 1);
    lua_pushboolean(lua, machine_console_exists(script_machine(lua), console));
    return 1;
}

/* tail(console): what it has said last, for people. */
static int tail(lua_State *lua)
{
    char text[TAIL_BYTES];
    console_tail(&experiment_of(lua)->consoles[luaL_checkinteger(lua, 1)], text,
                 sizeof(text));
    lua_pushstring(lua, text);
    return 1;
}

/* peek(address, bytes, linear): the bytes; nil and how many there are. */
static int peek(lua_State *lua)
{
    struct machine *machine = script_machine(lua);
    lua_Integer address = luaL_checkinteger(lua, 1), bytes = luaL_checkinteger(lua, 2);
    bool linear = lua_toboolean(lua, 3);
    if (address < 0 || bytes < 0 || bytes > PEEK_MAXIMUM) {
        script_raise(lua, "memory is read from an address from 0 on, at most 16 MiB at "
                          "once");
    }
    luaL_Buffer buffer;
    char *data = luaL_buffinitsize(lua, &buffer, (size_t)bytes);
    lock_take(machine_lock(machine));
    size_t there = machine_peek(machine, linear, (gpa_t)address, data, (size_t)bytes);
    if (linear) {
        look_at_linear(experiment_of(lua), (gla_t)address, there);
    } else if (there) {
        look(experiment_of(lua), (gpa_t)address, there);
    }
    lock_release(machine_lock(machine));
    luaL_pushresultsize(&buffer, there);
    if (there < (size_t)bytes) {
        lua_pushnil(lua);
        lua_pushinteger(lua, (lua_Integer)there);
        return 2;
    }
    return 1;
}

static void set_field(lua_State *lua, const char *name, uint32_t value)
{
    lua_pushinteger(lua, value);
    lua_setfield(lua, -2, name);
}

static int registers(lua_State *lua)
{
    static const char *const general[] = {"eax", "ecx", "edx", "ebx",
                                          "esp", "ebp", "esi", "edi"};
    static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const struct cpu *cpu = machine_cpu(script_machine(lua));
    look(experiment_of(lua), 0, 0);
    lua_newtable(lua);
    for (size_t i = 0; i < ARRAY_LENGTH(general); i++) {
        set_field(lua, general[i], cpu->regs[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(segments); i++) {
        set_field(lua, segments[i], cpu->segments[i].selector);
    }
    set_field(lua, "eip", cpu->eip);
    set_field(lua, "eflags", cpu_eflags(cpu));
    set_field(lua, "cr0", cpu->cr0);
    set_field(lua, "cr2", cpu->cr2);
    set_field(lua, "cr3", cpu->cr3);
    set_field(lua, "cr4", cpu->cr4);
    return 1;
}

static void screenshot_done(void *opaque, const char *path, const char *problem)
{
    struct experiment *experiment = opaque;
    if (!path) {
        log_warning(machine_log(experiment->machine), "%s", problem);
    }
}

/* screenshot(name): the file's name; nil: nothing is logged. */
static int screenshot(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    struct machine *machine = script_machine(lua);
    const char *name = luaL_checkstring(lua, 1);
    char path[PICTURE_PATH_BYTES];
    struct error error;
    if (!*name || *name == '.' || strchr(name, '/')) {
        script_raise(lua, "screenshot: '%s' is to be a name without folders", name);
    }
    if (!experiment->log_path) {
        lua_pushnil(lua);
        return 1;
    }
    snprintf(path, sizeof(path), "%s/%s.png", experiment->log_path, name);
    lock_take(machine_lock(machine));
    bool good = displays_screenshot(machine, path, screenshot_done, experiment, &error);
    if (good) {
        displays_wait_for_screenshot(machine);
    }
    lock_release(machine_lock(machine));
    if (!good) {
        script_raise(lua, "screenshot: %s", error.text);
    }
    lua_pushstring(lua, path);
    return 1;
}

const struct luaL_Reg observe_functions[] = {
    {"now_ns", now_ns},
    {"instructions", instructions},
    {"machine_end", machine_end},
    {"state_hash", state_hash_text},
    {"screen", screen},
    {"console_exists", console_exists},
    {"tail", tail},
    {"peek", peek},
    {"registers", registers},
    {"screenshot", screenshot},
    {NULL, NULL},
};
