/* machine/network.h: network cards meet what their cables lead to.
 *
 * Thread: the machine's own, while it does not run. Saved by: nobody; cards save
 * themselves. */
#ifndef MACHINE_NETWORK_H
#define MACHINE_NETWORK_H

#include "base/error.h"
#include "base/types.h"

struct machine;
struct network_port;

/* Opens all that -netdev and -object name, and makes the cards of -nic. Those of
 * -device follow later, by rows in added_devices.c. */
bool networks_create(struct machine *machine, struct error *error);
/* A card's end of the cable that leads to the network `id`; empty: to the first. NULL:
 * there is none. */
struct network_port *network_card(struct machine *machine, const char *id);
/* Takes the cables out and closes what they led to. Nothing there is fine. */
void networks_destroy(struct machine *machine);

/* Takes the cable of the network with that id out, or plugs it in: cards see no link.
 * Thread: any that holds the machine lock. */
bool machine_set_cable(struct machine *machine, const char *id, bool plugged,
                       struct error *error);
/* Which cables are plugged in: bit N of the N-th network. Likewise. */
uint32_t networks_cables(const struct machine *machine);
void networks_set_cables(struct machine *machine, uint32_t cables);

#endif
