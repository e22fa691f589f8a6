#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/option_fault.h"
#include "cli/option_media.h"
#include "cli/option_network.h"
#include "cli/options_internal.h"
#include "cli/values.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

enum {
    DEFAULT_RAM_MIB = 128, /* QEMU's */
    SUGGESTION_DISTANCE = 2,
};

void options_describe(bool lockstep, void (*print)(void *opaque, const char *line),
                      void *opaque)
{
    const struct option_table *table =
        lockstep ? &options_of_lockstep : &options_general;
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
    const struct option_table *const tables[] = {&options_general,
                                                 &options_of_lockstep};
    const char *nearest = NULL;
    size_t shortest = SUGGESTION_DISTANCE + 1;
    for (size_t i = 0; i < (parser->lockstep ? 2 : 1); i++) {
        for (size_t j = 0; j < tables[i]->count; j++) {
            const char *known = tables[i]->rows[j].name;
            size_t distance = value_edit_distance(name, known);
            if (distance < shortest && 2 * distance <= strlen(known)) {
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
    const struct option_row *row = find_row(&options_general, name, length);
    const struct option_row *of_lockstep = find_row(&options_of_lockstep, name, length);
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
    if (machine->syscall_redirect) {
        return error_set(error, "-syscall-redirect: lockstep counts, so nothing runs "
                                "directly; leave this out");
    }
    if (parser->options->statistics) {
        return error_set(error, "-stats: lockstep has none; use it with run");
    }
    if (parser->sandbox_asked_for) {
        return error_set(error, "-sandbox on: lockstep needs the host; leave this out");
    }
    parser->options->sandbox = false;
    if (machine->trace_items) {
        return error_set(
            error, "-d: lockstep logs guest_errors only; use the others with run");
    }
    if (machine->audiodevs[0] || machine->audio) {
        return error_set(error, "-%s: lockstep makes no sound; leave this out",
                         machine->audio ? "audio" : "audiodev");
    }
    if (parser->monitors || parser->qmp_monitors || parser->options->gdb ||
        machine->start_paused || parser->options->incoming) {
        return error_set(error, "-monitor, -qmp, -gdb, -S and -incoming: nobody may "
                                "interfere with lockstep; leave them out");
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
           brings_no_input("parallel", machine->parallel, error) &&
           (parser->engines_given ||
            option_apply_engines(parser, "interpreter,jit", error));
}

/* Something is there that one may boot from. */
static bool has_drives(const struct machine_config *machine)
{
    bool any = machine_drive_exists(&machine->floppies[0]) ||
               machine_drive_exists(&machine->floppies[1]);
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        any |= machine_drive_exists(&machine->drives[i]);
    }
    return any;
}

/* Defaults that depend on several options, and combinations that make no sense. */
static bool finish(struct parser *parser, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (!machine->kernel && (machine->initrd || machine->append)) {
        return error_set(error, "-%s goes with -kernel FILE",
                         machine->initrd ? "initrd" : "append");
    }
    if (!machine->kernel && !machine->bios && !has_drives(machine)) {
        return error_set(error, "nothing to boot: name a disk image, or -kernel FILE "
                                "(-help lists the options)");
    }
    option_add_default_drives(parser);
    if (machine->syscall_redirect && parser->engine_given &&
        strcmp(machine->engine, "direct") != 0 && !parser->engine_auto) {
        return error_set(error, "-syscall-redirect goes with -engine direct or auto");
    }
    if (!option_finish_faults(parser, error) || !option_finish_display(parser, error)) {
        return false;
    }
    option_finish_control(parser);
    /* Without a display of ours, the serial line is what there is to see. */
    bool shown = parser->display_given || machine->window || machine->vnc;
    bool on_terminal = (parser->no_graphic || !shown) && !parser->lockstep &&
                       !option_uses_stdio(parser);
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
    if (!option_finish_network(parser, error)) {
        return false;
    }
    parser->options->lockstep.machine = *machine;
    return true;
}

bool options_parse(struct options *options, int count, char *const arguments[],
                   struct error *error)
{
    *options = (struct options){
        .action = OPTIONS_RUN,
        .sandbox = CONFINEMENT_POSSIBLE,
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
        } else if (!option_set_disk(&parser, 0, argument, error)) {
            return false;
        }
    }
    bool runs = options->action == OPTIONS_RUN || options->action == OPTIONS_LOCKSTEP;
    return !runs || finish(&parser, error);
}
