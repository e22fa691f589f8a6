#include "campaign/ledger.h"

#include "campaign/row.h"
#include "campaign/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    ERRORS_AT_FIRST = 20, /* and nothing else: something is wrong with it all */
    WHY_WIDTH = 400,
};

enum experiment_state {
    EXPERIMENT_NEW,   /* with pruning: its class is not known yet */
    EXPERIMENT_DONE,  /* it is in the database, as results_done() has it */
    EXPERIMENT_READY, /* to be carried out */
    EXPERIMENT_TAKEN, /* or it waits for one of its class that is */
};

/* -- beginning -- */

static bool is_mine(const struct ledger *ledger, uint64_t number)
{
    return number % ledger->options->shards == ledger->options->shard;
}

static bool recall_outcome(void *opaque, const struct result_row *row)
{
    struct ledger *ledger = opaque;
    if ((uint64_t)row->number < ledger->options->experiments) {
        ledger->outcomes[row->number] = strdup(row->outcome);
    }
    return true;
}

/* What is in the database already may be the first of its class. */
static bool open_pruning(struct ledger *ledger)
{
    uint64_t planned = ledger->options->experiments;
    ledger->classed = 0;
    ledger->outcomes = calloc(planned + 1, sizeof(*ledger->outcomes));
    if (!ledger->outcomes || !pruning_create(&ledger->pruning, planned)) {
        return error_set(ledger->error,
                         "out of memory for pruning: give it fewer experiments");
    }
    return results_each(ledger->results, 0, INT64_MAX, recall_outcome, ledger,
                        ledger->error);
}

bool ledger_open(struct ledger *ledger, const struct campaign_options *options,
                 struct results *results, struct error *error)
{
    uint64_t planned = options->experiments, stored, mine = 0, before = 0;
    *ledger = (struct ledger){.options = options,
                              .results = results,
                              .states = calloc(planned + 1, 1),
                              .classed = planned,
                              .error = error};
    if (!ledger->states) {
        return error_set(error, "out of memory: give it fewer experiments");
    }
    if (!results_done(results, ledger->states, planned, &stored, error) ||
        (options->prune && !open_pruning(ledger))) {
        return false;
    }
    for (uint64_t i = options->shard; i < planned; i += options->shards) {
        mine++;
        before += ledger->states[i] == EXPERIMENT_DONE;
        if (ledger->states[i] == EXPERIMENT_NEW && !options->prune) {
            ledger->states[i] = EXPERIMENT_READY;
        }
    }
    progress_begin(&ledger->progress, mine, before);
    return true;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger->options) {
        return; /* it has not been opened */
    }
    for (uint64_t i = 0; ledger->outcomes && i < ledger->options->experiments; i++) {
        free(ledger->outcomes[i]);
    }
    free(ledger->outcomes);
    pruning_destroy(&ledger->pruning);
    for (unsigned i = 0; i < ledger->lost_count; i++) {
        free(ledger->lost[i].why);
    }
    free(ledger->lost);
    free(ledger->why);
    free(ledger->states);
}

/* -- giving and taking -- */

/* Moves `next` on to what is to be carried out. */
static bool find_next(struct ledger *ledger)
{
    while (ledger->next < ledger->classed &&
           ledger->states[ledger->next] != EXPERIMENT_READY) {
        ledger->next++;
    }
    return ledger->next < ledger->classed;
}

bool ledger_take(struct ledger *ledger, struct crew_order *order)
{
    if (ledger->lost_count) {
        *order = ledger->lost[--ledger->lost_count];
        return true;
    }
    if (!find_next(ledger)) {
        return false;
    }
    *order = (struct crew_order){.number = ledger->next};
    ledger->states[ledger->next] = EXPERIMENT_TAKEN;
    return true;
}

void ledger_give_back(struct ledger *ledger, const struct crew_order *order)
{
    if (order->why) {
        ledger->lost =
            realloc(ledger->lost, (ledger->lost_count + 1) * sizeof(*ledger->lost));
        assert(ledger->lost);
        ledger->lost[ledger->lost_count++] = *order;
        return;
    }
    ledger->states[order->number] = EXPERIMENT_READY;
    ledger->next = order->number < ledger->next ? order->number : ledger->next;
}

