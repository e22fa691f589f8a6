/* firmware/multiboot.h: Multiboot (version 1) kernels for -kernel.
 *
 * Source: Multiboot Specification 0.6.96; System V ABI, "Object Files" (ELF). */
#ifndef FIRMWARE_MULTIBOOT_H
#define FIRMWARE_MULTIBOOT_H

#include "devices/fw_cfg.h"
#include "firmware/rom.h"

/* Offset of the Multiboot header in the image's first 8 KiB, or -1: not Multiboot. */
int multiboot_find_header(const uint8_t *bytes, size_t length);

/* Lays out the kernel `image` (an ELF32 file for the i386, or any file whose header
 * gives addresses), its command line and its modules ("file arguments,file arguments…",
 * a comma in a name is doubled; NULL: none), and adds all of it to fw_cfg for the boot
 * ROM. `path` is the kernel's name for messages and for its command line. */
bool multiboot_prepare(struct fw_cfg *fw_cfg, uint64_t ram_bytes, const char *path,
                       const struct firmware_image *image, const char *modules,
                       const char *append, struct error *error);

#endif
