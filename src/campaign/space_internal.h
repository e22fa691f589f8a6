/* campaign/space_internal.h: from what a script says to rows. */
#ifndef CAMPAIGN_SPACE_INTERNAL_H
#define CAMPAIGN_SPACE_INTERNAL_H

#include "campaign/space.h"

/* Bit number `index` of the row: its unit and bit. */
void space_row_find(const struct space_row *row, uint64_t index,
                    struct fault_point *point);
void space_row_describe(const struct space_row *row, const struct fault_point *point,
                        char text[SPACE_TEXT_BYTES]);

/* Row `number`, from 1. */
bool space_row_read(struct space_row *row, unsigned number, const json_t *json,
                    struct machine *machine, struct error *error);

#endif
