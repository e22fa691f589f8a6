#include "devices/io_apic.h"

#include "bus/device.h"

enum {
    OFFSET_SELECT = 0x00,
    OFFSET_WINDOW = 0x10,
    OFFSET_EOI = 0x40,
    REGION_BYTES = PAGE_BYTES,
    REGISTER_ID = 0x00,
    REGISTER_VERSION = 0x01,
    REGISTER_ARBITRATION = 0x02,
    REGISTER_TABLE = 0x10, /* two for each input */
    VERSION = 0x20 | (IO_APIC_PINS - 1) << 16,
    ID_DEFINED = 0x0f000000,
};

/* The low half of an entry; the high one has the destination on top. */
enum {
    ENTRY_VECTOR = 0xff,
    ENTRY_MODE_SHIFT = 8,
    ENTRY_LOGICAL = 1 << 11,
    ENTRY_STATUS = 1 << 12, /* reads as zero: messages take no time */
    ENTRY_REMOTE_IRR = 1 << 14,
    ENTRY_LEVEL = 1 << 15,
    ENTRY_MASKED = 1 << 16,
    ENTRY_DEFINED = 0x1ffff,
    ENTRY_READ_ONLY = ENTRY_STATUS | ENTRY_REMOTE_IRR,
    DESTINATION_SHIFT = 24,
};
#define DESTINATION_DEFINED 0xff000000U

struct io_apic {
    struct device device;
    interrupt_message_sink *send;
    void *opaque;
    /* saved */
    uint32_t select, id;
    uint32_t table[2 * IO_APIC_PINS];
    uint32_t levels; /* of the inputs */
    uint32_t edges;  /* that have come and were not sent yet */
};

static const struct state_field io_apic_fields[] = {
    STATE_FIELD(struct io_apic, select, 1), STATE_FIELD(struct io_apic, id, 1),
    STATE_FIELD(struct io_apic, table, 1),  STATE_FIELD(struct io_apic, levels, 1),
    STATE_FIELD(struct io_apic, edges, 1),  STATE_END,
};

static bool is_masked(const struct io_apic *apic, unsigned pin)
{
    return apic->table[2 * pin] & ENTRY_MASKED;
}

/* NMI, INIT and the like are edges, whatever the entry says. */
static bool is_level_triggered(const struct io_apic *apic, unsigned pin)
{
    uint32_t entry = apic->table[2 * pin];
    unsigned mode = entry >> ENTRY_MODE_SHIFT & 7;
    return (entry & ENTRY_LEVEL) && mode <= INTERRUPT_LOWEST_PRIORITY;
}

static bool send(struct io_apic *apic, unsigned pin)
{
    uint32_t entry = apic->table[2 * pin];
    const struct interrupt_message message = {
        .destination = (uint8_t)(apic->table[2 * pin + 1] >> DESTINATION_SHIFT),
        .logical = entry & ENTRY_LOGICAL,
        .mode = entry >> ENTRY_MODE_SHIFT & 7,
        .vector = entry & ENTRY_VECTOR,
        .level = is_level_triggered(apic, pin),
    };
    return apic->send(apic->opaque, &message);
}

static void serve(struct io_apic *apic, unsigned pin)
{
    uint32_t bit = 1U << pin;
    if (is_masked(apic, pin)) {
        return;
    }
    if (!is_level_triggered(apic, pin)) {
        if (apic->edges & bit) {
            apic->edges &= ~bit;
            send(apic, pin);
        }
        return;
    }
    if ((apic->levels & bit) && !(apic->table[2 * pin] & ENTRY_REMOTE_IRR)) {
        /* Before it is sent: its end may be part of that. */
        apic->table[2 * pin] |= ENTRY_REMOTE_IRR;
        if (!send(apic, pin)) {
            apic->table[2 * pin] &= ~(uint32_t)ENTRY_REMOTE_IRR;
        }
    }
}

void io_apic_set_pin(void *io_apic, unsigned number, bool level)
{
    struct io_apic *apic = io_apic;
    uint32_t bit = 1U << number;
    bool rises = level && !(apic->levels & bit);
    apic->levels = level ? apic->levels | bit : apic->levels & ~bit;
    if (rises) {
        /* Data sheet, section 3.2.4: edges at a masked input are lost. */
        apic->edges |= is_masked(apic, number) ? 0 : bit;
        serve(apic, number);
    }
}

