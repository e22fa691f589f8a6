#include "bus/pci_dma.h"
#include "devices/e1000_internal.h"

#include <string.h>

enum {
    VENDOR_INTEL = 0x8086,
    DEVICE_82540EM = 0x100e,
    REVISION = 3,
    CLASS_ETHERNET = 0x020000,
    MEMORY_BYTES = 128 << 10,
    PORTS = 64,
    IO_ADDRESS = 0, /* in BAR 1 */
    IO_DATA = 4,
    INTERRUPT_PIN_A = 1,
    LATENCY_SETTINGS = 0x3e, /* of the configuration space: MIN_GNT and MAX_LAT */
    MINIMUM_GRANT = 0xff,

    STATUS_AT_RESET = STATUS_FD | STATUS_SPEED_1000 | STATUS_ASDV_1000,
    PACKET_BUFFER_AT_RESET = 0x00100030, /* KiB: 16 to transmit, 48 to receive */
    VLAN_TYPE = 0x8100,
    ADDRESS_VALID = 1U << 31,
    DELAY_FLUSH = 1U << 31, /* RDTR and TIDV: interrupt now */
    ITR_UNIT_NS = 256,
};

/* Registers that keep what is written to them, and the bits they have. Others that are
 * there have a case of their own below. */
static const struct {
    uint16_t first, last;
    uint32_t bits;
} plain_registers[] = {
    {REG_CTRL_EXT, REG_CTRL_EXT, 0xffffffff},
    {REG_FCAL, REG_FCAL, 0xffffffff},
    {REG_FCAH, REG_FCAH, 0xffff},
    {REG_FCT, REG_FCT, 0xffff},
    {REG_VET, REG_VET, 0xffff},
    {REG_ITR, REG_ITR, 0xffff},
    {REG_RCTL, REG_RCTL, 0x07ffffff},
    {REG_FCTTV, REG_FCTTV, 0xffff},
    {REG_TXCW, REG_TXCW, 0xffffffff},
    {REG_TCTL, REG_TCTL, 0x07ffffff},
    {REG_TIPG, REG_TIPG, 0x3fffffff},
    {REG_AIT, REG_AIT, 0xffff},
    {REG_LEDCTL, REG_LEDCTL, 0xffffffff},
    {REG_PBA, REG_PBA, 0xffff},
    {REG_FCRTL, REG_FCRTL, 0x8000fff8},
    {REG_FCRTH, REG_FCRTH, 0x8000fff8},
    {REG_RDFH, REG_RDFPC, 0x1fff},
    {REG_RDBAL, REG_RDBAL, 0xfffffff0},
    {REG_RDBAH, REG_RDBAH, 0xffffffff},
    {REG_RDLEN, REG_RDLEN, RING_BYTES_MASK},
    {REG_RDH, REG_RDT, 0xffff},
    {REG_RDTR, REG_RDTR, 0xffff},
    {REG_RXDCTL, REG_RXDCTL, 0x013f3f3f},
    {REG_RADV, REG_RADV, 0xffff},
    {REG_RSRPD, REG_RSRPD, 0xfff},
    {REG_TDFH, REG_TDFPC, 0x1fff},
    {REG_TDBAL, REG_TDBAL, 0xfffffff0},
    {REG_TDBAH, REG_TDBAH, 0xffffffff},
    {REG_TDLEN, REG_TDLEN, RING_BYTES_MASK},
    {REG_TDH, REG_TDT, 0xffff},
    {REG_TIDV, REG_TIDV, 0xffff},
    {REG_TXDCTL, REG_TXDCTL, 0xff3f3f3f},
    {REG_TADV, REG_TADV, 0xffff},
    {REG_TSPMT, REG_TSPMT, 0xffffffff},
    {REG_RXCSUM, REG_RXCSUM, 0x7ff},
    {REG_MTA, REG_RA_END - 4, 0xffffffff},
    {REG_VFTA, REG_VFTA_END - 4, 0xffffffff},
    {REG_WUC, REG_WUC, 0xf},
    {REG_WUFC, REG_WUFC, 0xf00ff},
    {REG_WUS, REG_WUS, 0xf00ff},
    {REG_MANC, REG_MANC, 0xffffffff},
};

