/* What the benchmark's program can do, by name. A round does the same work each time
 * and returns a checksum, the same on every machine, so that a wrong result shows. */
#pragma once
#include <stdint.h>

struct kind {
    const char *name;
    uint32_t (*round)(void);
    uint32_t operations; /* in a round */
};

/* Each list ends with a kind without a name. */
extern const struct kind compute_kinds[], system_kinds[];
