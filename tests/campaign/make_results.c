/* Makes the database of a campaign that never was: make_results FILE ROWS [hostile]
 *
 * The same rows each time. "hostile": what the guest and the script say is meant to be
 * taken for something else. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign/results.h"

enum {
    GOLDEN_FROM = 4466,
    GOLDEN_TO = 1204466,
    TEXT_BYTES = 256,
    WORKERS = 4,
};

static const char hostile_text[] =
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    "\"'&amp;]]>--><!-- \xff\xfe \x1b[2J \xe2\x80\xa8 =cmd|' /C "
    "calc'!A0,\"x\"\r\n$(id)`id`";

/* Texts of a row. */
struct texts {
    char location[TEXT_BYTES], fault[2 * TEXT_BYTES], values[TEXT_BYTES];
    char faults[TEXT_BYTES], hash[TEXT_BYTES], place[TEXT_BYTES];
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return *state >> 33;
}

static const char *choose_outcome(uint64_t random)
{
    static const struct {
        unsigned below;
        const char *outcome;
    } rows[] = {
        {20, "not-injected"}, {300, "not-activated"}, {780, "masked"},
        {860, "sdc"},         {930, "detected"},      {970, "crash"},
        {990, "hang"},        {997, "late-result"},   {1000, "error"},
    };
    unsigned i = 0;
    while (random % 1000 >= rows[i].below) {
        i++;
    }
    return rows[i].outcome;
}

static void set_place(struct result_row *row, struct texts *texts, uint64_t random)
{
    static const char *const registers[] = {"eax", "ecx", "esp"};
    row->bit = (int64_t)(random % 8);
    row->target = random % 10 < 7 ? "ram" : "register";
    if (random % 10 < 7) {
        snprintf(texts->location, TEXT_BYTES, "0x%" PRIx64,
                 0x100000 + random / 10 % 40 * (random / 400 % 3));
    } else {
        snprintf(texts->location, TEXT_BYTES, "%s", registers[random / 10 % 3]);
    }
    snprintf(texts->fault, sizeof(texts->fault),
             "target=%s,%s=%s,bit=%d,model=flip,when=instruction:%" PRId64, row->target,
             random % 10 < 7 ? "address" : "name", texts->location, (int)row->bit,
             row->at_instruction);
}

/* What only an experiment that was carried out has. */
static void set_course(struct result_row *row, struct texts *texts, uint64_t random)
{
    bool injected = strcmp(row->outcome, "not-injected") != 0;
    bool active = injected && strcmp(row->outcome, "not-activated") != 0;
    bool sdc = strcmp(row->outcome, "sdc") == 0;
    row->injected = injected;
    row->activation = active ? "yes" : injected ? "overwritten" : "no";
    row->injected_place = injected ? texts->place : NULL;
    row->detected = strcmp(row->outcome, "crash") == 0 ? "#PF" : NULL;
    row->activated_instruction =
        active ? row->at_instruction + 1 + (int64_t)(random % 5000) : RESULTS_NONE;
    row->hash = texts->hash;
    row->values = texts->values;
    row->faults = texts->faults;
    row->output = sdc ? "ready\nsum 6c1f\n" : NULL;
    row->worker = (int64_t)(random % WORKERS);
    row->instructions = GOLDEN_TO + (int64_t)(random % 1000);
    row->virtual_ns = row->instructions;
    row->host_ms = 1.5 + (double)(random % 100) / 64;
    snprintf(texts->place, TEXT_BYTES, "sort+0x%x", (unsigned)(random % 256));
    snprintf(texts->hash, TEXT_BYTES, "%016" PRIx64, random);
    snprintf(texts->values, TEXT_BYTES, "{\"sum\": \"%s\"}", sdc ? "6c1f" : "6c1e");
    snprintf(texts->faults, TEXT_BYTES, "[{\"id\": \"fault0\", \"state\": \"%s\"}]",
             injected ? "over" : "waiting");
}

