/* Two engines agree on random code in every mode of the processor, however their runs
 * are cut.
 *
 *   engines_agree_test quick|full|soak
 *
 * Each case is one random world in two machines: the interpreter's and that of the
 * engine under test, which may be the interpreter, too. Time is counted. One machine
 * runs slice by slice; the other the same slices, but mostly cut further, and kicked by
 * another thread now and then. Behind each slice all that CPU and devices save is the
 * same, and RAM is. A failure prints FAUMACHINE_SEED and FAUMACHINE_CASE (with both in
 * the environment that case runs alone), and is run again in ever shorter slices from
 * where the machines were the same last.
 *
 * A guest that changes page tables and does not tell may see the old translations or
 * the new ones. What comes of it is no failure; when it is over the TLBs are flushed.
 */
#define _GNU_SOURCE /* SEEK_DATA */
#include "../engine.h"
#include "random_world.h"

#include "disassembly/disassembly.h"
#include "lockstep/dump.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CASES_QUICK = 100,
    CASES_FULL = 2000,
    CASES_SOAK = 500000,
    INSTRUCTIONS = 3000,
    INSTRUCTIONS_LONG = 60000,
    HALTS = 100,
    SLICE_BITS = 11,
    FAILURES_SHOWN = 5,
    CODE_BYTES = 48,
    KICK_US = 100,
    IDLE_US = 2000,
};

/* A machine and how far it has come. */
struct side {
    struct fuzz fuzz;
    unsigned halts;
    bool over;
    enum cpu_exit why; /* the last exit but for budgets and kicks */
};

struct difference {
    uint64_t same; /* instruction count behind which all was the same */
    char text[8192];
};

struct agreement {
    uint64_t seed;
    const char *engines[2];
    bool alike; /* both are the same engine */
    char disk[32];
    struct side sides[2];
    struct fuzz chance;    /* random numbers for slices */
    pthread_mutex_t mutex; /* of the following */
    bool kicking, stop;
    uint64_t instructions, exceptions, interrupts;
    unsigned failed, stale; /* stale: ended by page tables that were changed */
    struct difference difference;
};

static void append(struct difference *difference, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct difference *difference, const char *format, ...)
{
    size_t length = strlen(difference->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(difference->text + length, sizeof(difference->text) - length, format,
              arguments);
    va_end(arguments);
}

static struct machine *machine_of(const struct side *side)
{
    return side->fuzz.machine;
}

/* Kicks the second machine's CPU now and then. */
static void *kick(void *opaque)
{
    struct agreement *agreement = opaque;
    bool kicking = false;
    for (bool stop = false; !stop;) {
        usleep(kicking ? KICK_US : IDLE_US);
        pthread_mutex_lock(&agreement->mutex);
        kicking = agreement->kicking;
        if (kicking) {
            cpu_kick(&machine_of(&agreement->sides[1])->cpu);
        }
        stop = agreement->stop;
        pthread_mutex_unlock(&agreement->mutex);
    }
    return NULL;
}

static void set_kicking(struct agreement *agreement, bool kicking)
{
    pthread_mutex_lock(&agreement->mutex);
    agreement->kicking = kicking;
    pthread_mutex_unlock(&agreement->mutex);
}

static bool begin_sides(struct agreement *agreement, uint64_t seed)
{
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &agreement->sides[i];
        *side = (struct side){.fuzz = {.state = seed}, .why = CPU_EXIT_BUDGET};
        memcpy(side->fuzz.disk, agreement->disk, sizeof(agreement->disk));
        if (!fuzz_make_machine(&side->fuzz, agreement->engines[i])) {
            return false;
        }
        memcpy(agreement->disk, side->fuzz.disk, sizeof(agreement->disk));
        random_world_prepare(&side->fuzz);
    }
    return true;
}

static void end_sides(struct agreement *agreement)
{
    for (unsigned i = 0; i < 2; i++) {
        struct machine *machine = machine_of(&agreement->sides[i]);
        agreement->instructions += machine->cpu.retired;
        agreement->exceptions += machine->statistics.exceptions;
        agreement->interrupts += machine->statistics.hardware_interrupts;
        machine_destroy(machine);
    }
}

