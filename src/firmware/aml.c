#include "firmware/aml.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum opcode {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_EXTENDED = 0x5b,
    OP_ARGUMENT0 = 0x68,
    OP_STORE = 0x70,
    OP_AND = 0x7b,
    OP_OR = 0x7d,
    OP_NOTIFY = 0x86,
    OP_DWORD_FIELD = 0x8a,
    OP_IF = 0xa0,
    OP_RETURN = 0xa4,
    /* after OP_EXTENDED */
    OP_REGION = 0x80,
    OP_FIELD = 0x81,
    OP_DEVICE = 0x82,
};

enum {
    METHOD_SERIALIZED = 8,
    REGION_PCI_CONFIG = 2,
    FIELD_BYTE_ACCESS = 1, /* no lock, preserve */
    SEGMENT_CHARACTERS = 4,
    MAXIMUM_SEGMENTS = 8,
};

/* Resource descriptors, section 6.4. */
enum {
    RESOURCE_IRQ = 0x22,
    RESOURCE_DMA = 0x2a,
    RESOURCE_PORTS = 0x47,
    RESOURCE_END = 0x79,
    RESOURCE_MEMORY_32 = 0x86, /* at a fixed place */
    RESOURCE_DWORD_RANGE = 0x87,
    RESOURCE_WORD_RANGE = 0x88,
    RESOURCE_EXTENDED_IRQ = 0x89,
    DMA_COMPATIBLE_8_BITS = 0,
    PORTS_DECODE_16_BITS = 1,
    IRQ_CONSUMER = 1,
    IRQ_SHARED = 8,
    RANGE_MEMORY = 0,
    RANGE_PORTS = 1,
    RANGE_BUSES = 2,
    RANGE_FIXED = 0x0c,  /* minimum and maximum are fixed; the bus produces it */
    RANGE_ALL_PORTS = 3, /* not restricted to the ISA ranges */
    RANGE_WRITABLE = 1,
    RANGE_CACHEABLE = 2,
};

static void insert(struct aml *aml, size_t at, const void *bytes, size_t length)
{
    uint8_t *grown = realloc(aml->bytes, aml->length + length);
    assert(grown);
    memmove(grown + at + length, grown + at, aml->length - at);
    memcpy(grown + at, bytes, length);
    aml->bytes = grown;
    aml->length += length;
}

static void put8(struct aml *aml, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    insert(aml, aml->length, &byte, 1);
}

static void put16(struct aml *aml, unsigned value)
{
    put8(aml, value);
    put8(aml, value >> 8);
}

static void put32(struct aml *aml, uint32_t value)
{
    put16(aml, value);
    put16(aml, value >> 16);
}

/* PkgLength (16.2.4): counts itself, one to three bytes here. Returns its size. */
static size_t package_length(uint8_t *to, size_t body)
{
    if (body + 1 < 0x40) {
        to[0] = (uint8_t)(body + 1);
        return 1;
    }
    size_t bytes = body + 2 < 0x1000 ? 2 : 3;
    size_t length = body + bytes;
    assert(length < 0x100000);
    to[0] = (uint8_t)((bytes - 1) << 6 | (length & 0xf));
    to[1] = (uint8_t)(length >> 4);
    to[2] = (uint8_t)(length >> 12);
    return bytes;
}

static void open_body(struct aml *aml)
{
    assert(aml->depth < AML_NESTING);
    aml->open[aml->depth].start = aml->length;
    aml->open[aml->depth].resources = false;
    aml->depth++;
}

void aml_end(struct aml *aml)
{
    assert(aml->depth);
    aml->depth--;
    size_t start = aml->open[aml->depth].start;
    if (aml->open[aml->depth].resources) {
        put8(aml, RESOURCE_END);
        put8(aml, 0); /* no checksum */
        size_t bytes = aml->length - start;
        uint8_t size[3] = {OP_WORD, (uint8_t)bytes, (uint8_t)(bytes >> 8)};
        insert(aml, start, size, sizeof(size));
    }
    uint8_t length[3];
    size_t bytes = package_length(length, aml->length - start);
    insert(aml, start, length, bytes);
}

