/* devices/ps2_queue.h: the bytes a PS/2 device has yet to send. Saved by: its owner,
 * which calls ps2_queue_is_sane() after loading. */
#ifndef DEVICES_PS2_QUEUE_H
#define DEVICES_PS2_QUEUE_H

#include "base/types.h"

enum { PS2_QUEUE_BYTES = 64 };

struct ps2_queue {
    uint8_t bytes[PS2_QUEUE_BYTES];
    uint8_t head, count;
};

static inline void ps2_queue_clear(struct ps2_queue *queue)
{
    queue->head = 0;
    queue->count = 0;
}

static inline unsigned ps2_queue_room(const struct ps2_queue *queue)
{
    return PS2_QUEUE_BYTES - queue->count;
}

/* A byte too many is dropped. */
static inline void ps2_queue_put(struct ps2_queue *queue, uint8_t byte)
{
    if (queue->count < PS2_QUEUE_BYTES) {
        queue->bytes[(queue->head + queue->count) % PS2_QUEUE_BYTES] = byte;
        queue->count++;
    }
}

/* The queue must not be empty. */
static inline uint8_t ps2_queue_take(struct ps2_queue *queue)
{
    uint8_t byte = queue->bytes[queue->head];
    queue->head = (queue->head + 1) % PS2_QUEUE_BYTES;
    queue->count--;
    return byte;
}

static inline bool ps2_queue_is_sane(const struct ps2_queue *queue)
{
    return queue->head < PS2_QUEUE_BYTES && queue->count <= PS2_QUEUE_BYTES;
}

#endif
