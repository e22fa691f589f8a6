#include "devices/dp8390.h"

#include <string.h>

enum {
    /* Registers: the command register is in all pages, the others depend on the page,
     * and some on whether they are read or written. */
    COMMAND = 0,
    PAGE_START = 1, /* page 0 written, page 2 read; likewise the next */
    PAGE_STOP = 2,
    BOUNDARY = 3,
    TRANSMIT_STATUS = 4, /* read */
    TRANSMIT_PAGE = 4,   /* written */
    TRANSMIT_BYTES = 5,  /* two; written */
    INTERRUPT_STATUS = 7,
    REMOTE_ADDRESS = 8, /* two */
    REMOTE_BYTES = 10,  /* two; written. Read: the RTL8029's name */
    RECEIVE_STATUS = 12,
    RECEIVE_CONFIG = 12,
    TRANSMIT_CONFIG = 13,
    DATA_CONFIG = 14,
    INTERRUPT_MASK = 15,
    ERRORS = 13,   /* three; page 0 read */
    ADDRESS = 1,   /* six; page 1 */
    CURRENT = 7,   /* page 1 */
    MULTICAST = 8, /* eight; page 1 */
    RTL8029_NAME_1 = 'P',
    RTL8029_NAME_2 = 'C',

    COMMAND_STOP = 0x01,
    COMMAND_START = 0x02,
    COMMAND_TRANSMIT = 0x04,
    COMMAND_REMOTE = 0x38,
    COMMAND_SEND_PACKET = 0x18,
    COMMAND_REMOTE_NONE = 0x20,
    COMMAND_PAGE_SHIFT = 6,

    INTERRUPT_RECEIVED = 0x01,
    INTERRUPT_TRANSMITTED = 0x02,
    INTERRUPT_REMOTE_DONE = 0x40,
    INTERRUPT_RESET = 0x80,
    INTERRUPT_SOURCES = 0x7f,

    DATA_WORDS = 0x01,
    DATA_NO_LOOPBACK = 0x08,
    TRANSMIT_LOOPBACK = 0x06,
    RECEIVE_BROADCAST = 0x04,
    RECEIVE_MULTICAST = 0x08,
    RECEIVE_ALL = 0x10,
    RECEIVE_MONITOR = 0x20,
    RECEIVED_GOOD = 0x01,
    RECEIVED_GROUP = 0x20,
    TRANSMITTED_GOOD = 0x01,

    PAGE_SIZE_BYTES = 256,
    HEADER_BYTES = 4,
    LONGEST_FRAME = 1518,
    PROM_SIGNATURE = 0x57,
};

const struct state_field dp8390_fields[] = {
    STATE_FIELD(struct dp8390, command, 1),
    STATE_FIELD(struct dp8390, interrupt_status, 1),
    STATE_FIELD(struct dp8390, interrupt_mask, 1),
    STATE_FIELD(struct dp8390, receive_config, 1),
    STATE_FIELD(struct dp8390, transmit_config, 1),
    STATE_FIELD(struct dp8390, data_config, 1),
    STATE_FIELD(struct dp8390, receive_status, 1),
    STATE_FIELD(struct dp8390, transmit_status, 1),
    STATE_FIELD(struct dp8390, page_start, 1),
    STATE_FIELD(struct dp8390, page_stop, 1),
    STATE_FIELD(struct dp8390, boundary, 1),
    STATE_FIELD(struct dp8390, current, 1),
    STATE_FIELD(struct dp8390, transmit_page, 1),
    STATE_FIELD(struct dp8390, errors, 1),
    STATE_FIELD(struct dp8390, transmit_bytes, 1),
    STATE_FIELD(struct dp8390, remote_address, 1),
    STATE_FIELD(struct dp8390, remote_bytes, 1),
    STATE_FIELD(struct dp8390, address, 1),
    STATE_FIELD(struct dp8390, multicast, 1),
    STATE_FIELD(struct dp8390, memory, 1),
    STATE_END,
};

