#include "devices/fw_cfg.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
    SELECTOR_PORT = 0x510,
    DMA_PORT = 0x514,
    LOCAL_KEYS = 8,          /* FW_CFG_ARCH_LOCAL and up */
    KEY_INDEX_MASK = 0x3fff, /* without "local" and the write channel (0x4000) */
    INTERFACE_PORTS = 1,     /* bits of FW_CFG_ID */
    INTERFACE_DMA = 2,
};

enum dma_control {
    DMA_ERROR = 1,
    DMA_READ = 2,
    DMA_SKIP = 4,
    DMA_SELECT = 8, /* the key is in the upper 16 bits */
    DMA_WRITE = 16,
};

/* What the DMA address register reads as: "QEMU CFG", big endian. */
#define DMA_SIGNATURE 0x51454d5520434647ULL

struct item {
    void *bytes;
    size_t length;
};

struct file {
    char name[FW_CFG_FILE_NAME_BYTES];
    struct item item;
};

struct fw_cfg {
    struct device device;
    struct memory_map *memory;
    struct item items[FW_CFG_FILE_FIRST], local[LOCAL_KEYS];
    struct file files[FW_CFG_FILES]; /* sorted by name */
    unsigned file_count;
    /* saved */
    uint16_t key;
    uint64_t offset; /* into the selected item */
    uint64_t dma_address;
};

static const struct state_field fields[] = {
    STATE_FIELD(struct fw_cfg, key, 1),
    STATE_FIELD(struct fw_cfg, offset, 1),
    STATE_FIELD(struct fw_cfg, dma_address, 1),
    STATE_END,
};

/* A directory entry and a DMA descriptor as the guest sees them, big endian. */
struct directory_entry {
    uint32_t size;
    uint16_t key, reserved;
    char name[FW_CFG_FILE_NAME_BYTES];
};

struct dma_descriptor {
    uint32_t control, length;
    uint64_t address;
};

static struct item *find_item(struct fw_cfg *fw_cfg, uint16_t key)
{
    unsigned index = key & KEY_INDEX_MASK;
    if (key & FW_CFG_ARCH_LOCAL) {
        return index < LOCAL_KEYS ? &fw_cfg->local[index] : NULL;
    }
    if (index < FW_CFG_FILE_FIRST) {
        return &fw_cfg->items[index];
    }
    index -= FW_CFG_FILE_FIRST;
    return index < fw_cfg->file_count ? &fw_cfg->files[index].item : NULL;
}

static void set_item(struct item *item, const void *bytes, size_t length)
{
    void *copy = malloc(length ? length : 1);
    assert(copy);
    if (length) {
        memcpy(copy, bytes, length);
    }
    free(item->bytes);
    *item = (struct item){copy, length};
}

/* Copies from the selected item; what lies behind its end reads as zeros. */
static void read_selected(struct fw_cfg *fw_cfg, void *to, size_t length)
{
    const struct item *item = find_item(fw_cfg, fw_cfg->key);
    size_t there = 0;
    if (item && fw_cfg->offset < item->length) {
        there = item->length - fw_cfg->offset;
        there = there < length ? there : length;
        memcpy(to, (const char *)item->bytes + fw_cfg->offset, there);
    }
    memset((char *)to + there, 0, length - there);
    fw_cfg->offset += length;
}

static void select_key(struct fw_cfg *fw_cfg, uint16_t key)
{
    fw_cfg->key = key;
    fw_cfg->offset = 0;
}

static void read_by_dma(struct fw_cfg *fw_cfg, uint64_t address, uint32_t length)
{
    const struct item *item = find_item(fw_cfg, fw_cfg->key);
    if (item && fw_cfg->offset < item->length) {
        uint64_t there = item->length - fw_cfg->offset;
        uint32_t part = there < length ? (uint32_t)there : length;
        dma_write(fw_cfg->memory, "fw_cfg", address,
                  (const char *)item->bytes + fw_cfg->offset, part);
        fw_cfg->offset += part;
        address += part;
        length -= part;
    }
    static const uint8_t zeros[PAGE_BYTES];
    while (length) {
        uint32_t part = length < sizeof(zeros) ? length : (uint32_t)sizeof(zeros);
        dma_write(fw_cfg->memory, "fw_cfg", address, zeros, part);
        fw_cfg->offset += part;
        address += part;
        length -= part;
    }
}

