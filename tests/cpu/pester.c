#include "pester.h"

#include "random.h"

#include <sys/time.h>

enum { TIMER_US = 300, PAUSE_MAX = 100 };

/* A signal handler has no other way to it. */
static struct cpu *pestered;

static void tick(int number)
{
    (void)number;
    cpu_kick(pestered);
}

static void wait_a_little(struct random *random)
{
    for (uint32_t i = random_below(random, PAUSE_MAX); i > 0; i--) {
        __asm__ volatile("pause");
    }
}

static void *run(void *opaque)
{
    struct pester *pester = opaque;
    struct random random = {1};
    while (!atomic_load(&pester->stop)) {
        wait_a_little(&random);
        if (!atomic_load(pester->running)) {
            continue;
        }
        if (random_one_in(&random, 2)) {
            cpu_kick(pester->cpu);
        } else {
            cpu_set_interrupt_line(pester->cpu, true);
        }
    }
    return NULL;
}

bool pester_start(struct pester *pester, struct cpu *cpu, const atomic_bool *running)
{
    const struct itimerval interval = {{.tv_usec = TIMER_US}, {.tv_usec = TIMER_US}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    pestered = pester->cpu = cpu;
    pester->running = running;
    atomic_store(&pester->stop, false);
    if (pthread_create(&pester->thread, NULL, run, pester) != 0) {
        return false;
    }
    sigaction(SIGALRM, &action, &pester->previous);
    setitimer(ITIMER_REAL, &interval, NULL);
    return true;
}

void pester_stop(struct pester *pester)
{
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &pester->previous, NULL);
    atomic_store(&pester->stop, true);
    pthread_join(pester->thread, NULL);
}
