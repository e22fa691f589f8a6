/* devices/vga_internal.h: what the files of the VGA share.
 *
 * Video memory is kept plane-interleaved: the 32-bit word at plane offset n holds bit
 * planes (maps) 0-3 in its bytes 0-3. Behind the pipeline of the legacy window stands
 * the hardware's own addressing: chain-4 and odd/even accesses reach plane offsets with
 * the low address bits cleared, and the CRT controller's double-word and word modes
 * fetch from there. While VBE is enabled, memory is linear, as BAR 0 shows it. */
#ifndef DEVICES_VGA_INTERNAL_H
#define DEVICES_VGA_INTERNAL_H

#include "devices/vga.h"
#include "devices/vga_picture.h"

enum {
    VGA_PLANE_BYTES = 64 << 10,
    VGA_WINDOW_START = 0xa0000,
    VGA_WINDOW_BYTES = 0x20000,
    VGA_ROM_BYTES = 64 << 10,
};

/* Registers, by index. */
enum vga_sequencer_index {
    SEQUENCER_RESET = 0,
    SEQUENCER_CLOCKING_MODE = 1,
    SEQUENCER_MAP_MASK = 2,
    SEQUENCER_FONTS = 3, /* A: bits 5, 3, 2; B: bits 4, 1, 0 */
    SEQUENCER_MEMORY_MODE = 4,
    SEQUENCER_COUNT = 5,
    CLOCKING_8_DOTS = 0x01,
    CLOCKING_HALF_RATE = 0x08,
    CLOCKING_SCREEN_OFF = 0x20,
    MEMORY_MODE_EXTENDED = 0x02,
    MEMORY_MODE_SEQUENTIAL = 0x04, /* 0: odd/even */
    MEMORY_MODE_CHAIN4 = 0x08,
};

enum vga_graphics_index {
    GRAPHICS_SET_RESET = 0,
    GRAPHICS_ENABLE_SET_RESET = 1,
    GRAPHICS_COLOR_COMPARE = 2,
    GRAPHICS_DATA_ROTATE = 3, /* function in bits 4-3 */
    GRAPHICS_READ_MAP = 4,
    GRAPHICS_MODE = 5,
    GRAPHICS_MISCELLANEOUS = 6,
    GRAPHICS_COLOR_CARE = 7,
    GRAPHICS_BIT_MASK = 8,
    GRAPHICS_COUNT = 9,
    MODE_WRITE_MASK = 0x03,
    MODE_READ_COMPARE = 0x08,
    MODE_ODD_EVEN_READ = 0x10,
    MISCELLANEOUS_GRAPHICS = 0x01,
    MISCELLANEOUS_CHAIN_ODD_EVEN = 0x02,
};

enum vga_crtc_index {
    CRTC_HORIZONTAL_TOTAL = 0x00,
    CRTC_HORIZONTAL_DISPLAY_END = 0x01,
    CRTC_VERTICAL_TOTAL = 0x06,
    CRTC_OVERFLOW = 0x07,
    CRTC_PRESET_ROW_SCAN = 0x08,
    CRTC_MAXIMUM_SCAN_LINE = 0x09,
    CRTC_CURSOR_START = 0x0a,
    CRTC_CURSOR_END = 0x0b,
    CRTC_START_HIGH = 0x0c,
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
    CRTC_RETRACE_START = 0x10,
    CRTC_RETRACE_END = 0x11, /* bit 7 protects registers 0-7 */
    CRTC_VERTICAL_DISPLAY_END = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14, /* bit 6: double-word mode */
    CRTC_MODE_CONTROL = 0x17,
    CRTC_LINE_COMPARE = 0x18,
    CRTC_COUNT = 0x19,
    UNDERLINE_COUNT_BY_4 = 0x20,
    UNDERLINE_DOUBLE_WORD = 0x40,
    MODE_CONTROL_NO_ROW_SCAN_0 = 0x01, /* 0: address bit 13 is row scan bit 0 */
    MODE_CONTROL_NO_ROW_SCAN_1 = 0x02, /* 0: address bit 14 is row scan bit 1 */
    MODE_CONTROL_COUNT_BY_2 = 0x08,
    MODE_CONTROL_WRAP_MA15 = 0x20,
    MODE_CONTROL_BYTE = 0x40,
    MODE_CONTROL_RUN = 0x80,
};

