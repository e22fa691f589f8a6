/* The serial EEPROM (a 93C46 of 64 words, and its fast way EERD), and the transceiver
 * behind MDIC (a Marvell 88E1011). Source: the manual's chapters 5 and 8; IEEE 802.3,
 * clause 22 and 40. */
#include "devices/e1000_internal.h"

#include <string.h>

/* -- EEPROM -- */

enum {
    EECD_CLOCK = 0x01,
    EECD_SELECT = 0x02,
    EECD_IN = 0x04, /* to the EEPROM */
    EECD_OUT = 0x08,
    EECD_FLASH_WRITE = 0x30,
    EECD_REQUEST = 0x40,
    EECD_GRANT = 0x80,
    EECD_PRESENT = 0x100,
    EECD_WRITABLE =
        EECD_CLOCK | EECD_SELECT | EECD_IN | EECD_FLASH_WRITE | EECD_REQUEST,

    EERD_START = 0x01,
    EERD_DONE = 0x10,
    EERD_ADDRESS_SHIFT = 8,
    EERD_DATA_SHIFT = 16,

    START_AND_OPERATION = 3, /* bits */
    ADDRESS_BITS = 6,
    READ = 6, /* start bit, operation 10 */
    WORD_BITS = 16,

    WORD_CONTROL_1 = 0x0a,
    WORD_SUBSYSTEM = 0x0b,
    WORD_SUBSYSTEM_VENDOR = 0x0c,
    WORD_DEVICE = 0x0d,
    WORD_VENDOR = 0x0e,
    WORD_CONTROL_2 = 0x0f,
    WORD_CHECKSUM = 0x3f,
    CONTROL_1 = 0x4008, /* signature; the rest as the card's label says */
    CONTROL_2 = 0x3040, /* full duplex, automatic negotiation */
    CHECKSUM = 0xbaba,  /* of all words */
};

void e1000_eeprom_fill(struct e1000 *card)
{
    uint16_t *words = card->eeprom;
    uint16_t sum = 0;
    for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES / 2; i++) {
        words[i] = (uint16_t)(card->address[2 * i] | card->address[2 * i + 1] << 8);
    }
    words[WORD_CONTROL_1] = CONTROL_1;
    words[WORD_SUBSYSTEM] = 0x001e; /* PRO/1000 MT Desktop */
    words[WORD_SUBSYSTEM_VENDOR] = 0x8086;
    words[WORD_DEVICE] = 0x100e;
    words[WORD_VENDOR] = 0x8086;
    words[WORD_CONTROL_2] = CONTROL_2;
    for (unsigned i = 0; i < WORD_CHECKSUM; i++) {
        sum = (uint16_t)(sum + words[i]);
    }
    words[WORD_CHECKSUM] = (uint16_t)(CHECKSUM - sum);
}

/* The first bit out is a zero, then a word follows the other. */
uint32_t e1000_eeprom_read_port(const struct e1000 *card)
{
    const struct e1000_eeprom_port *port = &card->eeprom_port;
    uint32_t value = card->registers[REG_EECD / 4] | EECD_PRESENT;
    if (value & EECD_REQUEST) {
        value |= EECD_GRANT;
    }
    bool out = true; /* nobody drives it */
    if (port->is_reading && port->bits_out > 0) {
        unsigned bit = (port->bits_out - 1U) % WORD_BITS;
        out = port->word >> (WORD_BITS - 1 - bit) & 1;
    } else if (port->is_reading) {
        out = false;
    }
    return out ? value | EECD_OUT : value;
}

static void eeprom_clock(struct e1000 *card, bool in)
{
    struct e1000_eeprom_port *port = &card->eeprom_port;
    if (port->is_reading) {
        if (port->bits_out == WORD_BITS) {
            port->bits_out = 0;
            port->shifted++;
        }
        if (port->bits_out++ == 0) {
            port->word = card->eeprom[port->shifted % EEPROM_WORDS];
        }
        return;
    }
    if (port->bits_in == 0 && !in) {
        return; /* the start bit is still to come */
    }
    port->shifted = port->shifted << 1 | in;
    port->bits_in++;
    if (port->bits_in == START_AND_OPERATION + ADDRESS_BITS) {
        /* Other operations would write, and it is protected. */
        port->is_reading = port->shifted >> ADDRESS_BITS == READ;
        port->bits_in = 0;
        port->bits_out = 0;
        port->shifted %= EEPROM_WORDS;
    }
}

void e1000_eeprom_write_port(struct e1000 *card, uint32_t value)
{
    uint32_t *eecd = e1000_register(card, REG_EECD);
    uint32_t old = *eecd;
    *eecd = value & EECD_WRITABLE;
    if (!(value & EECD_SELECT)) {
        card->eeprom_port = (struct e1000_eeprom_port){0};
    } else if ((value & EECD_CLOCK) && !(old & EECD_CLOCK)) {
        eeprom_clock(card, value & EECD_IN);
    }
}

uint32_t e1000_eeprom_read_word(const struct e1000 *card, uint32_t command)
{
    unsigned address = command >> EERD_ADDRESS_SHIFT & 0xff;
    if (!(command & EERD_START)) {
        return command & ~(uint32_t)EERD_DONE;
    }
    uint32_t word = address < EEPROM_WORDS ? card->eeprom[address] : 0xffff;
    return (command & 0xff00) | EERD_DONE | word << EERD_DATA_SHIFT;
}

/* -- transceiver -- */

