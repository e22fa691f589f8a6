#define _GNU_SOURCE
#include "cpu/interpreter/code_cache.h"

#include "base/pages.h"
#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/decoder/decoder.h"
#include "cpu/interpreter/handlers.h"
#include "cpu/interpreter/trace.h"
#include "cpu/mmu/access.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MAXIMUM_LENGTH = 15 };

#define ARENA_BYTES (256UL << 20)
#define BLOCK_BYTES_MAXIMUM                                                            \
    (sizeof(struct block) + (BLOCK_INSTRUCTIONS + 1) * sizeof(struct instruction))

static size_t page_table_bytes(const struct cpu *cpu)
{
    const struct ram *ram = cpu->wiring.memory->ram;
    return (ram ? ram->bytes >> PAGE_SHIFT : 1) * sizeof(struct block *);
}

static size_t watched_bytes(const struct cpu *cpu)
{
    const struct ram *ram = cpu->wiring.memory->ram;
    return ((ram ? ram->bytes >> PAGE_SHIFT : 0) / 64 + 1) * sizeof(uint64_t);
}

static bool is_watched(const struct code_cache *cache, uint64_t ram_page)
{
    return cache->watched_pages[ram_page / 64] >> (ram_page % 64) & 1;
}

bool code_cache_create(struct cpu *cpu, struct error *error)
{
    struct code_cache *cache = pages_allocate(sizeof(*cache));
    if (!cache) {
        return error_set(error, "out of memory for the cache of decoded instructions");
    }
    cpu->code_cache = cache;
    cache->owner = pthread_self();
    cache->arena = pages_allocate(ARENA_BYTES);
    cache->pages = pages_allocate(page_table_bytes(cpu));
    cache->watched_pages = pages_allocate(watched_bytes(cpu));
    cache->single = pages_allocate(BLOCK_BYTES_MAXIMUM);
    cache->part = pages_allocate(BLOCK_BYTES_MAXIMUM);
    if (!cache->arena || !cache->pages || !cache->watched_pages || !cache->single ||
        !cache->part) {
        code_cache_destroy(cpu);
        return error_set(error, "out of memory for the cache of decoded instructions");
    }
    return true;
}

void code_cache_destroy(struct cpu *cpu)
{
    struct code_cache *cache = cpu->code_cache;
    if (cache) {
        pages_free(cache->arena, ARENA_BYTES);
        pages_free(cache->pages, page_table_bytes(cpu));
        pages_free(cache->watched_pages, watched_bytes(cpu));
        pages_free(cache->single, BLOCK_BYTES_MAXIMUM);
        pages_free(cache->part, BLOCK_BYTES_MAXIMUM);
        pages_free(cache, sizeof(*cache));
    }
    cpu->code_cache = NULL;
}

static void clear_words(void *memory, size_t bytes)
{
    uint64_t *words = memory;
    for (size_t i = 0; i < bytes / sizeof(*words); i++) {
        words[i] = 0;
    }
}

static void forget_jumps(struct cpu *cpu)
{
    struct code_cache *cache = cpu->code_cache;
    clear_words(cache->jumps, sizeof(cache->jumps));
    cache->jumps_since = cpu->mmu->generation;
}

void code_cache_flush(struct cpu *cpu)
{
    struct code_cache *cache = cpu->code_cache;
    struct ram *ram = cpu->wiring.memory->ram;
    forget_jumps(cpu);
    clear_words(cache->buckets, sizeof(cache->buckets));
    for (uint64_t page = 0; ram && page < ram->bytes >> PAGE_SHIFT; page++) {
        if (cache->pages[page]) {
            cache->pages[page] = NULL;
            ram->code_lines[page] = is_watched(cache, page) ? UINT64_MAX : 0;
        }
    }
    cache->arena_used = 0;
    cache->pending_count = 0;
    if (cache->listener.flushed) {
        cache->listener.flushed(cache->listener.opaque);
    }
    cpu->statistics->code_cache_flushes++;
}

/* Ends a block, live (after its last instruction) or dead (before its next one). */
static const struct instruction *end_block(struct cpu *cpu,
                                           const struct instruction *instruction)
{
    cpu->eip = instruction->eip;
    cpu->current = instruction - 1;
    INSTRUCTION_CHAIN(cpu, instruction - 1);
}

