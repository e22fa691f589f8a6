#include "devices/virtio_queue.h"

#include "bus/pci_dma.h"

#include <stdatomic.h>

enum {
    DESCRIPTOR_BYTES = 16,
    DESCRIPTOR_NEXT = 1,
    DESCRIPTOR_WRITE = 2,
    DESCRIPTOR_INDIRECT = 4,
    AVAILABLE_FLAGS = 0,
    AVAILABLE_NO_INTERRUPT = 1,
    AVAILABLE_INDEX = 2,
    AVAILABLE_RING = 4,
    USED_INDEX = 2,
    USED_RING = 4,
    USED_ENTRY_BYTES = 8,
};

struct descriptor {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

static uint16_t read16(const struct virtqueue *queue, gpa_t address)
{
    uint16_t value;
    pci_dma_read(queue->function, address, &value, sizeof(value));
    return value;
}

static void write16(const struct virtqueue *queue, gpa_t address, uint16_t value)
{
    pci_dma_write(queue->function, address, &value, sizeof(value));
}

void virtqueue_reset(struct virtqueue *queue)
{
    *queue = (struct virtqueue){
        .function = queue->function,
        .maximum = queue->maximum,
        .size = queue->maximum,
    };
}

static bool is_usable(const struct virtqueue *queue)
{
    return queue->enabled && !queue->broken && pci_is_bus_master(queue->function);
}

/* -- taking -- */

static bool break_queue(struct virtqueue *queue)
{
    queue->broken = true;
    return false;
}

/* Adds a descriptor's segment; readable ones come first. */
static bool add_segment(struct virtqueue_element *element,
                        const struct descriptor *descriptor)
{
    unsigned count = element->readable + element->writable;
    bool writable = descriptor->flags & DESCRIPTOR_WRITE;
    if (count == VIRTQUEUE_SEGMENTS || (!writable && element->writable)) {
        return false;
    }
    element->segments[count] = (struct virtqueue_segment){
        .address = descriptor->address,
        .bytes = descriptor->bytes,
    };
    if (writable) {
        element->writable++;
        element->writable_bytes += descriptor->bytes;
    } else {
        element->readable++;
        element->readable_bytes += descriptor->bytes;
    }
    return true;
}

/* Follows a chain in a table of `count` descriptors. A chain with more links than that
 * is a loop. An indirect descriptor ends the chain, and leads to a table without. */
static bool follow(const struct virtqueue *queue, gpa_t table, uint32_t count,
                   uint16_t index, bool may_be_indirect,
                   struct virtqueue_element *element)
{
    for (uint32_t links = 0; links < count && index < count; links++) {
        struct descriptor descriptor;
        pci_dma_read(queue->function, table + (uint64_t)index * DESCRIPTOR_BYTES,
                     &descriptor, sizeof(descriptor));
        if (descriptor.flags & DESCRIPTOR_INDIRECT) {
            return may_be_indirect && !(descriptor.flags & DESCRIPTOR_NEXT) &&
                   descriptor.bytes >= DESCRIPTOR_BYTES &&
                   descriptor.bytes % DESCRIPTOR_BYTES == 0 &&
                   follow(queue, descriptor.address,
                          descriptor.bytes / DESCRIPTOR_BYTES, 0, false, element);
        }
        if (!add_segment(element, &descriptor)) {
            return false;
        }
        if (!(descriptor.flags & DESCRIPTOR_NEXT)) {
            return true;
        }
        index = descriptor.next;
    }
    return false;
}

/* How many elements wait; 0 for a queue that is none, or makes no sense. */
static uint16_t waiting(struct virtqueue *queue)
{
    if (!is_usable(queue)) {
        return 0;
    }
    uint16_t count = (uint16_t)(read16(queue, queue->available + AVAILABLE_INDEX) -
                                queue->next_available);
    if (count > queue->size) {
        break_queue(queue);
        return 0;
    }
    return count;
}

bool virtqueue_has_more(struct virtqueue *queue)
{
    if (waiting(queue)) {
        return true;
    }
    if (!is_usable(queue) || !queue->has_event_index) {
        return false;
    }
    /* Ask for word of the next one, then look again: it may have come in between. */
    write16(queue, queue->used + USED_RING + (gpa_t)queue->size * USED_ENTRY_BYTES,
            queue->next_available);
    atomic_thread_fence(memory_order_seq_cst);
    return waiting(queue);
}

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_element *element)
{
    if (!virtqueue_has_more(queue)) {
        return false;
    }
    uint16_t slot = queue->next_available & (queue->size - 1);
    element->head = read16(queue, queue->available + AVAILABLE_RING + (gpa_t)slot * 2);
    element->readable = element->writable = 0;
    element->readable_bytes = element->writable_bytes = 0;
    if (element->head >= queue->size ||
        !follow(queue, queue->descriptors, queue->size, element->head, true, element)) {
        return break_queue(queue);
    }
    queue->next_available++;
    return true;
}

