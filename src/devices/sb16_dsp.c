/* The commands of a Sound Blaster 16's DSP. */
#include "devices/sb16_internal.h"

#include <string.h>

enum {
    VERSION_MAJOR = 4,
    VERSION_MINOR = 5,
    RESET_ANSWER = 0xaa,
    TIME_CONSTANT_HZ = 1000000, /* divided by 256 less the constant */
    RATE_AT_RESET = 22050,
    BLOCK_AT_RESET = 0x800,
    HIGHEST_BLOCK = 0x10000,
    SPEAKER_ON = 0xff,

    MODE_INPUT = 0x08, /* of commands 0xb0 to 0xcf */
    MODE_REPEATS = 0x04,
    FORMAT_SIGNED = 0x10, /* of their first argument */
    FORMAT_STEREO = 0x20,
};

static void answer(struct sb16 *sb16, uint8_t value)
{
    if (sb16->answer_count < SB16_ANSWERS) {
        sb16->answers[sb16->answer_count++] = value;
    }
}

uint8_t sb16_dsp_read(struct sb16 *sb16)
{
    if (sb16->answer_count > 0) {
        sb16->last_answer = sb16->answers[0];
        sb16->answer_count--;
        memmove(sb16->answers, sb16->answers + 1, sb16->answer_count);
    }
    return sb16->last_answer;
}

void sb16_dsp_reset(struct sb16 *sb16)
{
    sb16_stream_stop(sb16);
    sb16->stream = (struct sb16_stream){.active = false};
    sb16->direct_sounds = false;
    sb16->direct_level = 0;
    sb16->pending = 0;
    sb16->in_command = false;
    sb16->argument_count = 0;
    sb16->answer_count = 0;
    sb16->speaker = false;
    sb16->rate = RATE_AT_RESET;
    sb16->rate_is_of_samples = false;
    sb16->block = BLOCK_AT_RESET;
    answer(sb16, RESET_ANSWER);
}

/* -- commands -- */

typedef void command_function(struct sb16 *sb16, uint8_t command,
                              const uint8_t *arguments);

static void play_sample(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16_play_direct(sb16, arguments[0]);
}

static void read_sample(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, 0x80); /* silence */
}

/* Commands of older cards: 8 bits, unsigned; stereo is the mixer's business, and the
 * time constant then counts samples of both sides. */
static void start_old(struct sb16 *sb16, uint32_t block, bool repeats, bool input)
{
    bool stereo = sb16_mixer_old_stereo(sb16);
    uint32_t rate = stereo && sb16->rate_is_of_samples ? sb16->rate / 2 : sb16->rate;
    sb16_stream_start(sb16,
                      (struct sb16_stream){.block = block,
                                           .repeats = repeats,
                                           .input = input,
                                           .format = stereo ? SB16_STEREO : 0},
                      rate);
}

static uint32_t length_of(const uint8_t *arguments)
{
    return (arguments[0] | (uint32_t)arguments[1] << 8) + 1;
}

static void play_once(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    start_old(sb16, length_of(arguments), false, command >= 0x20);
}

static void play_repeatedly(struct sb16 *sb16, uint8_t command,
                            const uint8_t *arguments)
{
    start_old(sb16, sb16->block, true, command == 0x2c || command == 0x98);
}

static void play_block_once(struct sb16 *sb16, uint8_t command,
                            const uint8_t *arguments)
{
    start_old(sb16, sb16->block, false, command == 0x99);
}

static void play_silence(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16_stream_start(
        sb16, (struct sb16_stream){.block = length_of(arguments), .silent = true},
        sb16->rate);
}

/* Commands of this card: all that a format has. */
static void start(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    uint8_t format = command < 0xc0 ? SB16_16_BITS : 0;
    format |= arguments[0] & FORMAT_STEREO ? SB16_STEREO : 0;
    format |= arguments[0] & FORMAT_SIGNED ? SB16_SIGNED : 0;
    uint32_t rate = sb16->rate;
    if (sb16->rate_is_of_samples && (format & SB16_STEREO)) {
        rate /= 2;
    }
    sb16_stream_start(sb16,
                      (struct sb16_stream){.block = length_of(arguments + 1),
                                           .repeats = command & MODE_REPEATS,
                                           .input = command & MODE_INPUT,
                                           .format = format},
                      rate);
}

static void set_time_constant(struct sb16 *sb16, uint8_t command,
                              const uint8_t *arguments)
{
    sb16->rate = TIME_CONSTANT_HZ / (256U - arguments[0]);
    sb16->rate_is_of_samples = true;
}

static void set_rate(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16->rate = (uint32_t)arguments[0] << 8 | arguments[1];
    sb16->rate_is_of_samples = false;
}

static void set_block(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16->block = length_of(arguments);
}

static void pause(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16_stream_pause(sb16, true);
}

static void go_on(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16_stream_pause(sb16, false);
}

static void end_repetition(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16->stream.repeats = false;
}

