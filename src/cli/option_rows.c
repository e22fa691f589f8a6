/* Each option: its name, and what it does with its value. */
#include <stdio.h>
#include <string.h>

#include "cli/log_items.h"
#include "cli/option_drive.h"
#include "cli/option_fault.h"
#include "cli/option_machine.h"
#include "cli/option_media.h"
#include "cli/option_network.h"
#include "cli/option_sound.h"
#include "cli/options_internal.h"
#include "cli/values.h"
#include "cpu/direct/redirect.h"
#include "cpu/engines/engines.h"
#include "host/confinement/confinement.h"

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

static bool apply_serial(struct parser *parser, const char *value, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (parser->serial_lines == MACHINE_SERIAL_LINES) {
        return error_set(error, "-serial %s: the machine has %d serial lines", value,
                         MACHINE_SERIAL_LINES);
    }
    if (strcmp(value, "mon:stdio") == 0) {
        machine->serial_multiplexed = true;
        parser->options->monitor.opens_files = true;
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
    const char **devices = parser->options->machine.devices;
    unsigned count = 0;
    if (strcmp(value, "help") == 0) {
        parser->options->action = OPTIONS_DEVICES;
        return true;
    }
    while (count < MACHINE_ADDED_DEVICES && devices[count]) {
        count++;
    }
    if (count == MACHINE_ADDED_DEVICES) {
        return error_set(error, "-device %s: that would be more than %d", value,
                         MACHINE_ADDED_DEVICES);
    }
    devices[count] = value;
    return true;
}

/* NULL if there is none of that name. `option`: who asks. */
static const struct cpu_engine *find_engine(const char *option, const char *name,
                                            struct error *error)
{
    const struct cpu_engine *engine = cpu_engine_find(name);
    if (!engine) {
        error_set(error, "-%s %s: the engines are interpreter, jit, direct and auto",
                  option, name);
    }
    return engine;
}

static bool apply_engine(struct parser *parser, const char *value, struct error *error)
{
    const struct cpu_engine *engine = find_engine("engine", value, error);
    parser->engine_given = true;
    parser->engine_auto = strcmp(value, "auto") == 0;
    if (engine) {
        parser->options->machine.engine = engine->name;
    }
    return engine;
}

static bool apply_syscall_redirect(struct parser *parser, const char *value,
                                   struct error *error)
{
    parser->options->machine.syscall_redirect = value;
    return redirect_is_known(value) ||
           error_set(error, "-syscall-redirect %s: the ways are " REDIRECT_NAMES,
                     value);
}

bool option_apply_engines(struct parser *parser, const char *value, struct error *error)
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

static bool apply_sandbox(struct parser *parser, const char *value, struct error *error)
{
    bool on = strcmp(value, "on") == 0;
    parser->options->sandbox = parser->sandbox_asked_for = on;
    if (!on && strcmp(value, "off") != 0) {
        return error_set(error, "-sandbox %s: it can be on or off", value);
    }
    return !on || CONFINEMENT_POSSIBLE ||
           error_set(error, "-sandbox on: this build checks itself (sanitizers or "
                            "coverage) and cannot be confined; leave this out");
}

static bool apply_statistics(struct parser *parser, const char *value,
                             struct error *error)
{
    (void)value, (void)error;
    parser->options->statistics = true;
    return true;
}

static bool apply_log(struct parser *parser, const char *value, struct error *error)
{
    if (strcmp(value, "help") == 0) {
        parser->options->action = OPTIONS_LOG_ITEMS;
        return true;
    }
    return log_items_add(value, &parser->options->machine, error);
}

static bool apply_log_file(struct parser *parser, const char *value,
                           struct error *error)
{
    (void)error;
    parser->options->machine.trace_file = value;
    return true;
}

static const struct option_row rows[] = {
    {"m", "SIZE", apply_memory, "memory in MiB, or with K, M, G (default 128)"},
    {"hda", "FILE", option_apply_hda, "disk image or nbd://…: primary master"},
    {"hdb", "FILE", option_apply_hdb, "primary slave"},
    {"hdc", "FILE", option_apply_hdc, "secondary master"},
    {"hdd", "FILE", option_apply_hdd, "secondary slave"},
    {"drive", "file=FILE,…", option_apply_drive,
     "a drive: if=ide|floppy, media=disk|cdrom, index=N,\n"
     "                       format=raw|qcow2|…, "
     "snapshot=on, readonly=on, discard=unmap, cache=…, aio=…"},
    {"cdrom", "FILE", option_apply_cdrom, "image in the CD-ROM drive (which is hdc)"},
    {"fda", "FILE", option_apply_fda, "image in floppy drive A"},
    {"fdb", "FILE", option_apply_fdb, "in floppy drive B"},
    {"boot", "[order=]LETTERS", option_apply_boot,
     "order (default cad) of a floppy, c disk, d CD-ROM, n network;\n"
     "                       once=LETTERS, menu=on, splash-time=MS"},
    {"nodefaults", NULL, option_apply_no_defaults,
     "no CD-ROM or floppy drive that is not asked for"},
    {"snapshot", NULL, apply_snapshot, "leave the images alone; changes are temporary"},
    {"kernel", "FILE", apply_kernel, "boot this Linux (bzImage) or Multiboot kernel"},
    {"initrd", "FILE", apply_initrd, "its initial RAM disk"},
    {"append", "TEXT", apply_append, "its command line"},
    {"bios", "FILE", apply_bios, "BIOS image (default: SeaBIOS)"},
    {"nographic", NULL, apply_no_graphic,
     "serial line 1 on this terminal; Ctrl-A H for help"},
    {"display", "KIND", option_apply_display,
     "sdl[,full-screen=on][,window-close=off], vnc=[HOST]:DISPLAY,\n"
     "                       curses (text on this terminal) or none"},
    {"vnc", "[HOST]:DISPLAY", option_apply_vnc,
     "serve VNC viewers at port 5900 + DISPLAY[,password-file=F]"},
    {"screenshot", "F.png", option_apply_screenshot,
     "a picture of the screen when the machine ends"},
    {"name", "NAME", option_apply_name, "of the machine, for titles and monitors"},
    {"serial", "DEV", apply_serial,
     "serial line: stdio, mon:stdio, file:F, pty, unix:F[,server][,nowait],\n"
     "                       null, none (up to four)"},
    {"parallel", "DEV", option_apply_parallel,
     "parallel port: file:F, null, none (default: there is none)"},
    {"debugcon", "DEV", apply_debugcon, "debug port 0x402: stdio, file:F, null"},
    {"device", "NAME[,KEY=VALUE…]", apply_device,
     "add a device; -device help lists them"},
    {"watchdog-action", "ACTION", option_apply_watchdog_action,
     "reset, shutdown, poweroff, pause, inject-nmi or none"},
    {"action", "watchdog=ACTION", option_apply_action, "the same"},
    {"machine", "pc[,KEY=VALUE…]", option_apply_machine,
     "apic, hpet, acpi=on|off; pcspk-audiodev=ID: where its speaker is heard"},
    {"M", "pc[,KEY=VALUE…]", option_apply_machine, NULL},
    {"audiodev", "DRIVER[,KEY=VALUE…]", option_apply_audiodev,
     "sound: sdl, wav,path=FILE or none; id=ID for devices"},
    {"audio", "DRIVER,model=NAME", option_apply_audio,
     "the same with a device: AC97 or sb16"},
    {"nic", "TYPE[,KEY=VALUE…]", option_apply_nic,
     "network card and what it leads to: user (default), tap,\n"
     "                       socket, hubport, null, none; model=CARD"},
    {"netdev", "TYPE,id=ID[,…]", option_apply_netdev,
     "likewise, for -device CARD,netdev=ID"},
    {"net", "none", option_apply_net, "no network"},
    {"object", "filter-dump,…", option_apply_object,
     "packet capture: netdev=ID,file=FILE"},
    {"no-reboot", NULL, apply_no_reboot, "a reset of the machine ends the run"},
    {"no-shutdown", NULL, option_apply_no_shutdown,
     "the guest's switching off stops the machine, but does not end it"},
    {"monitor", "DEV", option_apply_monitor,
     "a monitor for people: stdio, unix:F,server,nowait, tcp:…, none"},
    {"qmp", "DEV", option_apply_qmp, "a monitor for programs (QMP), likewise"},
    {"gdb", "DEV", option_apply_gdb,
     "wait for gdb: tcp::PORT (this host only), tcp:HOST:PORT, unix:F"},
    {"s", NULL, option_apply_s, "the same as -gdb tcp::1234"},
    {"S", NULL, option_apply_start_paused, "start paused: a monitor or gdb lets it go"},
    {"incoming", "file:F", option_apply_incoming,
     "go on from a saved machine (migrate file:F in a\n"
     "                       monitor), or defer until a monitor says so"},
    {"rtc", "base=TIME", apply_rtc, "utc, localtime or YYYY-MM-DDTHH:MM:SS"},
    {"clock", "KIND", apply_clock, "host (real time) or counted (reproducible)"},
    {"engine", "NAME", apply_engine, "jit, direct, interpreter or auto"},
    {"syscall-redirect", "WAY", apply_syscall_redirect,
     "of engine direct: copy, sud, seccomp, sysemu,\n"
     "                       ptrace or auto"},
    {"d", "ITEMS", apply_log, "log in_asm,out_asm,int,mmu,exec; -d help says more"},
    {"D", "FILE", apply_log_file, "log to this file, not to standard error"},
    {"fault", "target=T,model=M,…", option_apply_fault,
     "inject a fault: when=EVENT:…, duration=…; see faumachine(1)"},
    {"fault-log", "FILE", option_apply_fault_log,
     "what became of the faults, as lines of JSON"},
    {"fault-symbols", "FILE", option_apply_fault_symbols,
     "a System.map or an ELF file, to name places in these\n"
     "                       reports, and for when=symbol:"},
    {"seed", "N", option_apply_seed,
     "of what faults leave to chance, and of RDRAND with a counted clock"},
    {"sandbox", "on|off", apply_sandbox,
     "give up system calls that the machine does not need (default on)"},
    {"stats", NULL, apply_statistics, "print counters at the end"},
    {"help", NULL, apply_help, "this text"},
    {"h", NULL, apply_help, NULL},
    {"version", NULL, apply_version, "the version"},
};

/* Those that go with "lockstep" only. */
static const struct option_row lockstep_rows[] = {
    {"engines", "A,B", option_apply_engines, "these two (default interpreter,jit)"},
    {"every", "N", apply_every, "compare every N instructions (default 1M)"},
    {"from", "N", apply_from, "begin to compare after N instructions"},
    {"until", "N", apply_until, "end after N instructions"},
};

const struct option_table options_general = {rows, ARRAY_LENGTH(rows)};
const struct option_table options_of_lockstep = {lockstep_rows,
                                                 ARRAY_LENGTH(lockstep_rows)};
