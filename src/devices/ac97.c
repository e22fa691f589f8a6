#include "devices/ac97_internal.h"

#include "bus/device.h"

enum {
    VENDOR = 0x8086,
    DEVICE = 0x2415, /* 82801AA */
    REVISION = 0x01,
    CLASS = 0x040100, /* multimedia, audio */
    STATUS_RESET = 0x0280,

    BAR_CODEC = 0,
    CODEC_PORTS = 256, /* for two codecs; there is one */
    BAR_MASTERS = 1,
    MASTER_PORTS = 64,

    STREAM_IN = 0,
    STREAM_OUT = 1,
    STREAM_MICROPHONE = 2,
    STREAMS = 3,
    STREAMS_END = STREAMS * AC97_STREAM_PORTS,

    GLOBAL_CONTROL = 0x2c,     /* in the third stream's window, which ends at 0x2b */
    CONTROL_COLD_RESET = 0x02, /* 0: reset */
    CONTROL_WARM_RESET = 0x04, /* clears itself */
    CONTROL_KEPT = 0x3b,
    GLOBAL_STATUS = 0x30,
    GLOBAL_END = 0x34,
    CODEC_SEMAPHORE = 0x34,
    STATUS_CODEC_READY = 0x100,
};

/* Of the global status. */
static const uint8_t interrupt_bits[STREAMS] = {
    [STREAM_IN] = 0x20, [STREAM_OUT] = 0x40, [STREAM_MICROPHONE] = 0x80};

struct ac97;

/* What a stream is called back with. */
struct stream_owner {
    struct ac97 *ac97;
    enum ac97_rate rate;
};

struct ac97 {
    struct device device;
    struct pci_function function;
    struct clock *clock;
    struct audio_line line;
    struct stream_owner owners[STREAMS];
    struct ac97_stream streams[STREAMS];
    struct sound_gain gain; /* follows from the codec */
    struct ac97_codec codec;
    uint8_t global_control;
    bool semaphore;
};

static const struct state_field ac97_fields[] = {
    STATE_FIELD(struct ac97, function.config, 1),
    STATE_FIELD(struct ac97, codec.registers, 1),
    STATE_FIELD(struct ac97, global_control, 1),
    STATE_FIELD(struct ac97, semaphore, 1),
    STATE_END,
};

static void update_interrupt(void *opaque)
{
    struct ac97 *ac97 = ((struct stream_owner *)opaque)->ac97;
    bool level = false;
    for (unsigned i = 0; i < STREAMS; i++) {
        level |= ac97_stream_interrupt_level(&ac97->streams[i]);
    }
    pci_function_set_interrupt(&ac97->function, level);
}

static uint32_t rate_of(void *opaque)
{
    const struct stream_owner *owner = opaque;
    return ac97_codec_rate(&owner->ac97->codec, owner->rate);
}

static void play(void *opaque, struct audio_frame *frames, unsigned count)
{
    struct ac97 *ac97 = ((struct stream_owner *)opaque)->ac97;
    const struct audio_pace *pace = &ac97->streams[STREAM_OUT].pace;
    const struct audio_piece piece = {
        .start_ns = audio_pace_ns(pace, pace->done),
        .rate = pace->rate,
        .frames = frames,
        .count = count,
    };
    if (audio_is_heard(&ac97->line)) {
        sound_apply(&ac97->gain, frames, count);
        audio_play(&ac97->line, &piece);
    }
}

static void buffer_ended(void *opaque)
{
    ac97_stream_advance(opaque);
}

static void advance_all(struct ac97 *ac97)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        ac97_stream_advance(&ac97->streams[i]);
    }
}

bool ac97_advance(void *opaque)
{
    struct ac97 *ac97 = opaque;
    struct ac97_stream *stream = &ac97->streams[STREAM_OUT];
    ac97_stream_advance(stream);
    return ac97_stream_runs(stream);
}

/* -- the codec's ports -- */

static void codec_changed(struct ac97 *ac97)
{
    ac97->gain = ac97_codec_gain(&ac97->codec);
    for (unsigned i = 0; i < STREAMS; i++) {
        ac97_stream_set_rate(&ac97->streams[i]);
    }
}

static bool codec_answers(const struct ac97 *ac97)
{
    return ac97->global_control & CONTROL_COLD_RESET;
}

