#include "machine/display.h"

#include "base/properties.h"
#include "host/display/picture_file.h"
#include "host/display/screen.h"
#include "host/display/text_view.h"
#include "host/display/viewer_program.h"
#include "machine/machine_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VNC_FIRST_PORT = 5900, PERCENT_MAXIMUM = 999 };

struct displays {
    const struct input_sink *input;
    struct screen *screen;
    struct text_view *text_view;   /* or NULL */
    struct picture_writer *writer; /* or NULL */
    bool started;
    uint64_t state_virtual_ns, state_host_ns; /* when the speed was last looked at */
};

/* -- what viewers ask for -- */

static void quit(void *opaque)
{
    machine_stop(opaque);
}

static void say_where(void *opaque, const char *path, const char *problem)
{
    struct machine *machine = opaque;
    if (path) {
        log_warning(&machine->log, "the screenshot is in %s", path);
    } else {
        log_warning(&machine->log, "%s", problem);
    }
}

static void take_screenshot(void *opaque)
{
    struct machine *machine = opaque;
    struct error error;
    if (!displays_screenshot(machine, NULL, say_where, machine, &error)) {
        log_warning(&machine->log, "%s", error.text);
    }
}

/* How fast virtual time goes by, since this was asked last. */
static unsigned speed_percent(struct machine *machine)
{
    struct displays *displays = machine->displays;
    uint64_t virtual_ns = clock_now_ns(&machine->clock);
    uint64_t host_ns = clock_now_ns(event_loop_host_clock(machine->loop));
    uint64_t gone_ns = host_ns - displays->state_host_ns;
    uint64_t percent =
        gone_ns ? clock_scale(virtual_ns - displays->state_virtual_ns, 100, gone_ns)
                : 0;
    displays->state_virtual_ns = virtual_ns;
    displays->state_host_ns = host_ns;
    return percent < PERCENT_MAXIMUM ? (unsigned)percent : PERCENT_MAXIMUM;
}

static void describe_state(void *opaque, struct view_state *state)
{
    struct machine *machine = opaque;
    const struct input_sink *input = machine->displays->input;
    bool counted = machine->clock.kind == CLOCK_KIND_COUNTED;
    *state = (struct view_state){
        .running = machine_state(machine) == MACHINE_RUNNING,
        .has_position = input->has_position(input->opaque),
        .percent = counted ? speed_percent(machine) : 0,
    };
}

/* -- viewers -- */

static bool add_viewer(struct machine *machine, enum viewer_program program,
                       struct view_settings *settings, struct error *error)
{
    struct screen *screen = machine->displays->screen;
    const char *name = machine->config.name;
    snprintf(settings->name, sizeof(settings->name), "%s", name ? name : "FAUmachine");
    struct view *view =
        viewer_program_start(program, screen_memory(screen), settings, error);
    if (view) {
        screen_add_view(screen, view);
    }
    return view != NULL;
}

static bool open_window(struct machine *machine, struct error *error)
{
    struct view_settings settings = {.close_ends = true};
    struct properties properties;
    return properties_parse(&properties, "-display", machine->config.window, error) &&
           properties_take_switch(&properties, "full-screen", &settings.full_screen,
                                  error) &&
           properties_take_switch(&properties, "window-close", &settings.close_ends,
                                  error) &&
           properties_finish(&properties, "full-screen and window-close", error) &&
           add_viewer(machine, VIEWER_WINDOW, &settings, error);
}

/* "[HOST]:DISPLAY" */
static bool read_address(const char *text, struct view_settings *settings,
                         struct error *error)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    unsigned long number = colon ? strtoul(colon + 1, &end, 10) : 0;
    size_t length = colon ? (size_t)(colon - text) : 0;
    if (!colon || end == colon + 1 || *end ||
        number > (unsigned long)UINT16_MAX - VNC_FIRST_PORT) {
        return error_set(error,
                         "-vnc %s: give [HOST]:DISPLAY, as in :1 (port 5901 of this "
                         "host only) or 0.0.0.0:1 (of all its addresses)",
                         text);
    }
    if (length >= sizeof(settings->host)) {
        return error_set(error, "-vnc %s: that name is too long", text);
    }
    snprintf(settings->host, sizeof(settings->host), "%.*s", (int)length, text);
    if (!length) {
        strcpy(settings->host, "127.0.0.1");
    }
    settings->port = (uint16_t)(VNC_FIRST_PORT + number);
    return true;
}

/* The first line of the file. */
static bool read_password(const char *path, struct view_settings *settings,
                          struct error *error)
{
    char line[VIEW_PASSWORD_BYTES + 2] = "";
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set_errno(error, errno, "-vnc: cannot open '%s'", path);
    }
    bool good = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    if (!good || !line[0] || strlen(line) > VIEW_PASSWORD_BYTES) {
        return error_set(error,
                         "-vnc: the first line of '%s' is to be the password, of 1 to "
                         "%d characters: VNC looks at no more",
                         path, VIEW_PASSWORD_BYTES);
    }
    strcpy(settings->password, line);
    settings->has_password = true;
    return true;
}

