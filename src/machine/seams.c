#include "machine/seams.h"

#include "machine/machine_internal.h"
#include "machine/network.h"

#include <stdio.h>
#include <string.h>

struct memory_map *machine_memory_to_change(struct machine *machine)
{
    return &machine->memory;
}

bool machine_on_cpu_thread(const struct machine *machine)
{
    return pthread_equal(pthread_self(), machine->cpu_thread);
}

struct block_device *machine_block_device(struct machine *machine, const char *name)
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        char own[MEDIA_NAME_BYTES];
        if (!machine->disks[unit]) {
            continue;
        }
        disks_get_name(machine, unit, own, sizeof(own));
        if (!*name || strcmp(own, name) == 0) {
            return block_device_of(machine->disks[unit]);
        }
    }
    return media_device(machine, name);
}

struct block_device *machine_block_device_at(struct machine *machine, unsigned index)
{
    for (unsigned unit = 0; unit < MACHINE_DISKS; unit++) {
        if (machine->disks[unit] && index-- == 0) {
            return block_device_of(machine->disks[unit]);
        }
    }
    return NULL;
}

struct network_port *machine_network_card(struct machine *machine, const char *id)
{
    return network_card(machine, id);
}

struct isa_interrupts *machine_isa_interrupts(struct machine *machine)
{
    return &machine->isa;
}

struct clock *machine_clock_view(struct machine *machine, enum machine_clock which)
{
    return &machine->views[which];
}

void machine_tap_serial(struct machine *machine, unsigned line,
                        const struct serial_tap *tap)
{
    machine->consoles[line].tap = tap;
}

bool machine_break_serial(struct machine *machine, unsigned line)
{
    if (!machine->uarts[line]) {
        return false;
    }
    ns16550a_break(machine->uarts[line]);
    return true;
}

static void forget_memory(struct machine *machine)
{
    ram_forget(&machine->ram);
    machine->memory.listener.code_written(machine->memory.listener.opaque, 0,
                                          machine->ram.bytes);
}

void machine_cut_power(struct machine *machine, bool restart)
{
    disks_settle(machine);
    if (!restart) {
        machine->power_cut = true;
        machine_quit(machine, "host-power-cut");
        return;
    }
    forget_memory(machine);
    machine->reset_requested = true;
    machine->reset_reason = "host-power-cut";
    machine_wake_cpu(machine);
}