static const struct state_field e1000_fields[] = {
    STATE_FIELD(struct e1000, function.config, 1),
    STATE_FIELD(struct e1000, registers, 1),
    STATE_FIELD(struct e1000, phy, 1),
    STATE_FIELD(struct e1000, io_address, 1),
    STATE_FIELD(struct e1000, eeprom_port.shifted, 1),
    STATE_FIELD(struct e1000, eeprom_port.bits_in, 1),
    STATE_FIELD(struct e1000, eeprom_port.bits_out, 1),
    STATE_FIELD(struct e1000, eeprom_port.word, 1),
    STATE_FIELD(struct e1000, eeprom_port.is_reading, 1),
    STATE_FIELD(struct e1000, is_up, 1),
    STATE_FIELD(struct e1000, link_deadline_ns, 1),
    STATE_FIELD(struct e1000, next_interrupt_ns, 1),
    STATE_FIELD(struct e1000, interrupt_deadline_ns, 1),
    STATE_FIELD(struct e1000, receive_deadline_ns, 1),
    STATE_FIELD(struct e1000, receive_latest_ns, 1),
    STATE_FIELD(struct e1000, transmit_deadline_ns, 1),
    STATE_FIELD(struct e1000, transmit_latest_ns, 1),
    STATE_FIELD(struct e1000, packet.context, 1),
    STATE_FIELD(struct e1000, packet.length, 1),
    STATE_FIELD(struct e1000, packet.position, 1),
    STATE_FIELD(struct e1000, packet.is_begun, 1),
    STATE_FIELD(struct e1000, packet.is_complete, 1),
    STATE_FIELD(struct e1000, packet.is_too_long, 1),
    STATE_FIELD(struct e1000, packet.is_segmented, 1),
    STATE_FIELD(struct e1000, packet.wants_ip_checksum, 1),
    STATE_FIELD(struct e1000, packet.wants_transport_checksum, 1),
    STATE_FIELD(struct e1000, packet.wants_tag, 1),
    STATE_FIELD(struct e1000, packet.checksum_start, 1),
    STATE_FIELD(struct e1000, packet.checksum_place, 1),
    STATE_FIELD(struct e1000, packet.tag, 1),
    STATE_END,
};

/* -- statistics -- */

void e1000_count(struct e1000 *card, unsigned offset, uint32_t amount)
{
    uint32_t *count = e1000_register(card, offset);
    *count = amount > UINT32_MAX - *count ? UINT32_MAX : *count + amount;
}

void e1000_count_octets(struct e1000 *card, unsigned low_offset, uint32_t amount)
{
    uint32_t *low = e1000_register(card, low_offset), *high = low + 1;
    uint64_t sum = ((uint64_t)*high << 32 | *low) + amount;
    *low = (uint32_t)sum;
    *high = (uint32_t)(sum >> 32);
}

void e1000_count_size(struct e1000 *card, unsigned first_offset, size_t bytes)
{
    unsigned bin = 0;
    for (size_t limit = 65; bin < 5 && bytes >= limit; bin++) {
        limit = bin == 0 ? 128 : limit * 2;
    }
    e1000_count(card, first_offset + 4 * bin, 1);
}

/* -- interrupts -- */

/* The pin follows the causes that are not masked, but rises at most every ITR. */
static void update_interrupt(struct e1000 *card)
{
    bool wanted = *e1000_register(card, REG_ICR) & *e1000_register(card, REG_IMS);
    uint64_t now_ns = clock_now_ns(card->clock);
    if (wanted && !card->function.interrupt_level && now_ns < card->next_interrupt_ns) {
        if (card->interrupt_deadline_ns == NO_DEADLINE) {
            card->interrupt_deadline_ns = card->next_interrupt_ns;
            timer_set_ns(&card->interrupt_timer, card->interrupt_deadline_ns);
        }
        return;
    }
    if (wanted && !card->function.interrupt_level) {
        card->next_interrupt_ns =
            now_ns + (uint64_t)*e1000_register(card, REG_ITR) * ITR_UNIT_NS;
    }
    card->interrupt_deadline_ns = NO_DEADLINE;
    timer_cancel(&card->interrupt_timer);
    pci_function_set_interrupt(&card->function, wanted);
}

static void interrupt_due(void *opaque)
{
    struct e1000 *card = opaque;
    card->interrupt_deadline_ns = NO_DEADLINE;
    update_interrupt(card);
}

void e1000_raise(struct e1000 *card, uint32_t causes)
{
    *e1000_register(card, REG_ICR) |= causes;
    update_interrupt(card);
}

static void receive_due(void *opaque)
{
    struct e1000 *card = opaque;
    card->receive_deadline_ns = card->receive_latest_ns = NO_DEADLINE;
    timer_cancel(&card->receive_timer);
    e1000_raise(card, ICR_RXT0);
}

static void transmit_due(void *opaque)
{
    struct e1000 *card = opaque;
    card->transmit_deadline_ns = card->transmit_latest_ns = NO_DEADLINE;
    timer_cancel(&card->transmit_timer);
    e1000_raise(card, ICR_TXDW);
}

/* -- reading and writing -- */

