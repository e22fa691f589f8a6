/* bus/dma.h: memory as devices reach it by themselves.
 *
 * Each access says who makes it, by the name of the device. Somebody may stand in
 * between, who sees what passes, and changes it.
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef BUS_DMA_H
#define BUS_DMA_H

#include "bus/memory.h"

struct dma_filter {
    /* What `master` has read, or is about to write. */
    void (*passes)(void *opaque, const char *master, bool write, gpa_t address,
                   uint8_t *bytes, uint64_t length);
    void *opaque;
};

/* Otherwise as memory_read() and memory_write(). */
void dma_read(struct memory_map *map, const char *master, gpa_t address, void *bytes,
              uint64_t length);
void dma_write(struct memory_map *map, const char *master, gpa_t address,
               const void *bytes, uint64_t length);

static inline uint32_t dma_read32(struct memory_map *map, const char *master,
                                  gpa_t address)
{
    uint32_t value;
    dma_read(map, master, address, &value, sizeof(value));
    return value;
}

/* For who has another way to memory: the bytes as they are to be written; `bytes`
 * itself, or a copy that dma_end_write() frees. */
const void *dma_begin_write(struct memory_map *map, const char *master, gpa_t address,
                            const void *bytes, uint64_t length);
void dma_end_write(const void *bytes, const void *passed);
/* …and of those that have been read. */
void dma_note_read(struct memory_map *map, const char *master, gpa_t address,
                   void *bytes, uint64_t length);

#endif
