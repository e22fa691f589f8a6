/* The sandbox: what it lets through, what it stops, and how that ends. Each case is a
 * process of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/types.h"
#include "cli/sandbox.h"
#include "host/confinement/confinement.h"
#include "host/console/terminal.h"

enum {
    NOTHING_STOPPED_IT = 99, /* exit status: the call came back */
    NOT_CONFINED = 98,
    NOBODY = 65534,
    I386_GETPID = 20,
    X32_GETPID = 0x40000000 | SYS_getpid,
    ROUNDS = 100,
    CALLS_A_ROUND = 10000,
};

typedef void action(void);

/* How a process ended. */
struct outcome {
    int status; /* as waitpid() has it */
    char errors[512];
};

static void enter(void)
{
    struct error error;
    if (!confinement_drop_privileges(&error) || !sandbox_enter(&error)) {
        fprintf(stderr, "%s\n", error.text);
        _exit(NOT_CONFINED);
    }
}

static void enter_and_do(action *act)
{
    enter();
    act();
}

static void just_do(action *act)
{
    act();
}

/* Does `act` in a process of its own, by `how`; returns how that ended. */
static struct outcome in_process(void (*how)(action *act), action *act)
{
    struct outcome outcome = {.errors = ""};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        how(act);
        _exit(NOTHING_STOPPED_IT);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], outcome.errors + length,
                       sizeof(outcome.errors) - 1 - length)) > 0) {
        length += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
    return outcome;
}

static void expect_exit(const struct outcome *outcome, int status)
{
    if (!WIFEXITED(outcome->status) || WEXITSTATUS(outcome->status) != status) {
        fail_msg("status %#x: %s", (unsigned)outcome->status, outcome->errors);
    }
}

/* One line that names the call. */
static void expect_line(const struct outcome *outcome, const char *call)
{
    const char *newline = strchr(outcome->errors, '\n');
    assert_non_null(strstr(outcome->errors, call));
    assert_memory_equal(outcome->errors, "faumachine: ", strlen("faumachine: "));
    assert_non_null(newline);
    assert_int_equal(newline[1], '\0');
}

static void check_stopped(action *act, long system_call)
{
    struct outcome outcome = in_process(enter_and_do, act);
    char call[64];
    snprintf(call, sizeof(call), "call %ld (x86-64)", system_call);
    expect_exit(&outcome, SANDBOX_EXIT_STATUS);
    expect_line(&outcome, call);
}

static void do_open(void)
{
    open("/etc/hostname", O_RDONLY);
}