static struct block **bucket_of(struct code_cache *cache, const uint8_t *host,
                                uint32_t eip)
{
    uint64_t hash = ((uintptr_t)host + eip) * 0x9e3779b97f4a7c15ULL;
    return &cache->buckets[hash >> (64 - CODE_CACHE_BUCKET_BITS)];
}

/* What has not been executed yet will not be. */
static void end_everywhere(struct block *block)
{
    for (uint32_t i = 1; i < block->count; i++) {
        block->instructions[i].execute = end_block;
    }
}

static void kill_block(struct code_cache *cache, struct block *block)
{
    if (block->partner) {
        kill_block(cache, block->partner);
        return;
    }
    if (block->mode & BLOCK_MODE_DEAD) {
        return;
    }
    struct block **place = bucket_of(cache, block->host, block->eip);
    while (*place && *place != block) {
        place = &(*place)->same_bucket;
    }
    if (*place) {
        *place = block->same_bucket;
    }
    block->mode |= BLOCK_MODE_DEAD;
    end_everywhere(block);
    if (block->translation) {
        cache->listener.killed(cache->listener.opaque, block);
    }
    if (cache->part_source == block) {
        end_everywhere(cache->part);
    }
}

static void kill_lines(struct cpu *cpu, uint64_t page, uint64_t lines)
{
    struct code_cache *cache = cpu->code_cache;
    uint64_t *code_lines = &cpu->wiring.memory->ram->code_lines[page];
    if (!(*code_lines & lines)) {
        return;
    }
    uint64_t still_code = 0;
    cache->kills++;
    if (is_watched(cache, page)) {
        cache->watched_pages[page / 64] &= ~(1ULL << (page % 64));
        cache->page_listener.written(cache->page_listener.opaque, page);
    }
    struct block **place = &cache->pages[page];
    while (*place) {
        struct block *block = *place;
        if (block->lines & lines) {
            *place = block->same_page;
            kill_block(cache, block);
            cpu->statistics->blocks_invalidated++;
        } else {
            still_code |= block->lines;
            place = &block->same_page;
        }
    }
    /* At once: whoever writes RAM by DMA may be looking. */
    *code_lines = still_code;
}

/* Bits of the lines from `first` to `last`, offsets in one page. */
static uint64_t line_mask(unsigned first, unsigned last)
{
    unsigned low = first >> RAM_CODE_LINE_SHIFT, high = last >> RAM_CODE_LINE_SHIFT;
    return (UINT64_MAX << low) & (UINT64_MAX >> (63 - high));
}

static void kill_range(struct cpu *cpu, uint64_t ram_offset, uint64_t bytes)
{
    while (bytes) {
        unsigned first = ram_offset & PAGE_OFFSET_MASK;
        uint64_t part = PAGE_BYTES - first < bytes ? PAGE_BYTES - first : bytes;
        kill_lines(cpu, ram_offset >> PAGE_SHIFT,
                   line_mask(first, first + (unsigned)part - 1));
        ram_offset += part;
        bytes -= part;
    }
}

static bool holds_code(const struct ram *ram, uint64_t ram_offset, uint64_t bytes)
{
    uint64_t last = (ram_offset + bytes - 1) >> PAGE_SHIFT;
    for (uint64_t page = ram_offset >> PAGE_SHIFT; page <= last; page++) {
        if (ram->code_lines[page]) {
            return true;
        }
    }
    return false;
}

void code_cache_ram_written(void *opaque, uint64_t ram_offset, uint64_t bytes)
{
    struct cpu *cpu = opaque;
    struct code_cache *cache = cpu->code_cache;
    if (bytes == 0) {
        return;
    }
    if (pthread_equal(cache->owner, pthread_self())) {
        kill_range(cpu, ram_offset, bytes);
    } else if (holds_code(cpu->wiring.memory->ram, ram_offset, bytes)) {
        if (cache->pending_count < PENDING_WRITES) {
            cache->pending[cache->pending_count] =
                (struct pending_write){ram_offset, bytes};
        }
        cache->pending_count++;
        cpu_request(cpu, CPU_REQUEST_CODE);
    }
}