static uint32_t read_register(struct e1000 *card, unsigned offset)
{
    uint32_t value = offset < REG_END ? *e1000_register(card, offset) : 0;
    switch (offset) {
    case REG_EECD:
        return e1000_eeprom_read_port(card);
    case REG_STATUS:
        return value | (card->is_up ? STATUS_LU : 0);
    case REG_ICR:
        *e1000_register(card, REG_ICR) = 0;
        update_interrupt(card);
        return value;
    case REG_ICS:
    case REG_IMC:
        return 0; /* they can be written only */
    default:
        break;
    }
    if (offset >= REG_STATISTICS && offset < REG_STATISTICS_END) {
        *e1000_register(card, offset) = 0;
        /* The halves of a count of octets go together, with the higher one. */
        if (offset == REG_GORCL + 4 || offset == REG_GOTCL + 4 ||
            offset == REG_TORL + 4 || offset == REG_TOTL + 4) {
            *e1000_register(card, offset - 4) = 0;
        }
    }
    return value;
}

static void write_plain(struct e1000 *card, unsigned offset, uint32_t value)
{
    for (size_t i = 0; i < ARRAY_LENGTH(plain_registers); i++) {
        if (offset >= plain_registers[i].first && offset <= plain_registers[i].last) {
            *e1000_register(card, offset) = value & plain_registers[i].bits;
            return;
        }
    }
    if (offset != REG_STATUS && offset != REG_RXCW &&
        (offset < REG_STATISTICS || offset >= REG_STATISTICS_END)) {
        log_guest_error(card->device.log, "e1000", "no register 0x%05x to write 0x%x",
                        offset, value);
    }
}

static void reset_registers(struct e1000 *card);

static void write_control(struct e1000 *card, uint32_t value)
{
    if (value & CTRL_RST) {
        reset_registers(card);
        update_interrupt(card);
        return;
    }
    *e1000_register(card, REG_CTRL) = value;
}

static void write_register(struct e1000 *card, unsigned offset, uint32_t value)
{
    switch (offset) {
    case REG_CTRL:
        write_control(card, value);
        return;
    case REG_EECD:
        e1000_eeprom_write_port(card, value);
        return;
    case REG_EERD:
        *e1000_register(card, REG_EERD) = e1000_eeprom_read_word(card, value);
        return;
    case REG_MDIC:
        *e1000_register(card, REG_MDIC) = e1000_phy_access(card, value);
        return;
    case REG_ICR:
        *e1000_register(card, REG_ICR) &= ~value;
        update_interrupt(card);
        return;
    case REG_ICS:
        e1000_raise(card, value & ICR_ALL);
        return;
    case REG_IMS:
        *e1000_register(card, REG_IMS) |= value & ICR_ALL;
        update_interrupt(card);
        return;
    case REG_IMC:
        *e1000_register(card, REG_IMS) &= ~value;
        update_interrupt(card);
        return;
    default:
        break;
    }
    write_plain(card, offset, value);
    switch (offset) {
    case REG_TDT:
    case REG_TCTL:
        e1000_transmit(card);
        break;
    case REG_RDT:
    case REG_RCTL:
        e1000_buffers_added(card);
        break;
    case REG_RDTR:
        if (value & DELAY_FLUSH) {
            receive_due(card);
        }
        break;
    case REG_TIDV:
        if (value & DELAY_FLUSH) {
            transmit_due(card);
        }
        break;
    default:
        break;
    }
}

static uint32_t memory_bar_read(void *opaque, uint64_t offset, unsigned width)
{
    return read_register(opaque, (unsigned)offset);
}

static void memory_bar_write(void *opaque, uint64_t offset, uint32_t value,
                             unsigned width)
{
    write_register(opaque, (unsigned)offset, value);
}

static const struct memory_ops memory_ops = {memory_bar_read, memory_bar_write, 4};

static uint32_t port_bar_read(void *opaque, uint16_t offset, unsigned width)
{
    struct e1000 *card = opaque;
    if (offset == IO_ADDRESS) {
        return card->io_address;
    }
    return offset == IO_DATA ? read_register(card, card->io_address) : 0;
}

static void port_bar_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct e1000 *card = opaque;
    if (offset == IO_ADDRESS) {
        card->io_address = value & (MEMORY_BYTES - 4);
    } else if (offset == IO_DATA) {
        write_register(card, card->io_address, value);
    }
}

static const struct port_ops port_ops = {port_bar_read, port_bar_write, 4};

/* -- the device -- */

