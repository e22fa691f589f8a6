/* "unix:PATH" and "tcp:HOST:PORT", both with
 * [,server[=on|off]][,nowait|,wait[=on|off]]: a stream socket. A server listens and
 * takes one client at a time, again and again; without `nowait` the machine starts when
 * the first client is there. An empty HOST is this host's loopback: whoever wants more
 * names it (0.0.0.0). Without `server`, the address is connected to. What the guest
 * writes while nobody is connected is lost, as on a real serial line. */
#define _GNU_SOURCE /* accept4 */
#include "host/console/character_internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct stream_socket {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    char *name; /* for messages: the path, or HOST:PORT */
    bool server, wait;
    int listener; /* -1: none */
};

static const char *path_of(const struct stream_socket *own)
{
    return own->address.ss_family == AF_UNIX
               ? ((const struct sockaddr_un *)&own->address)->sun_path
               : NULL;
}

static bool parse_options(struct stream_socket *socket, char *options,
                          struct error *error)
{
    char *rest = NULL;
    for (char *option = strtok_r(options, ",", &rest); option;
         option = strtok_r(NULL, ",", &rest)) {
        if (strcmp(option, "server") == 0 || strcmp(option, "server=on") == 0) {
            socket->server = true;
        } else if (strcmp(option, "server=off") == 0) {
            socket->server = false;
        } else if (strcmp(option, "wait") == 0 || strcmp(option, "wait=on") == 0) {
            socket->wait = true;
        } else if (strcmp(option, "nowait") == 0 || strcmp(option, "wait=off") == 0) {
            socket->wait = false;
        } else if (strcmp(option, "nodelay") != 0 &&
                   strcmp(option, "nodelay=on") != 0) {
            return error_set(error,
                             "'%s' is no option of a socket; there are server and "
                             "nowait",
                             option);
        }
    }
    return true;
}

static bool set_unix_address(struct stream_socket *socket, struct error *error)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&socket->address;
    size_t length = strlen(socket->name);
    if (length == 0) {
        return error_set(error, "'unix:' lacks the path of the socket");
    }
    if (length >= sizeof(address->sun_path)) {
        return error_set(error,
                         "the path of a unix socket has at most %zu bytes: '%s' has "
                         "more",
                         sizeof(address->sun_path) - 1, socket->name);
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, socket->name, length + 1);
    socket->address_bytes = sizeof(*address);
    return true;
}

static bool set_tcp_address(struct stream_socket *socket, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = socket->server ? AI_PASSIVE : 0};
    struct addrinfo *found;
    char host[256];
    const char *colon = strrchr(socket->name, ':');
    size_t length = colon ? (size_t)(colon - socket->name) : 0;
    if (!colon || !colon[1] || length >= sizeof(host)) {
        return error_set(error, "'tcp:%s' lacks the port: write tcp:HOST:PORT",
                         socket->name);
    }
    memcpy(host, socket->name, length);
    host[length] = '\0';
    bool bracketed = length > 1 && host[0] == '[' && host[length - 1] == ']';
    if (bracketed) {
        host[length - 1] = '\0';
    }
    const char *name = length == 0 ? "127.0.0.1" : host + bracketed;
    int failure = getaddrinfo(name, colon + 1, &hints, &found);
    if (failure) {
        return error_set(error, "tcp:%s: %s", socket->name, gai_strerror(failure));
    }
    memcpy(&socket->address, found->ai_addr, found->ai_addrlen);
    socket->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool parse(struct stream_socket *socket, const char *argument, bool tcp,
                  struct error *error)
{
    socket->wait = true;
    socket->listener = -1;
    char *options = strchr(argument, ',');
    size_t length = strcspn(argument, ",");
    socket->name = strndup(argument, length);
    options = options ? strdup(options) : NULL;
    bool good =
        socket->name && parse_options(socket, options ? options : "", error) &&
        (tcp ? set_tcp_address(socket, error) : set_unix_address(socket, error));
    free(options);
    return good;
}

