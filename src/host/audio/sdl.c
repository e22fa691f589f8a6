/* The host's sound by SDL: the machine's end of a ring that a program of its own plays
 * from, as what libraries for sound do (threads, sockets, devices) is not for a machine
 * that is confined. */
#define _GNU_SOURCE /* memfd_create() */
#include "host/audio/audio_internal.h"

#include "host/audio/ring.h"
#include "host/companion/companion.h"
#include "host/companion/program.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DEFAULT_BUFFER_US = 20000,
    LEAST_BUFFER_US = 1000,
    MOST_BUFFER_US = 200000,
    US_PER_SECOND = 1000000,
    PATIENCE_MS = 10000, /* sound servers may have to be started first */
};

struct sdl {
    struct audio_back_end back_end;
    struct companion companion;
    struct audio_ring *ring;
    uint64_t dropped; /* frames for which the ring had no room */
};

/* The player says nothing; if it has ended, its socket tells. */
static void look_at_player(struct sdl *sdl)
{
    char byte;
    ssize_t length = recv(sdl->companion.socket, &byte, 1, MSG_DONTWAIT);
    if (length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR))) {
        return;
    }
    log_warning(sdl->back_end.log, "the process that plays sound has ended; the "
                                   "machine goes on without it");
    companion_abandon(&sdl->companion);
}

static void sdl_write(struct audio_back_end *back_end, uint64_t position,
                      const struct audio_frame *frames, unsigned count)
{
    struct sdl *sdl = CONTAINER_OF(back_end, struct sdl, back_end);
    atomic_store(&sdl->ring->playing, true);
    if (sdl->companion.process) {
        look_at_player(sdl);
    }
    sdl->dropped += count - ring_write(sdl->ring, frames, count);
}

static void sdl_pause(struct audio_back_end *back_end)
{
    struct sdl *sdl = CONTAINER_OF(back_end, struct sdl, back_end);
    atomic_store(&sdl->ring->playing, false);
}

static void sdl_print_statistics(struct audio_back_end *back_end,
                                 void (*print)(void *opaque, const char *name,
                                               uint64_t count),
                                 void *opaque)
{
    struct sdl *sdl = CONTAINER_OF(back_end, struct sdl, back_end);
    struct audio_ring *ring = sdl->ring;
    int32_t ppm = atomic_load(&ring->speed_ppm);
    print(opaque, "sound: times it ran dry", atomic_load(&ring->underruns));
    print(opaque, "sound: frames dropped", sdl->dropped);
    print(opaque, "sound: frames wanted in hand", atomic_load(&ring->target));
    print(opaque,
          ppm < 0 ? "sound: played slower by ppm" : "sound: played faster by ppm",
          (uint64_t)(ppm < 0 ? -ppm : ppm));
}

static void sdl_close(struct audio_back_end *back_end)
{
    struct sdl *sdl = CONTAINER_OF(back_end, struct sdl, back_end);
    sdl_pause(back_end);
    companion_stop(&sdl->companion);
    munmap(sdl->ring, sizeof(*sdl->ring));
    free(sdl);
}

static const struct audio_back_end_ops sdl_ops = {
    .write = sdl_write,
    .pause = sdl_pause,
    .print_statistics = sdl_print_statistics,
    .close = sdl_close,
};

/* Waits for the player's first message. */
static bool player_is_ready(int socket, struct error *error)
{
    char answer[256] = "it does not answer";
    struct pollfd readable = {.fd = socket, .events = POLLIN};
    if (poll(&readable, 1, PATIENCE_MS) == 1) {
        ssize_t length = recv(socket, answer, sizeof(answer) - 1, 0);
        answer[length > 0 ? length : 0] = '\0';
    }
    return strcmp(answer, RING_PLAYER_READY) == 0 ||
           error_set(error,
                     "cannot play sound on this host: %s; use -audiodev wav,path=FILE "
                     "or none",
                     answer[0] ? answer : "SDL has ended");
}

struct start {
    char path[PATH_MAX];
    int memory;
};

static int become_player(void *opaque, int socket)
{
    const struct start *start = opaque;
    companion_become_program(start->path, socket, start->memory);
    return 1;
}

static bool start_player(struct sdl *sdl, const struct start *start,
                         struct error *error)
{
    const struct companion_role role = {
        .name = "play",
        .main = become_player,
        .opaque = (void *)start,
        .keep = &start->memory,
        .keep_count = 1,
    };
    if (companion_start(&sdl->companion, &role, error) &&
        player_is_ready(sdl->companion.socket, error)) {
        return true;
    }
    companion_stop(&sdl->companion);
    return false;
}

/* A ring in memory that has a descriptor, for the player to map. */
static bool create_ring(struct sdl *sdl, struct start *start, struct error *error)
{
    const size_t bytes = sizeof(struct audio_ring);
    void *ring = MAP_FAILED;
    start->memory = memfd_create("sound", MFD_CLOEXEC);
    if (start->memory >= 0 && ftruncate(start->memory, (off_t)bytes) == 0) {
        ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, start->memory, 0);
    }
    if (ring == MAP_FAILED) {
        error_set_errno(error, errno, "cannot get memory for sound");
        if (start->memory >= 0) {
            close(start->memory);
        }
        return false;
    }
    sdl->ring = ring;
    return true;
}

static bool start_sdl(struct sdl *sdl, unsigned buffer_frames, struct error *error)
{
    struct start start;
    if (!companion_find_program("faumachine-audio", "libsdl2-dev", start.path,
                                sizeof(start.path), error) ||
        !create_ring(sdl, &start, error)) {
        return false;
    }
    sdl->ring->rate = sdl->back_end.rate;
    sdl->ring->buffer_frames = buffer_frames;
    bool started = start_player(sdl, &start, error);
    close(start.memory);
    if (!started) {
        munmap(sdl->ring, sizeof(*sdl->ring));
    }
    return started;
}

struct audio_back_end *audio_open_sdl(struct properties *properties, uint32_t rate,
                                      struct log *log, struct error *error)
{
    uint64_t buffer_us = DEFAULT_BUFFER_US;
    if (!properties_take_number(properties, "out.buffer-length", LEAST_BUFFER_US,
                                MOST_BUFFER_US, &buffer_us, error)) {
        return NULL;
    }
    struct sdl *sdl = calloc(1, sizeof(*sdl));
    assert(sdl);
    sdl->back_end = (struct audio_back_end){.ops = &sdl_ops, .log = log, .rate = rate};
    if (!start_sdl(sdl, (unsigned)(buffer_us * rate / US_PER_SECOND), error)) {
        free(sdl);
        return NULL;
    }
    return &sdl->back_end;
}
