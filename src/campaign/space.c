#include "campaign/space_internal.h"

#include "faults/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- what it consists of -- */

static bool is_same(const struct space_row *a, const struct space_row *b)
{
    if (a->target != b->target || strcmp(a->keys, b->keys) != 0) {
        return false;
    }
    if (a->target == FAULT_RAM) {
        return a->address < b->address + b->bytes && b->address < a->address + a->bytes;
    }
    for (unsigned i = 0; i < a->register_count; i++) {
        for (unsigned j = 0; j < b->register_count; j++) {
            if (a->registers[i].name == b->registers[j].name) {
                return true;
            }
        }
    }
    return false;
}

static bool add_row(struct fault_space *space, const json_t *json,
                    struct machine *machine, struct error *error)
{
    struct space_row *row = &space->rows[space->row_count];
    const unsigned number = space->row_count + 1;
    if (!space_row_read(row, number, json, machine, error)) {
        return false;
    }
    for (unsigned i = 0; i < space->row_count; i++) {
        if (is_same(row, &space->rows[i])) {
            return error_set(error,
                             "faults: row %u: row %u has some of these already; "
                             "points may not be counted twice",
                             number, i + 1);
        }
    }
    space->row_count++;
    space->bits += row->bits;
    return true;
}

struct fault_space *space_create(const json_t *rows, struct machine *machine,
                                 struct error *error)
{
    const size_t count = json_array_size(rows);
    if (count == 0 || count > SPACE_ROWS) {
        error_set(error,
                  "faults: give a list of 1 to %d rows, as in "
                  "{{target = \"ram\", address = 0x100000, bytes = 400}}",
                  SPACE_ROWS);
        return NULL;
    }
    struct fault_space *space = calloc(1, sizeof(*space));
    if (!space) {
        error_set(error, "out of memory for the fault space");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_row(space, json_array_get(rows, i), machine, error)) {
            space_destroy(space);
            return NULL;
        }
    }
    return space;
}

void space_destroy(struct fault_space *space)
{
    free(space);
}

double space_points(const struct fault_space *space, struct instruction_range range)
{
    return (double)(range.to - range.from) * (double)space->bits;
}

bool space_count(const struct fault_space *space, struct instruction_range range,
                 uint64_t *points)
{
    return !__builtin_mul_overflow(range.to - range.from, space->bits, points) &&
           *points <= INT64_MAX;
}

/* -- points -- */

/* Bit number `index` among those that are set. */
static unsigned bit_number(const uint8_t *mask, uint64_t index)
{
    unsigned bit = 0;
    for (;; bit++) {
        if (mask[bit / 8] >> (bit % 8) & 1 && index-- == 0) {
            return bit;
        }
    }
}

void space_row_find(const struct space_row *row, uint64_t index,
                    struct fault_point *point)
{
    if (row->target == FAULT_RAM) {
        point->unit = row->address + index / 8;
        point->bit = (unsigned)(index % 8);
        return;
    }
    point->unit = 0;
    while (index >= row->registers[point->unit].bits) {
        index -= row->registers[point->unit].bits;
        point->unit++;
    }
    point->bit = bit_number(row->registers[point->unit].mask, index);
}

/* Bit number `index` of the whole space. */
static struct fault_point find(const struct fault_space *space, uint64_t index,
                               uint64_t instruction)
{
    struct fault_point point = {.instruction = instruction};
    while (index >= space->rows[point.row].bits) {
        index -= space->rows[point.row].bits;
        point.row++;
    }
    space_row_find(&space->rows[point.row], index, &point);
    return point;
}

struct fault_point space_point_at(const struct fault_space *space,
                                  struct instruction_range range, uint64_t index)
{
    const uint64_t instructions = range.to - range.from;
    return find(space, index / instructions, range.from + index % instructions);
}

/* -- chance -- */

/* A sequence of its own for each number: SplitMix64 scatters both halves. */
static struct fault_random begin_draw(uint64_t seed, uint64_t number)
{
    struct fault_random random = {.state = seed};
    random.state = random_next(&random) ^ number;
    random.state = random_next(&random);
    return random;
}

/* 0 … limit - 1, all with the same chance: what lies in the part that does not go up
 * evenly is drawn again (Lemire, "Fast Random Integer Generation in an Interval",
 * 2019). */
static uint64_t draw_below(struct fault_random *random, uint64_t limit)
{
    const uint64_t uneven = -limit % limit;
    unsigned __int128 product;
    do {
        product = (unsigned __int128)random_next(random) * limit;
    } while ((uint64_t)product < uneven);
    return (uint64_t)(product >> 64);
}

static uint64_t draw_instruction(struct fault_random *random,
                                 struct instruction_range range)
{
    return range.from + draw_below(random, range.to - range.from);
}

uint64_t space_draw_instruction(struct instruction_range range, uint64_t seed,
                                uint64_t number)
{
    struct fault_random random = begin_draw(seed, number);
    return draw_instruction(&random, range);
}

struct fault_point space_draw(const struct fault_space *space,
                              struct instruction_range range, uint64_t seed,
                              uint64_t number)
{
    struct fault_random random = begin_draw(seed, number);
    uint64_t instruction = draw_instruction(&random, range);
    return find(space, draw_below(&random, space->bits), instruction);
}

/* -- texts -- */

static void locate(const struct space_row *row, const struct fault_point *point,
                   char text[SPACE_LOCATION_BYTES])
{
    if (row->target == FAULT_RAM) {
        snprintf(text, SPACE_LOCATION_BYTES, "0x%" PRIx64, point->unit);
    } else {
        snprintf(text, SPACE_LOCATION_BYTES, "%s", row->registers[point->unit].text);
    }
}

void space_row_describe(const struct space_row *row, const struct fault_point *point,
                        char text[SPACE_TEXT_BYTES])
{
    char location[SPACE_LOCATION_BYTES];
    locate(row, point, location);
    snprintf(
        text, SPACE_TEXT_BYTES, "target=%s,%s=%s,bit=%u,%s,when=instruction:%" PRIu64,
        fault_target_name(row->target), row->target == FAULT_RAM ? "address" : "name",
        location, point->bit, row->keys, point->instruction);
}

void space_describe(const struct fault_space *space, const struct fault_point *point,
                    char text[SPACE_TEXT_BYTES])
{
    space_row_describe(&space->rows[point->row], point, text);
}

void space_locate(const struct fault_space *space, const struct fault_point *point,
                  char text[SPACE_LOCATION_BYTES])
{
    locate(&space->rows[point->row], point, text);
}

const char *space_target(const struct fault_space *space,
                         const struct fault_point *point)
{
    return fault_target_name(space->rows[point->row].target);
}
