/* tests/engine.h: the engine that runs the guests of a test.
 *
 * FAUMACHINE_ENGINE names it; without, it is the interpreter. tests/meson.build lists
 * those that tests are run with. */
#ifndef TESTS_ENGINE_H
#define TESTS_ENGINE_H

#include "cpu/engines/engines.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEST_SKIPPED = 77 }; /* exit status */

static inline const char *tested_engine_name(void)
{
    const char *name = getenv("FAUMACHINE_ENGINE");
    return name && *name ? name : interpreter_engine.name;
}

/* NULL if this build does not have it, said in a line: then the test ends with
 * TEST_SKIPPED. */
static inline const struct cpu_engine *tested_engine(void)
{
    const struct cpu_engine *engine = cpu_engine_find(tested_engine_name());
    if (!engine) {
        printf("engine %s: not built in: skipped\n", tested_engine_name());
    }
    return engine;
}

#endif
