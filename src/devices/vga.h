/* devices/vga.h: a standard VGA with the Bochs VBE extension, PCI 1234:1111.
 *
 * 16 MiB of video memory, shown linearly in BAR 0 and through the VGA's pipeline in the
 * legacy window 0xa0000-0xbffff. Registers: ports 0x3b0-0x3df, the Bochs VBE pair
 * 0x1ce/0x1cf, and both again in BAR 2 (VGA at 0x400, VBE at 0x500). The expansion ROM
 * is the VGA BIOS.
 * Source: IBM VGA XGA Technical Reference, part "VGA Function"; the VBE registers are
 * those of Bochs's "VBE display extension" (ids 0xb0c0-0xb0c5).
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_VGA_H
#define DEVICES_VGA_H

#include "bus/device.h"
#include "bus/display.h"
#include "bus/pci.h"
#include "clock/clock.h"

enum { VGA_MEMORY_BYTES = 16 << 20 };

struct vga;

/* Appears at `slot` of `bus`. `rom` (NULL: none; at most 64 KiB) is copied. NULL with
 * `error` set if the host has no memory. Destroyed with device_destroy(). */
struct vga *vga_create(struct log *log, struct port_space *ports,
                       struct memory_map *memory, struct clock *clock,
                       struct pci_bus *bus, unsigned slot, const uint8_t *rom,
                       size_t rom_bytes, struct error *error);

/* Video memory, for whoever saves and loads it apart (struct state_buffer). */
struct ram *vga_memory(struct vga *vga);

/* The text screen that is shown now: lines in UTF-8, each ended by a newline, without
 * spaces at its end. Returns the length, at most `size` - 1, and ends `utf8` with a 0;
 * returns 0 while a graphics mode is set or the screen is off. */
size_t vga_text_screen(struct vga *vga, char *utf8, size_t size);

/* The picture. What blinks follows virtual time; overscan is not shown. */
struct display_source vga_display(struct vga *vga);

#endif
