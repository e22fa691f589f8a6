/* machine/machine.h: a whole PC, from its configuration to its end.
 *
 * Thread: create, run and destroy from one thread; machine_stop() from any, signal
 * handlers included. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/error.h"
#include "base/types.h"
#include "clock/clock.h"

#include <stdio.h>

enum {
    MACHINE_DISKS = 4,
    MACHINE_SERIAL_LINES = 2,
    MACHINE_ADDED_DEVICES = 16,
    MACHINE_MINIMUM_RAM_MIB = 4,
    MACHINE_MAXIMUM_RAM_MIB = 3584,
};

struct cpu_engine;

/* Strings belong to the caller and live as long as the machine; NULL means absent. */
struct machine_config {
    uint64_t ram_bytes;
    const char *bios;     /* NULL: Debian's SeaBIOS */
    const char *vga_bios; /* NULL: Debian's SeaVGABIOS */
    const char *kernel, *initrd, *append;
    const char *disks[MACHINE_DISKS]; /* hda to hdd */
    bool snapshot;
    const char *serial[MACHINE_SERIAL_LINES]; /* character specifications */
    bool serial_multiplexed; /* Ctrl-A commands on the line on stdio (-nographic) */
    const char *engine;      /* cpu_engine_find(); refused if not built in */
    const char *syscall_redirect; /* of engine direct: redirect.h; NULL: auto */
    void (*escaped)(void);        /* of engine direct: struct cpu_wiring; or NULL */
    const struct cpu_engine *engine_override; /* this one, whatever its name; or NULL */
    enum clock_kind clock;
    int64_t epoch_s;  /* RTC at power-on, seconds since 1970 UTC */
    bool no_reboot;   /* a reset ends the run */
    bool no_shutdown; /* the guest's switching off does not, but stops the machine */
    bool start_paused;
    bool halt_ends; /* counted clock: so does a CPU that only input could wake */
    const char *debug_console; /* port 0x402: character specification */
    bool show_guest_errors;
    uint32_t trace_items;   /* enum trace_item */
    const char *trace_file; /* where both go; NULL: standard error */
    const char *devices[MACHINE_ADDED_DEVICES]; /* -device: "name,property=value,…" */
};

enum machine_end {
    MACHINE_END_POWER_OFF,
    MACHINE_END_RESET,      /* with no_reboot */
    MACHINE_END_HALTED,     /* with halt_ends */
    MACHINE_END_DEBUG_EXIT, /* `exit_code` holds (value << 1) | 1 */
    MACHINE_END_STOPPED,    /* machine_stop() */
    MACHINE_END_BUDGET,     /* as many instructions as asked for were retired */
    MACHINE_END_HOST_ERROR, /* the host failed us: see `error` */
};

struct machine_result {
    enum machine_end end;
    int exit_code;
    struct error error;
};

struct machine;

/* Returns NULL with one clear line in `error` when the host or the configuration does
 * not allow it. */
struct machine *machine_create(const struct machine_config *config,
                               struct error *error);
void machine_destroy(struct machine *machine);

/* Resets everything, as the power switch does: the CPU stands before its first
 * instruction. */
bool machine_power_on(struct machine *machine, struct error *error);

/* Runs until the machine ends; powers it on if that is still to be done. May be called
 * again to go on after MACHINE_END_BUDGET, which comes `instructions` after the call
 * (0: never). */
struct machine_result machine_run(struct machine *machine, uint64_t instructions);

/* Ends machine_run() soon. Async-signal-safe. */
void machine_stop(struct machine *machine);

/* Hash of registers, devices and RAM: equal machines have equal hashes. Not while
 * machine_run() runs. */
uint64_t machine_hash(struct machine *machine);

/* Prints counters (-stats) to `stream`. */
void machine_print_statistics(struct machine *machine, FILE *stream);

#endif
