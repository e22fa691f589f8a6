/* A campaign as CSV (RFC 4180, lines end in LF): a line for each experiment. */
#include "campaign/report.h"
#include "campaign/text.h"

#include <inttypes.h>

static void write_field(FILE *stream, const struct result_row *row, unsigned column)
{
    switch (result_columns[column].kind) {
    case RESULT_INTEGER:
        if (result_row_integer(row, column) != RESULTS_NONE) {
            fprintf(stream, "%" PRId64, result_row_integer(row, column));
        }
        break;
    case RESULT_REAL:
        if (!isnan(result_row_real(row, column))) {
            fprintf(stream, "%.6g", result_row_real(row, column));
        }
        break;
    case RESULT_TEXT:
        text_write_csv(stream, result_row_text(row, column));
        break;
    }
}

static bool write_row(void *opaque, const struct result_row *row)
{
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        fputs(i ? "," : "", opaque);
        write_field(opaque, row, i);
    }
    fputc('\n', opaque);
    return !ferror(opaque);
}

bool report_write_csv(struct results *results, FILE *stream, struct error *error)
{
    for (unsigned i = 0; i < RESULT_COLUMNS; i++) {
        fprintf(stream, "%s%s", i ? "," : "", result_columns[i].name);
    }
    fputc('\n', stream);
    return results_each(results, INT64_MIN, INT64_MAX, write_row, stream, error);
}