void code_cache_apply_pending(struct cpu *cpu)
{
    struct code_cache *cache = cpu->code_cache;
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    if (cache->pending_count > PENDING_WRITES) {
        code_cache_flush(cpu);
    }
    for (unsigned i = 0; i < cache->pending_count; i++) {
        kill_range(cpu, cache->pending[i].ram_offset, cache->pending[i].bytes);
    }
    cache->pending_count = 0;
    lock_release(cpu->wiring.lock);
}

static _Noreturn void raise_decode_fault(struct cpu *cpu, enum decode_result result)
{
    if (result == DECODE_TOO_LONG) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    cpu_raise(cpu, EXCEPTION_UD);
}

static enum decode_result decode_one(struct cpu *cpu, struct instruction *instruction,
                                     const uint8_t *bytes, unsigned available,
                                     uint32_t eip)
{
    enum decode_result result =
        decode_instruction(instruction, bytes, available, eip, cpu->code_mode);
    if (result == DECODE_OK) {
        instruction->execute = handler_choose(cpu, instruction);
    }
    return result;
}

static void finish_block(struct block *block)
{
    const struct instruction *last = &block->instructions[block->count - 1];
    block->last = instruction_next_eip(last) - 1;
    block->instructions[block->count] = (struct instruction){
        .execute = end_block,
        .eip = instruction_next_eip(last),
    };
}

/* A block of one instruction, for one use, from wherever its bytes are. */
static struct block *decode_single(struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    struct block *block = cpu->code_cache->single;
    uint8_t bytes[MAXIMUM_LENGTH];
    gla_t linear = cs->base + cpu->eip;
    unsigned in_page = PAGE_BYTES - (linear & PAGE_OFFSET_MASK);
    unsigned available = 0;
    enum decode_result result = DECODE_TRUNCATED;
    while (result == DECODE_TRUNCATED && available < MAXIMUM_LENGTH) {
        if (cpu->eip > cs->limit || available > cs->limit - cpu->eip) {
            cpu_raise_error(cpu, EXCEPTION_GP, 0);
        }
        bytes[available] = mmu_fetch_byte(cpu, linear + available);
        available++;
        /* Decode when the page or the limit ends: what lies behind may fault. */
        if (available >= in_page || available == MAXIMUM_LENGTH ||
            available > cs->limit - cpu->eip) {
            result =
                decode_one(cpu, &block->instructions[0], bytes, available, cpu->eip);
        }
    }
    if (cpu_traces(cpu, TRACE_IN_ASM)) {
        trace_decoded_bytes(cpu, bytes, available);
    }
    if (result != DECODE_OK) {
        raise_decode_fault(cpu, result);
    }
    block->mode = cpu->code_mode;
    block->count = 1;
    block->transient = true;
    finish_block(block);
    return block;
}

/* Instructions that may change how the next one is decoded or whether it runs leave the
 * block by themselves; what ends it here is a jump, the page's end or its length. */
static bool decode_block(struct cpu *cpu, struct block *block)
{
    const uint8_t *bytes = block->host;
    unsigned left =
        PAGE_BYTES - ((cpu->segments[SEGMENT_CS].base + block->eip) & PAGE_OFFSET_MASK);
    uint32_t eip = block->eip;
    block->count = 0;
    while (block->count < BLOCK_INSTRUCTIONS && left) {
        struct instruction *instruction = &block->instructions[block->count];
        unsigned available = left < MAXIMUM_LENGTH ? left : MAXIMUM_LENGTH;
        if (decode_one(cpu, instruction, bytes, available, eip) != DECODE_OK) {
            break;
        }
        block->count++;
        bytes += instruction->length;
        left -= instruction->length;
        eip += instruction->length;
        if (handler_ends_block(instruction)) {
            break;
        }
    }
    if (block->count == 0) {
        return false;
    }
    finish_block(block);
    return true;
}

void code_cache_watch_page(struct cpu *cpu, uint64_t ram_page)
{
    struct code_cache *cache = cpu->code_cache;
    uint64_t *code_lines = &cpu->wiring.memory->ram->code_lines[ram_page];
    if (!*code_lines) {
        mmu_protect_ram_page(cpu, ram_page << PAGE_SHIFT);
    }
    *code_lines = UINT64_MAX;
    cache->watched_pages[ram_page / 64] |= 1ULL << (ram_page % 64);
}

