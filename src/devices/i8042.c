#include "devices/i8042.h"

#include <string.h>

#include "bus/device.h"

/* Commands, at port 0x64. */
enum {
    COMMAND_READ_RAM = 0x20,  /* to 0x3f */
    COMMAND_WRITE_RAM = 0x60, /* to 0x7f */
    COMMAND_PASSWORD_INSTALLED = 0xa4,
    COMMAND_LOAD_PASSWORD = 0xa5,
    COMMAND_ENABLE_PASSWORD = 0xa6,
    COMMAND_DISABLE_MOUSE = 0xa7,
    COMMAND_ENABLE_MOUSE = 0xa8,
    COMMAND_TEST_MOUSE = 0xa9,
    COMMAND_SELF_TEST = 0xaa,
    COMMAND_TEST_KEYBOARD = 0xab,
    COMMAND_DISABLE_KEYBOARD = 0xad,
    COMMAND_ENABLE_KEYBOARD = 0xae,
    COMMAND_READ_INPUT_PORT = 0xc0,
    COMMAND_POLL_INPUT_LOW = 0xc1,
    COMMAND_POLL_INPUT_HIGH = 0xc2,
    COMMAND_READ_OUTPUT_PORT = 0xd0,
    COMMAND_WRITE_OUTPUT_PORT = 0xd1,
    COMMAND_WRITE_KEYBOARD_BUFFER = 0xd2,
    COMMAND_WRITE_MOUSE_BUFFER = 0xd3,
    COMMAND_WRITE_MOUSE = 0xd4,
    COMMAND_DISABLE_A20 = 0xdd,
    COMMAND_ENABLE_A20 = 0xdf,
    COMMAND_READ_TEST_INPUTS = 0xe0,
    COMMAND_PULSE_OUTPUT = 0xf0, /* to 0xff; the low bits that are 0 are pulsed */
    RAM_ADDRESS = 0x1f,
    RAM_BYTES = 32,
};

enum {
    STATUS_OUTPUT_FULL = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08, /* the last write was to port 0x64 */
    STATUS_UNLOCKED = 0x10,
    STATUS_MOUSE_DATA = 0x20,
    CONFIG_KEYBOARD_INTERRUPT = 0x01,
    CONFIG_MOUSE_INTERRUPT = 0x02,
    CONFIG_SYSTEM = 0x04,
    CONFIG_KEYBOARD_OFF = 0x10,
    CONFIG_MOUSE_OFF = 0x20,
    CONFIG_TRANSLATE = 0x40,
    CONFIG_POWER_ON = CONFIG_KEYBOARD_INTERRUPT | CONFIG_MOUSE_INTERRUPT,
    OUTPUT_NO_RESET = 0x01,
    OUTPUT_A20 = 0x02,
    OUTPUT_KEYBOARD_FULL = 0x10,
    OUTPUT_MOUSE_FULL = 0x20,
    OUTPUT_LINES_IDLE = 0xcc, /* clock and data of both devices */
    INPUT_PORT = 0xb0,        /* not locked, color display, no jumper */
    REPLY_SELF_TEST_PASSED = 0x55,
    REPLY_INTERFACE_PASSED = 0x00,
    REPLY_NO_PASSWORD = 0xf1,
    BYTE_NS = 300000, /* 11 bits and the controller's work on them */
};

/* Where the byte in the output buffer comes from. */
enum { SOURCE_NONE, SOURCE_KEYBOARD, SOURCE_MOUSE };

struct i8042 {
    struct device device;
    struct clock *clock;
    struct irq_line irq1, irq12, a20, reset;
    struct timer transfer;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
    uint64_t
        transfer_deadline_ns; /* a device's byte arrives; CLOCK_NEVER: none comes */
    uint8_t ram[RAM_BYTES];   /* 0: the configuration ("command byte") */
    uint8_t output, output_source; /* the output buffer */
    uint8_t answer, answer_source; /* the controller's own, while the buffer is full */
    uint8_t output_port;
    uint8_t command; /* that waits for data at port 0x60; 0: none */
    bool command_last;
    bool break_pending; /* of the translation */
};

static const struct state_field i8042_fields[] = {
    PS2_KEYBOARD_FIELDS(struct i8042, keyboard, 1),
    PS2_MOUSE_FIELDS(struct i8042, mouse, 1),
    STATE_FIELD(struct i8042, transfer_deadline_ns, 1),
    STATE_FIELD(struct i8042, ram, 1),
    STATE_FIELD(struct i8042, output, 1),
    STATE_FIELD(struct i8042, output_source, 1),
    STATE_FIELD(struct i8042, answer, 1),
    STATE_FIELD(struct i8042, answer_source, 1),
    STATE_FIELD(struct i8042, output_port, 1),
    STATE_FIELD(struct i8042, command, 1),
    STATE_FIELD(struct i8042, command_last, 1),
    STATE_FIELD(struct i8042, break_pending, 1),
    STATE_END,
};

