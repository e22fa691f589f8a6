#define _GNU_SOURCE
#include "lockstep/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool wire_send(int fd, const void *bytes, size_t length)
{
    const char *next = bytes;
    while (length > 0) {
        ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        next += sent;
        length -= (size_t)sent;
    }
    return true;
}

bool wire_receive(int fd, void *bytes, size_t length)
{
    char *next = bytes;
    while (length > 0) {
        ssize_t received = recv(fd, next, length, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received <= 0) {
            return false;
        }
        next += received;
        length -= (size_t)received;
    }
    return true;
}

bool wire_send_dump(int fd, const struct state_buffer *dump)
{
    return wire_send(fd, &dump->length, sizeof(dump->length)) &&
           wire_send(fd, dump->bytes, dump->length);
}

bool wire_receive_dump(int fd, struct state_buffer *dump)
{
    size_t length;
    if (!wire_receive(fd, &length, sizeof(length))) {
        return false;
    }
    state_buffer_free(dump);
    dump->bytes = malloc(length);
    assert(dump->bytes);
    dump->length = length;
    return wire_receive(fd, dump->bytes, length);
}

/* Room for one descriptor beside a message. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

bool wire_send_with(int fd, const void *bytes, size_t length, int descriptor)
{
    union control control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                                        .cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(descriptor));
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == (ssize_t)length;
}

bool wire_receive_with(int fd, void *bytes, size_t length, int *descriptor)
{
    union control control;
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    *descriptor = -1;
    if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL) != (ssize_t)length) {
        return false;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header) {
        memcpy(descriptor, CMSG_DATA(header), sizeof(*descriptor));
    }
    return true;
}
