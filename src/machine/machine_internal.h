/* machine/machine_internal.h: what a machine consists of. */
#ifndef MACHINE_MACHINE_INTERNAL_H
#define MACHINE_MACHINE_INTERNAL_H

#include "base/lock.h"
#include "base/trace.h"
#include "bus/device.h"
#include "bus/input.h"
#include "bus/pci.h"
#include "cpu/core/engine.h"
#include "devices/coprocessor_error.h"
#include "devices/fw_cfg.h"
#include "devices/hpet.h"
#include "devices/i8042.h"
#include "devices/i8237.h"
#include "devices/i8259.h"
#include "devices/io_apic.h"
#include "devices/local_apic.h"
#include "devices/mc146818.h"
#include "devices/ns16550a.h"
#include "devices/piix3_ide.h"
#include "devices/piix4_pm.h"
#include "devices/vga.h"
#include "firmware/rom.h"
#include "host/console/character.h"
#include "host/event_loop.h"
#include "host/storage/block.h"
#include "machine/consoles.h"
#include "machine/control.h"
#include "machine/isa_interrupts.h"
#include "machine/machine.h"
#include "machine/media.h"
#include "machine/seams.h"
#include "machine/services.h"
#include "machine/sound.h"
#include "machine/user_input.h"

struct checkpoints; /* machine/checkpoint.c */
struct displays;    /* machine/display.h */

enum { MACHINE_DEVICES = 48 };

/* How long the event loop may be left without word of a new deadline, and how near ones
 * it hears of at once. */
enum { UNTOLD_INSTRUCTIONS = 10000, UNTOLD_NS = 500000 };

/* Sources of the A20 line: it is open while any of them says so. */
enum a20_source { A20_KEYBOARD, A20_PORT92, A20_SOURCES };

/* The host side of a serial line, and of what else sends bytes. */
struct machine_console {
    struct machine *machine;
    struct character *character;
    struct serial_line line;
    struct ns16550a *uart;        /* of a serial line */
    unsigned number;              /* likewise */
    const struct serial_tap *tap; /* seams.h; NULL: nobody */
};

/* Whom the back end of a disk tells of failures of the host. */
struct machine_disk_watch {
    struct machine *machine;
    unsigned unit;
    enum machine_disk_status status;
};

struct machine {
    struct cpu cpu; /* first: it wants the alignment */
    struct cpu_statistics statistics;
    struct machine_config config;
    const struct cpu_engine *engine;
    struct lock lock;
    struct log log;
    struct trace trace; /* and the guest errors' stream */
    struct clock clock;
    struct clock views[MACHINE_CLOCKS]; /* as those chips have it */
    struct event_loop *loop;
    struct ram ram;
    struct memory_map memory;
    struct port_space ports;
    struct firmware_roms roms;

    struct device *devices[MACHINE_DEVICES];
    unsigned device_count;
    unsigned controllers; /* the first so many of them: where interrupts go */
    struct coprocessor_error *coprocessor_error;
    struct i8042 *i8042;
    struct i8259 *pic;
    struct local_apic *local_apic; /* NULL, as the next two: not there */
    struct io_apic *io_apic;
    struct hpet *hpet;
    struct mc146818 *rtc;
    struct i8237 *dma;
    struct pci_bus *pci;
    struct i8254 *pit;
    struct port61 *port61;
    struct fw_cfg *fw_cfg;
    struct piix4_pm *power;
    struct vga *vga;
    struct piix3_ide *ide;
    struct ns16550a *uarts[MACHINE_SERIAL_LINES];
    struct isa_interrupts isa;
    struct irq_line rtc_line; /* where its interrupt goes on to */
    bool a20_sources[A20_SOURCES];

    struct machine_console consoles[MACHINE_CONSOLES];
    struct console_listener console_listener;
    struct block_engine *block_engine;
    struct block_backend *disks[MACHINE_DISKS];
    struct machine_disk_watch disk_watches[MACHINE_DISKS];
    struct media media;
    struct machine_sound sound;
    struct networks *networks;
    struct virtio_input *virtio_keyboard, *virtio_tablet; /* NULL: not there */
    unsigned virtio_disks;                                /* a bit for each */
    int random_fd;                                        /* -1: not needed */
    struct user_input user_input;
    struct displays *displays;       /* NULL: nobody looks */
    struct checkpoints *checkpoints; /* NULL: none has been taken */

