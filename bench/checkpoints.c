/* What checkpoints cost: a Debian guest of 128 MiB, of which 50 pages are written
 * between two moments.
 *
 *   checkpoints ENGINE KERNEL INITRD [INSTRUCTIONS]
 *
 * Prints times in microseconds: medians, and in parentheses the longest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/checkpoint.h"
#include "machine/machine.h"

enum {
    RAM_MIB = 128,
    ROUNDS = 1000,
    RUNS = 20,
    WANTED_PAGES = 50,
    LONGEST = 100000000
};

struct times {
    double us[ROUNDS];
    unsigned count;
};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *what, struct times *times)
{
    qsort(times->us, times->count, sizeof(times->us[0]), compare);
    printf("%-44s %9.1f  (%.1f)\n", what, times->us[times->count / 2],
           times->us[times->count - 1]);
}

static void give_up(const char *what)
{
    fprintf(stderr, "checkpoints: %s\n", what);
    exit(1);
}

static void run(struct machine *machine, uint64_t instructions)
{
    if (machine_run(machine, instructions).end != MACHINE_END_BUDGET) {
        give_up("the guest has come to an end");
    }
}

static struct checkpoint *take(struct machine *machine)
{
    struct error error;
    struct checkpoint *checkpoint = checkpoint_take(machine, &error);
    if (!checkpoint) {
        give_up(error.text);
    }
    return checkpoint;
}

static void restore(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct error error;
    if (!checkpoint_restore(machine, checkpoint, &error)) {
        give_up(error.text);
    }
}

/* How many instructions from the checkpoint on write about as many pages as wanted; an
 * idle guest writes fewer. */
static uint64_t find_distance(struct machine *machine,
                              const struct checkpoint *checkpoint)
{
    uint64_t distance = 1000;
    do {
        distance += distance / 8;
        run(machine, distance);
        restore(machine, checkpoint);
    } while (checkpoint_statistics(machine).pages_restored < WANTED_PAGES &&
             distance < LONGEST);
    return distance;
}

static void measure_short(struct machine *machine, const struct checkpoint *checkpoint)
{
    static struct times times, going;
    uint64_t distance = find_distance(machine, checkpoint);
    for (times.count = 0; times.count < ROUNDS; times.count++) {
        double began = now_us();
        run(machine, distance);
        going.us[going.count++] = now_us() - began;
        began = now_us();
        restore(machine, checkpoint);
        times.us[times.count] = now_us() - began;
    }
    printf("%" PRIu64 " instructions write %" PRIu64 " pages\n", distance,
           checkpoint_statistics(machine).pages_restored);
    show("  back to the checkpoint", &times);
    show("  running them", &going);
}

static void measure_long(struct machine *machine, const struct checkpoint *checkpoint)
{
    static struct times times, taking;
    enum { MILLIONS = 20 };
    for (times.count = 0; times.count < RUNS; times.count++) {
        run(machine, MILLIONS * 1000000ULL);
        double began = now_us();
        struct checkpoint *second = take(machine);
        taking.us[taking.count++] = now_us() - began;
        began = now_us();
        restore(machine, checkpoint);
        times.us[times.count] = now_us() - began;
        checkpoint_free(second);
    }
    printf("%d million instructions write %" PRIu64 " pages\n", MILLIONS,
           checkpoint_statistics(machine).pages_restored);
    show("  a second checkpoint", &taking);
    show("  back to the first", &times);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        give_up("usage: checkpoints ENGINE KERNEL INITRD [INSTRUCTIONS]");
    }
    const struct machine_config config = {
        .ram_bytes = (uint64_t)RAM_MIB << 20,
        .engine = argv[1],
        .kernel = argv[2],
        .initrd = argv[3],
        .append = "console=ttyS0 panic=-1 faumachine.batch",
        .serial = {"null"},
        .clock = CLOCK_KIND_COUNTED,
        .epoch_s = 1700000000,
    };
    struct error error;
    struct machine *machine = machine_create(&config, &error);
    if (!machine) {
        give_up(error.text);
    }
    run(machine, argc > 4 ? strtoull(argv[4], NULL, 0) : 2500000000);
    double began = now_us();
    struct checkpoint *checkpoint = take(machine);
    double took = now_us() - began;
    struct checkpoint_statistics statistics = checkpoint_statistics(machine);
    printf("engine %s, %d MiB of RAM, %" PRIu64 " pages in use\n", argv[1], RAM_MIB,
           statistics.pages_held);
    printf("%-44s %9.1f\n", "the first checkpoint", took);
    printf("%-44s %9" PRIu64 "\n", "bytes of state beside memory",
           statistics.state_bytes);
    measure_short(machine, checkpoint);
    measure_long(machine, checkpoint);
    checkpoint_free(checkpoint);
    machine_destroy(machine);
    return 0;
}
