#include "machine/added_devices.h"

#include "machine/machine_internal.h"
#include "machine/sound.h"

#include <stdio.h>
#include <string.h>

static const struct added_device *const rows[] = {
    &isa_debug_exit_added,
    &i6300esb_added,
    &sb16_added,
    &ac97_added,
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
