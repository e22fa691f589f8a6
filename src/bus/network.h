/* bus/network.h: the seam between a network card and what its cable leads to.
 *
 * A cable has two ends, each a struct network_port that is embedded in its owner: a
 * card, a back end, or something in between that has two of them (a packet capture, a
 * fault). What one end sends the other receives: Ethernet frames from the destination
 * address on, without preamble and frame check sequence.
 *
 * Both directions can be held up: who has no room says so, the sender keeps the frame,
 * and is told when there is room again. Nothing is queued in between.
 *
 * Thread: any that holds the machine lock. Saved by: nobody; cards save their link. */
#ifndef BUS_NETWORK_H
#define BUS_NETWORK_H

#include "base/types.h"

enum {
    NETWORK_ADDRESS_BYTES = 6,
    NETWORK_HEADER_BYTES = 14,
    NETWORK_MINIMUM_BYTES = 60,     /* cards fill up shorter ones */
    NETWORK_MAXIMUM_BYTES = 0x4000, /* jumbo frames; longer ones are lost */
};

struct network_port;

struct network_port_ops {
    /* Takes the frame and returns true, or has no room for it now. The bytes are the
     * sender's again when this returns. */
    bool (*receive)(void *opaque, const uint8_t *frame, size_t bytes);
    /* Whether receive() would take a frame. NULL: always. */
    bool (*can_receive)(void *opaque);
    /* The other end has room again; what was kept may be sent at once. May be NULL. */
    void (*resume)(void *opaque);
    /* network_link_is_up() has changed. May be NULL. */
    void (*link_changed)(void *opaque);
};

struct network_port {
    const struct network_port_ops *ops;
    void *opaque;
    struct network_port *peer; /* NULL: no cable */
    bool switched_off;         /* by network_set_link() */
};

/* Joins two ends that have no cable yet. */
void network_connect(struct network_port *a, struct network_port *b);
/* Takes the cable out at both ends; without one it does nothing. */
void network_disconnect(struct network_port *port);

/* False: the other end has no room, and will say so when it has. True: it has the
 * frame, or the frame is lost, as without a link. */
bool network_send(struct network_port *port, const uint8_t *frame, size_t bytes);
/* Whether network_send() would be true. */
bool network_can_send(const struct network_port *port);

/* To the other end: there is room here again. */
void network_resume(struct network_port *port);

/* This end switches the link on or off; it is up if both ends and the cable are. */
void network_set_link(struct network_port *port, bool up);
bool network_link_is_up(const struct network_port *port);

static inline bool network_is_multicast(const uint8_t *frame)
{
    return frame[0] & 1;
}

static inline bool network_is_broadcast(const uint8_t *frame)
{
    return (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] & frame[5]) == 0xff;
}

#endif
