/* A WAV file: 16-bit stereo. It begins with the first sound; later silence is kept, as
 * holes where it is long. The header is renewed with the data, so that the file is good
 * to play at any time, and whatever ends the machine. Source: Microsoft and IBM,
 * Multimedia Programming Interface and Data Specifications 1.0, chapter 3. */
#include "host/audio/audio_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 44,
    RIFF_SIZE = 4, /* offsets in the header */
    DATA_SIZE = 40,
    FRAME_BYTES = sizeof(struct audio_frame),
    BUFFER_FRAMES = 4096,
    FORMAT_PCM = 1,
};

/* The largest file whose header can tell its size. */
#define MAXIMUM_FRAMES (((uint64_t)UINT32_MAX - HEADER_BYTES) / FRAME_BYTES)

struct wav {
    struct audio_back_end back_end;
    int fd;
    char *path;
    bool began, failed;
    uint64_t first;  /* position of the file's first frame */
    uint64_t frames; /* in the file */
    unsigned buffered;
    struct audio_frame buffer[BUFFER_FRAMES];
};

static void put32(uint8_t *place, uint64_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        place[i] = (uint8_t)(value >> (8 * i));
    }
}

static bool write_all(int fd, const void *bytes, size_t length, uint64_t offset)
{
    while (length > 0) {
        ssize_t done = pwrite(fd, bytes, length, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes = (const uint8_t *)bytes + done;
        length -= (size_t)done;
        offset += (uint64_t)done;
    }
    return true;
}

static bool write_header(const struct wav *wav)
{
    uint32_t rate = wav->back_end.rate;
    uint64_t bytes = wav->frames * FRAME_BYTES;
    uint8_t header[HEADER_BYTES] = "RIFF....WAVEfmt ";
    put32(header + RIFF_SIZE, bytes + HEADER_BYTES - RIFF_SIZE - 4);
    put32(header + 16, 16); /* bytes of the format that follows */
    put32(header + 20, FORMAT_PCM | 2U << 16 /* channels */);
    put32(header + 24, rate);
    put32(header + 28, rate * FRAME_BYTES);
    put32(header + 32, FRAME_BYTES | 16U << 16 /* bits */);
    memcpy(header + 36, "data", 4);
    put32(header + DATA_SIZE, bytes);
    return write_all(wav->fd, header, sizeof(header), 0);
}

/* The data first: a header never tells of more than there is. */
static void flush(struct wav *wav)
{
    if (wav->buffered == 0 || wav->failed) {
        return;
    }
    bool written = write_all(wav->fd, wav->buffer, (size_t)wav->buffered * FRAME_BYTES,
                             HEADER_BYTES + wav->frames * FRAME_BYTES);
    wav->frames += wav->buffered;
    wav->buffered = 0;
    if (!written || !write_header(wav)) {
        wav->failed = true;
        log_warning(wav->back_end.log, "cannot write sound to '%s': %s; it ends there",
                    wav->path, strerror(errno));
    }
}

static void skip_silence(struct wav *wav, uint64_t frames)
{
    if (frames > 0) {
        flush(wav);
        wav->frames += frames; /* what is written behind leaves a hole */
    }
}

static void wav_write(struct audio_back_end *back_end, uint64_t position,
                      const struct audio_frame *frames, unsigned count)
{
    struct wav *wav = CONTAINER_OF(back_end, struct wav, back_end);
    if (!wav->began) {
        wav->began = true;
        wav->first = position;
    }
    uint64_t there = wav->first + wav->frames + wav->buffered;
    skip_silence(wav, position > there ? position - there : 0);
    if (wav->frames + wav->buffered + count > MAXIMUM_FRAMES && !wav->failed) {
        flush(wav);
        wav->failed = true;
        log_warning(back_end->log,
                    "'%s' is as large as a WAV file can be; it ends there", wav->path);
    }
    for (unsigned i = 0; i < count && !wav->failed; i++) {
        wav->buffer[wav->buffered++] = frames[i];
        if (wav->buffered == BUFFER_FRAMES) {
            flush(wav);
        }
    }
}

static void wav_pause(struct audio_back_end *back_end)
{
    flush(CONTAINER_OF(back_end, struct wav, back_end));
}

static void wav_close(struct audio_back_end *back_end)
{
    struct wav *wav = CONTAINER_OF(back_end, struct wav, back_end);
    flush(wav);
    close(wav->fd);
    free(wav->path);
    free(wav);
}

static const struct audio_back_end_ops wav_ops = {
    .write = wav_write,
    .pause = wav_pause,
    .close = wav_close,
};

struct audio_back_end *audio_open_wav(struct properties *properties, uint32_t rate,
                                      struct log *log, struct error *error)
{
    const char *path = properties_take(properties, "path");
    if (!path || !*path) {
        error_set(error, "%s wav: which file? Use %s wav,path=FILE", properties->option,
                  properties->option);
        return NULL;
    }
    struct wav *wav = calloc(1, sizeof(*wav));
    assert(wav);
    wav->back_end = (struct audio_back_end){.ops = &wav_ops, .log = log, .rate = rate};
    wav->path = strdup(path);
    assert(wav->path);
    wav->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (wav->fd < 0 || !write_header(wav)) {
        error_set_errno(error, errno, "cannot write sound to '%s'", path);
        if (wav->fd >= 0) {
            close(wav->fd);
        }
        free(wav->path);
        free(wav);
        return NULL;
    }
    return &wav->back_end;
}
