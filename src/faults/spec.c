/* The text form of faults: what goes with what, and what is said where it does not. */
#include "faults/spec.h"

#include "base/properties.h"
#include "faults/spec_when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const model_names[FAULT_MODELS] = {
    [FAULT_FLIP] = "flip",
    [FAULT_STUCK0] = "stuck0",
    [FAULT_STUCK1] = "stuck1",
    [FAULT_SET] = "set",
    [FAULT_TOGGLE] = "toggle",
    [FAULT_LOST] = "lost",
    [FAULT_SPURIOUS] = "spurious",
    [FAULT_DELAY] = "delay",
    [FAULT_ERROR] = "error",
    [FAULT_MISDIRECT] = "misdirect",
    [FAULT_TORN] = "torn",
    [FAULT_VANISH] = "vanish",
    [FAULT_DUPLICATE] = "duplicate",
    [FAULT_REORDER] = "reorder",
    [FAULT_RATE] = "rate",
    [FAULT_BURST] = "burst",
    [FAULT_CUT] = "cut",
    [FAULT_RESET] = "reset",
};

static const char *const duration_names[] = {
    [FAULT_TRANSIENT] = "transient",
    [FAULT_INTERMITTENT] = "intermittent",
    [FAULT_PERMANENT] = "permanent",
};

#define M(model) (1U << FAULT_##model)

enum {
    BITS = M(FLIP) | M(STUCK0) | M(STUCK1) | M(SET),
    /* They happen at an instant: there is nothing to stay. */
    INSTANTS = M(SPURIOUS) | M(CUT) | M(RESET),
};

struct target_row {
    const char *name;
    uint32_t models;
    uint32_t instants; /* models that are over once they have happened */
    unsigned widest;   /* bytes that bits are counted in; 0: no bits */
    bool counts_uses;  /* something happens to it, which can be counted */
    const char *keys;  /* beside those that all have */
};

static const struct target_row targets[FAULT_TARGETS] = {
    [FAULT_RAM] = {"ram", BITS | M(TOGGLE), M(FLIP) | M(SET), 8, false,
                   "address, width, bit, bits, mask and value"},
    [FAULT_REGISTER] = {"register", BITS, M(FLIP) | M(SET), FAULT_VALUE_BYTES, false,
                        "name, bit, bits, mask and value"},
    [FAULT_CODE] = {"code", M(FLIP) | M(SET), M(FLIP) | M(SET), 8, false,
                    "width, bit, bits, mask and value"},
    [FAULT_PORT] = {"port", BITS | M(TOGGLE) | M(LOST), 0, 4, true,
                    "address, on, width, bit, bits, mask and value"},
    [FAULT_MMIO] = {"mmio", BITS | M(TOGGLE) | M(LOST), 0, 4, true,
                    "address, on, width, bit, bits, mask and value"},
    [FAULT_IRQ] = {"irq", M(LOST) | M(SPURIOUS) | M(DELAY), M(SPURIOUS), 0, true,
                   "line and delay"},
    [FAULT_DISK] = {"disk",
                    M(ERROR) | M(FLIP) | M(SET) | M(MISDIRECT) | M(TORN) | M(LOST) |
                        M(DELAY) | M(VANISH),
                    0, 8, true,
                    "name, on, sector, sectors, offset, delay, distance, bit, bits, "
                    "mask and value"},
    [FAULT_NETWORK] = {"network",
                       M(LOST) | M(DUPLICATE) | M(FLIP) | M(REORDER) | M(DELAY) |
                           M(RATE) | M(BURST),
                       0, 8, true,
                       "name, on, delay, rate, enter, leave, good, bad, offset, bit, "
                       "bits and mask"},
    [FAULT_SERIAL] = {"serial", BITS | M(TOGGLE) | M(LOST), 0, 1, true,
                      "line, on, bit, bits, mask and value"},
    [FAULT_POWER] = {"power", M(CUT) | M(RESET), M(CUT) | M(RESET), 0, false,
                     "cache and restart"},
};

#define COMMON_KEYS                                                                    \
    "id, target, model, when, count, cr3, length, space, equals, serial, duration, "   \
    "for, "                                                                            \
    "uses, period, duty, probability and seed"

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

static bool take_probability(struct properties *properties, const char *key,
                             double *value, struct error *error)
{
    const char *text = properties_take(properties, key);
    char *end;
    if (!text) {
        return true;
    }
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= 0 && number <= 1)) {
        return error_set(error, "%s: %s=%s: give a probability from 0 to 1",
                         properties->option, key, text);
    }
    *value = number;
    return true;
}

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
        !take_probability(properties, "probability", &spec->probability, error)) {
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

/* -- bits -- */

static void set_bits(uint8_t *bytes, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        bytes[i / 8] |= (uint8_t)(1U << (i % 8));
    }
}

