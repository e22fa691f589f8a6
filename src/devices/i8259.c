#include "devices/i8259.h"

#include "bus/device.h"

enum {
    MASTER,
    SLAVE,
    CHIPS,
    INPUTS = 8,
    CASCADE_INPUT = 2, /* of the master */
    SPURIOUS_INPUT = 7,
    NO_INPUT = -1,
};

/* Command words, by the names of the data sheet. */
enum {
    ICW1 = 0x10, /* set: an ICW1; clear: OCW2 or OCW3 */
    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW2_VECTOR = 0xf8,
    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,
    OCW2_INPUT = 0x07,
    OCW2_COMMAND_SHIFT = 5,
    OCW3 = 0x08, /* set: OCW3; clear: OCW2 */
    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_POLL = 0x04,
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,
    POLL_INTERRUPT = 0x80,
};

/* OCW2, bits 7-5: R, SL, EOI. */
enum {
    OCW2_ROTATE_IN_AEOI_CLEAR,
    OCW2_EOI,
    OCW2_NOP,
    OCW2_SPECIFIC_EOI,
    OCW2_ROTATE_IN_AEOI_SET,
    OCW2_ROTATE_ON_EOI,
    OCW2_SET_PRIORITY,
    OCW2_ROTATE_ON_SPECIFIC_EOI,
};

/* What the next write to the odd port is. */
enum { EXPECT_OCW1, EXPECT_ICW2, EXPECT_ICW3, EXPECT_ICW4 };

struct chip {
    uint8_t lines;       /* levels of the inputs */
    uint8_t irr;         /* interrupt request register */
    uint8_t imr;         /* interrupt mask register */
    uint8_t isr;         /* in-service register */
    uint8_t level;       /* ELCR: inputs that are level triggered */
    uint8_t vector_base; /* ICW2 */
    uint8_t highest;     /* input that has the highest priority now */
    uint8_t expect;
    bool initialized; /* has had an ICW1 since the reset */
    bool icw4_follows, single;
    bool auto_eoi, rotate_on_auto_eoi;
    bool special_mask, special_fully_nested;
    bool poll;     /* the next read is an acknowledge */
    bool read_isr; /* reads of the even port give ISR instead of IRR */
    bool output;   /* INT */
};

struct i8259 {
    struct device device;
    struct irq_line intr;
    struct chip chips[CHIPS];
};

#define CHIP_FIELDS(member)                                                            \
    STATE_FIELD(struct i8259, member.lines, 1),                                        \
        STATE_FIELD(struct i8259, member.irr, 1),                                      \
        STATE_FIELD(struct i8259, member.imr, 1),                                      \
        STATE_FIELD(struct i8259, member.isr, 1),                                      \
        STATE_FIELD(struct i8259, member.level, 1),                                    \
        STATE_FIELD(struct i8259, member.vector_base, 1),                              \
        STATE_FIELD(struct i8259, member.highest, 1),                                  \
        STATE_FIELD(struct i8259, member.expect, 1),                                   \
        STATE_FIELD(struct i8259, member.initialized, 1),                              \
        STATE_FIELD(struct i8259, member.icw4_follows, 1),                             \
        STATE_FIELD(struct i8259, member.single, 1),                                   \
        STATE_FIELD(struct i8259, member.auto_eoi, 1),                                 \
        STATE_FIELD(struct i8259, member.rotate_on_auto_eoi, 1),                       \
        STATE_FIELD(struct i8259, member.special_mask, 1),                             \
        STATE_FIELD(struct i8259, member.special_fully_nested, 1),                     \
        STATE_FIELD(struct i8259, member.poll, 1),                                     \
        STATE_FIELD(struct i8259, member.read_isr, 1),                                 \
        STATE_FIELD(struct i8259, member.output, 1)

static const struct state_field i8259_fields[] = {
    CHIP_FIELDS(chips[MASTER]),
    CHIP_FIELDS(chips[SLAVE]),
    STATE_END,
};

/* Inputs that may be level triggered: not the timer, the keyboard, the cascade, the
 * RTC and the FPU (PIIX3 data sheet, ELCR1 and ELCR2). */
