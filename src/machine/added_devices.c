#include "machine/added_devices.h"

#include "machine/machine_internal.h"
#include "machine/sound.h"

#include <stdio.h>
#include <string.h>

static const struct added_device *const rows[] = {
    &ac97_added,       &e1000_added,      &i6300esb_added,      &isa_debug_exit_added,
    &ne2k_pci_added,   &sb16_added,       &virtio_block_added,  &virtio_keyboard_added,
    &virtio_net_added, &virtio_rng_added, &virtio_tablet_added,
};

static bool create(struct machine *machine, const char *text, struct error *error)
{
    struct properties properties;
    if (!properties_parse(&properties, "-device", text, error)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(rows[i]->name, properties.name) == 0) {
            return rows[i]->create(machine, &properties, error) &&
                   properties_finish(&properties, rows[i]->properties, error);
        }
    }
    return error_set(error,
                     "-device %s: there is no such device; -device help lists "
                     "them",
                     text);
}

bool added_device_take_slot(struct machine *machine, struct properties *properties,
                            unsigned *slot, struct error *error)
{
    int free = pc_free_slot(machine);
    uint64_t wanted = free < 0 ? 0 : (uint64_t)free;
    if (!properties_take_number(properties, "addr", 0, PCI_SLOTS - 1, &wanted, error)) {
        return false;
    }
    if (free < 0 || machine->pci->functions[wanted * PCI_FUNCTIONS_PER_SLOT]) {
        return error_set(error, "%s: %s: addr=%u: that slot of the PCI bus is taken",
                         properties->option, properties->name, (unsigned)wanted);
    }
    *slot = (unsigned)wanted;
    return true;
}

bool added_devices_create(struct machine *machine, struct error *error)
{
    const char *const *texts = machine->config.devices;
    for (unsigned i = 0; i < MACHINE_ADDED_DEVICES && texts[i]; i++) {
        if (!create(machine, texts[i], error)) {
            return false;
        }
    }
    return true;
}

void added_devices_describe(void (*print)(void *opaque, const char *line), void *opaque)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char line[256];
        snprintf(line, sizeof(line), "  %-18s %s; properties: %s\n", rows[i]->name,
                 rows[i]->help, rows[i]->properties);
        print(opaque, line);
    }
}
