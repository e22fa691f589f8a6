#include "cli/option_network.h"

#include <stdio.h>
#include <string.h>

#include "host/net/net.h"

/* What a machine gets unless it is told otherwise. */
#define DEFAULT_NIC "user,model=e1000"

static bool append(const char **list, const char *option, const char *value,
                   struct error *error)
{
    unsigned count = 0;
    while (count < MACHINE_NETWORKS && list[count]) {
        count++;
    }
    if (count == MACHINE_NETWORKS) {
        return error_set(error, "-%s %s: that would be more than %d", option, value,
                         MACHINE_NETWORKS);
    }
    list[count] = value;
    return true;
}

bool option_apply_netdev(struct parser *parser, const char *value, struct error *error)
{
    return append(parser->options->machine.netdevs, "netdev", value, error);
}

bool option_apply_nic(struct parser *parser, const char *value, struct error *error)
{
    parser->network_given = true;
    return strcmp(value, "none") == 0 ||
           append(parser->options->machine.nics, "nic", value, error);
}

bool option_apply_net(struct parser *parser, const char *value, struct error *error)
{
    parser->network_given = true;
    return strcmp(value, "none") == 0 ||
           error_set(
               error,
               "-net %s: only -net none is left of this; use -nic TYPE,model=CARD",
               value);
}

bool option_apply_object(struct parser *parser, const char *value, struct error *error)
{
    static const char type[] = "filter-dump,";
    return strncmp(value, type, sizeof(type) - 1) == 0
               ? append(parser->options->machine.captures, "object", value, error)
               : error_set(error, "-object %s: the only kind is filter-dump", value);
}

/* What comes in by a network comes at any time. */
static bool brings_no_input(const char *option, const char *value, struct error *error)
{
    char type[64];
    snprintf(type, sizeof(type), "%.*s", (int)strcspn(value, ","), value);
    return !net_brings_input(type) ||
           error_set(error,
                     "-%s %s: input at any time is no part of a run that is to be the "
                     "same twice; use hubport, null or none",
                     option, value);
}

static bool bring_no_input(const char *option, const char *const *list,
                           struct error *error)
{
    for (unsigned i = 0; i < MACHINE_NETWORKS && list[i]; i++) {
        if (!brings_no_input(option, list[i], error)) {
            return false;
        }
    }
    return true;
}

bool option_finish_network(struct parser *parser, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (machine->clock == CLOCK_KIND_COUNTED) {
        return bring_no_input("netdev", machine->netdevs, error) &&
               bring_no_input("nic", machine->nics, error);
    }
    if (!parser->no_defaults && !parser->network_given && !machine->netdevs[0]) {
        machine->nics[0] = DEFAULT_NIC;
    }
    return true;
}
