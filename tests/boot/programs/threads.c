/* Threads and their own variables, found through GS. */
#define _GNU_SOURCE
#include "programs.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

enum { THREADS = 8, WORDS = 100 };

static __thread uint32_t own_count, own_words[WORDS] = {17};
static __thread int own_signals;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static unsigned common_rounds, sum, turn;

/* The first word of a thread's block is its own address, says the ABI. */
static uintptr_t own_block(void)
{
    uintptr_t block;
    asm("movl %%gs:0, %0" : "=r"(block));
    return block;
}

/* Everything that is a thread's own stays so, whoever else runs in between. Returns how
 * often it did not. */
static void *count(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    uintptr_t wrong = own_count != 0 || own_words[0] != 17 || own_words[WORDS - 1] != 0;
    uintptr_t block = own_block();
    double quotient = number + 1;
    for (unsigned i = 0; i < common_rounds; i++) {
        errno = (int)(number * 1000 + i % 1000);
        own_count++;
        own_words[i % WORDS] = number + i;
        quotient = quotient * 3 / 2;
        pthread_mutex_lock(&mutex);
        sum += number;
        pthread_mutex_unlock(&mutex);
        if (i % 3 == 0) {
            sched_yield();
        }
        if (i % 50 == 0) {
            pthread_barrier_wait(&barrier);
        }
        quotient = quotient * 2 / 3;
        wrong += errno != (int)(number * 1000 + i % 1000);
        wrong += own_count != i + 1 || own_words[i % WORDS] != number + i;
        wrong += own_block() != block || pthread_self() != (pthread_t)block;
        wrong += quotient < number + 0.999 || quotient > number + 1.001;
        quotient = number + 1;
    }
    return (void *)wrong;
}

static void work_together(unsigned rounds)
{
    pthread_t threads[THREADS];
    unsigned wrong = 0, expected = 0;
    common_rounds = rounds;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        wrong += pthread_create(&threads[i], NULL, count, (void *)(uintptr_t)i) != 0;
        expected += i * rounds;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;
        wrong += pthread_join(threads[i], &result) != 0 || result;
    }
    check_equal("8 threads' own variables", (long)wrong, 0);
    check_equal("8 threads' sum", (long)sum, (long)expected);
    check("the first thread's own variable", own_count == 0);
}

/* Each waits for its turn: two context switches a round. */
static void *take_turns(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    for (unsigned i = 0; i < common_rounds; i++) {
        pthread_mutex_lock(&mutex);
        while (turn % THREADS != number) {
            pthread_cond_wait(&changed, &mutex);
        }
        turn++;
        own_count += number;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(uintptr_t)own_count;
}

static void wait_for_each_other(unsigned rounds)
{
    pthread_t threads[THREADS];
    unsigned right = 0;
    common_rounds = rounds;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, take_turns, (void *)(uintptr_t)i);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        right += (uintptr_t)result == i * rounds;
    }
    check_equal("8 threads in turn", (long)right, THREADS);
    check_equal("turns", (long)turn, THREADS * (long)rounds);
}

static pthread_key_t key;
static unsigned destroyed;

static void destroy(void *value)
{
    pthread_mutex_lock(&mutex);
    destroyed += *(unsigned *)value;
    pthread_mutex_unlock(&mutex);
    free(value);
}

static void *live_shortly(void *argument)
{
    unsigned *value = malloc(sizeof(*value));
    *value = 1;
    pthread_setspecific(key, value);
    own_words[3]++;
    return (void *)(uintptr_t)own_words[3];
}

static void come_and_go(unsigned rounds)
{
    unsigned right = 0;
    pthread_key_create(&key, destroy);
    for (unsigned i = 0; i < rounds; i++) {
        pthread_t threads[3];
        for (int j = 0; j < 3; j++) {
            pthread_create(&threads[j], NULL, live_shortly, NULL);
        }
        for (int j = 0; j < 3; j++) {
            void *result = NULL;
            pthread_join(threads[j], &result);
            right += (uintptr_t)result == 1;
        }
    }
    check_equal("short-lived threads", (long)right, 3 * (long)rounds);
    check_equal("what they left to destroy", (long)destroyed, 3 * (long)rounds);
}

static volatile bool over;
static volatile unsigned ready;

static void note(int number)
{
    own_signals++;
}

/* Never enters the kernel while it waits. */
static void *spin(void *argument)
{
    ready++;
    while (!over) {
    }
    return (void *)(uintptr_t)own_signals;
}

static void signal_threads(void)
{
    struct sigaction action = {.sa_handler = note};
    pthread_t spinning, waiting;
    void *result = NULL;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&spinning, NULL, spin, NULL);
    while (!ready) {
        sched_yield();
    }
    pthread_kill(spinning, SIGUSR1);
    struct timespec moment = {0, 30000000};
    nanosleep(&moment, NULL);
    over = true;
    pthread_join(spinning, &result);
    check("a signal to a thread that spins", result == (void *)1 && own_signals == 0);

    pthread_mutex_lock(&mutex);
    turn = 1;
    common_rounds = 1;
    pthread_create(&waiting, NULL, take_turns, NULL);
    pthread_cancel(waiting);
    pthread_mutex_unlock(&mutex);
    pthread_join(waiting, &result);
    check("a cancelled thread", result == PTHREAD_CANCELED);
}

void threads_kind(unsigned rounds)
{
    work_together(rounds);
    wait_for_each_other(rounds / 4 + 1);
    come_and_go(rounds / 4 + 1);
    signal_threads();
}