/* Does what the descriptor at `dma_address` says and writes its status back. */
static void run_dma(struct fw_cfg *fw_cfg)
{
    gpa_t at = fw_cfg->dma_address;
    fw_cfg->dma_address = 0;
    struct dma_descriptor descriptor;
    dma_read(fw_cfg->memory, "fw_cfg", at, &descriptor, sizeof(descriptor));
    uint32_t control = be32toh(descriptor.control);
    uint32_t length = be32toh(descriptor.length);
    uint32_t status = 0;

    if (control & DMA_SELECT) {
        select_key(fw_cfg, (uint16_t)(control >> 16));
    }
    if (control & DMA_READ) {
        read_by_dma(fw_cfg, be64toh(descriptor.address), length);
    } else if (control & DMA_WRITE) {
        log_guest_error(fw_cfg->device.log, "fw_cfg", "write to read-only item 0x%x",
                        fw_cfg->key);
        status = DMA_ERROR;
    } else if (control & DMA_SKIP) {
        fw_cfg->offset += length;
    }
    status = htobe32(status);
    dma_write(fw_cfg->memory, "fw_cfg", at, &status, sizeof(status));
}

static uint32_t selector_read(void *opaque, uint16_t offset, unsigned width)
{
    uint8_t byte = 0;
    if (width == 1 && offset == 1) {
        read_selected(opaque, &byte, 1);
    }
    return byte;
}

/* A 16-bit write selects; the data port ignores writes. */
static void selector_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    if (width == 2 && offset == 0) {
        select_key(opaque, (uint16_t)value);
    }
}

static uint32_t dma_port_read(void *opaque, uint16_t offset, unsigned width)
{
    uint64_t little_endian = htobe64(DMA_SIGNATURE);
    return (uint32_t)(little_endian >> (8 * offset));
}

/* Upper half first; the write of the lower half starts the transfer. */
static void dma_port_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct fw_cfg *fw_cfg = opaque;
    if (width != 4) {
        return;
    }
    if (offset == 0) {
        fw_cfg->dma_address = (uint64_t)be32toh(value) << 32;
    } else if (offset == 4) {
        fw_cfg->dma_address |= be32toh(value);
        run_dma(fw_cfg);
    }
}

static const struct port_ops selector_ops = {selector_read, selector_write, 1 | 2};
static const struct port_ops dma_ops = {dma_port_read, dma_port_write, 1 | 2 | 4};

static void reset(void *device)
{
    struct fw_cfg *fw_cfg = device;
    select_key(fw_cfg, FW_CFG_SIGNATURE);
    fw_cfg->dma_address = 0;
}

static void destroy(void *device)
{
    struct fw_cfg *fw_cfg = device;
    for (unsigned i = 0; i < FW_CFG_FILE_FIRST; i++) {
        free(fw_cfg->items[i].bytes);
    }
    for (unsigned i = 0; i < LOCAL_KEYS; i++) {
        free(fw_cfg->local[i].bytes);
    }
    for (unsigned i = 0; i < fw_cfg->file_count; i++) {
        free(fw_cfg->files[i].item.bytes);
    }
}

static const struct device_class fw_cfg_class = {
    .name = "fw_cfg",
    .version = 1,
    .size = sizeof(struct fw_cfg),
    .fields = fields,
    .reset = reset,
    .destroy = destroy,
};

static void write_directory(struct fw_cfg *fw_cfg)
{
    struct {
        uint32_t count;
        struct directory_entry entries[FW_CFG_FILES];
    } directory = {.count = htobe32(fw_cfg->file_count)};
    for (unsigned i = 0; i < fw_cfg->file_count; i++) {
        const struct file *file = &fw_cfg->files[i];
        struct directory_entry *entry = &directory.entries[i];
        entry->size = htobe32((uint32_t)file->item.length);
        entry->key = htobe16((uint16_t)(FW_CFG_FILE_FIRST + i));
        memcpy(entry->name, file->name, sizeof(entry->name));
    }
    fw_cfg_add_bytes(fw_cfg, FW_CFG_FILE_DIR, &directory,
                     sizeof(directory.count) +
                         fw_cfg->file_count * sizeof(struct directory_entry));
}

