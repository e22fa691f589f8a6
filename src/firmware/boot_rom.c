#include "firmware/boot_rom.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROM_FILE "genroms/faumachine_boot.bin"

/* Offsets in an option ROM's and in its Plug and Play header. */
enum {
    ROM_PNP_POINTER = 0x1a,
    PNP_LENGTH = 5, /* in 16 bytes */
    PNP_CHECKSUM = 9,
};

/* The assembled ROM, a multiple of 512 bytes. */
extern const uint8_t boot_rom[], boot_rom_end[];

const struct boot_rom_piece boot_rom_setup = {FW_CFG_SETUP_ADDR, FW_CFG_SETUP_SIZE,
                                              FW_CFG_SETUP_DATA};
const struct boot_rom_piece boot_rom_cmdline = {
    FW_CFG_CMDLINE_ADDR, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA};
const struct boot_rom_piece boot_rom_kernel = {FW_CFG_KERNEL_ADDR, FW_CFG_KERNEL_SIZE,
                                               FW_CFG_KERNEL_DATA};
const struct boot_rom_piece boot_rom_initrd = {FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE,
                                               FW_CFG_INITRD_DATA};

/* The byte that makes the sum of `length` bytes, itself 0 so far, a multiple of 256. */
static uint8_t checksum(const uint8_t *bytes, size_t length)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += bytes[i];
    }
    return (uint8_t)-sum;
}

void boot_rom_add(struct fw_cfg *fw_cfg)
{
    size_t length = (size_t)(boot_rom_end - boot_rom);
    uint8_t *rom = malloc(length);
    assert(rom && length % 512 == 0 && boot_rom[length - 1] == 0);
    memcpy(rom, boot_rom, length);
    uint8_t *pnp = rom + (rom[ROM_PNP_POINTER] | rom[ROM_PNP_POINTER + 1] << 8);
    pnp[PNP_CHECKSUM] = checksum(pnp, pnp[PNP_LENGTH] * 16U);
    rom[length - 1] = checksum(rom, length);
    fw_cfg_add_file(fw_cfg, ROM_FILE, rom, length);
    free(rom);

    static const char boot_order[] = "/rom@" ROM_FILE;
    fw_cfg_add_file(fw_cfg, "bootorder", boot_order, sizeof(boot_order));
}

void boot_rom_add_piece(struct fw_cfg *fw_cfg, const struct boot_rom_piece *piece,
                        uint32_t address, const void *bytes, size_t length)
{
    fw_cfg_add_i32(fw_cfg, piece->address_key, address);
    fw_cfg_add_i32(fw_cfg, piece->size_key, (uint32_t)length);
    fw_cfg_add_bytes(fw_cfg, piece->data_key, bytes, length);
}