static void put_number(uint8_t *bytes, uint64_t number)
{
    for (unsigned i = 0; i < sizeof(number); i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

/* Which bits: bit= and bits=, or mask=, or so many of all by chance. */
static bool take_mask(struct properties *properties, struct fault_spec *spec,
                      struct error *error)
{
    unsigned all = 8 * spec->width;
    uint64_t bit = 0, bits = 1, mask = 0;
    uint64_t most = spec->width >= 8 ? UINT64_MAX : (1ULL << all) - 1;
    bool has_bit = properties_take(properties, "bit");
    bool has_mask = properties_take(properties, "mask");
    if (!properties_take_number(properties, "bit", 0, all - 1, &bit, error) ||
        !properties_take_number(properties, "bits", 1, all - bit, &bits, error) ||
        !properties_take_number(properties, "mask", 1, most, &mask, error)) {
        return false;
    }
    if (has_mask && (has_bit || properties_take(properties, "bits"))) {
        return error_set(error, "%s: give mask=, or bit= and bits=, not both",
                         properties->option);
    }
    if (has_mask) {
        put_number(spec->mask, mask);
    } else if (has_bit) {
        set_bits(spec->mask, (unsigned)bit, (unsigned)bits);
    } else if (spec->model == FAULT_SET) {
        set_bits(spec->mask, 0, all < 64 ? all : 64);
    } else {
        spec->random_bits = (unsigned)bits;
    }
    return true;
}

static bool take_bits(struct properties *properties, struct fault_spec *spec,
                      struct error *error)
{
    uint64_t value = 0;
    if (!take_mask(properties, spec, error)) {
        return false;
    }
    const char *text = properties_take(properties, "value");
    if ((spec->model == FAULT_SET) != (text != NULL)) {
        return error_set(error, "%s: value= goes with model=set, and has to",
                         properties->option);
    }
    if (!properties_take_number(properties, "value", 0, UINT64_MAX, &value, error)) {
        return false;
    }
    put_number(spec->value, value);
    return true;
}

static bool breaks_bits(const struct fault_spec *spec)
{
    return 1U << spec->model & (BITS | M(TOGGLE));
}

/* -- places -- */

static bool take_name(struct properties *properties, struct fault_spec *spec,
                      struct error *error)
{
    const char *name = properties_take(properties, "name");
    if (name && strlen(name) >= sizeof(spec->name)) {
        return error_set(error, "%s: name=%s: at most %d letters", properties->option,
                         name, FAULT_NAME_BYTES - 1);
    }
    snprintf(spec->name, sizeof(spec->name), "%s", name ? name : "");
    return true;
}

static bool take_use(struct properties *properties, struct fault_spec *spec,
                     struct error *error)
{
    static const struct {
        const char *name;
        unsigned uses;
    } rows[] = {
        {"read", FAULT_ON_READ},
        {"write", FAULT_ON_WRITE},
        {"both", FAULT_ON_READ | FAULT_ON_WRITE},
    };
    const char *name = properties_take(properties, "on");
    spec->uses_of = FAULT_ON_READ | FAULT_ON_WRITE;
    for (unsigned i = 0; name && i < ARRAY_LENGTH(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            spec->uses_of = rows[i].uses;
            return true;
        }
    }
    return !name || error_set(error,
                              "%s: on=%s: it can be read, write or both (of a network: "
                              "what the guest receives, or sends)",
                              properties->option, name);
}

static bool take_address(struct properties *properties, struct fault_spec *spec,
                         uint64_t most, struct error *error)
{
    uint64_t width = 1;
    if (!properties_take(properties, "address")) {
        return error_set(error, "%s: target=%s: say address=NUMBER", properties->option,
                         targets[spec->target].name);
    }
    if (!properties_take_number(properties, "address", 0, most, &spec->address,
                                error) ||
        !properties_take_number(properties, "width", 1, targets[spec->target].widest,
                                &width, error)) {
        return false;
    }
    spec->width = (unsigned)width;
    return (width & (width - 1)) == 0 ||
           error_set(error, "%s: width=%u: it can be 1, 2, 4 or 8 bytes",
                     properties->option, spec->width);
}

static bool take_disk(struct properties *properties, struct fault_spec *spec,
                      struct error *error)
{
    spec->sectors = UINT64_MAX;
    spec->distance = 1;
    if (properties_take(properties, "sector")) {
        spec->sectors = 1;
    }
    bool writes = spec->model == FAULT_TORN || spec->model == FAULT_LOST;
    if (!take_name(properties, spec, error) || !take_use(properties, spec, error) ||
        !properties_take_number(properties, "offset", 0, 511, &spec->address, error) ||
        !properties_take_number(properties, "sector", 0, UINT64_MAX, &spec->sector,
                                error) ||
        !properties_take_number(properties, "sectors", 1, UINT64_MAX, &spec->sectors,
                                error) ||
        !properties_take_number(properties, "distance", 1, UINT32_MAX, &spec->distance,
                                error)) {
        return false;
    }
    if (writes && !(spec->uses_of & FAULT_ON_WRITE)) {
        return error_set(error, "%s: target=disk,model=%s is of writes: leave out on=",
                         properties->option, model_names[spec->model]);
    }
    spec->uses_of = writes ? FAULT_ON_WRITE : spec->uses_of;
    return true;
}

static bool take_network(struct properties *properties, struct fault_spec *spec,
                         struct error *error)
{
    spec->enter = 0.01;
    spec->leave = 0.1;
    spec->bad_loss = 1;
    if (spec->model == FAULT_RATE && !properties_take(properties, "rate")) {
        return error_set(error,
                         "%s: target=network,model=rate: say rate=BYTES (per "
                         "second)",
                         properties->option);
    }
    return take_name(properties, spec, error) && take_use(properties, spec, error) &&
           properties_take_number(properties, "offset", 0, UINT16_MAX, &spec->address,
                                  error) &&
           properties_take_number(properties, "rate", 1, UINT32_MAX,
                                  &spec->bytes_per_second, error) &&
           take_probability(properties, "enter", &spec->enter, error) &&
           take_probability(properties, "leave", &spec->leave, error) &&
           take_probability(properties, "good", &spec->good_loss, error) &&
           take_probability(properties, "bad", &spec->bad_loss, error);
}

static bool take_line(struct properties *properties, struct fault_spec *spec,
                      uint64_t most, struct error *error)
{
    uint64_t line = 0;
    if (!properties_take_number(properties, "line", 0, most, &line, error)) {
        return false;
    }
    spec->line = (unsigned)line;
    return true;
}

static bool take_register(struct properties *properties, struct fault_spec *spec,
                          struct error *error)
{
    if (!take_name(properties, spec, error)) {
        return false;
    }
    spec->width = fault_register_bytes(spec->name);
    return spec->width ||
           error_set(
               error,
               "%s: target=register,name=%s: the registers are " FAULT_REGISTER_NAMES,
               properties->option, spec->name);
}

static bool take_delay(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    if (!fault_take_time(properties, "delay", &spec->delay_ns, error)) {
        return false;
    }
    return spec->model != FAULT_DELAY || spec->delay_ns ||
           error_set(error, "%s: model=delay: say delay=TIME", properties->option);
}

static bool take_width(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    uint64_t width = 8;
    if (!properties_take_number(properties, "width", 1, 8, &width, error)) {
        return false;
    }
    spec->width = (unsigned)width;
    return true;
}

static bool take_power(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    spec->cache_bytes = 8 << 20;
    return properties_take_size(properties, "cache", &spec->cache_bytes, error) &&
           properties_take_switch(properties, "restart", &spec->restart, error);
}

static bool take_place(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    switch (spec->target) {
    case FAULT_RAM:
        return take_address(properties, spec, UINT32_MAX, error);
    case FAULT_MMIO:
        return take_address(properties, spec, UINT32_MAX, error) &&
               take_use(properties, spec, error);
    case FAULT_PORT:
        return take_address(properties, spec, UINT16_MAX, error) &&
               take_use(properties, spec, error);
    case FAULT_REGISTER:
        return take_register(properties, spec, error);
    case FAULT_CODE:
        return take_width(properties, spec, error);
    case FAULT_IRQ:
        return take_line(properties, spec, 15, error) &&
               take_delay(properties, spec, error);
    case FAULT_DISK:
        spec->width = 8;
        return take_disk(properties, spec, error) &&
               take_delay(properties, spec, error);
    case FAULT_NETWORK:
        spec->width = 8;
        return take_network(properties, spec, error) &&
               take_delay(properties, spec, error);
    case FAULT_SERIAL:
        spec->width = 1;
        return take_line(properties, spec, 3, error) &&
               take_use(properties, spec, error);
    case FAULT_POWER:
        return take_power(properties, spec, error);
    case FAULT_TARGETS:
        break;
    }
    return false;
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
        !take_place(&properties, spec, error) ||
        (breaks_bits(spec) && !take_bits(&properties, spec, error)) ||
        !fault_take_when(&properties, &spec->when, error) ||
        !take_duration(&properties, spec, error)) {
        return false;
    }
    char known[512];
    snprintf(known, sizeof(known), "%s; " COMMON_KEYS, targets[spec->target].keys);
    return properties_finish(&properties, known, error);
}