    /* Why the run loop has to look up; set with the lock held. */
    bool reset_requested, power_off_requested, debug_exit_requested;
    bool init_requested; /* INIT: of the CPU alone */
    bool interrupted;    /* machine_interrupt() */
    bool disk_failed;    /* in a way that is to stop the machine */
    uint32_t debug_exit_value;
    bool halted_for_good; /* and config.halt_ends: the CPU's thread only */
    pthread_cond_t wake;  /* the CPU's thread sleeps on it in HLT; with `lock` */
    int stop_fd;          /* eventfd: machine_stop() */
    bool stop_requested;
    bool power_cut; /* why it is to stop */
    bool powered_on;
    enum machine_state state;
    unsigned holds;      /* machine_hold() */
    bool run_ahead;      /* power is on, and it is to be run for the first time */
    bool in_run, waits;  /* the CPU's thread is in machine_run(); …and waits there */
    pthread_cond_t held; /* that has changed, or a reset is done; with `lock` */
    const char *reset_reason; /* who wants it if not the guest; or NULL */
    struct machine_observer *observers;
    struct machine_visitor *visitors;
    struct debugger *debugger; /* gdb's, among the CPU's; or NULL */
    struct machine_services services;
    pthread_t cpu_thread; /* who created the machine and runs it */
    /* Host clock: the CPU's thread has armed a timer that the event loop does not know
     * of. It waits for it itself if the CPU halts soon, or else tells the loop. */
    bool untold_deadline;
    uint64_t run_until; /* cpu.retired at which machine_run() returns */
};

/* Takes over a device: it is reset, saved and destroyed by its class. Returns it; NULL
 * is fine. */
void *pc_add_device(struct machine *machine, void *device);
/* The first slot of the PCI bus without a function, or -1. */
int pc_free_slot(const struct machine *machine);

/* Makes all devices and wires them; false with a clear line in `error`. */
bool pc_create(struct machine *machine, struct error *error);
/* What firmware and setup leave in CMOS and fw_cfg, and -kernel. */
bool pc_prepare_firmware(struct machine *machine, struct error *error);
/* Both phases of a reset of all devices, then the CPU. */
void pc_reset(struct machine *machine);

/* The interrupt controllers and the HPET: first of all devices, as all others are wired
 * to them. */
void interrupts_create(struct machine *machine);
/* Power management; once the PCI bus is there. */
void power_create(struct machine *machine);
/* Where the 8254 and the RTC are wired to. */
struct irq_line interrupts_timer_line(struct machine *machine);
struct irq_line interrupts_rtc_line(struct machine *machine);
/* A non-maskable interrupt, by the local APIC if there is one. */
void interrupts_raise_nmi(struct machine *machine);

/* Serial and parallel ports, and the debug console, once `consoles` are open. */
void communication_create(struct machine *machine);

/* The order of boot devices, in CMOS; at the first reset it may be another one. */
void boot_order_reset(struct machine *machine);
/* The boot menu, in fw_cfg. */
void boot_order_tell_firmware(struct machine *machine);

bool consoles_open(struct machine *machine, struct error *error);
/* The UARTs exist now: input may flow. */
void consoles_connect(struct machine *machine);
/* Waits for readers of what has been written; the event loop is stopped before. */
void consoles_close(struct machine *machine);

/* Opens what the configuration names and attaches it to the controller. */
bool disks_open(struct machine *machine, struct error *error);
/* Opens an image, as the machine's configuration would have it. */
struct block_backend *disks_open_image(struct machine *machine,
                                       const struct block_options *image,
                                       struct error *error);
/* Those that are to be virtio disks; once the PCI bus has all else that has a fixed
 * slot. */
bool virtio_disks_create(struct machine *machine, struct error *error);
/* Places where an image may be: the disks', then those of media. */
enum { DISKS_PLACES = MACHINE_DISKS + MEDIA_DRIVES, DISKS_NAME_BYTES = 16 };
/* What is there, and what the place is called; NULL: nothing. */
struct block_backend *disks_at(struct machine *machine, unsigned place,
                               char name[DISKS_NAME_BYTES]);
/* After disks_settle(): false, with a line in `error`, if requests have failed and wait
 * for the machine to be continued, as the state of no device has them. */
bool disks_are_idle(struct machine *machine, struct error *error);
/* The machine is about to run. */
bool disks_start(struct machine *machine, struct error *error);
/* What disks are called: "ide0-hd0", "virtio1". */
void disks_get_name(const struct machine *machine, unsigned unit, char *name,
                    size_t bytes);
/* Requests that the host has failed, and that were kept back: tries them again; or
 * fails them, as devices have been reset; or likewise for the last time. */
void disks_retry(struct machine *machine);
void disks_give_up(struct machine *machine);
void disks_end(struct machine *machine);
/* Waits for all requests, so that no drive is in the middle of one. Lock held, or the
 * event loop stopped. */
void disks_settle(struct machine *machine);
/* Flushes and closes; the event loop is stopped. */
void disks_close(struct machine *machine);

void machine_notify_event(struct machine *machine, const struct machine_event *event);
void machine_notify(struct machine *machine, enum machine_event_kind kind, bool guest,
                    const char *reason);
/* Whether the CPU's thread is to stay out of the engine. */
bool machine_is_held(const struct machine *machine);
/* Out of the engine: stops the clock, tells observers. */
void machine_stand_still(struct machine *machine, enum machine_state state);

/* Interrupts the CPU's thread, wherever it is. Lock held. */
void machine_wake_cpu(struct machine *machine);

#endif
