/* The course of a campaign: who is told what, and where the answers go. */
#include "campaign/campaign.h"

#include "campaign/classify.h"
#include "campaign/crew.h"
#include "campaign/message.h"
#include "campaign/progress.h"
#include "campaign/results.h"
#include "campaign/row.h"
#include "campaign/statistics.h"
#include "state/state.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_MS = 200,
    HEADER_KEYS = 32,
    ERRORS_AT_FIRST = 20, /* so many, and nothing else: something is wrong with it all */
    GOLDEN_FACTOR = 3,    /* how long a run may take, next to the golden one… */
};
static const uint64_t golden_grace_ns = 1000000; /* …and more than that */
static const double flush_interval_s = 1;

static volatile sig_atomic_t interrupted;

struct campaign {
    const struct campaign_options *options;
    struct crew crew;
    struct results *results;
    struct progress progress;
    json_t *ready, *golden; /* what the first worker has told */
    uint64_t timeout_ns;
    uint8_t *done; /* of each experiment: stored, or given to a worker */
    uint64_t planned, next, carried_out, errors, running;
    double flushed_s;
    struct error *error;
    bool failed;
};

uint64_t campaign_trial_seed(uint64_t seed, uint64_t number)
{
    uint64_t words[] = {seed, number};
    return state_hash_bytes(1, words, sizeof(words)) & INT64_MAX;
}

static bool fail(struct campaign *campaign, const char *text)
{
    campaign->failed = true;
    return error_set(campaign->error, "%s", text);
}

/* -- what is kept of it -- */

static char *json_text(const json_t *json)
{
    return json_dumps(json ? json : json_null(), JSON_COMPACT | JSON_ENCODE_ANY);
}

static json_t *settings_array(const struct campaign_options *options)
{
    json_t *settings = json_array();
    for (unsigned i = 0; i < options->setting_count; i++) {
        json_array_append_new(settings, json_string(options->settings[i]));
    }
    return settings;
}

struct header {
    struct results_key keys[HEADER_KEYS];
    char *values[HEADER_KEYS];
    unsigned count;
};

/* Takes `value`. */
static void add_key(struct header *header, const char *key, char *value)
{
    header->values[header->count] = value;
    header->keys[header->count++] = (struct results_key){key, value ? value : ""};
}

static void add_number(struct header *header, const char *key, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    add_key(header, key, strdup(text));
}

static void add_json(struct header *header, const char *key, json_t *json)
{
    add_key(header, key, json_text(json));
    json_decref(json);
}

static void add_text_of(struct header *header, const char *key, const json_t *object,
                        const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    add_key(header, key, strdup(text ? text : ""));
}

