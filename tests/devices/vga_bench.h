/* tests/devices/vga_bench.h: a VGA on a PCI bus of its own, and what drivers do to it.
 */
#ifndef TESTS_DEVICES_VGA_BENCH_H
#define TESTS_DEVICES_VGA_BENCH_H

#include "bus/pci.h"
#include "devices/vga.h"

enum { WINDOW = 0xa0000, TEXT = 0xb8000, FRAME_BUFFER = 0xe0000000, SLOT = 2 };
enum { REGISTERS = 0xfeb00000, ROM = 0xfeb10000 };

struct bench {
    struct log log;
    struct port_space ports;
    struct memory_map memory;
    struct clock clock; /* manual */
    struct pci_bus bus;
    struct vga *vga;
};

/* For cmocka: `*state` becomes a struct bench. */
int vga_bench_set_up(void **state);
int vga_bench_tear_down(void **state);

void out(struct bench *bench, uint16_t port, uint8_t value);
uint8_t in(struct bench *bench, uint16_t port);
/* An index and data pair with one 16-bit write, as drivers do. */
void indexed(struct bench *bench, uint16_t port, uint8_t index, uint8_t value);
void sequencer(struct bench *bench, uint8_t index, uint8_t value);
void graphics(struct bench *bench, uint8_t index, uint8_t value);
void crtc(struct bench *bench, uint8_t index, uint8_t value);
void attribute(struct bench *bench, uint8_t index, uint8_t value);
void dispi(struct bench *bench, uint16_t index, uint16_t value);
uint16_t dispi_value(struct bench *bench, uint16_t index);

void poke(struct bench *bench, gpa_t address, uint32_t value, unsigned width);
uint32_t peek(struct bench *bench, gpa_t address, unsigned width);
/* The four planes at plane offset `offset`, through BAR 0. */
uint32_t planes_at(struct bench *bench, uint32_t offset);

/* Color text, 80x25, 16 lines a character: what a BIOS programs for mode 3. */
void set_text_mode(struct bench *bench);
/* 640x480, 16 colors: mode 0x12 as far as memory goes. */
void set_planar_mode(struct bench *bench);

#endif
