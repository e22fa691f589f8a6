/* faumachine-sdl: the picture in a window, by SDL 2.
 *
 * A thread waits for the machine's messages and hands them to SDL's queue of events, at
 * which the main thread sleeps. */
#include "host/confinement/confinement.h"
#include "host/display/sdl_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_WIDTH = 720, FIRST_HEIGHT = 400 };

enum own_event { OWN_MESSAGE, OWN_END };

static int receive(void *opaque)
{
    struct window *window = opaque;
    for (;;) {
        struct view_message *message = malloc(sizeof(*message));
        SDL_Event event = {.type = SDL_USEREVENT};
        bool more = message && viewer_receive(&window->viewer, message);
        event.user.code = more ? OWN_MESSAGE : OWN_END;
        event.user.data1 = message;
        if (SDL_PushEvent(&event) < 0 && more) {
            free(message);
        }
        if (!more) {
            return 0;
        }
    }
}

void window_set_title(struct window *window)
{
    const struct view_state *state = &window->state;
    char speed[32] = "", title[VIEW_NAME_BYTES + 128];
    if (state->running && state->percent) {
        snprintf(speed, sizeof(speed), " at %u%% of real time", state->percent);
    }
    snprintf(title, sizeof(title), "%s - %s%s%s", window->viewer.settings.name,
             state->running ? "running" : "paused", speed,
             window->grabbed ? " - Ctrl-Alt-G releases the mouse" : "");
    SDL_SetWindowTitle(window->window, title);
}

void window_grab(struct window *window, bool on)
{
    if (window->grabbed == on) {
        return;
    }
    window->grabbed = on;
    SDL_SetRelativeMouseMode(on && !window->state.has_position);
    SDL_SetWindowKeyboardGrab(window->window, on);
    window_set_title(window);
}

/* Whether the user has given the window another size than the picture's. */
static bool has_own_size(const struct window *window)
{
    int width, height;
    SDL_GetWindowSize(window->window, &width, &height);
    return width != window->set.width || height != window->set.height;
}

static void fit_window(struct window *window)
{
    window->set.width = (int)window->size.width;
    window->set.height = (int)window->size.height;
    SDL_SetWindowSize(window->window, window->set.width, window->set.height);
}

void window_set_full_screen(struct window *window, bool on)
{
    if (on) {
        window->fits = !has_own_size(window);
    }
    window->full_screen = on;
    SDL_SetWindowFullscreen(window->window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    if (!on && window->fits) {
        fit_window(window);
    }
}

static void show(struct window *window)
{
    SDL_RenderClear(window->renderer);
    if (window->texture) {
        SDL_RenderCopy(window->renderer, window->texture, NULL, NULL);
    }
    SDL_RenderPresent(window->renderer);
}

static void resize(struct window *window, const struct display_size *size)
{
    window->size = *size;
    if (window->texture) {
        SDL_DestroyTexture(window->texture);
    }
    window->texture = SDL_CreateTexture(window->renderer, SDL_PIXELFORMAT_RGB888,
                                        SDL_TEXTUREACCESS_STREAMING, (int)size->width,
                                        (int)size->height);
    SDL_RenderSetLogicalSize(window->renderer, (int)size->width, (int)size->height);
    if (!window->full_screen && !has_own_size(window)) {
        fit_window(window);
    }
}

static void update(struct window *window, const struct view_update *update)
{
    const struct display_size *size = &update->size;
    const struct display_rectangle *changed = &update->changed;
    if (!window->texture || size->width != window->size.width ||
        size->height != window->size.height) {
        resize(window, size);
    }
    const SDL_Rect area = {(int)changed->x, (int)changed->y, (int)changed->width,
                           (int)changed->height};
    const uint32_t *first =
        window->viewer.pixels + (size_t)changed->y * size->width + changed->x;
    if (window->texture) {
        SDL_UpdateTexture(window->texture, &area, first, (int)size->width * 4);
    }
    show(window);
    viewer_tell(&window->viewer, VIEW_SHOWN);
}

static void message(struct window *window, const struct view_message *message)
{
    if (message->kind == VIEW_UPDATE) {
        update(window, &message->update);
    } else if (message->kind == VIEW_STATE) {
        bool switched = window->state.has_position != message->state.has_position;
        window->state = message->state;
        if (switched) {
            window_grab(window, false);
            SDL_ShowCursor(window->state.has_position ? SDL_DISABLE : SDL_ENABLE);
        }
        window_set_title(window);
    }
}

static void set_visible(struct window *window, bool visible)
{
    if (window->visible != visible) {
        window->visible = visible;
        viewer_tell_watching(&window->viewer, visible);
    }
}

static void window_event(struct window *window, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_HIDDEN:
    case SDL_WINDOWEVENT_MINIMIZED:
        set_visible(window, false);
        break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
        set_visible(window, true);
        break;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        show(window);
        break;
    default:
        break;
    }
}

