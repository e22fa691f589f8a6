#include "bus/network.h"

#include <assert.h>

static void tell_link(struct network_port *port)
{
    if (port->ops->link_changed) {
        port->ops->link_changed(port->opaque);
    }
}

void network_connect(struct network_port *a, struct network_port *b)
{
    assert(!a->peer && !b->peer);
    a->peer = b;
    b->peer = a;
    tell_link(a);
    tell_link(b);
}

void network_disconnect(struct network_port *port)
{
    struct network_port *peer = port->peer;
    if (peer) {
        port->peer = NULL;
        peer->peer = NULL;
        tell_link(port);
        tell_link(peer);
    }
}

bool network_send(struct network_port *port, const uint8_t *frame, size_t bytes)
{
    struct network_port *peer = port->peer;
    if (!network_link_is_up(port) || bytes < NETWORK_HEADER_BYTES ||
        bytes > NETWORK_MAXIMUM_BYTES) {
        return true;
    }
    return peer->ops->receive(peer->opaque, frame, bytes);
}

bool network_can_send(const struct network_port *port)
{
    const struct network_port *peer = port->peer;
    return !network_link_is_up(port) || !peer->ops->can_receive ||
           peer->ops->can_receive(peer->opaque);
}

void network_resume(struct network_port *port)
{
    struct network_port *peer = port->peer;
    if (peer && peer->ops->resume) {
        peer->ops->resume(peer->opaque);
    }
}

void network_set_link(struct network_port *port, bool up)
{
    if (port->switched_off == !up) {
        return;
    }
    port->switched_off = !up;
    if (port->peer) {
        tell_link(port);
        tell_link(port->peer);
        /* What was held up is let go: it is lost now. */
        network_resume(port);
    }
}

bool network_link_is_up(const struct network_port *port)
{
    return port->peer && !port->switched_off && !port->peer->switched_off;
}
