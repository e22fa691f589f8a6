/* host/audio/drift.h: reads a ring at the pace of a sound card.
 *
 * The machine writes by its clock, the card reads by its own, and the two are never
 * quite the same. The reader keeps the ring filled to a target: it resamples by as much
 * as is needed for that, at most DRIFT_MAXIMUM_PPM (nobody hears that), and slowly. If
 * the ring runs dry all the same, it is silent until the target is reached again, which
 * is raised; what has come too late by then is not played, or it would be late for
 * ever. Source: a proportional-integral controller on the low-passed number of frames.
 * Thread: whoever plays. */
#ifndef HOST_AUDIO_DRIFT_H
#define HOST_AUDIO_DRIFT_H

#include "host/audio/ring.h"

enum { DRIFT_MAXIMUM_PPM = 5000 };

struct drift; /* opaque */

/* NULL if there is no memory. `rate`: frames per second. */
struct drift *drift_create(struct audio_ring *ring, uint32_t rate);
void drift_destroy(struct drift *drift);

/* What is to be heard next, silence included. */
void drift_read(struct drift *drift, struct audio_frame *frames, unsigned count);

#endif