void dp8390_update_interrupt(struct dp8390 *chip)
{
    chip->interrupt(chip->opaque,
                    chip->interrupt_status & chip->interrupt_mask & INTERRUPT_SOURCES);
}

static void raise_interrupt(struct dp8390 *chip, uint8_t causes)
{
    chip->interrupt_status |= causes;
    dp8390_update_interrupt(chip);
}

/* -- the card's memory -- */

static uint8_t memory_read(const struct dp8390 *chip, uint16_t address)
{
    if (address < DP8390_PROM_BYTES) {
        return chip->prom[address];
    }
    uint16_t offset = (uint16_t)(address - DP8390_MEMORY_START);
    return offset < DP8390_MEMORY_BYTES ? chip->memory[offset] : 0xff;
}

static void memory_write(struct dp8390 *chip, uint16_t address, uint8_t value)
{
    uint16_t offset = (uint16_t)(address - DP8390_MEMORY_START);
    if (offset < DP8390_MEMORY_BYTES) {
        chip->memory[offset] = value;
    }
}

/* The next byte of the ring, which goes round. */
static uint16_t next_in_ring(const struct dp8390 *chip, uint16_t address)
{
    address++;
    return address == chip->page_stop << 8 ? (uint16_t)(chip->page_start << 8)
                                           : address;
}

/* -- remote DMA -- */

/* Goes on by `bytes`; fewer may be left. */
static void advance_remote(struct dp8390 *chip, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        chip->remote_address = next_in_ring(chip, chip->remote_address);
    }
    if (chip->remote_bytes <= bytes) {
        chip->remote_bytes = 0;
        raise_interrupt(chip, INTERRUPT_REMOTE_DONE);
    } else {
        chip->remote_bytes = (uint16_t)(chip->remote_bytes - bytes);
    }
}

/* A byte access takes a whole word when the chip is set to words. */
static unsigned step(const struct dp8390 *chip, unsigned width)
{
    return width == 1 && (chip->data_config & DATA_WORDS) ? 2 : width;
}

uint32_t dp8390_read_data(struct dp8390 *chip, unsigned width)
{
    uint16_t address = chip->remote_address;
    uint32_t value = 0;
    if (chip->remote_bytes == 0) {
        return UINT32_MAX;
    }
    for (unsigned i = 0; i < width; i++) {
        value |= (uint32_t)memory_read(chip, address) << (8 * i);
        address = next_in_ring(chip, address);
    }
    advance_remote(chip, step(chip, width));
    return value;
}

void dp8390_write_data(struct dp8390 *chip, uint32_t value, unsigned width)
{
    uint16_t address = chip->remote_address;
    if (chip->remote_bytes == 0) {
        return;
    }
    for (unsigned i = 0; i < width; i++) {
        memory_write(chip, address, (uint8_t)(value >> (8 * i)));
        address = next_in_ring(chip, address);
    }
    advance_remote(chip, step(chip, width));
}

/* -- transmitting -- */

static bool is_looped_back(const struct dp8390 *chip)
{
    return (chip->transmit_config & TRANSMIT_LOOPBACK) ||
           !(chip->data_config & DATA_NO_LOOPBACK);
}

/* The command bit stays set until the frame has left. */
static void transmit(struct dp8390 *chip)
{
    uint8_t frame[LONGEST_FRAME];
    size_t bytes =
        chip->transmit_bytes < sizeof(frame) ? chip->transmit_bytes : sizeof(frame);
    if (chip->transmitting || !(chip->command & COMMAND_TRANSMIT) ||
        (chip->command & COMMAND_STOP)) {
        return;
    }
    for (size_t i = 0; i < bytes; i++) {
        frame[i] = memory_read(chip, (uint16_t)((chip->transmit_page << 8) + i));
    }
    chip->transmitting = true;
    bool has_left = is_looped_back(chip) || network_send(&chip->port, frame, bytes);
    chip->transmitting = false;
    if (has_left) {
        chip->command &= (uint8_t)~COMMAND_TRANSMIT;
        chip->transmit_status = TRANSMITTED_GOOD;
        raise_interrupt(chip, INTERRUPT_TRANSMITTED);
    }
}

