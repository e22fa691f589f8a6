#include "devices/sb16_internal.h"

enum {
    MIXER_INDEX = 0x4,
    MIXER_DATA = 0x5,
    RESET = 0x6,
    READ_DATA = 0xa,
    WRITE_DATA = 0xc,  /* read: whether it may be written */
    READ_STATUS = 0xe, /* and acknowledge of an 8-bit block */
    ACKNOWLEDGE_16 = 0xf,
    PORTS = 0x10,
    FM_PORTS = 4,
    OLD_FM = 0x8,
    OLD_FM_PORTS = 2,

    STATUS_ANSWERS = 0x80,
    STATUS_UNUSED = 0x7f,
};

#define STREAM_FIELD(member) STATE_FIELD(struct sb16, stream.member, 1)

static const struct state_field sb16_fields[] = {
    STREAM_FIELD(active),
    STREAM_FIELD(paused),
    STREAM_FIELD(starved),
    STREAM_FIELD(repeats),
    STREAM_FIELD(input),
    STREAM_FIELD(silent),
    STREAM_FIELD(format),
    STREAM_FIELD(block),
    STREAM_FIELD(left),
    STREAM_FIELD(pace.start_ns),
    STREAM_FIELD(pace.done),
    STREAM_FIELD(pace.rate),
    STATE_FIELD(struct sb16, direct_level, 1),
    STATE_FIELD(struct sb16, rate, 1),
    STATE_FIELD(struct sb16, block, 1),
    STATE_FIELD(struct sb16, pending, 1),
    STATE_FIELD(struct sb16, rate_is_of_samples, 1),
    STATE_FIELD(struct sb16, speaker, 1),
    STATE_FIELD(struct sb16, in_reset, 1),
    STATE_FIELD(struct sb16, command, 1),
    STATE_FIELD(struct sb16, argument_count, 1),
    STATE_FIELD(struct sb16, arguments, 1),
    STATE_FIELD(struct sb16, in_command, 1),
    STATE_FIELD(struct sb16, answer_count, 1),
    STATE_FIELD(struct sb16, answers, 1),
    STATE_FIELD(struct sb16, last_answer, 1),
    STATE_FIELD(struct sb16, test, 1),
    STATE_FIELD(struct sb16, mixer_index, 1),
    STATE_FIELD(struct sb16, mixer, 1),
    STATE_END,
};

void sb16_update_lines(struct sb16 *sb16)
{
    int selected = sb16_mixer_interrupt(sb16);
    for (int i = 0; i < SB16_INTERRUPTS; i++) {
        irq_set(&sb16->lines[i], sb16->pending && i == selected);
    }
}

void sb16_interrupt(struct sb16 *sb16, uint8_t pending)
{
    sb16->pending |= pending;
    sb16_update_lines(sb16);
}

static void acknowledge(struct sb16 *sb16, uint8_t pending)
{
    sb16->pending &= (uint8_t)~pending;
    sb16_update_lines(sb16);
}

static void block_ended(void *opaque)
{
    sb16_stream_advance(opaque);
}

static void dma_is_ready(void *opaque)
{
    sb16_stream_resume(opaque);
}

/* The DSP is reset when the bit falls. */
static void write_reset(struct sb16 *sb16, bool level)
{
    if (sb16->in_reset && !level) {
        sb16_dsp_reset(sb16);
        sb16_update_lines(sb16);
    }
    sb16->in_reset = level;
}

static uint32_t sb16_read(void *opaque, uint16_t offset, unsigned width)
{
    struct sb16 *sb16 = opaque;
    sb16_stream_advance(sb16);
    switch (offset + MIXER_INDEX) {
    case MIXER_INDEX:
        return sb16->mixer_index;
    case MIXER_DATA:
        return sb16_mixer_read(sb16);
    case READ_DATA:
        return sb16_dsp_read(sb16);
    case WRITE_DATA:
        return STATUS_UNUSED; /* never busy */
    case READ_STATUS:
        acknowledge(sb16, SB16_PENDING_8);
        return STATUS_UNUSED | (sb16->answer_count > 0 ? STATUS_ANSWERS : 0U);
    case ACKNOWLEDGE_16:
        acknowledge(sb16, SB16_PENDING_16);
        return 0xff;
    default:
        return 0xff;
    }
}

