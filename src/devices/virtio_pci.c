/* How drivers reach a virtio device over PCI: by the structures that capabilities point
 * to (VIRTIO 1.2, section 4.1.4), or by legacy ports (4.1.4.10). */
#include "devices/virtio_internal.h"

#include <assert.h>
#include <string.h>

enum {
    VENDOR = 0x1af4,
    TRANSITIONAL_DEVICE = 0x1000,
    MODERN_DEVICE = 0x1040, /* and the type */
    MODERN_REVISION = 1,
    CAPABILITIES = 0x34,
    CAPABILITIES_START = 0x40,
    STATUS_HAS_CAPABILITIES = 0x10,
    INTERRUPT_PIN_A = 1,
    TABLE_ALIGNMENT = 4096, /* legacy: of the used ring, and the unit of addresses */

    LEGACY_BAR = 0,
    LEGACY_PORTS = 64,
    LEGACY_DEVICE_FEATURES = 0,
    LEGACY_DRIVER_FEATURES = 4,
    LEGACY_QUEUE_PAGE = 8,
    LEGACY_QUEUE_SIZE = 12,
    LEGACY_QUEUE_SELECT = 14,
    LEGACY_QUEUE_NOTIFY = 16,
    LEGACY_STATUS = 18,
    LEGACY_ISR = 19,
    LEGACY_CONFIG = 20,

    MODERN_BAR = 4,
    PART_BYTES = 4096, /* of the BAR, for each structure */
    PART_COMMON = 0,
    PART_ISR = 1,
    PART_CONFIG = 2,
    PART_NOTIFY = 3,
    PARTS = 4,
    NOTIFY_STRIDE = 4,

    COMMON_DEVICE_FEATURE_SELECT = 0,
    COMMON_DEVICE_FEATURE = 4,
    COMMON_DRIVER_FEATURE_SELECT = 8,
    COMMON_DRIVER_FEATURE = 12,
    COMMON_MSIX = 16,
    COMMON_QUEUES = 18,
    COMMON_STATUS = 20,
    COMMON_GENERATION = 21,
    COMMON_QUEUE_SELECT = 22,
    COMMON_QUEUE_SIZE = 24,
    COMMON_QUEUE_MSIX = 26,
    COMMON_QUEUE_ENABLE = 28,
    COMMON_QUEUE_NOTIFY = 30,
    COMMON_QUEUE_TABLES = 32, /* descriptors, available, used: 64 bits each */
    COMMON_END = 56,
    NO_VECTOR = 0xffff,

    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_BYTES = 16,
    KIND_COMMON = 1,
    KIND_NOTIFY = 2,
    KIND_ISR = 3,
    KIND_DEVICE = 4,
    KIND_WINDOW = 5,
    /* The last capability: a window to the BAR for those that cannot map it. */
    WINDOW = CAPABILITIES_START + 4 * CAPABILITY_BYTES + 4,
    WINDOW_DATA = WINDOW + CAPABILITY_BYTES,
};

/* -- the structures of version 1 -- */

static uint32_t half(uint64_t value, unsigned which)
{
    return which > 1 ? 0 : (uint32_t)(value >> (32 * which));
}

static gpa_t *table_of(struct virtqueue *queue, uint64_t offset)
{
    gpa_t *const tables[] = {&queue->descriptors, &queue->available, &queue->used};
    return tables[(offset - COMMON_QUEUE_TABLES) / 8];
}

static uint32_t queue_read(struct virtqueue *queue, uint64_t offset)
{
    switch (offset) {
    case COMMON_QUEUE_SIZE:
        return queue->size;
    case COMMON_QUEUE_ENABLE:
        return queue->enabled;
    default:
        return offset >= COMMON_QUEUE_TABLES
                   ? half(*table_of(queue, offset), offset / 4 % 2)
                   : 0;
    }
}

