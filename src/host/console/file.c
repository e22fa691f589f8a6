/* "file:PATH": output to a file that is emptied first (or to a device or FIFO); no
 * input. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "host/console/character_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool open_file(struct character *character, const char *path,
                      struct error *error)
{
    if (!*path) {
        return error_set(error, "'file:' lacks the name of the file");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot write to '%s'", path);
    }
    character_set_descriptors(character, -1, fd);
    return true;
}

static void file_ended(struct character *character, enum connection_end end)
{
    (void)end;
    int fd = character->output_fd;
    character_set_descriptors(character, -1, -1);
    close(fd);
}

static void close_file(struct character *character)
{
    if (character->output_fd >= 0) {
        close(character->output_fd);
    }
}

const struct character_backend character_file = {
    .prefix = "file:",
    .open = open_file,
    .ended = file_ended,
    .close = close_file,
    .patience_ms = 5000,
};