uint64_t ledger_unclassed(const struct ledger *ledger)
{
    return ledger->options->experiments - ledger->classed;
}

bool ledger_is_empty(struct ledger *ledger)
{
    return ledger_unclassed(ledger) == 0 && ledger->lost_count == 0 &&
           !find_next(ledger);
}

/* -- storing -- */

static bool store(struct ledger *ledger, const struct result_row *row)
{
    if (!results_add(ledger->results, row, ledger->error)) {
        return false;
    }
    ledger->stored++;
    if (strcmp(row->outcome, "error") == 0) {
        ledger->errors++;
        free(ledger->why);
        ledger->why = text_shorten(row->detail ? row->detail : "", WHY_WIDTH);
    }
    progress_count(&ledger->progress, row->outcome);
    return ledger->errors != ERRORS_AT_FIRST || ledger_check(ledger);
}

bool ledger_check(const struct ledger *ledger)
{
    return !ledger->errors || ledger->errors < ledger->stored ||
           error_set(ledger->error,
                     "all experiments so far, %" PRIu64 ", have ended in errors; the "
                     "last one: %s",
                     ledger->errors, ledger->why);
}

/* One that is not carried out. */
static bool store_pruned(struct ledger *ledger, uint64_t number, const json_t *point,
                         uint64_t same_as, const char *outcome)
{
    struct row row;
    row_fill_point(&row, number, point);
    row.row.same_as = (int64_t)same_as;
    row.row.outcome = outcome;
    bool good = store(ledger, &row.row);
    row_free(&row);
    return good;
}

/* The outcome of the class that `first` speaks for is known. */
static bool settle_class(struct ledger *ledger, uint64_t first, const char *outcome)
{
    struct pruned_class *class =
        ledger->options->prune ? pruning_of(&ledger->pruning, first) : NULL;
    bool good = true;
    if (!class) {
        return true;
    }
    class->outcome = class->outcome ? class->outcome : strdup(outcome);
    for (struct pruned *p; good && (p = pruning_take(class));) {
        good = store_pruned(ledger, p->number, p->point, first, class->outcome);
        pruned_free(p);
    }
    return good;
}

bool ledger_store(struct ledger *ledger, const struct result_row *row)
{
    return store(ledger, row) &&
           settle_class(ledger, (uint64_t)row->number, row->outcome);
}

/* -- classes -- */

/* The shard that carries out the first of a class answers for all of it: so a class
 * costs one experiment however many shards there are. */
static bool is_class_mine(struct ledger *ledger, uint64_t number,
                          const struct pruned_class *class)
{
    bool done = ledger->states[number] == EXPERIMENT_DONE;
    bool mine = is_mine(ledger, class->first);
    progress_correct(&ledger->progress, is_mine(ledger, number), mine, done);
    return mine;
}

static bool hear_class(struct ledger *ledger, uint64_t number, json_t *point)
{
    const char *kind = json_string_value(json_object_get(point, "kind"));
    const char *key = json_string_value(json_object_get(point, "key"));
    bool done = ledger->states[number] == EXPERIMENT_DONE;
    if (!kind || !key) {
        return true;
    }
    if (strcmp(kind, "overwritten") == 0 || strcmp(kind, "unused") == 0) {
        return done || !is_mine(ledger, number) ||
               store_pruned(ledger, number, point, number, "not-activated");
    }
    struct pruned_class *class = pruning_find(&ledger->pruning, key, number);
    if (!class) {
        return error_set(ledger->error, "out of memory for pruning");
    }
    if (!is_class_mine(ledger, number, class)) {
        return true;
    }
    if (done) {
        return settle_class(ledger, number, ledger->outcomes[number]);
    }
    ledger->states[number] =
        class->first == number ? EXPERIMENT_READY : EXPERIMENT_TAKEN;
    if (class->first == number) {
        return true;
    }
    if (class->outcome) {
        return store_pruned(ledger, number, point, class->first, class->outcome);
    }
    pruning_wait(class, number, point);
    return true;
}

bool ledger_hear_classes(struct ledger *ledger, const json_t *classes)
{
    size_t i;
    json_t *point;
    json_array_foreach(classes, i, point)
    {
        if (ledger_unclassed(ledger) && !hear_class(ledger, ledger->classed++, point)) {
            return false;
        }
    }
    return true;
}
