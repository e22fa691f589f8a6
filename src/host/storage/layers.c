#include "host/storage/layers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_AT_FIRST = 64 };

struct slot {
    uint64_t sector;
    uint8_t *bytes; /* NULL: the slot is free */
};

/* A hash table by sector, at most half full. */
struct block_layer {
    unsigned uses;
    struct block_layer *below;
    struct slot *slots;
    size_t slot_count, used;
};

struct block_layer *layer_create(struct block_layer *below)
{
    struct block_layer *layer = calloc(1, sizeof(*layer));
    assert(layer);
    layer->uses = 1;
    layer->below = below;
    if (below) {
        below->uses++;
    }
    return layer;
}

void block_layer_release(struct block_layer *layer)
{
    while (layer && --layer->uses == 0) {
        struct block_layer *below = layer->below;
        for (size_t i = 0; i < layer->slot_count; i++) {
            free(layer->slots[i].bytes);
        }
        free(layer->slots);
        free(layer);
        layer = below;
    }
}

/* Where the sector is, or where it would go. */
static struct slot *find_slot(const struct block_layer *layer, uint64_t sector)
{
    size_t mask = layer->slot_count - 1;
    size_t index = (size_t)(sector * 0x9e3779b97f4a7c15ULL >> 32) & mask;
    while (layer->slots[index].bytes && layer->slots[index].sector != sector) {
        index = (index + 1) & mask;
    }
    return &layer->slots[index];
}

const uint8_t *layer_find(const struct block_layer *layer, uint64_t sector)
{
    for (; layer; layer = layer->below) {
        const struct slot *slot = layer->used ? find_slot(layer, sector) : NULL;
        if (slot && slot->bytes) {
            return slot->bytes;
        }
    }
    return NULL;
}

static void grow(struct block_layer *layer)
{
    struct block_layer before = *layer;
    layer->slot_count = before.slot_count ? 2 * before.slot_count : SLOTS_AT_FIRST;
    layer->slots = calloc(layer->slot_count, sizeof(*layer->slots));
    assert(layer->slots);
    for (size_t i = 0; i < before.slot_count; i++) {
        if (before.slots[i].bytes) {
            *find_slot(layer, before.slots[i].sector) = before.slots[i];
        }
    }
    free(before.slots);
}

void layer_put(struct block_layer *layer, uint64_t sector, const uint8_t *bytes)
{
    if (2 * (layer->used + 1) > layer->slot_count) {
        grow(layer);
    }
    struct slot *slot = find_slot(layer, sector);
    if (!slot->bytes) {
        slot->sector = sector;
        slot->bytes = malloc(BLOCK_SECTOR_BYTES);
        assert(slot->bytes);
        layer->used++;
    }
    memcpy(slot->bytes, bytes, BLOCK_SECTOR_BYTES);
}

struct block_layer *block_layer_make(void)
{
    return layer_create(NULL);
}

void block_layer_put(struct block_layer *layer, uint64_t sector, const uint8_t *bytes)
{
    layer_put(layer, sector, bytes);
}

/* -- the store -- */

static void submit(struct store *store, struct piece *piece)
{
    struct layers *layers = (struct layers *)store;
    uint64_t sector = piece->offset / BLOCK_SECTOR_BYTES;
    for (uint64_t at = 0; at < piece->length; at += BLOCK_SECTOR_BYTES, sector++) {
        if (piece->operation == BLOCK_WRITE) {
            layer_put(layers->top, sector, piece->buffer + at);
        } else if (piece->operation == BLOCK_READ) {
            memcpy(piece->buffer + at, layer_find(layers->top, sector),
                   BLOCK_SECTOR_BYTES);
        }
    }
    piece->done(piece, 0);
}

static const struct store_ops ops = {.submit = submit};

void layers_init(struct layers *layers)
{
    *layers = (struct layers){.store.ops = &ops};
}

void layers_destroy(struct layers *layers)
{
    block_layer_release(layers->top);
    layers->top = NULL;
}

/* Joins the top layer with those below that nobody else keeps. */
static void join(struct layers *layers)
{
    struct block_layer *top = layers->top, *below;
    while ((below = top->below) && below->uses == 1) {
        for (size_t i = 0; i < top->slot_count; i++) {
            if (top->slots[i].bytes) {
                layer_put(below, top->slots[i].sector, top->slots[i].bytes);
            }
        }
        below->uses++;
        block_layer_release(top);
        below->uses = 1;
        layers->top = top = below;
    }
}

struct block_layer *layers_freeze(struct layers *layers)
{
    if (!layers->top) {
        layers->top = layer_create(NULL);
    }
    join(layers);
    struct block_layer *frozen = layers->top;
    if (frozen->below && !frozen->used) {
        frozen->below->uses++;
        return frozen->below;
    }
    layers->top = layer_create(frozen);
    return frozen;
}

void layers_return_to(struct layers *layers, struct block_layer *layer)
{
    struct block_layer *before = layers->top;
    layers->top = layer_create(layer);
    block_layer_release(before);
}

static bool is_in(const struct block_layer *layer, const struct block_layer *chain)
{
    while (chain && chain != layer) {
        chain = chain->below;
    }
    return chain != NULL;
}

/* Whether `b` has the same in the sectors of all layers that only `a` has. */
static bool has_same(const struct block_layer *a, const struct block_layer *b)
{
    for (const struct block_layer *layer = a; layer && !is_in(layer, b);
         layer = layer->below) {
        for (size_t i = 0; i < layer->slot_count; i++) {
            const struct slot *slot = &layer->slots[i];
            const uint8_t *other = slot->bytes ? layer_find(b, slot->sector) : NULL;
            if (slot->bytes && (!other || memcmp(layer_find(a, slot->sector), other,
                                                 BLOCK_SECTOR_BYTES) != 0)) {
                return false;
            }
        }
    }
    return true;
}

bool layers_are(const struct layers *layers, const struct block_layer *layer)
{
    return has_same(layers->top, layer) && has_same(layer, layers->top);
}

uint32_t layers_run(const struct layers *layers, uint64_t sector, uint32_t count,
                    bool *held)
{
    uint32_t run = 1;
    *held = layer_find(layers->top, sector) != NULL;
    while (run < count && (layer_find(layers->top, sector + run) != NULL) == *held) {
        run++;
    }
    return run;
}
