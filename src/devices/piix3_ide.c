#include "devices/piix3_ide.h"

#include "devices/ata.h"
#include "devices/bus_master.h"

#include <assert.h>

enum {
    CHANNELS = 2,
    TIMING = 0x40,        /* IDETIM, two bytes per channel */
    TIMING_DECODE = 0x80, /* in the high byte: the channel's ports are decoded */
    SLAVE_TIMING = 0x44,  /* SIDETIM */
    BUS_MASTER_BAR = 4,
};

static const struct {
    uint16_t command, control;
} channel_ports[CHANNELS] = {{0x1f0, 0x3f6}, {0x170, 0x376}};

struct ide_channel {
    struct piix3_ide *ide;
    struct ata_channel ata;
    struct bus_master master;
    bool mapped;
    unsigned command_handle, control_handle;
};

struct piix3_ide {
    struct device device;
    struct port_space *ports;
    struct ide_channel channels[CHANNELS];
    /* saved, like what is in the channels */
    struct pci_function function;
};

static const struct state_field piix3_ide_fields[] = {
    STATE_FIELD(struct piix3_ide, function.config, 1),
    STATE_END,
};

/* -- DMA: between a drive and the bus master -- */

static bool dma_possible(const struct ide_channel *channel)
{
    return bus_master_is_active(&channel->master) &&
           (channel->ide->function.config[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

static void dma_request(void *opaque)
{
    struct ide_channel *channel = opaque;
    if (dma_possible(channel)) {
        ata_channel_dma_ready(&channel->ata);
    }
}

static uint32_t dma_transfer(void *opaque, uint8_t *bytes, uint32_t length,
                             bool to_memory)
{
    struct ide_channel *channel = opaque;
    return bus_master_transfer(&channel->master, bytes, length, to_memory);
}

static void drive_interrupt(void *opaque)
{
    struct ide_channel *channel = opaque;
    bus_master_note_interrupt(&channel->master);
}

static const struct ata_dma_ops dma_ops = {
    .request = dma_request,
    .transfer = dma_transfer,
    .interrupt = drive_interrupt,
};

/* -- bus master ports: BAR 4, eight per channel -- */

static uint32_t master_read(void *opaque, uint16_t offset, unsigned width)
{
    struct piix3_ide *ide = opaque;
    return bus_master_read(&ide->channels[offset / BUS_MASTER_PORTS].master,
                           offset % BUS_MASTER_PORTS);
}

static void master_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct piix3_ide *ide = opaque;
    struct ide_channel *channel = &ide->channels[offset / BUS_MASTER_PORTS];
    if (bus_master_write(&channel->master, offset % BUS_MASTER_PORTS, (uint8_t)value)) {
        dma_request(channel);
    }
}

static const struct port_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .widths = 1,
};

/* -- legacy ports -- */

/* The data register is 16 bits wide; a double word is two of its words in turn. A wide
 * access to the other registers falls apart into bytes. */
static uint32_t command_block_read(void *opaque, uint16_t offset, unsigned width)
{
    struct ata_channel *ata = &((struct ide_channel *)opaque)->ata;
    uint32_t value = 0;
    if (offset == ATA_DATA) {
        value = ata_channel_read_data(ata);
        if (width == 4) {
            value |= (uint32_t)ata_channel_read_data(ata) << 16;
        }
        return value;
    }
    for (unsigned i = 0; i < width; i++) {
        value |= (uint32_t)ata_channel_read(ata, offset + i) << (8 * i);
    }
    return value;
}

static void command_block_write(void *opaque, uint16_t offset, uint32_t value,
                                unsigned width)
{
    struct ata_channel *ata = &((struct ide_channel *)opaque)->ata;
    if (offset == ATA_DATA) {
        ata_channel_write_data(ata, (uint16_t)value);
        if (width == 4) {
            ata_channel_write_data(ata, (uint16_t)(value >> 16));
        }
        return;
    }
    for (unsigned i = 0; i < width; i++) {
        ata_channel_write(ata, offset + i, (uint8_t)(value >> (8 * i)));
    }
}

static const struct port_ops command_block_ops = {
    .read = command_block_read,
    .write = command_block_write,
    .widths = 1 | 2 | 4,
};

static uint32_t control_block_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct ide_channel *channel = opaque;
    return ata_channel_alternate_status(&channel->ata);
}

static void control_block_write(void *opaque, uint16_t offset, uint32_t value,
                                unsigned width)
{
    struct ide_channel *channel = opaque;
    ata_channel_control(&channel->ata, (uint8_t)value);
}

static const struct port_ops control_block_ops = {
    .read = control_block_read,
    .write = control_block_write,
    .widths = 1,
};

