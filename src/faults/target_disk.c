/* Disks: between the controller and what holds the sectors. */
#include "faults/faults_internal.h"

#include "bus/block_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct broken_disk {
    struct fault *fault;
    struct block_device *device;
    struct block_device below; /* as it was */
    struct late *late;         /* requests that wait, the oldest first */
    struct timer timer;
    struct block_device_ops ops;
    bool wrapped;
    bool pulled; /* a medium that has vanished */
};

/* A request that is answered later, or never. */
struct late {
    uint64_t due_ns; /* CLOCK_NEVER: when the disk is there again */
    struct block_request request;
    struct late *next;
};

/* A request of our own in place of the controller's. It outlives the fault. */
struct substitute {
    block_completion *completion;
    void *opaque;
    uint8_t *buffer; /* its own, or NULL */
    uint8_t *read;   /* where a byte is to be wrong, or NULL */
    uint8_t mask[FAULT_VALUE_BYTES], value[FAULT_VALUE_BYTES];
    unsigned count;
    bool sets;
};

static void answer(const struct block_request *request, int result)
{
    request->completion(request->opaque, result);
}

/* -- wrong bytes -- */

static void spoil(const struct substitute *own, uint8_t *bytes)
{
    for (unsigned i = 0; i < own->count; i++) {
        bytes[i] =
            own->sets
                ? (uint8_t)((bytes[i] & ~own->mask[i]) | (own->value[i] & own->mask[i]))
                : bytes[i] ^ own->mask[i];
    }
}

static void completed(void *opaque, int result)
{
    struct substitute *own = opaque;
    if (own->read && result == 0) {
        spoil(own, own->read);
    }
    own->completion(own->opaque, result);
    free(own->buffer);
    free(own);
}

static struct substitute *substitute(const struct block_request *request)
{
    struct substitute *own = calloc(1, sizeof(*own));
    if (own) {
        own->completion = request->completion;
        own->opaque = request->opaque;
    }
    return own;
}

/* Where in the request bytes are wrong: at the offset in the first sector concerned, or
 * anywhere in those that are. */
static size_t wrong_place(struct fault *fault, const struct block_request *request,
                          unsigned *count)
{
    const struct fault_spec *spec = &fault->spec;
    uint64_t first =
        spec->sector > request->sector ? spec->sector - request->sector : 0;
    uint64_t end = spec->sectors > UINT64_MAX - spec->sector
                       ? UINT64_MAX
                       : spec->sector + spec->sectors;
    uint64_t last = request->sector + request->count;
    last = (end < last ? end : last) - request->sector;
    size_t room = (size_t)(last - first) * BLOCK_SECTOR_BYTES;
    size_t place = spec->address;
    fault_choose_bits(fault, spec->width);
    if (spec->random_bits) {
        place = random_below(&fault->random, room);
    }
    *count = room - place < spec->width ? (unsigned)(room - place) : spec->width;
    return (size_t)first * BLOCK_SECTOR_BYTES + place;
}

static void submit_wrong(struct broken_disk *disk, const struct block_request *request)
{
    struct fault *fault = disk->fault;
    struct substitute *own = substitute(request);
    struct block_request changed = *request;
    size_t bytes = (size_t)request->count * BLOCK_SECTOR_BYTES;
    bool write = request->operation == BLOCK_WRITE;
    uint8_t *copy = write ? malloc(bytes) : NULL;
    if (!own || (write && !copy)) {
        free(own);
        answer(request, ENOMEM);
        return;
    }
    size_t place = wrong_place(fault, request, &own->count);
    memcpy(own->mask, fault->mask, sizeof(own->mask));
    memcpy(own->value, fault->spec.value, sizeof(own->value));
    own->sets = fault->spec.model == FAULT_SET;
    own->buffer = copy;
    own->read = write ? NULL : request->buffer + place;
    if (write) {
        memcpy(copy, request->buffer, bytes);
        spoil(own, copy + place);
        changed.buffer = copy;
    }
    changed.completion = completed;
    changed.opaque = own;
    block_device_submit(&disk->below, &changed);
}

/* -- late answers -- */

static void keep(struct broken_disk *disk, const struct block_request *request,
                 uint64_t due_ns)
{
    struct late *late = calloc(1, sizeof(*late)), **place = &disk->late;
    if (!late) {
        answer(request, ENOMEM);
        return;
    }
    late->request = *request;
    late->due_ns = due_ns;
    while (*place) {
        place = &(*place)->next;
    }
    *place = late;
    if (disk->late == late && due_ns != CLOCK_NEVER) {
        timer_set_ns(&disk->timer, due_ns);
    }
}

static struct late *take_late(struct broken_disk *disk)
{
    struct late *late = disk->late;
    disk->late = late->next;
    return late;
}

static void timer_fired(void *opaque)
{
    struct broken_disk *disk = opaque;
    uint64_t now_ns = clock_now_ns(disk->timer.clock);
    while (disk->late && disk->late->due_ns <= now_ns) {
        struct late *late = take_late(disk);
        block_device_submit(&disk->below, &late->request);
        free(late);
    }
    if (disk->late && disk->late->due_ns != CLOCK_NEVER) {
        timer_set_ns(&disk->timer, disk->late->due_ns);
    }
}

/* -- requests -- */