static uint32_t read_codec(void *opaque, uint16_t offset, unsigned width)
{
    struct ac97 *ac97 = opaque;
    ac97->semaphore = false;
    if (offset >= AC97_CODEC_BYTES || !codec_answers(ac97)) {
        return width == 1 ? 0xff : 0xffff;
    }
    uint16_t word = ac97_codec_read(&ac97->codec, offset & ~1U);
    return width == 2 ? word : (uint8_t)(word >> (8 * (offset & 1)));
}

/* The link to the codec carries words: bytes are not written. */
static void write_codec(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct ac97 *ac97 = opaque;
    ac97->semaphore = false;
    if (width == 1) {
        log_guest_error(ac97->device.log, "ac97", "write of a byte to the codec");
    } else if (offset < AC97_CODEC_BYTES && codec_answers(ac97)) {
        advance_all(ac97);
        ac97_codec_write(&ac97->codec, offset & ~1U, (uint16_t)value);
        codec_changed(ac97);
    }
}

static const struct port_ops codec_ops = {read_codec, write_codec, 1 | 2};

/* -- the bus masters' ports -- */

static uint32_t global_status(const struct ac97 *ac97)
{
    uint32_t status = codec_answers(ac97) ? STATUS_CODEC_READY : 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        if (ac97_stream_interrupt_level(&ac97->streams[i])) {
            status |= interrupt_bits[i];
        }
    }
    return status;
}

static uint8_t read_byte(struct ac97 *ac97, unsigned offset)
{
    if (offset == CODEC_SEMAPHORE) {
        bool taken = ac97->semaphore;
        ac97->semaphore = true;
        return taken;
    }
    if (offset >= GLOBAL_STATUS && offset < GLOBAL_END) {
        return (uint8_t)(global_status(ac97) >> (8 * (offset - GLOBAL_STATUS)));
    }
    if (offset >= GLOBAL_CONTROL) {
        return offset == GLOBAL_CONTROL ? ac97->global_control : 0;
    }
    return ac97_stream_read(&ac97->streams[offset / AC97_STREAM_PORTS],
                            offset % AC97_STREAM_PORTS);
}

static void write_global_control(struct ac97 *ac97, uint8_t value)
{
    bool resets = !(value & CONTROL_COLD_RESET) && codec_answers(ac97);
    ac97->global_control = value & CONTROL_KEPT;
    if (resets) {
        for (unsigned i = 0; i < STREAMS; i++) {
            ac97_stream_reset(&ac97->streams[i]);
        }
        ac97_codec_reset(&ac97->codec);
        codec_changed(ac97);
        update_interrupt(&ac97->owners[0]);
    }
}

static void write_byte(struct ac97 *ac97, unsigned offset, uint8_t value)
{
    if (offset == GLOBAL_CONTROL) {
        write_global_control(ac97, value);
    } else if (offset < GLOBAL_CONTROL) {
        struct ac97_stream *stream = &ac97->streams[offset / AC97_STREAM_PORTS];
        bool ran = ac97_stream_runs(stream);
        ac97_stream_write(stream, offset % AC97_STREAM_PORTS, value);
        if (!ran && ac97_stream_runs(stream) && stream->play) {
            audio_start(&ac97->line);
        }
    }
}

static uint32_t read_masters(void *opaque, uint16_t offset, unsigned width)
{
    struct ac97 *ac97 = opaque;
    uint32_t value = 0;
    advance_all(ac97);
    for (unsigned i = 0; i < width; i++) {
        value |= (uint32_t)read_byte(ac97, offset + i) << (8 * i);
    }
    return value;
}

static void write_masters(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct ac97 *ac97 = opaque;
    advance_all(ac97);
    for (unsigned i = 0; i < width; i++) {
        write_byte(ac97, offset + i, (uint8_t)(value >> (8 * i)));
    }
}

static const struct port_ops master_ops = {read_masters, write_masters, 1 | 2 | 4};

/* -- the device -- */

static void ac97_reset(void *device)
{
    struct ac97 *ac97 = device;
    pci_function_reset(&ac97->function);
    pci_put16(&ac97->function, PCI_STATUS, STATUS_RESET);
    ac97->function.config[PCI_INTERRUPT_LINE] = 0;
    ac97->global_control = 0;
    ac97->semaphore = false;
    for (unsigned i = 0; i < STREAMS; i++) {
        ac97_stream_reset(&ac97->streams[i]);
    }
    ac97_codec_reset(&ac97->codec);
    ac97->gain = ac97_codec_gain(&ac97->codec);
}

