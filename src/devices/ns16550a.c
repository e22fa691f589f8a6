#include "devices/ns16550a.h"

#include <string.h>

#include "bus/device.h"

enum {
    REGISTER_DATA = 0, /* RBR and THR; with DLAB the divisor's low byte */
    REGISTER_IER = 1,  /* with DLAB the divisor's high byte */
    REGISTER_IIR = 2,  /* written: FCR */
    REGISTER_LCR = 3,
    REGISTER_MCR = 4,
    REGISTER_LSR = 5,
    REGISTER_MSR = 6,
    REGISTER_SCRATCH = 7,
    PORTS = 8,
};

enum {
    IER_RECEIVED = 0x01,
    IER_TRANSMITTER_EMPTY = 0x02,
    IER_LINE_STATUS = 0x04,
    IER_MODEM_STATUS = 0x08,
    IER_MASK = 0x0f,
    IIR_MODEM_STATUS = 0x00,
    IIR_NONE = 0x01,
    IIR_TRANSMITTER_EMPTY = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_LINE_STATUS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_CLEAR_RECEIVER = 0x02,
    FCR_DMA_MODE = 0x08,
    FCR_TRIGGER_SHIFT = 6,
    LCR_WORD_LENGTH = 0x03,
    LCR_TWO_STOP_BITS = 0x04,
    LCR_PARITY = 0x08,
    LCR_DLAB = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,
    LSR_DATA_READY = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_BREAK = 0x10,
    LSR_ERRORS = 0x1e,
    LSR_TRANSMITTER_EMPTY = 0x60, /* THRE and TEMT */
    LSR_ERROR_IN_FIFO = 0x80,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_LINES = 0xf0,
    MSR_DELTA_RI = 0x04,
    MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD,
};

enum {
    FIFO_BYTES = 16,
    INPUT_HZ = 1843200, /* of the baud generator */
    CLOCKS_PER_BIT = 16,
    TIMEOUT_CHARACTERS = 4,
    POWER_ON_DIVISOR = 12, /* 9600 baud */
};

struct ns16550a {
    struct device device;
    struct clock *clock;
    struct irq_line irq;
    struct serial_line line;
    struct timer timeout;
    uint8_t ier, fcr, lcr, mcr, scratch;
    uint8_t lsr_errors; /* overrun, and the errors of the byte at the FIFO's head */
    uint8_t msr;
    bool transmitter_empty_pending; /* THRE interrupt */
    bool timeout_pending;
    uint16_t divisor;
    uint8_t fifo[FIFO_BYTES];
    uint8_t fifo_errors[FIFO_BYTES]; /* LSR bits that came with the byte */
    uint8_t fifo_head, fifo_count;
    uint64_t timeout_deadline_ns;
};

static const struct state_field ns16550a_fields[] = {
    STATE_FIELD(struct ns16550a, ier, 1),
    STATE_FIELD(struct ns16550a, fcr, 1),
    STATE_FIELD(struct ns16550a, lcr, 1),
    STATE_FIELD(struct ns16550a, mcr, 1),
    STATE_FIELD(struct ns16550a, scratch, 1),
    STATE_FIELD(struct ns16550a, lsr_errors, 1),
    STATE_FIELD(struct ns16550a, msr, 1),
    STATE_FIELD(struct ns16550a, transmitter_empty_pending, 1),
    STATE_FIELD(struct ns16550a, timeout_pending, 1),
    STATE_FIELD(struct ns16550a, divisor, 1),
    STATE_FIELD(struct ns16550a, fifo, 1),
    STATE_FIELD(struct ns16550a, fifo_errors, 1),
    STATE_FIELD(struct ns16550a, fifo_head, 1),
    STATE_FIELD(struct ns16550a, fifo_count, 1),
    STATE_FIELD(struct ns16550a, timeout_deadline_ns, 1),
    STATE_END,
};

