#include "vga_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void config32(struct bench *bench, unsigned offset, uint32_t value)
{
    pci_config_write(&bench->bus, SLOT << 3, offset, value, 4);
}

int vga_bench_set_up(void **state)
{
    static const uint8_t rom[] = {0x55, 0xaa, 1};
    struct bench *bench = calloc(1, sizeof(*bench));
    struct error error;
    clock_init(&bench->clock, CLOCK_KIND_MANUAL, 0);
    pci_bus_init(&bench->bus, &bench->memory, &bench->ports);
    bench->vga = vga_create(&bench->log, &bench->ports, &bench->memory, &bench->clock,
                            &bench->bus, SLOT, rom, sizeof(rom), &error);
    assert_non_null(bench->vga);
    config32(bench, PCI_BAR0, FRAME_BUFFER);
    config32(bench, PCI_BAR0 + 8, REGISTERS);
    config32(bench, PCI_ROM_ADDRESS, ROM | 1);
    config32(bench, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
    *state = bench;
    return 0;
}

int vga_bench_tear_down(void **state)
{
    struct bench *bench = *state;
    device_destroy((struct device *)bench->vga);
    free(bench);
    return 0;
}

void out(struct bench *bench, uint16_t port, uint8_t value)
{
    port_write(&bench->ports, port, value, 1);
}

uint8_t in(struct bench *bench, uint16_t port)
{
    return (uint8_t)port_read(&bench->ports, port, 1);
}

void indexed(struct bench *bench, uint16_t port, uint8_t index, uint8_t value)
{
    port_write(&bench->ports, port, (uint32_t)(index | value << 8), 2);
}

void sequencer(struct bench *bench, uint8_t index, uint8_t value)
{
    indexed(bench, 0x3c4, index, value);
}

void graphics(struct bench *bench, uint8_t index, uint8_t value)
{
    indexed(bench, 0x3ce, index, value);
}

void crtc(struct bench *bench, uint8_t index, uint8_t value)
{
    indexed(bench, 0x3d4, index, value);
}

void attribute(struct bench *bench, uint8_t index, uint8_t value)
{
    in(bench, 0x3da);
    out(bench, 0x3c0, index);
    out(bench, 0x3c0, value);
}

void dispi(struct bench *bench, uint16_t index, uint16_t value)
{
    port_write(&bench->ports, 0x1ce, index, 2);
    port_write(&bench->ports, 0x1cf, value, 2);
}

uint16_t dispi_value(struct bench *bench, uint16_t index)
{
    port_write(&bench->ports, 0x1ce, index, 2);
    return (uint16_t)port_read(&bench->ports, 0x1cf, 2);
}

void poke(struct bench *bench, gpa_t address, uint32_t value, unsigned width)
{
    memory_write(&bench->memory, address, &value, width);
}

uint32_t peek(struct bench *bench, gpa_t address, unsigned width)
{
    uint32_t value = 0;
    memory_read(&bench->memory, address, &value, width);
    return value;
}

uint32_t planes_at(struct bench *bench, uint32_t offset)
{
    return peek(bench, FRAME_BUFFER + 4 * (gpa_t)offset, 4);
}

void set_text_mode(struct bench *bench)
{
    out(bench, 0x3c2, 0x67);
    sequencer(bench, 0, 3);
    sequencer(bench, 1, 0);
    sequencer(bench, 2, 3);
    sequencer(bench, 4, 2);
    static const uint8_t crtc_values[] = {
        0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
        0x00, 0x00, 0x00, 0x9c, 0x0e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
    for (uint8_t i = 0; i < sizeof(crtc_values); i++) {
        crtc(bench, i, crtc_values[i]);
    }
    crtc(bench, 0x11, 0x8e);
    graphics(bench, 5, 0x10);
    graphics(bench, 6, 0x0e);
    graphics(bench, 8, 0xff);
    out(bench, 0x3c0, 0x20);
    in(bench, 0x3da);
    out(bench, 0x3c0, 0x20);
}

void set_planar_mode(struct bench *bench)
{
    out(bench, 0x3c2, 0xe3);
    sequencer(bench, 2, 0xf);
    sequencer(bench, 4, 6);
    graphics(bench, 5, 0);
    graphics(bench, 6, 5);
    graphics(bench, 8, 0xff);
}