static void reset_registers(struct e1000 *card)
{
    uint32_t *registers = card->registers;
    memset(registers, 0, sizeof(card->registers));
    registers[REG_CTRL / 4] = CTRL_SLU;
    registers[REG_STATUS / 4] = STATUS_AT_RESET;
    registers[REG_PBA / 4] = PACKET_BUFFER_AT_RESET;
    registers[REG_VET / 4] = VLAN_TYPE;
    memcpy(&registers[REG_RAL / 4], card->address, NETWORK_ADDRESS_BYTES);
    registers[REG_RAL / 4 + 1] |= ADDRESS_VALID;
    card->eeprom_port = (struct e1000_eeprom_port){0};
    card->packet = (struct e1000_packet){0};
    card->next_interrupt_ns = 0;
    card->interrupt_deadline_ns = NO_DEADLINE;
    card->receive_deadline_ns = card->receive_latest_ns = NO_DEADLINE;
    card->transmit_deadline_ns = card->transmit_latest_ns = NO_DEADLINE;
    timer_cancel(&card->interrupt_timer);
    timer_cancel(&card->receive_timer);
    timer_cancel(&card->transmit_timer);
}

static void e1000_reset(void *device)
{
    struct e1000 *card = device;
    reset_registers(card);
    card->io_address = 0;
    card->link_deadline_ns = NO_DEADLINE;
    timer_cancel(&card->link_timer);
    e1000_phy_reset(card);
    card->is_up = network_link_is_up(&card->port);
    pci_function_reset(&card->function);
}

static void e1000_reset_lines(void *device)
{
    update_interrupt(device);
}

static void e1000_save_more(const void *device, struct state_buffer *buffer)
{
    const struct e1000 *card = device;
    state_save_bytes(buffer, card->bytes, card->packet.length);
}

static bool e1000_load_more(void *device, struct state_buffer *buffer,
                            struct error *error)
{
    struct e1000 *card = device;
    if (card->packet.length > sizeof(card->bytes) ||
        card->packet.position > card->packet.length) {
        return error_set(error, "e1000: a packet of %u bytes in the saved state",
                         card->packet.length);
    }
    return state_load_bytes(buffer, card->bytes, card->packet.length, "e1000", error);
}

static void rearm(struct timer *timer, uint64_t deadline_ns)
{
    if (deadline_ns == NO_DEADLINE || deadline_ns == CLOCK_NEVER) {
        timer_cancel(timer);
    } else {
        timer_set_ns(timer, deadline_ns);
    }
}

static bool e1000_loaded(void *device, struct error *error)
{
    struct e1000 *card = device;
    card->io_address &= MEMORY_BYTES - 4;
    pci_function_loaded(&card->function);
    rearm(&card->link_timer, card->link_deadline_ns);
    rearm(&card->interrupt_timer, card->interrupt_deadline_ns);
    rearm(&card->receive_timer, card->receive_deadline_ns);
    rearm(&card->transmit_timer, card->transmit_deadline_ns);
    return true;
}

static void e1000_destroy(void *device)
{
    struct e1000 *card = device;
    network_disconnect(&card->port);
}

static const struct device_class e1000_class = {
    .name = "e1000",
    .version = 1,
    .size = sizeof(struct e1000),
    .fields = e1000_fields,
    .reset = e1000_reset,
    .reset_lines = e1000_reset_lines,
    .loaded = e1000_loaded,
    .save_more = e1000_save_more,
    .load_more = e1000_load_more,
    .destroy = e1000_destroy,
};

static const struct network_port_ops network_ops = {
    .receive = e1000_receive,
    .can_receive = e1000_can_receive,
    .resume = e1000_resume,
    .link_changed = e1000_phy_link_changed,
};

struct e1000 *e1000_create(struct log *log, struct clock *clock, struct pci_bus *bus,
                           unsigned slot, const uint8_t *address)
{
    struct e1000 *card = device_allocate(&e1000_class, log);
    struct pci_function *function = &card->function;
    card->clock = clock;
    card->port = (struct network_port){.ops = &network_ops, .opaque = card};
    memcpy(card->address, address, sizeof(card->address));
    timer_init(&card->interrupt_timer, clock, interrupt_due, card);
    timer_init(&card->receive_timer, clock, receive_due, card);
    timer_init(&card->transmit_timer, clock, transmit_due, card);
    timer_init(&card->link_timer, clock, e1000_phy_link_timer, card);
    e1000_eeprom_fill(card);
    pci_function_init(function, "e1000", VENDOR_INTEL, DEVICE_82540EM, REVISION,
                      CLASS_ETHERNET, card);
    function->config[PCI_INTERRUPT_PIN] = INTERRUPT_PIN_A;
    function->config[LATENCY_SETTINGS] = MINIMUM_GRANT;
    function->bars[0] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = MEMORY_BYTES,
        .memory = {.ops = &memory_ops, .opaque = card},
    };
    function->bars[1] = (struct pci_bar){
        .kind = PCI_BAR_PORTS, .bytes = PORTS, .ports = &port_ops, .opaque = card};
    pci_bus_add(bus, function, slot, 0);
    e1000_reset(card);
    return card;
}

struct network_port *e1000_port(struct e1000 *card)
{
    return &card->port;
}
