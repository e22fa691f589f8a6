/* "socket,listen=|connect=|udp=|mcast=…": frames to and from other simulators, QEMU
 * included, by sockets of the host:
 *
 *   listen=[HOST]:PORT               a stream; one client at a time, again and again
 *   connect=HOST:PORT                to one that listens
 *   udp=HOST:PORT,localaddr=HOST:PORT
 *   mcast=GROUP:PORT[,localaddr=HOST]
 *
 * All are opened at once; later, only connections to `listen` are accepted. */
#define _GNU_SOURCE /* accept4 */
#include "host/net/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct net_of_socket {
    int listener;     /* -1: none */
    bool is_datagram; /* what follows is `frames`, not `stream` */
    int output;       /* mcast: a socket of its own to send by; -1: none */
    struct sockaddr_in own;
    struct net_stream stream;
    struct net_frames frames;
};

/* HOST may be left out: `*address` keeps its host then. */
static bool parse_place(const char *option, const char *key, const char *text,
                        struct sockaddr_in *address, struct error *error)
{
    char host[64];
    uint16_t port;
    uint32_t number = ntohl(address->sin_addr.s_addr);
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || length >= sizeof(host) || !net_parse_port(colon + 1, &port)) {
        return error_set(error, "%s: %s=%s: give HOST:PORT", option, key, text);
    }
    memcpy(host, text, length);
    host[length] = '\0';
    if (strcmp(host, "localhost") == 0) {
        number = INADDR_LOOPBACK;
    } else if (length && !net_parse_ipv4(host, &number, NULL)) {
        return error_set(error, "%s: %s=%s: give the host's address in numbers", option,
                         key, text);
    }
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(number);
    address->sin_port = htons(port);
    return true;
}