void virtqueue_unpop(struct virtqueue *queue)
{
    queue->next_available--;
}

/* -- giving back -- */

void virtqueue_fill(struct virtqueue *queue, const struct virtqueue_element *element,
                    uint32_t written, uint16_t number)
{
    const uint32_t entry[] = {element->head, written};
    uint16_t slot = (uint16_t)(queue->next_used + number) & (queue->size - 1);
    pci_dma_write(queue->function,
                  queue->used + USED_RING + (gpa_t)slot * USED_ENTRY_BYTES, entry,
                  sizeof(entry));
}

void virtqueue_flush(struct virtqueue *queue, uint16_t count)
{
    /* The driver may look at any time: entries first. */
    atomic_thread_fence(memory_order_release);
    queue->next_used = (uint16_t)(queue->next_used + count);
    write16(queue, queue->used + USED_INDEX, queue->next_used);
}

void virtqueue_push(struct virtqueue *queue, const struct virtqueue_element *element,
                    uint32_t written)
{
    virtqueue_fill(queue, element, written, 0);
    virtqueue_flush(queue, 1);
}

bool virtqueue_wants_interrupt(struct virtqueue *queue)
{
    uint16_t before = queue->told_used;
    if (!is_usable(queue) || before == queue->next_used) {
        return false;
    }
    queue->told_used = queue->next_used;
    atomic_thread_fence(memory_order_seq_cst);
    if (!queue->has_event_index) {
        return !(read16(queue, queue->available + AVAILABLE_FLAGS) &
                 AVAILABLE_NO_INTERRUPT);
    }
    /* Whether the index that the driver waits for has been passed. */
    uint16_t event =
        read16(queue, queue->available + AVAILABLE_RING + (gpa_t)queue->size * 2);
    return (uint16_t)(queue->next_used - event - 1) <
           (uint16_t)(queue->next_used - before);
}

/* -- copying -- */

typedef void copy_part(const struct pci_function *function, gpa_t address,
                       uint8_t *bytes, uint64_t length);

static void copy_from(const struct pci_function *function, gpa_t address,
                      uint8_t *bytes, uint64_t length)
{
    pci_dma_read(function, address, bytes, length);
}

static void copy_to(const struct pci_function *function, gpa_t address, uint8_t *bytes,
                    uint64_t length)
{
    pci_dma_write(function, address, bytes, length);
}

static size_t copy(const struct virtqueue *queue,
                   const struct virtqueue_segment *segments, unsigned count,
                   uint64_t offset, uint8_t *bytes, size_t length, copy_part *part)
{
    size_t done = 0;
    for (unsigned i = 0; i < count && done < length; i++) {
        if (offset >= segments[i].bytes) {
            offset -= segments[i].bytes;
            continue;
        }
        uint64_t there = segments[i].bytes - offset;
        uint64_t now = there < length - done ? there : length - done;
        part(queue->function, segments[i].address + offset, bytes + done, now);
        done += now;
        offset = 0;
    }
    return done;
}

size_t virtqueue_read(const struct virtqueue *queue,
                      const struct virtqueue_element *element, uint64_t offset,
                      void *bytes, size_t length)
{
    return copy(queue, element->segments, element->readable, offset, bytes, length,
                copy_from);
}

size_t virtqueue_write(const struct virtqueue *queue,
                       const struct virtqueue_element *element, uint64_t offset,
                       const void *bytes, size_t length)
{
    return copy(queue, element->segments + element->readable, element->writable, offset,
                (uint8_t *)bytes, length, copy_to);
}
