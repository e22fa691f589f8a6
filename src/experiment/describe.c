/* machine {…}: from the words of the command line to a machine that is about to run. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "experiment/experiment_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void interrupt_for_wait(void *opaque)
{
    struct experiment *experiment = opaque;
    machine_interrupt(experiment->machine);
}

/* In the event loop's thread. */
static void limit_is_reached(void *opaque)
{
    struct experiment *experiment = opaque;
    experiment->limit_reached = true;
    machine_interrupt(experiment->machine);
}

static void start_timers(struct experiment *experiment)
{
    struct machine *machine = experiment->machine;
    struct clock *host = event_loop_host_clock(machine_event_loop(machine));
    const struct console_listener listener = {.sent = console_heard,
                                              .opaque = experiment};
    machine_listen_to_consoles(machine, &listener);
    timer_init(&experiment->wait_timer, machine_clock(machine), interrupt_for_wait,
               experiment);
    timer_init(&experiment->limit_timer, host, limit_is_reached, experiment);
    if (experiment->options->limit_s) {
        timer_set_ns(&experiment->limit_timer,
                     clock_now_ns(host) + experiment->options->limit_s * NS_PER_SECOND);
    }
}

/* What a script may not have: it reads the files that it names, and that is all. */
static bool refuse_what_reaches_out(const struct machine_config *config,
                                    struct error *error)
{
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        const char *file = config->drives[i].image.file;
        if (file && (strncmp(file, "nbd:", 4) == 0 || strncmp(file, "nbd+", 4) == 0)) {
            return error_set(error, "%s: an experiment has no connections; name a file",
                             file);
        }
    }
    for (unsigned i = 0; i < MACHINE_NETWORKS; i++) {
        const char *const texts[] = {config->nics[i], config->netdevs[i]};
        for (unsigned j = 0; j < ARRAY_LENGTH(texts); j++) {
            if (texts[j] && strstr(texts[j], "capture=")) {
                return error_set(error, "%s: an experiment captures no packets",
                                 texts[j]);
            }
        }
    }
    return !config->watchdog_action || strcmp(config->watchdog_action, "pause") != 0 ||
           error_set(error,
                     "watchdog_action: 'pause' would have the experiment wait for "
                     "ever; use reset, shutdown, poweroff, inject-nmi or none");
}

/* What holds for every experiment. */
static void adapt(struct experiment *experiment, struct machine_config *config)
{
    /* Where instructions are counted nothing runs directly: say who does it. */
    if (strcmp(config->engine, "auto") == 0 || strcmp(config->engine, "direct") == 0) {
        config->engine = "jit";
    }
    config->clock = CLOCK_KIND_COUNTED;
    config->snapshot = true;
    config->halt_ends = true;
    config->serial_multiplexed = false;
    config->takes_screenshots = experiment->log_path != NULL;
    config->start_paused = experiment->options->start_paused;
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        config->drives[i].image.snapshot |= !config->drives[i].image.read_only;
    }
}

/* "file:LOG/NAME.log", or "null"; belongs to the experiment. */
static const char *console_specification(struct experiment *experiment,
                                         const char *name)
{
    char text[4200] = "null";
    if (experiment->log_path) {
        snprintf(text, sizeof(text), "file:%s/%s.log", experiment->log_path, name);
    }
    return experiment->arguments[experiment->argument_count++] = strdup(text);
}

static void tell_of_injection(void *opaque, const struct fault *fault)
{
    const struct experiment *experiment = opaque;
    (void)fault;
    experiment->host->injected(experiment->host->opaque, experiment->machine);
}

static bool create(struct experiment *experiment, struct machine_config *config,
                   struct faults_config *faults, struct error *error)
{
    const struct experiment_host *host = experiment->host;
    adapt(experiment, config);
    if (!refuse_what_reaches_out(config, error)) {
        return false;
    }
    config->serial[0] = console_specification(experiment, "serial0");
    config->serial[1] = console_specification(experiment, "serial1");
    if (config->debug_console) {
        config->debug_console = console_specification(experiment, "debugcon");
    }
    if (config->parallel) {
        config->parallel = console_specification(experiment, "parallel");
    }
    experiment->machine = machine_create(config, error);
    if (!experiment->machine) {
        return false;
    }
    snprintf(experiment->result->engine, sizeof(experiment->result->engine), "%s",
             config->engine);
    faults->seed = experiment->options->seed;
    if (host->injected) {
        faults->injected = tell_of_injection;
        faults->opaque = experiment;
    }
    experiment->faults = faults_create(experiment->machine, faults, error);
    if (!experiment->faults) {
        return false;
    }
    start_timers(experiment);
    if (!console_records_create(experiment)) {
        return error_set(error, "no memory for the consoles");
    }
    experiment->started = host->start(host->opaque, experiment->machine, error);
    return experiment->started;
}

/* -- the functions -- */

/* There is room left for the engine and the consoles. */
static void add_argument(lua_State *lua, const char *text)
{
    struct experiment *experiment = experiment_of(lua);
    enum { RESERVED = 8 };
    if (experiment->argument_count >= MACHINE_ARGUMENTS - RESERVED) {
        script_raise(lua, "machine: that is too much of a description");
    }
    experiment->arguments[experiment->argument_count++] = strdup(text);
}

/* medium(name, file): before the machine */
static int add_medium(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const char *name = luaL_checkstring(lua, 1), *file = luaL_checkstring(lua, 2);
    if (experiment->media_count == MEDIA_MAXIMUM) {
        script_raise(lua, "machine: media: at most %d", MEDIA_MAXIMUM);
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        script_raise(lua, "machine: media: cannot open '%s': %s", file,
                     strerror(errno));
    }
    experiment->media[experiment->media_count++] =
        (struct medium){.name = strdup(name), .file = strdup(file), .fd = fd};
    return 0;
}

/* create_machine(words): a table of those of the command line */
static int create_machine(lua_State *lua)
{
    struct experiment *experiment = experiment_of(lua);
    const struct experiment_host *host = experiment->host;
    const char *engine = experiment->options->engine;
    struct machine_config config;
    struct faults_config faults;
    struct error error;
    if (experiment->machine) {
        script_raise(lua, "machine: there is one already, and an experiment has one");
    }
    for (lua_Integer i = 1; lua_geti(lua, 1, i) == LUA_TSTRING; i++) {
        add_argument(lua, lua_tostring(lua, -1));
        lua_pop(lua, 1);
    }
    if (engine) {
        add_argument(lua, "-engine");
        add_argument(lua, engine);
    }
    if (!host->configure(host->opaque, (int)experiment->argument_count,
                         experiment->arguments, &config, &faults, &error) ||
        !create(experiment, &config, &faults, &error)) {
        script_raise(lua, "machine: %s", error.text);
    }
    return 0;
}

const struct luaL_Reg machine_functions[] = {
    {"medium", add_medium},
    {"create_machine", create_machine},
    {NULL, NULL},
};
