#include "fuzz.h"

#include "../engine.h"

#include <inttypes.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { TICK_US = 20000 };

#define ITERATION_LIMIT_NS 20000000000U

/* What signal handlers tell of; there is one fuzzer in a process. */
static const struct fuzz *running;

static void tell_seed(void)
{
    char text[96];
    int length = snprintf(text, sizeof(text),
                          "\nfuzz: in iteration %" PRIu64 "; again: 0 %" PRIu64 "\n",
                          running->iterations, running->seed);
    ssize_t ignored = write(STDERR_FILENO, text, (size_t)length);
    (void)ignored;
}

static void aborted(int signal_number)
{
    tell_seed();
    (void)signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint64_t now_ns(void);

/* The machine must always come back for a kick, and iterations end. */
static void tick(int signal_number)
{
    static const char text[] = "\nfuzz: an iteration does not end\n";
    if (now_ns() < running->limit_ns) {
        cpu_kick(&running->machine->cpu);
        return;
    }
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored, (void)signal_number;
    abort();
}

static void start_ticks(void)
{
    const struct itimerval interval = {{.tv_usec = TICK_US}, {.tv_usec = TICK_US}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &interval, NULL);
}

static void stop_ticks(void)
{
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool fuzz_begin(struct fuzz *fuzz, int count, char **arguments)
{
    if (count < 2) {
        fprintf(stderr, "usage: %s SECONDS [SEED]\n", arguments[0]);
        return false;
    }
    uint64_t seconds = strtoull(arguments[1], NULL, 0);
    *fuzz = (struct fuzz){.end_ns = seconds ? now_ns() + seconds * 1000000000 : 0};
    fuzz->seed = count > 2 ? strtoull(arguments[2], NULL, 0) : now_ns();
    printf("fuzz: seed %" PRIu64 "\n", fuzz->seed);
    fflush(stdout);
    fuzz->seed--; /* fuzz_next() counts up */
    running = fuzz;
    (void)signal(SIGABRT, aborted);
    __sanitizer_set_death_callback(tell_seed);
    if (!fuzz_make_machine(fuzz, tested_engine_name())) {
        return false;
    }
    fuzz->limit_ns = UINT64_MAX;
    start_ticks();
    return true;
}

bool fuzz_next(struct fuzz *fuzz)
{
    bool more = fuzz->end_ns ? now_ns() < fuzz->end_ns : fuzz->iterations == 0;
    if (more) {
        fuzz->seed++;
        fuzz->iterations++;
        fuzz->state = fuzz->seed;
        fuzz->limit_ns = now_ns() + ITERATION_LIMIT_NS;
    }
    return more;
}

int fuzz_end(struct fuzz *fuzz)
{
    stop_ticks();
    printf("fuzz: %" PRIu64 " iterations, %" PRIu64 " instructions\n", fuzz->iterations,
           fuzz->machine->cpu.retired);
    machine_destroy(fuzz->machine);
    unlink(fuzz->disk);
    return EXIT_SUCCESS;
}
