/* cli/experiment_host.h: the machine of an experiment, as the command line has
 * machines: its options, its sandbox, gdb. For `faumachine experiment` and `campaign`.
 */
#ifndef CLI_EXPERIMENT_HOST_H
#define CLI_EXPERIMENT_HOST_H

#include <stdio.h>

#include "cli/options.h"
#include "cli/signals.h"
#include "experiment/experiment.h"

struct gdb_server;
struct monitor;

/* The first ones are the caller's to set. */
struct experiment_setup {
    const char *gdb; /* wait for it there, and right after each fault; NULL: none */
    bool sandbox;
    struct options machine_options;
    struct signals signals;
    struct monitor *monitor;
    struct gdb_server *gdb_server;
};

/* Reads "on" or "off"; `option`: for the error. */
bool experiment_setup_sandbox(struct experiment_setup *setup, const char *option,
                              const char *value, struct error *error);

/* Carries an experiment out. `conduct` may be NULL: see experiment.h. */
bool experiment_setup_run(struct experiment_setup *setup,
                          const struct experiment_options *options,
                          void (*conduct)(void *opaque, struct experiment *experiment),
                          void *opaque, struct experiment_result *result,
                          struct error *error);

/* What comes of the guest must not drive the user's terminal. */
void experiment_print_text(FILE *stream, const char *text);

#endif