/* The bytes at `ram_offset` are the block's: a write there will kill it. */
static void watch(struct cpu *cpu, struct block *block, uint64_t ram_offset,
                  unsigned bytes)
{
    struct code_cache *cache = cpu->code_cache;
    struct ram *ram = cpu->wiring.memory->ram;
    block->ram_page = UINT64_MAX;
    if (ram_offset == UINT64_MAX) {
        return;
    }
    unsigned first = ram_offset & PAGE_OFFSET_MASK;
    block->ram_page = ram_offset >> PAGE_SHIFT;
    block->lines = line_mask(first, first + bytes - 1);
    block->same_page = cache->pages[block->ram_page];
    cache->pages[block->ram_page] = block;
    if (!ram->code_lines[block->ram_page]) {
        mmu_protect_ram_page(cpu, ram_offset);
    }
    ram->code_lines[block->ram_page] |= block->lines;
}

/* A block at the end of what there is, not complete yet. */
static struct block *begin_block(struct cpu *cpu, const uint8_t *host)
{
    struct code_cache *cache = cpu->code_cache;
    if (cache->arena_used + 2 * BLOCK_BYTES_MAXIMUM > ARENA_BYTES) {
        code_cache_flush(cpu);
    }
    struct block *block = (struct block *)(cache->arena + cache->arena_used);
    *block = (struct block){.host = host, .eip = cpu->eip, .mode = cpu->code_mode};
    return block;
}

static void keep_block(struct cpu *cpu, struct block *block)
{
    struct code_cache *cache = cpu->code_cache;
    size_t bytes = sizeof(*block) + (block->count + 1) * sizeof(block->instructions[0]);
    cache->arena_used += (bytes + 15) & ~(size_t)15;
    struct block **bucket = bucket_of(cache, block->host, block->eip);
    block->same_bucket = *bucket;
    *bucket = block;
    cpu->statistics->blocks_decoded++;
}

/* Decodes a new block; NULL if its first instruction is not within the page. */
static struct block *make_block_locked(struct cpu *cpu, const uint8_t *host,
                                       uint64_t ram_offset)
{
    struct block *block = begin_block(cpu, host);
    uint64_t began = __builtin_ia32_rdtsc();
    bool decoded = decode_block(cpu, block);
    cpu->statistics->decoding_cycles += __builtin_ia32_rdtsc() - began;
    if (!decoded) {
        return NULL;
    }
    keep_block(cpu, block);
    watch(cpu, block, ram_offset, block->last - block->eip + 1);
    return block;
}

/* DMA holds the lock, too: it writes either before the bytes are read here, or when it
 * can see that they have been decoded. Nothing in between raises an exception. */
static struct block *make_block(struct cpu *cpu, const uint8_t *host,
                                uint64_t ram_offset)
{
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    struct block *block = make_block_locked(cpu, host, ram_offset);
    lock_release(cpu->wiring.lock);
    return block;
}

/* Whether the page behind is still the one that the block goes on in. */
static bool crosses_as_before(struct cpu *cpu, const struct block *block, gla_t linear)
{
    uint64_t ram_offset;
    return !block->next_host || mmu_fetch(cpu, (linear | PAGE_OFFSET_MASK) + 1,
                                          &ram_offset) == block->next_host;
}

/* What watches the second page of a block: no block that could be found or run. */
static void watch_second_page(struct cpu *cpu, struct block *block, uint64_t ram_offset,
                              unsigned bytes)
{
    struct code_cache *cache = cpu->code_cache;
    struct block *tail = (struct block *)(cache->arena + cache->arena_used);
    cache->arena_used += (sizeof(*tail) + 15) & ~(size_t)15;
    *tail = (struct block){.partner = block};
    watch(cpu, tail, ram_offset, bytes);
}

