/* cli/options.h: the command line, as QEMU spells it.
 *
 * Options take one or two dashes; a value follows as the next word or, with two dashes,
 * after '='. Parsing has no effects: nothing is opened, printed or left behind.
 * Thread: any. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/error.h"
#include "base/properties.h"
#include "faults/faults.h"
#include "lockstep/lockstep.h"
#include "machine/machine.h"
#include "monitor/monitor.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_LOCKSTEP,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_LOG_ITEMS, /* -d help */
    OPTIONS_DEVICES,   /* -device help */
};

enum { OPTIONS_DRIVES = MACHINE_DISKS + MACHINE_FLOPPIES, OPTIONS_FAULTS = 256 };

struct options {
    enum options_action action;
    bool statistics;               /* -stats */
    bool sandbox;                  /* -sandbox; never with lockstep */
    const char *note;              /* for the user, about what was chosen; or NULL */
    struct machine_config machine; /* strings point into the arguments */
    struct monitor_config monitor;
    const char *incoming;               /* -incoming file:…: the path; or NULL */
    const char *gdb;                    /* -gdb: where to listen; or NULL */
    const char *faults[OPTIONS_FAULTS]; /* -fault */
    unsigned fault_count;
    struct faults_config fault_config;
    struct lockstep_config lockstep; /* OPTIONS_LOCKSTEP: all but what to call back */
    struct properties drive_texts[OPTIONS_DRIVES]; /* strings of -drive point in here */
};

/* What a counted clock calls the present when -rtc does not say: 2000-01-01T00:00:00,
 * for a run is to depend on nothing but its input. */
#define OPTIONS_COUNTED_EPOCH_S 946684800

/* Reads `arguments` (without the program's name). Fails with one line that names the
 * option and the remedy. The arguments must outlive `options`, which
 * may not be copied. */
bool options_parse(struct options *options, int count, char *const arguments[],
                   struct error *error);

/* The text of -help: one line per option, each ending in a newline, of those that go
 * with `lockstep` or of all others. `print` is called once per line. */
void options_describe(bool lockstep, void (*print)(void *opaque, const char *line),
                      void *opaque);

#endif
