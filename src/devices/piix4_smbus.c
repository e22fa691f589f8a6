#include "devices/piix4_smbus.h"

enum {
    HOST_STATUS = 0x0,
    HOST_STATUS_DEVICE_ERROR = 0x04,
    HOST_STATUS_CLEARABLE = 0x1e,
    SLAVE_STATUS = 0x1,
    HOST_CONTROL = 0x2,
    HOST_CONTROL_INTERRUPT = 0x01,
    HOST_CONTROL_START = 0x40, /* reads as zero */
    HOST_CONTROL_STORED = 0x1d,
    BLOCK_DATA = 0x7,
    SLAVE_CONTROL = 0x8,
    SLAVE_CONTROL_STORED = 0x0f,
    SHADOW_COMMAND = 0x9, /* from here up except SLVEVT: written by the bus alone */
    SLAVE_EVENT = 0xa,
    SLAVE_DATA = 0xc,
};

void piix4_smbus_reset(struct piix4_smbus *smbus)
{
    *smbus = (struct piix4_smbus){0};
}

uint8_t piix4_smbus_read(struct piix4_smbus *smbus, unsigned offset)
{
    if (offset == BLOCK_DATA) {
        return smbus->block[smbus->block_index++ % PIIX4_SMBUS_BLOCK_BYTES];
    }
    if (offset == HOST_CONTROL) {
        smbus->block_index = 0;
    }
    return smbus->registers[offset % PIIX4_SMBUS_PORTS];
}

void piix4_smbus_write(struct piix4_smbus *smbus, unsigned offset, uint8_t value)
{
    switch (offset) {
    case HOST_STATUS:
        smbus->registers[HOST_STATUS] &= (uint8_t) ~(value & HOST_STATUS_CLEARABLE);
        break;
    case HOST_CONTROL:
        smbus->registers[HOST_CONTROL] = value & HOST_CONTROL_STORED;
        smbus->block_index = 0;
        if (value & HOST_CONTROL_START) {
            smbus->registers[HOST_STATUS] |= HOST_STATUS_DEVICE_ERROR;
        }
        break;
    case BLOCK_DATA:
        smbus->block[smbus->block_index++ % PIIX4_SMBUS_BLOCK_BYTES] = value;
        break;
    case SLAVE_CONTROL:
        smbus->registers[SLAVE_CONTROL] = value & SLAVE_CONTROL_STORED;
        break;
    case SLAVE_STATUS:
    case SHADOW_COMMAND:
    case SLAVE_DATA:
    case SLAVE_DATA + 1:
        break;
    default: /* command, address, data, slave event: plain storage */
        if (offset <= SLAVE_EVENT + 1) {
            smbus->registers[offset] = value;
        }
        break;
    }
}

bool piix4_smbus_interrupt(const struct piix4_smbus *smbus)
{
    return (smbus->registers[HOST_CONTROL] & HOST_CONTROL_INTERRUPT) &&
           (smbus->registers[HOST_STATUS] & HOST_STATUS_CLEARABLE);
}
