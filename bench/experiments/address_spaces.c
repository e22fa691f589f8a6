/* What becomes of the window at host address 0 when the guest switches address spaces:
 * an experiment with the host's primitives (docs/address-spaces.md).
 *
 * Code that runs directly, in compatibility mode, sees host addresses below 4 GiB only,
 * so guest address spaces have to share them. The experiment plays guests that switch
 * between address spaces whose pages are scattered over RAM, a mapping a page, and
 * measures from the beginning of a switch until the next address space has touched its
 * pages of that turn:
 *
 * - windows of their own: what the JIT has; nothing to do
 * - one owner: has the low window for good (with forks each child has it, as the one
 *   before is dead); the others are left to the JIT
 * - (a) unmap all of the low window: pages come back when touched, or at once those
 *   that will be
 * - (b) mremap: out to a private window, and back: by one call (Linux 6.17), or a call
 *   for each mapping
 * - (c) a process for each address space, from a pool; or (forks) a new one
 *
 * There is no translation and no guest code: what user code costs with the JIT is a
 * parameter. 64-bit code touches the pages; page tables and TLB cannot tell.
 *
 * Build and run, on an otherwise idle CPU:
 *   ninja -C build bench/experiments/address-spaces
 *   taskset -c 1 build/bench/experiments/address-spaces --cpu 1 */
#define _GNU_SOURCE
#include "address_spaces.h"
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const struct method methods[] = {
    {.name = "windows of their own, the JIT", .switch_to = switch_window, .high = true},
    {.name = "one owner, the others the JIT",
     .switch_to = switch_beside_owner,
     .high = true,
     .owner = true},
    {.name = "(a) unmap, pages when touched", .switch_to = switch_lazily},
    {.name = "(a) unmap, known pages at once", .switch_to = switch_eagerly},
    {.name = "(b) mremap, one call", .switch_to = switch_by_move},
    {.name = "(b) mremap, a call a mapping", .switch_to = switch_by_moves},
    {.name = "(c) a process each", .switch_to = switch_process, .processes = true},
    {.name = "(c) a new process each life",
     .switch_to = switch_new_process,
     .forks_only = true},
};

/* The first ping-pong is the benchmark's `pipe`: so few mappings do its processes need
 * in the engine's views. Others of Debian's programs need 20 to 200, the compiler up to
 * 1350. */
static const struct workload workloads[] = {
    {.name = "Ping-pong: 4 of 4 pages a turn, 1 us",
     .spaces = 2,
     .pages = 4,
     .touched = 4,
     .supervisor = 30,
     .user_us = 1},
    {.name = "Ping-pong: 20 of 60 pages a turn, 5 us",
     .spaces = 2,
     .pages = 60,
     .touched = 20,
     .supervisor = 30,
     .user_us = 5},
    {.name = "Ping-pong: 60 of 120 pages a turn, 20 us",
     .spaces = 2,
     .pages = 120,
     .touched = 60,
     .supervisor = 30,
     .user_us = 20},
    {.name = "Two that compute: 400 of 400 pages a tick, 4 ms",
     .spaces = 2,
     .pages = 400,
     .touched = 400,
     .supervisor = 30,
     .user_us = 4000},
    {.name = "Four that compute: 400 of 2000 pages a tick, 4 ms",
     .spaces = 4,
     .pages = 2000,
     .touched = 400,
     .supervisor = 30,
     .user_us = 4000},
    {.name = "Fork and exec: lives of 1 ms, 100 pages, 5,000 instructions of code",
     .forks = true,
     .spaces = 2,
     .pages = 100,
     .touched = 100,
     .supervisor = 100,
     .user_us = 1000,
     .fresh_instructions = 5000,
     .parent = 200,
     .parent_turn = 40},
    {.name = "Fork and exec: lives of 5 ms, 400 pages, 40,000 instructions of code",
     .forks = true,
     .spaces = 2,
     .pages = 400,
     .touched = 400,
     .supervisor = 100,
     .user_us = 5000,
     .fresh_instructions = 40000,
     .parent = 200,
     .parent_turn = 40},
};

struct options {
    unsigned repetitions, switches, cpu, other_cpu, mappings;
    double slowdown, instructions_per_us; /* of the JIT */
    const char *only;
};

void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "address-spaces: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void on_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    require(sigaction(number, &action, NULL) == 0, "sigaction");
}

