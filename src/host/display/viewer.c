#include "host/display/viewer.h"

#include "host/companion/program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

bool viewer_receive(const struct viewer *viewer, struct view_message *message)
{
    ssize_t length;
    do {
        length = recv(viewer->socket, message, sizeof(*message), MSG_TRUNC);
    } while (length < 0 && errno == EINTR);
    return length > 0 && view_message_from_machine(message, (size_t)length);
}

bool viewer_open(struct viewer *viewer, const char *program)
{
    struct view_message message;
    viewer->socket = COMPANION_SOCKET;
    viewer->pixels =
        mmap(NULL, VIEW_PIXELS_BYTES, PROT_READ, MAP_SHARED, COMPANION_MEMORY, 0);
    if (viewer->pixels == MAP_FAILED || !viewer_receive(viewer, &message) ||
        message.kind != VIEW_SETTINGS) {
        fprintf(stderr, "%s is started by faumachine, when it is to show something\n",
                program);
        return false;
    }
    viewer->settings = message.settings;
    return true;
}

void viewer_send(const struct viewer *viewer, const struct view_message *message)
{
    /* If the machine has ended, receiving tells. */
    send(viewer->socket, message, sizeof(*message), MSG_NOSIGNAL);
}

void viewer_tell(const struct viewer *viewer, enum view_message_kind kind)
{
    viewer_send(viewer, &(struct view_message){.kind = kind});
}

void viewer_tell_watching(const struct viewer *viewer, bool on)
{
    viewer_send(viewer, &(struct view_message){.kind = VIEW_WATCHING, .on = on});
}

void viewer_tell_key(const struct viewer *viewer, uint16_t code, bool down)
{
    viewer_send(viewer, &(struct view_message){.kind = VIEW_KEY, .key = {code, down}});
}

void viewer_tell_button(const struct viewer *viewer, uint16_t code, bool down)
{
    viewer_send(viewer,
                &(struct view_message){.kind = VIEW_BUTTON, .key = {code, down}});
}

static int clamp(int value, int least, int most)
{
    if (value < least) {
        return least;
    }
    return value > most ? most : value;
}

void viewer_tell_motion(const struct viewer *viewer, int dx, int dy, int wheel)
{
    const int most = VIEW_MOTION_MAXIMUM;
    viewer_send(viewer, &(struct view_message){
                            .kind = VIEW_MOTION,
                            .motion = {clamp(dx, -most, most), clamp(dy, -most, most),
                                       clamp(wheel, -most, most)},
                        });
}

static uint32_t position_of(int point, unsigned points)
{
    if (points < 2) {
        return 0;
    }
    uint32_t inside = (uint32_t)clamp(point, 0, (int)points - 1);
    return inside * INPUT_POSITION_MAXIMUM / (points - 1);
}

void viewer_tell_position(const struct viewer *viewer, int x, int y,
                          const struct display_size *size)
{
    viewer_send(viewer, &(struct view_message){
                            .kind = VIEW_POSITION,
                            .position = {position_of(x, size->width),
                                         position_of(y, size->height)},
                        });
}

void viewer_tell_failure(const struct viewer *viewer, const char *format, ...)
{
    struct view_message message = {.kind = VIEW_FAILED};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message.text, sizeof(message.text), format, arguments);
    va_end(arguments);
    viewer_send(viewer, &message);
}