static void resume(void *opaque)
{
    transmit(opaque);
}

/* -- receiving -- */

static bool is_receiving(const struct dp8390 *chip)
{
    return !(chip->command & COMMAND_STOP) &&
           !(chip->receive_config & RECEIVE_MONITOR) && !is_looped_back(chip) &&
           chip->page_start < chip->page_stop && chip->current >= chip->page_start &&
           chip->current < chip->page_stop;
}

static unsigned pages_of(size_t bytes)
{
    return (unsigned)((bytes + HEADER_BYTES + PAGE_SIZE_BYTES - 1) / PAGE_SIZE_BYTES);
}

/* A full ring has one page less than it has, to differ from an empty one. */
static unsigned pages_free(const struct dp8390 *chip)
{
    unsigned all = (unsigned)(chip->page_stop - chip->page_start);
    int used = chip->current - chip->boundary;
    used = used < 0 ? used + (int)all : used;
    return used < 0 || (unsigned)used >= all ? 0 : all - (unsigned)used - 1;
}

static bool has_room(const struct dp8390 *chip)
{
    return !is_receiving(chip) || pages_free(chip) >= pages_of(LONGEST_FRAME);
}

static bool can_receive(void *opaque)
{
    struct dp8390 *chip = opaque;
    chip->held_up = !has_room(chip);
    return !chip->held_up;
}

static void resume_cable(struct dp8390 *chip)
{
    if (has_room(chip)) {
        chip->held_up = false;
        network_resume(&chip->port);
    }
}

/* The upper six bits of the check sequence choose a bit. */
static bool passes_hash(const struct dp8390 *chip, const uint8_t *address)
{
    uint32_t crc = 0xffffffff;
    for (unsigned i = 0; i < NETWORK_ADDRESS_BYTES; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool carry = (crc >> 31) ^ (address[i] >> bit & 1);
            crc = crc << 1 ^ (carry ? 0x04c11db7 : 0);
        }
    }
    return chip->multicast[crc >> 29] >> (crc >> 26 & 7) & 1;
}

static bool is_for_us(const struct dp8390 *chip, const uint8_t *frame)
{
    if (chip->receive_config & RECEIVE_ALL) {
        return true;
    }
    if (network_is_broadcast(frame)) {
        return chip->receive_config & RECEIVE_BROADCAST;
    }
    if (network_is_multicast(frame)) {
        return (chip->receive_config & RECEIVE_MULTICAST) && passes_hash(chip, frame);
    }
    return memcmp(frame, chip->address, NETWORK_ADDRESS_BYTES) == 0;
}

/* Header and frame, from the current page on. */
static void store(struct dp8390 *chip, const uint8_t *frame, size_t bytes)
{
    unsigned next = chip->current + pages_of(bytes);
    size_t total = bytes + HEADER_BYTES;
    uint16_t address = (uint16_t)(chip->current << 8);
    if (next >= chip->page_stop) {
        next -= (unsigned)(chip->page_stop - chip->page_start);
    }
    chip->receive_status =
        RECEIVED_GOOD | (network_is_multicast(frame) ? RECEIVED_GROUP : 0);
    const uint8_t header[HEADER_BYTES] = {chip->receive_status, (uint8_t)next,
                                          (uint8_t)total, (uint8_t)(total >> 8)};
    for (size_t i = 0; i < total; i++) {
        memory_write(chip, address,
                     i < HEADER_BYTES ? header[i] : frame[i - HEADER_BYTES]);
        address = next_in_ring(chip, address);
    }
    chip->current = (uint8_t)next;
    raise_interrupt(chip, INTERRUPT_RECEIVED);
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct dp8390 *chip = opaque;
    uint8_t filled[NETWORK_MINIMUM_BYTES] = {0};
    if (!is_receiving(chip) || bytes > LONGEST_FRAME || !is_for_us(chip, frame) ||
        pages_of(bytes) >= (unsigned)(chip->page_stop - chip->page_start)) {
        return true; /* and lost */
    }
    if (bytes < sizeof(filled)) {
        memcpy(filled, frame, bytes);
        frame = filled;
        bytes = sizeof(filled);
    }
    if (pages_free(chip) < pages_of(bytes)) {
        chip->held_up = true;
        return false;
    }
    store(chip, frame, bytes);
    return true;
}

