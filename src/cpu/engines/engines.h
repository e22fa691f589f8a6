/* cpu/engines/engines.h: which engines this build has.
 *
 * Thread: any. Constant. */
#ifndef CPU_ENGINES_ENGINES_H
#define CPU_ENGINES_ENGINES_H

#include "cpu/core/engine.h"

/* The engine of that name, NULL if it is not built in. A `name` that is NULL or "auto"
 * leaves the choice to us. */
const struct cpu_engine *cpu_engine_find(const char *name);

#endif
