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

static bool apply_engine(struct parser *parser, const char *value, struct error *error)
{
    const struct cpu_engine *engine = cpu_engine_find(value);
    if (engine) {
        parser->options->machine.engine = engine->name;
        return true;
    }
    if (strcmp(value, "jit") == 0 || strcmp(value, "direct") == 0) {
        return error_set(error,
                         "-engine %s: this version does not have it; use "
                         "-engine auto or interpreter",
                         value);
    }
    return error_set(
        error, "-engine %s: the engines are interpreter, jit, direct and auto", value);
}

static bool apply_clock(struct parser *parser, const char *value, struct error *error)
{
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

void options_describe(void (*print)(void *opaque, const char *line), void *opaque)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char name[64], line[256];
        if (!rows[i].help) {
            continue;
        }
        snprintf(name, sizeof(name), "-%s %s", rows[i].name,
                 rows[i].value ? rows[i].value : "");
        snprintf(line, sizeof(line), "  %-20s %s\n", name, rows[i].help);
        print(opaque, line);
    }
}

/* "kernel=x" is an option "kernel" when a value may follow '='. */
static const struct option_row *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strlen(rows[i].name) == length &&
            strncmp(rows[i].name, name, length) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool refuse_unknown(const char *argument, const char *name, struct error *error)
{
    const char *nearest = NULL;
    size_t shortest = SUGGESTION_DISTANCE + 1;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t distance = value_edit_distance(name, rows[i].name);
        if (distance < shortest && distance < strlen(rows[i].name)) {
            shortest = distance;
            nearest = rows[i].name;
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
    const struct option_row *row = find_row(name, length);
    if (!row) {
        return refuse_unknown(argument, name, error);
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
    bool on_terminal = parser->no_graphic || !parser->display_given;
    if (parser->serial_lines == 0) {
        machine->serial[0] = on_terminal ? "stdio" : "null";
        machine->serial_multiplexed = on_terminal;
    } else if (parser->no_graphic) {
        machine->serial_multiplexed = true;
    }
    if (machine->clock == CLOCK_KIND_COUNTED && !parser->rtc_given) {
        machine->epoch_s = OPTIONS_COUNTED_EPOCH_S;
    }
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
    };
    struct parser parser = {.options = options};
    bool options_end = false;
    int first = count > 0 && strcmp(arguments[0], "run") == 0 ? 1 : 0;
    for (int i = first; i < count; i++) {
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
    return options->action != OPTIONS_RUN || finish(&parser, error);
}
