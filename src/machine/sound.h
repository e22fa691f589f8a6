/* machine/sound.h: sound devices meet the host's mixers.
 *
 * Thread: the machine's own, before it runs and after. */
#ifndef MACHINE_SOUND_H
#define MACHINE_SOUND_H

#include "base/error.h"
#include "host/audio/audio.h"
#include "machine/added_devices.h"
#include "machine/machine.h"

struct speaker;

/* What -audiodev and -audio name. */
struct machine_sound {
    struct {
        struct audio_mixer *mixer;
        char id[MACHINE_AUDIODEV_ID_BYTES];
    } outputs[MACHINE_AUDIODEVS + 1];
    unsigned count;
    struct speaker *speaker;
    bool has_sb16;
};

extern const struct added_device sb16_added, ac97_added;

/* Opens the outputs, joins the speaker, and adds the device of -audio. */
bool sound_create(struct machine *machine, struct error *error);
void sound_show_statistics(struct machine *machine,
                           void (*print)(void *opaque, const char *name,
                                         uint64_t count),
                           void *opaque);
/* Before devices are destroyed. */
void sound_close(struct machine *machine);

#endif
