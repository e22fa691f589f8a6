/* Options about what the user sees, and what is chosen without any. */
#include <stdlib.h>
#include <string.h>

#include "cli/options_internal.h"
#include "host/display/viewer_program.h"

static bool is_or_begins(const char *value, const char *word)
{
    size_t length = strlen(word);
    return strncmp(value, word, length) == 0 &&
           (value[length] == '\0' || value[length] == ',');
}

bool option_apply_vnc(struct parser *parser, const char *value, struct error *error)
{
    const char **vnc = &parser->options->machine.vnc;
    if (*vnc) {
        return error_set(error, "-vnc is there twice; one server has room for many "
                                "viewers");
    }
    *vnc = value;
    return true;
}

bool option_apply_display(struct parser *parser, const char *value, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    parser->display_given = true;
    if (strncmp(value, "vnc=", 4) == 0) {
        return option_apply_vnc(parser, value + 4, error);
    }
    if (is_or_begins(value, "sdl")) {
        machine->window = value;
    } else if (strcmp(value, "curses") == 0) {
        machine->text_view = true;
    } else if (strcmp(value, "none") != 0) {
        return error_set(error,
                         "-display %s: there are sdl, vnc=[HOST]:DISPLAY, curses and "
                         "none",
                         value);
    }
    return true;
}

bool option_apply_screenshot(struct parser *parser, const char *value,
                             struct error *error)
{
    (void)error;
    parser->options->machine.screenshot = value;
    return true;
}

bool option_apply_name(struct parser *parser, const char *value, struct error *error)
{
    (void)error;
    parser->options->machine.name = value;
    return true;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0];
}

/* Nothing was said about it: a window if there can be one, or else a word about why
 * not. */
static void choose(struct parser *parser)
{
    bool has_display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    if (has_display && viewer_program_exists(VIEWER_WINDOW)) {
        parser->options->machine.window = "sdl";
    } else if (has_display) {
        parser->options->note =
            "there is no window, as this build has no faumachine-sdl (it needs "
            "Debian's "
            "libsdl2-dev); -nographic takes this terminal without a word";
    } else if (parser->serial_lines == 0) {
        parser->options->note =
            "there is no window, as neither DISPLAY nor WAYLAND_DISPLAY is set: serial "
            "line 1 is on this terminal, as with -nographic; -display curses shows the "
            "text screen here, -vnc :1 serves VNC viewers";
    } else {
        parser->options->note =
            "there is no window, as neither DISPLAY nor WAYLAND_DISPLAY is set; "
            "-display none does without, -display curses shows the text screen here, "
            "-vnc :1 serves VNC viewers";
    }
}

/* What two machines side by side cannot have. */
static bool shows_nothing(const struct machine_config *machine, struct error *error)
{
    const char *option = machine->window || machine->text_view ? "display"
                         : machine->vnc                        ? "vnc"
                         : machine->screenshot                 ? "screenshot"
                                                               : NULL;
    return !option ||
           error_set(error, "-%s: lockstep shows nothing; use it with run", option);
}

bool option_finish_display(struct parser *parser, struct error *error)
{
    struct machine_config *machine = &parser->options->machine;
    if (parser->lockstep) {
        return shows_nothing(machine, error);
    }
    if (machine->text_view && parser->no_graphic) {
        return error_set(error, "-display curses and -nographic both take this "
                                "terminal; leave one out");
    }
    machine->takes_screenshots = true;
    if (!parser->display_given && !machine->vnc && !parser->no_graphic) {
        choose(parser);
    }
    return true;
}
