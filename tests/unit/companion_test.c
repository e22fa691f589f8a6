/* A process beside the machine's: what it has, and when it ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/companion/companion.h"

enum { LIMIT_MS = 5000, CLOSED = -1 };

/* Answers the question whether a descriptor is open, until there are no more. */
static int answer(void *opaque, int socket)
{
    int number;
    (void)opaque;
    while (recv(socket, &number, sizeof(number), 0) == sizeof(number)) {
        number = fcntl(number, F_GETFD);
        send(socket, &number, sizeof(number), 0);
    }
    return 0;
}

static int leave(void *opaque, int socket)
{
    (void)opaque, (void)socket;
    return 3;
}

static int stay(void *opaque, int socket)
{
    (void)opaque, (void)socket;
    for (;;) {
        pause();
    }
    return 0;
}

static int ask(const struct companion *companion, int number)
{
    assert_int_equal(send(companion->socket, &number, sizeof(number), 0),
                     sizeof(number));
    assert_int_equal(recv(companion->socket, &number, sizeof(number), 0),
                     sizeof(number));
    return number;
}

static bool is_closed_soon(int descriptor)
{
    char byte;
    struct pollfd wanted = {.fd = descriptor, .events = POLLIN};
    return poll(&wanted, 1, LIMIT_MS) == 1 && read(descriptor, &byte, 1) == 0;
}

static void test_descriptors(void **state)
{
    (void)state;
    int pipes[3][2];
    struct companion companion;
    struct error error;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
    }
    const int keep[] = {pipes[1][1], pipes[0][0]};
    const struct companion_role role = {
        .name = "test", .main = answer, .keep = keep, .keep_count = 2};
    assert_true(companion_start(&companion, &role, &error));
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 2; j++) {
            bool kept = pipes[i][j] == keep[0] || pipes[i][j] == keep[1];
            assert_int_equal(ask(&companion, pipes[i][j]) == CLOSED, !kept);
        }
    }
    assert_int_not_equal(ask(&companion, STDERR_FILENO), CLOSED);
    assert_int_equal(ask(&companion, companion.socket), CLOSED);
    companion_stop(&companion);
    assert_int_equal(companion.process, 0);
    companion_stop(&companion);
    for (unsigned i = 0; i < 6; i++) {
        close(pipes[i / 2][i % 2]);
    }
}

/* Signals of the terminal, and for groups of processes, go to the machine. */
static void test_signals(void **state)
{
    (void)state;
    static const int ignored[] = {SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE, SIGTERM};
    struct companion companion;
    struct error error;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    const struct companion_role role = {.name = "test", .main = answer};
    assert_true(companion_start(&companion, &role, &error));
    sigprocmask(SIG_SETMASK, &before, NULL);
    ask(&companion, 0);
    for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        kill(companion.process, ignored[i]);
    }
    ask(&companion, 0);
    kill(companion.process, SIGKILL);
    assert_true(is_closed_soon(companion.socket));
    companion_stop(&companion);
}

static void test_ends_by_itself(void **state)
{
    (void)state;
    struct companion companion;
    struct error error;
    int status;
    const struct companion_role role = {.name = "test", .main = leave};
    assert_true(companion_start(&companion, &role, &error));
    assert_true(is_closed_soon(companion.socket));
    assert_int_equal(waitpid(companion.process, &status, 0), companion.process);
    assert_int_equal(WEXITSTATUS(status), 3);
    companion_stop(&companion);
}

/* One that does not care is killed with the machine. */
static void test_machine_dies(void **state)
{
    (void)state;
    int alive[2];
    assert_int_equal(pipe(alive), 0);
    pid_t machine = fork();
    if (machine == 0) {
        struct companion companion;
        struct error error;
        const struct companion_role role = {
            .name = "test", .main = stay, .keep = &alive[1], .keep_count = 1};
        companion_start(&companion, &role, &error);
        raise(SIGKILL);
    }
    close(alive[1]);
    assert_true(is_closed_soon(alive[0]));
    close(alive[0]);
    waitpid(machine, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_ends_by_itself),
        cmocka_unit_test(test_machine_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
