#include "bus/dma.h"

#include <stdlib.h>
#include <string.h>

void dma_note_read(struct memory_map *map, const char *master, gpa_t address,
                   void *bytes, uint64_t length)
{
    const struct dma_filter *filter = map->dma_filter;
    if (filter && length) {
        filter->passes(filter->opaque, master, false, address, bytes, length);
    }
}

const void *dma_begin_write(struct memory_map *map, const char *master, gpa_t address,
                            const void *bytes, uint64_t length)
{
    const struct dma_filter *filter = map->dma_filter;
    uint8_t *copy = filter && length ? malloc(length) : NULL;
    if (!copy) {
        return bytes;
    }
    memcpy(copy, bytes, length);
    filter->passes(filter->opaque, master, true, address, copy, length);
    return copy;
}

void dma_end_write(const void *bytes, const void *passed)
{
    if (passed != bytes) {
        free((void *)passed);
    }
}

void dma_read(struct memory_map *map, const char *master, gpa_t address, void *bytes,
              uint64_t length)
{
    memory_read(map, address, bytes, length);
    dma_note_read(map, master, address, bytes, length);
}

void dma_write(struct memory_map *map, const char *master, gpa_t address,
               const void *bytes, uint64_t length)
{
    const void *passed = dma_begin_write(map, master, address, bytes, length);
    memory_write(map, address, passed, length);
    dma_end_write(bytes, passed);
}