enum {
    MDIC_REGISTER_SHIFT = 16,
    MDIC_PHY_SHIFT = 21,
    MDIC_WRITE = 1 << 26,
    MDIC_READ = 2 << 26,
    MDIC_READY = 1 << 28,
    MDIC_INTERRUPT = 1 << 29,
    MDIC_ERROR = 1 << 30,
    PHY_ADDRESS = 1,

    PHY_CONTROL = 0,
    CONTROL_RESET = 0x8000,
    CONTROL_RESTART = 0x0200,
    CONTROL_AT_RESET = 0x1140, /* automatic negotiation, full duplex, 1000 Mbit/s */
    PHY_STATUS = 1,
    STATUS_ALWAYS = 0x7949, /* what it can do */
    STATUS_DONE = 0x0020,
    STATUS_LINK = 0x0004,
    PHY_ID_1 = 2,
    PHY_ID_2 = 3,
    PHY_ADVERTISED = 4,
    PHY_PARTNER = 5,
    PHY_GIGABIT_CONTROL = 9,
    PHY_GIGABIT_STATUS = 10,
    PHY_EXTENDED_STATUS = 15,
    PHY_SPECIFIC_CONTROL = 16,
    PHY_SPECIFIC_STATUS = 17,
    SPECIFIC_STATUS_UP = 0xac0c, /* 1000 Mbit/s, full duplex, resolved, link */
    PHY_INTERRUPT_ENABLE = 18,
    PHY_EXTENDED_CONTROL = 20,

    NEGOTIATION_NS = 20000000,
};

/* Which registers can be written. */
static const uint16_t phy_writable[PHY_REGISTERS] = {
    [PHY_CONTROL] = 0x7dff,
    [PHY_ADVERTISED] = 0xffff,
    [PHY_GIGABIT_CONTROL] = 0xffff,
    [PHY_SPECIFIC_CONTROL] = 0xffff,
    [PHY_INTERRUPT_ENABLE] = 0xffff,
    [PHY_EXTENDED_CONTROL] = 0xffff,
    [29] = 0xffff,
    [30] = 0xffff,
};

void e1000_phy_reset(struct e1000 *card)
{
    uint16_t *phy = card->phy;
    memset(phy, 0, sizeof(card->phy));
    phy[PHY_CONTROL] = CONTROL_AT_RESET;
    phy[PHY_ID_1] = 0x0141;
    phy[PHY_ID_2] = 0x0c20;
    phy[PHY_ADVERTISED] = 0x0de1;
    phy[PHY_PARTNER] = 0x45e1;
    phy[PHY_GIGABIT_CONTROL] = 0x0e00;
    phy[PHY_GIGABIT_STATUS] = 0x3c00;
    phy[PHY_EXTENDED_STATUS] = 0x3000;
    phy[PHY_SPECIFIC_CONTROL] = 0x0360;
    phy[PHY_EXTENDED_CONTROL] = 0x0d60;
}

static uint16_t phy_read(const struct e1000 *card, unsigned number)
{
    switch (number) {
    case PHY_STATUS:
        return (uint16_t)(STATUS_ALWAYS |
                          (card->is_up ? STATUS_DONE | STATUS_LINK : 0));
    case PHY_PARTNER:
    case PHY_GIGABIT_STATUS:
        return card->is_up ? card->phy[number] : 0;
    case PHY_SPECIFIC_STATUS:
        return card->is_up ? SPECIFIC_STATUS_UP : 0;
    default:
        return card->phy[number];
    }
}

/* The link goes away, and comes back after a while if there is somebody. */
static void negotiate(struct e1000 *card)
{
    if (card->is_up) {
        card->is_up = false;
        e1000_raise(card, ICR_LSC);
    }
    card->link_deadline_ns = NO_DEADLINE;
    timer_cancel(&card->link_timer);
    if (network_link_is_up(&card->port)) {
        card->link_deadline_ns = clock_now_ns(card->clock) + NEGOTIATION_NS;
        timer_set_ns(&card->link_timer, card->link_deadline_ns);
    }
}

void e1000_phy_link_timer(void *opaque)
{
    struct e1000 *card = opaque;
    card->link_deadline_ns = NO_DEADLINE;
    card->is_up = network_link_is_up(&card->port);
    e1000_raise(card, ICR_LSC);
}

void e1000_phy_link_changed(void *opaque)
{
    struct e1000 *card = opaque;
    negotiate(card);
    e1000_transmit(card); /* what waited is lost with the link */
}

static void phy_write(struct e1000 *card, unsigned number, uint16_t value)
{
    if (number == PHY_CONTROL && (value & CONTROL_RESET)) {
        e1000_phy_reset(card);
        negotiate(card);
        return;
    }
    uint16_t writable = phy_writable[number];
    card->phy[number] =
        (uint16_t)((card->phy[number] & ~writable) | (value & writable));
    if (number == PHY_CONTROL && (value & CONTROL_RESTART)) {
        negotiate(card);
    }
}

uint32_t e1000_phy_access(struct e1000 *card, uint32_t command)
{
    unsigned number = command >> MDIC_REGISTER_SHIFT & (PHY_REGISTERS - 1);
    uint32_t answer = (command & ~(uint32_t)MDIC_ERROR) | MDIC_READY;
    if ((command >> MDIC_PHY_SHIFT & 31) != PHY_ADDRESS) {
        answer |= MDIC_ERROR;
    } else if (command & MDIC_READ) {
        answer = (answer & 0xffff0000) | phy_read(card, number);
    } else if (command & MDIC_WRITE) {
        phy_write(card, number, (uint16_t)command);
    }
    if (command & MDIC_INTERRUPT) {
        e1000_raise(card, ICR_MDAC);
    }
    return answer;
}