void io_apic_end_of_interrupt(struct io_apic *apic, uint8_t vector)
{
    for (unsigned pin = 0; pin < IO_APIC_PINS; pin++) {
        uint32_t *entry = &apic->table[2 * pin];
        if ((*entry & ENTRY_REMOTE_IRR) && (*entry & ENTRY_VECTOR) == vector) {
            *entry &= ~(uint32_t)ENTRY_REMOTE_IRR;
            serve(apic, pin);
        }
    }
}

/* -- registers -- */

static uint32_t read_selected(const struct io_apic *apic)
{
    unsigned at = apic->select - REGISTER_TABLE;
    switch (apic->select) {
    case REGISTER_ID:
    case REGISTER_ARBITRATION: /* has the same number */
        return apic->id;
    case REGISTER_VERSION:
        return VERSION;
    default:
        return at < ARRAY_LENGTH(apic->table) ? apic->table[at] : 0;
    }
}

static void write_entry(struct io_apic *apic, unsigned at, uint32_t value)
{
    uint32_t *half = &apic->table[at];
    unsigned pin = at / 2;
    if (at & 1) {
        *half = value & DESTINATION_DEFINED;
        return;
    }
    *half = (value & ENTRY_DEFINED & ~(uint32_t)ENTRY_READ_ONLY) |
            (*half & ENTRY_REMOTE_IRR);
    if (!is_level_triggered(apic, pin)) {
        *half &= ~(uint32_t)ENTRY_REMOTE_IRR;
    } else {
        apic->edges &= ~(1U << pin);
    }
    serve(apic, pin);
}

static uint32_t io_apic_read(void *opaque, uint64_t offset, unsigned width)
{
    const struct io_apic *apic = opaque;
    switch (offset) {
    case OFFSET_SELECT:
        return apic->select;
    case OFFSET_WINDOW:
        return read_selected(apic);
    default:
        return 0;
    }
}

static void io_apic_write(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    struct io_apic *apic = opaque;
    unsigned at = apic->select - REGISTER_TABLE;
    switch (offset) {
    case OFFSET_SELECT:
        apic->select = value & 0xff;
        break;
    case OFFSET_WINDOW:
        if (apic->select == REGISTER_ID) {
            apic->id = value & ID_DEFINED;
        } else if (at < ARRAY_LENGTH(apic->table)) {
            write_entry(apic, at, value);
        }
        break;
    case OFFSET_EOI:
        io_apic_end_of_interrupt(apic, (uint8_t)value);
        break;
    default:
        break;
    }
}

/* Narrower accesses of the window are the low bytes, as software may select by a byte.
 */
static const struct memory_ops ops = {io_apic_read, io_apic_write, 1 | 2 | 4};

static void io_apic_reset(void *device)
{
    struct io_apic *apic = device;
    apic->select = apic->id = 0;
    apic->edges = 0;
    for (unsigned pin = 0; pin < IO_APIC_PINS; pin++) {
        apic->table[2 * pin] = ENTRY_MASKED;
        apic->table[2 * pin + 1] = 0;
    }
}

static bool io_apic_loaded(void *device, struct error *error)
{
    struct io_apic *apic = device;
    apic->select &= 0xff;
    apic->levels &= (1U << IO_APIC_PINS) - 1;
    apic->edges &= (1U << IO_APIC_PINS) - 1;
    for (unsigned pin = 0; pin < IO_APIC_PINS; pin++) {
        apic->table[2 * pin] &= ENTRY_DEFINED & ~(uint32_t)ENTRY_STATUS;
        apic->table[2 * pin + 1] &= DESTINATION_DEFINED;
    }
    return true;
}

static const struct device_class io_apic_class = {
    .name = "io_apic",
    .version = 1,
    .size = sizeof(struct io_apic),
    .fields = io_apic_fields,
    .reset = io_apic_reset,
    .loaded = io_apic_loaded,
};

struct io_apic *io_apic_create(struct log *log, struct memory_map *memory,
                               interrupt_message_sink *send, void *opaque)
{
    struct io_apic *apic = device_allocate(&io_apic_class, log);
    apic->send = send;
    apic->opaque = opaque;
    const struct memory_region region = {
        .name = "I/O APIC",
        .start = IO_APIC_ADDRESS,
        .bytes = REGION_BYTES,
        .priority = MEMORY_PRIORITY_PCI,
        .ops = &ops,
        .opaque = apic,
    };
    memory_add(memory, &region);
    io_apic_reset(apic);
    return apic;
}
