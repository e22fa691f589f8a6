/* The text form of faults: what goes with what, and what is said where it does not. */
#include "faults/spec.h"

#include "base/properties.h"
#include "faults/spec_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const model_names[FAULT_MODELS] = {
    [FAULT_FLIP] = "flip",         [FAULT_STUCK0] = "stuck0",
    [FAULT_STUCK1] = "stuck1",     [FAULT_SET] = "set",
    [FAULT_TOGGLE] = "toggle",     [FAULT_LOST] = "lost",
    [FAULT_SPURIOUS] = "spurious", [FAULT_DELAY] = "delay",
    [FAULT_ERROR] = "error",       [FAULT_MISDIRECT] = "misdirect",
    [FAULT_TORN] = "torn",         [FAULT_VANISH] = "vanish",
    [FAULT_BREAK] = "break",       [FAULT_DUPLICATE] = "duplicate",
    [FAULT_REORDER] = "reorder",   [FAULT_RATE] = "rate",
    [FAULT_BURST] = "burst",       [FAULT_DRIFT] = "drift",
    [FAULT_JUMP] = "jump",         [FAULT_STOP] = "stop",
    [FAULT_CUT] = "cut",           [FAULT_RESET] = "reset",
};

static const char *const duration_names[] = {
    [FAULT_TRANSIENT] = "transient",
    [FAULT_INTERMITTENT] = "intermittent",
    [FAULT_PERMANENT] = "permanent",
};

#define M(model) (1U << FAULT_##model)

enum {
    BITS = M(FLIP) | M(STUCK0) | M(STUCK1) | M(SET),
};

struct target_row {
    const char *name;
    uint32_t models;
    uint32_t instants; /* models that are over once they have happened */
    bool counts_uses;  /* something happens to it, which can be counted */
    const char *keys;  /* beside those that all have */
};

static const struct target_row targets[FAULT_TARGETS] = {
    [FAULT_RAM] =
        {"ram", BITS | M(TOGGLE), M(FLIP) | M(SET), false,
         "address, width, row, column, chip, data-line, address-line, bit, bits, "
         "mask and value"},
    [FAULT_REGISTER] = {"register", BITS, M(FLIP) | M(SET), false,
                        "name, bit, bits, mask and value"},
    [FAULT_CODE] = {"code", M(FLIP) | M(SET), M(FLIP) | M(SET), false,
                    "width, bit, bits, mask and value"},
    [FAULT_TLB] = {"tlb", BITS, M(FLIP) | M(SET), false,
                   "address, bit, bits, mask and value"},
    [FAULT_PORT] = {"port", BITS | M(TOGGLE) | M(LOST), 0, true,
                    "address, on, width, bit, bits, mask and value"},
    [FAULT_MMIO] = {"mmio", BITS | M(TOGGLE) | M(LOST), 0, true,
                    "address, on, width, bit, bits, mask and value"},
    [FAULT_DMA] = {"dma", BITS | M(TOGGLE) | M(LOST), 0, true,
                   "name, on, address, bytes, offset, bit, bits, mask and value"},
    [FAULT_IRQ] = {"irq", M(LOST) | M(SPURIOUS) | M(DELAY), M(SPURIOUS), true,
                   "line and delay"},
    [FAULT_DISK] = {"disk",
                    M(ERROR) | M(FLIP) | M(SET) | M(MISDIRECT) | M(TORN) | M(LOST) |
                        M(DELAY) | M(VANISH),
                    0, true,
                    "name, on, sector, sectors, offset, delay, distance, bit, bits, "
                    "mask and value"},
    [FAULT_NETWORK] = {"network",
                       M(LOST) | M(DUPLICATE) | M(FLIP) | M(REORDER) | M(DELAY) |
                           M(RATE) | M(BURST),
                       0, true,
                       "name, on, delay, rate, enter, leave, good, bad, offset, bit, "
                       "bits and mask"},
    [FAULT_SERIAL] = {"serial", BITS | M(TOGGLE) | M(LOST) | M(BREAK), M(BREAK), true,
                      "line, on, bit, bits, mask and value"},
    [FAULT_CLOCK] = {"clock", M(DRIFT) | M(JUMP) | M(STOP), M(JUMP), false,
                     "name, ppm and by"},
    [FAULT_POWER] = {"power", M(CUT) | M(RESET), M(CUT) | M(RESET), false,
                     "cache and restart"},
};

#define COMMON_KEYS                                                                    \
    "id, target, model, when, count, cr3, process, length, space, equals, serial, "    \
    "duration, for, uses, period, duty, probability and seed"

const char *fault_target_name(enum fault_target_kind target)
{
    return targets[target].name;
}

const char *fault_model_name(enum fault_model model)
{
    return model_names[model];
}

const char *fault_duration_name(enum fault_duration duration)
{
    return duration_names[duration];
}

/* Appends ", NAME", or "NAME" if it is the first. */
static void list(char *text, size_t bytes, const char *name)
{
    size_t length = strlen(text);
    snprintf(text + length, bytes - length, "%s%s", length ? ", " : "", name);
}

static bool take_target(struct properties *properties, struct fault_spec *spec,
                        struct error *error)
{
    const char *name = properties_take(properties, "target");
    char known[256] = "";
    for (unsigned i = 0; i < FAULT_TARGETS; i++) {
        if (name && strcmp(targets[i].name, name) == 0) {
            spec->target = (enum fault_target_kind)i;
            return true;
        }
        list(known, sizeof(known), targets[i].name);
    }
    return error_set(error, "%s: target=%s: the targets are %s", properties->option,
                     name ? name : "", known);
}