static char *now_text(void)
{
    char text[32];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    return strdup(text);
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void describe(const struct campaign *campaign, struct header *header)
{
    const struct campaign_options *options = campaign->options;
    const json_t *golden = campaign->golden;
    char *script = realpath(options->script, NULL), hash[EXPERIMENT_ID_BYTES] = "";
    struct error ignored;
    experiment_script_hash(options->script, hash, &ignored);
    add_key(header, "version", strdup(FAUMACHINE_VERSION));
    add_key(header, "script", script ? script : strdup(options->script));
    add_key(header, "script_hash", strdup(hash));
    add_key(header, "script_text", experiment_script_text(options->script, &ignored));
    add_json(header, "settings", settings_array(options));
    add_number(header, "seed", options->seed);
    add_text_of(header, "engine", campaign->ready, "engine");
    add_json(header, "space", json_incref(json_object_get(campaign->ready, "space")));
    add_number(header, "points", number_of(campaign->ready, "points"));
    add_number(header, "pruned", options->prune);
    add_number(header, "golden_from", number_of(campaign->ready, "begin"));
    add_number(header, "golden_to", number_of(golden, "instructions"));
    add_number(header, "golden_ns", number_of(golden, "virtual_ns"));
    add_text_of(header, "golden_hash", golden, "hash");
    add_text_of(header, "golden_end", golden, "end");
    add_text_of(header, "golden_output", golden, "output");
    add_json(header, "golden_values", json_incref(json_object_get(golden, "values")));
    add_number(header, "timeout_ns", campaign->timeout_ns);
    add_number(header, "planned", campaign->planned);
    add_number(header, "workers", options->workers);
    add_key(header, "started", now_text());
}

/* A campaign goes on only as what it was. */
static bool check_resumed(struct campaign *campaign, const struct header *header)
{
    static const char *const same[] = {"script_hash", "settings",  "seed",
                                       "engine",      "pruned",    "golden_from",
                                       "golden_to",   "golden_hash"};
    for (unsigned i = 0; i < header->count; i++) {
        const char *key = header->keys[i].key;
        const char *before = results_get(campaign->results, key);
        for (size_t j = 0; j < ARRAY_LENGTH(same); j++) {
            if (strcmp(same[j], key) == 0 &&
                (!before || strcmp(before, header->keys[i].value) != 0)) {
                campaign->failed = true;
                return error_set(campaign->error,
                                 "%s has a campaign with %s %s, and this one has %s: "
                                 "run that one on, or give another --db",
                                 results_name(campaign->results), key,
                                 before ? before : "(none)", header->keys[i].value);
            }
        }
    }
    return true;
}

static bool is_mine(const struct campaign *campaign, uint64_t number)
{
    return number % campaign->options->shards == campaign->options->shard;
}

/* The golden run is known: what is to be done, and what is done already. */
static bool begin_results(struct campaign *campaign)
{
    struct header header = {.count = 0};
    uint64_t stored = 0, before = 0, mine = 0;
    bool resumed = false;
    describe(campaign, &header);
    bool good = results_begin(campaign->results, header.keys, header.count, &resumed,
                              campaign->error) &&
                (!resumed || check_resumed(campaign, &header));
    if (good && resumed) {
        const char *planned = results_get(campaign->results, "planned");
        uint64_t was_planned = planned ? strtoull(planned, NULL, 10) : 0;
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, campaign->planned);
        good = campaign->planned <= was_planned ||
               results_set(campaign->results, "planned", text, campaign->error);
    }
    for (unsigned i = 0; i < header.count; i++) {
        free(header.values[i]);
    }
    campaign->done = calloc(campaign->planned + 1, 1);
    good = good && campaign->done &&
           results_done(campaign->results, campaign->done, campaign->planned, &stored,
                        campaign->error);
    for (uint64_t i = 0; good && i < campaign->planned; i++) {
        mine += is_mine(campaign, i);
        before += is_mine(campaign, i) && campaign->done[i];
    }
    campaign->failed |= !good;
    progress_begin(&campaign->progress, mine, before);
    return good;
}

/* -- experiments -- */

static bool store(struct campaign *campaign, const struct result_row *row)
{
    if (!results_add(campaign->results, row, campaign->error)) {
        campaign->failed = true;
        return false;
    }
    campaign->carried_out++;
    campaign->errors += strcmp(row->outcome, "error") == 0;
    progress_count(&campaign->progress, row->outcome);
    if (campaign->errors == ERRORS_AT_FIRST && campaign->carried_out == ERRORS_AT_FIRST) {
        campaign->failed = true;
        return error_set(campaign->error,
                         "the first %d experiments have all failed; the last one: %s",
                         ERRORS_AT_FIRST, row->detail ? row->detail : "");
    }
    return true;
}

static bool store_answer(struct campaign *campaign, const struct crew_member *member,
                         const json_t *message)
{
    struct row row;
    row_fill(&row, message, member->index);
    row.row.outcome = classify(campaign->golden, json_object_get(message, "result"));
    if (json_equal(json_object_get(campaign->golden, "output_hash"),
                   json_object_get(json_object_get(message, "result"),
                                   "output_hash"))) {
        row.row.output = NULL;
    }
    bool good = store(campaign, &row.row);
    row_free(&row);
    return good;
}

