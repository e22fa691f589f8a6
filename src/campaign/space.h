/* campaign/space.h: the fault space of a campaign: every (instruction, place, bit) that
 * a fault may hit.
 *
 * A script describes it by rows, each of them places of one kind: bytes of RAM, or
 * registers, with all the bits that these have. An experiment injects one fault at one
 * point: before instruction number t of the golden run, in bit b of a byte or register.
 * Points are drawn uniformly, so that rates of the sample are estimates of rates of the
 * space.
 *
 * Thread: any; a space does not change once it is made. */
#ifndef CAMPAIGN_SPACE_H
#define CAMPAIGN_SPACE_H

#include "base/error.h"
#include "base/types.h"
#include "faults/spec.h"

#include <jansson.h>

enum {
    SPACE_ROWS = 64,
    SPACE_ROW_REGISTERS = 64,
    SPACE_KEYS_BYTES = 256,
    SPACE_LOCATION_BYTES = 32,
    SPACE_TEXT_BYTES = 512, /* of a fault */
};

struct machine;

struct space_register {
    const struct register_name *name; /* faults/register_file.h */
    char text[FAULT_NAME_BYTES];
    unsigned bits;                   /* how many it has… */
    uint8_t mask[FAULT_VALUE_BYTES]; /* …and which */
};

struct space_row {
    enum fault_target_kind target; /* FAULT_RAM or FAULT_REGISTER */
    gpa_t address;                 /* of RAM */
    uint64_t bytes;
    unsigned register_count;
    struct space_register registers[SPACE_ROW_REGISTERS];
    char keys[SPACE_KEYS_BYTES]; /* what each of its faults says: "model=flip,…" */
    uint64_t bits;               /* of all places together */
    /* Bits are inverted once and then left alone: what def/use pruning is about. */
    bool is_flip;
};

struct fault_space {
    struct space_row rows[SPACE_ROWS];
    unsigned row_count;
    uint64_t bits; /* of all rows */
};

/* The instructions of the golden run before which faults come: from ≤ t < to. */
struct instruction_range {
    uint64_t from, to;
};

struct fault_point {
    unsigned row;
    uint64_t unit; /* physical address of a byte, or which register of the row */
    unsigned bit;
    uint64_t instruction;
};

/* From an array of rows, as scripts have them:
 *     {"target": "ram", "address": 1048576, "bytes": 400}
 *     {"target": "register", "name": ["eax", "ecx"], "model": "stuck1", "for": "5 us"}
 * What else a row says goes to its faults as it is. NULL with one line that names the
 * row. With `machine`, RAM has to be there. */
struct fault_space *space_create(const json_t *rows, struct machine *machine,
                                 struct error *error);
/* NULL is fine. */
void space_destroy(struct fault_space *space);

/* How many points there are; of very large spaces to 15 digits. */
double space_points(const struct fault_space *space, struct instruction_range range);
/* Exactly; false if that is more than 2^63 - 1. */
bool space_count(const struct fault_space *space, struct instruction_range range,
                 uint64_t *points);

/* Draws point `number` of the sample that `seed` stands for: the same one whoever asks,
 * and in whatever order. Neither the range nor the space is empty. */
struct fault_point space_draw(const struct fault_space *space,
                              struct instruction_range range, uint64_t seed,
                              uint64_t number);
/* The point's instruction alone, for faults that are no rows. */
uint64_t space_draw_instruction(struct instruction_range range, uint64_t seed,
                                uint64_t number);
/* One after the other, index < space_count(): bit by bit, and for each all
 * instructions. */
struct fault_point space_point_at(const struct fault_space *space,
                                  struct instruction_range range, uint64_t index);

/* The fault, as faults/spec.h has it. */
void space_describe(const struct fault_space *space, const struct fault_point *point,
                    char text[SPACE_TEXT_BYTES]);
/* "0x100123", "eax"; and "ram", "register". */
void space_locate(const struct fault_space *space, const struct fault_point *point,
                  char text[SPACE_LOCATION_BYTES]);
const char *space_target(const struct fault_space *space,
                         const struct fault_point *point);

#endif