static const struct network_port_ops network_ops = {
    .receive = receive,
    .can_receive = can_receive,
    .resume = resume,
    .link_changed = resume, /* what waited is lost with the link */
};

/* -- registers -- */

static uint8_t read_page_0(const struct dp8390 *chip, unsigned offset)
{
    switch (offset) {
    case BOUNDARY:
        return chip->boundary;
    case TRANSMIT_STATUS:
        return chip->transmit_status;
    case INTERRUPT_STATUS:
        return chip->interrupt_status;
    case PAGE_START: /* the address of DMA that goes on now: never seen in the middle */
    case REMOTE_ADDRESS:
        return (uint8_t)chip->remote_address;
    case PAGE_STOP:
    case REMOTE_ADDRESS + 1:
        return (uint8_t)(chip->remote_address >> 8);
    case REMOTE_BYTES:
        return RTL8029_NAME_1;
    case REMOTE_BYTES + 1:
        return RTL8029_NAME_2;
    case RECEIVE_STATUS:
        return chip->receive_status;
    case ERRORS:
    case ERRORS + 1:
    case ERRORS + 2:
        return chip->errors[offset - ERRORS];
    default:
        return 0;
    }
}

static uint8_t read_page_1(const struct dp8390 *chip, unsigned offset)
{
    if (offset >= MULTICAST) {
        return chip->multicast[offset - MULTICAST];
    }
    return offset == CURRENT ? chip->current : chip->address[offset - ADDRESS];
}

static uint8_t read_page_2(const struct dp8390 *chip, unsigned offset)
{
    switch (offset) {
    case PAGE_START:
        return chip->page_start;
    case PAGE_STOP:
        return chip->page_stop;
    case TRANSMIT_PAGE:
        return chip->transmit_page;
    case RECEIVE_CONFIG:
        return chip->receive_config;
    case TRANSMIT_CONFIG:
        return chip->transmit_config;
    case DATA_CONFIG:
        return chip->data_config;
    case INTERRUPT_MASK:
        return chip->interrupt_mask;
    default:
        return 0;
    }
}

uint8_t dp8390_read(struct dp8390 *chip, unsigned offset)
{
    if (offset == COMMAND) {
        return chip->command;
    }
    switch (chip->command >> COMMAND_PAGE_SHIFT) {
    case 0:
        return read_page_0(chip, offset);
    case 1:
        return read_page_1(chip, offset);
    case 2:
        return read_page_2(chip, offset);
    default:
        return 0;
    }
}

static void write_command(struct dp8390 *chip, uint8_t value)
{
    bool is_transmitting = chip->command & COMMAND_TRANSMIT;
    chip->command = value | (is_transmitting ? COMMAND_TRANSMIT : 0);
    if (value & COMMAND_STOP) {
        chip->command &= (uint8_t)~COMMAND_TRANSMIT;
        chip->interrupt_status |= INTERRUPT_RESET;
        return;
    }
    if (value & COMMAND_START) {
        chip->interrupt_status &= (uint8_t)~INTERRUPT_RESET;
    }
    unsigned remote = value & COMMAND_REMOTE;
    if (remote == COMMAND_SEND_PACKET) {
        /* The oldest packet in the ring: its header tells how long it is. */
        chip->remote_address = (uint16_t)(chip->boundary << 8);
        chip->remote_bytes =
            (uint16_t)(memory_read(chip, chip->remote_address + 2U) |
                       memory_read(chip, chip->remote_address + 3U) << 8);
    } else if (remote && remote < COMMAND_REMOTE_NONE && chip->remote_bytes == 0) {
        raise_interrupt(chip, INTERRUPT_REMOTE_DONE);
    }
    transmit(chip);
    resume_cable(chip);
}

