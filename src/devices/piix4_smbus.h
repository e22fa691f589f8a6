/* devices/piix4_smbus.h: the SMBus host controller of the PIIX4, with an empty bus.
 *
 * Part of function 3 (devices/piix4_pm.h), which decodes its 16 ports and saves it.
 * Every transaction ends at once with "device error": nobody acknowledged.
 * Source: Intel 82371AB data sheet (290562), section 7.3. */
#ifndef DEVICES_PIIX4_SMBUS_H
#define DEVICES_PIIX4_SMBUS_H

#include "base/types.h"

enum { PIIX4_SMBUS_PORTS = 16, PIIX4_SMBUS_BLOCK_BYTES = 32 };

struct piix4_smbus {
    uint8_t registers[PIIX4_SMBUS_PORTS];
    uint8_t block[PIIX4_SMBUS_BLOCK_BYTES];
    uint8_t block_index; /* always taken modulo the size of the block */
};

void piix4_smbus_reset(struct piix4_smbus *smbus);
/* Byte accesses, offset 0-15. */
uint8_t piix4_smbus_read(struct piix4_smbus *smbus, unsigned offset);
void piix4_smbus_write(struct piix4_smbus *smbus, unsigned offset, uint8_t value);
/* Whether the controller asks for an interrupt. */
bool piix4_smbus_interrupt(const struct piix4_smbus *smbus);

#endif
