#include "lockstep/server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lockstep/detach.h"
#include "lockstep/dump.h"
#include "lockstep/wire.h"

enum { ADOPTION_US = 100 };

struct server {
    int fd;
    bool is_copy; /* of another process: it has no other thread */
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
    server->ending.retired = machine_cpu(server->machine)->retired;
    struct state_buffer dump = {0};
    dump_cpu(&dump, server->machine);
    bool sent = wire_send(server->fd, &server->ending, sizeof(server->ending)) &&
                wire_send_dump(server->fd, &dump);
    state_buffer_free(&dump);
    return sent;
}

static bool answer_devices(struct server *server)
{
    struct state_buffer dump = {0};
    dump_devices(&dump, server->machine);
    bool sent = wire_send_dump(server->fd, &dump);
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
    return wire_send(server->fd, &code, sizeof(code));
}

static bool greet(const struct server *server, struct greeting *greeting)
{
    greeting->pid = getpid();
    greeting->created = server->machine != NULL;
    const struct ram *ram = greeting->created ? machine_ram(server->machine) : NULL;
    greeting->ram_bytes = ram ? ram->bytes : 0;
    return wire_send_with(server->fd, greeting, sizeof(*greeting), ram ? ram->fd : -1);
}

/* Our parent dies too early to be one: it is there for the copy only. The next one is
 * whom we work for. */
static bool become_copy(struct server *server, int fd, pid_t parent)
{
    while (getppid() == parent) {
        usleep(ADOPTION_US);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(server->fd);
    server->fd = fd;
    server->is_copy = true;
    struct greeting greeting = {.created = true};
    return greet(server, &greeting);
}

/* A process like this one, that goes on from here when it is asked to. It is made by a
 * process that ends at once: so it is adopted by whom we work for. */
static bool answer_copy(struct server *server)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return false;
    }
    pid_t maker = fork();
    if (maker == 0) {
        close(ends[0]);
        maker = getpid();
        pid_t copy = detach_files() ? fork() : -1;
        if (copy == 0) {
            return become_copy(server, ends[1], maker);
        }
        _exit(copy < 0);
    }
    close(ends[1]);
    waitpid(maker, NULL, 0);
    /* If there is no copy, the other end finds that out. */
    bool answered = wire_send_with(server->fd, &(bool){true}, sizeof(bool), ends[0]);
    close(ends[0]);
    return answered;
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
    case REQUEST_COPY:
        return answer_copy(server);
    }
    return false;
}

static struct machine_config configuration(const struct lockstep_config *config,
                                           unsigned index)
{
    struct machine_config machine = config->machine;
    machine.engine = config->engines[index].name;
    machine.engine_override = config->engines[index].override;
    machine.snapshot = true;
    machine.raw_disks_only = true;
    machine.halt_ends = true;
    if (index > 0) {
        for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
            machine.serial[i] = machine.serial[i] ? "null" : NULL;
        }
        /* The ports are there or not, but nothing comes out of them. */
        machine.parallel = machine.parallel ? "null" : NULL;
        machine.debug_console = machine.debug_console ? "null" : NULL;
        machine.show_guest_errors = false;
    }
    return machine;
}

_Noreturn void server_run(int fd, const struct lockstep_config *config, unsigned index)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct machine_config machine_config = configuration(config, index);
    struct greeting greeting = {.created = false};
    struct server server = {
        .fd = fd,
        .machine = machine_create(&machine_config, &greeting.error),
        .ending = {.end = MACHINE_END_BUDGET},
    };
    if (server.machine && !machine_power_on(server.machine, &greeting.error)) {
        machine_destroy(server.machine);
        server.machine = NULL;
    }
    bool connected = greet(&server, &greeting);
    struct request request;
    while (connected && wire_receive(server.fd, &request, sizeof(request))) {
        connected = answer(&server, &request);
    }
    if (!server.is_copy) {
        machine_destroy(server.machine);
    }
    _exit(0);
}
