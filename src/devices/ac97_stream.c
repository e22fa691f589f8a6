/* A bus master of the AC'97 controller: a list of 32 buffers, of which it plays those
 * up to the last valid one, and then halts until the guest names another. */
#include "devices/ac97_internal.h"

#include <string.h>

enum {
    LIST_BASE = 0x0,
    CURRENT_INDEX = 0x4,
    LAST_INDEX = 0x5,
    STATUS = 0x6,
    SAMPLES_LEFT = 0x8,
    PREFETCHED_INDEX = 0xa,
    CONTROL = 0xb,

    STATUS_HALTED = 0x01,
    STATUS_AT_LAST = 0x02,
    STATUS_LAST_DONE = 0x04, /* this and the next ones: the guest clears them by ones */
    STATUS_BUFFER_DONE = 0x08,
    STATUS_ERROR = 0x10,
    STATUS_EVENTS = STATUS_LAST_DONE | STATUS_BUFFER_DONE | STATUS_ERROR,
    STATUS_ALL = 0x1f,

    CONTROL_RUN = 0x01,
    CONTROL_RESET = 0x02,
    CONTROL_LAST_INTERRUPT = 0x04,
    CONTROL_ERROR_INTERRUPT = 0x08,
    CONTROL_BUFFER_INTERRUPT = 0x10,
    CONTROL_KEPT = 0x1d,

    ENTRIES = 32,
    ENTRY_BYTES = 8,
    FLAG_INTERRUPT = 0x80,
    SAMPLE_BYTES = 2,
    CHUNK_FRAMES = 256,
};

const struct state_field ac97_stream_fields[] = {
    STATE_FIELD(struct ac97_stream, base, 1),
    STATE_FIELD(struct ac97_stream, address, 1),
    STATE_FIELD(struct ac97_stream, left, 1),
    STATE_FIELD(struct ac97_stream, status, 1),
    STATE_FIELD(struct ac97_stream, current, 1),
    STATE_FIELD(struct ac97_stream, prefetched, 1),
    STATE_FIELD(struct ac97_stream, last, 1),
    STATE_FIELD(struct ac97_stream, control, 1),
    STATE_FIELD(struct ac97_stream, flags, 1),
    STATE_FIELD(struct ac97_stream, fetched, 1),
    STATE_FIELD(struct ac97_stream, pace.start_ns, 1),
    STATE_FIELD(struct ac97_stream, pace.done, 1),
    STATE_FIELD(struct ac97_stream, pace.rate, 1),
    STATE_END,
};

bool ac97_stream_runs(const struct ac97_stream *stream)
{
    return (stream->control & CONTROL_RUN) && !(stream->status & STATUS_HALTED);
}

bool ac97_stream_interrupt_level(const struct ac97_stream *stream)
{
    uint16_t status = stream->status;
    uint8_t control = stream->control;
    return ((status & STATUS_LAST_DONE) && (control & CONTROL_LAST_INTERRUPT)) ||
           ((status & STATUS_BUFFER_DONE) && (control & CONTROL_BUFFER_INTERRUPT)) ||
           ((status & STATUS_ERROR) && (control & CONTROL_ERROR_INTERRUPT));
}

static unsigned frames_left(const struct ac97_stream *stream)
{
    return (stream->left + stream->channels - 1) / stream->channels;
}

static void arm(struct ac97_stream *stream)
{
    if (ac97_stream_runs(stream)) {
        uint64_t end = stream->pace.done + frames_left(stream);
        timer_set_ns(&stream->timer, audio_pace_ns(&stream->pace, end));
    } else {
        timer_cancel(&stream->timer);
    }
}

static void fetch_entry(struct ac97_stream *stream)
{
    gpa_t entry = stream->base + (gpa_t)stream->current * ENTRY_BYTES;
    uint32_t second = dma_read32(stream->memory, "ac97", entry + 4);
    stream->address = dma_read32(stream->memory, "ac97", entry) & ~1U;
    stream->left = (uint16_t)second;
    stream->flags = (uint8_t)(second >> 24);
    stream->prefetched = (stream->current + 1) % ENTRIES;
    stream->fetched = true;
}

static void end_buffer(struct ac97_stream *stream)
{
    if (stream->flags & FLAG_INTERRUPT) {
        stream->status |= STATUS_BUFFER_DONE;
    }
    if (stream->current == stream->last) {
        stream->status |= STATUS_LAST_DONE | STATUS_AT_LAST | STATUS_HALTED;
    } else {
        stream->current = stream->prefetched;
        fetch_entry(stream);
    }
}

/* Buffers without samples end at once; there is a last one. */
static void skip_empty_buffers(struct ac97_stream *stream)
{
    while (stream->left == 0 && ac97_stream_runs(stream)) {
        end_buffer(stream);
    }
}