/* The next one that is to be carried out; `planned`: there is none. */
static uint64_t take_next(struct campaign *campaign)
{
    while (campaign->next < campaign->planned &&
           (campaign->done[campaign->next] || !is_mine(campaign, campaign->next))) {
        campaign->next++;
    }
    if (campaign->next < campaign->planned) {
        campaign->done[campaign->next] = 1;
    }
    return campaign->next;
}

static void order_run(struct campaign *campaign, struct crew_member *member,
                      uint64_t number)
{
    uint64_t seed = campaign->options->seed;
    if (member->waiting == 0) {
        member->since_s = crew_now_s();
    }
    member->orders[member->waiting++] = number;
    campaign->running++;
    crew_tell(member, json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "do", "run", "number",
                                (json_int_t)number, "campaign_seed", (json_int_t)seed,
                                "seed", (json_int_t)campaign_trial_seed(seed, number),
                                "end",
                                (json_int_t)number_of(campaign->golden, "instructions"),
                                "timeout_ns", (json_int_t)campaign->timeout_ns));
}

static void give_work(struct campaign *campaign, struct crew_member *member)
{
    while (member->ready && member->waiting < CREW_PIPELINE) {
        uint64_t number = take_next(campaign);
        if (number >= campaign->planned) {
            return;
        }
        order_run(campaign, member, number);
    }
}

/* -- workers -- */

/* It is on what it was told first; the others are given to another. */
static bool bury(struct campaign *campaign, struct crew_member *member,
                 const char *reason)
{
    char how[128];
    bool was_ready = member->ready;
    crew_bury(member, how, sizeof(how));
    reason = reason ? reason : how;
    if (!was_ready) {
        return fail(campaign, reason); /* it would again */
    }
    campaign->running -= member->waiting;
    for (unsigned i = 1; i < member->waiting; i++) {
        campaign->done[member->orders[i]] = 0;
        if (member->orders[i] < campaign->next) {
            campaign->next = member->orders[i];
        }
    }
    if (member->waiting) {
        struct result_row row;
        result_row_clear(&row);
        row.number = (int64_t)member->orders[0];
        row.outcome = "error";
        row.detail = reason;
        row.worker = member->index;
        if (!store(campaign, &row)) {
            return false;
        }
    }
    member->waiting = 0;
    return crew_start(&campaign->crew, campaign->error) ||
           fail(campaign, campaign->error->text);
}

/* At first one worker comes to the trial; the others, and those who come later, are to
 * come to the same. */
static bool hear_golden(struct campaign *campaign, struct crew_member *member,
                        json_t *golden)
{
    if (!campaign->golden) {
        const char *outcome = json_string_value(json_object_get(golden, "outcome"));
        if (strcmp(outcome, "ok") != 0 &&
            !json_is_true(json_object_get(golden, "by_script"))) {
            const char *detail = json_string_value(json_object_get(golden, "detail"));
            campaign->failed = true;
            return error_set(campaign->error, "the golden run: %s: %s", outcome,
                             detail);
        }
        campaign->golden = json_incref(golden);
        uint64_t took_ns = number_of(golden, "virtual_ns") -
                           number_of(campaign->ready, "begin_ns");
        uint64_t wanted_ns = number_of(campaign->ready, "timeout_ns");
        campaign->timeout_ns =
            wanted_ns ? wanted_ns : GOLDEN_FACTOR * took_ns + golden_grace_ns;
        if (!begin_results(campaign)) {
            return false;
        }
    } else if (!json_equal(json_object_get(campaign->golden, "hash"),
                           json_object_get(golden, "hash"))) {
        return fail(campaign, "two golden runs have come to different ends: the script "
                              "depends on something beside its settings and seed");
    }
    member->ready = true;
    return true;
}

