/* bench-work KIND MILLISECONDS [PLACE]: does so many rounds of a kind of work that they
 * take about this long, or one if that is 0. Says when it begins and when it is done,
 * so that whoever reads along can take the time. The last line also has the checksum,
 * how many operations it were, and the nanoseconds that have passed by the guest's own
 * clock. */
#include "kinds.h"
#include "system.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct kind *const lists[] = {integer_kinds, calls_kinds,   x87_kinds,
                                           sse2_kinds,    system_kinds,  userland_kinds,
                                           disk_kinds,    network_kinds, console_kinds};

static const struct kind *find(const char *name)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct kind *kind = lists[i]; kind->name; kind++) {
            if (strcmp(kind->name, name) == 0) {
                return kind;
            }
        }
    }
    return NULL;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Some work, where to do it, and the checksum of its rounds, 0 before the first. */
struct task {
    const struct kind *kind;
    const char *place;
    uint32_t sum;
};

/* Does rounds and returns how long they took; ends the program when one is not like the
 * first. */
static uint64_t run(struct task *task, uint64_t rounds)
{
    const struct kind *kind = task->kind;
    uint64_t begin = now_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t found = kind->round ? kind->round() : kind->round_at(task->place);
        if (task->sum == 0) {
            task->sum = found;
        }
        if (found == 0 || found != task->sum) {
            printf("bench: %s differs: %08" PRIx32 ", not %08" PRIx32 "\n", kind->name,
                   found, task->sum);
            exit(1);
        }
    }
    return now_ns() - begin;
}

/* How many rounds fit into a time. Twice as many are tried until an eighth of it is
 * used: by then what happens only at first has happened. */
static uint64_t rounds_in(uint64_t wanted_ns, struct task *task)
{
    for (uint64_t rounds = 1;; rounds *= 2) {
        uint64_t took_ns = run(task, rounds);
        if (took_ns >= wanted_ns / 8) {
            uint64_t fit = rounds * wanted_ns / took_ns;
            return fit ? fit : 1;
        }
    }
}

int main(int count, char **arguments)
{
    if (strcmp(arguments[0], EXITING_NAME) == 0) {
        return EXITING_STATUS;
    }
    const struct kind *kind = count >= 3 ? find(arguments[1]) : NULL;
    if (!kind || count != (kind->round ? 3 : 4)) {
        fputs("usage: bench-work KIND MILLISECONDS [PLACE]\n", stderr);
        return 1;
    }
    struct task task = {.kind = kind, .place = arguments[3]};
    uint64_t wanted_ns = strtoull(arguments[2], NULL, 10) * 1000000;
    uint64_t rounds = wanted_ns ? rounds_in(wanted_ns, &task) : 1;
    printf("bench: begin %s\n", kind->name);
    fflush(stdout);
    uint64_t took_ns = run(&task, rounds);
    printf("bench: end %s %08" PRIx32 " %" PRIu64 " %" PRIu64 "\n", kind->name,
           task.sum, rounds * kind->operations, took_ns);
    return 0;
}
