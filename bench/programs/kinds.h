/* What the benchmark's program can do, by name. A round does the same work each time
 * and returns a checksum, the same on every machine, so that a wrong result shows. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct kind {
    const char *name;
    uint32_t (*round)(void);
    uint32_t operations; /* in a round */
    /* Instead of `round`, of kinds that need a place: a device, a file, an address. */
    uint32_t (*round_at)(const char *place);
};

/* Each list ends with a kind without a name. */
extern const struct kind integer_kinds[], calls_kinds[], x87_kinds[], sse2_kinds[],
    system_kinds[], userland_kinds[], disk_kinds[], network_kinds[], console_kinds[];

/* A checksum of results: FNV-1a of their bytes. */
static inline uint32_t checksum(const void *data, size_t bytes)
{
    uint32_t h = 2166136261U;
    for (size_t i = 0; i < bytes; i++) {
        h = (h ^ ((const uint8_t *)data)[i]) * 16777619U;
    }
    return h;
}
