#include "devices/i8237.h"

#include <assert.h>
#include <string.h>

#include "bus/device.h"

enum {
    CONTROLLERS = 2,
    CHANNELS_EACH = 4,
    CASCADE_CHANNEL = 4,
    PAGES = 16,
};

/* Registers of a controller above those of its channels. */
enum {
    REGISTER_COMMAND = 0x8, /* read: status */
    REGISTER_REQUEST = 0x9,
    REGISTER_MASK = 0xa,
    REGISTER_MODE = 0xb,
    REGISTER_CLEAR_POINTER = 0xc,
    REGISTER_MASTER_CLEAR = 0xd, /* read: temporary register */
    REGISTER_CLEAR_MASK = 0xe,
    REGISTER_ALL_MASKS = 0xf,
    COMMAND_DISABLE = 0x04,
    SELECT_CHANNEL = 0x03,
    SELECT_SET = 0x04,
    MODE_TRANSFER = 0x0c,
    MODE_WRITE = 0x04, /* device to memory */
    MODE_READ = 0x08,
    MODE_AUTO_INITIALIZE = 0x10,
    MODE_DECREMENT = 0x20,
    MODE_KIND = 0xc0,
    MODE_CASCADE = 0xc0,
};

struct channel {
    uint16_t base_address, base_count;
    uint16_t address, count; /* current */
};

struct controller {
    struct channel channels[CHANNELS_EACH];
    uint8_t modes[CHANNELS_EACH]; /* bits 7-2 as written */
    uint8_t command;
    uint8_t masks;    /* a bit for each channel, here and below */
    uint8_t requests; /* by software */
    uint8_t lines;    /* DREQ */
    uint8_t reached;  /* terminal counts since the last read of the status */
    bool high_next;   /* the first/last flip-flop */
};

struct i8237 {
    struct device device;
    struct memory_map *memory;
    struct {
        void (*ready)(void *opaque);
        void *opaque;
    } listeners[I8237_CHANNELS];
    struct {
        void (*before)(void *opaque);
        void *opaque;
    } followers[I8237_CHANNELS];
    struct controller controllers[CONTROLLERS];
    uint8_t pages[PAGES]; /* ports 0x80-0x8f */
};

#define CONTROLLER_FIELDS(member)                                                      \
    STATE_FIELD(struct i8237, member.channels, 1),                                     \
        STATE_FIELD(struct i8237, member.modes, 1),                                    \
        STATE_FIELD(struct i8237, member.command, 1),                                  \
        STATE_FIELD(struct i8237, member.masks, 1),                                    \
        STATE_FIELD(struct i8237, member.requests, 1),                                 \
        STATE_FIELD(struct i8237, member.lines, 1),                                    \
        STATE_FIELD(struct i8237, member.reached, 1),                                  \
        STATE_FIELD(struct i8237, member.high_next, 1)

static const struct state_field i8237_fields[] = {
    CONTROLLER_FIELDS(controllers[0]),
    CONTROLLER_FIELDS(controllers[1]),
    STATE_FIELD(struct i8237, pages, 1),
    STATE_END,
};

/* The page register of each channel, as an offset from port 0x80. */
static const uint8_t page_offset[I8237_CHANNELS] = {0x7, 0x3, 0x1, 0x2,
                                                    0xf, 0xb, 0x9, 0xa};

static bool is_open(const struct controller *controller, unsigned channel)
{
    return !(controller->command & COMMAND_DISABLE) &&
           !(controller->masks & (1U << channel));
}

bool i8237_is_ready(const struct i8237 *dma, unsigned channel)
{
    assert(channel < I8237_CHANNELS);
    const struct controller *controller = &dma->controllers[channel / CHANNELS_EACH];
    unsigned own = channel % CHANNELS_EACH;
    if (!is_open(controller, own) ||
        (controller->modes[own] & MODE_KIND) == MODE_CASCADE) {
        return false;
    }
    return channel > CASCADE_CHANNEL ||
           (channel < CASCADE_CHANNEL && is_open(&dma->controllers[1], 0));
}

/* Physical address of what the channel moves next. Words are addressed in units of two
 * bytes, and bit 0 of their page register does not count. */
static gpa_t physical_address(const struct i8237 *dma, unsigned channel,
                              uint16_t address)
{
    uint8_t page = dma->pages[page_offset[channel]];
    if (channel > CASCADE_CHANNEL) {
        return (gpa_t)(page & 0xfe) << 16 | (gpa_t)address << 1;
    }
    return (gpa_t)page << 16 | address;
}

