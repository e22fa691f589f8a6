/* Source: the "pcap" man pages, pcap-savefile(5). */
#include "host/net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PCAP_MAGIC = 0xa1b2c3d4, /* microseconds; its order tells that of all numbers */
    PCAP_MAJOR = 2,
    PCAP_MINOR = 4,
    LINK_ETHERNET = 1,
};

struct file_header {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, maximum, link;
};

struct frame_header {
    uint32_t seconds, microseconds, kept_bytes, bytes;
};

struct net_capture {
    struct network_port inside, outside;
    struct clock *clock;
    struct log *log;
    size_t maximum;
    int fd; /* -1: the file could not be written */
};

/* A record is written by one call, so that what is there is complete. */
static void record(struct net_capture *capture, const uint8_t *frame, size_t bytes)
{
    struct {
        struct frame_header header;
        uint8_t bytes[NETWORK_MAXIMUM_BYTES];
    } all;
    size_t kept = bytes < capture->maximum ? bytes : capture->maximum;
    uint64_t now_ns = clock_now_ns(capture->clock);
    if (capture->fd < 0 || bytes > NETWORK_MAXIMUM_BYTES) {
        return;
    }
    all.header = (struct frame_header){
        .seconds =
            (uint32_t)((uint64_t)capture->clock->epoch_s + now_ns / NS_PER_SECOND),
        .microseconds = (uint32_t)(now_ns % NS_PER_SECOND / 1000),
        .kept_bytes = (uint32_t)kept,
        .bytes = (uint32_t)bytes,
    };
    memcpy(all.bytes, frame, kept);
    size_t length = sizeof(all.header) + kept;
    if (write(capture->fd, &all, length) != (ssize_t)length) {
        log_warning(capture->log, "a packet capture cannot be written: it ends here");
        close(capture->fd);
        capture->fd = -1;
    }
}

/* A frame that has to wait comes again, and is recorded then. */
static bool pass(struct net_capture *capture, struct network_port *to,
                 const uint8_t *frame, size_t bytes)
{
    if (!network_can_send(to)) {
        return false;
    }
    bool taken = network_send(to, frame, bytes);
    if (taken) {
        record(capture, frame, bytes);
    }
    return taken;
}

static bool from_inside(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct net_capture *capture = opaque;
    return pass(capture, &capture->outside, frame, bytes);
}

static bool from_outside(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct net_capture *capture = opaque;
    return pass(capture, &capture->inside, frame, bytes);
}

static bool outside_has_room(void *opaque)
{
    const struct net_capture *capture = opaque;
    return network_can_send(&capture->outside);
}

static bool inside_has_room(void *opaque)
{
    const struct net_capture *capture = opaque;
    return network_can_send(&capture->inside);
}

static void resume_outside(void *opaque)
{
    struct net_capture *capture = opaque;
    network_resume(&capture->outside);
}

static void resume_inside(void *opaque)
{
    struct net_capture *capture = opaque;
    network_resume(&capture->inside);
}

/* Whether the cable behind `to` has a link decides what `from` shows to its own. */
static void pass_link(struct network_port *from, const struct network_port *to)
{
    network_set_link(from, to->peer && !to->peer->switched_off);
}

static void outside_link(void *opaque)
{
    struct net_capture *capture = opaque;
    pass_link(&capture->inside, &capture->outside);
}

static void inside_link(void *opaque)
{
    struct net_capture *capture = opaque;
    pass_link(&capture->outside, &capture->inside);
}

static const struct network_port_ops inside_ops = {
    .receive = from_inside,
    .can_receive = outside_has_room,
    .resume = resume_outside,
    .link_changed = inside_link,
};

static const struct network_port_ops outside_ops = {
    .receive = from_outside,
    .can_receive = inside_has_room,
    .resume = resume_inside,
    .link_changed = outside_link,
};

static bool write_header(int fd, size_t maximum)
{
    const struct file_header header = {
        .magic = PCAP_MAGIC,
        .major = PCAP_MAJOR,
        .minor = PCAP_MINOR,
        .maximum = (uint32_t)maximum,
        .link = LINK_ETHERNET,
    };
    return write(fd, &header, sizeof(header)) == sizeof(header);
}

struct net_capture *net_capture_open(const char *path, size_t maximum,
                                     struct clock *clock, struct log *log,
                                     struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || !write_header(fd, maximum)) {
        error_set_errno(error, errno, "cannot write the packet capture '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    struct net_capture *capture = calloc(1, sizeof(*capture));
    if (!capture) {
        error_set(error, "no memory for the packet capture '%s'", path);
        close(fd);
        return NULL;
    }
    *capture = (struct net_capture){
        .inside = {.ops = &inside_ops, .opaque = capture, .switched_off = true},
        .outside = {.ops = &outside_ops, .opaque = capture, .switched_off = true},
        .clock = clock,
        .log = log,
        .maximum = maximum,
        .fd = fd,
    };
    return capture;
}

void net_capture_close(struct net_capture *capture)
{
    if (!capture) {
        return;
    }
    network_disconnect(&capture->inside);
    network_disconnect(&capture->outside);
    if (capture->fd >= 0) {
        close(capture->fd);
    }
    free(capture);
}

struct network_port *net_capture_inside(struct net_capture *capture)
{
    return &capture->inside;
}

struct network_port *net_capture_outside(struct net_capture *capture)
{
    return &capture->outside;
}
