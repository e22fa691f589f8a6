/* cli/option_network.h: the options of networks. Thread: any. */
#ifndef CLI_OPTION_NETWORK_H
#define CLI_OPTION_NETWORK_H

#include "cli/options_internal.h"

option_apply option_apply_netdev, option_apply_nic, option_apply_net,
    option_apply_object;

/* The network that a machine has if the user does not say, and what a machine that
 * counts cannot have. */
bool option_finish_network(struct parser *parser, struct error *error);

#endif
