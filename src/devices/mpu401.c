#include "devices/mpu401.h"

#include "bus/device.h"

enum {
    DATA = 0,
    STATUS = 1, /* written: command */
    STATUS_NOTHING_TO_READ = 0x80,
    STATUS_UNUSED = 0x3f,
    COMMAND_RESET = 0xff,
    COMMAND_UART = 0x3f,
    ACKNOWLEDGE = 0xfe,
};

struct mpu401 {
    struct device device;
    bool uart;
    bool acknowledges; /* the byte is to be read */
};

static const struct state_field mpu401_fields[] = {
    STATE_FIELD(struct mpu401, uart, 1),
    STATE_FIELD(struct mpu401, acknowledges, 1),
    STATE_END,
};

static uint32_t mpu401_read(void *opaque, uint16_t offset, unsigned width)
{
    struct mpu401 *mpu = opaque;
    if (offset == STATUS) {
        return STATUS_UNUSED | (mpu->acknowledges ? 0U : STATUS_NOTHING_TO_READ);
    }
    mpu->acknowledges = false;
    return ACKNOWLEDGE;
}

static void mpu401_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct mpu401 *mpu = opaque;
    uint8_t command = (uint8_t)value;
    if (offset == DATA) {
        return;
    }
    if (command == COMMAND_RESET) {
        mpu->acknowledges = !mpu->uart; /* leaving UART mode is not acknowledged */
        mpu->uart = false;
    } else if (!mpu->uart) {
        mpu->acknowledges = true;
        mpu->uart = command == COMMAND_UART;
    }
}

static const struct port_ops mpu401_ops = {mpu401_read, mpu401_write, 1};

static void mpu401_reset(void *device)
{
    struct mpu401 *mpu = device;
    mpu->uart = false;
    mpu->acknowledges = false;
}

static const struct device_class mpu401_class = {
    .name = "mpu401",
    .version = 1,
    .size = sizeof(struct mpu401),
    .fields = mpu401_fields,
    .reset = mpu401_reset,
};

struct mpu401 *mpu401_create(struct log *log, struct port_space *ports, uint16_t port)
{
    struct mpu401 *mpu = device_allocate(&mpu401_class, log);
    port_map(ports, "mpu401", port, 2, &mpu401_ops, mpu);
    return mpu;
}
