/* "pty": a pseudo-terminal; its name is printed. The slave stays open here, so that
 * terminal programs may come and go, and what is written while nobody looks is kept
 * until the queue is full. */
#define _GNU_SOURCE /* posix_openpt, cfmakeraw */
#include "host/console/character_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* character->own: the slave's descriptor. */
static int slave_fd(const struct character *character)
{
    return (int)(intptr_t)character->own;
}

static bool open_pty(struct character *character, const char *argument,
                     struct error *error)
{
    (void)argument;
    char name[64];
    int slave = -1;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, name, sizeof(name)) != 0 ||
        (slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        error_set_errno(error, errno, "cannot open a pseudo-terminal");
        if (master >= 0) {
            close(master);
        }
        return false;
    }
    /* Raw, or it would echo the guest's output back as input. */
    struct termios attributes;
    if (tcgetattr(slave, &attributes) == 0) {
        cfmakeraw(&attributes);
        tcsetattr(slave, TCSANOW, &attributes);
    }
    character->own = (void *)(intptr_t)slave;
    character_set_descriptors(character, master, master);
    log_warning(character->log, "character device redirected to %s", name);
    return true;
}

static void pty_ended(struct character *character, enum connection_end end)
{
    (void)end; /* only the host's failure ends it, for we hold the slave */
    int master = character->output_fd;
    character_set_descriptors(character, -1, -1);
    close(master);
}

static void close_pty(struct character *character)
{
    close(slave_fd(character));
    if (character->output_fd >= 0) {
        close(character->output_fd);
    }
}

const struct character_backend character_pty = {
    .prefix = "pty",
    .open = open_pty,
    .ended = pty_ended,
    .close = close_pty,
    .patience_ms = 200,
};
