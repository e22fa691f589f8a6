#include "devices/virtio_block.h"

#include "devices/virtio.h"

#include <stdlib.h>
#include <string.h>

enum {
    FEATURE_SEGMENTS = 2,
    FEATURE_READ_ONLY = 5,
    FEATURE_BLOCK_SIZE = 6,
    FEATURE_FLUSH = 9,
    FEATURE_DISCARD = 13,
    FEATURE_WRITE_ZEROES = 14,

    CONFIG_CAPACITY = 0,
    CONFIG_SEGMENTS = 12,
    CONFIG_BLOCK_SIZE = 20,
    CONFIG_DISCARD_SECTORS = 36, /* at most, in one request */
    CONFIG_DISCARD_SEGMENTS = 40,
    CONFIG_DISCARD_ALIGNMENT = 44,
    CONFIG_ZEROES_SECTORS = 48,
    CONFIG_ZEROES_SEGMENTS = 52,
    CONFIG_BYTES = 60,

    CLASS_STORAGE = 0x010000,
    QUEUE_SIZE = 128,
    SEGMENTS = QUEUE_SIZE - 2, /* beside the header and the status */
    SERIAL_BYTES = 20,
    HEADER_BYTES = 16,
    REQUEST_BYTES = 16 << 20, /* at most, in one request */
    DISCARD_SECTORS = 1 << 22,

    TYPE_READ = 0,
    TYPE_WRITE = 1,
    TYPE_FLUSH = 4,
    TYPE_IDENTITY = 8,
    TYPE_DISCARD = 11,
    TYPE_WRITE_ZEROES = 13,
    RANGE_UNMAP = 1, /* flag: zeros may come from nowhere */
    STATUS_GOOD = 0,
    STATUS_ERROR = 1,
    STATUS_UNSUPPORTED = 2,
};

struct header {
    uint32_t type, reserved;
    uint64_t sector;
};

/* What a discard is for; the driver may give one of these in a request. */
struct range {
    uint64_t sector;
    uint32_t sectors, flags;
};

struct virtio_block {
    struct device device;
    struct block_device *block;
    char serial[SERIAL_BYTES];
    uint32_t epoch; /* of the driver: answers to a former one are not wanted */
    /* saved */
    struct virtio virtio;
};

/* A request that the back end has. */
struct disk_request {
    struct virtio_block *disk;
    uint32_t epoch;
    uint32_t length; /* bytes that the driver gets, without the status */
    bool is_read;
    struct virtqueue_element element;
    uint8_t bytes[];
};

static const struct state_field virtio_block_fields[] = {
    VIRTIO_STATE_FIELDS(struct virtio_block, virtio),
    STATE_END,
};

static struct virtqueue *requests_of(struct virtio_block *disk)
{
    return &disk->virtio.queues[0];
}

/* The status is the last byte that can be written. */
static void answer(struct virtio_block *disk, const struct virtqueue_element *element,
                   uint32_t length, uint8_t status)
{
    struct virtqueue *queue = requests_of(disk);
    if (element->writable_bytes > 0) {
        virtqueue_write(queue, element, element->writable_bytes - 1, &status, 1);
    }
    virtqueue_push(queue, element, length + 1);
}

static void complete(void *opaque, int result)
{
    struct disk_request *request = opaque;
    struct virtio_block *disk = request->disk;
    if (request->epoch == disk->epoch) {
        if (result == 0 && request->is_read) {
            virtqueue_write(requests_of(disk), &request->element, 0, request->bytes,
                            request->length);
        }
        answer(disk, &request->element, request->is_read ? request->length : 0,
               result == 0 ? STATUS_GOOD : STATUS_ERROR);
        virtio_notify_driver(&disk->virtio, 0);
    }
    free(request);
}

/* Hands a request to the back end; false if it makes no sense. `zeros`: are written,
 * and not what is in the element. */
