#include "cpu/engines/engines.h"

#include <string.h>

/* The first is what "auto" stands for. */
static const struct cpu_engine *const engines[] = {
    &interpreter_engine,
    &jit_engine,
};

const struct cpu_engine *cpu_engine_find(const char *name)
{
    if (!name || strcmp(name, "auto") == 0) {
        return engines[0];
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(engines); i++) {
        if (strcmp(name, engines[i]->name) == 0) {
            return engines[i];
        }
    }
    return NULL;
}
