#define _GNU_SOURCE /* close_range() */
#include "host/display/viewer_program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/display/viewer.h"

static const struct {
    const char *program, *role, *what, *library;
} rows[] = {
    [VIEWER_WINDOW] = {"faumachine-sdl", "sdl", "the window", "libsdl2-dev"},
    [VIEWER_VNC] = {"faumachine-vnc", "vnc", "the VNC server", "libvncserver-dev"},
};

/* Relative to the folder of faumachine itself. */
static const char *const folders[] = {".", FAUMACHINE_VIEWERS};

static bool find(char *path, size_t bytes, const char *program)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length <= 0) {
        return false;
    }
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        int used = snprintf(path, bytes, "%s/%s/%s", own, folders[i], program);
        if ((size_t)used < bytes && access(path, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

bool viewer_program_exists(enum viewer_program program)
{
    char path[PATH_MAX];
    return find(path, sizeof(path), rows[program].program);
}

struct start {
    const char *path, *program;
    int memory;
};

/* Both ends up where the viewer looks for them. Neither may be in the other's way. */
static bool place_descriptors(int socket, int memory)
{
    int high_socket = fcntl(socket, F_DUPFD, VIEWER_MEMORY + 1);
    int high_memory = fcntl(memory, F_DUPFD, VIEWER_MEMORY + 1);
    return dup2(high_socket, VIEWER_SOCKET) >= 0 &&
           dup2(high_memory, VIEWER_MEMORY) >= 0 &&
           close_range(VIEWER_MEMORY + 1, UINT_MAX, 0) == 0;
}

static int become_viewer(void *opaque, int socket)
{
    const struct start *start = opaque;
    if (place_descriptors(socket, start->memory)) {
        execl(start->path, start->program, (char *)NULL);
    }
    return 1;
}

struct view *viewer_program_start(enum viewer_program program, int memory,
                                  const struct view_settings *settings,
                                  struct error *error)
{
    char path[PATH_MAX];
    if (!find(path, sizeof(path), rows[program].program)) {
        error_set(error,
                  "%s is neither beside faumachine nor in " FAUMACHINE_VIEWERS
                  " from there: build it with Debian's package %s",
                  rows[program].program, rows[program].library);
        return NULL;
    }
    struct start start = {path, rows[program].program, memory};
    const struct companion_role role = {
        .name = rows[program].role,
        .main = become_viewer,
        .opaque = &start,
        .keep = &memory,
        .keep_count = 1,
    };
    return view_start(&role, rows[program].what, settings, error);
}
