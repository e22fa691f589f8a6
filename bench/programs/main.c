/* bench-work KIND ROUNDS: says when it begins and when it is done, so that whoever
 * reads along can take the time. The last line also has the checksum, how many
 * operations it were, and the nanoseconds that have passed by the guest's own clock. */
#include "kinds.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct kind *find(const struct kind *kinds, const char *name)
{
    for (; kinds->name; kinds++) {
        if (strcmp(kinds->name, name) == 0) {
            return kinds;
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

int main(int count, char **arguments)
{
    const struct kind *kind = NULL;
    if (count == 3) {
        kind = find(compute_kinds, arguments[1]);
        kind = kind ? kind : find(system_kinds, arguments[1]);
    }
    uint32_t rounds = kind ? (uint32_t)strtoul(arguments[2], NULL, 10) : 0;
    if (rounds == 0) {
        fputs("usage: bench-work KIND ROUNDS\n", stderr);
        return 1;
    }
    printf("bench: begin %s\n", kind->name);
    fflush(stdout);
    uint64_t begin = now_ns();
    uint32_t sum = kind->round();
    for (uint32_t i = 1; i < rounds; i++) {
        if (kind->round() != sum) {
            printf("bench: %s differs in round %u\n", kind->name, i);
            return 1;
        }
    }
    uint64_t end = now_ns();
    printf("bench: end %s %08x %llu %llu\n", kind->name, sum,
           (unsigned long long)rounds * kind->operations,
           (unsigned long long)(end - begin));
    return 0;
}
