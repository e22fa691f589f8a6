#define _GNU_SOURCE /* sigabbrev_np */
#include "lockstep/side.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/dump.h"

enum request_kind { REQUEST_RUN, REQUEST_DEVICES, REQUEST_CODE };

struct request {
    enum request_kind kind;
    uint64_t until;
};

/* The first answer, with the descriptor of RAM if the machine could be made. */
struct greeting {
    bool created;
    struct error error;
    uint64_t ram_bytes;
};

/* The answer to REQUEST_RUN, before the dump. */
struct ending {
    enum machine_end end;
    int exit_code;
};

/* Both directions; false at the end of the socket. */
static bool send_all(int fd, const void *bytes, size_t length)
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

static bool receive_all(int fd, void *bytes, size_t length)
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

static bool send_dump(int fd, const struct state_buffer *dump)
{
    return send_all(fd, &dump->length, sizeof(dump->length)) &&
           send_all(fd, dump->bytes, dump->length);
}

static bool receive_dump(int fd, struct state_buffer *dump)
{
    size_t length;
    if (!receive_all(fd, &length, sizeof(length))) {
        return false;
    }
    state_buffer_free(dump);
    dump->bytes = malloc(length);
    assert(dump->bytes);
    dump->length = length;
    return receive_all(fd, dump->bytes, length);
}

/* The engine's process. */

struct server {
    int fd;
    struct machine *machine;
    struct ending ending;
};

static bool answer_run(struct server *server, uint64_t until)
{
    uint64_t retired = machine_cpu(server->machine)->retired;
    if (server->ending.end == MACHINE_END_BUDGET && until > retired) {
        struct machine_result result = machine_run(server->machine, until - retired);
        server->ending =
            (struct ending){.end = result.end, .exit_code = result.exit_code};
    }
    struct state_buffer dump = {0};
    dump_cpu(&dump, server->machine);
    bool sent = send_all(server->fd, &server->ending, sizeof(server->ending)) &&
                send_dump(server->fd, &dump);
    state_buffer_free(&dump);
    return sent;
}

static bool answer_devices(struct server *server)
{
    struct state_buffer dump = {0};
    dump_devices(&dump, server->machine);
    bool sent = send_dump(server->fd, &dump);
    state_buffer_free(&dump);
    return sent;
}

static bool answer_code(struct server *server)
{
    const struct cpu *cpu = machine_cpu(server->machine);
    struct lockstep_code code = {
        .is16 = !(cpu->code_mode & CODE_MODE_32),
        .interrupted = machine_interrupt_is_next(server->machine),
        .cs = cpu->segments[SEGMENT_CS].selector,
        .eip = cpu->eip,
    };
    code.count = (uint8_t)machine_code(server->machine, code.bytes, sizeof(code.bytes));
    return send_all(server->fd, &code, sizeof(code));
}

static bool answer(struct server *server, const struct request *request)
{
    switch (request->kind) {
    case REQUEST_RUN:
        return answer_run(server, request->until);
    case REQUEST_DEVICES:
        return answer_devices(server);
    case REQUEST_CODE:
        return answer_code(server);
    }
    return false;
}

/* The greeting, with a descriptor beside it. */
static bool greet(int fd, struct greeting *greeting, int ram_fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &ram_fd, sizeof(ram_fd));
    struct iovec part = {.iov_base = greeting, .iov_len = sizeof(*greeting)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (greeting->created) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL) == sizeof(*greeting);
}

static struct machine_config configuration(const struct lockstep_config *config,
                                           unsigned index)
{
    struct machine_config machine = config->machine;
    machine.engine = config->engines[index].name;
    machine.engine_override = config->engines[index].override;
    machine.snapshot = true;
    machine.halt_ends = true;
    if (index > 0) {
        for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
            machine.serial[i] = NULL;
        }
        /* The port is there or not, but nothing comes out of it. */
        machine.debug_console = machine.debug_console ? "null" : NULL;
        machine.show_guest_errors = false;
    }
    return machine;
}

static _Noreturn void serve(int fd, const struct lockstep_config *config,
                            unsigned index)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct machine_config machine_config = configuration(config, index);
    struct greeting greeting = {.ram_bytes = machine_config.ram_bytes};
    struct server server = {
        .fd = fd,
        .machine = machine_create(&machine_config, &greeting.error),
        .ending = {.end = MACHINE_END_BUDGET},
    };
    greeting.created =
        server.machine && machine_power_on(server.machine, &greeting.error);
    int ram_fd = greeting.created ? machine_ram(server.machine)->fd : -1;
    bool connected = greet(fd, &greeting, ram_fd);
    struct request request;
    while (connected && receive_all(fd, &request, sizeof(request))) {
        connected = answer(&server, &request);
    }
    machine_destroy(server.machine);
    _exit(0);
}

/* The other end. */

static bool receive_greeting(struct side *side, struct greeting *greeting)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = greeting, .iov_len = sizeof(*greeting)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t received = recvmsg(side->fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    if (received != sizeof(*greeting)) {
        return false;
    }
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header) {
        memcpy(&side->ram.fd, CMSG_DATA(header), sizeof(side->ram.fd));
    }
    return true;
}

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
    if (!receive_greeting(side, &greeting)) {
        char text[96];
        reap(side);
        side->state = SIDE_CRASHED;
        side_describe(side, text, sizeof(text));
        return error_set(error, "the engine does not start: %s", text);
    }
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
        serve(ends[1], config, index);
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

void side_run(struct side *side, uint64_t until)
{
    const struct request request = {.kind = REQUEST_RUN, .until = until};
    state_buffer_free(&side->devices);
    if (side->state != SIDE_READY) {
        return;
    }
    if (send_all(side->fd, &request, sizeof(request))) {
        side->state = SIDE_RUNNING;
    } else {
        crashed(side);
    }
}

void side_receive(struct side *side)
{
    struct ending ending;
    if (receive_all(side->fd, &ending, sizeof(ending)) &&
        receive_dump(side->fd, &side->cpu)) {
        side->end = ending.end;
        side->exit_code = ending.exit_code;
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
    if (!send_all(side->fd, &request, sizeof(request)) ||
        !receive_dump(side->fd, &side->devices)) {
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
    if (!send_all(side->fd, &request, sizeof(request)) ||
        !receive_all(side->fd, code, sizeof(*code))) {
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
        [MACHINE_END_BUDGET] = "runs",
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
