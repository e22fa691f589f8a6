#include "host/display/view.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    PATIENCE_MS = 20000, /* a window on a busy host */
    AT_ONCE = 64,        /* messages, before others get the machine lock */
};

struct view {
    struct companion companion; /* process 0: done without */
    const char *what;
    struct view_listener listener;
    struct event_loop *loop; /* NULL: not connected */
    struct log *log;
    bool watched, busy;
    struct display_size size;
    struct display_rectangle pending;
    struct view_state state;
    bool state_told;
};

static bool tell(struct view *view, const struct view_message *message)
{
    return send(view->companion.socket, message, sizeof(*message),
                MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(*message);
}

/* Its first word. */
static bool is_ready(struct view *view, struct error *error)
{
    struct view_message message;
    int socket = view->companion.socket;
    struct pollfd ready = {.fd = socket, .events = POLLIN};
    if (poll(&ready, 1, PATIENCE_MS) != 1) {
        return error_set(error, "%s does not answer", view->what);
    }
    ssize_t length = recv(socket, &message, sizeof(message), MSG_TRUNC);
    if (length <= 0 || !view_message_from_viewer(&message, (size_t)length)) {
        return error_set(error, "%s has ended before it showed anything", view->what);
    }
    return message.kind == VIEW_READY ||
           error_set(error, "%s", message.kind == VIEW_FAILED ? message.text : "?");
}

struct view *view_start(const struct companion_role *role, const char *what,
                        const struct view_settings *settings, struct error *error)
{
    struct view *view = calloc(1, sizeof(*view));
    if (!view) {
        error_set(error, "no memory for %s", what);
        return NULL;
    }
    view->what = what;
    const struct view_message message = {.kind = VIEW_SETTINGS, .settings = *settings};
    if (!companion_start(&view->companion, role, error)) {
        free(view);
        return NULL;
    }
    tell(view, &message); /* if it has ended by now, it may have said why */
    if (!is_ready(view, error)) {
        view_stop(view);
        return NULL;
    }
    return view;
}

void view_stop(struct view *view)
{
    if (!view) {
        return;
    }
    if (view->loop && view->companion.process) {
        event_loop_watch(view->loop, view->companion.socket, 0, NULL, NULL);
    }
    companion_stop(&view->companion);
    free(view);
}

bool view_is_watched(const struct view *view)
{
    return view->watched;
}

bool view_is_idle(const struct view *view)
{
    return view->watched && !view->busy;
}

static void send_pending(struct view *view)
{
    const struct view_message message = {
        .kind = VIEW_UPDATE,
        .update = {.size = view->size, .changed = view->pending},
    };
    if (!view_is_idle(view) || !view->pending.width || !tell(view, &message)) {
        return;
    }
    view->busy = true;
    view->pending = (struct display_rectangle){0};
}

void view_update(struct view *view, const struct display_size *size,
                 const struct display_rectangle *changed)
{
    bool resized = size->width != view->size.width || size->height != view->size.height;
    view->size = *size;
    view->pending = resized
                        ? (struct display_rectangle){0, 0, size->width, size->height}
                        : view_rectangle_join(view->pending, *changed);
    send_pending(view);
}

void view_tell_state(struct view *view, const struct view_state *state)
{
    const struct view_message message = {.kind = VIEW_STATE, .state = *state};
    bool same = view->state_told && view->state.running == state->running &&
                view->state.has_position == state->has_position &&
                view->state.percent == state->percent;
    if (view->watched && !same && tell(view, &message)) {
        view->state = *state;
        view->state_told = true;
    }
}

/* The machine goes on without it. The lock is held: nobody waits for its end. */
static void do_without(struct view *view, const char *why)
{
    log_warning(view->log, "%s %s; the machine goes on without it", view->what, why);
    event_loop_watch(view->loop, view->companion.socket, 0, NULL, NULL);
    companion_abandon(&view->companion);
    view->watched = false;
}

static void set_watched(struct view *view, bool watched)
{
    view->watched = watched;
    view->busy = false;
    view->state_told = false;
    if (watched && view->size.width) {
        view->pending =
            (struct display_rectangle){0, 0, view->size.width, view->size.height};
        send_pending(view);
    }
}

static void act_upon(struct view *view, const struct view_message *message)
{
    const struct view_listener *listener = &view->listener;
    const struct input_sink *input = listener->input;
    switch (message->kind) {
    case VIEW_WATCHING:
        set_watched(view, message->on);
        break;
    case VIEW_SHOWN:
        view->busy = false;
        send_pending(view);
        break;
    case VIEW_KEY:
        input->key(input->opaque, message->key.code, message->key.down);
        break;
    case VIEW_BUTTON:
        input->button(input->opaque, message->key.code, message->key.down);
        break;
    case VIEW_MOTION:
        input->move(input->opaque, message->motion.dx, message->motion.dy,
                    message->motion.wheel);
        break;
    case VIEW_POSITION:
        if (input->has_position(input->opaque)) {
            input->position(input->opaque, message->position.x, message->position.y);
        }
        break;
    case VIEW_QUIT:
        listener->quit(listener->opaque);
        break;
    case VIEW_SCREENSHOT:
        listener->screenshot(listener->opaque);
        break;
    default: /* a second VIEW_READY or so */
        break;
    }
    listener->stirred(listener->opaque);
}

static void readable(void *opaque, unsigned events)
{
    struct view *view = opaque;
    (void)events;
    for (unsigned i = 0; i < AT_ONCE && view->companion.process; i++) {
        struct view_message message;
        ssize_t length = recv(view->companion.socket, &message, sizeof(message),
                              MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (length <= 0) {
            do_without(view, "has ended");
        } else if (!view_message_from_viewer(&message, (size_t)length)) {
            do_without(view, "sent what it may not");
        } else {
            act_upon(view, &message);
        }
    }
}

void view_connect(struct view *view, const struct view_listener *listener,
                  struct event_loop *loop, struct log *log)
{
    view->listener = *listener;
    view->loop = loop;
    view->log = log;
    event_loop_watch(loop, view->companion.socket, EVENT_READABLE, readable, view);
}