static const uint8_t level_capable[CHIPS] = {0xf8, 0xde};

/* The set input of `inputs` with the highest priority, as its distance from the
 * highest one; INPUTS if none is set. */
static unsigned priority_of(const struct chip *chip, uint8_t inputs)
{
    unsigned distance = 0;
    while (distance < INPUTS && !(inputs & (1U << ((chip->highest + distance) & 7)))) {
        distance++;
    }
    return distance;
}

/* The input that the chip requests service for, or NO_INPUT. */
static int requested_input(const struct i8259 *pic, const struct chip *chip)
{
    unsigned request = priority_of(chip, chip->irr & (uint8_t)~chip->imr);
    if (request == INPUTS) {
        return NO_INPUT;
    }
    int input = (int)((chip->highest + request) & 7);
    uint8_t blocking = chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr;
    unsigned in_service = priority_of(chip, blocking);
    if (request < in_service) {
        return input;
    }
    /* Special fully nested: the slave in service may ask for a higher one of its own.
     */
    bool nested = chip->special_fully_nested && chip == &pic->chips[MASTER] &&
                  input == CASCADE_INPUT && request == in_service;
    return nested ? input : NO_INPUT;
}

/* Edges are noticed from the first ICW1 on: what other devices do to their lines while
 * the machine is reset is no request. */
static void set_input(struct chip *chip, unsigned input, bool level)
{
    uint8_t bit = (uint8_t)(1U << input);
    bool rising = chip->initialized && level && !(chip->lines & bit);
    if (level) {
        chip->lines |= bit;
    } else {
        chip->lines &= (uint8_t)~bit;
    }
    if (chip->level & bit) {
        chip->irr = level ? chip->irr | bit : chip->irr & (uint8_t)~bit;
    } else if (rising) {
        chip->irr |= bit;
    }
}

/* The slave's output is the master's input 2. Nobody but the slave knows whether it was
 * acknowledged, so a request that it takes back is gone. */
static void set_cascade(struct i8259 *pic, bool level)
{
    struct chip *master = &pic->chips[MASTER];
    set_input(master, CASCADE_INPUT, level);
    if (!level) {
        master->irr &= (uint8_t) ~(1U << CASCADE_INPUT);
    }
}

static void update_outputs(struct i8259 *pic)
{
    struct chip *master = &pic->chips[MASTER];
    struct chip *slave = &pic->chips[SLAVE];
    bool slave_output = requested_input(pic, slave) != NO_INPUT;
    if (slave->output != slave_output) {
        slave->output = slave_output;
        set_cascade(pic, slave_output);
    }
    master->output = requested_input(pic, master) != NO_INPUT;
    irq_set(&pic->intr, master->output);
}

/* The chip's own part of an acknowledge cycle; its output falls, and rises again in
 * update_outputs() if there is more to do. */
static void acknowledge_input(struct i8259 *pic, struct chip *chip, unsigned input)
{
    uint8_t bit = (uint8_t)(1U << input);
    if (!(chip->level & bit)) {
        chip->irr &= (uint8_t)~bit;
    }
    if (!chip->auto_eoi) {
        chip->isr |= bit;
    } else if (chip->rotate_on_auto_eoi) {
        chip->highest = (input + 1) & 7;
    }
    if (chip == &pic->chips[SLAVE] && chip->output) {
        chip->output = false;
        set_cascade(pic, false);
    }
}

/* Acknowledges what the chip requests; returns the input's number, or the spurious
 * one's, which leaves no trace. */
static unsigned acknowledge_chip(struct i8259 *pic, struct chip *chip)
{
    int input = requested_input(pic, chip);
    if (input == NO_INPUT) {
        return SPURIOUS_INPUT;
    }
    acknowledge_input(pic, chip, (unsigned)input);
    return (unsigned)input;
}

uint8_t i8259_acknowledge(struct i8259 *pic)
{
    struct chip *chip = &pic->chips[MASTER];
    unsigned input = acknowledge_chip(pic, chip);
    if (input == CASCADE_INPUT) {
        chip = &pic->chips[SLAVE];
        input = acknowledge_chip(pic, chip);
    }
    update_outputs(pic);
    return (uint8_t)(chip->vector_base + input);
}