static bool keyboard_waits(const struct i8042 *controller)
{
    return !(controller->ram[0] & CONFIG_KEYBOARD_OFF) &&
           ps2_keyboard_has_byte(&controller->keyboard);
}

static bool mouse_waits(const struct i8042 *controller)
{
    return !(controller->ram[0] & CONFIG_MOUSE_OFF) &&
           ps2_mouse_has_byte(&controller->mouse);
}

static void update_interrupts(struct i8042 *controller)
{
    uint8_t config = controller->ram[0];
    irq_set(&controller->irq1, controller->output_source == SOURCE_KEYBOARD &&
                                   (config & CONFIG_KEYBOARD_INTERRUPT));
    irq_set(&controller->irq12, controller->output_source == SOURCE_MOUSE &&
                                    (config & CONFIG_MOUSE_INTERRUPT));
}

static void set_output(struct i8042 *controller, uint8_t byte, uint8_t source)
{
    controller->output = byte;
    controller->output_source = source;
    update_interrupts(controller);
}

/* Takes bytes from the keyboard until one is left of the translation. */
static bool fetch_from_keyboard(struct i8042 *controller)
{
    while (keyboard_waits(controller)) {
        uint8_t byte = ps2_keyboard_take_byte(&controller->keyboard);
        if (!(controller->ram[0] & CONFIG_TRANSLATE) ||
            ps2_translate(&controller->break_pending, byte, &byte)) {
            set_output(controller, byte, SOURCE_KEYBOARD);
            return true;
        }
    }
    return false;
}

static void set_transfer(struct i8042 *controller, uint64_t deadline_ns)
{
    if (controller->transfer_deadline_ns != deadline_ns) {
        controller->transfer_deadline_ns = deadline_ns;
        timer_set_ns(&controller->transfer, deadline_ns);
    }
}

/* A device's byte arrives in the empty output buffer; the keyboard goes first. */
static void transfer_now(struct i8042 *controller)
{
    set_transfer(controller, CLOCK_NEVER);
    if (controller->output_source != SOURCE_NONE || fetch_from_keyboard(controller)) {
        return;
    }
    if (mouse_waits(controller)) {
        set_output(controller, ps2_mouse_take_byte(&controller->mouse), SOURCE_MOUSE);
    }
}

static void transfer_due(void *opaque)
{
    transfer_now(opaque);
}

/* Fills the empty output buffer with the controller's own answer now, or with a
 * device's byte in a while. */
static void fill_output(struct i8042 *controller)
{
    if (controller->output_source != SOURCE_NONE) {
        return;
    }
    if (controller->answer_source != SOURCE_NONE) {
        uint8_t source = controller->answer_source;
        controller->answer_source = SOURCE_NONE;
        set_output(controller, controller->answer, source);
    } else if (!keyboard_waits(controller) && !mouse_waits(controller)) {
        set_transfer(controller, CLOCK_NEVER);
    } else if (controller->transfer_deadline_ns == CLOCK_NEVER) {
        set_transfer(controller, clock_now_ns(controller->clock) + BYTE_NS);
    }
}

static void device_changed(void *opaque)
{
    fill_output(opaque);
}

static void answer(struct i8042 *controller, uint8_t byte, uint8_t source)
{
    controller->answer = byte;
    controller->answer_source = source;
    fill_output(controller);
}

static void write_config(struct i8042 *controller, uint8_t value)
{
    if (!(value & CONFIG_TRANSLATE)) {
        controller->break_pending = false;
    }
    controller->ram[0] = value;
    update_interrupts(controller);
    fill_output(controller);
}

static uint8_t output_port_lines(const struct i8042 *controller)
{
    uint8_t value = controller->output_port | OUTPUT_LINES_IDLE;
    value |= controller->output_source == SOURCE_KEYBOARD ? OUTPUT_KEYBOARD_FULL : 0;
    value |= controller->output_source == SOURCE_MOUSE ? OUTPUT_MOUSE_FULL : 0;
    return value;
}

static void write_output_port(struct i8042 *controller, uint8_t value)
{
    bool reset =
        (controller->output_port & OUTPUT_NO_RESET) && !(value & OUTPUT_NO_RESET);
    controller->output_port = value & (OUTPUT_NO_RESET | OUTPUT_A20);
    irq_set(&controller->a20, value & OUTPUT_A20);
    if (reset) {
        irq_pulse(&controller->reset);
    }
}

static void self_test(struct i8042 *controller)
{
    controller->output_source = SOURCE_NONE;
    controller->break_pending = false;
    controller->ram[0] |= CONFIG_SYSTEM;
    update_interrupts(controller);
    answer(controller, REPLY_SELF_TEST_PASSED, SOURCE_KEYBOARD);
}