/* What the machine does when the engine returns; as its run loop, but for resets: they
 * are the end. */
static void attend(struct side *side, enum cpu_exit why)
{
    struct machine *machine = machine_of(side);
    lock_take(&machine->lock);
    if (why == CPU_EXIT_TRIPLE_FAULT || machine->reset_requested) {
        side->over = true;
    } else if (why == CPU_EXIT_HALT) {
        side->over = ++side->halts > HALTS || !random_world_wait(machine);
    }
    side->why = why == CPU_EXIT_KICK ? side->why : why;
    fuzz_forget_requests(machine);
    lock_release(&machine->lock);
}

/* Runs up to the `end`-th instruction, with `cuts` in pieces. False if the engine
 * miscounts. */
static bool run_side(struct side *side, uint64_t end, struct fuzz *cuts,
                     struct difference *difference)
{
    struct machine *machine = machine_of(side);
    struct cpu *cpu = &machine->cpu;
    while (!side->over && cpu->retired < end) {
        lock_take(&machine->lock);
        clock_run_timers(&machine->clock);
        uint64_t budget = random_world_allowance(machine, end);
        lock_release(&machine->lock);
        if (cuts && budget > 1) {
            uint64_t most = fuzz_one_in(cuts, 2) && budget > 8 ? 8 : budget;
            budget = 1 + fuzz_below(cuts, (uint32_t)most);
        }
        uint64_t before = cpu->retired;
        enum cpu_exit why = machine->engine->run(cpu, budget);
        uint64_t retired = cpu->retired - before;
        if (why == CPU_EXIT_BUDGET ? retired != budget : retired > budget) {
            append(difference,
                   "%s: %" PRIu64 " instructions retired of %" PRIu64 ", exit %d\n",
                   machine->engine->name, retired, budget, why);
            return false;
        }
        attend(side, why);
    }
    return true;
}

/* Where the RAM of one of them has been touched; the others' pages are zero. */
static bool memory_is_equal(const struct ram *a, const struct ram *b)
{
    for (off_t start = 0; start < FUZZ_RAM_BYTES;) {
        off_t data_a = lseek(a->fd, start, SEEK_DATA);
        off_t data_b = lseek(b->fd, start, SEEK_DATA);
        if (data_a < 0 && data_b < 0) {
            return true;
        }
        start = data_a < 0 || (data_b >= 0 && data_b < data_a) ? data_b : data_a;
        off_t hole_a = lseek(a->fd, start, SEEK_HOLE);
        off_t hole_b = lseek(b->fd, start, SEEK_HOLE);
        off_t end = hole_a > hole_b ? hole_a : hole_b;
        if (memcmp(a->host + start, b->host + start, (size_t)(end - start)) != 0) {
            return false;
        }
        start = end;
    }
    return true;
}

static void tell_memory(struct agreement *agreement)
{
    enum { SHOWN = 16 };
    const uint8_t *a = machine_of(&agreement->sides[0])->ram.host;
    const uint8_t *b = machine_of(&agreement->sides[1])->ram.host;
    unsigned shown = 0;
    for (unsigned i = 0; i < FUZZ_RAM_BYTES && shown < SHOWN; i++) {
        if (a[i] != b[i]) {
            append(&agreement->difference, "  [%06x]: %02x, %02x\n", i, a[i], b[i]);
            shown++;
        }
    }
}

static void tell_rows(struct difference *difference, const struct state_buffer *a,
                      const struct state_buffer *b)
{
    static const struct state_buffer none;
    struct lockstep_result result = {.rows = NULL};
    dump_tell(&result, (const struct state_buffer *[]){&none, a, b});
    for (size_t i = 0; i < result.row_count; i++) {
        if (result.rows[i].differs) {
            append(difference, "  %s: %s, %s\n", result.rows[i].name,
                   result.rows[i].values[1], result.rows[i].values[2]);
        }
    }
    lockstep_result_free(&result);
}