static int new_socket(int type)
{
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (fd >= 0 && !(type & SOCK_DGRAM)) {
        /* Those that are accepted inherit it. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static bool bind_to(int fd, const struct sockaddr_in *address)
{
    return fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static bool connect_to(int fd, const struct sockaddr_in *address)
{
    return fd >= 0 &&
           connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static bool refuse(const char *option, const char *key, const char *text, int fd,
                   struct error *error)
{
    error_set_errno(error, errno, "%s: %s=%s", option, key, text);
    if (fd >= 0) {
        close(fd);
    }
    return false;
}

/* -- streams -- */

static void on_client(void *opaque, unsigned events)
{
    struct net_backend *backend = opaque;
    struct net_of_socket *own = backend->own;
    int fd = accept4(own->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        event_loop_watch(backend->loop, own->listener, 0, NULL, NULL);
        net_stream_set(&own->stream, fd);
    }
}

static void stream_ended(void *opaque, int fd)
{
    struct net_backend *backend = opaque;
    struct net_of_socket *own = backend->own;
    close(fd);
    if (own->listener >= 0) {
        event_loop_watch(backend->loop, own->listener, EVENT_READABLE, on_client,
                         backend);
    } else {
        log_warning(backend->log, "-netdev socket: the other side is gone; the guest "
                                  "goes on without a network");
    }
}

static void start_stream(struct net_backend *backend, int fd)
{
    struct net_of_socket *own = backend->own;
    own->stream.port = &backend->port;
    own->stream.loop = backend->loop;
    own->stream.fd = -1;
    own->stream.ended = stream_ended;
    own->stream.opaque = backend;
    backend->port.ops = &net_stream_ops;
    backend->port.opaque = &own->stream;
    net_stream_set(&own->stream, fd);
}

/* Without a host, only this one can connect. */
static bool open_listener(struct net_backend *backend, const char *option,
                          const char *text, struct error *error)
{
    struct net_of_socket *own = backend->own;
    struct sockaddr_in address = {.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!parse_place(option, "listen", text, &address, error)) {
        return false;
    }
    int fd = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
    if (!bind_to(fd, &address) || listen(fd, 1) < 0) {
        return refuse(option, "listen", text, fd, error);
    }
    own->listener = fd;
    start_stream(backend, -1);
    event_loop_watch(backend->loop, fd, EVENT_READABLE, on_client, backend);
    return true;
}

static bool open_connection(struct net_backend *backend, const char *option,
                            const char *text, struct error *error)
{
    struct sockaddr_in address = {.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!parse_place(option, "connect", text, &address, error)) {
        return false;
    }
    int fd = new_socket(SOCK_STREAM);
    if (!connect_to(fd, &address)) {
        return refuse(option, "connect", text, fd, error);
    }
    start_stream(backend, fd);
    return true;
}

/* -- datagrams -- */

static void start_frames(struct net_backend *backend, int input, int output)
{
    struct net_of_socket *own = backend->own;
    own->is_datagram = true;
    own->frames.input_fd = input;
    own->frames.output_fd = output;
    own->frames.is_socket = true;
    net_frames_start(&own->frames, backend);
}

static bool open_udp(struct net_backend *backend, const char *option, const char *text,
                     const char *local, struct error *error)
{
    struct sockaddr_in there = {.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in here = there;
    if (!local) {
        return error_set(error, "%s: udp=%s goes with localaddr=HOST:PORT", option,
                         text);
    }
    if (!parse_place(option, "udp", text, &there, error) ||
        !parse_place(option, "localaddr", local, &here, error)) {
        return false;
    }
    int fd = new_socket(SOCK_DGRAM);
    if (!bind_to(fd, &here) || !connect_to(fd, &there)) {
        return refuse(option, "udp", text, fd, error);
    }
    start_frames(backend, fd, fd);
    return true;
}

/* One socket to hear the group by, and one that is connected to it, as a confined
 * machine may not name whom it sends to. */
static bool open_group(struct net_backend *backend, const char *option,
                       const char *text, const char *local, struct error *error)
{
    struct net_of_socket *own = backend->own;
    struct sockaddr_in group = {.sin_family = AF_INET};
    struct ip_mreq membership = {.imr_interface.s_addr = htonl(INADDR_ANY)};
    uint32_t number = 0;
    socklen_t own_bytes = sizeof(own->own);
    if (!parse_place(option, "mcast", text, &group, error)) {
        return false;
    }
    if (!IN_MULTICAST(ntohl(group.sin_addr.s_addr)) ||
        (local && !net_parse_ipv4(local, &number, NULL))) {
        return error_set(error,
                         "%s: mcast=%s: give a group such as 230.0.0.1:1234, "
                         "and localaddr=ADDRESS of an interface",
                         option, text);
    }
    membership.imr_multiaddr = group.sin_addr;
    membership.imr_interface.s_addr = htonl(number);
    int input = new_socket(SOCK_DGRAM);
    if (!bind_to(input, &group) || setsockopt(input, IPPROTO_IP, IP_ADD_MEMBERSHIP,
                                              &membership, sizeof(membership)) < 0) {
        return refuse(option, "mcast", text, input, error);
    }
    int output = new_socket(SOCK_DGRAM);
    if (output < 0 ||
        (local &&
         setsockopt(output, IPPROTO_IP, IP_MULTICAST_IF, &membership.imr_interface,
                    sizeof(membership.imr_interface)) < 0) ||
        !connect_to(output, &group) ||
        getsockname(output, (struct sockaddr *)&own->own, &own_bytes) < 0) {
        close(input);
        return refuse(option, "mcast", text, output, error);
    }
    own->output = output;
    own->frames.own = &own->own;
    start_frames(backend, input, output);
    return true;
}

static bool open_one(struct net_backend *backend, struct properties *properties,
                     struct error *error)
{
    const char *option = properties->option;
    const char *listener = properties_take(properties, "listen");
    const char *connection = properties_take(properties, "connect");
    const char *udp = properties_take(properties, "udp");
    const char *group = properties_take(properties, "mcast");
    const char *local = properties_take(properties, "localaddr");
    if (!!listener + !!connection + !!udp + !!group != 1) {
        return error_set(
            error,
            "%s: socket needs one of listen=, connect=, udp= and mcast=", option);
    }
    if (listener) {
        return open_listener(backend, option, listener, error);
    }
    if (connection) {
        return open_connection(backend, option, connection, error);
    }
    return udp ? open_udp(backend, option, udp, local, error)
               : open_group(backend, option, group, local, error);
}

static bool open_socket(struct net_backend *backend, struct properties *properties,
                        struct error *error)
{
    struct net_of_socket *own = calloc(1, sizeof(*own));
    if (!own) {
        return error_set(error, "%s: no memory", properties->option);
    }
    own->listener = own->output = own->stream.fd = -1;
    backend->own = own;
    if (!open_one(backend, properties, error)) {
        free(own);
        return false;
    }
    return true;
}

static void close_all(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
}

static void close_socket(struct net_backend *backend)
{
    struct net_of_socket *own = backend->own;
    const int fds[] = {own->listener, own->output, own->stream.fd,
                       own->is_datagram ? own->frames.input_fd : -1};
    if (own->listener >= 0) {
        event_loop_watch(backend->loop, own->listener, 0, NULL, NULL);
    }
    if (own->is_datagram) {
        net_frames_stop(&own->frames);
    } else {
        net_stream_set(&own->stream, -1);
    }
    close_all(fds, ARRAY_LENGTH(fds));
    free(own);
}

const struct net_kind net_socket = {
    .type = "socket",
    .properties = "id, listen, connect, udp, mcast and localaddr",
    .brings_input = true,
    .open = open_socket,
    .close = close_socket,
};
