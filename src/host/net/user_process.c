#include "host/net/user_process.h"

#include "base/error.h"
#include "bus/network.h"
#include "host/confinement/confinement.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>

enum {
    /* Frames that wait for the machine: from here on, no more is taken from the host's
     * sockets, and from there on they are lost. */
    QUEUE_LONG = 256,
    QUEUE_MAXIMUM = 8192,
    POLLED_MAXIMUM = 1024,
    FRAMES_AT_ONCE = 64,
    LONGEST_SLEEP_MS = 10000,
};

struct queued_frame {
    STAILQ_ENTRY(queued_frame) next;
    size_t bytes;
    uint8_t frame[];
};

struct user_timer {
    LIST_ENTRY(user_timer) next;
    SlirpTimerCb callback;
    void *opaque;
    int64_t deadline_ms; /* -1: not armed */
};

struct user {
    Slirp *slirp;
    int socket;
    STAILQ_HEAD(, queued_frame) queue;
    unsigned queued;
    LIST_HEAD(, user_timer) timers;
    struct pollfd polled[POLLED_MAXIMUM];
    unsigned polled_count;
};

/* -- what libslirp asks for -- */

static int64_t now_ns(void *opaque)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * (int64_t)NS_PER_SECOND + now.tv_nsec;
}

static int64_t now_ms(void)
{
    return now_ns(NULL) / 1000000;
}

static bool send_now(struct user *user, const void *frame, size_t bytes)
{
    return send(user->socket, frame, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
           (errno != EAGAIN && errno != EINTR);
}

static ssize_t send_packet(const void *frame, size_t bytes, void *opaque)
{
    struct user *user = opaque;
    if (STAILQ_EMPTY(&user->queue) && send_now(user, frame, bytes)) {
        return (ssize_t)bytes;
    }
    struct queued_frame *queued =
        user->queued < QUEUE_MAXIMUM ? malloc(sizeof(*queued) + bytes) : NULL;
    if (queued) {
        queued->bytes = bytes;
        memcpy(queued->frame, frame, bytes);
        STAILQ_INSERT_TAIL(&user->queue, queued, next);
        user->queued++;
    }
    return (ssize_t)bytes;
}

/* A frame that makes no sense: lost, as in any network. */
static void guest_error(const char *message, void *opaque)
{
}

static void *timer_new(SlirpTimerCb callback, void *callback_opaque, void *opaque)
{
    struct user *user = opaque;
    struct user_timer *timer = calloc(1, sizeof(*timer));
    if (!timer) {
        abort();
    }
    timer->callback = callback;
    timer->opaque = callback_opaque;
    timer->deadline_ms = -1;
    LIST_INSERT_HEAD(&user->timers, timer, next);
    return timer;
}

static void timer_free(void *opaque_timer, void *opaque)
{
    struct user_timer *timer = opaque_timer;
    LIST_REMOVE(timer, next);
    free(timer);
}

static void timer_mod(void *opaque_timer, int64_t deadline_ms, void *opaque)
{
    struct user_timer *timer = opaque_timer;
    timer->deadline_ms = deadline_ms;
}

/* Every round asks anew what is to be polled, and nobody else wakes the process. */
static void poll_fd_changed(int fd, void *opaque)
{
}

static void notify(void *opaque)
{
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = poll_fd_changed,
    .unregister_poll_fd = poll_fd_changed,
    .notify = notify,
};

/* -- polling -- */

static int add_poll(int fd, int events, void *opaque)
{
    struct user *user = opaque;
    short wanted = 0;
    if (user->polled_count == POLLED_MAXIMUM) {
        return -1;
    }
    wanted |= events & SLIRP_POLL_IN ? POLLIN : 0;
    wanted |= events & SLIRP_POLL_OUT ? POLLOUT : 0;
    wanted |= events & SLIRP_POLL_PRI ? POLLPRI : 0;
    user->polled[user->polled_count] = (struct pollfd){.fd = fd, .events = wanted};
    return (int)user->polled_count++;
}

static int found_events(int index, void *opaque)
{
    const struct user *user = opaque;
    short found = index >= 0 ? user->polled[index].revents : 0;
    return (found & POLLIN ? SLIRP_POLL_IN : 0) |
           (found & POLLOUT ? SLIRP_POLL_OUT : 0) |
           (found & POLLPRI ? SLIRP_POLL_PRI : 0) |
           (found & POLLERR ? SLIRP_POLL_ERR : 0) |
           (found & POLLHUP ? SLIRP_POLL_HUP : 0);
}

/* Fires what is due; returns how long to sleep then, at most `most_ms`. A callback may
 * free its timer, or make others: begin again after each. */
static int run_timers(struct user *user, uint32_t most_ms)
{
    int64_t sleep_ms = most_ms < LONGEST_SLEEP_MS ? most_ms : LONGEST_SLEEP_MS;
    struct user_timer *timer = LIST_FIRST(&user->timers);
    while (timer) {
        int64_t left_ms = timer->deadline_ms - now_ms();
        if (timer->deadline_ms >= 0 && left_ms <= 0) {
            timer->deadline_ms = -1;
            timer->callback(timer->opaque);
            timer = LIST_FIRST(&user->timers);
            continue;
        }
        if (timer->deadline_ms >= 0 && left_ms < sleep_ms) {
            sleep_ms = left_ms;
        }
        timer = LIST_NEXT(timer, next);
    }
    return (int)sleep_ms;
}

/* False: the machine has closed its end. */
static bool take_frames(struct user *user)
{
    uint8_t frame[NETWORK_MAXIMUM_BYTES];
    for (unsigned i = 0; i < FRAMES_AT_ONCE; i++) {
        ssize_t length = recv(user->socket, frame, sizeof(frame), MSG_DONTWAIT);
        if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
            return false;
        }
        if (length < 0) {
            return true;
        }
        slirp_input(user->slirp, frame, (int)length);
    }
    return true;
}

