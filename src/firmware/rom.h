/* firmware/rom.h: ROM images read from the host's files.
 *
 * The BIOS appears twice in the guest: whole, ending at 4 GiB, and with its last
 * 128 KiB at 0xe0000-0xfffff. The images' host memory is page aligned and lives as
 * long as the struct firmware_roms, which belongs to the machine.
 * Thread: as the memory map. Saved by: nobody (the files are read again). */
#ifndef FIRMWARE_ROM_H
#define FIRMWARE_ROM_H

#include "bus/memory.h"

/* Debian's files, package seabios. */
#define FIRMWARE_DEBIAN_BIOS "/usr/share/seabios/bios-256k.bin"
#define FIRMWARE_DEBIAN_VGA_BIOS "/usr/share/seabios/vgabios-stdvga.bin"

struct firmware_image {
    uint8_t *bytes; /* page aligned, padded with zeros to whole pages; NULL: none */
    size_t length;  /* as the file has it */
};

/* Zeroed before the first call of a firmware_load_… */
struct firmware_roms {
    struct firmware_image bios, vga_bios;
    struct memory_map *map; /* where the BIOS is mapped, NULL before */
    unsigned high_handle, low_handle;
};

/* Reads the BIOS (64, 128 or 256 KiB) and maps it. `path` NULL: Debian's SeaBIOS.
 * `*out` keeps a VGA BIOS that was loaded before. */
bool firmware_load_bios(struct memory_map *map, const char *path,
                        struct firmware_roms *out, struct error *error);

/* Reads the VGA's expansion ROM (at most 64 KiB, starts with 0x55 0xaa); the VGA shows
 * it in its ROM BAR. `path` NULL: Debian's SeaVGABIOS. */
bool firmware_load_vga_bios(const char *path, struct firmware_roms *out,
                            struct error *error);

/* Unmaps and frees what was loaded; `roms` may be empty. */
void firmware_roms_destroy(struct firmware_roms *roms);

/* A whole file of at most `maximum` bytes into page-aligned memory; `what` names its
 * role in messages ("BIOS"). Release with firmware_image_free(). */
bool firmware_read_file(const char *path, const char *what, size_t maximum,
                        struct firmware_image *image, struct error *error);
void firmware_image_free(struct firmware_image *image);

#endif
