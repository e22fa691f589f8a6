/* devices/vga_registers.c: the VGA's ports 0x3b0-0x3df.
 *
 * Source: IBM VGA XGA Technical Reference, "VGA Registers". */
#include "devices/vga_internal.h"

#include <string.h>

enum port {
    PORT_ATTRIBUTE = 0x3c0, /* index and data; reads the index */
    PORT_ATTRIBUTE_DATA = 0x3c1,
    PORT_MISCELLANEOUS_WRITE = 0x3c2, /* reads input status 0 */
    PORT_SEQUENCER_INDEX = 0x3c4,
    PORT_SEQUENCER_DATA = 0x3c5,
    PORT_DAC_MASK = 0x3c6,
    PORT_DAC_READ_INDEX = 0x3c7, /* reads the DAC's state */
    PORT_DAC_WRITE_INDEX = 0x3c8,
    PORT_DAC_DATA = 0x3c9,
    PORT_FEATURE_READ = 0x3ca,
    PORT_MISCELLANEOUS_READ = 0x3cc,
    PORT_GRAPHICS_INDEX = 0x3ce,
    PORT_GRAPHICS_DATA = 0x3cf,
    /* At 0x3bx when the miscellaneous output register says monochrome. */
    PORT_CRTC_INDEX = 0x3d4,
    PORT_CRTC_DATA = 0x3d5,
    PORT_INPUT_STATUS_1 = 0x3da, /* writes feature control */
};

enum {
    MISCELLANEOUS_COLOR = 1,
    CRTC_PROTECT = 0x80,
    CRTC_PROTECTED_COUNT = 8,
    OVERFLOW_UNPROTECTED = 0x10, /* line compare's bit 8 */
    ATTRIBUTE_INDEX_MASK = 0x1f,
    DAC_STATE_READING = 3,
    DAC_6_BIT_MASK = 0x3f,
};

/* Bits that exist. */
static const uint8_t sequencer_masks[SEQUENCER_COUNT] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t graphics_masks[GRAPHICS_COUNT] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03,
                                                       0x7b, 0x0f, 0x0f, 0xff};

/* -- DAC -- */

static uint8_t dac_read(struct vga *vga)
{
    uint8_t value = vga->palette[vga->dac_read_index][vga->dac_component];
    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        vga->dac_read_index++;
    }
    return value;
}

/* An entry changes when its third component has been written. */
static void dac_write(struct vga *vga, uint8_t value)
{
    vga->dac_pending[vga->dac_component] =
        vga_dac_is_wide(vga) ? value : value & DAC_6_BIT_MASK;
    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        memcpy(vga->palette[vga->dac_write_index], vga->dac_pending, 3);
        vga->dac_write_index++;
    }
}

static void dac_select(struct vga *vga, uint8_t *index, uint8_t value, uint8_t reading)
{
    *index = value;
    vga->dac_component = 0;
    vga->dac_reading = reading;
}

/* -- attribute controller -- */

static uint8_t attribute_read(const struct vga *vga)
{
    unsigned index = vga->attribute_index & ATTRIBUTE_INDEX_MASK;
    return index < ATTRIBUTE_COUNT ? vga->attribute[index] : 0;
}

static void attribute_write(struct vga *vga, uint8_t value)
{
    static const uint8_t control_masks[] = {0xef, 0xff, 0x3f, 0x0f, 0x0f};
    unsigned index = vga->attribute_index & ATTRIBUTE_INDEX_MASK;
    if (!vga->attribute_data_next) {
        vga->attribute_index =
            value & (ATTRIBUTE_INDEX_MASK | ATTRIBUTE_PALETTE_SOURCE);
    } else if (index < 0x10) {
        vga->attribute[index] = value & 0x3f;
    } else if (index < ATTRIBUTE_COUNT) {
        vga->attribute[index] = value & control_masks[index - 0x10];
    }
    vga->attribute_data_next = !vga->attribute_data_next;
}

/* -- CRT controller -- */

static void crtc_write(struct vga *vga, uint8_t value)
{
    unsigned index = vga->crtc_index;
    bool protected = vga->crtc[CRTC_RETRACE_END] & CRTC_PROTECT;
    if (index >= CRTC_COUNT) {
        return;
    }
    if (protected && index < CRTC_PROTECTED_COUNT) {
        if (index == CRTC_OVERFLOW) {
            vga->crtc[index] &= (uint8_t)~OVERFLOW_UNPROTECTED;
            vga->crtc[index] |= value & OVERFLOW_UNPROTECTED;
        }
        return;
    }
    vga->crtc[index] = value;
}

/* -- ports -- */

