/* devices/vga_dispi.c: the Bochs VBE display interface, "dispi".
 *
 * A mode is set by writing resolution and depth while disabled, then the enable
 * register; virtual size and offsets may change while enabled. Values that the video
 * memory cannot hold are reduced. Source: Bochs's "VBE Display Extension" (vbe.h) as
 * SeaVGABIOS and Linux's bochs-drm use it. */
#include "devices/vga_internal.h"

#include <string.h>

enum {
    ID_FIRST = 0xb0c0,
    ID_LAST = 0xb0c5,
    X_MAXIMUM = 16000,
    Y_MAXIMUM = 12000,
    BITS_MAXIMUM = 32,
    BANKS = VGA_MEMORY_BYTES >> 16,
};

static bool is_depth(unsigned bits)
{
    return bits == 4 || bits == 8 || bits == 15 || bits == 16 || bits == 24 ||
           bits == 32;
}

/* Bytes of a scan line of `width` pixels. */
static uint32_t line_bytes(const struct vga *vga, unsigned width)
{
    unsigned bits = vga->dispi[DISPI_BITS_PER_PIXEL];
    return bits == 4 ? width / 2 : width * ((bits + 7) / 8);
}

static uint16_t limit(unsigned value, unsigned lowest, unsigned highest)
{
    if (value < lowest) {
        return (uint16_t)lowest;
    }
    return (uint16_t)(value < highest ? value : highest);
}

/* Makes resolution, virtual size and offsets fit each other and the memory. */
static void fit(struct vga *vga)
{
    uint16_t *dispi = vga->dispi;
    dispi[DISPI_X_RESOLUTION] = limit(dispi[DISPI_X_RESOLUTION] & ~7U, 8, X_MAXIMUM);
    dispi[DISPI_VIRTUAL_WIDTH] =
        limit(dispi[DISPI_VIRTUAL_WIDTH] & ~7U, dispi[DISPI_X_RESOLUTION], X_MAXIMUM);
    uint32_t line = line_bytes(vga, dispi[DISPI_VIRTUAL_WIDTH]);
    uint32_t lines = VGA_MEMORY_BYTES / line;
    uint32_t highest = lines < Y_MAXIMUM ? lines : Y_MAXIMUM;
    dispi[DISPI_Y_RESOLUTION] = limit(dispi[DISPI_Y_RESOLUTION], 1, highest);
    dispi[DISPI_VIRTUAL_HEIGHT] = limit(lines, 1, UINT16_MAX);
    dispi[DISPI_X_OFFSET] =
        limit(dispi[DISPI_X_OFFSET], 0,
              dispi[DISPI_VIRTUAL_WIDTH] - dispi[DISPI_X_RESOLUTION]);
    dispi[DISPI_Y_OFFSET] =
        limit(dispi[DISPI_Y_OFFSET], 0,
              dispi[DISPI_VIRTUAL_HEIGHT] - dispi[DISPI_Y_RESOLUTION]);
}

static void enable(struct vga *vga, uint16_t value)
{
    bool was_enabled = vga_vbe_enabled(vga);
    vga->dispi[DISPI_ENABLE] = value;
    vga->dispi[DISPI_BANK] = 0;
    if ((value & DISPI_ENABLED) && !was_enabled) {
        vga->dispi[DISPI_VIRTUAL_WIDTH] = vga->dispi[DISPI_X_RESOLUTION];
        vga->dispi[DISPI_X_OFFSET] = vga->dispi[DISPI_Y_OFFSET] = 0;
        fit(vga);
        if (!(value & DISPI_KEEP_MEMORY)) {
            size_t bytes = (size_t)vga->dispi[DISPI_Y_RESOLUTION] *
                           line_bytes(vga, vga->dispi[DISPI_X_RESOLUTION]);
            memset(vga->memory.host, 0, bytes);
            if (bytes) {
                ram_note_write(&vga->memory, 0, bytes);
            }
        }
    }
}

uint16_t vga_dispi_read(struct vga *vga, unsigned index)
{
    if (index >= DISPI_COUNT) {
        return 0;
    }
    if (vga->dispi[DISPI_ENABLE] & DISPI_GET_CAPABILITIES) {
        switch (index) {
        case DISPI_X_RESOLUTION:
            return X_MAXIMUM;
        case DISPI_Y_RESOLUTION:
            return Y_MAXIMUM;
        case DISPI_BITS_PER_PIXEL:
            return BITS_MAXIMUM;
        default:
            break;
        }
    }
    return index == DISPI_MEMORY_64K ? BANKS : vga->dispi[index];
}

void vga_dispi_write(struct vga *vga, unsigned index, uint16_t value)
{
    switch (index) {
    case DISPI_ID:
        if (value >= ID_FIRST && value <= ID_LAST) {
            vga->dispi[DISPI_ID] = value;
        }
        break;
    case DISPI_X_RESOLUTION:
    case DISPI_Y_RESOLUTION:
    case DISPI_VIRTUAL_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        vga->dispi[index] = value;
        fit(vga);
        break;
    case DISPI_BITS_PER_PIXEL:
        if (is_depth(value)) {
            vga->dispi[index] = value;
            fit(vga);
        } else if (value == 0) {
            vga->dispi[index] = 8; /* what the first version of the interface meant */
            fit(vga);
        } else {
            log_guest_error(vga->device.log, "vga", "VBE depth of %u bits", value);
        }
        break;
    case DISPI_ENABLE:
        enable(vga, value);
        vga_memory_update(vga);
        break;
    case DISPI_BANK:
        vga->dispi[index] = value & (BANKS - 1);
        vga_memory_update(vga);
        break;
    default:
        break;
    }
}

void vga_dispi_reset(struct vga *vga)
{
    memset(vga->dispi, 0, sizeof(vga->dispi));
    vga->dispi_index = 0;
    vga->dispi[DISPI_ID] = ID_LAST;
    vga->dispi[DISPI_BITS_PER_PIXEL] = 8;
    fit(vga);
}

bool vga_dispi_loaded(struct vga *vga)
{
    const uint16_t *dispi = vga->dispi;
    if (dispi[DISPI_ID] < ID_FIRST || dispi[DISPI_ID] > ID_LAST ||
        dispi[DISPI_BANK] >= BANKS || !is_depth(dispi[DISPI_BITS_PER_PIXEL])) {
        return false;
    }
    fit(vga);
    return true;
}