static void put_half(uint16_t *value, bool high, uint8_t half)
{
    *value = high ? (uint16_t)((*value & 0xff) | half << 8)
                  : (uint16_t)((*value & 0xff00) | half);
}

static void write_page_0(struct dp8390 *chip, unsigned offset, uint8_t value)
{
    switch (offset) {
    case PAGE_START:
        chip->page_start = value;
        break;
    case PAGE_STOP:
        chip->page_stop = value;
        break;
    case BOUNDARY:
        chip->boundary = value;
        resume_cable(chip);
        break;
    case TRANSMIT_PAGE:
        chip->transmit_page = value;
        break;
    case TRANSMIT_BYTES:
    case TRANSMIT_BYTES + 1:
        put_half(&chip->transmit_bytes, offset != TRANSMIT_BYTES, value);
        break;
    case INTERRUPT_STATUS:
        chip->interrupt_status &= (uint8_t) ~(value & INTERRUPT_SOURCES);
        if (chip->held_up && !has_room(chip)) {
            /* Drivers read so many frames and then acknowledge. On a cable that does
             * not wait the next one would tell them of those that are left. */
            chip->interrupt_status |= INTERRUPT_RECEIVED;
        }
        dp8390_update_interrupt(chip);
        break;
    case REMOTE_ADDRESS:
    case REMOTE_ADDRESS + 1:
        put_half(&chip->remote_address, offset != REMOTE_ADDRESS, value);
        break;
    case REMOTE_BYTES:
    case REMOTE_BYTES + 1:
        put_half(&chip->remote_bytes, offset != REMOTE_BYTES, value);
        break;
    case RECEIVE_CONFIG:
        chip->receive_config = value;
        break;
    case TRANSMIT_CONFIG:
        chip->transmit_config = value;
        break;
    case DATA_CONFIG:
        chip->data_config = value;
        break;
    default:
        chip->interrupt_mask = value;
        dp8390_update_interrupt(chip);
        break;
    }
}

void dp8390_write(struct dp8390 *chip, unsigned offset, uint8_t value)
{
    unsigned page = chip->command >> COMMAND_PAGE_SHIFT;
    if (offset == COMMAND) {
        write_command(chip, value);
    } else if (page == 0) {
        write_page_0(chip, offset, value);
    } else if (page == 1 && offset >= MULTICAST) {
        chip->multicast[offset - MULTICAST] = value;
    } else if (page == 1 && offset == CURRENT) {
        chip->current = value;
    } else if (page == 1) {
        chip->address[offset - ADDRESS] = value;
    }
}

/* -- from power-on -- */

/* Each byte is there twice, as a chip that is set to words reads it. */
static void fill_prom(struct dp8390 *chip, const uint8_t *address)
{
    for (unsigned i = 0; i < DP8390_PROM_BYTES; i++) {
        unsigned place = i / 2;
        chip->prom[i] = place < NETWORK_ADDRESS_BYTES ? address[place]
                        : place >= 14                 ? PROM_SIGNATURE
                                                      : 0;
    }
}

void dp8390_init(struct dp8390 *chip, const uint8_t *address,
                 void (*interrupt)(void *opaque, bool level), void *opaque)
{
    *chip = (struct dp8390){
        .port = {.ops = &network_ops, .opaque = chip},
        .interrupt = interrupt,
        .opaque = opaque,
    };
    fill_prom(chip, address);
    dp8390_reset(chip);
}

void dp8390_stop(struct dp8390 *chip)
{
    chip->command = COMMAND_STOP | COMMAND_REMOTE_NONE;
    chip->interrupt_status = INTERRUPT_RESET;
    chip->interrupt_mask = 0;
    dp8390_update_interrupt(chip);
}

void dp8390_reset(struct dp8390 *chip)
{
    size_t from = offsetof(struct dp8390, command);
    memset((uint8_t *)chip + from, 0, sizeof(*chip) - from);
    chip->held_up = false;
    chip->command = COMMAND_STOP | COMMAND_REMOTE_NONE;
    chip->interrupt_status = INTERRUPT_RESET;
}
