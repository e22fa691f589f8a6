#include "devices/opl3.h"

#include "bus/device.h"

#include <adplug/nukedopl.h>
#include <stdlib.h>
#include <string.h>

enum {
    RATE = 49716, /* 14.318 MHz / 288 */
    REGISTERS = 0x200,
    PORTS = 4,
    TIMER_1 = 0x02,
    TIMER_2 = 0x03,
    TIMER_CONTROL = 0x04,
    CONTROL_CLEAR = 0x80,
    CONTROL_START_1 = 0x01,
    TIMERS = 2,
    STATUS_ANY = 0x80,
    STATUS_1 = 0x40, /* of timer 2: one bit lower; so are the masks in the control */
    KEYS_FIRST = 0xb0,
    KEYS_LAST = 0xb8,
    RHYTHM = 0xbd,
    NEW = 0x105, /* four operators, and both halves of the registers */
    BANK = 0x100,
    CHUNK_FRAMES = 256,
    /* So long without more than what silent channels have, which is 0 or -1 each: it
     * has fallen silent. */
    SILENT_FRAMES = RATE,
    SILENT_LEVEL = 40,
};

static const uint64_t timer_step_ns[TIMERS] = {80000, 320000};

struct opl3 {
    struct device device;
    struct clock *clock;
    struct audio_line line;
    struct sound_gain gain; /* the mixer's owner sets it again */
    opl3_chip chip;
    bool sounds;
    unsigned silent_frames;
    struct audio_pace pace;
    uint8_t registers[REGISTERS]; /* saved from here on */
    uint16_t index;
    uint8_t status;              /* timers that have run out */
    uint64_t started_ns[TIMERS]; /* while they run */
};

static const struct state_field opl3_fields[] = {
    STATE_FIELD(struct opl3, registers, 1),
    STATE_FIELD(struct opl3, index, 1),
    STATE_FIELD(struct opl3, status, 1),
    STATE_FIELD(struct opl3, started_ns, 1),
    STATE_END,
};

/* -- synthesis -- */

static void generate(struct opl3 *opl, unsigned count)
{
    struct audio_frame frames[CHUNK_FRAMES];
    const struct audio_piece piece = {
        .start_ns = audio_pace_ns(&opl->pace, opl->pace.done),
        .rate = RATE,
        .frames = frames,
        .count = count,
    };
    for (unsigned i = 0; i < count; i++) {
        int16_t pair[2];
        OPL3_Generate(&opl->chip, pair);
        frames[i] = (struct audio_frame){pair[0], pair[1]};
        bool silent = abs(pair[0]) <= SILENT_LEVEL && abs(pair[1]) <= SILENT_LEVEL;
        opl->silent_frames = silent ? opl->silent_frames + 1 : 0;
    }
    sound_apply(&opl->gain, frames, count);
    audio_play(&opl->line, &piece);
    opl->pace.done += count;
}

bool opl3_advance(void *opaque)
{
    struct opl3 *opl = opaque;
    if (opl->sounds) {
        uint64_t due = audio_pace_due(&opl->pace, clock_now_ns(opl->clock));
        while (due > 0) {
            unsigned count = due < CHUNK_FRAMES ? (unsigned)due : CHUNK_FRAMES;
            generate(opl, count);
            due -= count;
        }
        opl->sounds = opl->silent_frames < SILENT_FRAMES;
    }
    return opl->sounds;
}

/* A chip that is silent stands still until somebody writes. */
static void begin(struct opl3 *opl)
{
    opl->silent_frames = 0;
    if (!opl->sounds && audio_is_heard(&opl->line)) {
        opl->sounds = true;
        audio_pace_start(&opl->pace, clock_now_ns(opl->clock), RATE);
        audio_start(&opl->line);
    }
}

static void reset_chip(struct opl3 *opl)
{
    OPL3_Reset(&opl->chip, RATE);
    opl->sounds = false;
}

/* Puts all registers back; the keys last. */
static void restore_chip(struct opl3 *opl)
{
    reset_chip(opl);
    OPL3_WriteReg(&opl->chip, NEW, opl->registers[NEW]);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint16_t i = 0; i < REGISTERS; i++) {
            uint16_t low = i % BANK;
            bool is_key = (low >= KEYS_FIRST && low <= KEYS_LAST) || i == RHYTHM;
            if (is_key == (pass == 1) && i != NEW) {
                OPL3_WriteReg(&opl->chip, i, opl->registers[i]);
            }
        }
    }
}

