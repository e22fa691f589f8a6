/* host/net/net.h: what a network card's cable leads to on the host.
 *
 * A back end is made from a type, as -netdev and -nic name it, and its properties:
 * user (a network of its own, by libslirp), tap, socket, hubport (other cards of the
 * machine), or null (nobody). It opens what it needs at once: a confined machine can
 * open nothing later.
 * Thread: any that holds the machine lock; opening and closing while nothing runs.
 * Saved by: nobody. */
#ifndef HOST_NET_NET_H
#define HOST_NET_NET_H

#include "base/log.h"
#include "base/properties.h"
#include "bus/network.h"
#include "clock/clock.h"
#include "host/event_loop.h"

#define NET_TYPES "user, tap, socket, hubport and null"

struct net_backend;

/* Takes from `properties` what is the back end's. `previous`: the one that was opened
 * for this machine before; NULL if it is the first. */
struct net_backend *net_open(const char *type, struct properties *properties,
                             struct event_loop *loop, struct log *log,
                             struct net_backend *previous, struct error *error);
/* NULL is fine. The cable must be out. */
void net_close(struct net_backend *backend);

struct network_port *net_port(struct net_backend *backend);

/* The properties that a type has, for messages; NULL if there is no such type. */
const char *net_properties(const char *type);
/* Whether anything can come in by it that is no function of what went out. */
bool net_brings_input(const char *type);

/* A back end may have a key more than once: this one. */
#define NET_REPEATED_PROPERTY "hostfwd"

/* A packet capture: sits in a cable, lets everything pass, and writes it to a file as
 * libpcap does (link type Ethernet, microseconds), with the guest's time. */
struct net_capture;

/* `maximum`: bytes of each frame that are kept. The file is emptied. */
struct net_capture *net_capture_open(const char *path, size_t maximum,
                                     struct clock *clock, struct log *log,
                                     struct error *error);
void net_capture_close(struct net_capture *capture);
/* Its two ends: to the card, and to whatever the card's cable led to. */
struct network_port *net_capture_inside(struct net_capture *capture);
struct network_port *net_capture_outside(struct net_capture *capture);

#endif