static void send_queued(struct user *user)
{
    struct queued_frame *queued;
    while ((queued = STAILQ_FIRST(&user->queue)) &&
           send_now(user, queued->frame, queued->bytes)) {
        STAILQ_REMOVE_HEAD(&user->queue, next);
        user->queued--;
        free(queued);
    }
}

/* One round; false at the end. */
static bool serve(struct user *user)
{
    uint32_t sleep_ms = LONGEST_SLEEP_MS;
    bool takes_from_host = user->queued < QUEUE_LONG;
    user->polled_count = 1;
    user->polled[0] = (struct pollfd){.fd = user->socket, .events = POLLIN};
    if (!STAILQ_EMPTY(&user->queue)) {
        user->polled[0].events |= POLLOUT;
    }
    if (takes_from_host) {
        slirp_pollfds_fill(user->slirp, &sleep_ms, add_poll, user);
    }
    int found = poll(user->polled, user->polled_count, run_timers(user, sleep_ms));
    if (user->polled[0].revents & POLLOUT) {
        send_queued(user);
    }
    if ((user->polled[0].revents & ~POLLOUT) && !take_frames(user)) {
        return false;
    }
    if (takes_from_host) {
        slirp_pollfds_poll(user->slirp, found < 0, found_events, user);
    }
    return true;
}

/* -- the beginning -- */

static struct in_addr address_of(uint32_t address)
{
    return (struct in_addr){.s_addr = htonl(address)};
}

static Slirp *create(struct user *user, const struct user_network *network)
{
    SlirpConfig config = {
        .version = 1,
        .restricted = network->restricted,
        .in_enabled = network->ipv4,
        .vnetwork = address_of(network->network),
        .vnetmask = address_of(network->mask),
        .vhost = address_of(network->host),
        .in6_enabled = network->ipv6,
        .vprefix_len = 64,
        .vhostname = network->hostname,
        .tftp_server_name = network->tftp_server_name,
        .tftp_path = network->tftp,
        .bootfile = network->boot_file,
        .vdhcp_start = address_of(network->dhcp_start),
        .vnameserver = address_of(network->dns),
        .vdomainname = network->domain_name,
    };
    /* QEMU's. */
    inet_pton(AF_INET6, "fec0::", &config.vprefix_addr6);
    inet_pton(AF_INET6, "fec0::2", &config.vhost6);
    inet_pton(AF_INET6, "fec0::3", &config.vnameserver6);
    return slirp_new(&config, &callbacks, user);
}

static bool forward_all(struct user *user, const struct user_network *network,
                        struct error *error)
{
    for (unsigned i = 0; i < network->forward_count; i++) {
        const struct user_forward *forward = &network->forwards[i];
        char host[INET_ADDRSTRLEN];
        struct in_addr address = address_of(forward->host_address);
        if (slirp_add_hostfwd(user->slirp, forward->is_udp, address, forward->host_port,
                              address_of(forward->guest_address),
                              forward->guest_port) < 0) {
            return error_set_errno(error, errno,
                                   "hostfwd: cannot listen on %s port %u, %s",
                                   inet_ntop(AF_INET, &address, host, sizeof(host)),
                                   forward->host_port, forward->is_udp ? "UDP" : "TCP");
        }
    }
    return true;
}

int user_process(void *opaque, int socket)
{
    static struct user user; /* this process has one */
    struct error error = {.text = ""};
    user.socket = socket;
    STAILQ_INIT(&user.queue);
    LIST_INIT(&user.timers);
    user.slirp = create(&user, opaque);
    if (!user.slirp) {
        error_set(&error, "-netdev user: libslirp does not take these addresses");
    }
    bool good = user.slirp && forward_all(&user, opaque, &error);
    confinement_enter_companion(CONFINEMENT_NETWORK);
    /* With its final zero: an empty message would read as the end. */
    send(socket, error.text, strlen(error.text) + 1, MSG_NOSIGNAL);
    while (good && serve(&user)) {
    }
    return good ? 0 : 1;
}