static bool hear(struct campaign *campaign, struct crew_member *member,
                 const json_t *message)
{
    const char *why = json_string_value(json_object_get(message, "failed"));
    json_t *ready = json_object_get(message, "ready");
    json_t *golden = json_object_get(message, "golden");
    if (why) {
        return fail(campaign, why);
    }
    if (ready) {
        if (!campaign->ready) {
            campaign->ready = json_incref(ready);
        }
        return crew_tell(member, json_pack("{s:s}", "do", "golden")) ||
               bury(campaign, member, NULL);
    }
    if (golden) {
        return hear_golden(campaign, member, golden);
    }
    if (!member->waiting || number_of(message, "number") != member->orders[0]) {
        return bury(campaign, member, "the simulator has told something unexpected");
    }
    member->waiting--;
    campaign->running--;
    for (unsigned i = 0; i < member->waiting; i++) {
        member->orders[i] = member->orders[i + 1];
    }
    member->since_s = crew_now_s();
    return store_answer(campaign, member, message);
}

/* Of an experiment that takes too long the worker is ended. */
static bool end_the_late(struct campaign *campaign)
{
    char reason[80];
    unsigned limit_s = campaign->options->limit_s;
    for (unsigned i = 0; limit_s && i < campaign->crew.count; i++) {
        struct crew_member *member = &campaign->crew.members[i];
        if (member->pid && member->waiting &&
            crew_now_s() - member->since_s > limit_s) {
            snprintf(reason, sizeof(reason), "not over after %u s of host time",
                     limit_s);
            if (!bury(campaign, member, reason)) {
                return false;
            }
        }
    }
    return true;
}

static bool flush(struct campaign *campaign, bool now)
{
    if (campaign->golden && (now || crew_now_s() - campaign->flushed_s >= flush_interval_s)) {
        campaign->flushed_s = crew_now_s();
        if (!results_flush(campaign->results, campaign->error)) {
            campaign->failed = true;
        }
    }
    return !campaign->failed;
}

static void turn(struct campaign *campaign)
{
    struct crew_member *member = crew_wait(&campaign->crew, WAIT_MS);
    if (member) {
        json_t *message = message_receive(member->fd);
        bool good =
            message ? hear(campaign, member, message) : bury(campaign, member, NULL);
        json_decref(message);
        if (good && member->pid) {
            give_work(campaign, member);
        }
    }
    if (campaign->golden && !campaign->failed) {
        end_the_late(campaign);
        progress_show(&campaign->progress);
    }
    flush(campaign, false);
}

static bool is_over(struct campaign *campaign)
{
    return campaign->failed || interrupted ||
           (campaign->golden && campaign->running == 0 &&
            take_next(campaign) >= campaign->planned);
}

static void interrupt(int number)
{
    interrupted = number;
}

static bool begin(struct campaign *campaign)
{
    const struct campaign_options *options = campaign->options;
    struct sigaction action = {.sa_handler = interrupt};
    campaign->results =
        results_open(options->database, RESULTS_CREATE, campaign->error);
    campaign->crew.members = calloc(options->workers, sizeof(*campaign->crew.members));
    if (!campaign->results || !campaign->crew.members) {
        return false;
    }
    campaign->crew.count = options->workers;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return crew_start(&campaign->crew, campaign->error);
}

enum campaign_end campaign_run(const struct campaign_options *options,
                               const struct campaign_host *host, struct error *error)
{
    struct campaign campaign = {
        .options = options,
        .crew = {.options = options, .host = host},
        .planned = options->experiments,
        .error = error,
    };
    campaign.failed = !begin(&campaign);
    while (!is_over(&campaign)) {
        turn(&campaign);
    }
    crew_end(&campaign.crew);
    if (campaign.golden) {
        flush(&campaign, true);
        progress_end(&campaign.progress);
    }
    if (!campaign.failed && !interrupted) {
        char *now = now_text();
        campaign.failed = !results_set(campaign.results, "finished", now, error);
        free(now);
    }
    results_close(campaign.results);
    json_decref(campaign.ready);
    json_decref(campaign.golden);
    free(campaign.done);
    return campaign.failed ? CAMPAIGN_FAILED
           : interrupted   ? CAMPAIGN_STOPPED
                           : CAMPAIGN_DONE;
}
