/* host/console/character.h: where the bytes of a serial line go to and come from.
 *
 * A character device is opened from a specification as QEMU spells it: "stdio",
 * "file:PATH", "null", "pty", "unix:PATH[,server][,nowait]", "tcp:HOST:PORT…". Writing
 * never blocks a virtual CPU: what the host does not take at once is queued, and, with
 * a queue full, dropped and counted. Input is offered to the receiver as it has room.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef HOST_CONSOLE_CHARACTER_H
#define HOST_CONSOLE_CHARACTER_H

#include "base/error.h"
#include "base/log.h"
#include "base/types.h"
#include "host/event_loop.h"

struct character;

/* Who gets the input: `room` says how many bytes it can take now (0: ask again after
 * character_accept_input), `receive` gets at most that many; `line_break` (may be NULL)
 * is a break condition on the line; `opened` and `closed` (may be NULL) tell when the
 * other end comes and goes. */
struct character_receiver {
    size_t (*room)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *bytes, size_t count);
    void (*line_break)(void *opaque);
    void (*opened)(void *opaque);
    void (*closed)(void *opaque);
    void *opaque;
};

/* What Ctrl-A commands on a multiplexed terminal ask of the machine; may be NULL. */
struct character_commands {
    void (*quit)(void *opaque); /* Ctrl-A X */
    void *opaque;
};

/* `multiplexed`: Ctrl-A is an escape (-nographic). `commands` may be NULL. Returns NULL
 * and one clear line in `error` when the specification or the host's answer is bad. */
struct character *character_open(const char *specification, bool multiplexed,
                                 const struct character_commands *commands,
                                 struct event_loop *loop, struct log *log,
                                 struct error *error);
/* Waits for a reader that still takes output, for a few seconds at most after the last
 * byte it took; restores the terminal. NULL is fine. */
void character_close(struct character *character);

void character_connect(struct character *character,
                       const struct character_receiver *receiver);
/* On a multiplexed terminal: who gets the input instead, from one Ctrl-A C to the next,
 * as it comes; `opened` and `closed` tell of these. NULL: nobody any more. */
void character_connect_second(struct character *character,
                              const struct character_receiver *receiver);
/* How many bytes can be written now without loss; 0 if nobody is connected. */
size_t character_room(const struct character *character);
void character_write(struct character *character, const uint8_t *bytes, size_t count);
/* As if these bytes had come from the other side. Returns how many the queue had room
 * for. */
size_t character_inject(struct character *character, const uint8_t *bytes,
                        size_t count);
/* Whether some of what came from the other side waits for room, and: it is lost. */
bool character_input_waits(const struct character *character);
void character_forget_input(struct character *character);
/* The receiver has room again; it is also asked when output has left. */
void character_accept_input(struct character *character);

#endif