static int new_socket(const struct stream_socket *own)
{
    const int one = 1;
    int family = own->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && family != AF_UNIX) {
        /* Inherited by the sockets of clients. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    return fd;
}

static bool connect_to(int fd, const struct stream_socket *own)
{
    return connect(fd, (const struct sockaddr *)&own->address, own->address_bytes) == 0;
}

static void on_client(void *opaque, unsigned events);

/* Listens for the next client, or stops while there is one. */
static void watch_listener(struct character *character)
{
    const struct stream_socket *own = character->own;
    if (own->listener >= 0) {
        unsigned events = character->input_fd < 0 ? EVENT_READABLE : 0;
        event_loop_watch(character->loop, own->listener, events, on_client, character);
    }
}

static void accept_client(struct character *character)
{
    const struct stream_socket *own = character->own;
    int fd = accept4(own->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        character_set_descriptors(character, fd, fd);
    }
    watch_listener(character);
    if (fd >= 0) {
        character_opened(character);
    }
}

static void on_client(void *opaque, unsigned events)
{
    (void)events;
    accept_client(opaque);
}

/* A socket that a server which is gone has left behind. */
static void remove_stale_socket(const struct stream_socket *own)
{
    struct stat status;
    int fd = new_socket(own);
    if (fd >= 0 && stat(path_of(own), &status) == 0 && S_ISSOCK(status.st_mode) &&
        !connect_to(fd, own) && errno == ECONNREFUSED) {
        unlink(path_of(own));
    }
    if (fd >= 0) {
        close(fd);
    }
}

static bool start_server(struct character *character, struct error *error)
{
    struct stream_socket *own = character->own;
    if (path_of(own)) {
        remove_stale_socket(own);
    }
    int fd = new_socket(own);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&own->address, own->address_bytes) < 0 ||
        listen(fd, 1) < 0) {
        error_set_errno(error, errno, "cannot listen on '%s'", own->name);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    own->listener = fd;
    if (own->wait) {
        log_warning(character->log, "waiting for a connection on '%s'", own->name);
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        while (poll(&polled, 1, -1) < 0 && errno == EINTR) {
        }
    }
    accept_client(character);
    return true;
}

/* The connection is made before the machine runs, and may take its time. */
static bool connect_at_last(int fd, const struct stream_socket *own)
{
    int why = 0;
    socklen_t bytes = sizeof(why);
    if (connect_to(fd, own)) {
        return true;
    }
    if (errno != EINPROGRESS) {
        return false;
    }
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    while (poll(&polled, 1, -1) < 0 && errno == EINTR) {
    }
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &bytes);
    errno = why;
    return why == 0;
}

static bool start_client(struct character *character, struct error *error)
{
    const struct stream_socket *own = character->own;
    int fd = new_socket(own);
    if (fd < 0 || !connect_at_last(fd, own)) {
        error_set_errno(error, errno,
                        "cannot connect to '%s' (add ',server' to listen there)",
                        own->name);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    character_set_descriptors(character, fd, fd);
    return true;
}

static bool open_socket(struct character *character, const char *argument, bool tcp,
                        struct error *error)
{
    struct stream_socket *own = calloc(1, sizeof(*own));
    if (!own) {
        return error_set(error, "%s: no memory", argument);
    }
    character->own = own;
    if (parse(own, argument, tcp, error) &&
        (own->server ? start_server(character, error)
                     : start_client(character, error))) {
        return true;
    }
    free(own->name);
    free(own);
    return false;
}

static bool open_unix(struct character *character, const char *argument,
                      struct error *error)
{
    return open_socket(character, argument, false, error);
}

static bool open_tcp(struct character *character, const char *argument,
                     struct error *error)
{
    return open_socket(character, argument, true, error);
}

static void socket_ended(struct character *character, enum connection_end end)
{
    (void)end;
    int fd = character->input_fd;
    character_set_descriptors(character, -1, -1);
    close(fd);
    character_closed(character);
    watch_listener(character);
}

static void close_socket(struct character *character)
{
    struct stream_socket *own = character->own;
    if (character->input_fd >= 0) {
        close(character->input_fd);
    }
    if (own->listener >= 0) {
        event_loop_watch(character->loop, own->listener, 0, NULL, NULL);
        close(own->listener);
        if (path_of(own)) {
            unlink(path_of(own));
        }
    }
    free(own->name);
    free(own);
}

const struct character_backend character_unix = {
    .prefix = "unix:",
    .open = open_unix,
    .ended = socket_ended,
    .close = close_socket,
    .patience_ms = 1000,
};

const struct character_backend character_tcp = {
    .prefix = "tcp:",
    .open = open_tcp,
    .ended = socket_ended,
    .close = close_socket,
    .patience_ms = 1000,
};