/* Moves up to `units` bytes or words that lie in one piece; returns how many. */
static unsigned move_piece(struct i8237 *dma, unsigned channel, uint8_t *buffer,
                           unsigned units, unsigned unit_bytes)
{
    struct controller *controller = &dma->controllers[channel / CHANNELS_EACH];
    struct channel *state = &controller->channels[channel % CHANNELS_EACH];
    uint8_t mode = controller->modes[channel % CHANNELS_EACH];
    bool down = mode & MODE_DECREMENT;

    unsigned left = state->count + 1U;
    unsigned piece = down ? 1 : 0x10000U - state->address;
    piece = piece < left ? piece : left;
    piece = piece < units ? piece : units;

    gpa_t address = physical_address(dma, channel, state->address);
    switch (mode & MODE_TRANSFER) {
    case MODE_WRITE:
        dma_write(dma->memory, "i8237", address, buffer, (uint64_t)piece * unit_bytes);
        break;
    case MODE_READ:
        dma_read(dma->memory, "i8237", address, buffer, (uint64_t)piece * unit_bytes);
        break;
    default:
        memset(buffer, 0, (size_t)piece * unit_bytes);
        break;
    }
    state->address = (uint16_t)(down ? state->address - piece : state->address + piece);
    state->count = (uint16_t)(state->count - piece); /* 0xffff at the end */
    return piece;
}

static void reach_terminal_count(struct controller *controller, unsigned channel)
{
    struct channel *state = &controller->channels[channel];
    uint8_t bit = (uint8_t)(1U << channel);
    controller->reached |= bit;
    controller->requests &= (uint8_t)~bit;
    if (controller->modes[channel] & MODE_AUTO_INITIALIZE) {
        state->address = state->base_address;
        state->count = state->base_count;
    } else {
        controller->masks |= bit;
    }
}

unsigned i8237_transfer(struct i8237 *dma, unsigned channel, void *buffer,
                        unsigned bytes, bool *terminal_count)
{
    assert(channel < I8237_CHANNELS && channel != CASCADE_CHANNEL);
    *terminal_count = false;
    if (!i8237_is_ready(dma, channel)) {
        return 0;
    }
    struct controller *controller = &dma->controllers[channel / CHANNELS_EACH];
    struct channel *state = &controller->channels[channel % CHANNELS_EACH];
    unsigned unit_bytes = channel > CASCADE_CHANNEL ? 2 : 1;
    unsigned units = bytes / unit_bytes;
    unsigned moved = 0;
    while (moved < units && !*terminal_count) {
        moved += move_piece(dma, channel, (uint8_t *)buffer + moved * unit_bytes,
                            units - moved, unit_bytes);
        *terminal_count = state->count == 0xffff;
    }
    if (*terminal_count) {
        reach_terminal_count(controller, channel % CHANNELS_EACH);
    }
    return moved * unit_bytes;
}

void i8237_set_request(struct i8237 *dma, unsigned channel, bool level)
{
    assert(channel < I8237_CHANNELS);
    struct controller *controller = &dma->controllers[channel / CHANNELS_EACH];
    uint8_t bit = (uint8_t)(1U << channel % CHANNELS_EACH);
    if (level) {
        controller->lines |= bit;
    } else {
        controller->lines &= (uint8_t)~bit;
    }
}

void i8237_listen(struct i8237 *dma, unsigned channel, void (*ready)(void *opaque),
                  void *opaque)
{
    assert(channel < I8237_CHANNELS);
    dma->listeners[channel].ready = ready;
    dma->listeners[channel].opaque = opaque;
}

void i8237_follow(struct i8237 *dma, unsigned channel, void (*before)(void *opaque),
                  void *opaque)
{
    assert(channel < I8237_CHANNELS);
    dma->followers[channel].before = before;
    dma->followers[channel].opaque = opaque;
}

/* The guest is about to see or change what the channels of a controller are doing. */
static void tell_followers(struct i8237 *dma, unsigned controller)
{
    for (unsigned i = 0; i < CHANNELS_EACH; i++) {
        unsigned channel = controller * CHANNELS_EACH + i;
        if (dma->followers[channel].before) {
            dma->followers[channel].before(dma->followers[channel].opaque);
        }
    }
}

/* Tells the devices that wait for a channel. Callers have changed masks, modes or
 * commands. */
static void tell_listeners(struct i8237 *dma)
{
    for (unsigned i = 0; i < I8237_CHANNELS; i++) {
        const struct controller *controller = &dma->controllers[i / CHANNELS_EACH];
        bool waits = controller->lines & (1U << i % CHANNELS_EACH);
        if (waits && dma->listeners[i].ready && i8237_is_ready(dma, i)) {
            dma->listeners[i].ready(dma->listeners[i].opaque);
        }
    }
}

static uint32_t read_channel(struct controller *controller, unsigned offset)
{
    struct channel *channel = &controller->channels[offset / 2];
    uint16_t value = offset & 1 ? channel->count : channel->address;
    bool high = controller->high_next;
    controller->high_next = !high;
    return high ? value >> 8 : value & 0xff;
}

static void write_half(uint16_t *base, uint16_t *current, bool high, uint8_t value)
{
    *base = (uint16_t)(high ? (*base & 0x00ff) | value << 8 : (*base & 0xff00) | value);
    *current = *base;
}

static void write_channel(struct controller *controller, unsigned offset, uint8_t value)
{
    struct channel *channel = &controller->channels[offset / 2];
    bool high = controller->high_next;
    controller->high_next = !high;
    if (offset & 1) {
        write_half(&channel->base_count, &channel->count, high, value);
    } else {
        write_half(&channel->base_address, &channel->address, high, value);
    }
}