static void sb16_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct sb16 *sb16 = opaque;
    sb16_stream_advance(sb16);
    switch (offset + MIXER_INDEX) {
    case MIXER_INDEX:
        sb16->mixer_index = (uint8_t)value;
        break;
    case MIXER_DATA:
        sb16_mixer_write(sb16, (uint8_t)value);
        break;
    case RESET:
        write_reset(sb16, value & 1);
        break;
    case WRITE_DATA:
        if (!sb16->in_reset) {
            sb16_dsp_write(sb16, (uint8_t)value);
        }
        break;
    default:
        break;
    }
}

static const struct port_ops sb16_ops = {sb16_read, sb16_write, 1};

static void sb16_reset(void *device)
{
    struct sb16 *sb16 = device;
    sb16_mixer_power_on(sb16);
    sb16_dsp_reset(sb16);
    sb16->answer_count = 0;
    sb16->last_answer = 0;
    sb16->command = 0;
    for (unsigned i = 0; i < SB16_ARGUMENTS; i++) {
        sb16->arguments[i] = 0;
    }
    for (unsigned i = 0; i < SB16_ANSWERS; i++) {
        sb16->answers[i] = 0;
    }
    sb16->in_reset = false;
    sb16->test = 0;
}

static void sb16_reset_lines(void *device)
{
    sb16_update_lines(device);
}

static bool sb16_loaded(void *device, struct error *error)
{
    struct sb16 *sb16 = device;
    if (!sb16_dsp_loaded(sb16, error)) {
        return false;
    }
    sb16->pending &= SB16_PENDING_8 | SB16_PENDING_16;
    sb16_mixer_apply(sb16);
    sb16_stream_loaded(sb16);
    sb16_update_lines(sb16);
    return true;
}

static void sb16_destroy(void *device)
{
    struct sb16 *sb16 = device;
    timer_cancel(&sb16->timer);
}

static const struct device_class sb16_class = {
    .name = "sb16",
    .version = 1,
    .size = sizeof(struct sb16),
    .fields = sb16_fields,
    .reset = sb16_reset,
    .reset_lines = sb16_reset_lines,
    .loaded = sb16_loaded,
    .destroy = sb16_destroy,
};

/* Software may choose any of them. */
static void attach_dma(struct sb16 *sb16)
{
    static const uint8_t channels[] = {0, 1, 3, 5, 6, 7};
    for (size_t i = 0; i < ARRAY_LENGTH(channels); i++) {
        i8237_listen(sb16->dma, channels[i], dma_is_ready, sb16);
        i8237_follow(sb16->dma, channels[i], block_ended, sb16);
    }
}

struct sb16 *sb16_create(struct log *log, struct port_space *ports, struct clock *clock,
                         struct i8237 *dma, struct opl3 *opl,
                         const struct irq_line lines[SB16_INTERRUPTS],
                         const struct sb16_settings *settings, struct audio_line line)
{
    struct sb16 *sb16 = device_allocate(&sb16_class, log);
    sb16->clock = clock;
    sb16->dma = dma;
    sb16->opl = opl;
    sb16->line = line;
    sb16->settings = *settings;
    for (unsigned i = 0; i < SB16_INTERRUPTS; i++) {
        sb16->lines[i] = lines[i];
    }
    timer_init(&sb16->timer, clock, block_ended, sb16);
    port_map(ports, "sb16", (uint16_t)(settings->port + MIXER_INDEX),
             PORTS - MIXER_INDEX, &sb16_ops, sb16);
    opl3_map(opl, ports, settings->port, FM_PORTS);
    opl3_map(opl, ports, (uint16_t)(settings->port + OLD_FM), OLD_FM_PORTS);
    attach_dma(sb16);
    sb16_reset(sb16);
    return sb16;
}
