#include "devices/i82077_internal.h"

#include <string.h>

enum {
    PORT_DOR = 0x3f2, /* the first of four: DOR, tape drive, status, data */
    PORT_DIR = 0x3f7,
    DOR = 0,
    TAPE = 1,
    STATUS = 2, /* written: data rate select */
    DATA = 3,

    STATUS_BUSY = 0x10,
    STATUS_NO_DMA = 0x20,
    STATUS_TO_HOST = 0x40,
    STATUS_REQUEST = 0x80,
    RATE_MASK = 0x03,
    SELECT_RESET = 0x80, /* of the data rate select register; clears itself */
    INPUT_CHANGED = 0x80,
    TAPE_FLOATS = 0xfc,
    RATE_250K = 2,
};

static const struct state_field i82077_fields[] = {
    STATE_FIELD(struct i82077, drives[0].cylinder, 1),
    STATE_FIELD(struct i82077, drives[0].changed, 1),
    STATE_FIELD(struct i82077, drives[1].cylinder, 1),
    STATE_FIELD(struct i82077, drives[1].changed, 1),
    STATE_FIELD(struct i82077, dor, 1),
    STATE_FIELD(struct i82077, tape, 1),
    STATE_FIELD(struct i82077, rate, 1),
    STATE_FIELD(struct i82077, interrupt, 1),
    STATE_FIELD(struct i82077, phase, 1),
    STATE_FIELD(struct i82077, command, 1),
    STATE_FIELD(struct i82077, received, 1),
    STATE_FIELD(struct i82077, result, 1),
    STATE_FIELD(struct i82077, result_length, 1),
    STATE_FIELD(struct i82077, result_taken, 1),
    STATE_FIELD(struct i82077, resets_to_tell, 1),
    STATE_FIELD(struct i82077, seeks_to_tell, 1),
    STATE_FIELD(struct i82077, seek_status, 1),
    STATE_FIELD(struct i82077, cylinders, 1),
    STATE_FIELD(struct i82077, timing, 1),
    STATE_FIELD(struct i82077, head_load, 1),
    STATE_FIELD(struct i82077, configuration, 1),
    STATE_FIELD(struct i82077, precompensation_track, 1),
    STATE_FIELD(struct i82077, perpendicular, 1),
    STATE_FIELD(struct i82077, locked, 1),
    STATE_FIELD(struct i82077, transfer, 1),
    STATE_FIELD(struct i82077, cylinder, 1),
    STATE_FIELD(struct i82077, head, 1),
    STATE_FIELD(struct i82077, sector, 1),
    STATE_FIELD(struct i82077, size, 1),
    STATE_FIELD(struct i82077, side, 1),
    STATE_FIELD(struct i82077, end_of_track, 1),
    STATE_FIELD(struct i82077, verify_left, 1),
    STATE_FIELD(struct i82077, status1, 1),
    STATE_FIELD(struct i82077, status2, 1),
    STATE_FIELD(struct i82077, terminal_count, 1),
    STATE_FIELD(struct i82077, id_sector, 1),
    STATE_FIELD(struct i82077, position, 1),
    STATE_FIELD(struct i82077, length, 1),
    STATE_FIELD(struct i82077, buffer, 1),
    STATE_END,
};

static void update_irq(struct i82077 *fdc)
{
    irq_set(&fdc->irq, fdc->interrupt && (fdc->dor & DOR_GATE));
}

void fdc_set_interrupt(struct i82077 *fdc, bool pending)
{
    fdc->interrupt = pending;
    update_irq(fdc);
}

/* -- phases -- */

void fdc_end_command(struct i82077 *fdc)
{
    fdc->phase = FDC_PHASE_COMMAND;
    fdc->received = 0;
}

void fdc_give_result(struct i82077 *fdc, unsigned length, bool interrupt)
{
    fdc->phase = FDC_PHASE_RESULT;
    fdc->result_length = (uint8_t)length;
    fdc->result_taken = 0;
    if (interrupt) {
        fdc_set_interrupt(fdc, true);
    }
}

/* -- reset -- */

static bool is_running(const struct i82077 *fdc)
{
    return (fdc->dor & DOR_RUN) && !fdc->abandoned;
}

/* The controller has been let go: it polls the drives, and finds them all ready. */
static void come_out_of_reset(struct i82077 *fdc)
{
    if (is_running(fdc) && !(fdc->configuration & CONFIGURE_NO_POLLING)) {
        fdc->resets_to_tell = FDC_UNITS;
        fdc_set_interrupt(fdc, true);
    }
}

/* A request that is under way cannot be called back: its answer will not be heard, and
 * until it is there the controller stays in reset. */