struct fw_cfg *fw_cfg_create(struct log *log, struct port_space *ports,
                             struct memory_map *memory)
{
    struct fw_cfg *fw_cfg = device_allocate(&fw_cfg_class, log);
    fw_cfg->memory = memory;
    fw_cfg_add_bytes(fw_cfg, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_i32(fw_cfg, FW_CFG_ID, INTERFACE_PORTS | INTERFACE_DMA);
    fw_cfg_add_i64(fw_cfg, FW_CFG_RAM_SIZE, memory->ram ? memory->ram->bytes : 0);
    fw_cfg_add_i16(fw_cfg, FW_CFG_NOGRAPHIC, 0);
    fw_cfg_add_i16(fw_cfg, FW_CFG_NB_CPUS, 1);
    fw_cfg_add_i16(fw_cfg, FW_CFG_MAX_CPUS, 1);
    fw_cfg_add_i16(fw_cfg, FW_CFG_BOOT_MENU, 0);
    write_directory(fw_cfg);
    port_map(ports, "fw_cfg", SELECTOR_PORT, 2, &selector_ops, fw_cfg);
    port_map(ports, "fw_cfg-dma", DMA_PORT, 8, &dma_ops, fw_cfg);
    reset(fw_cfg);
    return fw_cfg;
}

void fw_cfg_add_bytes(struct fw_cfg *fw_cfg, uint16_t key, const void *bytes,
                      size_t length)
{
    bool is_file = !(key & FW_CFG_ARCH_LOCAL) && key >= FW_CFG_FILE_FIRST;
    struct item *item = is_file ? NULL : find_item(fw_cfg, key);
    assert(item && length <= UINT32_MAX);
    set_item(item, bytes, length);
}

void fw_cfg_add_i16(struct fw_cfg *fw_cfg, uint16_t key, uint16_t value)
{
    value = htole16(value);
    fw_cfg_add_bytes(fw_cfg, key, &value, sizeof(value));
}

void fw_cfg_add_i32(struct fw_cfg *fw_cfg, uint16_t key, uint32_t value)
{
    value = htole32(value);
    fw_cfg_add_bytes(fw_cfg, key, &value, sizeof(value));
}

void fw_cfg_add_i64(struct fw_cfg *fw_cfg, uint16_t key, uint64_t value)
{
    value = htole64(value);
    fw_cfg_add_bytes(fw_cfg, key, &value, sizeof(value));
}

void fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *bytes,
                     size_t length)
{
    size_t name_length = strlen(name);
    assert(name_length < FW_CFG_FILE_NAME_BYTES && length <= UINT32_MAX);
    unsigned place = 0;
    while (place < fw_cfg->file_count && strcmp(fw_cfg->files[place].name, name) < 0) {
        place++;
    }
    struct file *file = &fw_cfg->files[place];
    if (place == fw_cfg->file_count || strcmp(file->name, name) != 0) {
        assert(fw_cfg->file_count < FW_CFG_FILES);
        memmove(file + 1, file, (fw_cfg->file_count - place) * sizeof(*file));
        *file = (struct file){0};
        memcpy(file->name, name, name_length);
        fw_cfg->file_count++;
    }
    set_item(&file->item, bytes, length);
    write_directory(fw_cfg);
}

const void *fw_cfg_find_item(const struct fw_cfg *fw_cfg, uint16_t key, size_t *length)
{
    const struct item *item = find_item((struct fw_cfg *)fw_cfg, key);
    if (!item || !item->bytes) {
        return NULL;
    }
    *length = item->length;
    return item->bytes;
}

const void *fw_cfg_find_file(const struct fw_cfg *fw_cfg, const char *name,
                             size_t *length)
{
    for (unsigned i = 0; i < fw_cfg->file_count; i++) {
        const struct file *file = &fw_cfg->files[i];
        if (strcmp(file->name, name) == 0) {
            *length = file->item.length;
            return file->item.bytes;
        }
    }
    return NULL;
}
