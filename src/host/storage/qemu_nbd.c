/* A qemu-nbd of our own, for one image that is not raw.
 *
 * It gets a socket that is listened on already, as from systemd, to which we are
 * connected before it starts: the socket's name is gone by then. It has no privileges,
 * ends when its client goes, and dies with us. Source: qemu-nbd(8), sd_listen_fds(3).
 */
#define _GNU_SOURCE /* close_range(), pipe2() */
#include "host/storage/storage_internal.h"

#include "host/companion/companion.h"
#include "host/confinement/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    FIRST_PASSED_FD = 3, /* of the protocol */
    NOT_THERE = 127,
    PATIENCE_MS = 10000,
    STEP_MS = 2,
};

/* -- the socket -- */

/* Two ends: one listened on, one connected to it, though nobody has accepted yet. */
static bool make_socket(int *listening, int *connected, struct error *error)
{
    const char *directory = getenv("TMPDIR");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[sizeof(address.sun_path) - sizeof("/socket")];
    int length = snprintf(folder, sizeof(folder), "%s/faumachine-XXXXXX",
                          directory && *directory ? directory : "/tmp");
    if (length >= (int)sizeof(folder) || !mkdtemp(folder)) {
        return error_set(error, "cannot create a folder %s for a socket (set TMPDIR)",
                         folder);
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    *listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *name = (const struct sockaddr *)&address;
    bool made = *listening >= 0 && *connected >= 0 &&
                bind(*listening, name, sizeof(address)) == 0 &&
                listen(*listening, 1) == 0 &&
                connect(*connected, name, sizeof(address)) == 0;
    int why = errno;
    unlink(address.sun_path);
    rmdir(folder);
    if (!made) {
        close(*listening);
        close(*connected);
        return error_set_errno(error, why, "cannot create a socket for qemu-nbd");
    }
    return true;
}

/* -- the process -- */

static _Noreturn void be_server(char *const arguments[], int listening, int errors,
                                pid_t machine)
{
    struct error ignored;
    char number[16];
    companion_begin(machine);
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(errors, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    if (listening == FIRST_PASSED_FD) {
        fcntl(listening, F_SETFD, 0);
    } else {
        dup2(listening, FIRST_PASSED_FD);
    }
    close_range(FIRST_PASSED_FD + 1, UINT32_MAX, 0);
    snprintf(number, sizeof(number), "%d", (int)getpid());
    setenv("LISTEN_PID", number, 1);
    setenv("LISTEN_FDS", "1", 1);
    confinement_drop_privileges(&ignored);
    execvp(arguments[0], arguments);
    _exit(NOT_THERE);
}

bool qemu_nbd_start(struct qemu_nbd *server, const char *path, const char *format,
                    bool writable, bool discard, struct error *error)
{
    int listening = -1, errors[2];
    char *image = image_plain_path(path);
    char *const arguments[] = {
        "qemu-nbd",
        "--cache=writeback",
        discard ? "--discard=unmap" : "--discard=ignore",
        "--format",
        (char *)format,
        image,
        writable ? NULL : "--read-only",
        NULL,
    };
    *server = (struct qemu_nbd){.socket = -1, .errors = -1};
    if (!make_socket(&listening, &server->socket, error)) {
        free(image);
        return false;
    }
    /* Nobody reads what it says later: it must not wait for that. */
    if (pipe2(errors, O_CLOEXEC | O_NONBLOCK) < 0) {
        errors[0] = errors[1] = -1;
    }
    pid_t machine = getpid();
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        be_server(arguments, listening, errors[1], machine);
    }
    int why = errno;
    free(image);
    close(listening);
    close(errors[1]);
    server->errors = errors[0];
    server->process = process > 0 ? process : 0;
    if (process < 0) {
        close(server->socket);
        close(server->errors);
        return error_set_errno(error, why, "cannot start qemu-nbd");
    }
    return true;
}

static bool wait_for_end(const struct qemu_nbd *server, int *status)
{
    for (unsigned waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
        if (waitpid(server->process, status, WNOHANG) == server->process) {
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000}, NULL);
    }
    return false; /* it is killed when we end */
}

void qemu_nbd_complaint(struct qemu_nbd *server, char *line, size_t bytes)
{
    int status = 0;
    bool ended = wait_for_end(server, &status);
    ssize_t got = ended ? read(server->errors, line, bytes - 1) : 0;
    server->process = ended ? 0 : server->process;
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_THERE) {
        snprintf(line, bytes,
                 "qemu-nbd is not installed (Debian has it in qemu-utils)");
    } else if (!*line) {
        snprintf(line, bytes, "qemu-nbd has ended without a word");
    }
}

bool qemu_nbd_end(struct qemu_nbd *server)
{
    int status = 0;
    if (!server->process) {
        return true;
    }
    bool ended = wait_for_end(server, &status);
    close(server->errors);
    server->process = 0;
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
