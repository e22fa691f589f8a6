#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/values.h"
#include "cpu/engines/engines.h"

enum {
    DEFAULT_RAM_MIB = 128, /* QEMU's */
    SUGGESTION_DISTANCE = 2,
};

struct parser {
    struct options *options;
    unsigned serial_lines; /* -serial so far */
    bool no_graphic;
    bool display_given;
    bool rtc_given;
    bool clock_given;
    bool lockstep; /* "lockstep" is the first word */
    bool engine_given, engines_given;
};

typedef bool option_apply(struct parser *parser, const char *value,
                          struct error *error);

struct option_row {
    const char *name;
    const char *value; /* what to call it in the help; NULL: takes none */
    option_apply *apply;
    const char *help;
};

static bool apply_help(struct parser *parser, const char *value, struct error *error)
{
    (void)value, (void)error;
    parser->options->action = OPTIONS_HELP;
    return true;
}

static bool apply_version(struct parser *parser, const char *value, struct error *error)
{
    (void)value, (void)error;
    parser->options->action = OPTIONS_VERSION;
    return true;
}

static bool apply_memory(struct parser *parser, const char *value, struct error *error)
{
    return value_parse_memory(value, &parser->options->machine.ram_bytes, error);
}

static bool set_disk(struct parser *parser, size_t index, const char *value,
                     struct error *error)
{
    const char **disk = &parser->options->machine.disks[index];
    if (*disk) {
        return error_set(error,
                         "'%s' and '%s' are both to be hd%c; use -hda, -hdb, -hdc and "
                         "-hdd once each",
                         *disk, value, (char)('a' + index));
    }
    *disk = value;
    return true;
}

static bool apply_hda(struct parser *parser, const char *value, struct error *error)
{
    return set_disk(parser, 0, value, error);
}

static bool apply_hdb(struct parser *parser, const char *value, struct error *error)
{
    return set_disk(parser, 1, value, error);
}

static bool apply_hdc(struct parser *parser, const char *value, struct error *error)
{
    return set_disk(parser, 2, value, error);
}

static bool apply_hdd(struct parser *parser, const char *value, struct error *error)
{
    return set_disk(parser, 3, value, error);
}

static bool apply_snapshot(struct parser *parser, const char *value,
                           struct error *error)
{
    (void)value, (void)error;
    parser->options->machine.snapshot = true;
    return true;
}

static bool apply_kernel(struct parser *parser, const char *value, struct error *error)
{
    (void)error;
    parser->options->machine.kernel = value;
    return true;
}

static bool apply_initrd(struct parser *parser, const char *value, struct error *error)
{
    (void)error;
    parser->options->machine.initrd = value;
    return true;
}

static bool apply_append(struct parser *parser, const char *value, struct error *error)
{
    (void)error;
    parser->options->machine.append = value;
    return true;
}

static bool apply_bios(struct parser *parser, const char *value, struct error *error)
{
    (void)error;
    parser->options->machine.bios = value;
    return true;
}

static bool apply_no_graphic(struct parser *parser, const char *value,
                             struct error *error)
{
    (void)value, (void)error;
    parser->no_graphic = true;
    return true;
}

static bool apply_display(struct parser *parser, const char *value, struct error *error)
{
    parser->display_given = true;
    return strcmp(value, "none") == 0 ||
           error_set(error,
                     "-display %s: this version shows no display; use -display "
                     "none or -nographic",
                     value);
}

static bool apply_serial(struct parser *parser, const char *value, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (parser->serial_lines == MACHINE_SERIAL_LINES) {
        return error_set(error, "-serial %s: the machine has %d serial lines", value,
                         MACHINE_SERIAL_LINES);
    }
    if (strcmp(value, "mon:stdio") == 0) {
        machine->serial_multiplexed = true;
        value = "stdio";
    }
    machine->serial[parser->serial_lines++] = strcmp(value, "none") == 0 ? NULL : value;
    return true;
}

static bool apply_debugcon(struct parser *parser, const char *value,
                           struct error *error)
{
    (void)error;
    parser->options->machine.debug_console = value;
    return true;
}

static bool apply_no_reboot(struct parser *parser, const char *value,
                            struct error *error)
{
    (void)value, (void)error;
    parser->options->machine.no_reboot = true;
    return true;
}

