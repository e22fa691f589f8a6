#include "host/net/net_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LENGTH_BYTES = sizeof(uint32_t) };

static void on_events(void *opaque, unsigned events);

static void watch(struct net_stream *stream)
{
    unsigned events = (stream->is_reading ? EVENT_READABLE : 0) |
                      (stream->output_bytes ? EVENT_WRITABLE : 0);
    event_loop_watch(stream->loop, stream->fd, events, on_events, stream);
}

void net_stream_set(struct net_stream *stream, int fd)
{
    if (stream->fd >= 0) {
        event_loop_watch(stream->loop, stream->fd, 0, NULL, NULL);
    }
    stream->fd = fd;
    stream->input_bytes = stream->output_bytes = stream->output_sent = 0;
    stream->is_reading = fd >= 0;
    if (fd >= 0) {
        watch(stream);
    }
    network_set_link(stream->port, fd >= 0);
}

/* -- to the connection -- */

/* False: the connection is lost. */
static bool write_output(struct net_stream *stream)
{
    while (stream->output_sent < stream->output_bytes) {
        ssize_t sent = send(stream->fd, stream->output + stream->output_sent,
                            stream->output_bytes - stream->output_sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        stream->output_sent += (size_t)sent;
    }
    stream->output_bytes = stream->output_sent = 0;
    return true;
}

static bool stream_receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct net_stream *stream = opaque;
    uint32_t length = htonl((uint32_t)bytes);
    if (stream->fd < 0) {
        return true;
    }
    if (stream->output_bytes) {
        return false;
    }
    memcpy(stream->output, &length, LENGTH_BYTES);
    memcpy(stream->output + LENGTH_BYTES, frame, bytes);
    stream->output_bytes = LENGTH_BYTES + bytes;
    /* A lost connection is noticed by the reader. */
    if (!write_output(stream)) {
        stream->output_bytes = stream->output_sent = 0;
    } else if (stream->output_bytes) {
        watch(stream);
    }
    return true;
}

static bool stream_can_receive(void *opaque)
{
    const struct net_stream *stream = opaque;
    return stream->fd < 0 || stream->output_bytes == 0;
}

/* -- from the connection -- */

/* How many bytes the frame at the head of the input has, its length included; 0: not
 * all of that is there yet. */
static size_t first_frame(const struct net_stream *stream)
{
    uint32_t length;
    if (stream->input_bytes < LENGTH_BYTES) {
        return 0;
    }
    memcpy(&length, stream->input, LENGTH_BYTES);
    return LENGTH_BYTES + ntohl(length);
}

/* Hands on what is complete. False: the card has no room. */
static bool deliver(struct net_stream *stream)
{
    size_t bytes = first_frame(stream);
    while (bytes && bytes <= stream->input_bytes) {
        if (!network_send(stream->port, stream->input + LENGTH_BYTES,
                          bytes - LENGTH_BYTES)) {
            return false;
        }
        stream->input_bytes -= bytes;
        memmove(stream->input, stream->input + bytes, stream->input_bytes);
        bytes = first_frame(stream);
    }
    return true;
}

/* False: the connection is lost, or makes no sense. */
static bool read_input(struct net_stream *stream)
{
    for (unsigned i = 0; i < NET_FRAMES_AT_ONCE; i++) {
        if (!deliver(stream)) {
            stream->is_reading = false;
            watch(stream);
            return true;
        }
        if (first_frame(stream) > sizeof(stream->input)) {
            return false;
        }
        ssize_t length =
            recv(stream->fd, stream->input + stream->input_bytes,
                 sizeof(stream->input) - stream->input_bytes, MSG_DONTWAIT);
        if (length < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (length == 0) {
            return false;
        }
        stream->input_bytes += (size_t)length;
    }
    return true;
}

static void on_events(void *opaque, unsigned events)
{
    struct net_stream *stream = opaque;
    bool good = true;
    if (events & EVENT_WRITABLE) {
        good = write_output(stream);
        if (good && !stream->output_bytes) {
            watch(stream);
            network_resume(stream->port);
        }
    }
    if (good && (events & EVENT_READABLE)) {
        good = read_input(stream);
    }
    if (!good) {
        int fd = stream->fd;
        net_stream_set(stream, -1);
        stream->ended(stream->opaque, fd);
    }
}

static void stream_resume(void *opaque)
{
    struct net_stream *stream = opaque;
    if (stream->fd >= 0 && !stream->is_reading) {
        stream->is_reading = true;
        watch(stream);
    }
}

const struct network_port_ops net_stream_ops = {
    .receive = stream_receive,
    .can_receive = stream_can_receive,
    .resume = stream_resume,
};
