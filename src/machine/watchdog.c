#include "machine/watchdog.h"

#include <string.h>

#include "devices/i6300esb.h"
#include "machine/added_devices.h"
#include "machine/machine_internal.h"

static void reset(struct machine *machine)
{
    machine->reset_requested = true;
    machine_wake_cpu(machine);
}

static void power_off(struct machine *machine)
{
    machine->power_off_requested = true;
    machine_wake_cpu(machine);
}

static void nothing(struct machine *machine)
{
    (void)machine;
}

static const struct {
    const char *name;
    void (*act)(struct machine *machine);
} actions[] = {
    {"reset", reset},
    {"shutdown", machine_press_power_button},
    {"poweroff", power_off},
    {"pause", machine_pause},
    {"inject-nmi", interrupts_raise_nmi},
    {"none", nothing},
};

static int find(const char *name)
{
    for (unsigned i = 0; name && i < ARRAY_LENGTH(actions); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            return (int)i;
        }
    }
    return name ? -1 : 0;
}

bool watchdog_action_is_known(const char *name)
{
    return find(name) >= 0;
}

static void act(void *opaque)
{
    struct machine *machine = opaque;
    int action = find(machine->config.watchdog_action);
    log_warning(&machine->log, "the watchdog's time is over: %s", actions[action].name);
    actions[action].act(machine);
}

static bool add(struct machine *machine, struct properties *properties,
                struct error *error)
{
    unsigned slot = 0;
    properties_take(properties, "id");
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    pc_add_device(machine, i6300esb_create(&machine->log, machine->pci, slot,
                                           &machine->clock, act, machine));
    return true;
}

const struct added_device i6300esb_added = {
    .name = "i6300esb",
    .properties = "id and addr",
    .help = "a watchdog timer; see -watchdog-action",
    .create = add,
};