static uint32_t read_controller(struct controller *controller, unsigned offset)
{
    uint32_t value;
    switch (offset) {
    case REGISTER_COMMAND:
        value = controller->reached |
                (uint32_t)(controller->requests | controller->lines) << 4;
        controller->reached = 0;
        return value;
    case REGISTER_MASTER_CLEAR:
        return 0; /* the temporary register serves memory-to-memory only */
    case REGISTER_ALL_MASKS:
        return controller->masks | 0xf0;
    default:
        return offset < REGISTER_COMMAND ? read_channel(controller, offset) : 0xff;
    }
}

static void clear_controller(struct controller *controller)
{
    controller->command = 0;
    controller->requests = 0;
    controller->reached = 0;
    controller->high_next = false;
    controller->masks = 0xf;
}

/* Sets or clears the bit of the channel that a request or mask command names. */
static void select_bit(uint8_t *bits, uint8_t value)
{
    uint8_t bit = (uint8_t)(1U << (value & SELECT_CHANNEL));
    *bits = value & SELECT_SET ? *bits | bit : *bits & (uint8_t)~bit;
}

static void write_controller(struct controller *controller, unsigned offset,
                             uint8_t value)
{
    switch (offset) {
    case REGISTER_COMMAND:
        controller->command = value;
        break;
    case REGISTER_REQUEST:
        select_bit(&controller->requests, value);
        break;
    case REGISTER_MASK:
        select_bit(&controller->masks, value);
        break;
    case REGISTER_MODE:
        controller->modes[value & SELECT_CHANNEL] = value & (uint8_t)~SELECT_CHANNEL;
        break;
    case REGISTER_CLEAR_POINTER:
        controller->high_next = false;
        break;
    case REGISTER_MASTER_CLEAR:
        clear_controller(controller);
        break;
    case REGISTER_CLEAR_MASK:
        controller->masks = 0;
        break;
    case REGISTER_ALL_MASKS:
        controller->masks = value & 0xf;
        break;
    default:
        write_channel(controller, offset, value);
        break;
    }
}

static uint32_t read_first(void *opaque, uint16_t offset, unsigned width)
{
    struct i8237 *dma = opaque;
    tell_followers(dma, 0);
    return read_controller(&dma->controllers[0], offset);
}

static void write_first(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8237 *dma = opaque;
    tell_followers(dma, 0);
    write_controller(&dma->controllers[0], offset, (uint8_t)value);
    tell_listeners(dma);
}

/* The second controller's registers are at even ports; the odd ones are the same. */
static uint32_t read_second(void *opaque, uint16_t offset, unsigned width)
{
    struct i8237 *dma = opaque;
    tell_followers(dma, 1);
    return read_controller(&dma->controllers[1], offset / 2);
}

static void write_second(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8237 *dma = opaque;
    tell_followers(dma, 1);
    write_controller(&dma->controllers[1], offset / 2, (uint8_t)value);
    tell_listeners(dma);
}

static uint32_t read_page(void *opaque, uint16_t offset, unsigned width)
{
    struct i8237 *dma = opaque;
    return dma->pages[offset];
}

static void write_page(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8237 *dma = opaque;
    tell_followers(dma, 0);
    tell_followers(dma, 1);
    dma->pages[offset] = (uint8_t)value;
}

static const struct port_ops first_ops = {read_first, write_first, 1};
static const struct port_ops second_ops = {read_second, write_second, 1};
static const struct port_ops page_ops = {read_page, write_page, 1};

static void i8237_reset(void *device)
{
    struct i8237 *dma = device;
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        clear_controller(&dma->controllers[i]);
        memset(dma->controllers[i].modes, 0, sizeof(dma->controllers[i].modes));
        memset(dma->controllers[i].channels, 0, sizeof(dma->controllers[i].channels));
    }
    memset(dma->pages, 0, sizeof(dma->pages));
}

static bool i8237_loaded(void *device, struct error *error)
{
    struct i8237 *dma = device;
    for (unsigned i = 0; i < CONTROLLERS; i++) {
        dma->controllers[i].masks &= 0xf;
        dma->controllers[i].requests &= 0xf;
        dma->controllers[i].lines &= 0xf;
        dma->controllers[i].reached &= 0xf;
    }
    return true;
}

static const struct device_class i8237_class = {
    .name = "i8237",
    .version = 1,
    .size = sizeof(struct i8237),
    .fields = i8237_fields,
    .reset = i8237_reset,
    .loaded = i8237_loaded,
};

struct i8237 *i8237_create(struct log *log, struct port_space *ports,
                           struct memory_map *memory)
{
    struct i8237 *dma = device_allocate(&i8237_class, log);
    dma->memory = memory;
    port_map(ports, "i8237 channels 0-3", 0x00, 16, &first_ops, dma);
    port_map(ports, "i8237 channels 4-7", 0xc0, 32, &second_ops, dma);
    port_map(ports, "DMA pages", 0x80, PAGES, &page_ops, dma);
    i8237_reset(dma);
    return dma;
}