static bool compare(struct agreement *agreement)
{
    struct difference *difference = &agreement->difference;
    struct side *sides = agreement->sides;
    struct state_buffer dumps[2] = {{0}};
    for (unsigned i = 0; i < 2; i++) {
        dump_cpu(&dumps[i], machine_of(&sides[i]));
        dump_devices(&dumps[i], machine_of(&sides[i]));
    }
    bool states = dumps_equal(&dumps[0], &dumps[1]);
    bool memory =
        memory_is_equal(&machine_of(&sides[0])->ram, &machine_of(&sides[1])->ram);
    bool ends = sides[0].over == sides[1].over && sides[0].why == sides[1].why;
    if (!ends) {
        append(difference, "  exits: %d%s, %d%s\n", sides[0].why,
               sides[0].over ? ", over" : "", sides[1].why,
               sides[1].over ? ", over" : "");
    }
    if (!states) {
        tell_rows(difference, &dumps[0], &dumps[1]);
    }
    if (!memory) {
        tell_memory(agreement);
    }
    state_buffer_free(&dumps[0]);
    state_buffer_free(&dumps[1]);
    return ends && states && memory;
}

/* A slice's length: short ones and long ones are likely. */
static uint64_t slice(struct fuzz *chance)
{
    return 1 + fuzz_below(chance, 1U << fuzz_below(chance, SLICE_BITS + 1));
}

/* Where the first machine is, to tell it when the slice from there goes wrong. */
struct place {
    uint64_t retired;
    uint32_t eip;
    bool is16;
    uint8_t code[CODE_BYTES];
    size_t bytes;
};

static struct place place_of(struct machine *machine)
{
    const struct cpu *cpu = &machine->cpu;
    struct place place = {.retired = cpu->retired,
                          .eip = cpu->eip,
                          .is16 = !(cpu->code_mode & CODE_MODE_32)};
    place.bytes = machine_code(machine, place.code, sizeof(place.code));
    return place;
}

static void tell(struct agreement *agreement, const struct place *place)
{
    struct difference *difference = &agreement->difference;
    difference->same = place->retired;
    printf("the same behind %" PRIu64 " instructions, before:\n", place->retired);
    disassembly_print(stdout, place->code, place->bytes, place->eip, place->is16);
    printf("not behind %" PRIu64 " (%s, %s):\n%s",
           machine_of(&agreement->sides[0])->cpu.retired, agreement->engines[0],
           agreement->engines[1], difference->text);
}

/* How a case is run; all of it by chance. */
struct way {
    bool cut, nmis;
    uint64_t end;  /* instruction count */
    uint64_t same; /* from this count on slices are of `step`, unless that is 0 */
    uint64_t step;
};

static struct way choose_way(struct agreement *agreement, uint64_t same, uint64_t step)
{
    struct fuzz *chance = &agreement->chance;
    struct way way = {.same = same, .step = step};
    way.cut = (agreement->alike || fuzz_one_in(chance, 2)) && !step;
    way.nmis = fuzz_one_in(chance, 8);
    way.end = fuzz_one_in(chance, 16) ? INSTRUCTIONS_LONG : INSTRUCTIONS;
    set_kicking(agreement, fuzz_one_in(chance, 4) && !step);
    return way;
}

enum slice_result { SLICE_SAME, SLICE_STALE, SLICE_DIFFERENT };

static enum slice_result run_slice(struct agreement *agreement, const struct way *way)
{
    struct machine *machines[] = {machine_of(&agreement->sides[0]),
                                  machine_of(&agreement->sides[1])};
    struct fuzz *chance = &agreement->chance;
    struct place place = place_of(machines[0]);
    struct fuzz cuts = {.state = fuzz_random(chance)};
    uint64_t tables = random_world_tables(machines[0]);
    uint64_t length = slice(chance);
    bool nmi = way->nmis && fuzz_one_in(chance, 4);
    length = way->step && place.retired >= way->same ? way->step : length;
    uint64_t end = place.retired + length;
    for (unsigned i = 0; i < 2 && nmi; i++) {
        cpu_raise_nmi(&machines[i]->cpu);
    }
    agreement->difference.text[0] = '\0';
    bool counted = run_side(&agreement->sides[0], end, NULL, &agreement->difference) &&
                   run_side(&agreement->sides[1], end, way->cut ? &cuts : NULL,
                            &agreement->difference);
    bool good = counted && compare(agreement);
    bool changed = tables != random_world_tables(machines[0]) ||
                   tables != random_world_tables(machines[1]);
    for (unsigned i = 0; i < 2 && changed; i++) {
        cpu_request(&machines[i]->cpu, CPU_REQUEST_FLUSH);
    }
    if (!good && counted && changed && !agreement->alike) {
        return SLICE_STALE;
    }
    if (!good) {
        tell(agreement, &place);
    }
    return good ? SLICE_SAME : SLICE_DIFFERENT;
}

