#include "lockstep/server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lockstep/dump.h"
#include "lockstep/wire.h"

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

_Noreturn void server_run(int fd, const struct lockstep_config *config, unsigned index)
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
    bool connected = wire_send_greeting(fd, &greeting, ram_fd);
    struct request request;
    while (connected && wire_receive(fd, &request, sizeof(request))) {
        connected = answer(&server, &request);
    }
    machine_destroy(server.machine);
    _exit(0);
}
