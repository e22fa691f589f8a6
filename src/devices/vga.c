#include "base/pages.h"
#include "devices/vga_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    VENDOR = 0x1234,
    DEVICE = 0x1111,
    REVISION = 2,
    CLASS_VGA = 0x030000,
    MONOCHROME_PORTS = 0x3b0,
    MONOCHROME_PORT_COUNT = 0x0c, /* 0x3bc is a parallel port's */
    COLOR_PORTS = 0x3c0,
    COLOR_PORT_COUNT = 0x20,
    DISPI_PORTS = 0x1ce, /* index, data: 16 bits each */
    DISPI_DATA_PORT = 1,
    REGISTERS_BAR = 2,
    REGISTERS_BYTES = PAGE_BYTES,
    REGISTERS_VGA = 0x400, /* ports 0x3c0-0x3df */
    REGISTERS_DISPI = 0x500,
};

static const struct state_field fields[] = {
    STATE_FIELD(struct vga, pci.config, 1),
    STATE_FIELD(struct vga, miscellaneous, 1),
    STATE_FIELD(struct vga, feature_control, 1),
    STATE_FIELD(struct vga, sequencer_index, 1),
    STATE_FIELD(struct vga, sequencer, 1),
    STATE_FIELD(struct vga, graphics_index, 1),
    STATE_FIELD(struct vga, graphics, 1),
    STATE_FIELD(struct vga, crtc_index, 1),
    STATE_FIELD(struct vga, crtc, 1),
    STATE_FIELD(struct vga, attribute_index, 1),
    STATE_FIELD(struct vga, attribute, 1),
    STATE_FIELD(struct vga, attribute_data_next, 1),
    STATE_FIELD(struct vga, dac_mask, 1),
    STATE_FIELD(struct vga, dac_read_index, 1),
    STATE_FIELD(struct vga, dac_write_index, 1),
    STATE_FIELD(struct vga, dac_component, 1),
    STATE_FIELD(struct vga, dac_reading, 1),
    STATE_FIELD(struct vga, palette, 1),
    STATE_FIELD(struct vga, dac_pending, 1),
    STATE_FIELD(struct vga, dispi_index, 1),
    STATE_FIELD(struct vga, dispi, 1),
    STATE_FIELD(struct vga, latches, 1),
    STATE_END,
};

/* -- ports and the register BAR -- */

static uint32_t monochrome_read(void *opaque, uint16_t offset, unsigned width)
{
    return vga_register_read(opaque, MONOCHROME_PORTS + offset);
}

static void monochrome_write(void *opaque, uint16_t offset, uint32_t value,
                             unsigned width)
{
    vga_register_write(opaque, MONOCHROME_PORTS + offset, (uint8_t)value);
}

static uint32_t color_read(void *opaque, uint16_t offset, unsigned width)
{
    return vga_register_read(opaque, COLOR_PORTS + offset);
}

static void color_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    vga_register_write(opaque, COLOR_PORTS + offset, (uint8_t)value);
}

/* 16-bit ports at odd distances: index at 0x1ce, data at 0x1cf (and 0x1d0). */
static uint32_t dispi_port_read(void *opaque, uint16_t offset, unsigned width)
{
    struct vga *vga = opaque;
    if (width != 2) {
        return 0xff;
    }
    return offset == DISPI_DATA_PORT ? vga_dispi_read(vga, vga->dispi_index)
                                     : vga->dispi_index;
}

static void dispi_port_write(void *opaque, uint16_t offset, uint32_t value,
                             unsigned width)
{
    struct vga *vga = opaque;
    if (width == 2 && offset == DISPI_DATA_PORT) {
        vga_dispi_write(vga, vga->dispi_index, (uint16_t)value);
    } else if (width == 2 && offset == 0) {
        vga->dispi_index = (uint16_t)value;
    }
}

static const struct port_ops monochrome_ops = {monochrome_read, monochrome_write, 1};
static const struct port_ops color_ops = {color_read, color_write, 1};
static const struct port_ops dispi_ops = {dispi_port_read, dispi_port_write, 1 | 2};