static void do_execute(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void do_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void do_send_to(void)
{
    struct sockaddr somebody = {.sa_family = AF_UNSPEC};
    sendto(STDIN_FILENO, "", 1, 0, &somebody, sizeof(somebody));
}

static void do_fork(void)
{
    syscall(SYS_fork);
}

static void do_kill(void)
{
    kill(1, 0);
}

static void do_thread_kill(void)
{
    syscall(SYS_tgkill, 1, 1, 0);
}

static void do_trace(void)
{
    syscall(SYS_ptrace, 0, 0, 0, 0);
}

static void do_type(void)
{
    ioctl(STDIN_FILENO, TIOCSTI, "x");
}

static void do_map_code(void)
{
    mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_protect_code(void)
{
    syscall(SYS_mprotect, &do_protect_code, 0, PROT_WRITE | PROT_EXEC);
}

static void do_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void do_filter(void)
{
    syscall(SYS_seccomp, 0, 0, NULL);
}

static void stopped(void **state)
{
    (void)state;
    check_stopped(do_open, SYS_openat);
    check_stopped(do_execute, SYS_execve);
    check_stopped(do_socket, SYS_socket);
    check_stopped(do_send_to, SYS_sendto);
    check_stopped(do_fork, SYS_fork);
    check_stopped(do_kill, SYS_kill);
    check_stopped(do_thread_kill, SYS_tgkill);
    check_stopped(do_trace, SYS_ptrace);
    check_stopped(do_type, SYS_ioctl);
    check_stopped(do_map_code, SYS_mmap);
    check_stopped(do_protect_code, SYS_mprotect);
    check_stopped(do_dumpable, SYS_prctl);
    check_stopped(do_filter, SYS_seccomp);
}

static void do_i386_call(void)
{
    long result = I386_GETPID;
    __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
}

static void do_x32_call(void)
{
    syscall(X32_GETPID);
}

/* getpid() is allowed, but not by every way in. */
static void other_interfaces(void **state)
{
    (void)state;
    struct outcome outcome = in_process(enter_and_do, do_x32_call);
    expect_exit(&outcome, SANDBOX_EXIT_STATUS);
    expect_line(&outcome, "call 39 (x32)");
    outcome = in_process(just_do, do_i386_call);
    if (WIFSIGNALED(outcome.status)) {
        return; /* a host without */
    }
    outcome = in_process(enter_and_do, do_i386_call);
    expect_exit(&outcome, SANDBOX_EXIT_STATUS);
    expect_line(&outcome, "call 20 (i386)");
}

static void require(bool condition, const char *what)
{
    if (!condition) {
        dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
        _exit(1);
    }
}

static void use_what_is_open(int file, int line)
{
    char byte = 'x';
    struct stat status;
    require(pwrite(file, "abc", 3, 0) == 3, "pwrite");
    require(pread(file, &byte, 1, 1) == 1 && byte == 'b', "pread");
    require(fdatasync(file) == 0, "fdatasync");
    require(fstat(file, &status) == 0 && status.st_size == 3, "fstat");
    require(send(line, "y", 1, MSG_NOSIGNAL) == 1, "send");
    require(isatty(file) == 0, "isatty");
    struct pollfd polled = {.fd = line, .events = POLLOUT};
    require(poll(&polled, 1, 0) == 1, "poll");
    require(close(file) == 0, "close");
}

static void use_memory_and_signals(void)
{
    enum { BYTES = 1 << 20 };
    uint8_t *memory = mmap(NULL, BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(memory != MAP_FAILED, "mmap");
    require(mprotect(memory, BYTES, PROT_READ | PROT_WRITE) == 0, "mprotect");
    memory[0] = 1;
    require(mprotect(memory, BYTES, PROT_READ | PROT_EXEC) == 0, "mprotect to code");
    require(munmap(memory, BYTES) == 0, "munmap");
    void *pieces[64];
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        pieces[i] = realloc(malloc(i * 10000), i * 20000 + 1);
        require(pieces[i], "realloc");
    }
    for (size_t i = 0; i < ARRAY_LENGTH(pieces); i++) {
        free(pieces[i]);
    }
    signal(SIGURG, SIG_IGN);
    require(raise(SIGURG) == 0, "raise");
    require(kill(getpid(), SIGURG) == 0, "kill");
    require(nanosleep(&(struct timespec){.tv_nsec = 1}, NULL) == 0, "nanosleep");
}

static void do_allowed(void)
{
    int file = memfd_create("sandbox-test", 0), line[2];
    require(file >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, line) == 0, "open");
    enter();
    use_what_is_open(file, line[0]);
    use_memory_and_signals();
    require(prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0) == 0, "prctl");
    require(unlink("/no/such/file") < 0 && errno == EPERM, "unlink is refused");
    errno = 0;
    fprintf(stderr, "fine\n");
    exit(0);
}

static void allowed(void **state)
{
    (void)state;
    struct outcome outcome = in_process(just_do, do_allowed);
    expect_exit(&outcome, 0);
    assert_string_equal(outcome.errors, "fine\n");
}

/* -- processes beside the machine -- */

static const char new_file[] = "/tmp/faumachine-sandbox-test";

static void do_create(void)
{
    open(new_file, O_RDONLY | O_CREAT | O_EXCL, 0600);
}

static void do_remove(void)
{
    rmdir("/no/such/folder");
}