static void go_into_reset(struct i82077 *fdc)
{
    fdc->abandoned = fdc->then != NULL;
    fdc->resets_to_tell = fdc->seeks_to_tell = 0;
    fdc->interrupt = false;
    fdc->perpendicular &= 0x3c;
    if (!fdc->locked) {
        fdc->configuration = CONFIGURE_NO_FIFO;
        fdc->precompensation_track = 0;
    }
    fdc_end_command(fdc);
}

static void reset_by_guest(struct i82077 *fdc)
{
    go_into_reset(fdc);
    i8237_set_request(fdc->dma, I82077_DMA_CHANNEL, false);
    update_irq(fdc);
}

static void i82077_reset(void *device)
{
    struct i82077 *fdc = device;
    fdc->locked = false;
    go_into_reset(fdc);
    fdc->dor = fdc->tape = 0;
    fdc->rate = RATE_250K;
    fdc->timing = fdc->head_load = 0;
    fdc->perpendicular = 0;
    memset(fdc->cylinders, 0, sizeof(fdc->cylinders));
}

static void i82077_reset_lines(void *device)
{
    struct i82077 *fdc = device;
    i8237_set_request(fdc->dma, I82077_DMA_CHANNEL, false);
    update_irq(fdc);
}

/* -- the back end -- */

/* Goes on for as long as answers are there, without recursion. */
static void run(struct i82077 *fdc)
{
    fdc->running = true;
    while (fdc->completed) {
        void (*then)(struct i82077 * fdc, int result) = fdc->then;
        fdc->completed = false;
        fdc->then = NULL;
        fdc_release_media(fdc);
        if (fdc->abandoned) {
            fdc->abandoned = false;
            come_out_of_reset(fdc);
        } else {
            then(fdc, fdc->result_of_request);
        }
    }
    fdc->running = false;
}

static void request_completed(void *opaque, int result)
{
    struct i82077 *fdc = opaque;
    fdc->completed = true;
    fdc->result_of_request = result;
    if (!fdc->running) {
        run(fdc);
    }
}

void fdc_request(struct i82077 *fdc, enum block_operation operation, uint64_t sector,
                 uint8_t *buffer, void (*then)(struct i82077 *fdc, int result))
{
    bool outermost = !fdc->running;
    fdc->running = true;
    fdc->phase = FDC_PHASE_REQUEST;
    fdc->then = then;
    struct block_request request = {
        .operation = operation,
        .sector = sector,
        .count = 1,
        .buffer = buffer,
        .completion = request_completed,
        .opaque = fdc,
    };
    block_device_submit(fdc_drive(fdc)->medium, &request);
    if (outermost) {
        run(fdc);
    }
}

/* -- registers -- */

static uint8_t read_status(const struct i82077 *fdc)
{
    static const uint8_t of_phase[FDC_PHASES] = {
        [FDC_PHASE_COMMAND] = STATUS_REQUEST,
        [FDC_PHASE_REQUEST] = STATUS_BUSY,
        [FDC_PHASE_DMA] = STATUS_BUSY,
        [FDC_PHASE_PIO] = STATUS_REQUEST | STATUS_NO_DMA | STATUS_BUSY,
        [FDC_PHASE_RESULT] = STATUS_REQUEST | STATUS_TO_HOST | STATUS_BUSY,
    };
    if (!is_running(fdc)) {
        return 0;
    }
    uint8_t status = of_phase[fdc->phase];
    if (fdc->phase == FDC_PHASE_COMMAND && fdc->received) {
        status |= STATUS_BUSY;
    }
    if (fdc->phase == FDC_PHASE_PIO && fdc->transfer <= FDC_READ_DELETED) {
        status |= STATUS_TO_HOST;
    }
    return status;
}

static uint8_t read_result(struct i82077 *fdc)
{
    uint8_t value = fdc->result[fdc->result_taken++];
    if (fdc->seeks_to_tell == 0) {
        fdc_set_interrupt(fdc, false);
    }
    if (fdc->result_taken == fdc->result_length) {
        fdc_end_command(fdc);
    }
    return value;
}

static uint8_t read_data(struct i82077 *fdc)
{
    if (!is_running(fdc)) {
        return 0;
    }
    switch (fdc->phase) {
    case FDC_PHASE_RESULT:
        return read_result(fdc);
    case FDC_PHASE_PIO:
        return fdc_read_data(fdc);
    default:
        return 0;
    }
}

static void write_data(struct i82077 *fdc, uint8_t value)
{
    if (!is_running(fdc)) {
        return;
    }
    if (fdc->phase == FDC_PHASE_PIO) {
        fdc_write_data(fdc, value);
    } else if (fdc->phase == FDC_PHASE_COMMAND) {
        fdc->command[fdc->received++] = value;
        if (fdc->received == fdc_command_length(fdc->command[0])) {
            fdc_execute(fdc);
        }
    } else {
        log_guest_error(fdc->device.log, "i82077", "%02x written in a %s phase", value,
                        fdc->phase == FDC_PHASE_RESULT ? "result" : "transfer");
    }
}