static bool apply_device(struct parser *parser, const char *value, struct error *error)
{
    return value_parse_device(value, &parser->options->machine.debug_exit_port, error);
}

/* NULL if this build does not have it. `option`: who asks. */
static const struct cpu_engine *find_engine(const char *option, const char *name,
                                            struct error *error)
{
    const struct cpu_engine *engine = cpu_engine_find(name);
    if (engine) {
        return engine;
    }
    if (strcmp(name, "jit") == 0 || strcmp(name, "direct") == 0) {
        error_set(error,
                  "-%s %s: this version does not have it; use -%s auto or interpreter",
                  option, name, option);
    } else {
        error_set(error, "-%s %s: the engines are interpreter, jit, direct and auto",
                  option, name);
    }
    return NULL;
}

static bool apply_engine(struct parser *parser, const char *value, struct error *error)
{
    const struct cpu_engine *engine = find_engine("engine", value, error);
    parser->engine_given = true;
    if (engine) {
        parser->options->machine.engine = engine->name;
    }
    return engine;
}

static bool apply_engines(struct parser *parser, const char *value, struct error *error)
{
    const char *comma = strchr(value, ',');
    char first[64];
    if (!comma || strchr(comma + 1, ',') || (size_t)(comma - value) >= sizeof(first)) {
        return error_set(error, "-engines %s: name two, as in -engines interpreter,jit",
                         value);
    }
    snprintf(first, sizeof(first), "%.*s", (int)(comma - value), value);
    const char *const names[LOCKSTEP_ENGINES] = {first, comma + 1};
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        const struct cpu_engine *engine = find_engine("engines", names[i], error);
        if (!engine) {
            return false;
        }
        parser->options->lockstep.engines[i].name = engine->name;
    }
    parser->engines_given = true;
    return true;
}

static bool apply_every(struct parser *parser, const char *value, struct error *error)
{
    uint64_t *every = &parser->options->lockstep.every;
    return value_parse_count("every", value, every, error) &&
           (*every > 0 || error_set(error, "-every %s: give 1 or more", value));
}

static bool apply_from(struct parser *parser, const char *value, struct error *error)
{
    return value_parse_count("from", value, &parser->options->lockstep.from, error);
}

static bool apply_until(struct parser *parser, const char *value, struct error *error)
{
    uint64_t *until = &parser->options->lockstep.until;
    return value_parse_count("until", value, until, error) &&
           (*until > 0 || error_set(error, "-until %s: give 1 or more", value));
}

static bool apply_clock(struct parser *parser, const char *value, struct error *error)
{
    parser->clock_given = true;
    if (strcmp(value, "host") == 0) {
        parser->options->machine.clock = CLOCK_KIND_HOST;
    } else if (strcmp(value, "counted") == 0) {
        parser->options->machine.clock = CLOCK_KIND_COUNTED;
    } else {
        return error_set(error, "-clock %s: the clocks are host and counted", value);
    }
    return true;
}

static bool apply_rtc(struct parser *parser, const char *value, struct error *error)
{
    parser->rtc_given = true;
    return value_parse_rtc(value, &parser->options->machine.epoch_s, error);
}

static bool apply_statistics(struct parser *parser, const char *value,
                             struct error *error)
{
    (void)value, (void)error;
    parser->options->statistics = true;
    return true;
}

static bool apply_debug(struct parser *parser, const char *value, struct error *error)
{
    if (strcmp(value, "guest_errors") != 0) {
        return error_set(error, "-d %s: there is guest_errors", value);
    }
    parser->options->machine.show_guest_errors = true;
    return true;
}

