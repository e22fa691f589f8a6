/* machine/checkpoint.h: moments of a running machine that it can be put back to, within
 * the process and often.
 *
 * A checkpoint holds the machine's state and its memory, and shares pages that are the
 * same with the checkpoints before it. Going back costs what has changed: pages are
 * write-protected in all that the CPU has cached of memory (struct ram), the first
 * write to one notes it, and only those that were written since, or differ between the
 * two checkpoints, are copied. What was decoded or translated stays, but for code in
 * lines that change; so do views, but for what page tables no longer say.
 *
 * Disks are put back, too: while there are checkpoints, what the guest writes stays in
 * memory (host/storage/layers.c). Their images must not be written to otherwise:
 * -snapshot, or read-only. What has left the machine cannot be put back: serial output,
 * frames, pictures; who it talks to by a network goes on from where they are.
 *
 * Thread: the one that calls machine_run(), between two runs; machine lock not held. */
#ifndef MACHINE_CHECKPOINT_H
#define MACHINE_CHECKPOINT_H

#include "base/error.h"
#include "machine/machine.h"

struct checkpoint;

/* The machine is powered on. NULL with one line in `error` if a disk is written to its
 * image, or the host is out of memory. */
struct checkpoint *checkpoint_take(struct machine *machine, struct error *error);
/* To any checkpoint of this machine, as often as one likes; the media that were in its
 * drives are in there again. Fails, and changes nothing, if the host has failed
 * requests of a disk. */
bool checkpoint_restore(struct machine *machine, const struct checkpoint *checkpoint,
                        struct error *error);
/* Hash of the machine's state, and of the pages of memory that differ from those of the
 * checkpoint: machines that have come from the same checkpoint to the same state have
 * the same. Costs what has changed since, not what there is. Disks are not in it. */
uint64_t checkpoint_hash(struct machine *machine, const struct checkpoint *checkpoint);
/* Whether the machine is as it was then, disks included: what it does from here on it
 * would have done from there, too. Where that cannot be said cheaply it is not. */
bool checkpoint_is_now(struct machine *machine, const struct checkpoint *checkpoint);
/* NULL is fine. All are to be freed before the machine is destroyed. */
void checkpoint_free(struct checkpoint *checkpoint);

/* What it costs. */
struct checkpoint_statistics {
    uint64_t pages_held;     /* by all checkpoints of the machine together */
    uint64_t pages_restored; /* by the last checkpoint_restore() */
    uint64_t state_bytes;    /* of the last checkpoint taken, without memory */
};

struct checkpoint_statistics checkpoint_statistics(const struct machine *machine);

#endif
