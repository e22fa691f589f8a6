/* Options that say of which parts the PC is made, and what its watchdog may do. */
#include "cli/option_machine.h"

#include <stdio.h>
#include <string.h>

#include "base/properties.h"
#include "machine/watchdog.h"

bool option_apply_machine(struct parser *parser, const char *value, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    bool apic = !machine->no_apic, hpet = !machine->no_hpet, acpi = !machine->no_acpi;
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
    if (!properties_take_switch(&properties, "apic", &apic, error) ||
        !properties_take_switch(&properties, "hpet", &hpet, error) ||
        !properties_take_switch(&properties, "acpi", &acpi, error) ||
        !properties_finish(&properties, "apic, hpet, acpi and pcspk-audiodev", error)) {
        return false;
    }
    if (speaker) {
        snprintf(machine->pcspk_audiodev, sizeof(machine->pcspk_audiodev), "%s",
                 speaker);
    }
    machine->no_apic = !apic;
    machine->no_hpet = !hpet;
    machine->no_acpi = !acpi;
    return true;
}

bool option_apply_parallel(struct parser *parser, const char *value,
                           struct error *error)
{
    const char **parallel = &parser->options->machine.parallel;
    if (*parallel) {
        return error_set(error, "-parallel %s: the machine has one parallel port",
                         value);
    }
    *parallel = strcmp(value, "none") == 0 ? NULL : value;
    return true;
}

static bool set_watchdog_action(struct parser *parser, const char *option,
                                const char *value, struct error *error)
{
    parser->options->machine.watchdog_action = value;
    return watchdog_action_is_known(value) ||
           error_set(error, "%s %s: the actions are " WATCHDOG_ACTIONS, option, value);
}

bool option_apply_watchdog_action(struct parser *parser, const char *value,
                                  struct error *error)
{
    return set_watchdog_action(parser, "-watchdog-action", value, error);
}

bool option_apply_action(struct parser *parser, const char *value, struct error *error)
{
    static const char key[] = "watchdog=";
    if (strncmp(value, key, strlen(key)) != 0) {
        return error_set(
            error, "-action %s: there is -action watchdog=" WATCHDOG_ACTIONS, value);
    }
    return set_watchdog_action(parser, "-action watchdog", value + strlen(key), error);
}
