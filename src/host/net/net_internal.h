/* host/net/net_internal.h: what the back ends share. Thread: as net.h. */
#ifndef HOST_NET_NET_INTERNAL_H
#define HOST_NET_NET_INTERNAL_H

#include "host/net/net.h"

#include <netinet/in.h>

struct net_kind {
    const char *type;
    const char *properties; /* for messages */
    bool brings_input;
    /* Fills in backend->port.ops, port.opaque and own. */
    bool (*open)(struct net_backend *backend, struct properties *properties,
                 struct error *error);
    void (*close)(struct net_backend *backend); /* may be NULL */
};

struct net_backend {
    const struct net_kind *kind;
    struct network_port port;
    struct event_loop *loop;
    struct log *log;
    struct net_backend *previous; /* of the machine, while it is being opened */
    void *own;
};

extern const struct net_kind net_user, net_tap, net_socket, net_hub, net_null;

enum { NET_FRAMES_AT_ONCE = 64 }; /* before others get the lock */

/* frames.c: a pair of descriptors, or one, that carry a frame per message: datagram and
 * packet sockets, TAP devices. */
struct net_frames {
    struct network_port *port;
    struct event_loop *loop;
    int input_fd, output_fd; /* not blocking; may be the same; -1: ended */
    bool is_socket;
    const struct sockaddr_in *own; /* what comes from there is our own; may be NULL */
    void (*ended)(void *opaque);   /* the other side is gone; may be NULL */
    void *opaque;
    bool is_reading, is_waiting; /* for the other end of the cable; to write */
    size_t held;                 /* bytes of a frame that found no room */
    uint8_t bytes[NETWORK_MAXIMUM_BYTES];
};

/* For a struct network_port whose opaque is a struct net_frames. */
extern const struct network_port_ops net_frames_ops;

/* The descriptors, is_socket and ended() are filled in. */
void net_frames_start(struct net_frames *frames, struct net_backend *backend);
/* Watches nothing any more; the descriptors are the caller's. */
void net_frames_stop(struct net_frames *frames);

/* stream.c: a stream socket that carries frames, each after its length (32 bits, big
 * endian), as QEMU's do. */
struct net_stream {
    struct network_port *port;
    struct event_loop *loop;
    int fd; /* not blocking; -1: not connected */
    /* The other side is gone; `fd` is the callee's to close. */
    void (*ended)(void *opaque, int fd);
    void *opaque;
    bool is_reading;
    size_t input_bytes, output_bytes, output_sent;
    uint8_t input[sizeof(uint32_t) + NETWORK_MAXIMUM_BYTES];
    uint8_t output[sizeof(uint32_t) + NETWORK_MAXIMUM_BYTES];
};

/* For a struct network_port whose opaque is a struct net_stream. */
extern const struct network_port_ops net_stream_ops;

/* A connection is there: -1 to end one. */
void net_stream_set(struct net_stream *stream, int fd);

/* Dotted decimal, in host order; with `mask` maybe "/24" or "/255.255.255.0" behind it,
 * else `*mask` stays as it is. */
bool net_parse_ipv4(const char *text, uint32_t *address, uint32_t *mask);
/* A decimal number from 0 to 65535 that ends the text. */
bool net_parse_port(const char *text, uint16_t *port);

#endif