static void do_connect(void)
{
    const struct sockaddr nobody = {.sa_family = AF_UNIX};
    connect(STDIN_FILENO, &nobody, sizeof(nobody));
}

/* Exits with 0 if `act` is refused, and with 1 if it works or fails otherwise. */
static _Noreturn void be_refused(enum confinement_companion companion, action *act)
{
    struct error error;
    require(confinement_drop_privileges(&error), "confinement_drop_privileges");
    confinement_enter_companion(companion);
    errno = 0;
    act();
    _exit(errno == EACCES ? 0 : 1);
}

static bool is_refused(enum confinement_companion companion, action *act)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        be_refused(companion, act);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

/* What each of them can still do; 'x' is refused. */
static void companions(void **state)
{
    (void)state;
    enum { ACTIONS = 8 };
    static action *const actions[ACTIONS] = {do_execute, do_fork,   do_kill,
                                             do_trace,   do_socket, do_connect,
                                             do_open,    do_create};
    static const char expected[][ACTIONS + 1] = {
        [CONFINEMENT_OPENER] = "xxxxxx  ",  [CONFINEMENT_PICTURES] = "xxxxxx  ",
        [CONFINEMENT_NETWORK] = "xxxx   x", [CONFINEMENT_VNC] = "xxxxxxxx",
        [CONFINEMENT_WINDOW] = "xxxxxx x",  [CONFINEMENT_SOUND] = "xxxxxx x",
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++) {
        char found[ACTIONS + 1] = "";
        for (unsigned j = 0; j < ACTIONS; j++) {
            found[j] = is_refused(i, actions[j]) ? 'x' : ' ';
        }
        assert_string_equal(found, expected[i]);
        unlink(new_file);
    }
    assert_true(is_refused(CONFINEMENT_WINDOW, do_remove));
    assert_true(is_refused(CONFINEMENT_NETWORK, do_remove));
}

static void do_all_unconfined(void)
{
    confinement_forgo();
    confinement_enter_companion(CONFINEMENT_VNC);
    int file = open("/etc/passwd", O_RDONLY);
    _exit(file >= 0 ? 0 : 1);
}

/* -sandbox off is for them, too. */
static void companions_without(void **state)
{
    (void)state;
    struct outcome outcome = in_process(just_do, do_all_unconfined);
    expect_exit(&outcome, 0);
}

static void *open_when_told(void *opaque)
{
    char byte;
    if (read(*(const int *)opaque, &byte, 1) == 1) {
        do_open();
    }
    return NULL;
}

/* One that was there before. */
static void do_open_in_thread(void)
{
    int ends[2];
    pthread_t thread;
    require(pipe(ends) == 0, "pipe");
    require(pthread_create(&thread, NULL, open_when_told, &ends[0]) == 0, "thread");
    enter();
    require(write(ends[1], "x", 1) == 1, "write");
    pthread_join(thread, NULL);
}

static void other_threads(void **state)
{
    (void)state;
    struct outcome outcome = in_process(just_do, do_open_in_thread);
    expect_exit(&outcome, SANDBOX_EXIT_STATUS);
    expect_line(&outcome, "system call");
}

static void do_send_signal(void)
{
    raise(SIGSYS);
}

/* SIGSYS that somebody sends is no violation. */
static void sent_signal(void **state)
{
    (void)state;
    struct outcome outcome = in_process(enter_and_do, do_send_signal);
    assert_true(WIFSIGNALED(outcome.status));
    assert_int_equal(WTERMSIG(outcome.status), SIGSYS);
    assert_string_equal(outcome.errors, "");
}

/* The process makes its standard input, a terminal, raw. */
static void do_open_while_raw(void)
{
    setsid();
    require(ioctl(STDIN_FILENO, TIOCSCTTY, 0) == 0, "TIOCSCTTY");
    terminal_set_raw(true);
    struct termios attributes;
    require(tcgetattr(STDIN_FILENO, &attributes) == 0 && !(attributes.c_lflag & ECHO),
            "raw mode");
    enter_and_do(do_open);
}

