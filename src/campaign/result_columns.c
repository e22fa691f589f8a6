/* The columns of experiments: one table for databases and reports. */
#include "campaign/results_internal.h"

#define COLUMN(name, kind)                                                             \
    {                                                                                  \
#name, kind, offsetof(struct result_row, name)                                 \
    }

const struct result_column result_columns[RESULT_COLUMNS] = {
    COLUMN(number, RESULT_INTEGER),       COLUMN(outcome, RESULT_TEXT),
    COLUMN(target, RESULT_TEXT),          COLUMN(location, RESULT_TEXT),
    COLUMN(bit, RESULT_INTEGER),          COLUMN(at_instruction, RESULT_INTEGER),
    COLUMN(same_as, RESULT_INTEGER),      COLUMN(class_points, RESULT_INTEGER),
    COLUMN(injected, RESULT_INTEGER),     COLUMN(activation, RESULT_TEXT),
    COLUMN(injected_place, RESULT_TEXT),  COLUMN(activated_instruction, RESULT_INTEGER),
    COLUMN(detected, RESULT_TEXT),        COLUMN(detail, RESULT_TEXT),
    COLUMN(fault, RESULT_TEXT),           COLUMN(hash, RESULT_TEXT),
    COLUMN(values, RESULT_TEXT),          COLUMN(faults, RESULT_TEXT),
    COLUMN(output, RESULT_TEXT),          COLUMN(worker, RESULT_INTEGER),
    COLUMN(instructions, RESULT_INTEGER), COLUMN(virtual_ns, RESULT_INTEGER),
    COLUMN(host_ms, RESULT_REAL),
};

void *result_row_member(struct result_row *row, unsigned column)
{
    return (char *)row + result_columns[column].offset;
}

static const void *const_member_of(const struct result_row *row, unsigned column)
{
    return (const char *)row + result_columns[column].offset;
}

void result_row_clear(struct result_row *row)
{
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        void *member = result_row_member(row, i);
        switch (result_columns[i].kind) {
        case RESULT_INTEGER:
            *(int64_t *)member = RESULTS_NONE;
            break;
        case RESULT_REAL:
            *(double *)member = NAN;
            break;
        case RESULT_TEXT:
            *(const char **)member = NULL;
            break;
        }
    }
}

const char *result_row_text(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_TEXT
               ? *(const char *const *)const_member_of(row, column)
               : NULL;
}

int64_t result_row_integer(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_INTEGER
               ? *(const int64_t *)const_member_of(row, column)
               : RESULTS_NONE;
}

double result_row_real(const struct result_row *row, unsigned column)
{
    return result_columns[column].kind == RESULT_REAL
               ? *(const double *)const_member_of(row, column)
               : NAN;
}
