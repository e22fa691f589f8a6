#include "lockstep/pair.h"

#include "lockstep/dump.h"

#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    FACTOR = 100,  /* of the other engine's time, before one counts as hung */
    LOOK_MS = 250, /* how often to look at the time, while waiting */
};

void pair_init(struct pair *pair, const struct lockstep_config *config)
{
    *pair = (struct pair){.config = config};
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        pair->sides[i].state = pair->saved[i].state = SIDE_NONE;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static void stop_sides(struct side sides[LOCKSTEP_ENGINES])
{
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        side_stop(&sides[i]);
    }
}

void pair_stop(struct pair *pair)
{
    stop_sides(pair->sides);
    stop_sides(pair->saved);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static bool copy_sides(struct side from[LOCKSTEP_ENGINES],
                       struct side to[LOCKSTEP_ENGINES])
{
    struct error ignored;
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        if (!side_copy(&from[i], &to[i], &ignored)) {
            stop_sides(to);
            return false;
        }
    }
    return true;
}

void pair_save_no_more(struct pair *pair)
{
    stop_sides(pair->saved);
    pair->saved_position = 0;
    pair->no_saving = true;
}

void pair_save(struct pair *pair)
{
    if (pair->no_saving || pair->saved_position == pair->position) {
        return;
    }
    stop_sides(pair->saved);
    pair->saved_position = pair->position;
    if (!copy_sides(pair->sides, pair->saved)) {
        pair_save_no_more(pair);
    }
}

static bool start_fresh(struct pair *pair, struct error *error)
{
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        if (!side_start(&pair->sides[i], pair->config, i, pair->sides, i, error)) {
            return false;
        }
    }
    pair->position = 0;
    return true;
}

bool pair_start(struct pair *pair, struct error *error)
{
    stop_sides(pair->sides);
    if (pair->saved_position > 0) {
        if (copy_sides(pair->saved, pair->sides)) {
            pair_run(pair, LOCKSTEP_ENGINES, pair->saved_position);
            return true;
        }
        pair_save_no_more(pair);
    }
    return start_fresh(pair, error);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned count_in(const struct pair *pair, enum side_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        count += pair->sides[i].state == state;
    }
    return count;
}

/* Takes the answers that come within `limit_ms`; negative: without limit. */
static void receive_some(struct pair *pair, int limit_ms)
{
    struct pollfd polled[LOCKSTEP_ENGINES];
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        struct side *side = &pair->sides[i];
        polled[i] = (struct pollfd){.fd = side->state == SIDE_RUNNING ? side->fd : -1,
                                    .events = POLLIN};
    }
    if (poll(polled, LOCKSTEP_ENGINES, limit_ms) <= 0) {
        return;
    }
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        if (polled[i].revents) {
            side_receive(&pair->sides[i]);
        }
    }
}

void pair_run(struct pair *pair, unsigned count, uint64_t until)
{
    uint64_t begin_ms = now_ms(), first_ms = 0;
    for (unsigned i = 0; i < count; i++) {
        side_run(&pair->sides[i], until);
    }
    while (count_in(pair, SIDE_RUNNING) > 0) {
        if (count_in(pair, SIDE_READY) == 0) {
            /* As long as none is there, none is late. */
            receive_some(pair, -1);
            first_ms = now_ms() - begin_ms;
            continue;
        }
        uint64_t end_ms = begin_ms + FACTOR * first_ms + pair->config->patience_ms;
        receive_some(pair, LOOK_MS);
        for (unsigned i = 0; i < count && now_ms() > end_ms; i++) {
            if (pair->sides[i].state == SIDE_RUNNING) {
                side_give_up(&pair->sides[i]);
            }
        }
    }
    pair->position = until;
}

bool pair_follow(struct pair *pair, const struct pair_path *path, struct error *error)
{
    if (!pair_start(pair, error)) {
        return false;
    }
    for (unsigned i = 0; i < path->count; i++) {
        const struct pair_level *level = &path->levels[i];
        while (pair->position < level->end) {
            uint64_t left = level->end - pair->position;
            uint64_t step = left < level->step ? left : level->step;
            pair_run(pair, LOCKSTEP_ENGINES, pair->position + step);
        }
    }
    return true;
}

bool pair_same_cpu(const struct pair *pair)
{
    const struct side *a = &pair->sides[0], *b = &pair->sides[1];
    return a->state == SIDE_READY && b->state == SIDE_READY && a->end == b->end &&
           a->exit_code == b->exit_code && dumps_equal(&a->cpu, &b->cpu);
}

bool pair_goes_on(const struct pair *pair)
{
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        const struct side *side = &pair->sides[i];
        if (side->state != SIDE_READY || side->end != MACHINE_END_BUDGET) {
            return false;
        }
    }
    return true;
}

/* The first page at or behind `offset` that is not zero in both machines. */
static uint64_t next_page(const struct pair *pair, uint64_t offset)
{
    const struct ram *a = &pair->sides[0].ram, *b = &pair->sides[1].ram;
    if (offset >= a->bytes) {
        return a->bytes;
    }
    uint64_t in_a = ram_next_page(a, offset), in_b = ram_next_page(b, offset);
    return in_a < in_b ? in_a : in_b;
}

/* Whether a page differs that next_page() gave. What one machine has never touched is
 * read all the same: it then takes up memory, but that is all. */
static bool page_differs(const struct pair *pair, uint64_t offset)
{
    return memcmp(pair->sides[0].ram.host + offset, pair->sides[1].ram.host + offset,
                  PAGE_BYTES) != 0;
}

static bool same_memory(const struct pair *pair)
{
    uint64_t end = pair->sides[0].ram.bytes;
    for (uint64_t offset = next_page(pair, 0); offset < end;
         offset = next_page(pair, offset + PAGE_BYTES)) {
        if (page_differs(pair, offset)) {
            return false;
        }
    }
    return true;
}

bool pair_same(struct pair *pair)
{
    if (!pair_same_cpu(pair)) {
        return false;
    }
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        if (!side_ask_devices(&pair->sides[i])) {
            return false;
        }
    }
    return dumps_equal(&pair->sides[0].devices, &pair->sides[1].devices) &&
           same_memory(pair);
}

static void tell_page(const struct pair *pair, uint64_t offset,
                      struct lockstep_result *result)
{
    const uint8_t *a = pair->sides[0].ram.host + offset;
    const uint8_t *b = pair->sides[1].ram.host + offset;
    for (unsigned i = 0; i < PAGE_BYTES; i++) {
        if (a[i] == b[i]) {
            continue;
        }
        result->memory_bytes++;
        if (result->memory_count < LOCKSTEP_MEMORY) {
            result->memory[result->memory_count++] =
                (struct lockstep_byte){.address = offset + i, .values = {a[i], b[i]}};
        }
    }
}

void pair_tell_memory(const struct pair *pair, struct lockstep_result *result)
{
    uint64_t end = pair->sides[0].ram.bytes;
    for (uint64_t offset = next_page(pair, 0); offset < end;
         offset = next_page(pair, offset + PAGE_BYTES)) {
        if (page_differs(pair, offset)) {
            tell_page(pair, offset, result);
        }
    }
}
