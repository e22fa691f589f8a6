/* "tap,ifname=NAME" or "tap,fd=NUMBER": a network interface of the host. The interface
 * has to be there and be the user's (ip tuntap add NAME mode tap user …), or the
 * descriptor be inherited: nothing is set up here, and no script is run. */
#include "host/net/net_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool open_interface(const char *option, const char *name, int *fd,
                           struct error *error)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (strlen(name) >= sizeof(request.ifr_name)) {
        return error_set(error,
                         "%s: ifname=%s: names of interfaces have at most %zu "
                         "letters",
                         option, name, sizeof(request.ifr_name) - 1);
    }
    strcpy(request.ifr_name, name);
    *fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) {
        return error_set_errno(error, errno, "%s: cannot open /dev/net/tun", option);
    }
    if (ioctl(*fd, TUNSETIFF, &request) < 0) {
        error_set_errno(error, errno,
                        "%s: ifname=%s: cannot be attached to (ip tuntap add %s mode "
                        "tap user NAME makes one)",
                        option, name, name);
        close(*fd);
        return false;
    }
    return true;
}

static bool adopt_descriptor(const char *option, const char *text, int *fd,
                             struct error *error)
{
    uint16_t number;
    if (!net_parse_port(text, &number)) {
        return error_set(error, "%s: fd=%s: give the number of a descriptor", option,
                         text);
    }
    *fd = number;
    int flags = fcntl(*fd, F_GETFL);
    if (flags < 0 || fcntl(*fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return error_set_errno(error, errno, "%s: fd=%s", option, text);
    }
    return true;
}

static bool open_tap(struct net_backend *backend, struct properties *properties,
                     struct error *error)
{
    const char *option = properties->option;
    const char *name = properties_take(properties, "ifname");
    const char *number = properties_take(properties, "fd");
    const char *up = properties_take(properties, "script");
    const char *down = properties_take(properties, "downscript");
    int fd = -1;
    if ((up && strcmp(up, "no") != 0) || (down && strcmp(down, "no") != 0)) {
        return error_set(error,
                         "%s: tap runs no script; give script=no,downscript=no "
                         "or leave both out",
                         option);
    }
    if (!name == !number) {
        return error_set(error, "%s: tap needs ifname=NAME or fd=NUMBER", option);
    }
    if (name ? !open_interface(option, name, &fd, error)
             : !adopt_descriptor(option, number, &fd, error)) {
        return false;
    }
    struct net_frames *frames = calloc(1, sizeof(*frames));
    if (!frames) {
        close(fd);
        return error_set(error, "%s: no memory", option);
    }
    frames->input_fd = frames->output_fd = fd;
    backend->own = frames;
    net_frames_start(frames, backend);
    return true;
}

static void close_tap(struct net_backend *backend)
{
    struct net_frames *frames = backend->own;
    int fd = frames->input_fd;
    net_frames_stop(frames);
    close(fd);
    free(frames);
}

const struct net_kind net_tap = {
    .type = "tap",
    .properties = "id, ifname, fd, script=no and downscript=no",
    .brings_input = true,
    .open = open_tap,
    .close = close_tap,
};
