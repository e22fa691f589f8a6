#include "devices/virtio_input.h"

#include "devices/virtio.h"

#include <linux/input-event-codes.h>
#include <string.h>

enum {
    CLASS_KEYBOARD = 0x090000,
    CLASS_POINTER = 0x090200,
    QUEUE_EVENTS = 0,
    QUEUE_STATUS = 1,

    CONFIG_SELECT = 0,
    CONFIG_SUBSELECT = 1,
    CONFIG_SIZE = 2,
    CONFIG_DATA = 8,
    CONFIG_DATA_BYTES = 128,
    SELECT_NAME = 1,
    SELECT_IDS = 3,
    SELECT_EVENTS = 0x11,
    SELECT_AXIS = 0x12,

    BUS_VIRTUAL = 6,
    VENDOR_ID = 0x0627, /* QEMU's, whose devices these are like */
    KEYBOARD_ID = 1,
    TABLET_ID = 3,
    PRODUCT_VERSION = 1,

    PENDING = 128, /* events that the driver has no buffers for; more are lost */
    ELEMENTS_AT_ONCE = 256,
};

struct input_event_record {
    uint16_t type, code;
    uint32_t value;
};

struct virtio_input {
    struct device device;
    enum virtio_input_kind kind;
    /* saved */
    struct virtio virtio;
    struct input_event_record pending[PENDING];
    uint32_t first, count;
};

static const struct state_field virtio_input_fields[] = {
    VIRTIO_STATE_FIELDS(struct virtio_input, virtio),
    STATE_FIELD(struct virtio_input, pending, 1),
    STATE_FIELD(struct virtio_input, first, 1),
    STATE_FIELD(struct virtio_input, count, 1),
    STATE_END,
};

/* -- what it says of itself -- */

static void set_bit(uint8_t *bits, unsigned number)
{
    bits[number / 8] |= (uint8_t)(1U << number % 8);
}

/* The codes of an event type, as a bit map; nothing for a type it does not have. */
static void list_codes(const struct virtio_input *input, unsigned type, uint8_t *bits)
{
    static const uint16_t buttons[] = {BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE,
                                       BTN_EXTRA};
    bool is_keyboard = input->kind == VIRTIO_INPUT_KEYBOARD;
    if (type == EV_KEY && is_keyboard) {
        for (unsigned i = KEY_ESC; i <= KEY_MICMUTE; i++) {
            set_bit(bits, i);
        }
    } else if (type == EV_LED && is_keyboard) {
        set_bit(bits, LED_NUML);
        set_bit(bits, LED_CAPSL);
        set_bit(bits, LED_SCROLLL);
    } else if (type == EV_REP && is_keyboard) {
        set_bit(bits, REP_DELAY);
        set_bit(bits, REP_PERIOD);
    } else if (type == EV_KEY) {
        for (size_t i = 0; i < ARRAY_LENGTH(buttons); i++) {
            set_bit(bits, buttons[i]);
        }
    } else if (type == EV_REL && !is_keyboard) {
        set_bit(bits, REL_WHEEL);
    } else if (type == EV_ABS && !is_keyboard) {
        set_bit(bits, ABS_X);
        set_bit(bits, ABS_Y);
    }
}

static size_t describe(const struct virtio_input *input, unsigned select,
                       unsigned subselect, uint8_t *data)
{
    bool is_keyboard = input->kind == VIRTIO_INPUT_KEYBOARD;
    const char *name = is_keyboard ? "FAUmachine keyboard" : "FAUmachine tablet";
    const uint16_t ids[] = {BUS_VIRTUAL, VENDOR_ID,
                            is_keyboard ? KEYBOARD_ID : TABLET_ID, PRODUCT_VERSION};
    const uint32_t axis[] = {0, INPUT_POSITION_MAXIMUM, 0, 0, 0};
    size_t size = CONFIG_DATA_BYTES;
    switch (select) {
    case SELECT_NAME:
        memcpy(data, name, strlen(name));
        return strlen(name);
    case SELECT_IDS:
        memcpy(data, ids, sizeof(ids));
        return sizeof(ids);
    case SELECT_EVENTS:
        list_codes(input, subselect, data);
        while (size > 0 && data[size - 1] == 0) {
            size--;
        }
        return size;
    case SELECT_AXIS:
        if (is_keyboard || subselect > ABS_Y) {
            return 0;
        }
        memcpy(data, axis, sizeof(axis));
        return sizeof(axis);
    default:
        return 0;
    }
}

/* Only the two bytes that select are the driver's; the rest follows from them. */
static void config_written(void *opaque, unsigned offset, unsigned width)
{
    struct virtio_input *input = opaque;
    uint8_t *config = input->virtio.config;
    memset(config + CONFIG_SIZE, 0, CONFIG_DATA + CONFIG_DATA_BYTES - CONFIG_SIZE);
    config[CONFIG_SIZE] = (uint8_t)describe(
        input, config[CONFIG_SELECT], config[CONFIG_SUBSELECT], config + CONFIG_DATA);
}

/* -- events -- */

static void send_pending(struct virtio_input *input)
{
    struct virtqueue *queue = &input->virtio.queues[QUEUE_EVENTS];
    struct virtqueue_element element;
    while (input->count > 0 && virtqueue_pop(queue, &element)) {
        const struct input_event_record *event = &input->pending[input->first];
        size_t written = virtqueue_write(queue, &element, 0, event, sizeof(*event));
        virtqueue_push(queue, &element, (uint32_t)written);
        input->first = (input->first + 1) % PENDING;
        input->count--;
    }
}

