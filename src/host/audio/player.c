/* faumachine-audio: plays what is in the machine's ring by SDL, until its socket reads
 * as closed. Source: the SDL 2 API, category Audio. */
#include "host/audio/drift.h"
#include "host/companion/program.h"
#include "host/confinement/confinement.h"

#include <SDL.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { LAST_SOUND_MS = 300, LOOK_MS = 10, STEREO = 2 };

static void SDLCALL fill(void *drift, Uint8 *stream, int length)
{
    drift_read(drift, (struct audio_frame *)stream,
               (unsigned)length / sizeof(struct audio_frame));
}

static void say(const char *text)
{
    send(COMPANION_SOCKET, text, strlen(text) + 1, MSG_NOSIGNAL);
}

/* Returns when the machine has closed the socket. */
static void wait_for_end(void)
{
    char ignored[16];
    while (recv(COMPANION_SOCKET, ignored, sizeof(ignored), 0) > 0) {
    }
}

/* What is in the ring is still to be heard. */
static void play_rest(struct audio_ring *ring)
{
    atomic_store(&ring->playing, false);
    for (int waited = 0; ring_filled(ring) > 0 && waited < LAST_SOUND_MS;
         waited += LOOK_MS) {
        SDL_Delay(LOOK_MS);
    }
}

static int play(struct audio_ring *ring, struct drift *drift)
{
    SDL_AudioSpec wanted = {
        .freq = (int)ring->rate,
        .format = AUDIO_S16SYS,
        .channels = STEREO,
        .samples = (Uint16)ring->buffer_frames,
        .callback = fill,
        .userdata = drift,
    };
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    if (!drift || SDL_Init(SDL_INIT_AUDIO) != 0) {
        say(drift ? SDL_GetError() : "out of memory");
        return EXIT_FAILURE;
    }
    SDL_AudioDeviceID device = SDL_OpenAudioDevice(NULL, 0, &wanted, NULL, 0);
    if (device == 0) {
        say(SDL_GetError());
        return EXIT_FAILURE;
    }
    SDL_PauseAudioDevice(device, 0);
    confinement_enter_companion(CONFINEMENT_SOUND);
    say(RING_PLAYER_READY);
    wait_for_end();
    play_rest(ring);
    SDL_CloseAudioDevice(device);
    SDL_Quit();
    return EXIT_SUCCESS;
}

int main(void)
{
    struct audio_ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE,
                                   MAP_SHARED, COMPANION_MEMORY, 0);
    if (ring == MAP_FAILED) {
        fprintf(stderr,
                "faumachine-audio is started by faumachine, for -audiodev sdl\n");
        return EXIT_FAILURE;
    }
    /* Sound libraries talk much; what matters SDL tells. */
    if (!freopen("/dev/null", "w", stderr)) {
        return EXIT_FAILURE;
    }
    struct drift *drift = drift_create(ring, ring->rate);
    int status = play(ring, drift);
    drift_destroy(drift);
    return status;
}
