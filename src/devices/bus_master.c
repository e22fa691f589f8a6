#include "devices/bus_master.h"

enum {
    COMMAND = 0,
    COMMAND_START = 0x01,
    COMMAND_TO_MEMORY = 0x08, /* the drive decides; kept for the guest to read */
    STATUS = 2,
    STATUS_ACTIVE = 0x01,
    STATUS_ERROR = 0x02,
    STATUS_INTERRUPT = 0x04,
    STATUS_DRIVES_CAPABLE = 0x60, /* for the guest's own use */
    TABLE = 4,

    PRD_BYTES = 8,
    PRD_COUNT_MASK = 0xfffe,
    PRD_COUNT_OF_ZERO = 0x10000,
    PRD_LAST_SHIFT = 31,
};

const struct state_field bus_master_fields[] = {
    STATE_FIELD(struct bus_master, command, 1),
    STATE_FIELD(struct bus_master, status, 1),
    STATE_FIELD(struct bus_master, table, 1),
    STATE_FIELD(struct bus_master, next, 1),
    STATE_FIELD(struct bus_master, address, 1),
    STATE_FIELD(struct bus_master, left, 1),
    STATE_FIELD(struct bus_master, last, 1),
    STATE_END,
};

void bus_master_reset(struct bus_master *master)
{
    *master = (struct bus_master){.memory = master->memory};
}

uint8_t bus_master_read(const struct bus_master *master, unsigned offset)
{
    switch (offset) {
    case COMMAND:
        return master->command;
    case STATUS:
        return master->status;
    case TABLE:
    case TABLE + 1:
    case TABLE + 2:
    case TABLE + 3:
        return (uint8_t)(master->table >> (8 * (offset - TABLE)));
    default:
        return 0;
    }
}

/* Starting begins at the head of the table, always; stopping forgets where it was. */
static bool write_command(struct bus_master *master, uint8_t value)
{
    bool was_started = master->command & COMMAND_START;
    bool is_started = value & COMMAND_START;
    master->command = value & (COMMAND_START | COMMAND_TO_MEMORY);
    if (is_started && !was_started) {
        master->next = master->table;
        master->left = 0;
        master->last = 0;
        master->status |= STATUS_ACTIVE;
        return true;
    }
    if (!is_started) {
        master->status &= (uint8_t)~STATUS_ACTIVE;
    }
    return false;
}

bool bus_master_write(struct bus_master *master, unsigned offset, uint8_t value)
{
    unsigned shift = 8 * (offset % 4);
    switch (offset) {
    case COMMAND:
        return write_command(master, value);
    case STATUS:
        master->status &= (uint8_t) ~(value & (STATUS_ERROR | STATUS_INTERRUPT));
        master->status &= (uint8_t)~STATUS_DRIVES_CAPABLE;
        master->status |= value & STATUS_DRIVES_CAPABLE;
        break;
    case TABLE:
    case TABLE + 1:
    case TABLE + 2:
    case TABLE + 3:
        master->table = (master->table & ~(0xffU << shift)) | (uint32_t)value << shift;
        master->table &= ~3U;
        break;
    default:
        break;
    }
    return false;
}

bool bus_master_is_active(const struct bus_master *master)
{
    return master->status & STATUS_ACTIVE;
}

void bus_master_note_interrupt(struct bus_master *master)
{
    master->status |= STATUS_INTERRUPT;
}

static void fetch_region(struct bus_master *master)
{
    uint32_t count = dma_read32(master->memory, master->name, master->next + 4ULL);
    master->address = dma_read32(master->memory, master->name, master->next) & ~1U;
    master->left = count & PRD_COUNT_MASK ? count & PRD_COUNT_MASK : PRD_COUNT_OF_ZERO;
    master->last = (uint8_t)(count >> PRD_LAST_SHIFT);
    master->next += PRD_BYTES;
}

uint32_t bus_master_transfer(struct bus_master *master, uint8_t *bytes, uint32_t length,
                             bool to_memory)
{
    uint32_t moved = 0;
    while (moved < length && bus_master_is_active(master)) {
        if (master->left == 0) {
            fetch_region(master);
        }
        uint32_t part = length - moved;
        part = part < master->left ? part : master->left;
        if (to_memory) {
            dma_write(master->memory, master->name, master->address, bytes + moved,
                      part);
        } else {
            dma_read(master->memory, master->name, master->address, bytes + moved,
                     part);
        }
        moved += part;
        master->address += part;
        master->left -= part;
        if (master->left == 0 && master->last) {
            master->status &= (uint8_t)~STATUS_ACTIVE;
        }
    }
    return moved;
}