/* False at the end. */
static bool handle(struct window *window, const SDL_Event *event)
{
    if (window_input(window, event)) {
        return true;
    }
    switch (event->type) {
    case SDL_USEREVENT:
        if (event->user.code == OWN_MESSAGE) {
            message(window, event->user.data1);
        }
        free(event->user.data1);
        return event->user.code == OWN_MESSAGE;
    case SDL_WINDOWEVENT:
        window_event(window, &event->window);
        return true;
    case SDL_QUIT:
        if (window->viewer.settings.close_ends) {
            viewer_tell(&window->viewer, VIEW_QUIT);
        }
        return true;
    default:
        return true;
    }
}

/* Those that somebody can see: SDL would take one without a screen, too.
 * SDL_VIDEODRIVER in the environment still decides. */
static void choose_driver(void)
{
    const char *wayland = getenv("WAYLAND_DISPLAY");
    SDL_SetHint(SDL_HINT_VIDEODRIVER, wayland && wayland[0] ? "x11,wayland" : "x11");
}

/* OpenGL without a GPU takes several times as long as no OpenGL. */
static bool is_emulated(SDL_Renderer *renderer)
{
    enum { RENDERER = 0x1f01 }; /* GL_RENDERER */
    SDL_RendererInfo info;
    if (SDL_GetRendererInfo(renderer, &info) != 0 || !strstr(info.name, "opengl")) {
        return false;
    }
    const char *(*get_string)(unsigned name) = SDL_GL_GetProcAddress("glGetString");
    const char *name = get_string ? get_string(RENDERER) : NULL;
    return name && (strstr(name, "llvmpipe") || strstr(name, "softpipe"));
}

static SDL_Renderer *create_renderer(SDL_Window *window)
{
    SDL_Renderer *renderer = SDL_CreateRenderer(window, -1, 0);
    if (renderer && !is_emulated(renderer)) {
        return renderer;
    }
    if (renderer) {
        SDL_DestroyRenderer(renderer);
    }
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    return SDL_CreateRenderer(window, -1, SDL_RENDERER_SOFTWARE);
}

static bool open_window(struct window *window)
{
    choose_driver();
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "0");
    if (SDL_Init(SDL_INIT_VIDEO) != 0) {
        return false;
    }
    window->set.width = FIRST_WIDTH;
    window->set.height = FIRST_HEIGHT;
    window->window = SDL_CreateWindow(window->viewer.settings.name,
                                      SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED,
                                      FIRST_WIDTH, FIRST_HEIGHT, SDL_WINDOW_RESIZABLE);
    if (!window->window) {
        return false;
    }
    window->renderer = create_renderer(window->window);
    return window->renderer != NULL;
}

static int run(struct window *window)
{
    SDL_StopTextInput(); /* keys are wanted, not what they would write */
    SDL_Thread *thread = SDL_CreateThread(receive, "receive", window);
    if (!thread) {
        return 1;
    }
    SDL_DetachThread(thread);
    confinement_enter_companion(CONFINEMENT_WINDOW);
    if (window->viewer.settings.full_screen) {
        window_set_full_screen(window, true);
    }
    set_visible(window, true);
    SDL_Event event;
    while (SDL_WaitEvent(&event) && handle(window, &event)) {
    }
    SDL_Quit();
    return 0;
}

int main(int count, char *arguments[])
{
    struct window window = {.size = {FIRST_WIDTH, FIRST_HEIGHT},
                            .state = {.running = true}};
    (void)count;
    if (!viewer_open(&window.viewer, arguments[0])) {
        return 1;
    }
    if (!open_window(&window)) {
        viewer_tell_failure(&window.viewer,
                            "cannot open a window: %s; -display none does without, "
                            "-nographic takes the terminal, -vnc :1 serves viewers",
                            SDL_GetError());
        return 1;
    }
    viewer_tell(&window.viewer, VIEW_READY);
    return run(&window);
}
