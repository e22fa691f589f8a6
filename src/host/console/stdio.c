/* "stdio": the simulator's standard input and output. */
#include "host/console/character_internal.h"
#include "host/console/terminal.h"

#include <unistd.h>

static bool open_stdio(struct character *character, const char *argument,
                       struct error *error)
{
    (void)argument;
    if (!terminal_claim(error)) {
        return false;
    }
    terminal_set_raw(character->multiplexed);
    character_set_descriptors(character, STDIN_FILENO, STDOUT_FILENO);
    return true;
}

/* The machine goes on without. */
static void stdio_ended(struct character *character, enum connection_end end)
{
    if (end == CONNECTION_INPUT_ENDED) {
        character_set_descriptors(character, -1, character->output_fd);
    } else {
        character_set_descriptors(character, character->input_fd, -1);
    }
}

static void close_stdio(struct character *character)
{
    (void)character;
    terminal_release();
}

const struct character_backend character_stdio = {
    .prefix = "stdio",
    .open = open_stdio,
    .ended = stdio_ended,
    .close = close_stdio,
    .patience_ms = 5000,
};