void opl3_set_gain(struct opl3 *opl, struct sound_gain gain)
{
    opl3_advance(opl);
    opl->gain = gain;
}

/* -- timers: software finds the chip by them -- */

/* They count up from what is written, in steps of their own, and begin again from
 * there; only that they have run out is to be seen. */
static void update_timers(struct opl3 *opl)
{
    uint64_t now_ns = clock_now_ns(opl->clock);
    uint8_t control = opl->registers[TIMER_CONTROL];
    for (unsigned i = 0; i < TIMERS; i++) {
        uint64_t period_ns = (256U - opl->registers[TIMER_1 + i]) * timer_step_ns[i];
        bool runs = control & (CONTROL_START_1 << i);
        bool masked = control & (STATUS_1 >> i);
        if (runs && !masked && now_ns >= opl->started_ns[i] + period_ns) {
            opl->status |= (uint8_t)(STATUS_1 >> i);
        }
    }
}

static void control_timers(struct opl3 *opl, uint8_t value)
{
    update_timers(opl);
    if (value & CONTROL_CLEAR) {
        for (unsigned i = 0; i < TIMERS; i++) {
            if (opl->status & (STATUS_1 >> i)) {
                opl->started_ns[i] = clock_now_ns(opl->clock);
            }
        }
        opl->status = 0;
        return; /* the other bits do not count */
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        uint8_t start = (uint8_t)(CONTROL_START_1 << i);
        if ((value & start) && !(opl->registers[TIMER_CONTROL] & start)) {
            opl->started_ns[i] = clock_now_ns(opl->clock);
        }
    }
    opl->registers[TIMER_CONTROL] = value;
}

/* -- ports -- */

static void write_register(struct opl3 *opl, uint8_t value)
{
    uint16_t index = opl->index;
    if (index == TIMER_CONTROL) {
        control_timers(opl, value);
        return;
    }
    if (index == TIMER_1 || index == TIMER_2) {
        update_timers(opl);
    } else {
        opl3_advance(opl);
        OPL3_WriteReg(&opl->chip, index, value);
        begin(opl);
    }
    opl->registers[index] = value;
}

static uint32_t opl3_read(void *opaque, uint16_t offset, unsigned width)
{
    struct opl3 *opl = opaque;
    if (offset % 2) {
        return 0xff;
    }
    update_timers(opl);
    return opl->status | (opl->status ? STATUS_ANY : 0U);
}

/* The second half's registers are there once the chip has been told that software knows
 * of them; before, its address port is good for that one only. */
static void opl3_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct opl3 *opl = opaque;
    uint8_t byte = (uint8_t)value;
    if (offset % 2) {
        write_register(opl, byte);
    } else {
        bool second =
            offset >= 2 && ((opl->registers[NEW] & 1) || (byte | BANK) == NEW);
        opl->index = (uint16_t)(byte | (second ? BANK : 0));
    }
}

static const struct port_ops opl3_ops = {opl3_read, opl3_write, 1};

/* -- the device -- */

static void opl3_reset(void *device)
{
    struct opl3 *opl = device;
    opl3_advance(opl);
    memset(opl->registers, 0, sizeof(opl->registers));
    memset(opl->started_ns, 0, sizeof(opl->started_ns));
    opl->index = 0;
    opl->status = 0;
    reset_chip(opl);
}

static bool opl3_loaded(void *device, struct error *error)
{
    struct opl3 *opl = device;
    opl->index %= REGISTERS;
    opl->status &= STATUS_1 | STATUS_1 >> 1;
    restore_chip(opl);
    begin(opl);
    return true;
}

static const struct device_class opl3_class = {
    .name = "opl3",
    .version = 1,
    .size = sizeof(struct opl3),
    .fields = opl3_fields,
    .reset = opl3_reset,
    .loaded = opl3_loaded,
};

void opl3_map(struct opl3 *opl, struct port_space *ports, uint16_t port, unsigned count)
{
    port_map(ports, "opl3", port, count, &opl3_ops, opl);
}

struct opl3 *opl3_create(struct log *log, struct port_space *ports, struct clock *clock,
                         struct audio_line line)
{
    struct opl3 *opl = device_allocate(&opl3_class, log);
    opl->clock = clock;
    opl->line = line;
    opl->gain = (struct sound_gain){SOUND_UNITY, SOUND_UNITY};
    opl3_map(opl, ports, 0x388, PORTS);
    opl3_reset(opl);
    return opl;
}
