/* First the whole run, compared every so often; then, once there is a difference, runs
 * to the last point without it and on from there in ever shorter steps.
 *
 * If the difference does not come with shorter steps, it needs a longer run without a
 * stop: then its end is searched for by bisection, and after that its beginning. */
#include "lockstep/lockstep.h"

#include "lockstep/dump.h"
#include "lockstep/pair.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

enum {
    DIVISIONS = 32, /* of the distance, from one pass to the next */
    SHARE = 5,      /* comparing RAM takes at most one such part of the time */
    SAVE_S = 5,     /* how much of a run may have to be done again */
};

/* Between two points: the machines are the same at `same`, which `path` leads to, but
 * are not at `different`, if they do not stop in between. */
struct interval {
    struct pair_path path;
    uint64_t same, different;
};

struct search {
    const struct lockstep_config *config;
    struct lockstep_result *result;
    struct pair pair;
    struct interval interval;
};

static void tell_progress(const struct search *search)
{
    const struct lockstep_config *config = search->config;
    if (config->progress) {
        const struct lockstep_progress progress = {
            .instructions = search->pair.position,
            .same = search->interval.same,
            .different = search->interval.different,
        };
        config->progress(config->opaque, &progress);
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The next point: at the latest where it all ends. */
static uint64_t next_point(const struct lockstep_config *config, uint64_t position)
{
    uint64_t end = config->until ? config->until : UINT64_MAX;
    uint64_t step = position < config->from ? config->from - position : config->every;
    return end - position < step ? end : position + step;
}

static void add_level(struct pair_path *path, uint64_t end, uint64_t step)
{
    assert(path->count < PAIR_LEVELS);
    path->levels[path->count++] = (struct pair_level){.end = end, .step = step};
}

static void set_scanned(struct interval *interval, const struct lockstep_config *config,
                        uint64_t same, uint64_t different)
{
    uint64_t first = next_point(config, 0);
    *interval = (struct interval){.same = same, .different = different};
    if (same > 0) {
        add_level(&interval->path, first, first);
    }
    if (same > first) {
        add_level(&interval->path, same, config->every);
    }
}

/* Runs to the end or to the first difference. RAM and devices are not looked at each
 * time, but before it is all over. True: there is a difference, somewhere in the
 * interval. */
static bool scan(struct search *search)
{
    struct pair *pair = &search->pair;
    const struct lockstep_config *config = search->config;
    double begin_s = now_s(), looking_s = 0, save_s = begin_s + SAVE_S;
    uint64_t same = 0;
    while (pair_goes_on(pair) && (!config->until || pair->position < config->until)) {
        pair_run(pair, LOCKSTEP_ENGINES, next_point(config, pair->position));
        bool last = !pair_goes_on(pair) || pair->position == config->until;
        double then_s = now_s();
        bool look = last || same == 0 || looking_s * SHARE < then_s - begin_s;
        bool good = look ? pair_same(pair) : pair_same_cpu(pair);
        looking_s += look ? now_s() - then_s : 0;
        if (!good) {
            set_scanned(&search->interval, config, same, pair->position);
            return true;
        }
        if (look) {
            same = pair->position;
        }
        if (look && now_s() > save_s) {
            pair_save(pair);
            save_s = now_s() + SAVE_S;
        }
        tell_progress(search);
    }
    return false;
}

/* Once more to the last good point, from where both are saved if they are. False: this
 * time there is no way there, or the machines differ there; then `error` is empty. */
static bool restart(struct search *search, struct error *error)
{
    error->text[0] = '\0';
    tell_progress(search);
    struct pair *pair = &search->pair;
    if (!pair_follow(pair, &search->interval.path, error)) {
        return false;
    }
    if (search->interval.same == 0) {
        return true;
    }
    if (!pair_same(pair)) {
        return false;
    }
    pair_save(pair);
    return true;
}

enum finding { FOUND, NOT_FOUND, FAILED };

/* Goes through the interval in steps; makes it the first step with a difference. */
static enum finding narrow(struct search *search, uint64_t step)
{
    struct interval *interval = &search->interval;
    struct pair *pair = &search->pair;
    struct error *error = &search->result->error;
    if (!restart(search, error)) {
        return error->text[0] ? FAILED : NOT_FOUND;
    }
    for (uint64_t same = interval->same; same < interval->different;) {
        uint64_t left = interval->different - same;
        uint64_t next = same + (left < step ? left : step);
        pair_run(pair, LOCKSTEP_ENGINES, next);
        if (!pair_same(pair)) {
            if (same > interval->same) {
                add_level(&interval->path, same, step);
            }
            interval->same = same;
            interval->different = next;
            return FOUND;
        }
        same = next;
    }
    return NOT_FOUND;
}

/* Whether there is a difference at `end` after a run without a stop from `begin`. */
static enum finding probe(struct search *search, uint64_t begin, uint64_t end)
{
    struct error *error = &search->result->error;
    if (!restart(search, error)) {
        return error->text[0] ? FAILED : NOT_FOUND;
    }
    if (begin > search->pair.position) {
        pair_run(&search->pair, LOCKSTEP_ENGINES, begin);
    }
    pair_run(&search->pair, LOCKSTEP_ENGINES, end);
    return pair_same(&search->pair) ? NOT_FOUND : FOUND;
}

/* The earliest end, then the latest beginning of a run that shows the difference. */
static enum finding bisect(struct search *search)
{
    struct interval *interval = &search->interval;
    enum finding finding = probe(search, interval->same, interval->different);
    if (finding != FOUND) {
        return finding;
    }
    for (uint64_t good = interval->same; interval->different - good > 1;) {
        uint64_t middle = good + (interval->different - good) / 2;
        finding = probe(search, interval->same, middle);
        if (finding == FOUND) {
            interval->different = middle;
        } else if (finding == NOT_FOUND) {
            good = middle;
        } else {
            return FAILED;
        }
    }
    uint64_t begin = interval->same, too_late = interval->different;
    while (too_late - begin > 1) {
        /* Often it is the last instruction. */
        bool first = too_late == interval->different;
        uint64_t middle = first ? too_late - 1 : begin + (too_late - begin) / 2;
        finding = probe(search, middle, interval->different);
        if (finding == FOUND) {
            begin = middle;
        } else if (finding == NOT_FOUND) {
            too_late = middle;
        } else {
            return FAILED;
        }
    }
    if (begin > interval->same) {
        add_level(&interval->path, begin, begin - interval->same);
        interval->same = begin;
    }
    return FOUND;
}

/* Makes the interval as short as can be. */
static enum finding find(struct search *search)
{
    struct interval *interval = &search->interval;
    enum finding finding = FOUND;
    if (interval->different - interval->same > search->config->every) {
        /* With the very stops of the first run, but each with a close look. */
        finding = narrow(search, search->config->every);
        if (finding != FOUND) {
            return finding;
        }
    }
    while (finding == FOUND && interval->different - interval->same > 1) {
        uint64_t length = interval->different - interval->same;
        finding = narrow(search, (length + DIVISIONS - 1) / DIVISIONS);
    }
    return finding == NOT_FOUND ? bisect(search) : finding;
}

static void describe_ends(const struct search *search)
{
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        side_describe(&search->pair.sides[i], search->result->ends[i],
                      sizeof(search->result->ends[i]));
    }
}

/* What the machines look like now, beside the dumps of the last common state; instead
 * of what was told before. */
static void tell_states(struct search *search, const struct state_buffer *cpu,
                        const struct state_buffer *devices)
{
    struct lockstep_result *result = search->result;
    struct side *sides = search->pair.sides;
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        side_ask_devices(&sides[i]);
    }
    lockstep_result_free(result);
    result->memory_count = result->memory_bytes = 0;
    describe_ends(search);
    dump_tell(result,
              (const struct state_buffer *[]){cpu, &sides[0].cpu, &sides[1].cpu});
    dump_tell(result, (const struct state_buffer *[]){devices, &sides[0].devices,
                                                      &sides[1].devices});
    pair_tell_memory(&search->pair, result);
}

