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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, NEW_FILE_MODE = 0666 };

/* Requests beside those of enum opener_mode. */
enum { KEEP = 100, DROP };

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

/* A file that has no name of its own yet. */
struct pending {
    bool any;
    char path[PATH_MAX], temporary[PATH_MAX + 8];
};

static void drop(struct pending *pending)
{
    if (pending->any) {
        unlink(pending->temporary);
        pending->any = false;
    }
}

/* Beside the file whose place it will take, which may be behind symbolic links. */
static int open_whole(struct pending *pending, const char *path)
{
    struct stat status;
    drop(pending);
    if (!realpath(path, pending->path)) {
        strcpy(pending->path, path);
    } else if (stat(pending->path, &status) == 0 && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        return -1;
    }
    sprintf(pending->temporary, "%s.XXXXXX", pending->path);
    int fd = mkostemp(pending->temporary, O_CLOEXEC);
    pending->any = fd >= 0;
    return fd;
}

/* So that the new name outlives a crash of the host. */
static void sync_directory(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 0;
    memcpy(folder, path, length);
    strcpy(folder + length, length ? "" : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

/* Returns an error number, or 0. */
static int keep(struct pending *pending)
{
    if (!pending->any) {
        return EINVAL;
    }
    if (rename(pending->temporary, pending->path) < 0) {
        int why = errno;
        drop(pending);
        return why;
    }
    pending->any = false;
    sync_directory(pending->path);
    return 0;
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

static void serve_one(const struct request *request, struct pending *pending,
                      int socket)
{
    if (request->mode == KEEP) {
        answer(socket, -1, keep(pending));
        return;
    }
    if (request->mode == DROP) {
        drop(pending);
        answer(socket, -1, 0);
        return;
    }
    int fd = request->mode == OPENER_REPLACE_WHOLE ? open_whole(pending, request->path)
                                                   : open_file(request);
    answer(socket, fd, fd < 0 ? errno : 0);
    if (fd >= 0) {
        close(fd);
    }
}

static int serve(void *opaque, int socket)
{
    struct request request;
    struct pending pending = {.any = false};
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
        serve_one(&request, &pending, socket);
    }
    drop(&pending);
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

/* Asks for something that has no path; an error number, or 0. */
static int ask(struct opener *opener, uint32_t what)
{
    const struct request request = {.mode = what, .path = ""};
    if (!opener->companion.process ||
        send(opener->companion.socket, &request, offsetof(struct request, path) + 1,
             MSG_NOSIGNAL) <= 0) {
        return EPIPE;
    }
    int unused = receive(opener->companion.socket);
    (void)unused; /* nothing comes with the answer */
    return errno;
}

bool opener_keep(struct opener *opener, const char *path, struct error *error)
{
    int why = ask(opener, KEEP);
    return why == 0 || error_set_errno(error, why, "Could not replace '%s'", path);
}

void opener_drop(struct opener *opener)
{
    ask(opener, DROP);
}
