/* The course of a campaign: who is told what, and where the answers go. */
#include "campaign/campaign.h"

#include "campaign/classify.h"
#include "campaign/crew.h"
#include "campaign/header.h"
#include "campaign/interrupt.h"
#include "campaign/ledger.h"
#include "campaign/message.h"
#include "campaign/row.h"
#include "campaign/statistics.h"
#include "state/state.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAIT_MS = 200,
    SURVEY_NUMBERS = 200,
    GOLDEN_FACTOR = 3,  /* how long a run may take, next to the golden one… */
    MOST_STILLBORN = 3, /* workers in a row that die on the way to the trial */
};
static const uint64_t golden_grace_ns = 1000000; /* …and more than that */
static const double flush_interval_s = 1;
static const double flush_share = 0.05; /* of the time, with many at one database */

struct campaign {
    struct campaign_options options;
    struct interrupt interrupt;
    bool interrupted;
    struct crew crew;
    struct results *results;
    struct ledger ledger;   /* from the golden run on */
    json_t *ready, *golden; /* what the first worker has told */
    uint64_t timeout_ns;
    unsigned running;   /* experiments that workers have */
    unsigned stillborn; /* workers that have died since one was ready */
    bool surveying;     /* the first worker looks at classes */
    uint64_t flushed;   /* of the ledger's stored ones */
    double flush_due_s;
    struct error *error;
    bool failed;
};

uint64_t campaign_trial_seed(uint64_t seed, uint64_t number)
{
    uint64_t words[] = {seed, number};
    return state_hash_bytes(1, words, sizeof(words)) & INT64_MAX;
}

