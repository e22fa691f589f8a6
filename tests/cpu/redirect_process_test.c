/* Redirection of system calls and other processes: who dies with whom, who may not be
 * traced, and whose the other SIGSYS are. Each case is a process of its own. */
#define _GNU_SOURCE
#include "redirect_world.h"

#include "cpu/direct/direct.h"
#include "host/confinement/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum {
    COULD_NOT = 98, /* exit status: the host does not offer it */
    REACHED = 7,
    ROUNDS = 20,
    STOPS = 4,
    PATIENCE = 500, /* times 10 ms */
};

static const struct code call = {"int 80h", "\xcd\x80", 2, 0x100, false, true};
static const char *const tracing[] = {"sysemu", "ptrace"};

/* In a process of a case. */
static struct cpu_fixture fixture;
/* Where start_machine()'s tells of each call; -1: nowhere. */
static int progress = -1;

static void create(const char *way)
{
    struct error error;
    if (!confinement_drop_privileges(&error) ||
        !world_create(&fixture, &direct_engine, way, &error)) {
        fprintf(stderr, "%s\n", error.text);
        _exit(COULD_NOT);
    }
}

static void make_call(void)
{
    world_prepare(&fixture, &call);
    world_run(&fixture);
}

static void sleep_10_ms(void)
{
    const struct timespec delay = {.tv_nsec = 10000000};
    nanosleep(&delay, NULL);
}

/* As ps(1) shows it. */
static char state_of(pid_t process)
{
    char path[32], state = 'Z';
    snprintf(path, sizeof(path), "/proc/%d/stat", process);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'Z';
        }
        fclose(file);
    }
    return state;
}

/* A process that has no parent here may stay a zombie. */
static bool has_ended(pid_t process)
{
    char state = state_of(process);
    return state == 'Z' || state == 'X';
}

static bool is_soon(pid_t process, const char *states)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (strchr(states, state_of(process))) {
            return true;
        }
        sleep_10_ms();
    }
    return false;
}

/* As a shell sees it; that a traced process stops for its tracer does not count. */
static bool is_soon_stopped(pid_t child)
{
    int status;
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (waitpid(child, &status, WUNTRACED | WNOHANG) == child) {
            return WIFSTOPPED(status);
        }
        sleep_10_ms();
    }
    return false;
}

/* A machine that makes calls for ever, and its tracer. */
static pid_t start_machine(const char *way, pid_t *tracer)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t machine = fork();
    if (machine == 0) {
        create(way);
        pid_t process = fixture.cpu->direct->tracer.process;
        make_call();
        ssize_t ignored = write(ends[1], &process, sizeof(process));
        (void)ignored;
        for (;;) {
            make_call();
            ignored = write(progress, "", 1);
        }
    }
    close(ends[1]);
    ssize_t got = read(ends[0], tracer, sizeof(*tracer));
    close(ends[0]);
    if (got != sizeof(*tracer)) {
        waitpid(machine, NULL, 0);
        skip();
    }
    return machine;
}

static void test_machine_dies_with_tracer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(tracing); i++) {
        pid_t tracer;
        int status;
        pid_t machine = start_machine(tracing[i], &tracer);
        assert_int_equal(kill(tracer, SIGKILL), 0);
        assert_int_equal(waitpid(machine, &status, 0), machine);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
    }
}

static void test_tracer_ends_with_machine(void **state)
{
    (void)state;
    static const int signals[] = {SIGKILL, SIGTERM};
    for (unsigned i = 0; i < ARRAY_LENGTH(tracing); i++) {
        pid_t tracer;
        pid_t machine = start_machine(tracing[i], &tracer);
        assert_false(has_ended(tracer));
        kill(tracer, SIGTERM);
        kill(tracer, SIGINT);
        sleep_10_ms();
        assert_false(has_ended(tracer));
        kill(machine, signals[i]);
        waitpid(machine, NULL, 0);
        assert_true(is_soon(tracer, "ZX"));
    }
}

static bool makes_progress(int pipe)
{
    struct pollfd wanted = {.fd = pipe, .events = POLLIN};
    return poll(&wanted, 1, PATIENCE * 10) == 1 && wanted.revents & POLLIN;
}