static void terminal_is_restored(void **state)
{
    (void)state;
    int master, slave, input = dup(STDIN_FILENO);
    struct termios before, after;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &before), 0);
    assert_true(before.c_lflag & ECHO);
    dup2(slave, STDIN_FILENO);
    struct outcome outcome = in_process(just_do, do_open_while_raw);
    dup2(input, STDIN_FILENO);
    expect_exit(&outcome, SANDBOX_EXIT_STATUS);
    assert_int_equal(tcgetattr(slave, &after), 0);
    assert_int_equal(after.c_lflag, before.c_lflag);
    assert_int_equal(after.c_iflag, before.c_iflag);
    close(master), close(slave), close(input);
}

/* The line `name` of /proc/self/status, as a hexadecimal number. */
static uint64_t own_status(const char *name)
{
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *file = fopen("/proc/thread-self/status", "r");
    require(file, "status");
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            value = strtoull(line + strlen(name) + 1, NULL, 16);
        }
    }
    fclose(file);
    return value;
}

static void do_check_privileges(void)
{
    enum { CAP_SETPCAP = 8 };
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    bool empties_bounding_set = own_status("CapEff") >> CAP_SETPCAP & 1;
    struct error error;
    require(confinement_drop_privileges(&error), "confinement_drop_privileges");
    for (size_t i = 0; i < ARRAY_LENGTH(sets); i++) {
        require(own_status(sets[i]) == 0, sets[i]);
    }
    require(!empties_bounding_set || own_status("CapBnd") == 0, "CapBnd");
    require(own_status("NoNewPrivs") == 1, "NoNewPrivs");
    require(confinement_drop_privileges(&error), "dropping nothing");
    enter();
    exit(0);
}

static void do_as_nobody(void)
{
    require(getuid() != 0 || setuid(NOBODY) == 0, "setuid");
    do_check_privileges();
}

static void privileges(void **state)
{
    (void)state;
    struct outcome outcome = in_process(just_do, do_check_privileges);
    expect_exit(&outcome, 0);
    outcome = in_process(just_do, do_as_nobody);
    expect_exit(&outcome, 0);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Of the best round: others may have been disturbed. */
static double ns_per_call(action *act)
{
    double best_ns = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double begin_ns = now_ns();
        for (int i = 0; i < CALLS_A_ROUND; i++) {
            act();
        }
        double taken_ns = (now_ns() - begin_ns) / CALLS_A_ROUND;
        best_ns = taken_ns < best_ns ? taken_ns : best_ns;
    }
    return best_ns;
}

static void call_plain(void)
{
    syscall(SYS_getpid);
}

/* One whose arguments are looked at; it fails at once. */
static void call_checked(void)
{
    syscall(SYS_mmap, NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void do_measure(void)
{
    double plain = ns_per_call(call_plain), checked = ns_per_call(call_checked);
    enter();
    dprintf(STDERR_FILENO,
            "ns a call, without and with the filter: getpid %.0f %.0f, mmap of nothing "
            "%.0f %.0f",
            plain, ns_per_call(call_plain), checked, ns_per_call(call_checked));
    _exit(0);
}

/* For docs/security.md. */
static void cost(void **state)
{
    (void)state;
    struct outcome outcome = in_process(just_do, do_measure);
    expect_exit(&outcome, 0);
    print_message("%s\n", outcome.errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped),     cmocka_unit_test(other_interfaces),
        cmocka_unit_test(allowed),     cmocka_unit_test(other_threads),
        cmocka_unit_test(companions),  cmocka_unit_test(companions_without),
        cmocka_unit_test(sent_signal), cmocka_unit_test(terminal_is_restored),
        cmocka_unit_test(privileges),  cmocka_unit_test(cost),
    };
    if (!CONFINEMENT_POSSIBLE) {
        return 77; /* skipped: a build with sanitizers */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