static const struct option_row rows[] = {
    {"m", "SIZE", apply_memory, "memory in MiB, or with K, M, G (default 128)"},
    {"hda", "FILE", apply_hda, "raw disk image: primary master"},
    {"hdb", "FILE", apply_hdb, "primary slave"},
    {"hdc", "FILE", apply_hdc, "secondary master"},
    {"hdd", "FILE", apply_hdd, "secondary slave"},
    {"snapshot", NULL, apply_snapshot, "leave the images alone; changes are temporary"},
    {"kernel", "FILE", apply_kernel, "boot this Linux (bzImage) or Multiboot kernel"},
    {"initrd", "FILE", apply_initrd, "its initial RAM disk"},
    {"append", "TEXT", apply_append, "its command line"},
    {"bios", "FILE", apply_bios, "BIOS image (default: SeaBIOS)"},
    {"nographic", NULL, apply_no_graphic,
     "serial line 1 on this terminal; Ctrl-A H for help"},
    {"display", "none", apply_display, "no display"},
    {"serial", "DEV", apply_serial,
     "serial line: stdio, mon:stdio, file:F, pty, unix:F[,server][,nowait],\n"
     "                       null, none (up to two)"},
    {"debugcon", "DEV", apply_debugcon, "debug port 0x402: stdio, file:F, null"},
    {"device", "isa-debug-exit[,iobase=PORT]", apply_device,
     "\n                       a port that ends the run"},
    {"no-reboot", NULL, apply_no_reboot, "a reset of the machine ends the run"},
    {"rtc", "base=TIME", apply_rtc, "utc, localtime or YYYY-MM-DDTHH:MM:SS"},
    {"clock", "KIND", apply_clock, "host (real time) or counted (reproducible)"},
    {"engine", "NAME", apply_engine, "interpreter or auto"},
    {"d", "guest_errors", apply_debug, "report what no hardware would allow"},
    {"stats", NULL, apply_statistics, "print counters at the end"},
    {"help", NULL, apply_help, "this text"},
    {"h", NULL, apply_help, NULL},
    {"version", NULL, apply_version, "the version"},
};

/* Those that go with "lockstep" only. */
static const struct option_row lockstep_rows[] = {
    {"engines", "A,B", apply_engines, "these two (default interpreter,jit)"},
    {"every", "N", apply_every, "compare every N instructions (default 1M)"},
    {"from", "N", apply_from, "begin to compare after N instructions"},
    {"until", "N", apply_until, "end after N instructions"},
};

static const struct option_table {
    const struct option_row *rows;
    size_t count;
} tables[] = {
    {rows, ARRAY_LENGTH(rows)},
    {lockstep_rows, ARRAY_LENGTH(lockstep_rows)},
};

void options_describe(bool lockstep, void (*print)(void *opaque, const char *line),
                      void *opaque)
{
    const struct option_table *table = &tables[lockstep];
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        char name[64], line[256];
        if (!row->help) {
            continue;
        }
        snprintf(name, sizeof(name), "-%s %s", row->name, row->value ? row->value : "");
        snprintf(line, sizeof(line), "  %-20s %s\n", name, row->help);
        print(opaque, line);
    }
}

/* "kernel=x" is an option "kernel" when a value may follow '='. */
static const struct option_row *find_row(const struct option_table *table,
                                         const char *name, size_t length)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (strlen(row->name) == length && strncmp(row->name, name, length) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool refuse_unknown(const struct parser *parser, const char *argument,
                           const char *name, struct error *error)
{
    const char *nearest = NULL;
    size_t shortest = SUGGESTION_DISTANCE + 1;
    for (size_t i = 0; i < (parser->lockstep ? 2 : 1); i++) {
        for (size_t j = 0; j < tables[i].count; j++) {
            const char *known = tables[i].rows[j].name;
            size_t distance = value_edit_distance(name, known);
            if (distance < shortest && distance < strlen(known)) {
                shortest = distance;
                nearest = known;
            }
        }
    }
    return nearest
               ? error_set(error, "%s: unknown option; did you mean -%s?", argument,
                           nearest)
               : error_set(error, "%s: unknown option; -help lists them all", argument);
}

/* Reads the option at *index, and its value; moves *index to the last word used. */
static bool parse_option(struct parser *parser, int count, char *const arguments[],
                         int *index, struct error *error)
{
    const char *argument = arguments[*index];
    bool two_dashes = argument[1] == '-';
    const char *name = argument + (two_dashes ? 2 : 1);
    size_t length = two_dashes ? strcspn(name, "=") : strlen(name);
    const struct option_row *row = find_row(&tables[false], name, length);
    const struct option_row *of_lockstep = find_row(&tables[true], name, length);
    row = row ? row : of_lockstep;
    if (!row) {
        return refuse_unknown(parser, argument, name, error);
    }
    if (row == of_lockstep && !parser->lockstep) {
        return error_set(error, "-%s goes with lockstep: faumachine lockstep -%s %s …",
                         row->name, row->name, row->value);
    }
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (value && !row->value) {
        return error_set(error, "-%s takes no value", row->name);
    }
    if (row->value && !value) {
        if (*index + 1 >= count) {
            return error_set(error, "-%s needs a value: -%s %s", row->name, row->name,
                             row->value);
        }
        value = arguments[++*index];
    }
    return row->apply(parser, value, error);
}

/* Where the output of a line goes must not decide what comes in by it. */
static bool brings_no_input(const char *option, const char *line, struct error *error)
{
    return !line || strcmp(line, "null") == 0 || strncmp(line, "file:", 5) == 0 ||
           error_set(error,
                     "-%s %s: input at any time is no part of a run that is to be the "
                     "same twice; use file:FILE, null or none",
                     option, line);
}

/* What two machines side by side cannot have. */
static bool finish_lockstep(struct parser *parser, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (parser->clock_given && machine->clock != CLOCK_KIND_COUNTED) {
        return error_set(error, "-clock host: lockstep counts; leave this out");
    }
    if (parser->engine_given) {
        return error_set(error, "-engine: lockstep takes two; use -engines A,B");
    }
    if (parser->options->statistics) {
        return error_set(error, "-stats: lockstep has none; use it with run");
    }
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        if (!brings_no_input("serial", machine->serial[i], error)) {
            return false;
        }
    }
    machine->clock = CLOCK_KIND_COUNTED;
    machine->serial_multiplexed = false;
    const struct lockstep_config *lockstep = &parser->options->lockstep;
    if (lockstep->until && lockstep->until <= lockstep->from) {
        return error_set(error, "-until must lie behind -from; give a larger number");
    }
    return brings_no_input("debugcon", machine->debug_console, error) &&
           (parser->engines_given || apply_engines(parser, "interpreter,jit", error));
}

