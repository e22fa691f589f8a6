#include "host/net/net_internal.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static const struct net_kind *const kinds[] = {
    &net_user, &net_tap, &net_socket, &net_hub, &net_null,
};

static const struct net_kind *find(const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (strcmp(kinds[i]->type, type) == 0) {
            return kinds[i];
        }
    }
    return NULL;
}

const char *net_properties(const char *type)
{
    const struct net_kind *kind = find(type);
    return kind ? kind->properties : NULL;
}

bool net_brings_input(const char *type)
{
    const struct net_kind *kind = find(type);
    return !kind || kind->brings_input;
}

struct net_backend *net_open(const char *type, struct properties *properties,
                             struct event_loop *loop, struct log *log,
                             struct net_backend *previous, struct error *error)
{
    const struct net_kind *kind = find(type);
    if (!kind) {
        error_set(error, "%s %s: no such network; there are " NET_TYPES,
                  properties->option, type);
        return NULL;
    }
    struct net_backend *backend = calloc(1, sizeof(*backend));
    if (!backend) {
        error_set(error, "%s %s: no memory", properties->option, type);
        return NULL;
    }
    backend->kind = kind;
    backend->loop = loop;
    backend->log = log;
    backend->previous = previous;
    if (!kind->open(backend, properties, error)) {
        free(backend);
        return NULL;
    }
    return backend;
}

void net_close(struct net_backend *backend)
{
    if (backend) {
        network_disconnect(&backend->port);
        if (backend->kind->close) {
            backend->kind->close(backend);
        }
        free(backend);
    }
}

struct network_port *net_port(struct net_backend *backend)
{
    return &backend->port;
}

/* -- null: a cable with a link, at whose other end nobody listens -- */

static bool lose(void *opaque, const uint8_t *frame, size_t bytes)
{
    return true;
}

static const struct network_port_ops null_ops = {.receive = lose};

static bool open_null(struct net_backend *backend, struct properties *properties,
                      struct error *error)
{
    backend->port.ops = &null_ops;
    return true;
}

const struct net_kind net_null = {
    .type = "null",
    .properties = "none but id",
    .open = open_null,
};

/* -- addresses -- */

static bool parse_mask(const char *text, uint32_t *mask)
{
    struct in_addr address;
    char *end;
    unsigned long bits = strtoul(text, &end, 10);
    if (*text && *end == '\0' && bits <= 32) {
        *mask = bits ? UINT32_MAX << (32 - bits) : 0;
        return true;
    }
    if (inet_pton(AF_INET, text, &address) != 1) {
        return false;
    }
    *mask = ntohl(address.s_addr);
    return (~*mask & (~*mask + 1)) == 0; /* ones, then zeros */
}

bool net_parse_ipv4(const char *text, uint32_t *address, uint32_t *mask)
{
    char first[INET_ADDRSTRLEN];
    struct in_addr parsed;
    size_t length = mask ? strcspn(text, "/") : strlen(text);
    if (length >= sizeof(first)) {
        return false;
    }
    memcpy(first, text, length);
    first[length] = '\0';
    if (inet_pton(AF_INET, first, &parsed) != 1 ||
        (text[length] == '/' && !parse_mask(text + length + 1, mask))) {
        return false;
    }
    *address = ntohl(parsed.s_addr);
    return true;
}

bool net_parse_port(const char *text, uint16_t *port)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    *port = (uint16_t)number;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && number <= UINT16_MAX;
}
