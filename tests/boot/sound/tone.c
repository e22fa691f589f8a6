/* Plays a tone in the guest: 440 Hz at half of what is possible.
 *
 *   tone dsp RATE MILLISECONDS VOLUME    by the kernel's driver for the sound card,
 * /dev/dsp tone speaker MILLISECONDS            by the PC's speaker, at its ports */
#include <fcntl.h>
#include <linux/soundcard.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FREQUENCY = 440, AMPLITUDE = 16384, CHUNK = 1024 };

static void must(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static int open_device(const char *kind, int card)
{
    char path[32];
    snprintf(path, sizeof(path), card ? "/dev/%s%d" : "/dev/%s", kind, card);
    int device = open(path, O_RDWR);
    must(device, path);
    return device;
}

/* `percent`: what the driver makes of it depends on the card. */
static void set_volume(int card, int percent)
{
    int loudest = 100 | 100 << 8, level = percent | percent << 8;
    int mixer = open_device("mixer", card);
    must(ioctl(mixer, SOUND_MIXER_WRITE_VOLUME, &loudest), "volume");
    must(ioctl(mixer, SOUND_MIXER_WRITE_PCM, &level), "PCM");
    close(mixer);
}

static void play(int card, int rate, int frames)
{
    int format = AFMT_S16_LE, channels = 2, got = rate;
    int dsp = open_device("dsp", card);
    must(ioctl(dsp, SNDCTL_DSP_SETFMT, &format), "format");
    must(ioctl(dsp, SNDCTL_DSP_CHANNELS, &channels), "channels");
    must(ioctl(dsp, SNDCTL_DSP_SPEED, &got), "rate");
    printf("rate %d\n", got);
    for (int done = 0; done < frames; done += CHUNK) {
        int16_t chunk[CHUNK][2];
        for (int i = 0; i < CHUNK; i++) {
            double phase = 2 * M_PI * FREQUENCY * (done + i) / got;
            chunk[i][0] = chunk[i][1] = (int16_t)lrint(AMPLITUDE * sin(phase));
        }
        must((int)write(dsp, chunk, sizeof(chunk)), "write");
    }
    must(ioctl(dsp, SNDCTL_DSP_SYNC, 0), "sync");
    close(dsp);
}

static void beep(long milliseconds)
{
    enum { TIMER_HZ = 1193182, CHANNEL = 0x42, CONTROL = 0x43, GATE = 0x61 };
    unsigned count = TIMER_HZ / FREQUENCY;
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    must(iopl(3), "iopl");
    outb(0xb6, CONTROL);
    outb((unsigned char)count, CHANNEL);
    outb((unsigned char)(count >> 8), CHANNEL);
    outb(inb(GATE) | 3, GATE);
    nanosleep(&time, NULL);
    outb(inb(GATE) & ~3, GATE);
}

int main(int count, char **arguments)
{
    if (count == 6 && strcmp(arguments[1], "card") == 0) {
        int card = atoi(arguments[2]), rate = atoi(arguments[3]);
        set_volume(card, atoi(arguments[5]));
        play(card, rate, (int)((long long)rate * atoi(arguments[4]) / 1000));
    } else if (count == 3 && strcmp(arguments[1], "speaker") == 0) {
        beep(atol(arguments[2]));
    } else {
        return 2;
    }
    puts("played");
    return 0;
}
