#include "host/display/viewer_program.h"

#include <limits.h>

#include "host/companion/program.h"

static const struct {
    const char *program, *role, *what, *library;
} rows[] = {
    [VIEWER_WINDOW] = {"faumachine-sdl", "sdl", "the window", "libsdl2-dev"},
    [VIEWER_VNC] = {"faumachine-vnc", "vnc", "the VNC server", "libvncserver-dev"},
};

bool viewer_program_exists(enum viewer_program program)
{
    char path[PATH_MAX];
    return companion_program_exists(rows[program].program, path, sizeof(path));
}

struct start {
    const char *path;
    int memory;
};

static int become_viewer(void *opaque, int socket)
{
    const struct start *start = opaque;
    companion_become_program(start->path, socket, start->memory);
    return 1;
}

struct view *viewer_program_start(enum viewer_program program, int memory,
                                  const struct view_settings *settings,
                                  struct error *error)
{
    char path[PATH_MAX];
    if (!companion_find_program(rows[program].program, rows[program].library, path,
                                sizeof(path), error)) {
        return NULL;
    }
    struct start start = {path, memory};
    const struct companion_role role = {
        .name = rows[program].role,
        .main = become_viewer,
        .opaque = &start,
        .keep = &memory,
        .keep_count = 1,
    };
    return view_start(&role, rows[program].what, settings, error);
}
