/* machine/seams.h: where somebody may stand between the parts of a machine.
 *
 * Who does so takes the place of one part towards the other, hands on what he does not
 * want, and gives the place back before the machine is destroyed. Several stand one
 * before the other; the last to come is the first to leave.
 * Thread: any that holds the machine lock, or the machine's own before it runs. Saved
 * by: nobody. */
#ifndef MACHINE_SEAMS_H
#define MACHINE_SEAMS_H

#include "bus/block_device.h"
#include "bus/memory.h"
#include "bus/network.h"
#include "machine/machine.h"

struct isa_interrupts;

/* Regions above those of devices: the CPU's thread only. */
struct memory_map *machine_memory_to_change(struct machine *machine);
/* Whether the caller is the thread that runs the CPU. */
bool machine_on_cpu_thread(const struct machine *machine);

/* A disk as its controller has it, by its name ("ide0-hd0", "virtio0"); empty: the
 * first; or whatever medium a drive has ("ide1-cd0", "floppy0"). NULL: there is none.
 */
struct block_device *machine_block_device(struct machine *machine, const char *name);
/* Likewise, one after the other; NULL from the last on. */
struct block_device *machine_block_device_at(struct machine *machine, unsigned index);

/* The medium of a drive is gone, and its tray open; false: there is none. Until it
 * comes back, unless there is another by then. */
bool machine_pull_medium(struct machine *machine, const char *drive);
void machine_return_medium(struct machine *machine, const char *drive);

/* A network card's end of its cable, by the id of what that leads to (-netdev, -nic);
 * empty: the first. NULL: there is none. */
struct network_port *machine_network_card(struct machine *machine, const char *id);

struct isa_interrupts *machine_isa_interrupts(struct machine *machine);

/* Who tells the time by an oscillator of his own: the RTC, the 8254, the HPET, the
 * power management timer, the local APIC's timer, and the time stamp counter. */
enum machine_clock {
    MACHINE_CLOCK_RTC,
    MACHINE_CLOCK_PIT,
    MACHINE_CLOCK_HPET,
    MACHINE_CLOCK_PM,
    MACHINE_CLOCK_APIC,
    MACHINE_CLOCK_TSC,
    MACHINE_CLOCKS,
};

/* His view of the machine's clock. */
struct clock *machine_clock_view(struct machine *machine, enum machine_clock which);

/* Between a UART and the other end of its line. False: the byte is lost. */
struct serial_tap {
    bool (*transmits)(void *opaque, unsigned line, uint8_t *byte);
    bool (*receives)(void *opaque, unsigned line, uint8_t *byte);
    void *opaque;
};

/* NULL: nobody, any more. */
void machine_tap_serial(struct machine *machine, unsigned line,
                        const struct serial_tap *tap);

/* The guest receives a break; false: there is no such line. */
bool machine_break_serial(struct machine *machine, unsigned line);

/* Power fails, on the CPU's thread between two instructions: memory forgets all. With
 * `restart` it comes back at once, else the run ends. */
void machine_cut_power(struct machine *machine, bool restart);

#endif