static bool take_model(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    const struct target_row *target = &targets[spec->target];
    const char *name = properties_take(properties, "model");
    char known[256] = "";
    for (unsigned i = 0; i < FAULT_MODELS; i++) {
        if (!(target->models & 1U << i)) {
            continue;
        }
        if (name && strcmp(model_names[i], name) == 0) {
            spec->model = (enum fault_model)i;
            return true;
        }
        list(known, sizeof(known), model_names[i]);
    }
    return error_set(error, "%s: target=%s,model=%s: the models are %s",
                     properties->option, target->name, name ? name : "", known);
}

/* -- duration -- */

static bool take_duration_name(struct properties *properties, struct fault_spec *spec,
                               struct error *error)
{
    const char *name = properties_take(properties, "duration");
    for (unsigned i = 0; name && i < ARRAY_LENGTH(duration_names); i++) {
        if (strcmp(duration_names[i], name) == 0) {
            spec->duration = (enum fault_duration)i;
            return true;
        }
    }
    return !name || error_set(error,
                              "%s: duration=%s: the durations are transient, "
                              "intermittent and permanent",
                              properties->option, name);
}

static bool check_duration(const struct properties *properties,
                           const struct fault_spec *spec, struct error *error)
{
    const struct target_row *target = &targets[spec->target];
    const char *option = properties->option;
    bool instant = target->instants & 1U << spec->model;
    if (spec->duration == FAULT_PERMANENT && instant) {
        return error_set(error,
                         "%s: target=%s,model=%s happens at an instant and cannot be "
                         "permanent; use duration=transient or intermittent",
                         option, target->name, model_names[spec->model]);
    }
    if (spec->duration == FAULT_INTERMITTENT && !spec->period_ns) {
        return error_set(error, "%s: duration=intermittent: say period=TIME", option);
    }
    if (spec->target == FAULT_POWER && spec->duration != FAULT_TRANSIENT) {
        return error_set(error, "%s: target=power: duration can be transient only",
                         option);
    }
    if ((instant || spec->duration != FAULT_TRANSIENT) &&
        (spec->for_ns || spec->uses)) {
        return error_set(error,
                         "%s: for= and uses= are for what is transient and stays for a "
                         "while",
                         option);
    }
    if (spec->for_ns && spec->uses) {
        return error_set(error, "%s: give for=TIME or uses=NUMBER, not both", option);
    }
    if (spec->uses && !target->counts_uses) {
        return error_set(error, "%s: target=%s: uses are not counted; give for=TIME",
                         option, target->name);
    }
    bool lasts = spec->duration != FAULT_TRANSIENT || spec->for_ns || spec->uses;
    return instant || target->counts_uses || lasts ||
           error_set(error,
                     "%s: target=%s,model=%s: say for=TIME, or duration=permanent or "
                     "intermittent",
                     option, target->name, model_names[spec->model]);
}

static bool take_duration(struct properties *properties, struct fault_spec *spec,
                          struct error *error)
{
    uint64_t duty = 50;
    spec->probability = 1;
    spec->has_seed = properties_take(properties, "seed") != NULL;
    if (!take_duration_name(properties, spec, error) ||
        !fault_take_time(properties, "for", &spec->for_ns, error) ||
        !fault_take_time(properties, "period", &spec->period_ns, error) ||
        !properties_take_number(properties, "uses", 1, UINT64_MAX, &spec->uses,
                                error) ||
        !properties_take_number(properties, "duty", 1, 100, &duty, error) ||
        !properties_take_number(properties, "seed", 0, UINT64_MAX, &spec->seed,
                                error) ||
        !fault_take_probability(properties, "probability", &spec->probability, error)) {
        return false;
    }
    spec->duty = (unsigned)duty;
    bool ok = check_duration(properties, spec, error);
    if (targets[spec->target].counts_uses && spec->duration == FAULT_TRANSIENT &&
        !spec->for_ns && !spec->uses) {
        spec->uses = 1;
    }
    return ok;
}

bool fault_spec_parse(struct fault_spec *spec, const char *option, const char *text,
                      struct error *error)
{
    struct properties properties;
    *spec = (struct fault_spec){0};
    if (!properties_parse(&properties, option, text, error)) {
        return false;
    }
    if (*properties.name) {
        return error_set(error,
                         "%s %s: write KEY=VALUE,…, as in target=ram,"
                         "address=0x1234,bit=3,model=flip,when=instruction:1000",
                         option, properties.name);
    }
    const char *id = properties_take(&properties, "id");
    if (id && strlen(id) >= sizeof(spec->id)) {
        return error_set(error, "%s: id=%s: at most %d letters", option, id,
                         FAULT_NAME_BYTES - 1);
    }
    snprintf(spec->id, sizeof(spec->id), "%s", id ? id : "");
    if (!take_target(&properties, spec, error) ||
        !take_model(&properties, spec, error) ||
        !fault_take_place(&properties, spec, error) ||
        (spec->model <= FAULT_TOGGLE && !fault_take_bits(&properties, spec, error)) ||
        !fault_take_when(&properties, &spec->when, error) ||
        !take_duration(&properties, spec, error)) {
        return false;
    }
    char known[512];
    snprintf(known, sizeof(known), "%s; " COMMON_KEYS, targets[spec->target].keys);
    return properties_finish(&properties, known, error);
}
