/* host/display/viewer_program.h: starts a viewer that is a program of its own.
 *
 * It is looked for beside faumachine itself, then where it was to be installed.
 * Thread: the machine's own, before the event loop starts. */
#ifndef HOST_DISPLAY_VIEWER_PROGRAM_H
#define HOST_DISPLAY_VIEWER_PROGRAM_H

#include "host/display/view.h"

enum viewer_program { VIEWER_WINDOW, VIEWER_VNC };

/* Whether that program is there: a build may lack its library. */
bool viewer_program_exists(enum viewer_program program);

/* `memory`: of the pixels. NULL with one clear line in `error`. */
struct view *viewer_program_start(enum viewer_program program, int memory,
                                  const struct view_settings *settings,
                                  struct error *error);

#endif