/* A group of events belongs together: all of it fits, or none is sent. */
static void report(struct virtio_input *input, const struct input_event_record *events,
                   unsigned count)
{
    if (!virtio_is_running(&input->virtio) || count + 1 > PENDING - input->count) {
        return;
    }
    for (unsigned i = 0; i <= count; i++) {
        const struct input_event_record end = {.type = EV_SYN, .code = SYN_REPORT};
        unsigned place = (input->first + input->count++) % PENDING;
        input->pending[place] = i < count ? events[i] : end;
    }
    send_pending(input);
    virtio_notify_driver(&input->virtio, QUEUE_EVENTS);
}

static void key(void *opaque, uint16_t code, bool down)
{
    const struct input_event_record event = {EV_KEY, code, down};
    report(opaque, &event, 1);
}

static void move(void *opaque, int dx, int dy, int wheel)
{
    const struct input_event_record event = {EV_REL, REL_WHEEL, (uint32_t)wheel};
    if (wheel) {
        report(opaque, &event, 1);
    }
}

static void position(void *opaque, unsigned x, unsigned y)
{
    const struct input_event_record events[] = {{EV_ABS, ABS_X, x}, {EV_ABS, ABS_Y, y}};
    report(opaque, events, ARRAY_LENGTH(events));
}

bool virtio_input_is_driven(const struct virtio_input *input)
{
    return virtio_is_running(&input->virtio);
}

static bool has_position(void *opaque)
{
    return virtio_input_is_driven(opaque);
}

struct input_sink virtio_input_sink(struct virtio_input *input)
{
    if (input->kind == VIRTIO_INPUT_KEYBOARD) {
        return (struct input_sink){.key = key, .opaque = input};
    }
    return (struct input_sink){
        .button = key,
        .move = move,
        .position = position,
        .has_position = has_position,
        .opaque = input,
    };
}

/* What comes in the status queue are LEDs: taken and forgotten. */
static void notify(void *opaque, unsigned number)
{
    struct virtio_input *input = opaque;
    struct virtqueue *queue = &input->virtio.queues[number];
    struct virtqueue_element element;
    if (number == QUEUE_EVENTS) {
        send_pending(input);
        return;
    }
    for (unsigned i = 0; i < ELEMENTS_AT_ONCE && virtqueue_pop(queue, &element); i++) {
        virtqueue_push(queue, &element, 0);
    }
}

static void forget_events(void *opaque)
{
    struct virtio_input *input = opaque;
    memset(input->pending, 0, sizeof(input->pending));
    input->first = input->count = 0;
    memset(input->virtio.config, 0, sizeof(input->virtio.config));
}

static const struct virtio_class virtio_input_classes[] = {
    [VIRTIO_INPUT_KEYBOARD] =
        {
            .name = "virtio-keyboard",
            .type = VIRTIO_TYPE_INPUT,
            .class_code = CLASS_KEYBOARD,
            .is_modern_only = true,
            .queue_count = 2,
            .queue_sizes = {64, 64},
            .config_bytes = CONFIG_DATA + CONFIG_DATA_BYTES,
            .notify = notify,
            .config_written = config_written,
            .reset = forget_events,
        },
    [VIRTIO_INPUT_TABLET] =
        {
            .name = "virtio-tablet",
            .type = VIRTIO_TYPE_INPUT,
            .class_code = CLASS_POINTER,
            .is_modern_only = true,
            .queue_count = 2,
            .queue_sizes = {64, 64},
            .config_bytes = CONFIG_DATA + CONFIG_DATA_BYTES,
            .notify = notify,
            .config_written = config_written,
            .reset = forget_events,
        },
};

/* -- the device -- */

static void virtio_input_reset(void *device)
{
    struct virtio_input *input = device;
    virtio_power_on(&input->virtio);
}

static void virtio_input_reset_lines(void *device)
{
    struct virtio_input *input = device;
    virtio_reset_lines(&input->virtio);
}

static bool virtio_input_loaded(void *device, struct error *error)
{
    struct virtio_input *input = device;
    if (input->first >= PENDING || input->count > PENDING) {
        return error_set(error, "virtio-input: too many events in the saved state");
    }
    return virtio_loaded(&input->virtio, error);
}

static void virtio_input_save_more(const void *device, struct state_buffer *buffer)
{
    const struct virtio_input *input = device;
    virtio_save_queues(&input->virtio, buffer);
}

static bool virtio_input_load_more(void *device, struct state_buffer *buffer,
                                   struct error *error)
{
    struct virtio_input *input = device;
    return virtio_load_queues(&input->virtio, buffer, error);
}

static const struct device_class virtio_input_device_class = {
    .name = "virtio-input",
    .version = 1,
    .size = sizeof(struct virtio_input),
    .fields = virtio_input_fields,
    .reset = virtio_input_reset,
    .reset_lines = virtio_input_reset_lines,
    .loaded = virtio_input_loaded,
    .save_more = virtio_input_save_more,
    .load_more = virtio_input_load_more,
};

struct virtio_input *virtio_input_create(struct log *log, struct pci_bus *bus,
                                         unsigned slot, enum virtio_input_kind kind)
{
    struct virtio_input *input = device_allocate(&virtio_input_device_class, log);
    input->kind = kind;
    virtio_init(&input->virtio, &virtio_input_classes[kind], input, log, bus, slot);
    virtio_input_reset(input);
    return input;
}