static void tell_instruction(struct search *search)
{
    struct lockstep_result *result = search->result;
    if (side_ask_code(&search->pair.sides[0], &result->code[result->code_count])) {
        result->code_count++;
    }
}

/* Those that follow the first, as the first engine goes. */
static bool tell_further_instructions(struct search *search)
{
    struct pair *pair = &search->pair;
    const struct side *first = &pair->sides[0];
    if (!pair_follow(pair, &search->interval.path, &search->result->error)) {
        return false;
    }
    uint64_t last = search->interval.different - 1;
    for (unsigned i = 1; i < LOCKSTEP_CODE && pair->position < last; i++) {
        pair_run(pair, 1, pair->position + 1);
        if (first->end == MACHINE_END_BUDGET) {
            tell_instruction(search);
        }
    }
    return true;
}

static void move_dump(struct state_buffer *to, struct state_buffer *from)
{
    state_buffer_free(to);
    *to = *from;
    *from = (struct state_buffer){0};
}

/* Once more, for the report. */
static enum finding show(struct search *search)
{
    const struct interval *interval = &search->interval;
    struct pair *pair = &search->pair;
    if (!pair_follow(pair, &interval->path, &search->result->error)) {
        return FAILED;
    }
    /* To the point where it is: the answer has the state. */
    pair_run(pair, LOCKSTEP_ENGINES, interval->same);
    side_ask_devices(&pair->sides[0]);
    struct state_buffer cpu = {0}, devices = {0};
    move_dump(&cpu, &pair->sides[0].cpu);
    move_dump(&devices, &pair->sides[0].devices);
    tell_instruction(search);
    pair_run(pair, LOCKSTEP_ENGINES, interval->different);
    bool found = !pair_same(pair);
    if (found) {
        tell_states(search, &cpu, &devices);
    }
    state_buffer_free(&cpu);
    state_buffer_free(&devices);
    bool more = interval->different - interval->same > 1;
    if (found && more && !tell_further_instructions(search)) {
        return FAILED;
    }
    return found ? FOUND : NOT_FOUND;
}

