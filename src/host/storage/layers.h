/* host/storage/layers.h: sectors in memory, in layers that lie on one another.
 *
 * A layer holds what was written since the one below it was left alone, for good: who
 * wants to come back to that keeps it. The top one is written to. What no layer holds
 * is in the image, or in the overlay of -snapshot. Thread: any that holds the machine
 * lock. Saved by: the machine, with what the overlay holds. */
#ifndef HOST_STORAGE_LAYERS_H
#define HOST_STORAGE_LAYERS_H

#include "host/storage/storage_internal.h"

/* `below`: NULL, or a layer that this one keeps. To be released. */
struct block_layer *layer_create(struct block_layer *below);

/* The sector's bytes in the topmost layer from `layer` down that holds it, or NULL. */
const uint8_t *layer_find(const struct block_layer *layer, uint64_t sector);
void layer_put(struct block_layer *layer, uint64_t sector, const uint8_t *bytes);

/* The layers of an image, as a store for requests. */
struct layers {
    struct store store;
    struct block_layer *top; /* NULL: there are none */
};

void layers_init(struct layers *layers);
void layers_destroy(struct layers *layers);
/* Leaves the top layer alone from now on; the caller keeps it. */
struct block_layer *layers_freeze(struct layers *layers);
/* Forgets what was written since. */
void layers_return_to(struct layers *layers, struct block_layer *layer);
/* Whether they hold what they held when `layer` was left alone. What is written over
 * with what the image has counts as a difference. */
bool layers_are(const struct layers *layers, const struct block_layer *layer);
/* How many of `count` sectors from `sector` on are all in a layer, or all in none. */
uint32_t layers_run(const struct layers *layers, uint64_t sector, uint32_t count,
                    bool *held);

#endif
