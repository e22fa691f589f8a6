#include "cli/signals.h"

#include <unistd.h>

#include "host/confinement/confinement.h"
#include "host/console/terminal.h"

static const int taken_signals[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT,
                                    SIGTSTP, SIGCONT, SIGUSR1};

static void suspend(void)
{
    terminal_restore();
    kill(getpid(), SIGSTOP); /* goes on here when we are continued */
    terminal_resume();
}

static void end(struct signals *signals, int signal_number)
{
    int none = 0;
    bool first =
        atomic_compare_exchange_strong(&signals->received, &none, signal_number);
    /* Held, so that the machine is not destroyed meanwhile. */
    pthread_mutex_lock(&signals->mutex);
    if (!signals->machine || !first) {
        terminal_restore();
        _exit(first ? 0 : 1);
    }
    machine_stop(signals->machine);
    pthread_mutex_unlock(&signals->mutex);
}

static void take_screenshot(struct signals *signals)
{
    pthread_mutex_lock(&signals->mutex);
    if (signals->machine) {
        machine_screenshot(signals->machine);
    }
    pthread_mutex_unlock(&signals->mutex);
}

static void *take_signals(void *opaque)
{
    struct signals *signals = opaque;
    struct error ignored; /* the main thread says it when its turn comes */
    confinement_drop_privileges(&ignored);
    sem_post(&signals->started);
    for (;;) {
        int signal_number;
        if (sigwait(&signals->taken, &signal_number) != 0) {
            continue;
        }
        if (atomic_load(&signals->stopping)) {
            return NULL;
        }
        if (signal_number == SIGTSTP) {
            suspend();
        } else if (signal_number == SIGCONT) {
            terminal_resume();
        } else if (signal_number == SIGUSR1) {
            take_screenshot(signals);
        } else {
            end(signals, signal_number);
        }
    }
}

bool signals_start(struct signals *signals, struct error *error)
{
    *signals = (struct signals){.received = 0};
    pthread_mutex_init(&signals->mutex, NULL);
    sigemptyset(&signals->taken);
    for (size_t i = 0; i < ARRAY_LENGTH(taken_signals); i++) {
        struct sigaction present;
        sigaction(taken_signals[i], NULL, &present);
        if (present.sa_handler != SIG_IGN || taken_signals[i] == SIGCONT) {
            sigaddset(&signals->taken, taken_signals[i]);
        }
    }
    pthread_sigmask(SIG_BLOCK, &signals->taken, NULL);
    /* A write that cannot be done is to fail, not to kill. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    sem_init(&signals->started, 0, 0);
    int failure = pthread_create(&signals->thread, NULL, take_signals, signals);
    if (failure) {
        return error_set_errno(error, failure, "cannot start the thread for signals");
    }
    while (sem_wait(&signals->started) != 0) {
    }
    return true;
}

void signals_set_machine(struct signals *signals, struct machine *machine)
{
    pthread_mutex_lock(&signals->mutex);
    signals->machine = machine;
    pthread_mutex_unlock(&signals->mutex);
}

void signals_stop(struct signals *signals)
{
    atomic_store(&signals->stopping, true);
    pthread_kill(signals->thread, SIGCONT);
    pthread_join(signals->thread, NULL);
    sem_destroy(&signals->started);
    pthread_mutex_destroy(&signals->mutex);
}