static void make_hostile(struct result_row *row)
{
    row->target = row->location = row->detail = row->fault = hostile_text;
    row->injected_place = row->detected = row->output = hostile_text;
    row->values = row->faults = row->hash = row->activation = hostile_text;
    row->outcome = row->number % 2 ? hostile_text : "<b>\"x\"</b>";
}

static bool add_rows(struct results *results, int64_t count, bool hostile,
                     struct error *error)
{
    uint64_t state = 1;
    for (int64_t number = 0; number < count; number++) {
        struct result_row row;
        struct texts texts;
        const uint64_t random = next_random(&state);
        result_row_clear(&row);
        row.number = number;
        row.outcome = choose_outcome(random);
        row.at_instruction =
            GOLDEN_FROM + (int64_t)(next_random(&state) % (GOLDEN_TO - GOLDEN_FROM));
        row.location = texts.location;
        row.fault = texts.fault;
        set_place(&row, &texts, next_random(&state));
        bool shared = number > 8 && random % 3 == 0;
        bool known = strcmp(row.outcome, "not-activated") == 0 && random % 2;
        if (known || shared) {
            row.same_as = known ? number : number / 2;
            row.class_points = 8 + (int64_t)(random % 4096);
        } else {
            set_course(&row, &texts, random);
        }
        if (strcmp(row.outcome, "error") == 0) {
            row.detail = "sort.lua:12: \"sum\" expected, got nil";
        }
        if (hostile && number % 10 == 0) {
            make_hostile(&row);
        }
        if (!results_add(results, &row, error)) {
            return false;
        }
    }
    return results_flush(results, error);
}

static bool begin(struct results *results, const char *planned, bool hostile,
                  struct error *error)
{
    const struct results_key keys[] = {
        {"version", "0.1.0"},
        {"script", hostile ? hostile_text : "experiments/sort/experiment.lua"},
        {"script_hash", "00112233445566"},
        {"script_text",
         hostile ? hostile_text : "trial {\n    timeout = \"2 s\",\n}\n"},
        {"settings", hostile ? "[\"n=<i>\", 3]" : "[\"n=100\"]"},
        {"seed", "1"},
        {"planned", planned},
        {"engine", "jit"},
        {"space", "[{\"target\":\"ram\",\"address\":1048576,\"bytes\":80},"
                  "{\"target\":\"register\",\"name\":[\"eax\",\"ecx\",\"esp\"]}]"},
        {"points", "806400000"},
        {"pruned", "1"},
        {"golden_from", "4466"},
        {"golden_to", "1204466"},
        {"golden_ns", "1204466"},
        {"golden_hash", "6f1d2c3b4a596877"},
        {"golden_end", hostile ? hostile_text : "power-off"},
        {"golden_values", hostile ? hostile_text : "{\"sum\": \"6c1e\"}"},
        {"golden_output", hostile ? hostile_text : "ready\nsum 6c1e\n"},
        {"started", "2026-01-02T03:04:05Z"},
        {"finished", "2026-01-02T03:05:06Z"},
        {"workers", "4"},
        {"host", "laboratory"},
    };
    bool resumed;
    return results_begin(results, keys, ARRAY_LENGTH(keys), &resumed, error);
}

int main(int argc, char *argv[])
{
    struct error error;
    bool hostile = argc > 3 && strcmp(argv[3], "hostile") == 0;
    if (argc < 3) {
        fputs("usage: make_results FILE ROWS [hostile]\n", stderr);
        return 1;
    }
    struct results *results = results_open(argv[1], RESULTS_CREATE, &error);
    bool good = results && begin(results, argv[2], hostile, &error) &&
                add_rows(results, atoll(argv[2]), hostile, &error);
    results_close(results);
    if (!good) {
        fprintf(stderr, "%s\n", error.text);
    }
    return !good;
}
