/* "null": takes everything, gives nothing. */
#include "host/console/character_internal.h"

static bool open_null(struct character *character, const char *argument,
                      struct error *error)
{
    (void)character, (void)argument, (void)error;
    return true; /* no descriptors */
}

static void null_ended(struct character *character, enum connection_end end)
{
    (void)character, (void)end;
}

static void close_null(struct character *character)
{
    (void)character;
}

const struct character_backend character_null = {
    .prefix = "null",
    .open = open_null,
    .ended = null_ended,
    .close = close_null,
};