static void write_dor(struct i82077 *fdc, uint8_t value)
{
    uint8_t changed = fdc->dor ^ value;
    fdc->dor = value;
    if ((changed & DOR_RUN) && !(value & DOR_RUN)) {
        reset_by_guest(fdc);
    } else if (changed & DOR_RUN) {
        come_out_of_reset(fdc);
    }
    update_irq(fdc);
    fdc_move_by_dma(fdc);
}

static void write_rate_select(struct i82077 *fdc, uint8_t value)
{
    fdc->rate = value & RATE_MASK;
    if (value & SELECT_RESET) {
        reset_by_guest(fdc);
        come_out_of_reset(fdc);
    }
}

static uint32_t read_port(void *opaque, uint16_t offset, unsigned width)
{
    struct i82077 *fdc = opaque;
    switch (offset) {
    case DOR:
        return fdc->dor;
    case TAPE:
        return fdc->tape | TAPE_FLOATS;
    case STATUS:
        return read_status(fdc);
    default:
        return read_data(fdc);
    }
}

static void write_port(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i82077 *fdc = opaque;
    switch (offset) {
    case DOR:
        write_dor(fdc, (uint8_t)value);
        break;
    case TAPE:
        fdc->tape = value & 3;
        break;
    case STATUS:
        write_rate_select(fdc, (uint8_t)value);
        break;
    default:
        write_data(fdc, (uint8_t)value);
        break;
    }
}

static uint32_t read_digital_input(void *opaque, uint16_t offset, unsigned width)
{
    const struct i82077 *fdc = opaque;
    unsigned unit = fdc->dor & DOR_UNIT;
    bool changed = unit < I82077_DRIVES && fdc->drives[unit].connected &&
                   fdc->drives[unit].changed;
    return changed ? INPUT_CHANGED : 0;
}

static void write_configuration_control(void *opaque, uint16_t offset, uint32_t value,
                                        unsigned width)
{
    struct i82077 *fdc = opaque;
    fdc->rate = value & RATE_MASK;
}

static const struct port_ops port_ops = {read_port, write_port, 1};
static const struct port_ops input_ops = {read_digital_input,
                                          write_configuration_control, 1};

static void dma_ready(void *opaque)
{
    fdc_move_by_dma(opaque);
}

/* -- the device -- */

static bool data_are_valid(const struct i82077 *fdc)
{
    bool format = fdc->transfer == FDC_FORMAT;
    unsigned length = format ? 4U * fdc->end_of_track : BLOCK_SECTOR_BYTES;
    return fdc->transfer < FDC_TRANSFERS && fdc->transfer != FDC_VERIFY &&
           fdc->length == length && fdc->position < length;
}

/* A request to the back end cannot be saved. */
static bool phase_is_valid(const struct i82077 *fdc)
{
    switch (fdc->phase) {
    case FDC_PHASE_COMMAND:
        return fdc->received == 0 ||
               fdc->received < fdc_command_length(fdc->command[0]);
    case FDC_PHASE_RESULT:
        return fdc->result_length <= FDC_RESULT_BYTES &&
               fdc->result_taken < fdc->result_length;
    case FDC_PHASE_DMA:
    case FDC_PHASE_PIO:
        return data_are_valid(fdc);
    default:
        return false;
    }
}

static bool i82077_loaded(void *device, struct error *error)
{
    struct i82077 *fdc = device;
    bool valid = phase_is_valid(fdc) && fdc->resets_to_tell <= FDC_UNITS &&
                 fdc->seeks_to_tell < 1 << FDC_UNITS && fdc->rate <= RATE_MASK &&
                 fdc->side <= 1 && fdc->verify_left <= 256;
    for (unsigned i = 0; i < I82077_DRIVES; i++) {
        valid = valid && fdc->drives[i].cylinder <= FDC_LAST_CYLINDER;
    }
    if (!valid) {
        i82077_reset(fdc);
    }
    update_irq(fdc);
    return valid || error_set(error, "saved state of the floppy controller is damaged");
}

static const struct device_class i82077_class = {
    .name = "i82077",
    .version = 1,
    .size = sizeof(struct i82077),
    .fields = i82077_fields,
    .reset = i82077_reset,
    .reset_lines = i82077_reset_lines,
    .loaded = i82077_loaded,
};

struct i82077 *i82077_create(struct log *log, struct port_space *ports,
                             struct i8237 *dma, struct irq_line irq6)
{
    struct i82077 *fdc = device_allocate(&i82077_class, log);
    fdc->dma = dma;
    fdc->irq = irq6;
    port_map(ports, "i82077", PORT_DOR, 4, &port_ops, fdc);
    port_map(ports, "i82077 input", PORT_DIR, 1, &input_ops, fdc);
    i8237_listen(dma, I82077_DMA_CHANNEL, dma_ready, fdc);
    i82077_reset(fdc);
    return fdc;
}
