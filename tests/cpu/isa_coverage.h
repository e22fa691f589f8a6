/* tests/cpu/isa_coverage.h: which rows of the instruction table a test has executed.
 *
 * If the environment variable FAUMACHINE_ISA_COVERAGE names a file, the numbers of the
 * rows are appended to it, one a line, when the test ends; tools/coverage-isa makes a
 * report of them. */
#ifndef TESTS_CPU_ISA_COVERAGE_H
#define TESTS_CPU_ISA_COVERAGE_H

#include "base/types.h"

struct isa_coverage;

struct isa_coverage *isa_coverage_open(void);
void isa_coverage_close(struct isa_coverage *coverage);

/* An instruction that was executed, as bytes (in a mode of enum code_mode) or by row.
 * One that raised an exception counts only if that is what it is for (INT3, UD2…). */
void isa_coverage_add(struct isa_coverage *coverage, const uint8_t *bytes,
                      unsigned length, uint32_t code_mode, bool raised);
void isa_coverage_add_row(struct isa_coverage *coverage, unsigned row, bool raised);

#endif