void i8259_set_irq(void *i8259, unsigned number, bool level)
{
    struct i8259 *pic = i8259;
    if (number == CASCADE_INPUT || number >= CHIPS * INPUTS) {
        return;
    }
    set_input(&pic->chips[number / INPUTS], number % INPUTS, level);
    update_outputs(pic);
}

/* ICW1: also clears the edge detectors, so that a line that is high now must fall and
 * rise to request again. */
static void start_initialization(struct chip *chip, uint8_t value)
{
    chip->initialized = true;
    chip->irr = chip->lines & chip->level;
    chip->imr = 0;
    chip->isr = 0;
    chip->highest = 0;
    chip->auto_eoi = false;
    chip->rotate_on_auto_eoi = false;
    chip->special_mask = false;
    chip->special_fully_nested = false;
    chip->poll = false;
    chip->read_isr = false;
    chip->icw4_follows = value & ICW1_IC4;
    chip->single = value & ICW1_SNGL;
    chip->expect = EXPECT_ICW2;
}

/* The in-service input that a non-specific EOI ends, or NO_INPUT. */
static int ended_input(const struct chip *chip)
{
    uint8_t candidates =
        chip->special_mask ? chip->isr & (uint8_t)~chip->imr : chip->isr;
    unsigned priority = priority_of(chip, candidates);
    return priority == INPUTS ? NO_INPUT : (int)((chip->highest + priority) & 7);
}

static void end_interrupt(struct chip *chip, int input, bool rotate)
{
    if (input != NO_INPUT) {
        chip->isr &= (uint8_t) ~(1U << input);
        if (rotate) {
            chip->highest = (uint8_t)((input + 1) & 7);
        }
    }
}

static void write_ocw2(struct chip *chip, uint8_t value)
{
    int input = value & OCW2_INPUT;
    unsigned command = value >> OCW2_COMMAND_SHIFT;
    switch (command) {
    case OCW2_ROTATE_IN_AEOI_CLEAR:
    case OCW2_ROTATE_IN_AEOI_SET:
        chip->rotate_on_auto_eoi = command == OCW2_ROTATE_IN_AEOI_SET;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_ON_EOI:
        end_interrupt(chip, ended_input(chip), command == OCW2_ROTATE_ON_EOI);
        break;
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_ON_SPECIFIC_EOI:
        end_interrupt(chip, input, command == OCW2_ROTATE_ON_SPECIFIC_EOI);
        break;
    case OCW2_SET_PRIORITY:
        chip->highest = (uint8_t)((input + 1) & 7);
        break;
    default:
        break;
    }
}

static void write_ocw3(struct chip *chip, uint8_t value)
{
    if (value & OCW3_ESMM) {
        chip->special_mask = value & OCW3_SMM;
    }
    if (value & OCW3_POLL) {
        chip->poll = true;
    } else if (value & OCW3_RR) {
        chip->read_isr = value & OCW3_RIS;
    }
}

static void write_even(struct chip *chip, uint8_t value)
{
    if (value & ICW1) {
        start_initialization(chip, value);
    } else if (value & OCW3) {
        write_ocw3(chip, value);
    } else {
        write_ocw2(chip, value);
    }
}

static void write_odd(struct chip *chip, uint8_t value)
{
    switch (chip->expect) {
    case EXPECT_ICW2:
        chip->vector_base = value & ICW2_VECTOR;
        if (!chip->single) {
            chip->expect = EXPECT_ICW3;
        } else {
            chip->expect = chip->icw4_follows ? EXPECT_ICW4 : EXPECT_OCW1;
        }
        break;
    case EXPECT_ICW3: /* the cascade is wired, not programmed */
        chip->expect = chip->icw4_follows ? EXPECT_ICW4 : EXPECT_OCW1;
        break;
    case EXPECT_ICW4:
        chip->auto_eoi = value & ICW4_AEOI;
        chip->special_fully_nested = value & ICW4_SFNM;
        chip->expect = EXPECT_OCW1;
        break;
    default:
        chip->imr = value;
        break;
    }
}

