#include "devices/virtio.h"

#include "devices/virtio_internal.h"

#include <string.h>

enum {
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 0x40,
    ISR_QUEUE = 1,
    ISR_CONFIG = 2,
};

static const struct state_field queue_fields[] = {
    STATE_FIELD(struct virtqueue, descriptors, 1),
    STATE_FIELD(struct virtqueue, available, 1),
    STATE_FIELD(struct virtqueue, used, 1),
    STATE_FIELD(struct virtqueue, size, 1),
    STATE_FIELD(struct virtqueue, enabled, 1),
    STATE_FIELD(struct virtqueue, broken, 1),
    STATE_FIELD(struct virtqueue, next_available, 1),
    STATE_FIELD(struct virtqueue, next_used, 1),
    STATE_FIELD(struct virtqueue, told_used, 1),
    STATE_END,
};

enum { QUEUE_STATE_VERSION = 1 };

/* -- what drivers see, by whichever way -- */

uint64_t virtio_offered_features(const struct virtio *virtio)
{
    return virtio->class->features | VIRTIO_FEATURE_INDIRECT |
           VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1;
}

bool virtio_has_feature(const struct virtio *virtio, unsigned bit)
{
    return virtio->driver_features >> bit & 1;
}

bool virtio_is_running(const struct virtio *virtio)
{
    return (virtio->status & STATUS_DRIVER_OK) &&
           !(virtio->status & STATUS_NEEDS_RESET);
}

struct virtqueue *virtio_selected_queue(struct virtio *virtio)
{
    return virtio->queue_select < virtio->class->queue_count
               ? &virtio->queues[virtio->queue_select]
               : NULL;
}

static void update_interrupt(struct virtio *virtio)
{
    pci_function_set_interrupt(&virtio->function, virtio->isr != 0);
}

uint8_t virtio_take_isr(struct virtio *virtio)
{
    uint8_t isr = virtio->isr;
    virtio->isr = 0;
    update_interrupt(virtio);
    return isr;
}

static void agree(struct virtio *virtio)
{
    bool has_event_index = virtio->driver_features & VIRTIO_FEATURE_EVENT_INDEX;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        virtio->queues[i].has_event_index = has_event_index;
    }
}

void virtio_set_features(struct virtio *virtio, uint64_t features)
{
    if (!(virtio->status & STATUS_FEATURES_OK)) {
        virtio->driver_features = features;
        agree(virtio);
    }
}

static void reset(struct virtio *virtio)
{
    virtio->status = virtio->isr = virtio->generation = 0;
    virtio->device_feature_select = virtio->driver_feature_select = 0;
    virtio->driver_features = 0;
    virtio->queue_select = 0;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        virtqueue_reset(&virtio->queues[i]);
    }
    if (virtio->class->reset) {
        virtio->class->reset(virtio->opaque);
    }
}

void virtio_set_status(struct virtio *virtio, uint8_t status)
{
    if (status == 0) {
        reset(virtio);
        update_interrupt(virtio);
        return;
    }
    if (virtio->driver_features & ~virtio_offered_features(virtio)) {
        status &= (uint8_t)~STATUS_FEATURES_OK; /* the driver sees that and gives up */
    }
    virtio->status = status | (virtio->status & STATUS_NEEDS_RESET);
}

void virtio_notify(struct virtio *virtio, unsigned queue)
{
    if (virtio_is_running(virtio) && queue < virtio->class->queue_count) {
        virtio->class->notify(virtio->opaque, queue);
        virtio_notify_driver(virtio, queue);
    }
}

uint32_t virtio_config_read(const struct virtio *virtio, uint64_t offset,
                            unsigned width)
{
    uint32_t value = 0;
    if (offset + width <= virtio->class->config_bytes) {
        memcpy(&value, virtio->config + offset, width);
    }
    return value;
}

void virtio_config_write(struct virtio *virtio, uint64_t offset, uint32_t value,
                         unsigned width)
{
    if (offset + width <= virtio->class->config_bytes &&
        virtio->class->config_written) {
        memcpy(virtio->config + offset, &value, width);
        virtio->class->config_written(virtio->opaque, (unsigned)offset, width);
    }
}

/* -- what devices do -- */

void virtio_notify_driver(struct virtio *virtio, unsigned number)
{
    struct virtqueue *queue = &virtio->queues[number];
    if (queue->broken && !(virtio->status & STATUS_NEEDS_RESET)) {
        log_guest_error(virtio->log, virtio->class->name,
                        "queue %u makes no sense: it is stopped until a reset", number);
        virtio->status |= STATUS_NEEDS_RESET;
        virtio_config_changed(virtio);
        return;
    }
    if (virtqueue_wants_interrupt(queue)) {
        virtio->isr |= ISR_QUEUE;
        update_interrupt(virtio);
    }
}

void virtio_config_changed(struct virtio *virtio)
{
    virtio->generation++;
    if (virtio->status & STATUS_DRIVER_OK) {
        virtio->isr |= ISR_QUEUE | ISR_CONFIG;
        update_interrupt(virtio);
    }
}

/* -- for the device class -- */

void virtio_init(struct virtio *virtio, const struct virtio_class *class, void *opaque,
                 struct log *log, struct pci_bus *bus, unsigned slot)
{
    virtio->class = class;
    virtio->opaque = opaque;
    virtio->log = log;
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        virtio->queues[i].function = &virtio->function;
        virtio->queues[i].maximum = class->queue_sizes[i];
    }
    virtio_add_to_bus(virtio, bus, slot);
}

void virtio_power_on(struct virtio *virtio)
{
    reset(virtio);
    pci_function_reset(&virtio->function);
}

void virtio_reset_lines(struct virtio *virtio)
{
    update_interrupt(virtio);
}

static bool is_sound(const struct virtqueue *queue)
{
    return queue->size <= queue->maximum && (queue->size & (queue->size - 1)) == 0 &&
           queue->enabled <= 1 && queue->broken <= 1 &&
           (queue->size > 0 || !queue->enabled);
}

bool virtio_loaded(struct virtio *virtio, struct error *error)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        if (!is_sound(&virtio->queues[i])) {
            return error_set(error, "%s: queue %u makes no sense in the saved state",
                             virtio->class->name, i);
        }
    }
    agree(virtio);
    pci_function_loaded(&virtio->function);
    update_interrupt(virtio);
    return true;
}

void virtio_save_queues(const struct virtio *virtio, struct state_buffer *buffer)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        state_save(buffer, queue_fields, QUEUE_STATE_VERSION, &virtio->queues[i]);
    }
}

bool virtio_load_queues(struct virtio *virtio, struct state_buffer *buffer,
                        struct error *error)
{
    for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
        if (!state_load(buffer, queue_fields, QUEUE_STATE_VERSION, &virtio->queues[i],
                        virtio->class->name, error)) {
            return false;
        }
    }
    return true;
}