static struct block *make_crossing_locked(struct cpu *cpu, const uint8_t *host,
                                          unsigned in_page, const uint8_t *next,
                                          uint64_t ram_offset, uint64_t next_offset)
{
    uint8_t bytes[MAXIMUM_LENGTH];
    struct block *block = begin_block(cpu, host);
    for (unsigned i = 0; i < MAXIMUM_LENGTH; i++) {
        bytes[i] = i < in_page ? host[i] : next[i - in_page];
    }
    if (decode_one(cpu, &block->instructions[0], bytes, in_page, cpu->eip) !=
            DECODE_TRUNCATED ||
        decode_one(cpu, &block->instructions[0], bytes, MAXIMUM_LENGTH, cpu->eip) !=
            DECODE_OK) {
        return NULL;
    }
    block->count = 1;
    block->next_host = next;
    finish_block(block);
    keep_block(cpu, block);
    watch(cpu, block, ram_offset, in_page);
    watch_second_page(cpu, block, next_offset, block->instructions[0].length - in_page);
    return block;
}

/* A block of one instruction that goes on in the next page; NULL if there is none, or
 * if it needs decode_single(). */
static struct block *make_crossing(struct cpu *cpu, const uint8_t *host, gla_t linear,
                                   uint64_t ram_offset)
{
    struct instruction instruction;
    unsigned in_page = PAGE_BYTES - (linear & PAGE_OFFSET_MASK);
    if (in_page >= MAXIMUM_LENGTH ||
        cpu->segments[SEGMENT_CS].limit - cpu->eip < MAXIMUM_LENGTH ||
        decode_one(cpu, &instruction, host, in_page, cpu->eip) != DECODE_TRUNCATED) {
        return NULL;
    }
    uint64_t next_offset;
    const uint8_t *next = mmu_fetch(cpu, linear + in_page, &next_offset);
    if (!next) {
        return NULL;
    }
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    struct block *block =
        make_crossing_locked(cpu, host, in_page, next, ram_offset, next_offset);
    lock_release(cpu->wiring.lock);
    return block;
}

/* NULL if it needs decode_single(). */
static struct block *decode(struct cpu *cpu, const uint8_t *host, gla_t linear,
                            uint64_t ram_offset)
{
    struct block *block = make_block(cpu, host, ram_offset);
    if (!block) {
        block = make_crossing(cpu, host, linear, ram_offset);
    }
    if (block && cpu_traces(cpu, TRACE_IN_ASM)) {
        trace_decoded(cpu, block);
    }
    return block;
}

static struct block *find_slow(struct cpu *cpu, gla_t linear)
{
    struct code_cache *cache = cpu->code_cache;
    uint64_t ram_offset;
    const uint8_t *host = mmu_fetch(cpu, linear, &ram_offset);
    if (!host) {
        return decode_single(cpu);
    }
    uint32_t mode = cpu->code_mode;
    struct block *block = *bucket_of(cache, host, cpu->eip);
    while (block && (block->host != host || block->eip != cpu->eip ||
                     block->mode != mode || !crosses_as_before(cpu, block, linear))) {
        block = block->same_bucket;
    }
    if (!block) {
        block = decode(cpu, host, linear, ram_offset);
    }
    return block ? block : decode_single(cpu);
}

struct block *code_cache_find(struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    struct block *block = jump_cache_find(cpu);
    if (block) {
        return block;
    }
    /* Every flush leads to a miss: this comes long before generations start again. */
    if (cpu->mmu->generation - cpu->code_cache->jumps_since > UINT32_MAX / 2) {
        forget_jumps(cpu);
    }
    if (cpu->eip > cs->limit) {
        cpu_raise_error(cpu, EXCEPTION_GP, 0);
    }
    gla_t linear = cs->base + cpu->eip;
    block = find_slow(cpu, linear);
    if (block->last > cs->limit || block->last < block->eip) {
        return decode_single(cpu);
    }
    /* What is not in the cache is not led to but by the run loop. */
    if (!block->transient && !cpu_traces(cpu, TRACE_EXEC)) {
        *jump_cache_entry(cpu, linear) =
            (struct jump_cache_entry){linear, cpu->mmu->generation, block};
    }
    return block;
}

struct block *code_cache_part(struct cpu *cpu, const struct block *block,
                              uint64_t count)
{
    struct block *part = cpu->code_cache->part;
    if (count > block->count) {
        count = block->count;
    }
    part->count = (uint32_t)count;
    for (uint32_t i = 0; i < part->count; i++) {
        part->instructions[i] = block->instructions[i];
    }
    part->instructions[count] = (struct instruction){
        .execute = end_block,
        .eip = block->instructions[count].eip,
    };
    cpu->code_cache->part_source = block;
    return part;
}