static bool open_vnc(struct machine *machine, struct error *error)
{
    struct view_settings settings = {.port = 0};
    struct properties properties;
    bool wanted = false;
    if (!properties_parse(&properties, "-vnc", machine->config.vnc, error) ||
        !read_address(properties.name, &settings, error) ||
        !properties_take_switch(&properties, "password", &wanted, error)) {
        return false;
    }
    const char *file = properties_take(&properties, "password-file");
    if (wanted && !file) {
        return error_set(error, "-vnc: password=on needs to know it; give "
                                "password-file=FILE");
    }
    return (!file || read_password(file, &settings, error)) &&
           properties_finish(&properties, "password and password-file", error) &&
           add_viewer(machine, VIEWER_VNC, &settings, error);
}

static bool open_text_view(struct machine *machine, struct error *error)
{
    const struct character_commands commands = {.quit = quit, .opaque = machine};
    machine->displays->text_view =
        text_view_open(&commands, machine->loop, &machine->log, error);
    return machine->displays->text_view != NULL;
}

bool displays_open(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    if (!config->window && !config->vnc && !config->text_view &&
        !config->takes_screenshots) {
        return true;
    }
    struct displays *displays = machine->displays = calloc(1, sizeof(*displays));
    if (!displays) {
        return error_set(error, "no memory for the display");
    }
    displays->input = machine_input(machine);
    const struct screen_wiring wiring = {
        .loop = machine->loop,
        .log = &machine->log,
        .input = displays->input,
        .state = describe_state,
        .quit = quit,
        .screenshot = take_screenshot,
        .opaque = machine,
    };
    displays->screen = screen_create(&wiring, error);
    if (!displays->screen) {
        return false;
    }
    if (config->takes_screenshots) {
        displays->writer = picture_writer_start(config->screenshot, error);
        if (!displays->writer) {
            return false;
        }
    }
    return (!config->window || open_window(machine, error)) &&
           (!config->vnc || open_vnc(machine, error)) &&
           (!config->text_view || open_text_view(machine, error));
}

void displays_start(struct machine *machine)
{
    struct displays *displays = machine->displays;
    if (!displays) {
        return;
    }
    const struct display_source source = vga_display(machine->vga);
    screen_start(displays->screen, &source);
    if (displays->text_view) {
        text_view_start(displays->text_view, &source, displays->input);
    }
    if (displays->writer) {
        picture_writer_connect(displays->writer, machine->loop);
    }
    displays->started = true;
}

bool displays_screenshot(struct machine *machine, const char *path, picture_done *done,
                         void *opaque, struct error *error)
{
    struct displays *displays = machine->displays;
    struct display_size size;
    if (!displays || !displays->writer || !displays->started) {
        return error_set(error, "this machine takes no screenshots");
    }
    const uint32_t *pixels = screen_draw(displays->screen, &size);
    return picture_write(displays->writer, path, pixels, &size, done, opaque, error);
}

void displays_wait_for_screenshot(struct machine *machine)
{
    picture_wait(machine->displays->writer);
}

static bool write_all(int fd, const uint8_t *bytes, size_t count, struct error *error)
{
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno != EINTR) {
            return error_set_errno(error, errno, "cannot write the screenshot");
        }
        bytes += written > 0 ? written : 0;
        count -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

bool displays_write_picture(struct machine *machine, int fd, bool png,
                            struct error *error)
{
    struct displays *displays = machine->displays;
    struct display_size size;
    size_t count;
    if (!displays || !displays->started) {
        return error_set(error, "this machine has no display to take a picture of");
    }
    const uint32_t *pixels = screen_draw(displays->screen, &size);
    uint8_t *bytes = picture_encode(pixels, &size, png, &count);
    bool good = bytes ? write_all(fd, bytes, count, error)
                      : error_set(error, "no memory for a screenshot");
    free(bytes);
    return good;
}

void machine_screenshot(struct machine *machine)
{
    lock_take(&machine->lock);
    take_screenshot(machine);
    lock_release(&machine->lock);
}

static void complain(void *opaque, const char *path, const char *problem)
{
    if (!path) {
        say_where(opaque, path, problem);
    }
}

static void take_last_screenshot(struct machine *machine)
{
    struct displays *displays = machine->displays;
    struct error error;
    if (!displays->started || !machine->config.screenshot) {
        return;
    }
    picture_wait(displays->writer);
    if (!displays_screenshot(machine, machine->config.screenshot, complain, machine,
                             &error)) {
        log_warning(&machine->log, "%s", error.text);
    }
}

void displays_close(struct machine *machine)
{
    struct displays *displays = machine->displays;
    if (!displays) {
        return;
    }
    take_last_screenshot(machine);
    picture_writer_stop(displays->writer);
    text_view_close(displays->text_view);
    screen_destroy(displays->screen);
    free(displays);
    machine->displays = NULL;
}
