/* firmware/boot_rom.h: the option ROM that starts what -kernel names (boot_rom.S).
 *
 * It moves these items of fw_cfg, each a triple of address, size and data: SETUP,
 * CMDLINE, KERNEL, INITRD (size 0 or missing: skipped), and then enters
 *  - Linux, if SETUP has a size: at SETUP_ADDR / 16 + 0x20:0 in real mode, with the
 *    stack at the end of SETUP's 64 KiB;
 *  - else Multiboot: at KERNEL_ENTRY in protected mode with EBX = INITRD_ADDR, where
 *    the information structure is; mem_lower, mem_upper, mmap_length and what
 *    mmap_addr points at (up to BOOT_ROM_MAP_BYTES) are filled in by the ROM. */
#ifndef FIRMWARE_BOOT_ROM_H
#define FIRMWARE_BOOT_ROM_H

#include "devices/fw_cfg.h"

enum {
    BOOT_ROM_MAP_BYTES = 128 * 24,
    /* At the top of RAM the BIOS keeps its tables, at most 256 KiB: load nothing there.
     */
    BIOS_RESERVED_BYTES = 1 << 20,
};

/* Gives fw_cfg the ROM, and a boot order that tries it first. */
void boot_rom_add(struct fw_cfg *fw_cfg);

/* The keys of one piece. */
struct boot_rom_piece {
    uint16_t address_key, size_key, data_key;
};
extern const struct boot_rom_piece boot_rom_setup, boot_rom_cmdline, boot_rom_kernel,
    boot_rom_initrd;

/* Adds one piece: `length` bytes (copied) for guest-physical `address`. */
void boot_rom_add_piece(struct fw_cfg *fw_cfg, const struct boot_rom_piece *piece,
                        uint32_t address, const void *bytes, size_t length);

#endif
