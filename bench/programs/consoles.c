/* Work for a console on a screen: lines that scroll. An operation is a line. */
#include "kinds.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINES = 500 };

/* The checksum is the size of the console, which is to be the same everywhere. */
static uint32_t print_lines(const char *place)
{
    int console = open(place, O_WRONLY | O_NOCTTY);
    struct winsize size = {0};
    uint32_t printed = 0;
    if (console >= 0 && ioctl(console, TIOCGWINSZ, &size) == 0) {
        for (int i = 0; i < LINES; i++) {
            int bytes = dprintf(console,
                                "%5d: the quick brown fox jumps over the lazy dog, and "
                                "the dog sleeps on\n",
                                i);
            printed += bytes > 0;
        }
    }
    close(console);
    return printed == LINES ? (uint32_t)size.ws_row << 16 | size.ws_col : 0;
}

const struct kind console_kinds[] = {
    {"text-lines", .round_at = print_lines, .operations = LINES},
    {"frame-lines", .round_at = print_lines, .operations = LINES},
    {"text-lines-watched", .round_at = print_lines, .operations = LINES},
    {"frame-lines-watched", .round_at = print_lines, .operations = LINES},
    {0},
};
