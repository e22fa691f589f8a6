/* cpu/interpreter/code_cache.h: decoded instructions, in blocks.
 *
 * A block is a straight run of instructions from one page, decoded once. It is found by
 * where its bytes are in host memory, its EIP and the mode it was decoded for. A jump
 * cache in front, indexed by linear address, spares the translation; its entries are
 * good for one generation of the MMU's, and forgotten before generations come again.
 *
 * Blocks know which 64-byte lines of RAM they came from. A write to such a line kills
 * the blocks on it at once: a dead block is no longer found, and if it is the one that
 * runs, it ends after the instruction that wrote. Memory is a bump arena; when that is
 * full everything is forgotten, between blocks.
 *
 * Thread: the CPU's own, except code_cache_ram_written(), which any thread may call
 * that holds the machine lock. Saved by: nobody. */
#ifndef CPU_INTERPRETER_CODE_CACHE_H
#define CPU_INTERPRETER_CODE_CACHE_H

#include "cpu/core/instruction.h"
#include "cpu/mmu/mmu.h"

#include <pthread.h>

enum {
    BLOCK_INSTRUCTIONS = 32,
    CODE_CACHE_BUCKET_BITS = 20,
    CODE_CACHE_BUCKETS = 1 << CODE_CACHE_BUCKET_BITS,
    JUMP_CACHE_BITS = 13,
    JUMP_CACHE_ENTRIES = 1 << JUMP_CACHE_BITS,
    PENDING_WRITES = 64,
    BLOCK_MODE_DEAD = 0x100, /* added to enum code_mode */
};

struct block {
    const uint8_t *host; /* of the first byte */
    uint32_t eip;
    uint32_t mode; /* enum code_mode, BLOCK_MODE_DEAD */
    uint32_t last; /* EIP of the last byte: must be within CS.limit */
    uint32_t count;
    uint64_t ram_page; /* number of the page; UINT64_MAX outside RAM */
    uint64_t lines;    /* of that page, one bit for 64 bytes */
    struct block *same_bucket, *same_page;
    const uint8_t *next_host; /* the next page, if its only instruction ends there */
    struct block *partner;    /* this only watches the second page of that block */
    struct translation *translation; /* by another engine, or NULL */
    bool transient;                  /* good for one use: nobody watches its bytes */
    uint32_t left_alone; /* bits of instructions that it shall leave to us */
    /* `count` instructions, and one that ends the block. */
    struct instruction instructions[];
};

struct translation;

struct jump_cache_entry {
    gla_t linear;
    uint32_t generation;
    struct block *block;
};

struct pending_write {
    uint64_t ram_offset, bytes;
};

struct code_cache {
    struct jump_cache_entry jumps[JUMP_CACHE_ENTRIES];
    uint32_t jumps_since; /* the MMU's generation when they were forgotten last */
    struct block *buckets[CODE_CACHE_BUCKETS];
    struct block **pages; /* first block of each page of RAM */
    uint8_t *arena;
    size_t arena_used;
    struct block *single; /* an instruction that is decoded for one use */
    struct block *part;   /* a copy of the first instructions of `part_source` */
    const struct block *part_source;
    uint64_t kills;  /* how often a write has killed blocks */
    pthread_t owner; /* the CPU's thread */
    /* An engine that translates blocks; may be NULL. A killed block has a translation.
     * `watch_changed`: who watches a page of memory has come or gone, between two
     * instructions. */
    struct {
        void (*killed)(void *opaque, struct block *block);
        void (*flushed)(void *opaque);
        void (*watch_changed)(void *opaque);
        void *opaque;
    } listener;
    /* An engine that executes guest code where it is; may be NULL. */
    struct {
        void (*written)(void *opaque, uint64_t ram_page);
        void *opaque;
    } page_listener;
    uint64_t *watched_pages; /* a bit for each page of RAM */
    struct pending_write pending[PENDING_WRITES];
    unsigned pending_count; /* may exceed PENDING_WRITES: then forget everything */
};

bool code_cache_create(struct cpu *cpu, struct error *error);
void code_cache_destroy(struct cpu *cpu);

/* Forgets all blocks. Only between blocks. */
void code_cache_flush(struct cpu *cpu);

/* The block that starts at CS:EIP. Raises #PF, #GP, #UD for an instruction that cannot
 * be fetched or decoded. The result holds at least one instruction. */
struct block *code_cache_find(struct cpu *cpu);

/* RAM has changed: kills what was decoded from there, or, from another thread than the
 * CPU's, asks for it (CPU_REQUEST_CODE). The listener of struct memory_map. */
void code_cache_ram_written(void *cpu, uint64_t ram_offset, uint64_t bytes);
/* Code in this page of RAM is going to be executed without being decoded: the next
 * write to it is told to `page_listener`, once. Machine lock held, as the bytes are
 * looked at after this. */
void code_cache_watch_page(struct cpu *cpu, uint64_t ram_page);
/* Does what other threads asked for. */
void code_cache_apply_pending(struct cpu *cpu);

/* A copy of the first `count` instructions of a block, to be run at once. It dies with
 * the block. */
struct block *code_cache_part(struct cpu *cpu, const struct block *block,
                              uint64_t count);

static inline struct jump_cache_entry *jump_cache_entry(const struct cpu *cpu,
                                                        gla_t linear)
{
    return &cpu->code_cache->jumps[(linear ^ linear >> JUMP_CACHE_BITS) &
                                   (JUMP_CACHE_ENTRIES - 1)];
}

/* The block at CS:EIP if the jump cache has it, else NULL. */
static inline struct block *jump_cache_find(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    gla_t linear = cs->base + cpu->eip;
    const struct jump_cache_entry *entry = jump_cache_entry(cpu, linear);
    struct block *block = entry->block;
    bool fits = entry->linear == linear && entry->generation == cpu->mmu->generation &&
                block && block->eip == cpu->eip && block->mode == cpu->code_mode &&
                block->last <= cs->limit;
    return fits ? block : NULL;
}

/* After the last instruction of a block, with the new EIP stored: the first instruction
 * of the next block, if nothing speaks against going there at once; else NULL. A block
 * that has a translation is to be run by it. */
static inline const struct instruction *
code_cache_chain(struct cpu *cpu, const struct instruction *instruction)
{
    if (atomic_load_explicit(&cpu->request, memory_order_relaxed)) {
        return NULL;
    }
    const struct block *block = jump_cache_find(cpu);
    uint64_t retired = cpu->retired + (uint64_t)(instruction - cpu->block_start) + 1;
    if (!block || block->translation || retired + block->count > cpu->chain_end) {
        return NULL;
    }
    cpu->retired = retired;
    cpu->block_start = block->instructions;
    cpu->current = block->instructions - 1; /* none yet, should the run end here */
    return block->instructions;
}

/* Ends a handler that has stored cpu->eip. */
#define INSTRUCTION_CHAIN(cpu, executed)                                               \
    do {                                                                               \
        const struct instruction *first = code_cache_chain((cpu), (executed));         \
        if (!first) {                                                                  \
            return NULL;                                                               \
        }                                                                              \
        INSTRUCTION_CONTINUE(cpu, first);                                              \
    } while (0)

#endif
