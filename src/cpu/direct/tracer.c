/* The machine's side of the tracer: starts it, and tells it whom to trace. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, tgkill() */
#include "cpu/direct/tracer.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

/* The child in between ends at once, so nobody has to wait for the tracer at the end,
 * when the machine may no longer do so. */
static bool start_process(struct tracer *tracer, int ends[2])
{
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            tracer->socket = ends[1];
            tracer_main(tracer);
        }
        _exit(0);
    }
    int status;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0;
}

static bool receive(struct tracer *tracer, int *number)
{
    ssize_t got;
    do {
        got = read(tracer->socket, number, sizeof(*number));
    } while (got < 0 && errno == EINTR);
    return got == sizeof(*number);
}

bool tracer_start(struct tracer *tracer, struct error *error)
{
    int ends[2], process;
    tracer->socket = -1;
    void *shared = mmap(NULL, sizeof(*tracer->shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tracer->shared = shared == MAP_FAILED ? NULL : shared;
    if (!tracer->shared ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return error_set_errno(error, errno, "cannot prepare a tracer process");
    }
    tracer->socket = ends[0];
    bool started = start_process(tracer, ends);
    int why = errno;
    close(ends[1]);
    if (!started || !receive(tracer, &process)) {
        return error_set_errno(error, why, "cannot start a tracer process");
    }
    tracer->process = process;
    /* Where only ancestors may trace (Yama). */
    prctl(PR_SET_PTRACER, process, 0, 0, 0);
    return true;
}

int tracer_trace(struct tracer *tracer, pid_t thread)
{
    struct tracer_shared *shared = tracer->shared;
    pid_t traced = atomic_load(&shared->traced);
    int answer;
    atomic_store(&shared->wanted, thread);
    if (write(tracer->socket, &thread, sizeof(thread)) != sizeof(thread)) {
        return errno;
    }
    if (traced) {
        /* It has to stop to be let go. */
        tgkill(getpid(), traced, SIGURG);
    }
    return receive(tracer, &answer) ? answer : ESRCH;
}

void tracer_stop(struct tracer *tracer)
{
    if (tracer->socket >= 0) {
        if (atomic_load(&tracer->shared->traced)) {
            tracer_trace(tracer, 0);
        }
        close(tracer->socket);
        tracer->socket = -1;
    }
    if (tracer->shared) {
        munmap(tracer->shared, sizeof(*tracer->shared));
        tracer->shared = NULL;
    }
}
