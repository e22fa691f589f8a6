/* Output: a ring that is emptied by the event loop whenever the descriptor takes bytes.
 * The descriptors of standard input and output are shared with other processes, so they
 * are not made non-blocking; instead no more is written at once than what a descriptor
 * that polls as writable is sure to take. Input: a ring that is filled as long as it
 * has room and emptied as the receiver has. */
#include "host/console/character_internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INPUT_CHUNK_BYTES = 256,
    TERMINAL_WRITE_BYTES = 256, /* Linux: WAKEUP_CHARS, the room behind POLLOUT */
    PIPE_WRITE_BYTES = 4096,    /* PIPE_BUF, the room behind POLLOUT: pipe(7) */
    FILE_WRITE_BYTES = 65536,
};

static void on_event(void *opaque, unsigned events);

static void watch(struct character *character, size_t slot, int fd, unsigned events)
{
    int *watched = &character->watched_fds[slot];
    if (*watched >= 0 && (*watched != fd || !events)) {
        event_loop_watch(character->loop, *watched, 0, NULL, NULL);
        *watched = -1;
    }
    if (events) {
        event_loop_watch(character->loop, fd, events, on_event, character);
        *watched = fd;
    }
}

static void update_watches(struct character *character)
{
    unsigned in = 0, out = 0;
    if (character->input_fd >= 0 && character->input_count < INPUT_QUEUE_ENTRIES) {
        in = EVENT_READABLE;
    }
    if (character->output_fd >= 0 && character->output_count > 0) {
        out = EVENT_WRITABLE;
    }
    if (character->input_fd == character->output_fd) {
        watch(character, 1, -1, 0);
        watch(character, 0, character->input_fd, in | out);
    } else {
        watch(character, 0, character->input_fd, in);
        watch(character, 1, character->output_fd, out);
    }
}

void character_set_descriptors(struct character *character, int input_fd, int output_fd)
{
    character->input_fd = input_fd;
    character->output_fd = output_fd;
    struct stat status;
    if (output_fd >= 0 && fstat(output_fd, &status) == 0) {
        character->output_is_socket = S_ISSOCK(status.st_mode);
        character->write_bytes = S_ISREG(status.st_mode)    ? FILE_WRITE_BYTES
                                 : S_ISSOCK(status.st_mode) ? FILE_WRITE_BYTES
                                 : isatty(output_fd)        ? TERMINAL_WRITE_BYTES
                                                            : PIPE_WRITE_BYTES;
    }
    if (output_fd < 0) {
        character->output_first = 0; /* nobody is left to get it */
        character->output_count = 0;
    }
    update_watches(character);
}

static ssize_t write_some(const struct character *character, const uint8_t *bytes,
                          size_t count)
{
    ssize_t written;
    do {
        written =
            character->output_is_socket
                ? send(character->output_fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(character->output_fd, bytes, count);
    } while (written < 0 && errno == EINTR);
    return written;
}

static void write_out(struct character *character)
{
    size_t until_end = OUTPUT_QUEUE_BYTES - character->output_first;
    size_t count = character->output_count;
    count = count < until_end ? count : until_end;
    count = count < character->write_bytes ? count : character->write_bytes;
    if (count == 0 || character->output_fd < 0) {
        return;
    }
    ssize_t written =
        write_some(character, character->output + character->output_first, count);
    if (written >= 0) {
        character->output_first =
            (character->output_first + (size_t)written) % OUTPUT_QUEUE_BYTES;
        character->output_count -= (size_t)written;
        character_accept_input(character);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        if (errno != EPIPE && errno != ECONNRESET) {
            log_warning(character->log, "%s: %s; what the guest writes there is lost",
                        character->specification, strerror(errno));
        }
        character->backend->ended(character, CONNECTION_OUTPUT_FAILED);
    }
    update_watches(character);
}

void character_write(struct character *character, const uint8_t *bytes, size_t count)
{
    if (character->output_fd < 0) {
        return;
    }
    bool was_empty = character->output_count == 0;
    for (size_t i = 0; i < count; i++) {
        if (character->output_count == OUTPUT_QUEUE_BYTES) {
            character->dropped_bytes += count - i;
            break;
        }
        size_t place =
            (character->output_first + character->output_count) % OUTPUT_QUEUE_BYTES;
        character->output[place] = bytes[i];
        character->output_count++;
    }
    if (was_empty) {
        update_watches(character);
    }
}

void character_flush(struct character *character, unsigned patience_ms)
{
    while (character->output_fd >= 0 && character->output_count > 0) {
        struct pollfd polled = {.fd = character->output_fd, .events = POLLOUT};
        if (poll(&polled, 1, (int)patience_ms) <= 0) {
            return;
        }
        write_out(character);
    }
}

static void read_in(struct character *character)
{
    uint8_t bytes[INPUT_CHUNK_BYTES];
    size_t room = INPUT_QUEUE_ENTRIES - character->input_count;
    if (room == 0) {
        return;
    }
    ssize_t count =
        read(character->input_fd, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
    if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) {
        return;
    }
    if (count <= 0) {
        character->backend->ended(character, CONNECTION_INPUT_ENDED);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (character->multiplexed) {
            multiplexer_input(character, bytes[i]);
        } else {
            character_queue_input(character, bytes[i]);
        }
    }
    character_deliver_input(character);
}

static void on_event(void *opaque, unsigned events)
{
    struct character *character = opaque;
    if ((events & EVENT_WRITABLE) && character->output_fd >= 0) {
        write_out(character);
    }
    if ((events & EVENT_READABLE) && character->input_fd >= 0) {
        read_in(character);
    }
}

void character_queue_input(struct character *character, uint16_t entry)
{
    if (character->input_count < INPUT_QUEUE_ENTRIES) {
        size_t place =
            (character->input_first + character->input_count) % INPUT_QUEUE_ENTRIES;
        character->input[place] = entry;
        character->input_count++;
    }
}

/* Takes bytes off the input, up to `room`, a break or the end. */
static size_t take_bytes(struct character *character, uint8_t *bytes, size_t room)
{
    size_t count = 0;
    while (count < room && character->input_count > 0 &&
           character->input[character->input_first] != INPUT_BREAK) {
        bytes[count++] = (uint8_t)character->input[character->input_first];
        character->input_first = (character->input_first + 1) % INPUT_QUEUE_ENTRIES;
        character->input_count--;
    }
    return count;
}

void character_deliver_input(struct character *character)
{
    const struct character_receiver *receiver = &character->receiver;
    while (receiver->receive && character->input_count > 0) {
        size_t room = receiver->room(receiver->opaque);
        if (room == 0) {
            break;
        }
        if (character->input[character->input_first] == INPUT_BREAK) {
            character->input_first = (character->input_first + 1) % INPUT_QUEUE_ENTRIES;
            character->input_count--;
            if (receiver->line_break) {
                receiver->line_break(receiver->opaque);
            }
            continue;
        }
        uint8_t bytes[INPUT_CHUNK_BYTES];
        size_t count =
            take_bytes(character, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
        receiver->receive(receiver->opaque, bytes, count);
    }
    update_watches(character);
}
