/* "unix:PATH[,server[=on|off]][,nowait|,wait[=on|off]]": a stream socket. A server
 * listens and takes one client at a time, again and again; without `nowait` the machine
 * starts when the first client is there. Without `server`, PATH is connected to. What
 * the guest writes while nobody is connected is lost, as on a real serial line. */
#define _GNU_SOURCE /* accept4 */
#include "host/console/character_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct unix_socket {
    struct sockaddr_un address;
    bool server, wait;
    int listener; /* -1: none */
};

static bool parse_options(struct unix_socket *socket, char *options,
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
        } else {
            return error_set(error,
                             "'%s' is no option of unix:PATH; there are server and "
                             "nowait",
                             option);
        }
    }
    return true;
}

static bool parse(struct unix_socket *socket, const char *argument, struct error *error)
{
    size_t length = strcspn(argument, ",");
    if (length == 0) {
        return error_set(error, "'unix:' lacks the path of the socket");
    }
    if (length >= sizeof(socket->address.sun_path)) {
        return error_set(error,
                         "the path of a unix socket has at most %zu bytes: '%s' has "
                         "more",
                         sizeof(socket->address.sun_path) - 1, argument);
    }
    socket->address.sun_family = AF_UNIX;
    memcpy(socket->address.sun_path, argument, length);
    socket->wait = true;
    socket->listener = -1;
    char *options = strdup(argument + length);
    if (!options) {
        return error_set(error, "unix:%s: no memory", argument);
    }
    bool good = parse_options(socket, options, error);
    free(options);
    return good;
}

static int new_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool connect_to(int fd, const struct unix_socket *own)
{
    return connect(fd, (const struct sockaddr *)&own->address, sizeof(own->address)) ==
           0;
}

static void on_client(void *opaque, unsigned events);

/* Listens for the next client, or stops while there is one. */
static void watch_listener(struct character *character)
{
    const struct unix_socket *own = character->own;
    if (own->listener >= 0) {
        unsigned events = character->input_fd < 0 ? EVENT_READABLE : 0;
        event_loop_watch(character->loop, own->listener, events, on_client, character);
    }
}

static void accept_client(struct character *character)
{
    const struct unix_socket *own = character->own;
    int fd = accept4(own->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        character_set_descriptors(character, fd, fd);
    }
    watch_listener(character);
}

static void on_client(void *opaque, unsigned events)
{
    (void)events;
    accept_client(opaque);
}

/* A socket that a server which is gone has left behind. */
static void remove_stale_socket(const struct unix_socket *own)
{
    struct stat status;
    int fd = new_socket();
    if (fd >= 0 && stat(own->address.sun_path, &status) == 0 &&
        S_ISSOCK(status.st_mode) && !connect_to(fd, own) && errno == ECONNREFUSED) {
        unlink(own->address.sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static bool start_server(struct character *character, struct error *error)
{
    struct unix_socket *own = character->own;
    const char *path = own->address.sun_path;
    remove_stale_socket(own);
    int fd = new_socket();
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&own->address, sizeof(own->address)) < 0 ||
        listen(fd, 1) < 0) {
        error_set_errno(error, errno, "cannot listen on '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    own->listener = fd;
    if (own->wait) {
        log_warning(character->log, "waiting for a connection on '%s'", path);
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        while (poll(&polled, 1, -1) < 0 && errno == EINTR) {
        }
    }
    accept_client(character);
    return true;
}

static bool start_client(struct character *character, struct error *error)
{
    const struct unix_socket *own = character->own;
    int fd = new_socket();
    if (fd < 0 || !connect_to(fd, own)) {
        error_set_errno(error, errno,
                        "cannot connect to '%s' (add ',server' to listen there)",
                        own->address.sun_path);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    character_set_descriptors(character, fd, fd);
    return true;
}

static bool open_unix(struct character *character, const char *argument,
                      struct error *error)
{
    struct unix_socket *own = calloc(1, sizeof(*own));
    if (!own) {
        return error_set(error, "unix:%s: no memory", argument);
    }
    character->own = own;
    if (parse(own, argument, error) && (own->server ? start_server(character, error)
                                                    : start_client(character, error))) {
        return true;
    }
    free(own);
    return false;
}

static void unix_ended(struct character *character, enum connection_end end)
{
    (void)end;
    int fd = character->input_fd;
    character_set_descriptors(character, -1, -1);
    close(fd);
    watch_listener(character);
}

static void close_unix(struct character *character)
{
    struct unix_socket *own = character->own;
    if (character->input_fd >= 0) {
        close(character->input_fd);
    }
    if (own->listener >= 0) {
        event_loop_watch(character->loop, own->listener, 0, NULL, NULL);
        close(own->listener);
        unlink(own->address.sun_path);
    }
    free(own);
}

const struct character_backend character_unix = {
    .prefix = "unix:",
    .open = open_unix,
    .ended = unix_ended,
    .close = close_unix,
    .patience_ms = 1000,
};
