/* What the firmware starts: SeaBIOS reads the order from CMOS, as QEMU leaves it there,
 * and whether to show a menu from fw_cfg. */
#include "machine/machine_internal.h"

#include <string.h>

enum {
    CMOS_BOOT_1_2 = 0x3d, /* the first device in the low nibble, then the second */
    CMOS_BOOT_3 = 0x38,   /* the third in the high nibble */
};

/* SeaBIOS's number of a device; 0: none. */
static uint8_t number_of(char letter)
{
    enum { FLOPPY = 1, DISK, CDROM, NETWORK };
    switch (letter) {
    case 'a':
    case 'b':
        return FLOPPY;
    case 'c':
        return DISK;
    case 'd':
        return CDROM;
    case 'n':
        return NETWORK;
    default:
        return 0;
    }
}

static void set_order(struct machine *machine, const char *order)
{
    uint8_t numbers[BOOT_ORDER_DEVICES] = {0};
    for (unsigned i = 0; i < BOOT_ORDER_DEVICES && order[i]; i++) {
        numbers[i] = number_of(order[i]);
    }
    mc146818_set(machine->rtc, CMOS_BOOT_1_2, (uint8_t)(numbers[1] << 4 | numbers[0]));
    mc146818_set(machine->rtc, CMOS_BOOT_3, (uint8_t)(numbers[2] << 4));
}

void boot_order_reset(struct machine *machine)
{
    const struct boot_choice *boot = &machine->config.boot;
    const char *order = *boot->order ? boot->order : "cad";
    bool first = !machine->powered_on;
    set_order(machine, first && *boot->once ? boot->once : order);
}

void boot_order_tell_firmware(struct machine *machine)
{
    const struct boot_choice *boot = &machine->config.boot;
    fw_cfg_add_i16(machine->fw_cfg, FW_CFG_BOOT_MENU, boot->menu);
    if (boot->menu_wait_ms) {
        const uint8_t wait[2] = {(uint8_t)boot->menu_wait_ms,
                                 (uint8_t)(boot->menu_wait_ms >> 8)};
        fw_cfg_add_file(machine->fw_cfg, "etc/boot-menu-wait", wait, sizeof(wait));
    }
}
