/* The window's keyboard and mouse. Ctrl-Alt with F, G or S is for the window itself. */
#include "host/display/sdl_internal.h"

#include <linux/input-event-codes.h>

#include "host/display/keys.h"

static void send_key(struct window *window, SDL_Scancode scancode, bool down)
{
    uint16_t key = key_of_sdl_scancode(scancode);
    if (!key || window->down[scancode] == down) {
        return;
    }
    window->down[scancode] = down;
    viewer_tell_key(&window->viewer, key, down);
}

/* Who goes elsewhere with Alt-Tab lets go of Alt there. */
static void release_keys(struct window *window)
{
    for (unsigned i = 0; i < SDL_NUM_SCANCODES; i++) {
        send_key(window, (SDL_Scancode)i, false);
    }
}

static bool run_command(struct window *window, SDL_Scancode scancode)
{
    switch (scancode) {
    case SDL_SCANCODE_F:
        window_set_full_screen(window, !window->full_screen);
        return true;
    case SDL_SCANCODE_G:
        window_grab(window, !window->grabbed);
        return true;
    case SDL_SCANCODE_S:
        viewer_tell(&window->viewer, VIEW_SCREENSHOT);
        return true;
    default:
        return false;
    }
}

static void key_event(struct window *window, const SDL_KeyboardEvent *event)
{
    SDL_Scancode scancode = event->keysym.scancode;
    bool down = event->type == SDL_KEYDOWN;
    bool command = (event->keysym.mod & KMOD_LCTRL) && (event->keysym.mod & KMOD_LALT);
    if (event->repeat || scancode >= SDL_NUM_SCANCODES) {
        return; /* the guest's keyboard repeats by itself */
    }
    if (!(down && command && run_command(window, scancode))) {
        send_key(window, scancode, down);
    }
}

/* Without a pointer that knows positions, the mouse is the guest's only while grabbed.
 */
static bool mouse_is_ours(const struct window *window)
{
    return !window->state.has_position && !window->grabbed;
}

static void button_event(struct window *window, const SDL_MouseButtonEvent *event)
{
    static const uint16_t buttons[] = {
        [SDL_BUTTON_LEFT] = BTN_LEFT,   [SDL_BUTTON_MIDDLE] = BTN_MIDDLE,
        [SDL_BUTTON_RIGHT] = BTN_RIGHT, [SDL_BUTTON_X1] = BTN_SIDE,
        [SDL_BUTTON_X2] = BTN_EXTRA,
    };
    bool down = event->type == SDL_MOUSEBUTTONDOWN;
    if (event->button >= ARRAY_LENGTH(buttons) || !buttons[event->button]) {
        return;
    }
    if (mouse_is_ours(window)) {
        if (down) {
            window_grab(window, true);
        }
        return;
    }
    viewer_tell_button(&window->viewer, buttons[event->button], down);
}

static void motion_event(struct window *window, const SDL_MouseMotionEvent *event)
{
    if (window->state.has_position) {
        viewer_tell_position(&window->viewer, event->x, event->y, &window->size);
    } else if (window->grabbed) {
        viewer_tell_motion(&window->viewer, event->xrel, event->yrel, 0);
    }
}

bool window_input(struct window *window, const SDL_Event *event)
{
    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        key_event(window, &event->key);
        return true;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        button_event(window, &event->button);
        return true;
    case SDL_MOUSEMOTION:
        motion_event(window, &event->motion);
        return true;
    case SDL_MOUSEWHEEL:
        if (!mouse_is_ours(window)) {
            viewer_tell_motion(&window->viewer, 0, 0, event->wheel.y);
        }
        return true;
    case SDL_WINDOWEVENT:
        if (event->window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
            release_keys(window);
            window_grab(window, false);
        }
        return false;
    default:
        return false;
    }
}