static uint32_t common_read(struct virtio *virtio, uint64_t offset)
{
    struct virtqueue *queue = virtio_selected_queue(virtio);
    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        return virtio->device_feature_select;
    case COMMON_DEVICE_FEATURE:
        return half(virtio_offered_features(virtio), virtio->device_feature_select);
    case COMMON_DRIVER_FEATURE_SELECT:
        return virtio->driver_feature_select;
    case COMMON_DRIVER_FEATURE:
        return half(virtio->driver_features, virtio->driver_feature_select);
    case COMMON_MSIX:
    case COMMON_QUEUE_MSIX:
        return NO_VECTOR;
    case COMMON_QUEUES:
        return virtio->class->queue_count;
    case COMMON_STATUS:
        return virtio->status;
    case COMMON_GENERATION:
        return virtio->generation;
    case COMMON_QUEUE_SELECT:
        return virtio->queue_select;
    case COMMON_QUEUE_NOTIFY:
        return queue ? virtio->queue_select : 0;
    default:
        return queue && offset < COMMON_END ? queue_read(queue, offset) : 0;
    }
}

static void set_size(struct virtqueue *queue, uint32_t size)
{
    if (size && size <= queue->maximum && (size & (size - 1)) == 0) {
        queue->size = (uint16_t)size;
    }
}

static void queue_write(struct virtqueue *queue, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case COMMON_QUEUE_SIZE:
        if (!queue->enabled) {
            set_size(queue, value);
        }
        break;
    case COMMON_QUEUE_ENABLE:
        queue->enabled = queue->enabled || value == 1;
        break;
    default:
        if (!queue->enabled && offset >= COMMON_QUEUE_TABLES) {
            gpa_t *table = table_of(queue, offset);
            unsigned shift = offset / 4 % 2 * 32;
            *table = (*table & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
        }
        break;
    }
}

static void write_driver_feature(struct virtio *virtio, uint32_t value)
{
    if (virtio->driver_feature_select <= 1) {
        unsigned shift = 32 * virtio->driver_feature_select;
        uint64_t others = virtio->driver_features & ~(0xffffffffULL << shift);
        virtio_set_features(virtio, others | (uint64_t)value << shift);
    }
}

static void common_write(struct virtio *virtio, uint64_t offset, uint32_t value)
{
    struct virtqueue *queue = virtio_selected_queue(virtio);
    switch (offset) {
    case COMMON_DEVICE_FEATURE_SELECT:
        virtio->device_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE_SELECT:
        virtio->driver_feature_select = value;
        break;
    case COMMON_DRIVER_FEATURE:
        write_driver_feature(virtio, value);
        break;
    case COMMON_STATUS:
        virtio_set_status(virtio, (uint8_t)value);
        break;
    case COMMON_QUEUE_SELECT:
        virtio->queue_select = (uint16_t)value;
        break;
    default:
        if (queue && offset >= COMMON_QUEUE_SIZE && offset < COMMON_END) {
            queue_write(queue, offset, value);
        }
        break;
    }
}

/* Drivers access each field in one piece, and 64-bit ones in two. */
static uint32_t modern_read(void *opaque, uint64_t offset, unsigned width)
{
    struct virtio *virtio = opaque;
    uint64_t in_part = offset % PART_BYTES;
    switch (offset / PART_BYTES) {
    case PART_COMMON:
        return common_read(virtio, in_part);
    case PART_ISR:
        return in_part == 0 ? virtio_take_isr(virtio) : 0;
    case PART_CONFIG:
        return virtio_config_read(virtio, in_part, width);
    default:
        return 0;
    }
}

static void modern_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    struct virtio *virtio = opaque;
    uint64_t in_part = offset % PART_BYTES;
    switch (offset / PART_BYTES) {
    case PART_COMMON:
        common_write(virtio, in_part, value);
        break;
    case PART_CONFIG:
        virtio_config_write(virtio, in_part, value, width);
        break;
    case PART_NOTIFY:
        virtio_notify(virtio, (unsigned)(in_part / NOTIFY_STRIDE));
        break;
    default:
        break;
    }
}

