#include "devices/virtio_rng.h"

#include "devices/virtio.h"

#include <string.h>

enum {
    CLASS_OTHER = 0x00ff00,
    BYTES_AT_ONCE = 4096, /* the rest of a longer buffer stays as it is */
    ELEMENTS_AT_ONCE = 64,
};

#define SEED 0x6a09e667f3bcc909ULL

struct virtio_rng {
    struct device device;
    struct entropy_source source;
    /* saved */
    struct virtio virtio;
    uint64_t generator;
};

static const struct state_field virtio_rng_fields[] = {
    VIRTIO_STATE_FIELDS(struct virtio_rng, virtio),
    STATE_FIELD(struct virtio_rng, generator, 1),
    STATE_END,
};

/* splitmix64 */
static uint64_t next_number(struct virtio_rng *rng)
{
    uint64_t z = rng->generator += 0x9e3779b97f4a7c15ULL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static bool fill(struct virtio_rng *rng, uint8_t *bytes, size_t length)
{
    if (rng->source.fill) {
        return rng->source.fill(rng->source.opaque, bytes, length);
    }
    for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
        uint64_t number = next_number(rng);
        size_t part = length - i < sizeof(number) ? length - i : sizeof(number);
        memcpy(bytes + i, &number, part);
    }
    return true;
}

static void notify(void *opaque, unsigned queue)
{
    struct virtio_rng *rng = opaque;
    struct virtqueue *requests = &rng->virtio.queues[queue];
    struct virtqueue_element element;
    for (unsigned i = 0; i < ELEMENTS_AT_ONCE && virtqueue_pop(requests, &element);
         i++) {
        uint8_t bytes[BYTES_AT_ONCE];
        size_t length = element.writable_bytes < sizeof(bytes)
                            ? (size_t)element.writable_bytes
                            : sizeof(bytes);
        if (!fill(rng, bytes, length)) {
            length = 0;
        }
        size_t written = virtqueue_write(requests, &element, 0, bytes, length);
        virtqueue_push(requests, &element, (uint32_t)written);
    }
}

static const struct virtio_class virtio_rng_class = {
    .name = "virtio-rng",
    .type = VIRTIO_TYPE_ENTROPY,
    .class_code = CLASS_OTHER,
    .queue_count = 1,
    .queue_sizes = {64},
    .notify = notify,
};

/* What has been given out stays given out: the generator goes on after a reset. */
static void virtio_rng_reset(void *device)
{
    struct virtio_rng *rng = device;
    virtio_power_on(&rng->virtio);
}

static void virtio_rng_reset_lines(void *device)
{
    struct virtio_rng *rng = device;
    virtio_reset_lines(&rng->virtio);
}

static bool virtio_rng_loaded(void *device, struct error *error)
{
    struct virtio_rng *rng = device;
    return virtio_loaded(&rng->virtio, error);
}

static void virtio_rng_save_more(const void *device, struct state_buffer *buffer)
{
    const struct virtio_rng *rng = device;
    virtio_save_queues(&rng->virtio, buffer);
}

static bool virtio_rng_load_more(void *device, struct state_buffer *buffer,
                                 struct error *error)
{
    struct virtio_rng *rng = device;
    return virtio_load_queues(&rng->virtio, buffer, error);
}

static const struct device_class virtio_rng_device_class = {
    .name = "virtio-rng",
    .version = 1,
    .size = sizeof(struct virtio_rng),
    .fields = virtio_rng_fields,
    .reset = virtio_rng_reset,
    .reset_lines = virtio_rng_reset_lines,
    .loaded = virtio_rng_loaded,
    .save_more = virtio_rng_save_more,
    .load_more = virtio_rng_load_more,
};

struct virtio_rng *virtio_rng_create(struct log *log, struct pci_bus *bus,
                                     unsigned slot, struct entropy_source source)
{
    struct virtio_rng *rng = device_allocate(&virtio_rng_device_class, log);
    rng->source = source;
    rng->generator = SEED;
    virtio_init(&rng->virtio, &virtio_rng_class, rng, log, bus, slot);
    virtio_rng_reset(rng);
    return rng;
}