static void ac97_reset_lines(void *device)
{
    struct ac97 *ac97 = device;
    update_interrupt(&ac97->owners[0]);
}

static void ac97_save_more(const void *device, struct state_buffer *buffer)
{
    const struct ac97 *ac97 = device;
    for (unsigned i = 0; i < STREAMS; i++) {
        state_save(buffer, ac97_stream_fields, AC97_STATE_VERSION, &ac97->streams[i]);
    }
}

static bool ac97_load_more(void *device, struct state_buffer *buffer,
                           struct error *error)
{
    struct ac97 *ac97 = device;
    for (unsigned i = 0; i < STREAMS; i++) {
        if (!state_load(buffer, ac97_stream_fields, AC97_STATE_VERSION,
                        &ac97->streams[i], "AC'97 stream", error)) {
            return false;
        }
    }
    return true;
}

static bool ac97_loaded(void *device, struct error *error)
{
    struct ac97 *ac97 = device;
    ac97->global_control &= CONTROL_KEPT;
    ac97_codec_loaded(&ac97->codec);
    ac97->gain = ac97_codec_gain(&ac97->codec);
    pci_function_loaded(&ac97->function);
    for (unsigned i = 0; i < STREAMS; i++) {
        ac97_stream_loaded(&ac97->streams[i]);
    }
    if (ac97_stream_runs(&ac97->streams[STREAM_OUT])) {
        audio_start(&ac97->line);
    }
    ac97_reset_lines(ac97);
    return true;
}

static void ac97_destroy(void *device)
{
    struct ac97 *ac97 = device;
    for (unsigned i = 0; i < STREAMS; i++) {
        timer_cancel(&ac97->streams[i].timer);
    }
}

static const struct device_class ac97_class = {
    .name = "ac97",
    .version = AC97_STATE_VERSION,
    .size = sizeof(struct ac97),
    .fields = ac97_fields,
    .reset = ac97_reset,
    .reset_lines = ac97_reset_lines,
    .loaded = ac97_loaded,
    .save_more = ac97_save_more,
    .load_more = ac97_load_more,
    .destroy = ac97_destroy,
};

static void create_streams(struct ac97 *ac97, struct memory_map *memory)
{
    static const enum ac97_rate rates[STREAMS] = {[STREAM_IN] = AC97_RATE_IN,
                                                  [STREAM_OUT] = AC97_RATE_OUT,
                                                  [STREAM_MICROPHONE] =
                                                      AC97_RATE_MICROPHONE};
    for (unsigned i = 0; i < STREAMS; i++) {
        struct ac97_stream *stream = &ac97->streams[i];
        ac97->owners[i] = (struct stream_owner){ac97, rates[i]};
        *stream = (struct ac97_stream){
            .memory = memory,
            .clock = ac97->clock,
            .play = i == STREAM_OUT ? play : NULL,
            .rate = rate_of,
            .interrupt = update_interrupt,
            .opaque = &ac97->owners[i],
            .channels = i == STREAM_MICROPHONE ? 1 : 2,
        };
        timer_init(&stream->timer, ac97->clock, buffer_ended, stream);
    }
}

struct ac97 *ac97_create(struct log *log, struct pci_bus *bus, unsigned slot,
                         struct clock *clock, struct audio_line line)
{
    struct ac97 *ac97 = device_allocate(&ac97_class, log);
    ac97->clock = clock;
    ac97->line = line;
    create_streams(ac97, bus->memory);
    struct pci_function *function = &ac97->function;
    pci_function_init(function, "ac97", VENDOR, DEVICE, REVISION, CLASS, ac97);
    pci_put16(function, PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
    function->config[PCI_INTERRUPT_PIN] = 1;
    function->bars[BAR_CODEC] = (struct pci_bar){.kind = PCI_BAR_PORTS,
                                                 .bytes = CODEC_PORTS,
                                                 .ports = &codec_ops,
                                                 .opaque = ac97};
    function->bars[BAR_MASTERS] = (struct pci_bar){.kind = PCI_BAR_PORTS,
                                                   .bytes = MASTER_PORTS,
                                                   .ports = &master_ops,
                                                   .opaque = ac97};
    pci_bus_add(bus, function, slot, 0);
    ac97_reset(ac97);
    return ac97;
}