static const struct memory_ops modern_ops = {modern_read, modern_write, 1 | 2 | 4};

/* -- legacy ports -- */

/* One address gives all three tables. */
static void legacy_place(struct virtqueue *queue, uint32_t page)
{
    gpa_t start = (gpa_t)page * TABLE_ALIGNMENT;
    queue->size = queue->maximum;
    queue->descriptors = start;
    queue->available = start + 16ULL * queue->size;
    gpa_t end = queue->available + 2ULL * (3U + queue->size);
    queue->used = (end + TABLE_ALIGNMENT - 1) & ~(gpa_t)(TABLE_ALIGNMENT - 1);
    queue->enabled = page != 0;
}

static uint32_t legacy_read(void *opaque, uint16_t offset, unsigned width)
{
    struct virtio *virtio = opaque;
    const struct virtqueue *queue = virtio_selected_queue(virtio);
    switch (offset) {
    case LEGACY_DEVICE_FEATURES:
        return (uint32_t)virtio_offered_features(virtio);
    case LEGACY_DRIVER_FEATURES:
        return (uint32_t)virtio->driver_features;
    case LEGACY_QUEUE_PAGE:
        return queue ? (uint32_t)(queue->descriptors / TABLE_ALIGNMENT) : 0;
    case LEGACY_QUEUE_SIZE:
        return queue ? queue->maximum : 0;
    case LEGACY_QUEUE_SELECT:
        return virtio->queue_select;
    case LEGACY_STATUS:
        return virtio->status;
    case LEGACY_ISR:
        return virtio_take_isr(virtio);
    default:
        return offset >= LEGACY_CONFIG
                   ? virtio_config_read(virtio, offset - LEGACY_CONFIG, width)
                   : 0;
    }
}

static void legacy_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct virtio *virtio = opaque;
    struct virtqueue *queue = virtio_selected_queue(virtio);
    switch (offset) {
    case LEGACY_DRIVER_FEATURES:
        /* Not checked: there is no way to refuse. */
        virtio_set_features(virtio, value & virtio_offered_features(virtio));
        break;
    case LEGACY_QUEUE_PAGE:
        if (queue) {
            legacy_place(queue, value);
        }
        break;
    case LEGACY_QUEUE_SELECT:
        virtio->queue_select = (uint16_t)value;
        break;
    case LEGACY_QUEUE_NOTIFY:
        virtio_notify(virtio, value);
        break;
    case LEGACY_STATUS:
        virtio_set_status(virtio, (uint8_t)value);
        break;
    default:
        if (offset >= LEGACY_CONFIG) {
            virtio_config_write(virtio, offset - LEGACY_CONFIG, value, width);
        }
        break;
    }
}

static const struct port_ops legacy_ops = {legacy_read, legacy_write, 1 | 2 | 4};

/* -- configuration space -- */

/* The place in the BAR that the driver has chosen for the window; false if none. */
static bool window_place(const struct virtio *virtio, uint64_t *offset, unsigned *width)
{
    const struct pci_function *function = &virtio->function;
    *offset = pci_get32(function, WINDOW + 8);
    *width = pci_get32(function, WINDOW + 12);
    return function->config[WINDOW + 4] == MODERN_BAR &&
           (*width == 1 || *width == 2 || *width == 4) && *offset % *width == 0 &&
           *offset < PARTS * PART_BYTES;
}

static bool is_window_data(unsigned offset)
{
    return offset >= WINDOW_DATA && offset < WINDOW_DATA + 4;
}

static void config_read(void *opaque, unsigned offset, unsigned width)
{
    struct virtio *virtio = opaque;
    unsigned window_width;
    uint64_t place;
    if (is_window_data(offset) && window_place(virtio, &place, &window_width)) {
        pci_put32(&virtio->function, WINDOW_DATA,
                  modern_read(virtio, place, window_width));
    }
}