static uint32_t registers_read(void *opaque, uint64_t offset, unsigned width)
{
    if (offset >= REGISTERS_DISPI && offset < REGISTERS_DISPI + 2 * DISPI_COUNT) {
        uint16_t value =
            vga_dispi_read(opaque, (unsigned)(offset - REGISTERS_DISPI) / 2);
        return width == 2 ? value : value >> 8 * (offset & 1) & 0xff;
    }
    if (offset >= REGISTERS_VGA && offset < REGISTERS_VGA + COLOR_PORT_COUNT) {
        uint16_t port = (uint16_t)(COLOR_PORTS + offset - REGISTERS_VGA);
        uint32_t low = vga_register_read(opaque, port);
        return width == 1 ? low
                          : low | (uint32_t)vga_register_read(opaque, port + 1) << 8;
    }
    return 0;
}

static void registers_write(void *opaque, uint64_t offset, uint32_t value,
                            unsigned width)
{
    if (offset >= REGISTERS_DISPI && offset < REGISTERS_DISPI + 2 * DISPI_COUNT) {
        if (width == 2) {
            vga_dispi_write(opaque, (unsigned)(offset - REGISTERS_DISPI) / 2,
                            (uint16_t)value);
        }
    } else if (offset >= REGISTERS_VGA && offset < REGISTERS_VGA + COLOR_PORT_COUNT) {
        uint16_t port = (uint16_t)(COLOR_PORTS + offset - REGISTERS_VGA);
        vga_register_write(opaque, port, (uint8_t)value);
        if (width == 2) {
            vga_register_write(opaque, port + 1, (uint8_t)(value >> 8));
        }
    }
}

static const struct memory_ops registers_ops = {registers_read, registers_write, 1 | 2};

/* -- saved state -- */

static bool page_is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

enum { LAST_PAGE = UINT32_MAX };

/* Video memory: the pages that are not zero, each after its number. */
static void save_memory(const void *device, struct state_buffer *buffer)
{
    const struct vga *vga = device;
    if (buffer->memory_apart) {
        return;
    }
    for (uint64_t offset = ram_next_page(&vga->memory, 0); offset < VGA_MEMORY_BYTES;
         offset = ram_next_page(&vga->memory, offset + PAGE_BYTES)) {
        const uint8_t *bytes = vga->memory.host + offset;
        if (!page_is_zero(bytes)) {
            uint32_t page = (uint32_t)(offset >> PAGE_SHIFT);
            state_save_bytes(buffer, &page, sizeof(page));
            state_save_bytes(buffer, bytes, PAGE_BYTES);
        }
    }
    uint32_t end = LAST_PAGE;
    state_save_bytes(buffer, &end, sizeof(end));
}

static bool load_memory(void *device, struct state_buffer *buffer, struct error *error)
{
    struct vga *vga = device;
    if (buffer->memory_apart) {
        return true;
    }
    ram_forget(&vga->memory);
    for (;;) {
        uint32_t page;
        if (!state_load_bytes(buffer, &page, sizeof(page), "vga", error)) {
            return false;
        }
        if (page == LAST_PAGE) {
            return true;
        }
        if (page >= VGA_MEMORY_BYTES / PAGE_BYTES) {
            return error_set(error, "saved state of vga names page %u", page);
        }
        if (!state_load_bytes(buffer, vga->memory.host + (size_t)page * PAGE_BYTES,
                              PAGE_BYTES, "vga", error)) {
            return false;
        }
    }
}

/* Everything that is used as an index or a divisor must be in range. */
static bool loaded(void *device, struct error *error)
{
    struct vga *vga = device;
    if (vga->dac_component > 2 || vga->graphics[GRAPHICS_READ_MAP] > 3 ||
        !vga_dispi_loaded(vga)) {
        return error_set(error, "saved state of vga has a register out of range");
    }
    pci_function_loaded(&vga->pci);
    vga->picture.valid = false;
    vga_memory_update(vga);
    return true;
}

/* -- life -- */

static void reset(void *device)
{
    struct vga *vga = device;
    pci_function_reset(&vga->pci);
    vga_dispi_reset(vga);
    vga_registers_reset(vga);
    ram_forget(&vga->memory);
    vga_memory_update(vga);
}

