/* host/audio/ring.h: sound on its way from the machine to the program that plays it,
 * faumachine-audio.
 *
 * Memory that both have mapped: one writes, the other reads, without locks. Neither
 * believes the other's counters more than that they are numbers. The program's first
 * message on its socket is RING_PLAYER_READY, or why there is no sound.
 * Thread: the mixer's writes; SDL's, in the other process, reads. */
#ifndef HOST_AUDIO_RING_H
#define HOST_AUDIO_RING_H

#include "bus/audio.h"

#include <stdatomic.h>

enum { RING_FRAMES = 1 << 15 };

#define RING_PLAYER_READY "ready"

struct audio_ring {
    uint32_t rate;          /* frames per second; this and the next are set before */
    uint32_t buffer_frames; /* what SDL is to ask for at a time */
    _Atomic uint32_t written, taken; /* frames, modulo 2^32 */
    _Atomic bool playing;            /* more is to come at once */
    /* What the reader says of itself, for -stats. */
    _Atomic uint64_t underruns;
    _Atomic int32_t speed_ppm; /* how much faster it reads than it was told */
    _Atomic uint32_t target;   /* frames that it wants to have in hand */
    struct audio_frame frames[RING_FRAMES];
};

/* The reader's view; the writer's is RING_FRAMES less that. */
static inline uint32_t ring_filled(struct audio_ring *ring)
{
    uint32_t filled = atomic_load_explicit(&ring->written, memory_order_acquire) -
                      atomic_load_explicit(&ring->taken, memory_order_acquire);
    return filled < RING_FRAMES ? filled : RING_FRAMES;
}

/* Returns how many found room. */
static inline unsigned ring_write(struct audio_ring *ring,
                                  const struct audio_frame *frames, unsigned count)
{
    uint32_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    uint32_t room = RING_FRAMES - ring_filled(ring);
    count = count < room ? count : room;
    for (unsigned i = 0; i < count; i++) {
        ring->frames[(written + i) % RING_FRAMES] = frames[i];
    }
    atomic_store_explicit(&ring->written, written + count, memory_order_release);
    return count;
}

/* For the reader: `count` is at most what is filled. */
static inline void ring_skip(struct audio_ring *ring, unsigned count)
{
    atomic_fetch_add_explicit(&ring->taken, count, memory_order_release);
}

/* Returns how many there were. */
static inline unsigned ring_read(struct audio_ring *ring, struct audio_frame *frames,
                                 unsigned count)
{
    uint32_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    uint32_t filled = ring_filled(ring);
    count = count < filled ? count : filled;
    for (unsigned i = 0; i < count; i++) {
        frames[i] = ring->frames[(taken + i) % RING_FRAMES];
    }
    atomic_store_explicit(&ring->taken, taken + count, memory_order_release);
    return count;
}

#endif