static unsigned capacity(const struct ns16550a *uart)
{
    return uart->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

/* How many bytes make a received-data interrupt. */
static unsigned trigger_level(const struct ns16550a *uart)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    return uart->fcr & FCR_ENABLE ? levels[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* IIR bits 3-0: the pending interrupt with the highest priority. */
static uint8_t pending_interrupt(const struct ns16550a *uart)
{
    if ((uart->ier & IER_LINE_STATUS) && uart->lsr_errors) {
        return IIR_LINE_STATUS;
    }
    if ((uart->ier & IER_RECEIVED) && uart->fifo_count >= trigger_level(uart)) {
        return IIR_RECEIVED;
    }
    if ((uart->ier & IER_RECEIVED) && uart->timeout_pending) {
        return IIR_TIMEOUT;
    }
    if ((uart->ier & IER_TRANSMITTER_EMPTY) && uart->transmitter_empty_pending) {
        return IIR_TRANSMITTER_EMPTY;
    }
    if ((uart->ier & IER_MODEM_STATUS) && (uart->msr & ~MSR_LINES)) {
        return IIR_MODEM_STATUS;
    }
    return IIR_NONE;
}

static void update_interrupt(struct ns16550a *uart)
{
    irq_set(&uart->irq, pending_interrupt(uart) != IIR_NONE);
}

static uint64_t character_ns(const struct ns16550a *uart)
{
    unsigned bits = 1 + 5 + (uart->lcr & LCR_WORD_LENGTH) + 1;
    bits += uart->lcr & LCR_PARITY ? 1 : 0;
    bits += uart->lcr & LCR_TWO_STOP_BITS ? 1 : 0;
    uint64_t divisor = uart->divisor ? uart->divisor : 1;
    return clock_scale(bits * divisor * CLOCKS_PER_BIT, NS_PER_SECOND, INPUT_HZ);
}

/* The timeout starts anew with each byte that comes or is read. */
static void restart_timeout(struct ns16550a *uart)
{
    uart->timeout_pending = false;
    bool waits = (uart->fcr & FCR_ENABLE) && uart->fifo_count > 0;
    uart->timeout_deadline_ns =
        waits ? clock_now_ns(uart->clock) + TIMEOUT_CHARACTERS * character_ns(uart)
              : CLOCK_NEVER;
    timer_set_ns(&uart->timeout, uart->timeout_deadline_ns);
}

static void timed_out(void *opaque)
{
    struct ns16550a *uart = opaque;
    uart->timeout_deadline_ns = CLOCK_NEVER;
    uart->timeout_pending = true;
    update_interrupt(uart);
}

/* The byte that has come to the head of the FIFO brings its errors with it. */
static void show_head_errors(struct ns16550a *uart)
{
    if (uart->fifo_count > 0) {
        uart->lsr_errors |= uart->fifo_errors[uart->fifo_head];
        uart->fifo_errors[uart->fifo_head] = 0;
    }
}

static void receive_byte(struct ns16550a *uart, uint8_t byte, uint8_t errors)
{
    if (uart->fifo_count >= capacity(uart)) {
        uart->lsr_errors |= LSR_OVERRUN;
        if (!(uart->fcr & FCR_ENABLE)) { /* no FIFO: the new byte wins */
            uart->fifo[uart->fifo_head] = byte;
        }
        return;
    }
    unsigned tail = (uart->fifo_head + uart->fifo_count) % FIFO_BYTES;
    uart->fifo[tail] = byte;
    uart->fifo_errors[tail] = errors;
    uart->fifo_count++;
    if (uart->fifo_count == 1) {
        show_head_errors(uart);
    }
}

static void clear_receiver(struct ns16550a *uart)
{
    uart->fifo_head = 0;
    uart->fifo_count = 0;
    memset(uart->fifo_errors, 0, sizeof(uart->fifo_errors));
    restart_timeout(uart);
}

size_t ns16550a_room(void *ns16550a)
{
    struct ns16550a *uart = ns16550a;
    if ((uart->mcr & MCR_LOOP) || uart->fifo_count >= capacity(uart)) {
        return 0;
    }
    return capacity(uart) - uart->fifo_count;
}

void ns16550a_receive(void *ns16550a, const uint8_t *bytes, size_t count)
{
    struct ns16550a *uart = ns16550a;
    if (uart->mcr & MCR_LOOP) {
        return; /* the input pin is disconnected */
    }
    for (size_t i = 0; i < count; i++) {
        receive_byte(uart, bytes[i], 0);
    }
    restart_timeout(uart);
    update_interrupt(uart);
}

void ns16550a_break(void *ns16550a)
{
    struct ns16550a *uart = ns16550a;
    if (uart->mcr & MCR_LOOP) {
        return;
    }
    receive_byte(uart, 0, LSR_BREAK);
    restart_timeout(uart);
    update_interrupt(uart);
}

static uint8_t read_data(struct ns16550a *uart)
{
    uint8_t byte = uart->fifo[uart->fifo_head];
    if (uart->fifo_count > 0) {
        uart->fifo_head = (uart->fifo_head + 1) % FIFO_BYTES;
        uart->fifo_count--;
        show_head_errors(uart);
        restart_timeout(uart);
        update_interrupt(uart);
        serial_accept_input(&uart->line);
    }
    return byte;
}

/* The byte is out at once, and the holding register empty again. */
static void write_data(struct ns16550a *uart, uint8_t byte)
{
    uart->transmitter_empty_pending = false;
    update_interrupt(uart);
    if (uart->mcr & MCR_LOOP) {
        receive_byte(uart, byte, 0);
        restart_timeout(uart);
    } else {
        serial_transmit(&uart->line, byte);
    }
    uart->transmitter_empty_pending = true;
    update_interrupt(uart);
}

/* Enabling the interrupt while the holding register is empty requests it. */
static void write_ier(struct ns16550a *uart, uint8_t value)
{
    uint8_t enabled = value & (uint8_t)~uart->ier & IER_MASK;
    uart->ier = value & IER_MASK;
    if (enabled & IER_TRANSMITTER_EMPTY) {
        uart->transmitter_empty_pending = true;
    }
    update_interrupt(uart);
}

static uint8_t read_iir(struct ns16550a *uart)
{
    uint8_t pending = pending_interrupt(uart);
    if (pending == IIR_TRANSMITTER_EMPTY) {
        uart->transmitter_empty_pending = false;
        update_interrupt(uart);
    }
    return uart->fcr & FCR_ENABLE ? pending | IIR_FIFOS : pending;
}

static void write_fcr(struct ns16550a *uart, uint8_t value)
{
    bool toggled = (uart->fcr ^ value) & FCR_ENABLE;
    if (!(value & FCR_ENABLE)) {
        value = 0; /* other bits are only programmed along with this one */
    }
    uart->fcr = value & (uint8_t)(FCR_ENABLE | FCR_DMA_MODE | 3U << FCR_TRIGGER_SHIFT);
    if (toggled || (value & FCR_CLEAR_RECEIVER)) {
        clear_receiver(uart);
    }
    update_interrupt(uart);
    serial_accept_input(&uart->line);
}

static uint8_t read_lsr(struct ns16550a *uart)
{
    uint8_t value = LSR_TRANSMITTER_EMPTY | uart->lsr_errors;
    if (uart->fifo_count > 0) {
        value |= LSR_DATA_READY;
    }
    bool error_in_fifo = uart->lsr_errors & (LSR_ERRORS & ~LSR_OVERRUN);
    for (unsigned i = 0; i < FIFO_BYTES; i++) {
        error_in_fifo = error_in_fifo || uart->fifo_errors[i];
    }
    if ((uart->fcr & FCR_ENABLE) && error_in_fifo) {
        value |= LSR_ERROR_IN_FIFO;
    }
    if (uart->lsr_errors) {
        uart->lsr_errors = 0;
        update_interrupt(uart);
    }
    return value;
}

/* Levels of the modem's lines as MSR bits 7-4: of the line, or looped back. */
static uint8_t modem_lines(const struct ns16550a *uart)
{
    if (!(uart->mcr & MCR_LOOP)) {
        return MSR_CONNECTED;
    }
    return (uint8_t)((uart->mcr & MCR_RTS ? MSR_CTS : 0) |
                     (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (uart->mcr & MCR_OUT1 ? MSR_RI : 0) |
                     (uart->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

/* Takes over the lines; what has changed is noted in bits 3-0 (RI: only its end). */
static void update_modem_status(struct ns16550a *uart)
{
    uint8_t lines = modem_lines(uart);
    uint8_t deltas = (uint8_t)((lines ^ uart->msr) & MSR_LINES) >> 4;
    if (lines & MSR_RI) {
        deltas &= (uint8_t)~MSR_DELTA_RI;
    }
    uart->msr = (uint8_t)(lines | (uart->msr & ~MSR_LINES) | deltas);
}

static void write_mcr(struct ns16550a *uart, uint8_t value)
{
    bool loop_ended = (uart->mcr & MCR_LOOP) && !(value & MCR_LOOP);
    uart->mcr = value & MCR_MASK;
    update_modem_status(uart);
    update_interrupt(uart);
    if (loop_ended) {
        serial_accept_input(&uart->line);
    }
}

static uint8_t read_msr(struct ns16550a *uart)
{
    uint8_t value = uart->msr;
    uart->msr &= MSR_LINES;
    update_interrupt(uart);
    return value;
}

static uint32_t ns16550a_read(void *opaque, uint16_t offset, unsigned width)
{
    struct ns16550a *uart = opaque;
    bool divisor = uart->lcr & LCR_DLAB;
    switch (offset) {
    case REGISTER_DATA:
        return divisor ? uart->divisor & 0xff : read_data(uart);
    case REGISTER_IER:
        return divisor ? uart->divisor >> 8 : uart->ier;
    case REGISTER_IIR:
        return read_iir(uart);
    case REGISTER_LCR:
        return uart->lcr;
    case REGISTER_MCR:
        return uart->mcr;
    case REGISTER_LSR:
        return read_lsr(uart);
    case REGISTER_MSR:
        return read_msr(uart);
    default:
        return uart->scratch;
    }
}

static void ns16550a_write(void *opaque, uint16_t offset, uint32_t value,
                           unsigned width)
{
    struct ns16550a *uart = opaque;
    bool divisor = uart->lcr & LCR_DLAB;
    uint8_t byte = (uint8_t)value;
    switch (offset) {
    case REGISTER_DATA:
        if (divisor) {
            uart->divisor = (uint16_t)((uart->divisor & 0xff00) | byte);
        } else {
            write_data(uart, byte);
        }
        break;
    case REGISTER_IER:
        if (divisor) {
            uart->divisor = (uint16_t)((uart->divisor & 0x00ff) | byte << 8);
        } else {
            write_ier(uart, byte);
        }
        break;
    case REGISTER_IIR:
        write_fcr(uart, byte);
        break;
    case REGISTER_LCR:
        uart->lcr = byte;
        break;
    case REGISTER_MCR:
        write_mcr(uart, byte);
        break;
    case REGISTER_SCRATCH:
        uart->scratch = byte;
        break;
    default: /* LSR and MSR are read-only; writes are for factory tests */
        break;
    }
}

static const struct port_ops ns16550a_ops = {ns16550a_read, ns16550a_write, 1};

static void ns16550a_reset(void *device)
{
    struct ns16550a *uart = device;
    uart->ier = 0;
    uart->fcr = 0;
    uart->lcr = 0;
    uart->mcr = 0;
    uart->lsr_errors = 0;
    uart->msr = MSR_CONNECTED;
    uart->divisor = POWER_ON_DIVISOR;
    uart->transmitter_empty_pending = false;
    clear_receiver(uart);
}

static void ns16550a_reset_lines(void *device)
{
    struct ns16550a *uart = device;
    update_interrupt(uart);
    serial_accept_input(&uart->line);
}

static bool ns16550a_loaded(void *device, struct error *error)
{
    struct ns16550a *uart = device;
    if (uart->fifo_head >= FIFO_BYTES || uart->fifo_count > FIFO_BYTES) {
        return error_set(error, "saved state of ns16550a: the FIFO is out of range");
    }
    uart->lsr_errors &= LSR_ERRORS;
    timer_set_ns(&uart->timeout, uart->timeout_deadline_ns);
    ns16550a_reset_lines(uart);
    return true;
}

static void ns16550a_destroy(void *device)
{
    struct ns16550a *uart = device;
    timer_cancel(&uart->timeout);
}

static const struct device_class ns16550a_class = {
    .name = "ns16550a",
    .version = 1,
    .size = sizeof(struct ns16550a),
    .fields = ns16550a_fields,
    .reset = ns16550a_reset,
    .reset_lines = ns16550a_reset_lines,
    .loaded = ns16550a_loaded,
    .destroy = ns16550a_destroy,
};

struct ns16550a *ns16550a_create(struct log *log, struct port_space *ports,
                                 struct clock *clock, uint16_t base,
                                 struct irq_line irq, struct serial_line line)
{
    struct ns16550a *uart = device_allocate(&ns16550a_class, log);
    uart->clock = clock;
    uart->irq = irq;
    uart->line = line;
    timer_init(&uart->timeout, clock, timed_out, uart);
    port_map(ports, "ns16550a", base, PORTS, &ns16550a_ops, uart);
    ns16550a_reset(uart);
    return uart;
}
