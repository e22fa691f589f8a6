#include "cli/experiment_host.h"

#include <ctype.h>
#include <string.h>

#include "cli/sandbox.h"
#include "gdb/gdb.h"
#include "host/confinement/confinement.h"
#include "machine/control.h"
#include "monitor/monitor.h"

/* The setup, and who repeats the trial. */
struct course {
    struct experiment_setup *setup;
    void (*conduct)(void *opaque, struct experiment *experiment);
    void *opaque;
};

bool experiment_setup_sandbox(struct experiment_setup *setup, const char *option,
                              const char *value, struct error *error)
{
    setup->sandbox = strcmp(value, "on") == 0;
    if (setup->sandbox && !CONFINEMENT_POSSIBLE) {
        return error_set(error,
                         "%s on: this build checks itself and cannot be confined; "
                         "leave this out",
                         option);
    }
    return setup->sandbox || strcmp(value, "off") == 0 ||
           error_set(error, "%s %s: it can be on or off", option, value);
}

static bool configure(void *opaque, int count, char *const arguments[],
                      struct machine_config *config, struct faults_config *faults,
                      struct error *error)
{
    struct options *options = &((struct course *)opaque)->setup->machine_options;
    if (!options_parse(options, count, arguments, error)) {
        return false;
    }
    if (options->action != OPTIONS_RUN) {
        return error_set(error, "'help' is no part of a description");
    }
    *config = options->machine;
    config->escaped = sandbox_stop_escaped;
    *faults = options->fault_config;
    return true;
}

static bool wait_for_gdb(struct experiment_setup *setup, struct machine *machine,
                         struct error *error)
{
    const struct monitor_config config = {.opens_files = false};
    setup->monitor = monitor_create(machine, &config, error);
    setup->gdb_server =
        setup->monitor ? gdb_server_create(machine, setup->monitor, setup->gdb, error)
                       : NULL;
    if (setup->gdb_server) {
        gdb_server_keep_time(setup->gdb_server);
        fprintf(stderr, "faumachine: waiting for gdb: %s\n", setup->gdb);
    }
    return setup->gdb_server;
}

static bool start(void *opaque, struct machine *machine, struct error *error)
{
    struct experiment_setup *setup = ((struct course *)opaque)->setup;
    if ((setup->gdb && !wait_for_gdb(setup, machine, error)) ||
        !confinement_drop_privileges(error) || !machine_power_on(machine, error) ||
        (setup->sandbox && !sandbox_enter(error))) {
        return false;
    }
    signals_set_machine(&setup->signals, machine);
    return true;
}

static void stop_for_gdb(void *opaque, struct machine *machine)
{
    const struct experiment_setup *setup = ((struct course *)opaque)->setup;
    if (setup->gdb_server && gdb_server_waits(setup->gdb_server)) {
        machine_pause(machine);
    }
}

static void ended(void *opaque, struct machine *machine)
{
    struct experiment_setup *setup = ((struct course *)opaque)->setup;
    signals_set_machine(&setup->signals, NULL);
    machine_stop_event_loop(machine);
    gdb_server_destroy(setup->gdb_server);
    monitor_destroy(setup->monitor);
}

void experiment_print_text(FILE *stream, const char *text)
{
    for (; *text; text++) {
        bool control = iscntrl((unsigned char)*text) && *text != '\n' && *text != '\t';
        fputc(control ? '?' : *text, stream);
    }
    fputc('\n', stream);
}

static void print_line(void *opaque, const char *line)
{
    (void)opaque;
    experiment_print_text(stdout, line);
    fflush(stdout);
}

static void conduct(void *opaque, struct experiment *experiment)
{
    const struct course *course = opaque;
    course->conduct(course->opaque, experiment);
}

bool experiment_setup_run(struct experiment_setup *setup,
                          const struct experiment_options *options,
                          void (*conducts)(void *opaque, struct experiment *experiment),
                          void *opaque, struct experiment_result *result,
                          struct error *error)
{
    struct course course = {.setup = setup, .conduct = conducts, .opaque = opaque};
    const struct experiment_host host = {
        .configure = configure,
        .start = start,
        .injected = setup->gdb ? stop_for_gdb : NULL,
        .ended = ended,
        .conduct = conducts ? conduct : NULL,
        .print = conducts ? NULL : print_line, /* not thousands of times */
        .opaque = &course,
    };
    sandbox_prepare();
    if (!signals_start(&setup->signals, error)) {
        return false;
    }
    bool good = experiment_run(options, &host, result, error);
    signals_stop(&setup->signals);
    return good;
}
