#include "cpu/engines/engines.h"

#include <string.h>

/* "auto" stands for the first that the host can run. */
static const struct cpu_engine *const engines[] = {
    &auto_engine,
    &jit_engine,
    &interpreter_engine,
    &direct_engine,
};

static const struct cpu_engine *choose(void)
{
    unsigned i = 0;
    while (engines[i]->lacks && engines[i]->lacks()) {
        i++;
    }
    return engines[i];
}

const struct cpu_engine *cpu_engine_find(const char *name)
{
    if (!name || strcmp(name, "auto") == 0) {
        return choose();
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(engines); i++) {
        if (strcmp(name, engines[i]->name) == 0) {
            return engines[i];
        }
    }
    return NULL;
}