enum vga_dispi_index {
    DISPI_ID = 0x0,
    DISPI_X_RESOLUTION = 0x1,
    DISPI_Y_RESOLUTION = 0x2,
    DISPI_BITS_PER_PIXEL = 0x3,
    DISPI_ENABLE = 0x4,
    DISPI_BANK = 0x5,
    DISPI_VIRTUAL_WIDTH = 0x6,
    DISPI_VIRTUAL_HEIGHT = 0x7,
    DISPI_X_OFFSET = 0x8,
    DISPI_Y_OFFSET = 0x9,
    DISPI_MEMORY_64K = 0xa,
    DISPI_COUNT = 0xb,
    DISPI_ENABLED = 0x01,
    DISPI_GET_CAPABILITIES = 0x02,
    DISPI_8_BIT_DAC = 0x20,
    DISPI_KEEP_MEMORY = 0x80,
};

enum vga_attribute_index {
    ATTRIBUTE_MODE_CONTROL = 0x10,
    ATTRIBUTE_PLANE_ENABLE = 0x12,
    ATTRIBUTE_PANNING = 0x13,
    ATTRIBUTE_COLOR_SELECT = 0x14,
    ATTRIBUTE_COUNT = 0x15,
    ATTRIBUTE_PALETTE_SOURCE = 0x20, /* in the index register */
    ATTRIBUTE_MODE_LINE_GRAPHICS = 0x04,
    ATTRIBUTE_MODE_BLINK = 0x08,
    ATTRIBUTE_MODE_PAN_TOP = 0x20, /* below the split nothing is panned */
    ATTRIBUTE_MODE_8_BITS = 0x40,
    ATTRIBUTE_MODE_SELECT_54 = 0x80,
};

/* How an address in the window reaches planes. */
enum vga_addressing { VGA_PLANAR, VGA_ODD_EVEN, VGA_CHAIN4, VGA_LINEAR };

struct vga {
    struct device device;
    struct clock *clock;
    struct ram memory;
    uint8_t *rom;
    struct vga_picture picture;

    /* Saved state; the pipeline's part is below. */
    struct pci_function pci;
    uint8_t miscellaneous, feature_control;
    uint8_t sequencer_index, sequencer[SEQUENCER_COUNT];
    uint8_t graphics_index, graphics[GRAPHICS_COUNT];
    uint8_t crtc_index, crtc[CRTC_COUNT];
    uint8_t attribute_index, attribute[ATTRIBUTE_COUNT];
    uint8_t attribute_data_next; /* 1: the flip-flop of port 0x3c0 is set */
    uint8_t dac_mask, dac_read_index, dac_write_index, dac_component;
    uint8_t dac_reading; /* 1: the read index was set last */
    uint8_t palette[256][3], dac_pending[3];
    uint16_t dispi_index, dispi[DISPI_COUNT];
    uint32_t latches;

    /* Computed from the registers by vga_memory_update(). */
    struct {
        bool enabled;
        uint32_t first, bytes; /* the part of the window that is decoded */
        uint32_t bank, offset_mask;
        enum vga_addressing write, read;
        uint32_t high_bit; /* replaces address bit 0 in odd/even mode, 0: nothing */
        bool plain_write;  /* write mode 0 stores the CPU's byte unchanged */
    } window;
};

static inline bool vga_vbe_enabled(const struct vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

/* Components of the palette have 8 bits, or else 6. */
static inline bool vga_dac_is_wide(const struct vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_8_BIT_DAC;
}

/* vga_memory.c: the legacy window. Update after any register it depends on. */
extern const struct memory_ops vga_window_ops;
void vga_memory_update(struct vga *vga);

/* vga_registers.c: the legacy ports, 0x3b0-0x3df, a byte at a time. */
uint8_t vga_register_read(struct vga *vga, uint16_t port);
void vga_register_write(struct vga *vga, uint16_t port, uint8_t value);
void vga_registers_reset(struct vga *vga);

/* vga_dispi.c: the Bochs VBE registers; an unknown index reads as 0. */
uint16_t vga_dispi_read(struct vga *vga, unsigned index);
void vga_dispi_write(struct vga *vga, unsigned index, uint16_t value);
void vga_dispi_reset(struct vga *vga);
/* Whether loaded registers are possible; makes them fit the memory. */
bool vga_dispi_loaded(struct vga *vga);

/* vga_timing.c: input status 1 (bit 0: not displaying, bit 3: vertical retrace). */
uint8_t vga_input_status_1(struct vga *vga);
unsigned vga_vertical_display_lines(const struct vga *vga);
/* Frames shown since time 0, at the rate of now: what blinks goes by it. */
uint64_t vga_frame_number(struct vga *vga);

#endif
