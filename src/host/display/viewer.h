/* host/display/viewer.h: the viewer's end: what every program that shows the picture
 * begins with, and how it talks with the machine.
 *
 * Viewers are programs of their own, so that a machine that shows nothing does without
 * the libraries of windows, and that whoever breaks into a viewer finds nothing of the
 * machine in its memory but the pixels.
 * Thread: viewer_send() from any. */
#ifndef HOST_DISPLAY_VIEWER_H
#define HOST_DISPLAY_VIEWER_H

#include "base/error.h"
#include "host/display/messages.h"

struct viewer {
    int socket;
    uint32_t *pixels; /* VIEW_PIXELS_BYTES; the machine writes there at any time */
    struct view_settings settings;
};

/* False if nobody has started it as a viewer: says so on standard error. */
bool viewer_open(struct viewer *viewer, const char *program);

/* The next message, true; or false: the machine has ended, or talks nonsense. */
bool viewer_receive(const struct viewer *viewer, struct view_message *message);

void viewer_send(const struct viewer *viewer, const struct view_message *message);
/* Those that have nothing to say but their kind. */
void viewer_tell(const struct viewer *viewer, enum view_message_kind kind);
void viewer_tell_watching(const struct viewer *viewer, bool on);
void viewer_tell_key(const struct viewer *viewer, uint16_t code, bool down);
void viewer_tell_button(const struct viewer *viewer, uint16_t code, bool down);
void viewer_tell_motion(const struct viewer *viewer, int dx, int dy, int wheel);
/* The point (x, y) of a picture of that size; beyond its edges: at its edge. */
void viewer_tell_position(const struct viewer *viewer, int x, int y,
                          const struct display_size *size);
__attribute__((format(printf, 2, 3))) void
viewer_tell_failure(const struct viewer *viewer, const char *format, ...);

#endif