static bool submit(struct virtio_block *disk, enum block_operation operation,
                   uint64_t sector, uint64_t length, bool zeros,
                   const struct virtqueue_element *element)
{
    uint64_t most = operation == BLOCK_DISCARD
                        ? (uint64_t)DISCARD_SECTORS * BLOCK_SECTOR_BYTES
                        : REQUEST_BYTES;
    size_t room = operation == BLOCK_DISCARD ? 0 : length;
    if (length > most || length % BLOCK_SECTOR_BYTES || sector > disk->block->sectors ||
        length / BLOCK_SECTOR_BYTES > disk->block->sectors - sector) {
        return false;
    }
    struct disk_request *request = malloc(sizeof(*request) + room);
    if (!request) {
        return false;
    }
    request->disk = disk;
    request->epoch = disk->epoch;
    request->length = (uint32_t)length; /* of a read: else it is not used */
    request->is_read = operation == BLOCK_READ;
    request->element = *element;
    if (operation == BLOCK_WRITE) {
        memset(request->bytes, 0, zeros ? length : 0);
        virtqueue_read(requests_of(disk), element, HEADER_BYTES, request->bytes,
                       zeros ? 0 : length);
    }
    const struct block_request to_block = {
        .operation = operation,
        .sector = sector,
        .count = (uint32_t)(length / BLOCK_SECTOR_BYTES),
        .buffer = request->bytes,
        .completion = complete,
        .opaque = request,
    };
    block_device_submit(disk->block, &to_block);
    return true;
}

/* Discards, or writes zeros. */
static bool submit_range(struct virtio_block *disk, uint32_t type,
                         const struct virtqueue_element *element)
{
    struct range range;
    bool discards = type == TYPE_DISCARD;
    uint32_t known = discards ? 0 : RANGE_UNMAP;
    if (element->readable_bytes != HEADER_BYTES + sizeof(range) ||
        virtqueue_read(requests_of(disk), element, HEADER_BYTES, &range,
                       sizeof(range)) != sizeof(range) ||
        (range.flags & ~known) || disk->block->read_only) {
        return false;
    }
    return submit(disk, discards ? BLOCK_DISCARD : BLOCK_WRITE, range.sector,
                  (uint64_t)range.sectors * BLOCK_SECTOR_BYTES, !discards, element);
}

/* False: it cannot be done, and has not been answered. */
static bool carry_out(struct virtio_block *disk, const struct header *header,
                      const struct virtqueue_element *element)
{
    switch (header->type) {
    case TYPE_READ:
        return submit(disk, BLOCK_READ, header->sector, element->writable_bytes - 1,
                      false, element);
    case TYPE_WRITE:
        return !disk->block->read_only &&
               submit(disk, BLOCK_WRITE, header->sector,
                      element->readable_bytes - HEADER_BYTES, false, element);
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        return submit_range(disk, header->type, element);
    default:
        return submit(disk, BLOCK_FLUSH, 0, 0, false, element);
    }
}

static void start(struct virtio_block *disk, const struct virtqueue_element *element)
{
    struct header header;
    struct virtqueue *queue = requests_of(disk);
    if (virtqueue_read(queue, element, 0, &header, sizeof(header)) != sizeof(header) ||
        element->writable_bytes == 0) {
        log_guest_error(disk->device.log, "virtio-blk",
                        "a request without a header "
                        "or without a status");
        virtqueue_push(queue, element, 0);
        return;
    }
    switch (header.type) {
    case TYPE_READ:
    case TYPE_WRITE:
    case TYPE_FLUSH:
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        if (!carry_out(disk, &header, element)) {
            answer(disk, element, 0, STATUS_ERROR);
        }
        break;
    case TYPE_IDENTITY:
        answer(disk, element,
               (uint32_t)virtqueue_write(queue, element, 0, disk->serial, SERIAL_BYTES),
               STATUS_GOOD);
        break;
    default:
        answer(disk, element, 0, STATUS_UNSUPPORTED);
        break;
    }
}

static void notify(void *opaque, unsigned queue)
{
    struct virtio_block *disk = opaque;
    struct virtqueue_element element;
    for (unsigned i = 0;
         i < VIRTQUEUE_MAXIMUM && virtqueue_pop(&disk->virtio.queues[queue], &element);
         i++) {
        start(disk, &element);
    }
}