/* Defaults that depend on several options, and combinations that make no sense. */
static bool finish(struct parser *parser, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (!machine->kernel && (machine->initrd || machine->append)) {
        return error_set(error, "-%s goes with -kernel FILE",
                         machine->initrd ? "initrd" : "append");
    }
    if (!machine->kernel && !machine->disks[0] && !machine->disks[1] &&
        !machine->disks[2] && !machine->disks[3] && !machine->bios) {
        return error_set(error, "nothing to boot: name a disk image, or -kernel FILE "
                                "(-help lists the options)");
    }
    /* Without a display of ours, the serial line is what there is to see. */
    bool on_terminal =
        (parser->no_graphic || !parser->display_given) && !parser->lockstep;
    if (parser->serial_lines == 0) {
        machine->serial[0] = on_terminal ? "stdio" : "null";
        machine->serial_multiplexed = on_terminal;
    } else if (parser->no_graphic) {
        machine->serial_multiplexed = true;
    }
    if (parser->lockstep && !finish_lockstep(parser, error)) {
        return false;
    }
    if (machine->clock == CLOCK_KIND_COUNTED && !parser->rtc_given) {
        machine->epoch_s = OPTIONS_COUNTED_EPOCH_S;
    }
    parser->options->lockstep.machine = *machine;
    return true;
}

bool options_parse(struct options *options, int count, char *const arguments[],
                   struct error *error)
{
    *options = (struct options){
        .action = OPTIONS_RUN,
        .machine = {.ram_bytes = (uint64_t)DEFAULT_RAM_MIB << 20,
                    .engine = cpu_engine_find(NULL)->name,
                    .clock = CLOCK_KIND_HOST,
                    .epoch_s = time(NULL)},
        .lockstep = {.every = LOCKSTEP_EVERY, .patience_ms = LOCKSTEP_PATIENCE_MS},
    };
    struct parser parser = {.options = options};
    parser.lockstep = count > 0 && strcmp(arguments[0], "lockstep") == 0;
    bool command = parser.lockstep || (count > 0 && strcmp(arguments[0], "run") == 0);
    bool options_end = false;
    if (parser.lockstep) {
        options->action = OPTIONS_LOCKSTEP;
    }
    for (int i = command ? 1 : 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!options_end && strcmp(argument, "--") == 0) {
            options_end = true;
        } else if (!options_end && argument[0] == '-' && argument[1]) {
            if (!parse_option(&parser, count, arguments, &i, error)) {
                return false;
            }
        } else if (!set_disk(&parser, 0, argument, error)) {
            return false;
        }
    }
    bool describes =
        options->action == OPTIONS_HELP || options->action == OPTIONS_VERSION;
    return describes || finish(&parser, error);
}
