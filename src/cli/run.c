#define _GNU_SOURCE /* sigabbrev_np */
#include "cli/run.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/sandbox.h"
#include "cli/signals.h"
#include "faults/faults.h"
#include "gdb/gdb.h"
#include "host/confinement/confinement.h"
#include "machine/control.h"
#include "machine/snapshot.h"
#include "monitor/monitor.h"

enum { EXIT_PROBLEM = 1 };

void cli_print_error(const struct error *error)
{
    char line[sizeof(error->text)];
    size_t length = 0;
    for (; error->text[length]; length++) {
        bool control = iscntrl((unsigned char)error->text[length]);
        line[length] = control ? '?' : error->text[length];
    }
    fprintf(stderr, "faumachine: %.*s\n", (int)length, line);
}

int cli_flush_output(void)
{
    struct error error;
    if (fflush(stdout) == 0) {
        return 0;
    }
    error_set_errno(&error, errno, "cannot write to standard output");
    cli_print_error(&error);
    return 1;
}

static int status_of(const struct machine_result *result)
{
    switch (result->end) {
    case MACHINE_END_DEBUG_EXIT:
        return result->exit_code;
    case MACHINE_END_HOST_ERROR:
        cli_print_error(&result->error);
        return EXIT_PROBLEM;
    case MACHINE_END_POWER_OFF:
    case MACHINE_END_RESET:
    case MACHINE_END_HALTED:
    case MACHINE_END_STOPPED:
    case MACHINE_END_POWER_CUT:
    case MACHINE_END_BUDGET:
    case MACHINE_END_INTERRUPTED:
        break;
    }
    return 0;
}

/* A machine, and those who control it. */
struct controlled {
    struct machine *machine;
    struct faults *faults;
    struct monitor *monitor;
    struct gdb_server *gdb;
};

static bool create_faults(struct controlled *all, const struct options *options,
                          struct error *error)
{
    all->faults = faults_create(all->machine, &options->fault_config, error);
    bool good = all->faults;
    for (unsigned i = 0; good && i < options->fault_count; i++) {
        good = faults_arm_text(all->faults, "-fault", options->faults[i], error);
    }
    return good;
}

static bool create(struct controlled *all, const struct options *options,
                   struct error *error)
{
    struct machine_config config = options->machine;
    config.escaped = sandbox_stop_escaped;
    all->machine = machine_create(&config, error);
    if (all->machine && options->note) {
        fprintf(stderr, "faumachine: %s\n", options->note);
    }
    struct monitor_config monitor = options->monitor;
    if (all->machine && !create_faults(all, options, error)) {
        return false;
    }
    monitor.faults = all->faults;
    all->monitor = all->machine ? monitor_create(all->machine, &monitor, error) : NULL;
    if (all->monitor && options->gdb) {
        all->gdb = gdb_server_create(all->machine, all->monitor, options->gdb, error);
    }
    return all->monitor && (all->gdb || !options->gdb);
}

static void destroy(struct controlled *all)
{
    if (all->machine) {
        machine_stop_event_loop(all->machine);
    }
    gdb_server_destroy(all->gdb);
    monitor_destroy(all->monitor);
    faults_destroy(all->faults);
    machine_destroy(all->machine);
}

/* Opens what is to be loaded; -1 in `*fd`: nothing. */
static bool open_incoming(const char *path, int *fd, struct error *error)
{
    *fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    return !path || *fd >= 0 ||
           error_set_errno(error, errno, "-incoming: cannot open snapshot %s", path);
}

static bool load_incoming(struct machine *machine, int fd, const char *path,
                          struct error *error)
{
    if (fd < 0) {
        return true;
    }
    lock_take(machine_lock(machine));
    bool loaded = snapshot_load(machine, fd, path, error);
    lock_release(machine_lock(machine));
    close(fd);
    return loaded;
}

/* Gives up what is not needed once all files are open, and switches on: the event
 * loop's thread has no privileges from its beginning. A snapshot is read last, as it
 * may be anything. */
static bool start(struct machine *machine, const struct options *options,
                  struct error *error)
{
    int incoming;
    return confinement_drop_privileges(error) &&
           open_incoming(options->incoming, &incoming, error) &&
           machine_power_on(machine, error) &&
           (!options->sandbox || sandbox_enter(error)) &&
           load_incoming(machine, incoming, options->incoming, error);
}

int run_machine(const struct options *options)
{
    struct machine_result result = {.end = MACHINE_END_HOST_ERROR};
    struct signals signals;
    sandbox_prepare();
    if (!options->sandbox) {
        confinement_forgo();
    }
    if (!signals_start(&signals, &result.error)) {
        return status_of(&result);
    }
    struct controlled all = {0};
    bool created = create(&all, options, &result.error);
    /* Before it runs: who is connected to it already is to hear of its end. */
    signals_set_machine(&signals, created ? all.machine : NULL);
    if (created && start(all.machine, options, &result.error)) {
        result = machine_run(all.machine, 0);
        faults_write_reports(all.faults);
        if (options->statistics) {
            machine_print_statistics(all.machine, stderr);
        }
    }
    signals_set_machine(&signals, NULL);
    destroy(&all);
    int status = status_of(&result);
    signals_stop(&signals);
    int received = atomic_load(&signals.received);
    if (received) {
        fprintf(stderr, "faumachine: ended by SIG%s\n", sigabbrev_np(received));
    }
    return status;
}
