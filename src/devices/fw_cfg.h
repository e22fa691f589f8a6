/* devices/fw_cfg.h: QEMU's firmware configuration device.
 *
 * A set of read-only items that the machine hands to its firmware, each under a 16-bit
 * key; items with a key from FW_CFG_FILE_FIRST on have a name and are listed in the
 * directory (key FW_CFG_FILE_DIR, sorted by name). The guest selects a key through port
 * 0x510 (16 bits), reads it bytewise from port 0x511, or gives the device a descriptor
 * for a transfer of any length by DMA (ports 0x514 and 0x518, big endian).
 * Source: "QEMU Firmware Configuration (fw_cfg) Device", QEMU's specifications.
 * Thread: any that holds the machine lock. Saved by: itself, without the items, which
 * the machine adds again from its configuration. */
#ifndef DEVICES_FW_CFG_H
#define DEVICES_FW_CFG_H

#include "bus/device.h"
#include "bus/dma.h"
#include "bus/port.h"

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,  /* 64 bits: bytes */
    FW_CFG_NOGRAPHIC = 0x04, /* 16 bits: SeaBIOS then uses COM1 as its console */
    FW_CFG_NB_CPUS = 0x05,   /* 16 bits */
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_BOOT_MENU = 0x0e, /* 16 bits: 1 shows SeaBIOS's boot menu */
    FW_CFG_MAX_CPUS = 0x0f,  /* 16 bits */
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_FILES = 32,           /* at most */
    FW_CFG_FILE_NAME_BYTES = 56, /* with the 0 at the end */
    FW_CFG_ARCH_LOCAL = 0x8000,  /* x86's own keys */
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
};

struct fw_cfg;

/* Maps the ports. Signature, interface id, one CPU and an empty directory are there
 * from the start, as is the size of the RAM that `memory` has. Destroyed with
 * device_destroy(). */
struct fw_cfg *fw_cfg_create(struct log *log, struct port_space *ports,
                             struct memory_map *memory);

/* Gives the item `key` (below FW_CFG_FILE_FIRST, or FW_CFG_ARCH_LOCAL and up) a copy
 * of `bytes`; an earlier content is replaced. Integers are stored little endian. */
void fw_cfg_add_bytes(struct fw_cfg *fw_cfg, uint16_t key, const void *bytes,
                      size_t length);
void fw_cfg_add_i16(struct fw_cfg *fw_cfg, uint16_t key, uint16_t value);
void fw_cfg_add_i32(struct fw_cfg *fw_cfg, uint16_t key, uint32_t value);
void fw_cfg_add_i64(struct fw_cfg *fw_cfg, uint16_t key, uint64_t value);

/* Adds a file with a copy of `bytes`; a file of the same name is replaced. `name` is
 * at most 55 characters. May change the keys of other files: call before the guest
 * runs. */
void fw_cfg_add_file(struct fw_cfg *fw_cfg, const char *name, const void *bytes,
                     size_t length);

/* What an item or a file holds, or NULL: for tests, and to extend it. */
const void *fw_cfg_find_item(const struct fw_cfg *fw_cfg, uint16_t key, size_t *length);
const void *fw_cfg_find_file(const struct fw_cfg *fw_cfg, const char *name,
                             size_t *length);

#endif
