/* host/display/messages.h: what a machine and a viewer (a process that shows its
 * picture: a window, a VNC server) say to each other.
 *
 * Each is one message of a SOCK_SEQPACKET socket, of the same size whatever its kind.
 * Pixels are in memory that both have mapped: size() pixels without gaps between lines,
 * as bus/display.h has them; an update says what has changed, and until the viewer
 * answers that it is shown, no second one comes. Neither side trusts the other: what
 * comes is looked at before it is used.
 * Thread: any. */
#ifndef HOST_DISPLAY_MESSAGES_H
#define HOST_DISPLAY_MESSAGES_H

#include "bus/display.h"
#include "bus/input.h"

enum {
    VIEW_PIXELS_BYTES = DISPLAY_MAXIMUM_WIDTH * DISPLAY_MAXIMUM_HEIGHT * 4,
    VIEW_NAME_BYTES = 128,
    VIEW_TEXT_BYTES = 384,
    VIEW_PASSWORD_BYTES = 8, /* all that VNC looks at */
    VIEW_MOTION_MAXIMUM = 0x7fff,
};

enum view_message_kind {
    /* from the machine */
    VIEW_SETTINGS, /* the first one */
    VIEW_UPDATE,
    VIEW_STATE,
    /* from the viewer */
    VIEW_READY,    /* the first one, or: */
    VIEW_FAILED,   /* `text` says why */
    VIEW_WATCHING, /* `on`: somebody looks */
    VIEW_SHOWN,    /* the last update has been taken over */
    VIEW_KEY,
    VIEW_BUTTON,
    VIEW_MOTION,
    VIEW_POSITION,
    VIEW_QUIT, /* the user wants the machine to end */
    VIEW_SCREENSHOT,
};

struct view_settings {
    char name[VIEW_NAME_BYTES]; /* of the machine, for titles */
    /* of a window */
    bool full_screen, close_ends;
    /* of a VNC server */
    char host[VIEW_NAME_BYTES]; /* an address to listen at */
    uint16_t port;
    bool has_password;
    char password[VIEW_PASSWORD_BYTES + 1];
};

struct view_update {
    struct display_size size;
    struct display_rectangle changed;
};

struct view_state {
    bool running;
    bool has_position; /* the guest's pointer is where the user's is */
    unsigned percent;  /* speed: of real time; 0: the same by definition */
};

struct view_key {
    uint16_t code; /* KEY_…, BTN_… */
    bool down;
};

struct view_motion {
    int32_t dx, dy, wheel;
};

struct view_position {
    uint32_t x, y;
};

struct view_message {
    enum view_message_kind kind;
    union {
        struct view_settings settings;
        struct view_update update;
        struct view_state state;
        char text[VIEW_TEXT_BYTES];
        bool on;
        struct view_key key;
        struct view_motion motion;
        struct view_position position;
    };
};

/* Whether a viewer may say that: `length` bytes were received. */
bool view_message_from_viewer(const struct view_message *message, size_t length);
/* Whether a machine may. */
bool view_message_from_machine(const struct view_message *message, size_t length);

/* The smallest rectangle around both; one without an area counts for nothing. */
struct display_rectangle view_rectangle_join(struct display_rectangle a,
                                             struct display_rectangle b);

#endif