static void reset_disk(void *opaque)
{
    struct virtio_block *disk = opaque;
    uint8_t *config = disk->virtio.config;
    const uint32_t segments = SEGMENTS, block_bytes = BLOCK_SECTOR_BYTES;
    disk->epoch++;
    const uint32_t discard_sectors = DISCARD_SECTORS, one = 1;
    const uint32_t zeroes_sectors = REQUEST_BYTES / BLOCK_SECTOR_BYTES;
    memcpy(config + CONFIG_DISCARD_SECTORS, &discard_sectors, sizeof(uint32_t));
    memcpy(config + CONFIG_DISCARD_SEGMENTS, &one, sizeof(one));
    memcpy(config + CONFIG_DISCARD_ALIGNMENT, &one, sizeof(one));
    memcpy(config + CONFIG_ZEROES_SECTORS, &zeroes_sectors, sizeof(uint32_t));
    memcpy(config + CONFIG_ZEROES_SEGMENTS, &one, sizeof(one));
    memcpy(config + CONFIG_CAPACITY, &disk->block->sectors, sizeof(uint64_t));
    memcpy(config + CONFIG_SEGMENTS, &segments, sizeof(segments));
    memcpy(config + CONFIG_BLOCK_SIZE, &block_bytes, sizeof(block_bytes));
}

#define FEATURES                                                                       \
    (1ULL << FEATURE_SEGMENTS | 1ULL << FEATURE_BLOCK_SIZE | 1ULL << FEATURE_FLUSH)

#define CLASS(more_features)                                                           \
    {                                                                                  \
        .name = "virtio-blk", .type = VIRTIO_TYPE_BLOCK, .class_code = CLASS_STORAGE,  \
        .features = FEATURES | (more_features), .queue_count = 1,                      \
        .queue_sizes = {QUEUE_SIZE}, .config_bytes = CONFIG_BYTES, .notify = notify,   \
        .reset = reset_disk,                                                           \
    }

static const struct virtio_class writable_class = CLASS(1ULL << FEATURE_WRITE_ZEROES);
static const struct virtio_class discarding_class =
    CLASS(1ULL << FEATURE_WRITE_ZEROES | 1ULL << FEATURE_DISCARD);
static const struct virtio_class read_only_class = CLASS(1ULL << FEATURE_READ_ONLY);

static void virtio_block_reset(void *device)
{
    struct virtio_block *disk = device;
    virtio_power_on(&disk->virtio);
}

static void virtio_block_reset_lines(void *device)
{
    struct virtio_block *disk = device;
    virtio_reset_lines(&disk->virtio);
}

static bool virtio_block_loaded(void *device, struct error *error)
{
    struct virtio_block *disk = device;
    return virtio_loaded(&disk->virtio, error);
}

static void virtio_block_save_more(const void *device, struct state_buffer *buffer)
{
    const struct virtio_block *disk = device;
    virtio_save_queues(&disk->virtio, buffer);
}

static bool virtio_block_load_more(void *device, struct state_buffer *buffer,
                                   struct error *error)
{
    struct virtio_block *disk = device;
    return virtio_load_queues(&disk->virtio, buffer, error);
}

static const struct device_class virtio_block_device_class = {
    .name = "virtio-blk",
    .version = 1,
    .size = sizeof(struct virtio_block),
    .fields = virtio_block_fields,
    .reset = virtio_block_reset,
    .reset_lines = virtio_block_reset_lines,
    .loaded = virtio_block_loaded,
    .save_more = virtio_block_save_more,
    .load_more = virtio_block_load_more,
};

struct virtio_block *virtio_block_create(struct log *log, struct pci_bus *bus,
                                         unsigned slot, struct block_device *block,
                                         const char *serial)
{
    struct virtio_block *disk = device_allocate(&virtio_block_device_class, log);
    size_t length = strlen(serial);
    disk->block = block;
    memcpy(disk->serial, serial, length < SERIAL_BYTES ? length : SERIAL_BYTES);
    const struct virtio_class *class = block->read_only  ? &read_only_class
                                       : block->discards ? &discarding_class
                                                         : &writable_class;
    virtio_init(&disk->virtio, class, disk, log, bus, slot);
    virtio_block_reset(disk);
    return disk;
}