static void switch_speaker(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16->speaker = command == 0xd1; /* to be read only: this card is always on */
}

static void tell_speaker(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, sb16->speaker ? SPEAKER_ON : 0);
}

static void identify(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, (uint8_t)~arguments[0]);
}

static void tell_version(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, VERSION_MAJOR);
    answer(sb16, VERSION_MINOR);
}

static void tell_copyright(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    const char *text = "COPYRIGHT (C) CREATIVE TECHNOLOGY LTD, 1992.";
    for (size_t i = 0; i <= strlen(text); i++) {
        answer(sb16, (uint8_t)text[i]);
    }
}

static void write_test(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16->test = arguments[0];
}

static void read_test(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, sb16->test);
}

static void interrupt(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    sb16_interrupt(sb16, command == 0xf2 ? SB16_PENDING_8 : SB16_PENDING_16);
}

static void tell_zero(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    answer(sb16, 0);
}

static void ignore(struct sb16 *sb16, uint8_t command, const uint8_t *arguments)
{
    log_guest_error(sb16->device.log, "sb16", "DSP command 0x%02x is not there",
                    command);
}

static const struct {
    uint8_t first, last;
    uint8_t arguments;
    command_function *execute;
} rows[] = {
    {0x04, 0x05, 1, ignore}, /* the optional signal processor, here and below */
    {0x08, 0x08, 1, tell_zero},
    {0x0e, 0x0e, 2, ignore},
    {0x0f, 0x0f, 1, tell_zero},
    {0x10, 0x10, 1, play_sample},
    {0x14, 0x14, 2, play_once},
    {0x16, 0x17, 2, ignore}, /* ADPCM, here and below */
    {0x1c, 0x1c, 0, play_repeatedly},
    {0x20, 0x20, 0, read_sample},
    {0x24, 0x24, 2, play_once},
    {0x2c, 0x2c, 0, play_repeatedly},
    {0x38, 0x38, 1, ignore}, /* MIDI */
    {0x40, 0x40, 1, set_time_constant},
    {0x41, 0x42, 2, set_rate},
    {0x48, 0x48, 2, set_block},
    {0x74, 0x77, 2, ignore},
    {0x80, 0x80, 2, play_silence},
    {0x90, 0x90, 0, play_repeatedly},
    {0x91, 0x91, 0, play_block_once},
    {0x98, 0x98, 0, play_repeatedly},
    {0x99, 0x99, 0, play_block_once},
    {0xb0, 0xcf, 3, start},
    {0xd0, 0xd0, 0, pause},
    {0xd1, 0xd1, 0, switch_speaker},
    {0xd3, 0xd3, 0, switch_speaker},
    {0xd4, 0xd4, 0, go_on},
    {0xd5, 0xd5, 0, pause},
    {0xd6, 0xd6, 0, go_on},
    {0xd8, 0xd8, 0, tell_speaker},
    {0xd9, 0xda, 0, end_repetition},
    {0xe0, 0xe0, 1, identify},
    {0xe1, 0xe1, 0, tell_version},
    {0xe2, 0xe2, 1, ignore},
    {0xe3, 0xe3, 0, tell_copyright},
    {0xe4, 0xe4, 1, write_test},
    {0xe8, 0xe8, 0, read_test},
    {0xf2, 0xf3, 0, interrupt},
    {0xf8, 0xf8, 0, tell_zero},
    {0x00, 0xff, 0, ignore},
};

static size_t row_of(uint8_t command)
{
    size_t i = 0;
    while (command < rows[i].first || command > rows[i].last) {
        i++;
    }
    return i;
}

void sb16_dsp_write(struct sb16 *sb16, uint8_t value)
{
    if (!sb16->in_command) {
        sb16->command = value;
        sb16->argument_count = 0;
        sb16->in_command = true;
    } else {
        sb16->arguments[sb16->argument_count++] = value;
    }
    size_t row = row_of(sb16->command);
    if (sb16->argument_count == rows[row].arguments) {
        sb16->in_command = false;
        rows[row].execute(sb16, sb16->command, sb16->arguments);
    }
}

bool sb16_dsp_loaded(struct sb16 *sb16, struct error *error)
{
    const struct sb16_stream *stream = &sb16->stream;
    bool awaits = sb16->argument_count < rows[row_of(sb16->command)].arguments;
    return (sb16->answer_count <= SB16_ANSWERS &&
            sb16->argument_count <= SB16_ARGUMENTS && (!sb16->in_command || awaits) &&
            sb16->block > 0 && sb16->block <= HIGHEST_BLOCK &&
            (!stream->active || (stream->left > 0 && stream->left <= HIGHEST_BLOCK &&
                                 stream->block > 0 && stream->block <= HIGHEST_BLOCK &&
                                 stream->pace.rate >= AUDIO_MINIMUM_RATE &&
                                 stream->pace.rate <= AUDIO_MAXIMUM_RATE))) ||
           error_set(error, "saved state of sb16: a number is out of range");
}
