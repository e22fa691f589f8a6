/* A hub inside the machine: cards at its ports hear each other, and nobody else. What
 * comes in at one port goes out at all others; while one of these has no room, the
 * sender waits. So nothing is kept in between, and all is the same in each run. */
#include "host/net/net_internal.h"

#include <stdlib.h>

struct hub_port {
    uint64_t hub;
    struct net_backend *backend;
    struct hub_port *next; /* of the same hub: a ring */
};

static bool can_receive(void *opaque)
{
    const struct hub_port *own = opaque;
    for (const struct hub_port *port = own->next; port != own; port = port->next) {
        if (!network_can_send(&port->backend->port)) {
            return false;
        }
    }
    return true;
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    const struct hub_port *own = opaque;
    if (!can_receive(opaque)) {
        return false;
    }
    for (const struct hub_port *port = own->next; port != own; port = port->next) {
        network_send(&port->backend->port, frame, bytes);
    }
    return true;
}

/* There is room at this port, or nobody there any more. */
static void resume(void *opaque)
{
    const struct hub_port *own = opaque;
    for (const struct hub_port *port = own->next; port != own; port = port->next) {
        network_resume(&port->backend->port);
    }
}

static const struct network_port_ops hub_ops = {
    .receive = receive,
    .can_receive = can_receive,
    .resume = resume,
    .link_changed = resume,
};

/* Into the ring of its hub, if that has a port already. */
static void join(struct hub_port *own)
{
    own->next = own;
    for (const struct net_backend *other = own->backend->previous; other;
         other = other->previous) {
        struct hub_port *port = other->kind == &net_hub ? other->own : NULL;
        if (port && port->hub == own->hub) {
            own->next = port->next;
            port->next = own;
            return;
        }
    }
}

static bool open_hub(struct net_backend *backend, struct properties *properties,
                     struct error *error)
{
    uint64_t hub = 0;
    if (!properties_take_number(properties, "hubid", 0, UINT32_MAX, &hub, error)) {
        return false;
    }
    struct hub_port *own = calloc(1, sizeof(*own));
    if (!own) {
        return error_set(error, "%s: no memory", properties->option);
    }
    own->hub = hub;
    own->backend = backend;
    backend->own = own;
    backend->port.ops = &hub_ops;
    backend->port.opaque = own;
    join(own);
    return true;
}

static void close_hub(struct net_backend *backend)
{
    struct hub_port *own = backend->own, *before = own;
    while (before->next != own) {
        before = before->next;
    }
    before->next = own->next;
    free(own);
}

const struct net_kind net_hub = {
    .type = "hubport",
    .properties = "id and hubid",
    .open = open_hub,
    .close = close_hub,
};