/* Runs both sides to their end. True if all was the same. */
static bool run_sides(struct agreement *agreement, uint64_t same, uint64_t step)
{
    const struct side *side = &agreement->sides[0];
    struct way way = choose_way(agreement, same, step);
    enum slice_result result = SLICE_SAME;
    while (result == SLICE_SAME && !side->over &&
           machine_of(side)->cpu.retired < way.end) {
        result = run_slice(agreement, &way);
    }
    set_kicking(agreement, false);
    agreement->stale += result == SLICE_STALE;
    return result != SLICE_DIFFERENT;
}

static bool run_once(struct agreement *agreement, unsigned number, uint64_t same,
                     uint64_t step)
{
    uint64_t seed = agreement->seed + number;
    if (!begin_sides(agreement, seed)) {
        exit(EXIT_FAILURE);
    }
    agreement->chance = (struct fuzz){.state = ~seed};
    bool good = run_sides(agreement, same, step);
    end_sides(agreement);
    return good;
}

static void run_case(struct agreement *agreement, unsigned number)
{
    if (run_once(agreement, number, 0, 0) || agreement->failed++ >= FAILURES_SHOWN) {
        return;
    }
    printf("FAUMACHINE_SEED=%" PRIu64 " FAUMACHINE_CASE=%u\n\n", agreement->seed,
           number);
    uint64_t same = agreement->difference.same;
    for (uint64_t step = 1; step < 1U << SLICE_BITS; step += 1 + step / 32) {
        if (!run_once(agreement, number, same, step)) {
            printf("(in slices of %" PRIu64 ")\n\n", step);
            return;
        }
    }
    printf("(not in shorter slices)\n\n");
}

static unsigned cases(int count, char **arguments)
{
    const char *size = count > 1 ? arguments[1] : "quick";
    return strcmp(size, "full") == 0   ? CASES_FULL
           : strcmp(size, "soak") == 0 ? CASES_SOAK
                                       : CASES_QUICK;
}

int main(int count, char **arguments)
{
    static struct agreement agreement = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    const char *seed = getenv("FAUMACHINE_SEED"), *only = getenv("FAUMACHINE_CASE");
    pthread_t kicker;
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    agreement.engines[0] = interpreter_engine.name;
    agreement.engines[1] = tested_engine_name();
    agreement.alike = strcmp(agreement.engines[0], agreement.engines[1]) == 0;
    agreement.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 1000003;
    printf("FAUMACHINE_SEED=%" PRIu64 "\n", agreement.seed);
    fflush(stdout);
    if (pthread_create(&kicker, NULL, kick, &agreement) != 0) {
        return EXIT_FAILURE;
    }
    unsigned first = only ? (unsigned)strtoul(only, NULL, 0) : 0;
    unsigned end = only ? first + 1 : cases(count, arguments);
    for (unsigned i = first; i < end; i++) {
        run_case(&agreement, i);
    }
    set_kicking(&agreement, false);
    pthread_mutex_lock(&agreement.mutex);
    agreement.stop = true;
    pthread_mutex_unlock(&agreement.mutex);
    pthread_join(kicker, NULL);
    unlink(agreement.disk);
    printf("%u cases, %u failed, %u with stale translations; %" PRIu64
           " instructions, %" PRIu64 " exceptions, %" PRIu64 " interrupts\n",
           end - first, agreement.failed, agreement.stale, agreement.instructions,
           agreement.exceptions, agreement.interrupts);
    return agreement.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