/* Commands that answer with one byte; returns false for any other. */
static bool execute_query(struct i8042 *controller, uint8_t command)
{
    uint8_t byte;
    switch (command) {
    case COMMAND_PASSWORD_INSTALLED:
        byte = REPLY_NO_PASSWORD;
        break;
    case COMMAND_TEST_MOUSE:
    case COMMAND_TEST_KEYBOARD:
        byte = REPLY_INTERFACE_PASSED;
        break;
    case COMMAND_READ_INPUT_PORT:
        byte = INPUT_PORT;
        break;
    case COMMAND_READ_OUTPUT_PORT:
        byte = output_port_lines(controller);
        break;
    case COMMAND_READ_TEST_INPUTS: /* both clocks; low while the interface is off */
        byte = (uint8_t)((controller->ram[0] & CONFIG_KEYBOARD_OFF ? 0 : 1) |
                         (controller->ram[0] & CONFIG_MOUSE_OFF ? 0 : 2));
        break;
    default:
        if ((command & ~RAM_ADDRESS) != COMMAND_READ_RAM) {
            return false;
        }
        byte = controller->ram[command & RAM_ADDRESS];
        break;
    }
    answer(controller, byte, SOURCE_KEYBOARD);
    return true;
}

static void execute(struct i8042 *controller, uint8_t command)
{
    uint8_t config = controller->ram[0];
    switch (command) {
    case COMMAND_DISABLE_MOUSE:
        write_config(controller, config | CONFIG_MOUSE_OFF);
        break;
    case COMMAND_ENABLE_MOUSE:
        write_config(controller, config & (uint8_t)~CONFIG_MOUSE_OFF);
        break;
    case COMMAND_DISABLE_KEYBOARD:
        write_config(controller, config | CONFIG_KEYBOARD_OFF);
        break;
    case COMMAND_ENABLE_KEYBOARD:
        write_config(controller, config & (uint8_t)~CONFIG_KEYBOARD_OFF);
        break;
    case COMMAND_SELF_TEST:
        self_test(controller);
        break;
    case COMMAND_LOAD_PASSWORD:
    case COMMAND_WRITE_OUTPUT_PORT:
    case COMMAND_WRITE_KEYBOARD_BUFFER:
    case COMMAND_WRITE_MOUSE_BUFFER:
    case COMMAND_WRITE_MOUSE:
        controller->command = command;
        break;
    case COMMAND_ENABLE_PASSWORD: /* none can be installed */
    case COMMAND_POLL_INPUT_LOW:  /* would copy jumpers to the status register */
    case COMMAND_POLL_INPUT_HIGH:
        break;
    case COMMAND_DISABLE_A20:
        write_output_port(controller, controller->output_port & (uint8_t)~OUTPUT_A20);
        break;
    case COMMAND_ENABLE_A20:
        write_output_port(controller, controller->output_port | OUTPUT_A20);
        break;
    default:
        if ((command & ~RAM_ADDRESS) == COMMAND_WRITE_RAM) {
            controller->command = command;
        } else if (command >= COMMAND_PULSE_OUTPUT) {
            if (!(command & OUTPUT_NO_RESET)) {
                irq_pulse(&controller->reset);
            }
        } else if (!execute_query(controller, command)) {
            log_guest_error(controller->device.log, "i8042", "unknown command 0x%02x",
                            command);
        }
        break;
    }
}

/* Data for a command, or else for the keyboard. Bytes to a device switch its interface
 * on. */
static void write_data(struct i8042 *controller, uint8_t byte)
{
    uint8_t command = controller->command;
    controller->command = 0;
    switch (command) {
    case 0:
        write_config(controller, controller->ram[0] & (uint8_t)~CONFIG_KEYBOARD_OFF);
        ps2_keyboard_write(&controller->keyboard, byte);
        break;
    case COMMAND_WRITE_MOUSE:
        write_config(controller, controller->ram[0] & (uint8_t)~CONFIG_MOUSE_OFF);
        ps2_mouse_write(&controller->mouse, byte);
        break;
    case COMMAND_WRITE_OUTPUT_PORT:
        write_output_port(controller, byte);
        break;
    case COMMAND_WRITE_KEYBOARD_BUFFER:
        answer(controller, byte, SOURCE_KEYBOARD);
        break;
    case COMMAND_WRITE_MOUSE_BUFFER:
        answer(controller, byte, SOURCE_MOUSE);
        break;
    case COMMAND_LOAD_PASSWORD: /* swallowed up to the final zero */
        controller->command = byte ? command : 0;
        break;
    case COMMAND_WRITE_RAM:
        write_config(controller, byte);
        break;
    default:
        controller->ram[command & RAM_ADDRESS] = byte;
        break;
    }
}

