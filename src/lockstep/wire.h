/* lockstep/wire.h: what passes between us and an engine's process, on a socket.
 *
 * Both ends are the same program: structures go as they are. Thread: any. */
#ifndef LOCKSTEP_WIRE_H
#define LOCKSTEP_WIRE_H

#include "lockstep/lockstep.h"
#include "state/state.h"

#include <sys/types.h>

enum request_kind { REQUEST_RUN, REQUEST_DEVICES, REQUEST_CODE, REQUEST_COPY };

struct request {
    enum request_kind kind;
    uint64_t until;
};

/* Comes first, with the descriptor of RAM if the machine could be made. */
struct greeting {
    pid_t pid;
    bool created;
    struct error error;
    uint64_t ram_bytes;
};

/* The answer to REQUEST_RUN, before the dump. */
struct ending {
    enum machine_end end;
    int exit_code;
    uint64_t retired;
};

/* Both directions; false at the end of the socket. */
bool wire_send(int fd, const void *bytes, size_t length);
bool wire_receive(int fd, void *bytes, size_t length);
bool wire_send_dump(int fd, const struct state_buffer *dump);
/* Instead of what `dump` holds. */
bool wire_receive_dump(int fd, struct state_buffer *dump);
/* A descriptor goes along; -1: none. */
bool wire_send_with(int fd, const void *bytes, size_t length, int descriptor);
bool wire_receive_with(int fd, void *bytes, size_t length, int *descriptor);

#endif