/* The end of it, with what is in `error` unless there is a `text`. */
static bool fail(struct campaign *campaign, const char *text)
{
    campaign->failed = true;
    return text ? error_set(campaign->error, "%s", text) : false;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* -- work -- */

/* The first worker has the trace. */
static void order_survey(struct campaign *campaign)
{
    struct crew_member *member = &campaign->crew.members[0];
    uint64_t left = ledger_unclassed(&campaign->ledger);
    if (campaign->surveying || !left || !member->ready) {
        return;
    }
    campaign->surveying = true;
    crew_tell(member,
              json_pack("{s:s,s:I,s:I,s:I,s:I}", "do", "survey", "campaign_seed",
                        (json_int_t)campaign->options.seed, "total",
                        (json_int_t)campaign->options.experiments, "first",
                        (json_int_t)campaign->ledger.classed, "count",
                        (json_int_t)(left < SURVEY_NUMBERS ? left : SURVEY_NUMBERS)));
}

static void give_order(struct campaign *campaign, struct crew_member *member,
                       const struct crew_order *order)
{
    uint64_t seed = campaign->options.seed;
    if (member->waiting == 0) {
        member->since_s = crew_now_s();
    }
    member->orders[member->waiting++] = *order;
    campaign->running++;
    crew_tell(member,
              json_pack("{s:s,s:I,s:I,s:I,s:I}", "do", order->why ? "point" : "run",
                        "number", (json_int_t)order->number, "campaign_seed",
                        (json_int_t)seed, "seed",
                        (json_int_t)campaign_trial_seed(seed, order->number),
                        "timeout_ns", (json_int_t)campaign->timeout_ns));
}

/* Whatever was heard may give work to those who had none. */
static void give_work(struct campaign *campaign)
{
    struct crew_order order;
    order_survey(campaign);
    for (unsigned i = 0; i < campaign->crew.count; i++) {
        struct crew_member *member = &campaign->crew.members[i];
        while (member->ready && member->waiting < CREW_PIPELINE &&
               ledger_take(&campaign->ledger, &order)) {
            give_order(campaign, member, &order);
        }
    }
}

/* -- workers -- */

/* An experiment that has come to nothing. `message`: {"number", "point"}. */
static bool store_error(struct campaign *campaign, const struct crew_member *member,
                        const json_t *message, char *why)
{
    struct row row;
    row_fill(&row, message, member->index);
    row.row.outcome = "error";
    row.row.detail = why;
    row.row.host_ms = NAN;
    bool good = ledger_store(&campaign->ledger, &row.row) || fail(campaign, NULL);
    row_free(&row);
    free(why);
    return good;
}

/* The order that a worker was on when it ended. */
static bool lose(struct campaign *campaign, const struct crew_member *member,
                 struct crew_order order, const char *reason)
{
    if (!order.why) {
        order.why = strdup(reason);
        ledger_give_back(&campaign->ledger, &order);
        return true;
    }
    json_t *message = json_pack("{s:I}", "number", (json_int_t)order.number);
    bool good = store_error(campaign, member, message, order.why);
    json_decref(message);
    return good;
}

/* It is on what it was told first; the others are given to another. */
static bool bury(struct campaign *campaign, struct crew_member *member,
                 const char *reason)
{
    char how[128];
    bool was_ready = member->ready;
    unsigned waiting = member->waiting;
    crew_bury(member, how, sizeof(how));
    reason = reason ? reason : how;
    campaign->stillborn = was_ready ? 0 : campaign->stillborn + 1;
    if (campaign->stillborn == MOST_STILLBORN) {
        return fail(campaign, reason);
    }
    member->waiting = 0;
    campaign->running -= waiting;
    campaign->surveying &= member->index != 0;
    for (unsigned i = 1; i < waiting; i++) {
        ledger_give_back(&campaign->ledger, &member->orders[i]);
    }
    if (waiting && !lose(campaign, member, member->orders[0], reason)) {
        return false;
    }
    return crew_start(&campaign->crew, campaign->error) || fail(campaign, NULL);
}

/* How many experiments there are to be, if that has been left to the margin. */
static void plan(struct campaign_options *options, double points)
{
    if (!options->experiments) {
        options->experiments =
            statistics_sample_size(points, options->margin, CAMPAIGN_CONFIDENCE, 0.5);
        progress_announce(options->experiments, options->margin, CAMPAIGN_CONFIDENCE);
    }
}

/* The first worker has come to the trial, and through it. */
static bool begin_with(struct campaign *campaign, json_t *golden, double points)
{
    const char *outcome = json_string_value(json_object_get(golden, "outcome"));
    const char *detail = json_string_value(json_object_get(golden, "detail"));
    if (strcmp(outcome, "ok") != 0 &&
        !json_is_true(json_object_get(golden, "by_script"))) {
        error_set(campaign->error, "the golden run: %s: %s", outcome, detail);
        return fail(campaign, NULL);
    }
    if (number_of(golden, "instructions") <= number_of(campaign->ready, "begin")) {
        return fail(campaign, "the golden run is over before its first instruction, so "
                              "there is no time for faults: run = function() … is to "
                              "wait for something");
    }
    plan(&campaign->options, points);
    uint64_t took_ns =
        number_of(golden, "virtual_ns") - number_of(campaign->ready, "begin_ns");
    uint64_t wanted_ns = number_of(campaign->ready, "timeout_ns");
    campaign->golden = json_incref(golden);
    campaign->timeout_ns =
        wanted_ns ? wanted_ns : GOLDEN_FACTOR * took_ns + golden_grace_ns;
    const struct campaign_facts facts = {.ready = campaign->ready,
                                         .golden = golden,
                                         .points = points,
                                         .timeout_ns = campaign->timeout_ns};
    return (header_store(campaign->results, &campaign->options, &facts,
                         campaign->error) &&
            ledger_open(&campaign->ledger, &campaign->options, campaign->results,
                        campaign->error)) ||
           fail(campaign, NULL);
}

/* All workers, whenever they come, are to come to the same. */
static bool hear_golden(struct campaign *campaign, struct crew_member *member,
                        json_t *golden, double points)
{
    if (!campaign->golden && !begin_with(campaign, golden, points)) {
        return false;
    }
    if (!json_equal(json_object_get(campaign->golden, "hash"),
                    json_object_get(golden, "hash"))) {
        return fail(campaign, "two golden runs have come to different ends: the script "
                              "depends on something beside its settings and seed");
    }
    member->ready = true;
    campaign->stillborn = 0;
    return true;
}

static bool hear_ready(struct campaign *campaign, struct crew_member *member,
                       json_t *ready)
{
    if (!campaign->ready) {
        campaign->ready = json_incref(ready);
    }
    member->at_trial = true;
    member->since_s = crew_now_s();
    if (campaign->options.prune && !json_is_array(json_object_get(ready, "space"))) {
        return fail(campaign, "--prune needs a fault space of rows, and this script "
                              "draws its faults by a function");
    }
    return crew_tell(member, json_pack("{s:s}", "do", "golden")) ||
           bury(campaign, member, NULL);
}

static bool hear_result(struct campaign *campaign, struct crew_member *member,
                        const json_t *message)
{
    const json_t *result = json_object_get(message, "result");
    const struct crew_order order = member->orders[0];
    struct row row;
    if (!member->waiting || number_of(message, "number") != order.number) {
        return bury(campaign, member, "the simulator has told something unexpected");
    }
    member->waiting--;
    campaign->running--;
    for (unsigned i = 0; i < member->waiting; i++) {
        member->orders[i] = member->orders[i + 1];
    }
    member->since_s = crew_now_s();
    if (order.why) {
        return store_error(campaign, member, message, order.why);
    }
    row_fill(&row, message, member->index);
    row.row.outcome = classify(campaign->golden, result);
    if (json_equal(json_object_get(campaign->golden, "output_hash"),
                   json_object_get(result, "output_hash"))) {
        row.row.output = NULL; /* only what differs is kept */
    }
    bool good = ledger_store(&campaign->ledger, &row.row) || fail(campaign, NULL);
    row_free(&row);
    return good;
}

static bool hear(struct campaign *campaign, struct crew_member *member,
                 const json_t *message)
{
    const char *why = json_string_value(json_object_get(message, "failed"));
    json_t *ready = json_object_get(message, "ready");
    json_t *golden = json_object_get(message, "golden");
    const json_t *classes = json_object_get(message, "survey");
    if (why) {
        return fail(campaign, why);
    }
    if (ready) {
        return hear_ready(campaign, member, ready);
    }
    if (golden) {
        return hear_golden(campaign, member, golden,
                           json_number_value(json_object_get(message, "points")));
    }
    if (classes) {
        campaign->surveying = false;
        member->since_s = crew_now_s();
        return ledger_hear_classes(&campaign->ledger, classes) || fail(campaign, NULL);
    }
    return hear_result(campaign, member, message);
}

/* Host time that a worker may take for what it does; 0: as long as that takes. */
static unsigned limit_of(const struct campaign *campaign,
                         const struct crew_member *member)
{
    unsigned limit_s = campaign->options.limit_s;
    bool idle = member->ready && !member->waiting;
    if (idle || (campaign->surveying && member->index == 0)) {
        return 0;
    }
    /* The way to the trial may be longer than the trial. */
    return limit_s && limit_s < CAMPAIGN_LIMIT_S && !member->at_trial ? CAMPAIGN_LIMIT_S
                                                                      : limit_s;
}

/* Of an experiment that takes too long the worker is ended. */
static bool end_the_late(struct campaign *campaign)
{
    char reason[128];
    for (unsigned i = 0; i < campaign->crew.count; i++) {
        struct crew_member *member = &campaign->crew.members[i];
        unsigned limit_s = limit_of(campaign, member);
        if (!limit_s || crew_now_s() - member->since_s <= limit_s) {
            continue;
        }
        snprintf(reason, sizeof(reason), "%snot over after %u s of host time%s",
                 member->ready      ? ""
                 : member->at_trial ? "the golden run: "
                                    : "the script before its trial: ",
                 limit_s, member->ready ? "" : "; --limit gives it more");
        if (member->ready ? !bury(campaign, member, reason) : !fail(campaign, reason)) {
            return false;
        }
    }
    return true;
}

/* What was wrong first is what is said. */
static void flush(struct campaign *campaign)
{
    struct error ignored;
    double began_s = crew_now_s();
    campaign->flushed = campaign->ledger.stored;
    if (!results_flush(campaign->results,
                       campaign->failed ? &ignored : campaign->error)) {
        campaign->failed = true;
    }
    double took_s = crew_now_s() - began_s;
    double rest_s = fmax(flush_interval_s, took_s / flush_share);
    campaign->flush_due_s = began_s + took_s + rest_s;
}

static void turn(struct campaign *campaign)
{
    struct crew_member *member = crew_wait(&campaign->crew, WAIT_MS);
    if (member) {
        json_t *message = message_receive(member->fd);
        message ? hear(campaign, member, message) : bury(campaign, member, NULL);
        json_decref(message);
    }
    if (campaign->failed || !end_the_late(campaign) || !campaign->golden) {
        return;
    }
    give_work(campaign);
    progress_show(&campaign->ledger.progress);
    if (campaign->ledger.stored > campaign->flushed &&
        crew_now_s() >= campaign->flush_due_s) {
        flush(campaign);
    }
}

static bool is_over(struct campaign *campaign)
{
    campaign->interrupted |= interrupt_take(&campaign->interrupt);
    return campaign->failed || campaign->interrupted ||
           (campaign->golden && campaign->running == 0 &&
            ledger_is_empty(&campaign->ledger));
}

static bool begin(struct campaign *campaign)
{
    const struct campaign_options *options = &campaign->options;
    /* A write that cannot be done is to fail, not to kill. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    campaign->results =
        results_open(options->database, RESULTS_CREATE, campaign->error);
    if (!campaign->results) {
        return false;
    }
    campaign->crew.members = calloc(options->workers, sizeof(*campaign->crew.members));
    if (!campaign->crew.members) {
        return error_set(campaign->error, "out of memory");
    }
    campaign->crew.count = options->workers;
    return crew_start(&campaign->crew, campaign->error);
}

static void end(struct campaign *campaign)
{
    crew_end(&campaign->crew);
    if (campaign->ledger.states) {
        flush(campaign);
        progress_end(&campaign->ledger.progress);
    }
    if (!campaign->failed && !campaign->interrupted) {
        campaign->failed = !header_finish(campaign->results, campaign->error) ||
                           !ledger_check(&campaign->ledger);
    }
    ledger_close(&campaign->ledger);
    results_close(campaign->results);
    json_decref(campaign->ready);
    json_decref(campaign->golden);
}

enum campaign_end campaign_run(const struct campaign_options *options,
                               const struct campaign_host *host, struct error *error)
{
    struct campaign campaign = {
        .options = *options,
        .crew = {.options = options, .host = host, .interrupt = &campaign.interrupt},
        .error = error,
    };
    if (!interrupt_open(&campaign.interrupt, error)) {
        return CAMPAIGN_FAILED;
    }
    campaign.failed = !begin(&campaign);
    while (!is_over(&campaign)) {
        turn(&campaign);
    }
    end(&campaign);
    interrupt_close(&campaign.interrupt);
    return campaign.failed        ? CAMPAIGN_FAILED
           : campaign.interrupted ? CAMPAIGN_STOPPED
                                  : CAMPAIGN_DONE;
}
