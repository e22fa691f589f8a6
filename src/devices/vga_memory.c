/* devices/vga_memory.c: the way of a byte between the CPU and the four planes.
 *
 * Source: IBM VGA XGA Technical Reference, "VGA Memory", sequencer registers 2 and 4,
 * graphics controller registers 0-8. */
#include "devices/vga_internal.h"

#include <string.h>

enum { BANK_BYTES = 64 << 10, MAP_SELECT_SHIFT = 2, FUNCTION_SHIFT = 3 };

enum alu_function { ALU_REPLACE, ALU_AND, ALU_OR, ALU_XOR };

/* Four bits, one per plane, to bytes of ones. */
static uint32_t expand(unsigned planes)
{
    uint32_t word = (planes & 1) | (planes & 2) << 7 | (planes & 4) << 14 |
                    (uint32_t)(planes & 8) << 21;
    return word * 0xff;
}

static uint32_t four_times(uint8_t byte)
{
    return byte * 0x01010101U;
}

void vga_memory_update(struct vga *vga)
{
    static const struct {
        uint32_t first, bytes;
    } maps[] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    const uint8_t *graphics = vga->graphics;
    uint8_t miscellaneous = graphics[GRAPHICS_MISCELLANEOUS];
    uint8_t memory_mode = vga->sequencer[SEQUENCER_MEMORY_MODE];
    unsigned map = miscellaneous >> MAP_SELECT_SHIFT & 3;

    vga->window.enabled = vga->miscellaneous & 2;
    vga->window.bank = 0;
    vga->window.offset_mask = VGA_PLANE_BYTES - 1;
    vga->window.high_bit = 0;
    vga->window.plain_write = (graphics[GRAPHICS_MODE] & MODE_WRITE_MASK) == 0 &&
                              graphics[GRAPHICS_DATA_ROTATE] == 0 &&
                              graphics[GRAPHICS_ENABLE_SET_RESET] == 0 &&
                              graphics[GRAPHICS_BIT_MASK] == 0xff;
    if (vga_vbe_enabled(vga)) {
        bool planar = vga->dispi[DISPI_BITS_PER_PIXEL] == 4;
        map = 1;
        vga->window.enabled = true;
        vga->window.bank = vga->dispi[DISPI_BANK] * (uint32_t)BANK_BYTES;
        vga->window.offset_mask = VGA_MEMORY_BYTES / 4 - 1;
        vga->window.write = vga->window.read = planar ? VGA_PLANAR : VGA_LINEAR;
    } else if (memory_mode & MEMORY_MODE_CHAIN4) {
        vga->window.write = vga->window.read = VGA_CHAIN4;
    } else {
        vga->window.write =
            memory_mode & MEMORY_MODE_SEQUENTIAL ? VGA_PLANAR : VGA_ODD_EVEN;
        vga->window.read =
            graphics[GRAPHICS_MODE] & MODE_ODD_EVEN_READ ? VGA_ODD_EVEN : VGA_PLANAR;
        if (map == 0 && (miscellaneous & MISCELLANEOUS_CHAIN_ODD_EVEN)) {
            vga->window.high_bit = 0x10000;
        }
    }
    vga->window.first = maps[map].first;
    vga->window.bytes = maps[map].bytes;
}

/* The word of planes that `address` (from the window's base, with the bank) is in, and
 * the planes it selects. */
static uint32_t *locate(struct vga *vga, enum vga_addressing addressing,
                        uint32_t address, unsigned *planes)
{
    uint32_t offset = address;
    switch (addressing) {
    case VGA_PLANAR:
        *planes = 0xf;
        break;
    case VGA_ODD_EVEN:
        *planes = address & 1 ? 0xa : 0x5;
        offset = address & ~1U;
        offset |= address & vga->window.high_bit ? 1 : 0;
        break;
    case VGA_CHAIN4:
        *planes = 1U << (address & 3);
        offset = address & ~3U;
        break;
    case VGA_LINEAR:
        *planes = 1U << (address & 3);
        offset = address >> 2;
        break;
    }
    offset &= vga->window.offset_mask;
    return (uint32_t *)(void *)vga->memory.host + offset;
}

/* The same to write there. */
static uint32_t *locate_to_write(struct vga *vga, uint32_t address, unsigned *planes)
{
    uint32_t *word = locate(vga, vga->window.write, address, planes);
    ram_note_write(&vga->memory, (uint64_t)((uint8_t *)word - vga->memory.host),
                   sizeof(*word));
    return word;
}