static void destroy(void *device)
{
    struct vga *vga = device;
    if (vga->rom) {
        munmap(vga->rom, VGA_ROM_BYTES);
    }
    pages_free(vga->picture.kept, VGA_KEPT_BYTES);
    ram_destroy(&vga->memory);
}

static const struct device_class vga_class = {
    .name = "vga",
    .version = 1,
    .size = sizeof(struct vga),
    .fields = fields,
    .reset = reset,
    .loaded = loaded,
    .save_more = save_memory,
    .load_more = load_memory,
    .destroy = destroy,
};

static bool copy_rom(struct vga *vga, const uint8_t *rom, size_t rom_bytes,
                     struct error *error)
{
    assert(rom_bytes <= VGA_ROM_BYTES);
    void *copy = mmap(NULL, VGA_ROM_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED) {
        return error_set_errno(error, errno, "no memory for the VGA BIOS");
    }
    memcpy(copy, rom, rom_bytes);
    vga->rom = copy;
    return true;
}

static bool prepare_picture(struct vga *vga, struct error *error)
{
    /* What has a size before anything has been shown: as most do, a text screen. */
    vga->picture.frame.width = 720;
    vga->picture.frame.height = 400;
    vga->picture.kept = pages_allocate(VGA_KEPT_BYTES);
    return vga->picture.kept || error_set(error, "no memory for the VGA's picture");
}

static void add_to_bus(struct vga *vga, struct pci_bus *bus, unsigned slot)
{
    struct pci_function *pci = &vga->pci;
    pci_function_init(pci, "vga", VENDOR, DEVICE, REVISION, CLASS_VGA, vga);
    pci->bars[0] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = VGA_MEMORY_BYTES,
        .prefetchable = true,
        .memory = {.name = "vga memory",
                   .priority = MEMORY_PRIORITY_PCI,
                   .read = vga->memory.host,
                   .write = vga->memory.host},
    };
    pci->bars[REGISTERS_BAR] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = REGISTERS_BYTES,
        .memory = {.name = "vga registers",
                   .priority = MEMORY_PRIORITY_PCI,
                   .ops = &registers_ops,
                   .opaque = vga},
    };
    if (vga->rom) {
        pci->bars[PCI_BAR_ROM] = (struct pci_bar){
            .kind = PCI_BAR_ROM_IMAGE,
            .bytes = VGA_ROM_BYTES,
            .memory = {.name = "vga bios",
                       .priority = MEMORY_PRIORITY_PCI,
                       .read = vga->rom},
        };
    }
    pci_bus_add(bus, pci, slot, 0);
}

struct ram *vga_memory(struct vga *vga)
{
    return &vga->memory;
}

struct vga *vga_create(struct log *log, struct port_space *ports,
                       struct memory_map *memory, struct clock *clock,
                       struct pci_bus *bus, unsigned slot, const uint8_t *rom,
                       size_t rom_bytes, struct error *error)
{
    struct vga *vga = device_allocate(&vga_class, log);
    vga->clock = clock;
    vga->memory.fd = -1;
    if ((rom && !copy_rom(vga, rom, rom_bytes, error)) ||
        !ram_create(&vga->memory, "vga", VGA_MEMORY_BYTES, error) ||
        !prepare_picture(vga, error)) {
        device_destroy(&vga->device);
        return NULL;
    }
    memory->video = &vga->memory;
    add_to_bus(vga, bus, slot);
    struct memory_region window = {
        .name = "vga window",
        .start = VGA_WINDOW_START,
        .bytes = VGA_WINDOW_BYTES,
        .priority = MEMORY_PRIORITY_VGA,
        .ops = &vga_window_ops,
        .opaque = vga,
    };
    memory_add(memory, &window);
    port_map(ports, "vga", MONOCHROME_PORTS, MONOCHROME_PORT_COUNT, &monochrome_ops,
             vga);
    port_map(ports, "vga", COLOR_PORTS, COLOR_PORT_COUNT, &color_ops, vga);
    port_map(ports, "vga dispi", DISPI_PORTS, 3, &dispi_ops, vga);
    reset(vga);
    return vga;
}
