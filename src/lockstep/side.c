#define _GNU_SOURCE /* sigabbrev_np */
#include "lockstep/side.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/server.h"
#include "lockstep/wire.h"

static bool map_ram(struct side *side, uint64_t bytes, struct error *error)
{
    void *host =
        mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, side->ram.fd, 0);
    if (host == MAP_FAILED) {
        return error_set_errno(error, errno, "cannot look at the guest's memory");
    }
    side->ram.host = host;
    side->ram.bytes = bytes;
    return true;
}

/* Waits for a process that has ended or is about to. */
static void reap(struct side *side)
{
    while (waitpid(side->pid, &side->wait_status, 0) < 0 && errno == EINTR) {
    }
    side->pid = 0;
}

static bool connect_side(struct side *side, struct error *error)
{
    struct greeting greeting;
    if (!wire_receive_with(side->fd, &greeting, sizeof(greeting), &side->ram.fd)) {
        char text[96] = "cannot be copied";
        if (side->pid > 0) {
            reap(side);
            side->state = SIDE_CRASHED;
            side_describe(side, text, sizeof(text));
        }
        return error_set(error, "the engine does not start: %s", text);
    }
    side->pid = greeting.pid;
    if (!greeting.created) {
        *error = greeting.error;
        return false;
    }
    return map_ram(side, greeting.ram_bytes, error);
}

bool side_start(struct side *side, const struct lockstep_config *config, unsigned index,
                const struct side *others, unsigned other_count, struct error *error)
{
    *side = (struct side){.state = SIDE_READY, .end = MACHINE_END_BUDGET, .ram.fd = -1};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        side->state = SIDE_NONE;
        return error_set_errno(error, errno, "cannot create a pair of sockets");
    }
    side->pid = fork();
    if (side->pid == 0) {
        close(ends[0]);
        for (unsigned i = 0; i < other_count; i++) {
            close(others[i].fd);
        }
        server_run(ends[1], config, index);
    }
    int why = errno;
    close(ends[1]);
    side->fd = ends[0];
    if (side->pid < 0) {
        side->pid = 0;
        return error_set_errno(error, why, "cannot start a process");
    }
    return connect_side(side, error);
}

void side_stop(struct side *side)
{
    if (side->state == SIDE_NONE) {
        return;
    }
    close(side->fd); /* the request to end */
    if (side->pid > 0) {
        if (side->state != SIDE_READY) {
            kill(side->pid, SIGKILL);
        }
        reap(side);
    }
    if (side->ram.host) {
        munmap(side->ram.host, side->ram.bytes);
    }
    if (side->ram.fd >= 0) {
        close(side->ram.fd);
    }
    state_buffer_free(&side->cpu);
    state_buffer_free(&side->devices);
    side->state = SIDE_NONE;
}

static void crashed(struct side *side)
{
    kill(side->pid, SIGKILL);
    reap(side);
    side->state = SIDE_CRASHED;
    state_buffer_free(&side->cpu);
    state_buffer_free(&side->devices);
}

bool side_copy(struct side *side, struct side *copy, struct error *error)
{
    const struct request request = {.kind = REQUEST_COPY};
    bool answer;
    *copy = (struct side){.state = SIDE_NONE, .ram.fd = -1};
    if (side->state != SIDE_READY) {
        return error_set(error, "there is nothing to copy");
    }
    if (!wire_send(side->fd, &request, sizeof(request)) ||
        !wire_receive_with(side->fd, &answer, sizeof(answer), &copy->fd)) {
        crashed(side);
        return error_set(error, "the engine cannot be copied");
    }
    copy->state = SIDE_READY;
    copy->end = side->end;
    return connect_side(copy, error);
}

void side_run(struct side *side, uint64_t until)
{
    const struct request request = {.kind = REQUEST_RUN, .until = until};
    state_buffer_free(&side->devices);
    if (side->state != SIDE_READY) {
        return;
    }
    if (wire_send(side->fd, &request, sizeof(request))) {
        side->state = SIDE_RUNNING;
    } else {
        crashed(side);
    }
}

void side_receive(struct side *side)
{
    struct ending ending;
    if (wire_receive(side->fd, &ending, sizeof(ending)) &&
        wire_receive_dump(side->fd, &side->cpu)) {
        side->end = ending.end;
        side->exit_code = ending.exit_code;
        side->retired = ending.retired;
        side->state = SIDE_READY;
    } else {
        crashed(side);
    }
}

void side_give_up(struct side *side)
{
    crashed(side);
    side->state = SIDE_HUNG;
}

bool side_ask_devices(struct side *side)
{
    const struct request request = {.kind = REQUEST_DEVICES};
    if (side->state != SIDE_READY) {
        return false;
    }
    if (!wire_send(side->fd, &request, sizeof(request)) ||
        !wire_receive_dump(side->fd, &side->devices)) {
        crashed(side);
        return false;
    }
    return true;
}

bool side_ask_code(struct side *side, struct lockstep_code *code)
{
    const struct request request = {.kind = REQUEST_CODE};
    if (side->state != SIDE_READY) {
        return false;
    }
    if (!wire_send(side->fd, &request, sizeof(request)) ||
        !wire_receive(side->fd, code, sizeof(*code))) {
        crashed(side);
        return false;
    }
    return true;
}

static void describe_crash(int status, char *text, size_t bytes)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, bytes, "crashed: SIG%s", sigabbrev_np(WTERMSIG(status)));
    } else {
        snprintf(text, bytes, "crashed: exit status %d", WEXITSTATUS(status));
    }
}

void side_describe(const struct side *side, char *text, size_t bytes)
{
    static const char *const ends[] = {
        [MACHINE_END_POWER_OFF] = "the guest has powered off",
        [MACHINE_END_RESET] = "the guest has reset the machine",
        [MACHINE_END_HALTED] = "the CPU has halted for good",
        [MACHINE_END_STOPPED] = "stopped",
        [MACHINE_END_POWER_CUT] = "power cut",
        [MACHINE_END_BUDGET] = "runs",
        [MACHINE_END_INTERRUPTED] = "runs",
        [MACHINE_END_HOST_ERROR] = "the host failed",
    };
    if (side->state == SIDE_CRASHED) {
        describe_crash(side->wait_status, text, bytes);
    } else if (side->state == SIDE_HUNG) {
        snprintf(text, bytes, "hangs: does not get there");
    } else if (side->end == MACHINE_END_DEBUG_EXIT) {
        snprintf(text, bytes, "the guest has ended the run with status %d",
                 side->exit_code);
    } else {
        snprintf(text, bytes, "%s", ends[side->end]);
    }
}