static uint32_t read_chip(struct i8259 *pic, struct chip *chip, uint16_t offset)
{
    if (chip->poll) {
        chip->poll = false;
        bool requested = requested_input(pic, chip) != NO_INPUT;
        unsigned input = acknowledge_chip(pic, chip);
        update_outputs(pic);
        return requested ? POLL_INTERRUPT | input : 0;
    }
    if (offset & 1) {
        return chip->imr;
    }
    return chip->read_isr ? chip->isr : chip->irr;
}

static void write_chip(struct i8259 *pic, struct chip *chip, uint16_t offset,
                       uint32_t value)
{
    if (offset & 1) {
        write_odd(chip, (uint8_t)value);
    } else {
        write_even(chip, (uint8_t)value);
    }
    update_outputs(pic);
}

static uint32_t read_master(void *opaque, uint16_t offset, unsigned width)
{
    struct i8259 *pic = opaque;
    return read_chip(pic, &pic->chips[MASTER], offset);
}

static void write_master(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8259 *pic = opaque;
    write_chip(pic, &pic->chips[MASTER], offset, value);
}

static uint32_t read_slave(void *opaque, uint16_t offset, unsigned width)
{
    struct i8259 *pic = opaque;
    return read_chip(pic, &pic->chips[SLAVE], offset);
}

static void write_slave(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8259 *pic = opaque;
    write_chip(pic, &pic->chips[SLAVE], offset, value);
}

static uint32_t read_elcr(void *opaque, uint16_t offset, unsigned width)
{
    struct i8259 *pic = opaque;
    return pic->chips[offset].level;
}

static void write_elcr(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i8259 *pic = opaque;
    struct chip *chip = &pic->chips[offset];
    chip->level = (uint8_t)value & level_capable[offset];
    chip->irr = (uint8_t)((chip->irr & ~chip->level) | (chip->lines & chip->level));
    update_outputs(pic);
}

static const struct port_ops master_ops = {read_master, write_master, 1};
static const struct port_ops slave_ops = {read_slave, write_slave, 1};
static const struct port_ops elcr_ops = {read_elcr, write_elcr, 1};

/* The levels of the inputs are their sources' business and stay. */
static void i8259_reset(void *device)
{
    struct i8259 *pic = device;
    for (unsigned i = 0; i < CHIPS; i++) {
        struct chip *chip = &pic->chips[i];
        chip->level = 0;
        start_initialization(chip, 0);
        chip->initialized = false;
        chip->expect = EXPECT_OCW1;
        chip->vector_base = 0;
        chip->output = false;
    }
    pic->chips[MASTER].lines &= (uint8_t) ~(1U << CASCADE_INPUT);
}

static void i8259_reset_lines(void *device)
{
    update_outputs(device);
}

static bool i8259_loaded(void *device, struct error *error)
{
    struct i8259 *pic = device;
    for (unsigned i = 0; i < CHIPS; i++) {
        pic->chips[i].highest &= 7;
        pic->chips[i].level &= level_capable[i];
        if (pic->chips[i].expect > EXPECT_ICW4) {
            return error_set(error, "saved state of i8259: expect is out of range");
        }
    }
    irq_set(&pic->intr, pic->chips[MASTER].output);
    return true;
}

static const struct device_class i8259_class = {
    .name = "i8259",
    .version = 1,
    .size = sizeof(struct i8259),
    .fields = i8259_fields,
    .reset = i8259_reset,
    .reset_lines = i8259_reset_lines,
    .loaded = i8259_loaded,
};

struct i8259 *i8259_create(struct log *log, struct port_space *ports,
                           struct irq_line intr)
{
    struct i8259 *pic = device_allocate(&i8259_class, log);
    pic->intr = intr;
    port_map(ports, "i8259 master", 0x20, 2, &master_ops, pic);
    port_map(ports, "i8259 slave", 0xa0, 2, &slave_ops, pic);
    port_map(ports, "elcr", 0x4d0, 2, &elcr_ops, pic);
    i8259_reset(pic);
    i8259_reset_lines(pic);
    return pic;
}
