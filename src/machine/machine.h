/* machine/machine.h: a whole PC, from its configuration to its end.
 *
 * Thread: create, run and destroy from one thread; machine_stop() from any, signal
 * handlers included. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include "base/error.h"
#include "base/types.h"
#include "clock/clock.h"
#include "host/storage/block.h"

#include <stdio.h>

enum {
    MACHINE_DISKS = 4,
    MACHINE_FLOPPIES = 2,
    MACHINE_SERIAL_LINES = 4,
    MACHINE_ADDED_DEVICES = 16,
    MACHINE_AUDIODEVS = 4,
    MACHINE_AUDIODEV_ID_BYTES = 64,
    MACHINE_NETWORKS = 8,
    MACHINE_MINIMUM_RAM_MIB = 4,
    MACHINE_MAXIMUM_RAM_MIB = 3584,
};

struct cpu_engine;

enum { BOOT_ORDER_DEVICES = 3 };

/* What the firmware is to start, and in which order: letters as QEMU has them, a and b
 * for floppies, c for disks, d for CD-ROMs, n for the network. */
struct boot_choice {
    char order[BOOT_ORDER_DEVICES + 1]; /* empty: "cad" */
    char once[BOOT_ORDER_DEVICES + 1];  /* until the first reset; empty: as `order` */
    bool menu;                          /* the user may choose */
    uint32_t menu_wait_ms;              /* for so long; 0: as the firmware likes */
};

/* What a disk is attached to; NONE: only to the device that names it. */
enum machine_bus { MACHINE_BUS_IDE, MACHINE_BUS_VIRTIO, MACHINE_BUS_NONE };

enum machine_media { MACHINE_MEDIA_DISK, MACHINE_MEDIA_CDROM, MACHINE_MEDIA_FLOPPY };

/* A drive with its image, whose `file` is NULL if there is nothing in the drive; an
 * empty drive for disks is none. */
struct machine_drive {
    enum machine_media media;
    enum machine_bus bus;       /* of a disk */
    const char *id;             /* for -device virtio-blk-pci,drive=; or NULL */
    struct block_options image; /* -snapshot of the machine is for all of them */
};

static inline bool machine_drive_exists(const struct machine_drive *drive)
{
    return drive->media != MACHINE_MEDIA_DISK || drive->image.file;
}

/* Strings belong to the caller and live as long as the machine; NULL means absent. */
struct machine_config {
    uint64_t ram_bytes;
    const char *bios;     /* NULL: Debian's SeaBIOS */
    const char *vga_bios; /* NULL: Debian's SeaVGABIOS */
    const char *kernel, *initrd, *append;
    struct machine_drive drives[MACHINE_DISKS]; /* hda to hdd */
    struct machine_drive floppies[MACHINE_FLOPPIES];
    enum block_engine_kind disk_engine; /* host clock: who reads and writes images */
    bool snapshot;
    bool raw_disks_only; /* the process will be forked */
    struct boot_choice boot;
    const char *serial[MACHINE_SERIAL_LINES]; /* character specifications */
    bool serial_multiplexed; /* Ctrl-A commands on the line on stdio (-nographic) */
    const char *engine;      /* cpu_engine_find(); refused if not built in */
    const char *syscall_redirect; /* of engine direct: redirect.h; NULL: auto */
    void (*escaped)(void);        /* of engine direct: struct cpu_wiring; or NULL */
    const struct cpu_engine *engine_override; /* this one, whatever its name; or NULL */
    enum clock_kind clock;
    uint64_t seed;    /* counted clock: of RDRAND; 0: the usual one */
    int64_t epoch_s;  /* RTC at power-on, seconds since 1970 UTC */
    bool no_reboot;   /* a reset ends the run */
    bool no_shutdown; /* the guest's switching off does not, but stops the machine */
    bool start_paused;
    bool halt_ends;     /* counted clock: so does a CPU that only input could wake */
    const char *name;   /* of the machine, for titles; NULL: FAUmachine */
    const char *window; /* -display: "sdl,property=value,…" */
    const char *vnc;    /* -vnc: "[HOST]:DISPLAY,property=value,…" */
    bool text_view;     /* the text screen on stdio */
    bool takes_screenshots;    /* machine_screenshot() is possible */
    const char *screenshot;    /* and one is written here at the end: FILE.png */
    const char *debug_console; /* port 0x402: character specification */
    bool show_guest_errors;
    uint32_t trace_items;        /* enum trace_item */
    const char *trace_file;      /* where both go; NULL: standard error */
    bool no_apic;                /* neither local nor I/O APIC */
    bool no_hpet, no_acpi;       /* no HPET; no ACPI tables */
    const char *parallel;        /* character specification; NULL: no port */
    const char *watchdog_action; /* watchdog.h; NULL: reset */
    const char *devices[MACHINE_ADDED_DEVICES]; /* -device: "name,property=value,…" */
    const char *audiodevs[MACHINE_AUDIODEVS];   /* -audiodev: "driver,property=…" */
    const char *audio; /* -audio: "driver,model=device,property=…" */
    char
        pcspk_audiodev[MACHINE_AUDIODEV_ID_BYTES]; /* the speaker's; empty: the first */
    /* "type,property=value,…": what cards lead to, and cards with what they lead to;
     * NULL ends a list. */
    const char *netdevs[MACHINE_NETWORKS], *nics[MACHINE_NETWORKS];
    const char *captures[MACHINE_NETWORKS]; /* "filter-dump,netdev=…,file=…" */
};

enum machine_end {
    MACHINE_END_POWER_OFF,
    MACHINE_END_RESET,       /* with no_reboot */
    MACHINE_END_HALTED,      /* with halt_ends */
    MACHINE_END_DEBUG_EXIT,  /* `exit_code` holds (value << 1) | 1 */
    MACHINE_END_STOPPED,     /* machine_stop() */
    MACHINE_END_POWER_CUT,   /* by a fault */
    MACHINE_END_BUDGET,      /* as many instructions as asked for were retired */
    MACHINE_END_INTERRUPTED, /* machine_interrupt() */
    MACHINE_END_HOST_ERROR,  /* the host failed us: see `error` */
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
 * (0: never), and after MACHINE_END_INTERRUPTED. */
struct machine_result machine_run(struct machine *machine, uint64_t instructions);

/* Somebody presses a button for a moment: the guest is told, and does what it likes.
 * With the machine lock held, as callbacks of the event loop have it. */
void machine_press_power_button(struct machine *machine);
void machine_press_sleep_button(struct machine *machine);

/* Ends machine_run() soon. Async-signal-safe. */
void machine_stop(struct machine *machine);

/* Has a picture of the screen written; one line on standard error says where to. The
 * machine is powered on. Any thread that does not hold the machine lock. */
void machine_screenshot(struct machine *machine);

/* Hash of registers, devices and RAM: equal machines have equal hashes. Not while
 * machine_run() runs. */
uint64_t machine_hash(struct machine *machine);

/* Prints counters (-stats) to `stream`. */
void machine_print_statistics(struct machine *machine, FILE *stream);

#endif