/* Maps or unmaps the legacy ports as the configuration registers say. */
static void update_decoding(struct piix3_ide *ide)
{
    const uint8_t *config = ide->function.config;
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        bool decoded = (config[PCI_COMMAND] & PCI_COMMAND_IO) &&
                       (config[TIMING + 2 * i + 1] & TIMING_DECODE);
        if (decoded && !channel->mapped) {
            channel->command_handle =
                port_map(ide->ports, "piix3_ide", channel_ports[i].command,
                         ATA_COMMAND_REGISTERS, &command_block_ops, channel);
            channel->control_handle =
                port_map(ide->ports, "piix3_ide control", channel_ports[i].control, 1,
                         &control_block_ops, channel);
        } else if (!decoded && channel->mapped) {
            port_unmap(ide->ports, channel->command_handle);
            port_unmap(ide->ports, channel->control_handle);
        }
        channel->mapped = decoded;
    }
}

/* -- the function -- */

static void config_written(void *opaque, unsigned offset, unsigned width)
{
    struct piix3_ide *ide = opaque;
    update_decoding(ide);
    for (unsigned i = 0; i < CHANNELS; i++) {
        dma_request(&ide->channels[i]);
    }
}

static void piix3_ide_reset(void *device)
{
    struct piix3_ide *ide = device;
    pci_function_reset(&ide->function);
    pci_put16(&ide->function, PCI_STATUS, 0x0280);
    pci_put32(&ide->function, TIMING, 0);
    ide->function.config[SLAVE_TIMING] = 0;
    update_decoding(ide);
    for (unsigned i = 0; i < CHANNELS; i++) {
        bus_master_reset(&ide->channels[i].master);
        ata_channel_reset(&ide->channels[i].ata);
    }
}

static void piix3_ide_reset_lines(void *device)
{
    struct piix3_ide *ide = device;
    for (unsigned i = 0; i < CHANNELS; i++) {
        ata_channel_update_irq(&ide->channels[i].ata);
    }
}

static void piix3_ide_save_more(const void *device, struct state_buffer *buffer)
{
    const struct piix3_ide *ide = device;
    for (unsigned i = 0; i < CHANNELS; i++) {
        state_save(buffer, bus_master_fields, BUS_MASTER_STATE_VERSION,
                   &ide->channels[i].master);
        ata_channel_save(&ide->channels[i].ata, buffer);
    }
}

static bool piix3_ide_load_more(void *device, struct state_buffer *buffer,
                                struct error *error)
{
    struct piix3_ide *ide = device;
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        if (!state_load(buffer, bus_master_fields, BUS_MASTER_STATE_VERSION,
                        &channel->master, "IDE bus master", error) ||
            !ata_channel_load(&channel->ata, buffer, error)) {
            return false;
        }
    }
    return true;
}

static bool piix3_ide_loaded(void *device, struct error *error)
{
    struct piix3_ide *ide = device;
    pci_function_loaded(&ide->function);
    update_decoding(ide);
    piix3_ide_reset_lines(ide);
    return true;
}

static const struct device_class piix3_ide_class = {
    .name = "piix3_ide",
    .version = 1,
    .size = sizeof(struct piix3_ide),
    .fields = piix3_ide_fields,
    .reset = piix3_ide_reset,
    .reset_lines = piix3_ide_reset_lines,
    .loaded = piix3_ide_loaded,
    .save_more = piix3_ide_save_more,
    .load_more = piix3_ide_load_more,
};

struct piix3_ide *piix3_ide_create(struct log *log, struct port_space *ports,
                                   struct pci_bus *bus, struct memory_map *memory,
                                   struct irq_line irq14, struct irq_line irq15)
{
    struct piix3_ide *ide = device_allocate(&piix3_ide_class, log);
    const struct irq_line irqs[CHANNELS] = {irq14, irq15};
    ide->ports = ports;
    struct pci_function *function = &ide->function;
    pci_function_init(function, "piix3_ide", 0x8086, 0x7010, 0x00, 0x010180, ide);
    function->config_written = config_written;
    function->writable[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MASTER;
    function->writable[PCI_COMMAND + 1] = 0;
    for (unsigned i = TIMING; i <= SLAVE_TIMING; i++) {
        function->writable[i] = 0xff;
    }
    function->bars[BUS_MASTER_BAR] = (struct pci_bar){
        .kind = PCI_BAR_PORTS,
        .bytes = CHANNELS * BUS_MASTER_PORTS,
        .ports = &master_ops,
        .opaque = ide,
    };
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct ide_channel *channel = &ide->channels[i];
        channel->ide = ide;
        channel->master.memory = memory;
        channel->master.name = "piix3_ide";
        ata_channel_init(&channel->ata, log, i * ATA_DRIVES, irqs[i], &dma_ops,
                         channel);
    }
    pci_bus_add(bus, function, 1, 1);
    piix3_ide_reset(ide);
    return ide;
}

void piix3_ide_attach(struct piix3_ide *ide, unsigned unit, struct block_device *block)
{
    assert(unit < PIIX3_IDE_DRIVES);
    ata_channel_attach(&ide->channels[unit / ATA_DRIVES].ata, unit % ATA_DRIVES, block);
}

struct removable_drive *piix3_ide_attach_cdrom(struct piix3_ide *ide, unsigned unit)
{
    assert(unit < PIIX3_IDE_DRIVES);
    return ata_channel_attach_cdrom(&ide->channels[unit / ATA_DRIVES].ata,
                                    unit % ATA_DRIVES);
}