/* The port as the color adapter has it; 0: the adapter does not answer there now. */
static uint16_t color_port(const struct vga *vga, uint16_t port)
{
    bool color = vga->miscellaneous & MISCELLANEOUS_COLOR;
    if (port < PORT_ATTRIBUTE) {
        return color ? 0 : (uint16_t)(port + 0x20);
    }
    return !color && port >= 0x3d0 ? 0 : port;
}

uint8_t vga_register_read(struct vga *vga, uint16_t port)
{
    switch (color_port(vga, port)) {
    case PORT_ATTRIBUTE:
        return vga->attribute_data_next ? 0 : vga->attribute_index;
    case PORT_ATTRIBUTE_DATA:
        return attribute_read(vga);
    case PORT_MISCELLANEOUS_WRITE:
        return 0; /* no retrace interrupt pending, no monitor sense */
    case PORT_SEQUENCER_INDEX:
        return vga->sequencer_index;
    case PORT_SEQUENCER_DATA:
        return vga->sequencer_index < SEQUENCER_COUNT
                   ? vga->sequencer[vga->sequencer_index]
                   : 0;
    case PORT_DAC_MASK:
        return vga->dac_mask;
    case PORT_DAC_READ_INDEX:
        return vga->dac_reading ? DAC_STATE_READING : 0;
    case PORT_DAC_WRITE_INDEX:
        return vga->dac_write_index;
    case PORT_DAC_DATA:
        return dac_read(vga);
    case PORT_FEATURE_READ:
        return vga->feature_control;
    case PORT_MISCELLANEOUS_READ:
        return vga->miscellaneous;
    case PORT_GRAPHICS_INDEX:
        return vga->graphics_index;
    case PORT_GRAPHICS_DATA:
        return vga->graphics_index < GRAPHICS_COUNT ? vga->graphics[vga->graphics_index]
                                                    : 0;
    case PORT_CRTC_INDEX:
        return vga->crtc_index;
    case PORT_CRTC_DATA:
        return vga->crtc_index < CRTC_COUNT ? vga->crtc[vga->crtc_index] : 0;
    case PORT_INPUT_STATUS_1:
        vga->attribute_data_next = 0;
        return vga_input_status_1(vga);
    default:
        return 0xff;
    }
}

void vga_register_write(struct vga *vga, uint16_t port, uint8_t value)
{
    switch (color_port(vga, port)) {
    case PORT_ATTRIBUTE:
        attribute_write(vga, value);
        break;
    case PORT_MISCELLANEOUS_WRITE:
        vga->miscellaneous = value & 0xef;
        vga_memory_update(vga);
        break;
    case PORT_SEQUENCER_INDEX:
        vga->sequencer_index = value & 7;
        break;
    case PORT_SEQUENCER_DATA:
        if (vga->sequencer_index < SEQUENCER_COUNT) {
            vga->sequencer[vga->sequencer_index] =
                value & sequencer_masks[vga->sequencer_index];
            vga_memory_update(vga);
        }
        break;
    case PORT_DAC_MASK:
        vga->dac_mask = value;
        break;
    case PORT_DAC_READ_INDEX:
        dac_select(vga, &vga->dac_read_index, value, 1);
        break;
    case PORT_DAC_WRITE_INDEX:
        dac_select(vga, &vga->dac_write_index, value, 0);
        break;
    case PORT_DAC_DATA:
        dac_write(vga, value);
        break;
    case PORT_GRAPHICS_INDEX:
        vga->graphics_index = value & 0xf;
        break;
    case PORT_GRAPHICS_DATA:
        if (vga->graphics_index < GRAPHICS_COUNT) {
            vga->graphics[vga->graphics_index] =
                value & graphics_masks[vga->graphics_index];
            vga_memory_update(vga);
        }
        break;
    case PORT_CRTC_INDEX:
        vga->crtc_index = value;
        break;
    case PORT_CRTC_DATA:
        crtc_write(vga, value);
        break;
    case PORT_INPUT_STATUS_1:
        vga->feature_control = value & 3;
        break;
    default:
        break;
    }
}

void vga_registers_reset(struct vga *vga)
{
    vga->miscellaneous = vga->feature_control = 0;
    vga->sequencer_index = vga->graphics_index = vga->crtc_index = 0;
    memset(vga->sequencer, 0, sizeof(vga->sequencer));
    memset(vga->graphics, 0, sizeof(vga->graphics));
    memset(vga->crtc, 0, sizeof(vga->crtc));
    memset(vga->attribute, 0, sizeof(vga->attribute));
    vga->attribute_index = 0;
    vga->attribute_data_next = 0;
    vga->dac_mask = 0xff;
    vga->dac_read_index = vga->dac_write_index = vga->dac_component = 0;
    vga->dac_reading = 0;
    memset(vga->palette, 0, sizeof(vga->palette));
    memset(vga->dac_pending, 0, sizeof(vga->dac_pending));
    vga->latches = 0;
}
