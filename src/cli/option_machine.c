/* The option that says of which parts the PC is made. */
#include "cli/option_machine.h"

#include <stdio.h>
#include <string.h>

#include "base/properties.h"

bool option_apply_machine(struct parser *parser, const char *value, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    struct properties properties;
    if (!properties_parse(&properties, "-machine", value, error)) {
        return false;
    }
    const char *type = properties_take(&properties, "type");
    type = type ? type : properties.name;
    if (*type && strcmp(type, "pc") != 0) {
        return error_set(error, "-machine %s: the only machine is pc", type);
    }
    const char *speaker = properties_take(&properties, "pcspk-audiodev");
    if (speaker) {
        snprintf(machine->pcspk_audiodev, sizeof(machine->pcspk_audiodev), "%s",
                 speaker);
    }
    return properties_finish(&properties, "pcspk-audiodev", error);
}