void pin(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    require(sched_setaffinity(0, sizeof(set), &set) == 0, "sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *values, unsigned count)
{
    qsort(values, count, sizeof(values[0]), compare);
    return values[count / 2];
}

/* User time between switches from which on direct execution pays, and the time of a
 * turn (a life) as it is. Both against the JIT, which has to translate first for
 * `translation_us`. */
static void print_against_jit(double slowdown, double us, double jit_us,
                              double translation_us)
{
    const struct workload *workload = world->workload;
    double native = workload->user_us;
    double jit = native * slowdown + jit_us + translation_us;
    double even = (us - jit_us - translation_us) / (slowdown - 1);
    if (world->method->owner && !workload->forks) {
        unsigned spaces = workload->spaces;
        native *= (1 + (spaces - 1) * slowdown) / spaces;
        printf(" | %.2f |", (native + us) / jit);
        return;
    }
    printf(" %.0f | %.2f |", even < 0 ? 0 : even, (native + us) / jit);
}

static void print_head(const struct workload *workload)
{
    printf("\n### %s\n\n"
           "| | us for a %s | pays from, us | time / JIT's |%s\n"
           "|---|---:|---:|---:|%s\n",
           workload->name, workload->forks ? "life" : "switch",
           workload->forks ? " pays from, code fresh | time |" : "",
           workload->forks ? "---:|---:|" : "");
}

static void print_row(const struct options *options, double *values, double *jit_us)
{
    const struct workload *workload = world->workload;
    double us = median(values, options->repetitions);
    printf("| %s | %.1f (%.1f–%.1f) |", world->method->name, us, values[0],
           values[options->repetitions - 1]);
    if (world->method == &methods[0]) {
        *jit_us = us;
        puts(workload->forks ? " | | | |" : " | |");
        return;
    }
    print_against_jit(options->slowdown, us, *jit_us, 0);
    if (workload->forks) {
        print_against_jit(options->slowdown, us, *jit_us,
                          workload->fresh_instructions / options->instructions_per_us);
    }
    puts("");
}

static bool possible(const struct method *method)
{
    return (!method->forks_only || world->workload->forks) &&
           (method->switch_to != switch_by_move || can_move_many());
}

static void print_workload(const struct options *options)
{
    enum { METHODS = sizeof(methods) / sizeof(methods[0]) };
    double values[METHODS][REPETITIONS_MAXIMUM], jit_us = 0;
    for (unsigned i = 0; i < options->repetitions; i++) {
        for (unsigned j = 0; j < METHODS; j++) {
            world->method = &methods[j];
            values[j][i] = possible(world->method) ? measure(options->switches) : 0;
        }
    }
    print_head(world->workload);
    for (unsigned j = 0; j < METHODS; j++) {
        world->method = &methods[j];
        if (possible(world->method)) {
            print_row(options, values[j], &jit_us);
        }
    }
    fflush(stdout);
}

static const char usage[] =
    "usage: address-spaces [OPTION…]\n"
    "What switches between guest address spaces cost a host; prints tables.\n"
    "  --repetitions N  of everything (7)\n"
    "  --switches N     at most, in a repetition (1000)\n"
    "  --cpu N          to run on (1)\n"
    "  --other-cpu N    for the one hand-over across CPUs (0)\n"
    "  --only TEXT      workloads with this in their names\n"
    "  --mappings N     that the process has besides: the supervisor's view (1000)\n"
    "  --slowdown X     of user code by the JIT (1.3)\n"
    "  --rate X         instructions that the JIT translates in 1 us (3.7)\n"
    "  --help\n";

static void parse(int count, char **arguments, struct options *options)
{
    static const struct option names[] = {
        {"repetitions", required_argument, NULL, 'r'},
        {"switches", required_argument, NULL, 'n'},
        {"cpu", required_argument, NULL, 'c'},
        {"other-cpu", required_argument, NULL, 'o'},
        {"only", required_argument, NULL, 'w'},
        {"mappings", required_argument, NULL, 'm'},
        {"slowdown", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    for (int option; (option = getopt_long(count, arguments, "", names, NULL)) >= 0;) {
        double value = optarg ? strtod(optarg, NULL) : 0;
        switch (option) {
        case 'r':
            options->repetitions = (unsigned)value;
            break;
        case 'n':
            options->switches = (unsigned)value;
            break;
        case 'c':
            options->cpu = (unsigned)value;
            break;
        case 'o':
            options->other_cpu = (unsigned)value;
            break;
        case 'w':
            options->only = optarg;
            break;
        case 'm':
            options->mappings = (unsigned)value;
            break;
        case 's':
            options->slowdown = value;
            break;
        case 't':
            options->instructions_per_us = value;
            break;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            exit(option != 'h');
        }
    }
    if (options->repetitions < 1 || options->repetitions > REPETITIONS_MAXIMUM ||
        options->switches < 20 || options->switches > SAMPLES_MAXIMUM ||
        options->slowdown <= 1 || options->instructions_per_us <= 0) {
        fputs(usage, stderr);
        exit(1);
    }
}

int main(int count, char **arguments)
{
    struct options options = {7, 1000, 1, 0, 1000, 1.3, 3.7, ""};
    parse(count, arguments, &options);
    world_create();
    world->cpu = options.cpu;
    for (unsigned i = 0; i < SPACES_MAXIMUM; i++) {
        world->eventfd[i] = eventfd(0, 0);
        require(world->eventfd[i] >= 0 && pipe(world->pipe[i]) == 0, "pipe");
    }
    pin(options.cpu);
    print_handovers(options.repetitions, options.other_cpu);
    print_processes(options.repetitions);
    world->handover = &by_futex;
    other_mappings(options.mappings);
    for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
        world->workload = &workloads[i];
        if (strstr(workloads[i].name, options.only)) {
            print_workload(&options);
        }
    }
    return 0;
}
