#include "fuzz.h"

#include <inttypes.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    RAM_BYTES = MACHINE_MINIMUM_RAM_MIB << 20,
    DISK_BYTES = 1 << 20,
    TICK_US = 20000,
    EPOCH_S = 1700000000,
    CHUNK_BYTES = 1 << 16,
};

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

uint64_t fuzz_random(struct fuzz *fuzz)
{
    /* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
    uint64_t z = fuzz->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint32_t fuzz_below(struct fuzz *fuzz, uint32_t limit)
{
    return (uint32_t)(fuzz_random(fuzz) % limit);
}

bool fuzz_one_in(struct fuzz *fuzz, uint32_t n)
{
    return fuzz_below(fuzz, n) == 0;
}

uint32_t fuzz_interesting(struct fuzz *fuzz)
{
    uint32_t value = (uint32_t)fuzz_random(fuzz);
    switch (fuzz_below(fuzz, 6)) {
    case 0:
        return value & 0xff;
    case 1:
        return (1U << (value & 31)) - (value >> 5 & 1);
    case 2:
        return 0U - (value & 0xff);
    case 3:
        return value & 0xffff;
    case 4: /* in RAM, often near the end of a page */
        value &= RAM_BYTES - 1;
        return value & 0x1000 ? value | 0xff8 : value;
    default:
        return value;
    }
}

static bool make_disk(struct fuzz *fuzz)
{
    snprintf(fuzz->disk, sizeof(fuzz->disk), "/tmp/fuzz-disk-XXXXXX");
    int file = mkstemp(fuzz->disk);
    return file >= 0 && ftruncate(file, DISK_BYTES) == 0 && close(file) == 0;
}

static bool make_machine(struct fuzz *fuzz)
{
    const struct machine_config config = {
        .ram_bytes = RAM_BYTES,
        .disks = {fuzz->disk},
        .snapshot = true,
        .serial = {"null", "null"},
        .debug_console = "null",
        .engine = getenv("FAUMACHINE_ENGINE"),
        .clock = CLOCK_KIND_COUNTED,
        .epoch_s = EPOCH_S,
        .debug_exit_port = 0xf4,
    };
    struct error error;
    fuzz->machine = machine_create(&config, &error);
    if (!fuzz->machine) {
        fprintf(stderr, "fuzz: %s\n", error.text);
        return false;
    }
    return machine_run(fuzz->machine, 1).end == MACHINE_END_BUDGET;
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
    if (!make_disk(fuzz) || !make_machine(fuzz)) {
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

void fuzz_forget_requests(struct machine *machine)
{
    machine->reset_requested = false;
    machine->power_off_requested = false;
    machine->debug_exit_requested = false;
    machine->stop_requested = false;
}

void fuzz_reset(struct fuzz *fuzz)
{
    struct machine *machine = fuzz->machine;
    lock_take(&machine->lock);
    fuzz_forget_requests(machine);
    pc_reset(machine);
    fuzz_forget_requests(machine);
    lock_release(&machine->lock);
    cpu_reset(&machine->cpu);
    memset(machine->ram.host, 0, machine->ram.bytes);
    lock_take(&machine->lock);
    for (uint64_t at = 0; at < machine->ram.bytes; at += CHUNK_BYTES) {
        machine->memory.listener.code_written(machine->memory.listener.opaque, at,
                                              CHUNK_BYTES);
    }
    lock_release(&machine->lock);
}
