#include "host/console/character_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct character_backend *const backends[] = {
    &character_stdio, &character_file, &character_null,
    &character_pty,   &character_unix, &character_tcp,
};

/* The back end that `specification` names; `argument` is what follows the prefix. */
static const struct character_backend *find_backend(const char *specification,
                                                    const char **argument)
{
    for (size_t i = 0; i < ARRAY_LENGTH(backends); i++) {
        const char *prefix = backends[i]->prefix;
        size_t length = strlen(prefix);
        bool takes_argument = prefix[length - 1] == ':';
        if (takes_argument ? strncmp(specification, prefix, length) == 0
                           : strcmp(specification, prefix) == 0) {
            *argument = specification + length;
            return backends[i];
        }
    }
    return NULL;
}

static void release(struct character *character)
{
    free(character->specification);
    free(character->output);
    free(character->input);
    free(character);
}

static struct character *allocate(const char *specification)
{
    struct character *character = calloc(1, sizeof(*character));
    if (!character) {
        return NULL;
    }
    character->specification = strdup(specification);
    character->output = malloc(OUTPUT_QUEUE_BYTES);
    character->input = calloc(INPUT_QUEUE_ENTRIES, sizeof(*character->input));
    if (!character->specification || !character->output || !character->input) {
        release(character);
        return NULL;
    }
    character->input_fd = character->output_fd = -1;
    character->watched_fds[0] = character->watched_fds[1] = -1;
    return character;
}

struct character *character_open(const char *specification, bool multiplexed,
                                 const struct character_commands *commands,
                                 struct event_loop *loop, struct log *log,
                                 struct error *error)
{
    const char *argument;
    const struct character_backend *backend = find_backend(specification, &argument);
    if (!backend) {
        error_set(error,
                  "'%s' is no character device; there are stdio, file:PATH, null, pty, "
                  "unix:PATH[,server][,nowait] and tcp:HOST:PORT[,server][,nowait]",
                  specification);
        return NULL;
    }
    struct character *character = allocate(specification);
    if (!character) {
        error_set(error, "%s: no memory", specification);
        return NULL;
    }
    character->backend = backend;
    character->loop = loop;
    character->log = log;
    character->multiplexed = multiplexed;
    if (commands) {
        character->commands = *commands;
    }
    if (!backend->open(character, argument, error)) {
        release(character);
        return NULL;
    }
    return character;
}

void character_close(struct character *character)
{
    if (!character) {
        return;
    }
    character_flush(character, character->backend->patience_ms);
    if (character->dropped_bytes > 0 || character->output_count > 0) {
        log_warning(
            character->log,
            "%s: %llu bytes of output were dropped: nobody read them in time",
            character->specification,
            (unsigned long long)(character->dropped_bytes + character->output_count));
    }
    int input_fd = character->input_fd, output_fd = character->output_fd;
    character_set_descriptors(character, -1, -1); /* ends the watches */
    character->input_fd = input_fd;
    character->output_fd = output_fd;
    character->backend->close(character);
    release(character);
}

void character_connect(struct character *character,
                       const struct character_receiver *receiver)
{
    character->receiver = *receiver;
    if (character->output_fd >= 0) {
        character_opened(character);
    }
    character_deliver_input(character);
}

void character_connect_second(struct character *character,
                              const struct character_receiver *receiver)
{
    character->second = receiver ? *receiver : (struct character_receiver){0};
    character->second_listens = character->second_listens && receiver;
}

void character_opened(struct character *character)
{
    if (character->receiver.opened) {
        character->receiver.opened(character->receiver.opaque);
    }
}

void character_closed(struct character *character)
{
    if (character->receiver.closed) {
        character->receiver.closed(character->receiver.opaque);
    }
    character_deliver_input(character); /* the last that came */
}

size_t character_room(const struct character *character)
{
    return character->output_fd < 0 ? 0 : OUTPUT_QUEUE_BYTES - character->output_count;
}

size_t character_inject(struct character *character, const uint8_t *bytes, size_t count)
{
    size_t room = INPUT_QUEUE_ENTRIES - character->input_count;
    count = count < room ? count : room;
    for (size_t i = 0; i < count; i++) {
        character_queue_input(character, bytes[i]);
    }
    character_deliver_input(character);
    return count;
}

bool character_input_waits(const struct character *character)
{
    return character->input_count > 0;
}

void character_forget_input(struct character *character)
{
    character->input_count = 0;
}

void character_accept_input(struct character *character)
{
    if (character->input_count > 0) {
        character_deliver_input(character);
    }
}
