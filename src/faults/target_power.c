/* Power: a reset, or a failure that takes what disks have not written yet along. From
 * its arming on the disks have a volatile write cache for that. */
#include "faults/faults_internal.h"
#include "faults/write_cache.h"

#include <stdlib.h>

struct broken_power {
    struct write_cache *caches[MACHINE_DISKS];
};

static bool arm_power(struct fault *fault, struct error *error)
{
    struct machine *machine = fault->owner->machine;
    struct broken_power *power = calloc(1, sizeof(*power));
    struct block_device *device;
    if (!power) {
        return error_set(error, "out of memory for a fault");
    }
    fault->data = power;
    for (unsigned i = 0; fault->spec.model == FAULT_CUT && i < MACHINE_DISKS &&
                         (device = machine_block_device_at(machine, i));
         i++) {
        power->caches[i] = write_cache_create(device, fault->spec.cache_bytes);
    }
    return true;
}

static bool begin_power(struct fault *fault)
{
    struct broken_power *power = fault->data;
    unsigned lost = 0;
    fault->present = false;
    fault_note_use(fault);
    if (fault->spec.model == FAULT_RESET) {
        machine_reset(fault->owner->machine, "host-fault");
        return true;
    }
    for (unsigned i = 0; i < MACHINE_DISKS && power->caches[i]; i++) {
        lost +=
            write_cache_lose(power->caches[i], &fault->random, fault->spec.probability);
    }
    fault_refuse(fault, "%u writes lost", lost);
    machine_cut_power(fault->owner->machine, fault->spec.restart);
    return true;
}

static void end_power(struct fault *fault)
{
    (void)fault; /* it is over at once */
}

static void disarm_power(struct fault *fault)
{
    struct broken_power *power = fault->data;
    for (unsigned i = 0; i < MACHINE_DISKS; i++) {
        write_cache_destroy(power->caches[i]);
        power->caches[i] = NULL;
    }
}

const struct fault_target fault_power = {
    .arm = arm_power,
    .begin = begin_power,
    .end = end_power,
    .disarm = disarm_power,
};