static void config_written(void *opaque, unsigned offset, unsigned width)
{
    struct virtio *virtio = opaque;
    unsigned window_width;
    uint64_t place;
    if (is_window_data(offset) && window_place(virtio, &place, &window_width)) {
        uint32_t value = pci_get32(&virtio->function, WINDOW_DATA);
        if (window_width < 4) {
            value &= (1U << (8 * window_width)) - 1;
        }
        modern_write(virtio, place, value, window_width);
    }
}

/* Returns where the next one begins. */
static unsigned add_capability(struct pci_function *function, unsigned at, uint8_t kind,
                               unsigned part, unsigned bytes, unsigned extra_bytes,
                               bool is_last)
{
    uint8_t *capability = &function->config[at];
    unsigned next = at + CAPABILITY_BYTES + extra_bytes;
    capability[0] = CAPABILITY_VENDOR;
    capability[1] = is_last ? 0 : (uint8_t)next;
    capability[2] = (uint8_t)(CAPABILITY_BYTES + extra_bytes);
    capability[3] = kind;
    capability[4] = kind == KIND_WINDOW ? 0 : MODERN_BAR;
    pci_put32(function, at + 8, part * PART_BYTES);
    pci_put32(function, at + 12, bytes);
    return next;
}

static void add_capabilities(struct pci_function *function)
{
    unsigned at = CAPABILITIES_START;
    function->config[CAPABILITIES] = CAPABILITIES_START;
    function->config[PCI_STATUS] |= STATUS_HAS_CAPABILITIES;
    at = add_capability(function, at, KIND_COMMON, PART_COMMON, PART_BYTES, 0, false);
    at = add_capability(function, at, KIND_ISR, PART_ISR, PART_BYTES, 0, false);
    at = add_capability(function, at, KIND_DEVICE, PART_CONFIG, PART_BYTES, 0, false);
    pci_put32(function, at + CAPABILITY_BYTES, NOTIFY_STRIDE);
    at = add_capability(function, at, KIND_NOTIFY, PART_NOTIFY, PART_BYTES, 4, false);
    assert(at == WINDOW);
    add_capability(function, at, KIND_WINDOW, 0, 0, 4, true);
    /* Bar, offset, length and data are the driver's. */
    function->writable[WINDOW + 4] = 0xff;
    memset(&function->writable[WINDOW + 8], 0xff, 12);
}

void virtio_add_to_bus(struct virtio *virtio, struct pci_bus *bus, unsigned slot)
{
    struct pci_function *function = &virtio->function;
    const struct virtio_class *class = virtio->class;
    /* The transitional number of a kind of device is no function of its type. */
    static const uint16_t transitional[] = {
        [VIRTIO_TYPE_NET] = 0, [VIRTIO_TYPE_BLOCK] = 1, [VIRTIO_TYPE_ENTROPY] = 5};
    unsigned id = class->is_modern_only
                      ? (unsigned)MODERN_DEVICE + (unsigned)class->type
                      : (unsigned)TRANSITIONAL_DEVICE + transitional[class->type];
    pci_function_init(function, class->name, VENDOR, (uint16_t)id,
                      class->is_modern_only ? MODERN_REVISION : 0, class->class_code,
                      virtio);
    if (!class->is_modern_only) {
        pci_put16(function, PCI_SUBSYSTEM_ID, (uint16_t) class->type);
        function->bars[LEGACY_BAR] = (struct pci_bar){
            .kind = PCI_BAR_PORTS,
            .bytes = LEGACY_PORTS,
            .ports = &legacy_ops,
            .opaque = virtio,
        };
    }
    function->bars[MODERN_BAR] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = PARTS * PART_BYTES,
        .memory = {.ops = &modern_ops, .opaque = virtio},
    };
    function->config[PCI_INTERRUPT_PIN] = INTERRUPT_PIN_A;
    function->config_read = config_read;
    function->config_written = config_written;
    add_capabilities(function);
    pci_bus_add(bus, function, slot, 0);
}
