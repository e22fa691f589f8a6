#include "host/console/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

struct terminal {
    atomic_bool claimed;
    atomic_bool wanted; /* somebody asked for raw mode */
    atomic_bool raw;    /* `original` is what to go back to */
    bool pass_signal_keys;
    struct termios original;
};

/* File scope on purpose: the terminal belongs to the process, and a handler of a fatal
 * signal has no other way to find it. */
static struct terminal terminal;

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};

bool terminal_claim(struct error *error)
{
    if (atomic_exchange(&terminal.claimed, true)) {
        return error_set(error, "standard input and output are in use already; give "
                                "the second line a back end of its own (pty, file:F, "
                                "unix:F, null)");
    }
    return true;
}

void terminal_release(void)
{
    atomic_store(&terminal.wanted, false);
    terminal_restore();
    atomic_store(&terminal.claimed, false);
}

/* The handler is gone by now (SA_RESETHAND): the fault happens again and kills. */
static void restore_and_die(int signal_number)
{
    terminal_restore();
    raise(signal_number);
}

/* Leaves alone what somebody else handles: an engine that lives by SIGSEGV calls
 * terminal_restore() itself before it gives up. */
static void catch_fatal_signals(void)
{
    struct sigaction action = {.sa_handler = restore_and_die, .sa_flags = SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < ARRAY_LENGTH(fatal_signals); i++) {
        struct sigaction present;
        if (sigaction(fatal_signals[i], NULL, &present) == 0 &&
            !(present.sa_flags & SA_SIGINFO) && present.sa_handler == SIG_DFL) {
            sigaction(fatal_signals[i], &action, NULL);
        }
    }
}

/* tcsetattr from the background would stop us unless SIGTTOU is blocked. */
static void set_attributes(const struct termios *attributes)
{
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    while (tcsetattr(STDIN_FILENO, TCSANOW, attributes) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool in_foreground(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void terminal_set_raw(bool pass_signal_keys)
{
    terminal.pass_signal_keys = pass_signal_keys;
    atomic_store(&terminal.wanted, true);
    catch_fatal_signals();
    terminal_resume();
}

void terminal_resume(void)
{
    if (!atomic_load(&terminal.wanted) || atomic_load(&terminal.raw) ||
        !in_foreground() || tcgetattr(STDIN_FILENO, &terminal.original) < 0) {
        return;
    }
    struct termios attributes = terminal.original;
    attributes.c_iflag &=
        (tcflag_t) ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    attributes.c_oflag |= OPOST; /* our own messages end in a plain newline */
    attributes.c_lflag &= (tcflag_t) ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (terminal.pass_signal_keys) {
        attributes.c_lflag &= (tcflag_t)~ISIG;
    }
    attributes.c_cflag = (attributes.c_cflag & (tcflag_t) ~(CSIZE | PARENB)) | CS8;
    attributes.c_cc[VMIN] = 1;
    attributes.c_cc[VTIME] = 0;
    atomic_store(&terminal.raw, true);
    set_attributes(&attributes);
}

void terminal_restore(void)
{
    if (atomic_exchange(&terminal.raw, false)) {
        set_attributes(&terminal.original);
    }
}