static bool concerns(const struct fault *fault, const struct block_request *request)
{
    const struct fault_spec *spec = &fault->spec;
    if (spec->model == FAULT_VANISH) {
        return true;
    }
    bool read = request->operation == BLOCK_READ;
    bool write = request->operation == BLOCK_WRITE;
    return ((read && (spec->uses_of & FAULT_ON_READ)) ||
            (write && (spec->uses_of & FAULT_ON_WRITE))) &&
           request->sector + request->count > spec->sector &&
           (request->sector <= spec->sector ||
            request->sector - spec->sector < spec->sectors);
}

/* Within the disk, whatever the distance. */
static void submit_elsewhere(struct broken_disk *disk,
                             const struct block_request *request)
{
    struct block_request moved = *request;
    uint64_t room = disk->device->sectors - request->count + 1;
    moved.sector = (request->sector + disk->fault->spec.distance) % room;
    block_device_submit(&disk->below, &moved);
}

/* Some of its sectors, from the first on, but not all. */
static void submit_torn(struct broken_disk *disk, const struct block_request *request)
{
    struct block_request part = *request;
    part.count = (uint32_t)random_below(&disk->fault->random, request->count);
    if (part.count) {
        block_device_submit(&disk->below, &part);
    } else {
        answer(request, 0);
    }
}

static void submit_broken(struct broken_disk *disk, const struct block_request *request)
{
    switch (disk->fault->spec.model) {
    case FAULT_ERROR:
        answer(request, EIO);
        break;
    case FAULT_LOST:
        answer(request, 0);
        break;
    case FAULT_TORN:
        submit_torn(disk, request);
        break;
    case FAULT_MISDIRECT:
        submit_elsewhere(disk, request);
        break;
    case FAULT_DELAY:
        keep(disk, request,
             clock_now_ns(disk->timer.clock) + disk->fault->spec.delay_ns);
        break;
    case FAULT_VANISH:
        keep(disk, request, CLOCK_NEVER);
        break;
    default:
        submit_wrong(disk, request);
        break;
    }
}

static bool is_inside(const struct broken_disk *disk,
                      const struct block_request *request)
{
    return request->operation == BLOCK_FLUSH ||
           (request->count && request->count <= disk->device->sectors &&
            request->sector <= disk->device->sectors - request->count);
}

static void submit(void *opaque, const struct block_request *request)
{
    struct broken_disk *disk = opaque;
    if (is_inside(disk, request) && concerns(disk->fault, request) &&
        fault_strikes(disk->fault)) {
        submit_broken(disk, request);
    } else {
        block_device_submit(&disk->below, request);
    }
}

/* -- begin and end -- */

/* Of a drive with removable media; the guest finds it open. */
static bool is_medium_gone(const struct fault *fault)
{
    const char *name = fault->spec.name;
    return fault->spec.model == FAULT_VANISH &&
           (strstr(name, "-cd") || strncmp(name, "floppy", 6) == 0);
}

static bool arm_disk(struct fault *fault, struct error *error)
{
    struct block_device *device =
        machine_block_device(fault->owner->machine, fault->spec.name);
    if (!device) {
        return error_set(error,
                         "-fault: target=disk,name=%s: there is no such disk; they are "
                         "called ide0-hd0 to ide1-hd1 and virtio0 to virtio3, drives "
                         "ide0-cd0 to ide1-cd1, floppy0 and floppy1",
                         fault->spec.name);
    }
    if (is_medium_gone(fault) && fault->spec.uses) {
        return error_set(error,
                         "-fault: target=disk,model=vanish: nobody asks a medium "
                         "that is gone; give for=TIME instead of uses=, or "
                         "duration=permanent");
    }
    struct broken_disk *disk = calloc(1, sizeof(*disk));
    if (!disk) {
        return error_set(error, "out of memory for a fault");
    }
    disk->fault = fault;
    disk->device = device;
    disk->ops.submit = submit;
    timer_init(&disk->timer, machine_clock(fault->owner->machine), timer_fired, disk);
    fault->data = disk;
    return true;
}

static bool begin_disk(struct fault *fault)
{
    struct broken_disk *disk = fault->data;
    if (is_medium_gone(fault)) {
        fault->report.activation = FAULT_ACTIVATION_UNKNOWN;
        disk->pulled = machine_pull_medium(fault->owner->machine, fault->spec.name);
        return disk->pulled || fault_refuse(fault, "the drive is empty");
    }
    if (!disk->wrapped) {
        disk->wrapped = true;
        disk->below = *disk->device;
        disk->device->ops = &disk->ops;
        disk->device->opaque = disk;
    }
    return true;
}

/* A disk that is there again has lost what it was asked. */
static void end_disk(struct fault *fault)
{
    struct broken_disk *disk = fault->data;
    if (disk->pulled) {
        disk->pulled = false;
        machine_return_medium(fault->owner->machine, fault->spec.name);
    }
    while (disk->late && disk->late->due_ns == CLOCK_NEVER) {
        struct late *late = take_late(disk);
        answer(&late->request, EIO);
        free(late);
    }
}

static void disarm_disk(struct fault *fault)
{
    struct broken_disk *disk = fault->data;
    timer_cancel(&disk->timer);
    while (disk->late) {
        struct late *late = take_late(disk);
        answer(&late->request, EIO);
        free(late);
    }
    if (disk->wrapped) {
        disk->wrapped = false;
        disk->device->ops = disk->below.ops;
        disk->device->opaque = disk->below.opaque;
    }
}

const struct fault_target fault_disk = {
    .arm = arm_disk,
    .begin = begin_disk,
    .end = end_disk,
    .disarm = disarm_disk,
};