static void move_frames(struct ac97_stream *stream, unsigned count, unsigned samples)
{
    struct audio_frame frames[CHUNK_FRAMES];
    unsigned bytes = samples * SAMPLE_BYTES;
    memset(frames, 0, sizeof(frames));
    if (stream->play) {
        dma_read(stream->memory, "ac97", stream->address, frames, bytes);
        stream->play(stream->opaque, frames, count);
    } else {
        dma_write(stream->memory, "ac97", stream->address, frames, bytes);
    }
    stream->address += bytes;
}

void ac97_stream_advance(struct ac97_stream *stream)
{
    if (!ac97_stream_runs(stream)) {
        return;
    }
    uint64_t due = audio_pace_due(&stream->pace, clock_now_ns(stream->clock));
    while (due > 0 && ac97_stream_runs(stream)) {
        unsigned count = frames_left(stream);
        count = count < CHUNK_FRAMES ? count : CHUNK_FRAMES;
        count = count < due ? count : (unsigned)due;
        unsigned samples = count * stream->channels;
        samples = samples < stream->left ? samples : stream->left;
        move_frames(stream, count, samples);
        stream->left = (uint16_t)(stream->left - samples);
        stream->pace.done += count;
        due -= count;
        skip_empty_buffers(stream);
    }
    arm(stream);
    stream->interrupt(stream->opaque);
}

/* Begins, or goes on where it was. */
static void run(struct ac97_stream *stream)
{
    if (!(stream->control & CONTROL_RUN)) {
        return;
    }
    if (!stream->fetched) {
        fetch_entry(stream);
    } else if (stream->status & STATUS_AT_LAST) {
        if (stream->current == stream->last) {
            return; /* there is nothing more to play */
        }
        stream->current = stream->prefetched;
        fetch_entry(stream);
    }
    stream->status &= (uint16_t) ~(STATUS_HALTED | STATUS_AT_LAST);
    audio_pace_start(&stream->pace, clock_now_ns(stream->clock),
                     stream->rate(stream->opaque));
    skip_empty_buffers(stream);
    arm(stream);
}

void ac97_stream_set_rate(struct ac97_stream *stream)
{
    if (ac97_stream_runs(stream) && stream->rate(stream->opaque) != stream->pace.rate) {
        audio_pace_start(&stream->pace, clock_now_ns(stream->clock),
                         stream->rate(stream->opaque));
        arm(stream);
    }
}

void ac97_stream_reset(struct ac97_stream *stream)
{
    stream->base = stream->address = 0;
    stream->left = 0;
    stream->current = stream->prefetched = stream->last = 0;
    stream->control = stream->flags = 0;
    stream->fetched = false;
    stream->status = STATUS_HALTED;
    stream->pace = (struct audio_pace){.rate = 0};
    timer_cancel(&stream->timer);
}

uint8_t ac97_stream_read(const struct ac97_stream *stream, unsigned offset)
{
    switch (offset) {
    case CURRENT_INDEX:
        return stream->current;
    case LAST_INDEX:
        return stream->last;
    case STATUS:
        return (uint8_t)stream->status;
    case SAMPLES_LEFT:
        return (uint8_t)stream->left;
    case SAMPLES_LEFT + 1:
        return (uint8_t)(stream->left >> 8);
    case PREFETCHED_INDEX:
        return stream->prefetched;
    case CONTROL:
        return stream->control;
    default:
        return offset < CURRENT_INDEX ? (uint8_t)(stream->base >> (8 * offset)) : 0;
    }
}

static void write_control(struct ac97_stream *stream, uint8_t value)
{
    if (value & CONTROL_RESET) {
        ac97_stream_reset(stream);
        return;
    }
    bool ran = stream->control & CONTROL_RUN;
    stream->control = value & CONTROL_KEPT;
    if (!(value & CONTROL_RUN)) {
        stream->status |= STATUS_HALTED;
        arm(stream);
    } else if (!ran) {
        run(stream);
    }
}

void ac97_stream_write(struct ac97_stream *stream, unsigned offset, uint8_t value)
{
    switch (offset) {
    case LAST_INDEX:
        stream->last = value % ENTRIES;
        if (stream->status & STATUS_AT_LAST) {
            run(stream);
        }
        break;
    case STATUS:
        stream->status &= (uint16_t) ~(value & STATUS_EVENTS);
        break;
    case CONTROL:
        write_control(stream, value);
        break;
    default:
        if (offset < CURRENT_INDEX) {
            unsigned shift = 8 * (offset - LIST_BASE);
            stream->base =
                ((stream->base & ~(0xffU << shift)) | (uint32_t)value << shift) & ~7U;
        }
        break;
    }
    stream->interrupt(stream->opaque);
}

void ac97_stream_loaded(struct ac97_stream *stream)
{
    stream->current %= ENTRIES;
    stream->prefetched %= ENTRIES;
    stream->last %= ENTRIES;
    stream->control &= CONTROL_KEPT;
    stream->status &= STATUS_ALL;
    if (ac97_stream_runs(stream)) {
        audio_pace_loaded(&stream->pace, clock_now_ns(stream->clock),
                          stream->rate(stream->opaque));
    }
    skip_empty_buffers(stream);
    arm(stream);
}
