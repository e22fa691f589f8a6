/* Stands in for faumachine-audio where there is no sound card, or none to be measured:
 * reads the machine's ring as the program for SDL does, at the pace of a card whose
 * clock is off by CARD_PPM, and writes what would be heard to the file CARD_FILE. Like
 * a card it does not wait for anybody: who is late has to catch up. */
#include "host/audio/drift.h"
#include "host/companion/program.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { PERIOD_FRAMES = 960 };

static bool machine_has_ended(void)
{
    struct pollfd end = {.fd = COMPANION_SOCKET, .events = POLLIN};
    return poll(&end, 1, 0) > 0;
}

static void add_ns(struct timespec *time, uint64_t ns)
{
    uint64_t sum = (uint64_t)time->tv_nsec + ns;
    time->tv_sec += (time_t)(sum / NS_PER_SECOND);
    time->tv_nsec = (long)(sum % NS_PER_SECOND);
}

static int play(struct drift *drift, uint64_t period_ns, FILE *file)
{
    struct audio_frame frames[PERIOD_FRAMES];
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!machine_has_ended()) {
        add_ns(&next, period_ns);
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        drift_read(drift, frames, PERIOD_FRAMES);
        fwrite(frames, sizeof(frames[0]), PERIOD_FRAMES, file);
    }
    return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    const char *path = getenv("CARD_FILE"), *ppm = getenv("CARD_PPM");
    struct audio_ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
                                   MAP_SHARED, COMPANION_MEMORY, 0);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (ring == MAP_FAILED || !file) {
        return EXIT_FAILURE;
    }
    double rate = ring->rate * (1 + (ppm ? atof(ppm) : 0) / 1e6);
    send(COMPANION_SOCKET, RING_PLAYER_READY, sizeof(RING_PLAYER_READY), MSG_NOSIGNAL);
    return play(drift_create(ring, ring->rate), (uint64_t)(PERIOD_FRAMES * 1e9 / rate),
                file);
}
