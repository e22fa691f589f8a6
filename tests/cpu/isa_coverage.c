#include "isa_coverage.h"

#include "cpu/core/instruction_table.h"
#include "cpu/decoder/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct isa_coverage {
    bool *executed; /* [instruction_row_count] */
};

struct isa_coverage *isa_coverage_open(void)
{
    struct isa_coverage *coverage = calloc(1, sizeof(*coverage));
    coverage->executed = calloc(instruction_row_count, sizeof(bool));
    return coverage;
}

void isa_coverage_close(struct isa_coverage *coverage)
{
    const char *path = getenv("FAUMACHINE_ISA_COVERAGE");
    FILE *file = path ? fopen(path, "a") : NULL;
    for (unsigned row = 0; file && row < instruction_row_count; row++) {
        if (coverage->executed[row]) {
            fprintf(file, "%u\n", row);
        }
    }
    if (file) {
        fclose(file);
    }
    free(coverage->executed);
    free(coverage);
}

static bool is_for_raising(const struct instruction_row *row)
{
    static const char *const mnemonics[] = {
        "INT", "INT3", "INTO", "ICEBP", "BOUND", "RDPMC" /* there are no counters */};
    for (unsigned i = 0; i < ARRAY_LENGTH(mnemonics); i++) {
        if (strcmp(row->mnemonic, mnemonics[i]) == 0) {
            return true;
        }
    }
    return strcmp(handler_names[row->handler], "ud") == 0;
}

void isa_coverage_add_row(struct isa_coverage *coverage, unsigned row, bool raised)
{
    if (!raised || is_for_raising(&instruction_rows[row])) {
        coverage->executed[row] = true;
    }
}

void isa_coverage_add(struct isa_coverage *coverage, const uint8_t *bytes,
                      unsigned length, uint32_t code_mode, bool raised)
{
    struct instruction instruction;
    memset(&instruction, 0, sizeof(instruction));
    if (decode_instruction(&instruction, bytes, length, 0, code_mode) == DECODE_OK) {
        isa_coverage_add_row(coverage, instruction.row, raised);
    }
}