/* From the interval that the scan has found to the report. */
static enum finding find_and_show(struct search *search)
{
    enum finding finding = find(search);
    return finding == FOUND ? show(search) : finding;
}

static bool explain(struct search *search)
{
    struct lockstep_result *result = search->result;
    const struct state_buffer none = {0};
    const struct interval first = search->interval;
    tell_states(search, &none, &none);
    enum finding finding = find_and_show(search);
    if (finding == NOT_FOUND && !search->pair.no_saving) {
        /* Perhaps the copies are not what they should be. */
        search->interval = first;
        result->code_count = 0;
        pair_save_no_more(&search->pair);
        finding = find_and_show(search);
    }
    if (finding == NOT_FOUND) {
        search->interval = first;
        result->vanished = true;
        result->code_count = 0;
    }
    result->instructions = search->interval.same;
    result->different = search->interval.different;
    return finding != FAILED;
}

void lockstep_run(const struct lockstep_config *config, struct lockstep_result *result)
{
    struct search search = {.config = config, .result = result};
    *result = (struct lockstep_result){.outcome = LOCKSTEP_PROBLEM};
    pair_init(&search.pair, config);
    if (!pair_start(&search.pair, &result->error)) {
        pair_stop(&search.pair);
        return;
    }
    if (!scan(&search)) {
        result->outcome = LOCKSTEP_SAME;
        result->instructions = search.pair.sides[0].retired;
        describe_ends(&search);
    } else if (explain(&search)) {
        result->outcome = LOCKSTEP_DIFFERENT;
    }
    pair_stop(&search.pair);
}

void lockstep_result_free(struct lockstep_result *result)
{
    free(result->rows);
    result->rows = NULL;
    result->row_count = 0;
}