static uint32_t apply_function(const struct vga *vga, uint32_t data)
{
    switch (vga->graphics[GRAPHICS_DATA_ROTATE] >> FUNCTION_SHIFT) {
    case ALU_AND:
        return data & vga->latches;
    case ALU_OR:
        return data | vga->latches;
    case ALU_XOR:
        return data ^ vga->latches;
    default:
        return data;
    }
}

/* What the four planes are offered when the CPU writes `value`. */
static uint32_t write_data(const struct vga *vga, uint8_t value)
{
    const uint8_t *graphics = vga->graphics;
    unsigned rotate = graphics[GRAPHICS_DATA_ROTATE] & 7;
    uint8_t rotated = (uint8_t)(value >> rotate | value << (8 - rotate));
    uint8_t bit_mask = graphics[GRAPHICS_BIT_MASK];
    uint32_t set_reset = expand(graphics[GRAPHICS_SET_RESET]);
    uint32_t data;
    switch (graphics[GRAPHICS_MODE] & MODE_WRITE_MASK) {
    case 0: {
        uint32_t enable = expand(graphics[GRAPHICS_ENABLE_SET_RESET]);
        data = (four_times(rotated) & ~enable) | (set_reset & enable);
        break;
    }
    case 1:
        return vga->latches;
    case 2:
        data = expand(value);
        break;
    default:
        data = set_reset;
        bit_mask &= rotated;
        break;
    }
    uint32_t mask = four_times(bit_mask);
    return (apply_function(vga, data) & mask) | (vga->latches & ~mask);
}

static void write_byte(struct vga *vga, uint32_t address, uint8_t value)
{
    unsigned planes;
    uint32_t *word = locate_to_write(vga, address, &planes);
    if (vga->window.write == VGA_LINEAR) {
        uint32_t mask = expand(planes);
        *word = (*word & ~mask) | (four_times(value) & mask);
        return;
    }
    uint32_t mask = expand(planes & vga->sequencer[SEQUENCER_MAP_MASK]);
    uint32_t data =
        vga->window.plain_write ? four_times(value) : write_data(vga, value);
    *word = (*word & ~mask) | (data & mask);
}

static uint8_t read_byte(struct vga *vga, uint32_t address)
{
    const uint8_t *graphics = vga->graphics;
    unsigned planes;
    uint32_t word = *locate(vga, vga->window.read, address, &planes);
    unsigned plane = graphics[GRAPHICS_READ_MAP];
    if (vga->window.read == VGA_LINEAR) {
        return (uint8_t)(word >> 8 * (address & 3));
    }
    vga->latches = word;
    if (graphics[GRAPHICS_MODE] & MODE_READ_COMPARE) {
        uint32_t differs = (word ^ expand(graphics[GRAPHICS_COLOR_COMPARE])) &
                           expand(graphics[GRAPHICS_COLOR_CARE]);
        differs |= differs >> 16;
        differs |= differs >> 8;
        return (uint8_t)~differs;
    }
    if (vga->window.read == VGA_CHAIN4) {
        plane = address & 3;
    } else if (vga->window.read == VGA_ODD_EVEN) {
        plane = (plane & 2) | (address & 1);
    }
    return (uint8_t)(word >> 8 * plane);
}

/* Text modes: character and attribute are stored in one go. */
static bool writes_text_cells(const struct vga *vga, unsigned width)
{
    return width >= 2 && vga->window.write == VGA_ODD_EVEN && vga->window.plain_write &&
           vga->sequencer[SEQUENCER_MAP_MASK] == 3;
}

static void window_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    struct vga *vga = opaque;
    uint32_t address = (uint32_t)offset - vga->window.first;
    if (!vga->window.enabled || address >= vga->window.bytes) {
        return;
    }
    address += vga->window.bank;
    if (writes_text_cells(vga, width)) {
        for (unsigned i = 0; i < width; i += 2, value >>= 16) {
            unsigned planes;
            uint16_t cell = (uint16_t)value;
            memcpy(locate_to_write(vga, address + i, &planes), &cell, 2);
        }
        return;
    }
    for (unsigned i = 0; i < width; i++, value >>= 8) {
        write_byte(vga, address + i, (uint8_t)value);
    }
}

static uint32_t window_read(void *opaque, uint64_t offset, unsigned width)
{
    struct vga *vga = opaque;
    uint32_t address = (uint32_t)offset - vga->window.first;
    if (!vga->window.enabled || address >= vga->window.bytes) {
        return UINT32_MAX;
    }
    address += vga->window.bank;
    uint32_t value = 0;
    for (unsigned i = 0; i < width; i++) {
        value |= (uint32_t)read_byte(vga, address + i) << 8 * i;
    }
    return value;
}

const struct memory_ops vga_window_ops = {window_read, window_write, 1 | 2 | 4};
