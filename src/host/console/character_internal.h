/* host/console/character_internal.h: what the back ends share.
 *
 * A back end opens descriptors and says what to do when one of them fails;
 * character_io.c moves the bytes. Thread: whoever holds the machine lock. */
#ifndef HOST_CONSOLE_CHARACTER_INTERNAL_H
#define HOST_CONSOLE_CHARACTER_INTERNAL_H

#include "host/console/character.h"

enum {
    OUTPUT_QUEUE_BYTES = 1 << 20,
    INPUT_QUEUE_ENTRIES = 1 << 16,
    INPUT_BREAK = 0x100, /* an input entry that is no byte: a break condition */
};

enum connection_end {
    CONNECTION_INPUT_ENDED, /* end of file, or reading failed */
    CONNECTION_OUTPUT_FAILED,
};

struct character_backend {
    const char *prefix; /* of the specification; one that ends in ':' has an argument */
    bool (*open)(struct character *character, const char *argument,
                 struct error *error);
    /* The other side is gone. The descriptors are still set. */
    void (*ended)(struct character *character, enum connection_end end);
    /* Closes what open() opened. */
    void (*close)(struct character *character);
    /* How long the last output waits for a reader that takes nothing. */
    unsigned patience_ms;
};

struct character {
    const struct character_backend *backend;
    void *own; /* the back end's */
    char *specification;
    struct event_loop *loop;
    struct log *log;
    struct character_receiver receiver;
    struct character_receiver second; /* Ctrl-A C; no `receive`: nobody */
    bool second_listens;
    struct character_commands commands;
    bool multiplexed;
    bool escape_pending; /* Ctrl-A was the last byte */

    int input_fd, output_fd; /* -1: none; may be the same */
    bool output_is_socket;
    size_t write_bytes; /* the most to write at once without blocking */
    int watched_fds[2]; /* what the event loop watches for us; -1: nothing */

    uint8_t *output; /* a ring */
    size_t output_first, output_count;
    uint64_t dropped_bytes;
    uint16_t *input; /* a ring of bytes and INPUT_BREAK */
    size_t input_first, input_count;
};

/* From now on bytes come from `input_fd` and go to `output_fd`; -1: none. */
void character_set_descriptors(struct character *character, int input_fd,
                               int output_fd);
/* Writes what is queued; gives up when nothing moves for `patience_ms` or a signal
 * comes. */
void character_flush(struct character *character, unsigned patience_ms);
/* Appends to the input; what does not fit is lost. */
void character_queue_input(struct character *character, uint16_t entry);
void character_deliver_input(struct character *character);
/* The other end is there, and gone: tells the receiver. */
void character_opened(struct character *character);
void character_closed(struct character *character);

/* multiplexer.c: one byte from a terminal on which Ctrl-A is an escape. */
void multiplexer_input(struct character *character, uint8_t byte);

extern const struct character_backend character_stdio, character_file, character_null,
    character_pty, character_unix, character_tcp;

#endif