/* A segment, filled up with '_'; returns what follows it and its '.'. */
static const char *put_segment(struct aml *aml, const char *name)
{
    size_t length = strcspn(name, ".");
    assert(length > 0 && length <= SEGMENT_CHARACTERS);
    for (size_t i = 0; i < SEGMENT_CHARACTERS; i++) {
        put8(aml, (uint8_t)(i < length ? name[i] : '_'));
    }
    return name[length] ? name + length + 1 : NULL;
}

void aml_path(struct aml *aml, const char *name)
{
    while (*name == '\\' || *name == '^') {
        put8(aml, (uint8_t)*name++);
    }
    unsigned segments = 1;
    for (const char *dot = name; (dot = strchr(dot, '.')) != NULL; dot++) {
        segments++;
    }
    assert(segments <= MAXIMUM_SEGMENTS);
    if (segments == 2) {
        put8(aml, OP_DUAL_NAME);
    } else if (segments > 2) {
        put8(aml, OP_MULTI_NAME);
        put8(aml, segments);
    }
    while (name) {
        name = put_segment(aml, name);
    }
}

void aml_scope(struct aml *aml, const char *name)
{
    put8(aml, OP_SCOPE);
    open_body(aml);
    aml_path(aml, name);
}

void aml_device(struct aml *aml, const char *name)
{
    put8(aml, OP_EXTENDED);
    put8(aml, OP_DEVICE);
    open_body(aml);
    aml_path(aml, name);
}

void aml_method(struct aml *aml, const char *name, unsigned arguments, bool serialized)
{
    put8(aml, OP_METHOD);
    open_body(aml);
    aml_path(aml, name);
    put8(aml, arguments | (serialized ? METHOD_SERIALIZED : 0));
}

void aml_name(struct aml *aml, const char *name)
{
    put8(aml, OP_NAME);
    aml_path(aml, name);
}

void aml_pci_region(struct aml *aml, const char *name, uint8_t offset, uint8_t bytes)
{
    put8(aml, OP_EXTENDED);
    put8(aml, OP_REGION);
    aml_path(aml, name);
    put8(aml, REGION_PCI_CONFIG);
    aml_integer(aml, offset);
    aml_integer(aml, bytes);
}

void aml_field(struct aml *aml, const char *region)
{
    put8(aml, OP_EXTENDED);
    put8(aml, OP_FIELD);
    open_body(aml);
    aml_path(aml, region);
    put8(aml, FIELD_BYTE_ACCESS);
}

void aml_field_unit(struct aml *aml, const char *segment, unsigned bits)
{
    assert(bits < 0x40); /* a PkgLength of one byte, here not counting itself */
    aml_path(aml, segment);
    put8(aml, bits);
}

void aml_integer(struct aml *aml, uint32_t value)
{
    if (value <= 1) {
        put8(aml, value ? OP_ONE : OP_ZERO);
    } else if (value <= UINT8_MAX) {
        put8(aml, OP_BYTE);
        put8(aml, value);
    } else if (value <= UINT16_MAX) {
        put8(aml, OP_WORD);
        put16(aml, value);
    } else {
        put8(aml, OP_DWORD);
        put32(aml, value);
    }
}

void aml_string(struct aml *aml, const char *text)
{
    put8(aml, OP_STRING);
    insert(aml, aml->length, text, strlen(text) + 1);
}

/* Three letters of five bits each and four hexadecimal digits, big endian. */
void aml_eisa_id(struct aml *aml, const char *id)
{
    assert(strlen(id) == 7);
    unsigned letters =
        (id[0] - '@') << 10 | (unsigned)(id[1] - '@') << 5 | (unsigned)(id[2] - '@');
    unsigned digits = (unsigned)strtoul(id + 3, NULL, 16);
    put8(aml, OP_DWORD);
    put8(aml, letters >> 8);
    put8(aml, letters);
    put8(aml, digits >> 8);
    put8(aml, digits);
}

void aml_package(struct aml *aml, uint8_t elements)
{
    put8(aml, OP_PACKAGE);
    open_body(aml);
    put8(aml, elements);
}

