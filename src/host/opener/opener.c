/* A request is one message: how to open, and the path. The answer is an error number,
 * and with 0 the descriptor beside it (SCM_RIGHTS, unix(7)). */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "host/opener/opener.h"

#include "host/confinement/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, NEW_FILE_MODE = 0666 };

struct request {
    uint32_t mode;
    char path[PATH_MAX];
};

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* For one writer, or for any number of readers, as all disk images are. The lock is the
 * open file's, whoever has it. A file system without locks gets none. */
static bool lock_image(int fd, bool writable)
{
    struct flock lock = {
        .l_type = writable ? F_WRLCK : F_RDLCK,
        .l_whence = SEEK_SET,
    };
    return fcntl(fd, F_OFD_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

/* Neither a FIFO nor a terminal is to keep us. */
static int open_file(const struct request *request)
{
    static const int flags[] = {
        [OPENER_READ] = O_RDONLY,
        [OPENER_READ_WRITE] = O_RDWR,
        [OPENER_REPLACE] = O_WRONLY | O_CREAT | O_TRUNC,
    };
    if (request->mode > OPENER_REPLACE) {
        errno = EINVAL;
        return -1;
    }
    int fd =
        open(request->path, flags[request->mode] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
             NEW_FILE_MODE);
    if (fd >= 0 && request->mode != OPENER_REPLACE &&
        !lock_image(fd, request->mode == OPENER_READ_WRITE)) {
        close(fd);
        errno = EBUSY;
        return -1;
    }
    return fd;
}

static void answer(int socket, int fd, int why)
{
    union control control;
    struct iovec data = {.iov_base = &why, .iov_len = sizeof(why)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&control, 0, sizeof(control));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    sendmsg(socket, &message, 0);
}

static int serve(void *opaque, int socket)
{
    struct request request;
    ssize_t bytes;
    (void)opaque;
    confinement_enter_companion(CONFINEMENT_OPENER);
    while ((bytes = recv(socket, &request, sizeof(request), 0)) > 0) {
        if ((size_t)bytes <= offsetof(struct request, path) ||
            memchr(request.path, '\0',
                   (size_t)bytes - offsetof(struct request, path)) == NULL) {
            answer(socket, -1, EINVAL);
            continue;
        }
        int fd = open_file(&request);
        answer(socket, fd, fd < 0 ? errno : 0);
        if (fd >= 0) {
            close(fd);
        }
    }
    return 0;
}

bool opener_start(struct opener *opener, struct error *error)
{
    const struct companion_role role = {.name = "opener", .main = serve};
    return companion_start(&opener->companion, &role, error);
}

void opener_stop(struct opener *opener)
{
    companion_stop(&opener->companion);
}

/* The answer to what has been asked; -1 with errno set. */
static int receive(int socket)
{
    union control control;
    int why = EPROTO, fd = -1;
    struct iovec data = {.iov_base = &why, .iov_len = sizeof(why)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    int ready;
    while ((ready = poll(&polled, 1, PATIENCE_MS)) < 0 && errno == EINTR) {
    }
    if (ready <= 0 || recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) {
        errno = ready == 0 ? ETIMEDOUT : EPIPE;
        return -1;
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    }
    errno = why;
    return fd;
}

int opener_open(struct opener *opener, const char *path, enum opener_mode mode,
                struct error *error)
{
    struct request request = {.mode = mode};
    size_t length = strlen(path);
    if (!opener->companion.process) {
        error_set(error,
                  "Could not open '%s': files are opened only for monitors that "
                  "an option asks for (-monitor, -qmp, -gdb)",
                  path);
        return -1;
    }
    if (length >= sizeof(request.path)) {
        error_set_errno(error, ENAMETOOLONG, "Could not open '%s'", path);
        return -1;
    }
    memcpy(request.path, path, length + 1);
    int fd = -1;
    if (send(opener->companion.socket, &request,
             offsetof(struct request, path) + length + 1, MSG_NOSIGNAL) > 0) {
        fd = receive(opener->companion.socket);
    }
    if (fd < 0) {
        int why = errno;
        if (why == ETIMEDOUT) {
            opener_stop(opener); /* the answer must not be taken for the next one's */
        }
        error_set_errno(error, why, "Could not open '%s'", path);
    }
    return fd;
}