/* Job control: Ctrl-Z, and fg. */
static void test_stop_and_continue(void **state)
{
    (void)state;
    static const int stops[] = {SIGSTOP, SIGTSTP};
    for (unsigned i = 0; i < 2 * STOPS; i++) {
        pid_t tracer;
        char byte;
        int ends[2];
        assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
        progress = ends[1];
        pid_t machine = start_machine(tracing[i % 2], &tracer);
        progress = -1;
        close(ends[1]);
        /* In the test's own group SIGTSTP would be dropped if nobody watched over
         * that, as under a test runner. Source: POSIX, "orphaned process group". */
        assert_int_equal(setpgid(machine, machine), 0);
        unsigned round = 0;
        bool stopped = true, went_on = true;
        while (round < STOPS && stopped && went_on) {
            kill(machine, stops[round++ % 2]);
            stopped = is_soon_stopped(machine);
            while (read(ends[0], &byte, 1) == 1) {
            }
            kill(machine, SIGCONT);
            went_on = makes_progress(ends[0]);
        }
        char state_then = state_of(machine);
        kill(machine, SIGKILL);
        waitpid(machine, NULL, 0);
        close(ends[0]);
        if (!stopped || !went_on) {
            fail_msg("%s, stop %u: %s; state %c", tracing[i % 2], round,
                     stopped ? "did not go on" : "did not stop", state_then);
        }
    }
}

static void test_tracer_ends_with_engine(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(tracing); i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            create(tracing[i]);
            make_call();
            pid_t tracer = fixture.cpu->direct->tracer.process;
            cpu_fixture_destroy(&fixture);
            _exit(is_soon(tracer, "ZX") ? REACHED : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == REACHED || WEXITSTATUS(status) == COULD_NOT);
    }
}

/* A debugger is there first. */
static void test_traced_already(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(tracing); i++) {
        int go[2], status;
        assert_int_equal(pipe(go), 0);
        pid_t child = fork();
        if (child == 0) {
            struct error error;
            char byte;
            prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
            ssize_t ignored = read(go[0], &byte, 1);
            (void)ignored;
            bool created = world_create(&fixture, &direct_engine, tracing[i], &error);
            bool clear = !created && strstr(error.text, "debugger") &&
                         strstr(error.text, tracing[i]);
            _exit(clear ? REACHED : 1);
        }
        if (ptrace(PTRACE_SEIZE, child, 0, 0) != 0) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            skip();
        }
        assert_int_equal(write(go[1], "", 1), 1);
        while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
            int signal = status >> 16 ? 0 : WSTOPSIG(status);
            ptrace(PTRACE_CONT, child, 0, signal);
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), REACHED);
        close(go[0]);
        close(go[1]);
    }
}

static void reached(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    _exit(REACHED);
}

/* The sandbox's handler, which is there before the CPU runs, gets what is not guest
 * code's. */
static void test_other_sigsys(void **state)
{
    (void)state;
    static const char *const ways[] = {"copy", "sud", "seccomp", "sysemu"};
    for (unsigned i = 0; i < ARRAY_LENGTH(ways); i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            const struct sigaction action = {.sa_sigaction = reached,
                                             .sa_flags = SA_SIGINFO};
            create(ways[i]);
            sigaction(SIGSYS, &action, NULL);
            make_call();
            raise(SIGSYS);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == REACHED || WEXITSTATUS(status) == COULD_NOT);
    }
}

/* The sandbox is entered after the machine has been made; it stops what the i386
 * interface has, too. */
static void test_sandbox(void **state)
{
    (void)state;
    static const char *const ways[] = {"copy", "sud", "seccomp", "sysemu", "ptrace"};
    for (unsigned i = 0; CONFINEMENT_POSSIBLE && i < ARRAY_LENGTH(ways); i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            struct error error;
            struct outcome outcome;
            create(ways[i]);
            if (!confinement_enter(&error)) {
                _exit(COULD_NOT);
            }
            for (unsigned round = 0; round < ROUNDS; round++) {
                make_call();
                world_look(&fixture, &outcome);
                if (outcome.exception.vector != 0x80 ||
                    outcome.exception.eip != WORLD_CODE + 0x102 ||
                    outcome.regs[REGISTER_EAX] != WORLD_EAX) {
                    _exit(1);
                }
            }
            cpu_fixture_destroy(&fixture);
            _exit(REACHED);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_true(WEXITSTATUS(status) == REACHED || WEXITSTATUS(status) == COULD_NOT);
    }
}

static void test_unknown_way(void **state)
{
    (void)state;
    struct error error;
    assert_false(world_create(&fixture, &direct_engine, "magic", &error));
    assert_non_null(strstr(error.text, "sysemu"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine_dies_with_tracer),
        cmocka_unit_test(test_tracer_ends_with_machine),
        cmocka_unit_test(test_stop_and_continue),
        cmocka_unit_test(test_tracer_ends_with_engine),
        cmocka_unit_test(test_traced_already),
        cmocka_unit_test(test_other_sigsys),
        cmocka_unit_test(test_sandbox),
        cmocka_unit_test(test_unknown_way),
    };
    const char *lacks = direct_engine.lacks();
    if (lacks) {
        printf("engine direct: %s: skipped\n", lacks);
        return TEST_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