void aml_argument(struct aml *aml, unsigned number)
{
    put8(aml, OP_ARGUMENT0 + number);
}

void aml_store(struct aml *aml)
{
    put8(aml, OP_STORE);
}

void aml_and(struct aml *aml)
{
    put8(aml, OP_AND);
}

void aml_or(struct aml *aml)
{
    put8(aml, OP_OR);
}

void aml_no_target(struct aml *aml)
{
    put8(aml, OP_ZERO);
}

void aml_if(struct aml *aml)
{
    put8(aml, OP_IF);
    open_body(aml);
}

void aml_return(struct aml *aml)
{
    put8(aml, OP_RETURN);
}

void aml_notify(struct aml *aml)
{
    put8(aml, OP_NOTIFY);
}

void aml_dword_field(struct aml *aml)
{
    put8(aml, OP_DWORD_FIELD);
}

void aml_resources(struct aml *aml)
{
    put8(aml, OP_BUFFER);
    open_body(aml);
    aml->open[aml->depth - 1].resources = true;
}

void aml_resource_ports(struct aml *aml, uint16_t first, uint8_t count)
{
    put8(aml, RESOURCE_PORTS);
    put8(aml, PORTS_DECODE_16_BITS);
    put16(aml, first);
    put16(aml, first);
    put8(aml, 1); /* alignment */
    put8(aml, count);
}

void aml_resource_memory(struct aml *aml, uint32_t first, uint32_t bytes)
{
    put8(aml, RESOURCE_MEMORY_32);
    put16(aml, 9);
    put8(aml, RANGE_WRITABLE);
    put32(aml, first);
    put32(aml, bytes);
}

void aml_resource_irq(struct aml *aml, unsigned irq)
{
    put8(aml, RESOURCE_IRQ);
    put16(aml, 1U << irq);
}

void aml_resource_dma(struct aml *aml, unsigned channel)
{
    put8(aml, RESOURCE_DMA);
    put8(aml, 1U << channel);
    put8(aml, DMA_COMPATIBLE_8_BITS);
}

void aml_resource_shared_irq(struct aml *aml, uint16_t mask)
{
    unsigned count = mask ? (unsigned)__builtin_popcount(mask) : 1;
    put8(aml, RESOURCE_EXTENDED_IRQ);
    put16(aml, 2 + 4 * count);
    put8(aml, IRQ_CONSUMER | IRQ_SHARED);
    put8(aml, count);
    for (unsigned irq = 0; irq < 16; irq++) {
        if (mask >> irq & 1) {
            put32(aml, irq);
        }
    }
    if (!mask) {
        put32(aml, 0);
    }
}

static void word_range(struct aml *aml, unsigned type, unsigned flags, uint16_t first,
                       uint16_t last)
{
    put8(aml, RESOURCE_WORD_RANGE);
    put16(aml, 13);
    put8(aml, type);
    put8(aml, RANGE_FIXED);
    put8(aml, flags);
    put16(aml, 0); /* granularity */
    put16(aml, first);
    put16(aml, last);
    put16(aml, 0); /* translation */
    put16(aml, last - first + 1U);
}

void aml_resource_bus_range(struct aml *aml, uint16_t first, uint16_t last)
{
    word_range(aml, RANGE_BUSES, 0, first, last);
}

void aml_resource_port_range(struct aml *aml, uint16_t first, uint16_t last)
{
    word_range(aml, RANGE_PORTS, RANGE_ALL_PORTS, first, last);
}

void aml_resource_memory_range(struct aml *aml, bool cacheable, uint32_t first,
                               uint32_t last)
{
    put8(aml, RESOURCE_DWORD_RANGE);
    put16(aml, 23);
    put8(aml, RANGE_MEMORY);
    put8(aml, RANGE_FIXED);
    put8(aml, RANGE_WRITABLE | (cacheable ? RANGE_CACHEABLE : 0));
    put32(aml, 0); /* granularity */
    put32(aml, first);
    put32(aml, last);
    put32(aml, 0); /* translation */
    put32(aml, last - first + 1);
}
