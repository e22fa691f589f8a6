/* tests/cpu/duel_compare.h: do the two sides of a duel agree? */
#ifndef TESTS_CPU_DUEL_COMPARE_H
#define TESTS_CPU_DUEL_COMPARE_H

#include "duel.h"

/* Adds a line to the result's text. */
__attribute__((format(printf, 2, 3))) void duel_differ(struct duel_result *result,
                                                       const char *format, ...);

/* Both sides have been run; sets result->agree. */
void duel_compare(struct duel *duel, const struct duel_case *duel_case,
                  struct duel_result *result);

/* The same of all but the code area. False: memory is not to be compared, either. */
bool duel_compare_states(const struct duel_case *duel_case, struct duel_result *result);

#endif
