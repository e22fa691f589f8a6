/* devices/virtio_queue.h: split virtqueues, the device's side.
 *
 * A queue is three tables in the guest's memory. Nothing in them is trusted: a chain
 * that loops, is too long or lies about its direction breaks the queue, which then
 * gives no more elements until the driver resets the device. Addresses may be anything:
 * what is no memory reads as ones (bus/pci_dma.h).
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.2, section 2.7.
 * Thread: any that holds the machine lock. Saved by: the transport, by the fields. */
#ifndef DEVICES_VIRTIO_QUEUE_H
#define DEVICES_VIRTIO_QUEUE_H

#include "bus/pci.h"

enum {
    VIRTQUEUE_MAXIMUM = 256,  /* descriptors in a queue */
    VIRTQUEUE_SEGMENTS = 256, /* pieces of memory in one element */
};

struct virtqueue {
    /* wiring */
    const struct pci_function *function;
    uint16_t maximum;
    bool has_event_index; /* by the features that were agreed upon */
    /* saved */
    gpa_t descriptors, available, used; /* where the tables are */
    uint16_t size;                      /* a power of two up to `maximum` */
    uint16_t enabled;
    uint16_t broken;
    uint16_t next_available, next_used;
    uint16_t told_used; /* `next_used` of the last interrupt */
};

struct virtqueue_segment {
    gpa_t address;
    uint32_t bytes;
};

/* What the driver has offered: first segments to read, then segments to write. */
struct virtqueue_element {
    uint16_t head;
    unsigned readable, writable; /* how many segments */
    uint64_t readable_bytes, writable_bytes;
    struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS];
};

/* Forgets everything but the wiring. */
void virtqueue_reset(struct virtqueue *queue);

/* Takes the next element; false if there is none. */
bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_element *element);
/* Gives the last element back untaken: the next pop gets it again. */
void virtqueue_unpop(struct virtqueue *queue);
/* Whether pop would find something; if not, the driver is going to notify of more. */
bool virtqueue_has_more(struct virtqueue *queue);
/* Gives an element back of which `written` bytes have been filled in. */
void virtqueue_push(struct virtqueue *queue, const struct virtqueue_element *element,
                    uint32_t written);
/* Likewise several at once: push them with numbers from 0, then tell how many. */
void virtqueue_fill(struct virtqueue *queue, const struct virtqueue_element *element,
                    uint32_t written, uint16_t number);
void virtqueue_flush(struct virtqueue *queue, uint16_t count);
/* Whether the driver wants an interrupt for what has been given back since the last. */
bool virtqueue_wants_interrupt(struct virtqueue *queue);

/* Copies from the readable or to the writable bytes of an element; returns how many
 * there were. */
size_t virtqueue_read(const struct virtqueue *queue,
                      const struct virtqueue_element *element, uint64_t offset,
                      void *bytes, size_t length);
size_t virtqueue_write(const struct virtqueue *queue,
                       const struct virtqueue_element *element, uint64_t offset,
                       const void *bytes, size_t length);

#endif
