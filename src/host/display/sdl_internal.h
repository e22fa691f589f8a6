/* host/display/sdl_internal.h: what the files of the SDL window share.
 *
 * Source: https://wiki.libsdl.org/SDL2. Thread: the main one of faumachine-sdl. */
#ifndef HOST_DISPLAY_SDL_INTERNAL_H
#define HOST_DISPLAY_SDL_INTERNAL_H

#include "host/display/viewer.h"

#include <SDL.h>

struct window {
    struct viewer viewer;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    struct display_size size; /* of the picture */
    struct {
        int width, height;
    } set; /* the size that we gave the window */
    struct view_state state;
    bool grabbed, full_screen, visible;
    bool fits;                    /* full screen: it had the picture's size before */
    bool down[SDL_NUM_SCANCODES]; /* keys that the guest thinks are */
};

void window_set_title(struct window *window);
/* Takes the mouse and the window system's keys for the guest, or gives them back. */
void window_grab(struct window *window, bool on);
void window_set_full_screen(struct window *window, bool on);

/* Passes on what the user does in the window; true if the event was of that kind. */
bool window_input(struct window *window, const SDL_Event *event);

#endif
