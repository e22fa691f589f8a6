#include "campaign/interrupt.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool interrupt_open(struct interrupt *interrupt, struct error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t signals;
    sigemptyset(&signals);
    for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
        struct sigaction present;
        sigaction(numbers[i], NULL, &present);
        if (present.sa_handler != SIG_IGN) {
            sigaddset(&signals, numbers[i]);
        }
    }
    sigprocmask(SIG_BLOCK, &signals, &interrupt->before);
    interrupt->fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupt->fd < 0) {
        error_set_errno(error, errno, "cannot wait for signals");
        interrupt_leave(interrupt);
        return false;
    }
    return true;
}

bool interrupt_take(struct interrupt *interrupt)
{
    struct signalfd_siginfo taken;
    return read(interrupt->fd, &taken, sizeof(taken)) == (ssize_t)sizeof(taken);
}

void interrupt_leave(const struct interrupt *interrupt)
{
    sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}

void interrupt_close(struct interrupt *interrupt)
{
    while (interrupt_take(interrupt)) {
    }
    close(interrupt->fd);
    interrupt_leave(interrupt);
}