static uint32_t read_data_port(void *opaque, uint16_t offset, unsigned width)
{
    struct i8042 *controller = opaque;
    uint8_t byte = controller->output;
    controller->output_source = SOURCE_NONE;
    update_interrupts(controller);
    fill_output(controller);
    return byte;
}

static void write_data_port(void *opaque, uint16_t offset, uint32_t value,
                            unsigned width)
{
    struct i8042 *controller = opaque;
    controller->command_last = false;
    write_data(controller, (uint8_t)value);
}

static uint32_t read_status_port(void *opaque, uint16_t offset, unsigned width)
{
    struct i8042 *controller = opaque;
    if (controller->transfer_deadline_ns != CLOCK_NEVER) {
        transfer_now(controller);
    }
    uint8_t status = STATUS_UNLOCKED;
    status |= controller->output_source != SOURCE_NONE ? STATUS_OUTPUT_FULL : 0;
    status |= controller->output_source == SOURCE_MOUSE ? STATUS_MOUSE_DATA : 0;
    status |= controller->ram[0] & CONFIG_SYSTEM ? STATUS_SYSTEM : 0;
    status |= controller->command_last ? STATUS_COMMAND : 0;
    return status;
}

static void write_command_port(void *opaque, uint16_t offset, uint32_t value,
                               unsigned width)
{
    struct i8042 *controller = opaque;
    controller->command_last = true;
    controller->command = 0;
    execute(controller, (uint8_t)value);
}

static const struct port_ops data_ops = {read_data_port, write_data_port, 1};
static const struct port_ops command_ops = {read_status_port, write_command_port, 1};

struct ps2_keyboard *i8042_keyboard(struct i8042 *controller)
{
    return &controller->keyboard;
}

struct ps2_mouse *i8042_mouse(struct i8042 *controller)
{
    return &controller->mouse;
}

static void i8042_reset(void *device)
{
    struct i8042 *controller = device;
    memset(controller->ram, 0, sizeof(controller->ram));
    controller->ram[0] = CONFIG_POWER_ON;
    controller->output = 0;
    controller->output_source = SOURCE_NONE;
    controller->answer_source = SOURCE_NONE;
    controller->output_port = OUTPUT_NO_RESET | OUTPUT_A20;
    controller->command = 0;
    controller->command_last = false;
    controller->break_pending = false;
    ps2_keyboard_reset(&controller->keyboard);
    ps2_mouse_reset(&controller->mouse);
    set_transfer(controller, CLOCK_NEVER);
}

static void i8042_reset_lines(void *device)
{
    struct i8042 *controller = device;
    update_interrupts(controller);
    irq_set(&controller->a20, controller->output_port & OUTPUT_A20);
}

static bool i8042_loaded(void *device, struct error *error)
{
    struct i8042 *controller = device;
    if (!ps2_keyboard_loaded(&controller->keyboard) ||
        !ps2_mouse_loaded(&controller->mouse) ||
        controller->output_source > SOURCE_MOUSE ||
        controller->answer_source > SOURCE_MOUSE) {
        return error_set(error, "saved state of i8042: a value is out of range");
    }
    timer_set_ns(&controller->transfer, controller->transfer_deadline_ns);
    i8042_reset_lines(controller);
    return true;
}

static void i8042_destroy(void *device)
{
    struct i8042 *controller = device;
    timer_cancel(&controller->transfer);
    ps2_keyboard_destroy(&controller->keyboard);
    ps2_mouse_destroy(&controller->mouse);
}

static const struct device_class i8042_class = {
    .name = "i8042",
    .version = 1,
    .size = sizeof(struct i8042),
    .fields = i8042_fields,
    .reset = i8042_reset,
    .reset_lines = i8042_reset_lines,
    .loaded = i8042_loaded,
    .destroy = i8042_destroy,
};

struct i8042 *i8042_create(struct log *log, struct port_space *ports,
                           struct clock *clock, struct irq_line irq1,
                           struct irq_line irq12, struct irq_line a20,
                           struct irq_line reset)
{
    struct i8042 *controller = device_allocate(&i8042_class, log);
    controller->clock = clock;
    controller->irq1 = irq1;
    controller->irq12 = irq12;
    controller->a20 = a20;
    controller->reset = reset;
    timer_init(&controller->transfer, clock, transfer_due, controller);
    ps2_keyboard_init(&controller->keyboard, clock, device_changed, controller);
    ps2_mouse_init(&controller->mouse, clock, device_changed, controller);
    port_map(ports, "i8042 data", 0x60, 1, &data_ops, controller);
    port_map(ports, "i8042 command", 0x64, 1, &command_ops, controller);
    i8042_reset(controller);
    i8042_reset_lines(controller);
    return controller;
}
