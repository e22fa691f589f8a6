/* What the text form says of places, and of bits there. */
#include "clock/clock.h"
#include "faults/spec_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fault_take_probability(struct properties *properties, const char *key,
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
    bool line = spec->module.is_meant &&
                (spec->module.data_line >= 0 || spec->module.address_line >= 0);
    if (line) {
        return !(has_bit || has_mask || properties_take(properties, "bits")) ||
               error_set(error,
                         "%s: target=ram: a line has no bits: leave out bit=, "
                         "bits= and mask=",
                         properties->option);
    }
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

bool fault_take_bits(struct properties *properties, struct fault_spec *spec,
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
    const uint64_t widest = spec->target == FAULT_RAM ? 8 : 4;
    uint64_t width = 1;
    if (!properties_take(properties, "address")) {
        return error_set(error, "%s: target=%s: say address=NUMBER", properties->option,
                         fault_target_name(spec->target));
    }
    if (!properties_take_number(properties, "address", 0, most, &spec->address,
                                error) ||
        !properties_take_number(properties, "width", 1, widest, &width, error)) {
        return false;
    }
    spec->width = (unsigned)width;
    return (width & (width - 1)) == 0 ||
           error_set(error, "%s: width=%u: it can be 1, 2, 4 or 8 bytes",
                     properties->option, spec->width);
}

static bool take_ram(struct properties *properties, struct fault_spec *spec,
                     struct error *error)
{
    static const char *const keys[] = {"row", "column", "chip", "data-line",
                                       "address-line"};
    for (unsigned i = 0; i < ARRAY_LENGTH(keys); i++) {
        if (properties_take(properties, keys[i])) {
            return fault_take_module(properties, spec, error);
        }
    }
    return take_address(properties, spec, UINT32_MAX, error);
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
                         properties->option, fault_model_name(spec->model));
    }
    spec->uses_of = writes ? FAULT_ON_WRITE : spec->uses_of;
    return true;
}

static bool take_dma(struct properties *properties, struct fault_spec *spec,
                     struct error *error)
{
    spec->width = 8;
    spec->range_bytes = UINT64_MAX;
    if (properties_take(properties, "address")) {
        spec->range_bytes = 1;
    } else if (properties_take(properties, "bytes")) {
        return error_set(
            error, "%s: target=dma: bytes= goes with address=", properties->option);
    }
    return take_name(properties, spec, error) && take_use(properties, spec, error) &&
           properties_take_number(properties, "address", 0, UINT32_MAX,
                                  &spec->range_first, error) &&
           properties_take_size(properties, "bytes", &spec->range_bytes, error) &&
           properties_take_number(properties, "offset", 0, UINT32_MAX, &spec->address,
                                  error);
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
           fault_take_probability(properties, "enter", &spec->enter, error) &&
           fault_take_probability(properties, "leave", &spec->leave, error) &&
           fault_take_probability(properties, "good", &spec->good_loss, error) &&
           fault_take_probability(properties, "bad", &spec->bad_loss, error);
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

/* An ISA interrupt's number, or "nmi". */
static bool take_interrupt(struct properties *properties, struct fault_spec *spec,
                           struct error *error)
{
    const char *line = properties_take(properties, "line");
    if (!line || strcmp(line, "nmi") != 0) {
        return take_line(properties, spec, 15, error);
    }
    spec->line = FAULT_LINE_NMI;
    return spec->model == FAULT_SPURIOUS ||
           error_set(error, "%s: target=irq,line=nmi: the model is spurious",
                     properties->option);
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

/* A whole number, with its sign. */
static bool take_drift(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    const char *text = properties_take(properties, "ppm");
    char *end = NULL;
    spec->ppm = text ? strtol(text, &end, 10) : 0;
    bool good = !text || (end != text && !*end && spec->ppm >= -CLOCK_MOST_DRIFT_PPM &&
                          spec->ppm <= CLOCK_MOST_DRIFT_PPM);
    if (good && (spec->model == FAULT_DRIFT) == (spec->ppm != 0)) {
        return true;
    }
    return error_set(
        error,
        "%s: target=clock: model=drift, and no other, has ppm=N: -%d to %d "
        "millionths, not 0",
        properties->option, CLOCK_MOST_DRIFT_PPM, CLOCK_MOST_DRIFT_PPM);
}

static bool take_clock(struct properties *properties, struct fault_spec *spec,
                       struct error *error)
{
    if (!take_name(properties, spec, error) || !take_drift(properties, spec, error) ||
        !fault_take_time(properties, "by", &spec->jump_ns, error)) {
        return false;
    }
    return (spec->model == FAULT_JUMP) == (spec->jump_ns != 0) ||
           error_set(error,
                     "%s: target=clock: model=jump, and no other, has by=TIME: how far "
                     "ahead",
                     properties->option);
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

/* Bits are those of an entry of page tables. */
static bool check_translation(struct properties *properties, struct fault_spec *spec,
                              struct error *error)
{
    if (properties_take(properties, "width")) {
        return error_set(
            error, "%s: target=tlb is of a page: leave out width=", properties->option);
    }
    spec->width = 8;
    return true;
}

bool fault_take_place(struct properties *properties, struct fault_spec *spec,
                      struct error *error)
{
    switch (spec->target) {
    case FAULT_RAM:
        return take_ram(properties, spec, error);
    case FAULT_MMIO:
        return take_address(properties, spec, UINT32_MAX, error) &&
               take_use(properties, spec, error);
    case FAULT_TLB:
        return take_address(properties, spec, UINT32_MAX, error) &&
               check_translation(properties, spec, error);
    case FAULT_PORT:
        return take_address(properties, spec, UINT16_MAX, error) &&
               take_use(properties, spec, error);
    case FAULT_REGISTER:
        return take_register(properties, spec, error);
    case FAULT_CODE:
        return take_width(properties, spec, error);
    case FAULT_DMA:
        return take_dma(properties, spec, error);
    case FAULT_IRQ:
        return take_interrupt(properties, spec, error) &&
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
    case FAULT_CLOCK:
        return take_clock(properties, spec, error);
    case FAULT_POWER:
        return take_power(properties, spec, error);
    case FAULT_TARGETS:
        break;
    }
    return false;
}
