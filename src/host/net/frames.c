#include "host/net/net_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_input(void *opaque, unsigned events);
static void on_room(void *opaque, unsigned events);

static void on_events(void *opaque, unsigned events)
{
    if (events & EVENT_WRITABLE) {
        on_room(opaque, events);
    }
    if (events & EVENT_READABLE) {
        on_input(opaque, events);
    }
}

static void watch(struct net_frames *frames)
{
    unsigned input = frames->is_reading ? EVENT_READABLE : 0;
    unsigned output = frames->is_waiting ? EVENT_WRITABLE : 0;
    if (frames->input_fd == frames->output_fd) {
        event_loop_watch(frames->loop, frames->input_fd, input | output, on_events,
                         frames);
        return;
    }
    event_loop_watch(frames->loop, frames->input_fd, input, on_input, frames);
    event_loop_watch(frames->loop, frames->output_fd, output, on_room, frames);
}

static void end(struct net_frames *frames)
{
    net_frames_stop(frames);
    frames->input_fd = frames->output_fd = -1;
    if (frames->ended) {
        frames->ended(frames->opaque);
    }
    network_set_link(frames->port, false);
}

/* False: the card has no room. */
static bool deliver_held(struct net_frames *frames)
{
    if (frames->held && !network_send(frames->port, frames->bytes, frames->held)) {
        return false;
    }
    frames->held = 0;
    return true;
}

/* As read(); EINTR for a frame of our own that a multicast group has sent back. */
static ssize_t read_frame(struct net_frames *frames)
{
    struct sockaddr_in from = {.sin_port = 0};
    socklen_t from_bytes = sizeof(from);
    if (!frames->is_socket) {
        return read(frames->input_fd, frames->bytes, sizeof(frames->bytes));
    }
    if (!frames->own) {
        return recv(frames->input_fd, frames->bytes, sizeof(frames->bytes),
                    MSG_DONTWAIT);
    }
    ssize_t length = recvfrom(frames->input_fd, frames->bytes, sizeof(frames->bytes),
                              MSG_DONTWAIT, (struct sockaddr *)&from, &from_bytes);
    if (length >= 0 && from.sin_port == frames->own->sin_port &&
        from.sin_addr.s_addr == frames->own->sin_addr.s_addr) {
        errno = EINTR;
        return -1;
    }
    return length;
}

/* An error of a datagram socket is that of an earlier message: nobody listened. */
static bool is_lasting(int why)
{
    return why != EAGAIN && why != EINTR && why != ECONNREFUSED && why != ENOBUFS &&
           why != EHOSTUNREACH && why != ENETUNREACH && why != EMSGSIZE;
}

static void on_input(void *opaque, unsigned events)
{
    struct net_frames *frames = opaque;
    for (unsigned i = 0; i < NET_FRAMES_AT_ONCE && frames->input_fd >= 0; i++) {
        if (!network_can_send(frames->port)) {
            frames->is_reading = false;
            watch(frames);
            return;
        }
        ssize_t length = read_frame(frames);
        if (length < 0 && !is_lasting(errno)) {
            return;
        }
        if (length <= 0) {
            end(frames);
            return;
        }
        frames->held = (size_t)length;
        if (!deliver_held(frames)) {
            frames->is_reading = false;
            watch(frames);
            return;
        }
    }
}

static void on_room(void *opaque, unsigned events)
{
    struct net_frames *frames = opaque;
    frames->is_waiting = false;
    watch(frames);
    network_resume(frames->port);
}

static bool frames_receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct net_frames *frames = opaque;
    if (frames->output_fd < 0) {
        return true;
    }
    ssize_t written = frames->is_socket ? send(frames->output_fd, frame, bytes,
                                               MSG_DONTWAIT | MSG_NOSIGNAL)
                                        : write(frames->output_fd, frame, bytes);
    if (written < 0 && errno == EAGAIN) {
        frames->is_waiting = true;
        watch(frames);
        return false;
    }
    return true;
}

static bool frames_can_receive(void *opaque)
{
    const struct net_frames *frames = opaque;
    return !frames->is_waiting;
}

static void frames_resume(void *opaque)
{
    struct net_frames *frames = opaque;
    if (frames->input_fd >= 0 && !frames->is_reading && deliver_held(frames)) {
        frames->is_reading = true;
        watch(frames);
    }
}

const struct network_port_ops net_frames_ops = {
    .receive = frames_receive,
    .can_receive = frames_can_receive,
    .resume = frames_resume,
};

void net_frames_start(struct net_frames *frames, struct net_backend *backend)
{
    frames->port = &backend->port;
    frames->loop = backend->loop;
    frames->is_reading = true;
    backend->port.ops = &net_frames_ops;
    backend->port.opaque = frames;
    watch(frames);
}

void net_frames_stop(struct net_frames *frames)
{
    if (frames->input_fd >= 0) {
        frames->is_reading = frames->is_waiting = false;
        watch(frames);
    }
}
