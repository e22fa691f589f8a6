/* Sound: which device plays into which of the host's outputs. */
#include "machine/sound.h"

#include "devices/ac97.h"
#include "devices/mpu401.h"
#include "devices/opl3.h"
#include "devices/port61.h"
#include "devices/sb16.h"
#include "devices/speaker.h"
#include "machine/machine_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    SB16_PORT = 0x220,
    SB16_FIRST_PORT = 0x220,
    SB16_LAST_PORT = 0x280,
    SB16_PORT_STEP = 0x20,
    SB16_INTERRUPT = 5,
    SB16_DMA = 1,
    SB16_DMA16 = 5,
    MPU401_PORT = 0x330,
};

static bool add_output(struct machine *machine, struct properties *properties,
                       struct error *error)
{
    struct machine_sound *sound = &machine->sound;
    const char *id = properties_take(properties, "id");
    id = id ? id : "";
    for (unsigned i = 0; i < sound->count; i++) {
        if (id[0] && strcmp(sound->outputs[i].id, id) == 0) {
            return error_set(error, "%s: id=%s is there twice", properties->option, id);
        }
    }
    if (strlen(id) >= sizeof(sound->outputs[0].id)) {
        return error_set(error, "%s: id=%s is too long", properties->option, id);
    }
    struct audio_mixer *mixer =
        audio_open(properties, &machine->clock, &machine->log, error);
    if (mixer) {
        strcpy(sound->outputs[sound->count].id, id);
        sound->outputs[sound->count++].mixer = mixer;
    }
    return mixer;
}

static bool open_outputs(struct machine *machine, struct error *error)
{
    struct properties properties;
    const char *const *texts = machine->config.audiodevs;
    for (unsigned i = 0; i < MACHINE_AUDIODEVS && texts[i]; i++) {
        if (!properties_parse(&properties, "-audiodev", texts[i], error) ||
            !add_output(machine, &properties, error)) {
            return false;
        }
    }
    return true;
}

/* The output that a device names, or the first one; NULL if there is none. */
static bool find_output(struct machine *machine, const char *option, const char *id,
                        struct audio_mixer **mixer, struct error *error)
{
    const struct machine_sound *sound = &machine->sound;
    *mixer = NULL;
    for (unsigned i = 0; i < sound->count; i++) {
        if (!id || strcmp(sound->outputs[i].id, id) == 0) {
            *mixer = sound->outputs[i].mixer;
            return true;
        }
    }
    return !id || error_set(error,
                            "%s: there is no audio device '%s'; define it by -audiodev "
                            "DRIVER,id=%s",
                            option, id, id);
}

static bool join_speaker(struct machine *machine, struct error *error)
{
    struct audio_mixer *mixer;
    unsigned number;
    const char *id = machine->config.pcspk_audiodev;
    if (!find_output(machine, "-machine pcspk-audiodev", *id ? id : NULL, &mixer,
                     error)) {
        return false;
    }
    struct speaker *speaker =
        speaker_create(&machine->clock, machine->pit, audio_add_line(mixer, &number));
    audio_connect(mixer, number, speaker_advance, speaker);
    port61_connect_speaker(machine->port61, speaker);
    machine->sound.speaker = speaker;
    return true;
}

/* -- devices that are added -- */

static bool create_ac97(struct machine *machine, struct audio_mixer *mixer,
                        struct properties *properties, struct error *error)
{
    unsigned number, slot = 0;
    if (!added_device_take_slot(machine, properties, &slot, error)) {
        return false;
    }
    struct ac97 *ac97 = ac97_create(&machine->log, machine->pci, slot, &machine->clock,
                                    audio_add_line(mixer, &number));
    pc_add_device(machine, ac97);
    audio_connect(mixer, number, ac97_advance, ac97);
    return true;
}

static void create_sb16(struct machine *machine, struct audio_mixer *mixer,
                        const struct sb16_settings *settings)
{
    struct log *log = &machine->log;
    struct irq_line lines[SB16_INTERRUPTS];
    unsigned number;
    for (unsigned i = 0; i < SB16_INTERRUPTS; i++) {
        lines[i] = isa_interrupts_line(&machine->isa, sb16_interrupts[i]);
    }
    struct opl3 *opl = opl3_create(log, &machine->ports, &machine->clock,
                                   audio_add_line(mixer, &number));
    pc_add_device(machine, opl);
    audio_connect(mixer, number, opl3_advance, opl);
    struct sb16 *sb16 =
        sb16_create(log, &machine->ports, &machine->clock, machine->dma, opl, lines,
                    settings, audio_add_line(mixer, &number));
    pc_add_device(machine, sb16);
    audio_connect(mixer, number, sb16_advance, sb16);
    pc_add_device(machine, mpu401_create(log, &machine->ports, MPU401_PORT));
    machine->sound.has_sb16 = true;
}

static bool add_ac97(struct machine *machine, struct properties *properties,
                     struct error *error)
{
    struct audio_mixer *mixer;
    return find_output(machine, "-device AC97", properties_take(properties, "audiodev"),
                       &mixer, error) &&
           create_ac97(machine, mixer, properties, error);
}

static bool take_settings(struct properties *properties, struct sb16_settings *settings,
                          struct error *error)
{
    uint64_t port = SB16_PORT, interrupt = SB16_INTERRUPT, dma = SB16_DMA,
             dma16 = SB16_DMA16;
    if (!properties_take_number(properties, "iobase", SB16_FIRST_PORT, SB16_LAST_PORT,
                                &port, error) ||
        !properties_take_number(properties, "irq", 0, 15, &interrupt, error) ||
        !properties_take_number(properties, "dma", 0, 7, &dma, error) ||
        !properties_take_number(properties, "dma16", 0, 7, &dma16, error)) {
        return false;
    }
    *settings = (struct sb16_settings){
        .port = (uint16_t)port,
        .interrupt = (uint8_t)(interrupt == 2 ? 9 : interrupt),
        .dma = (uint8_t)dma,
        .dma16 = (uint8_t)dma16,
    };
    return (port % SB16_PORT_STEP == 0 && sb16_settings_are_possible(settings)) ||
           error_set(error, "-device sb16: the card has iobase 0x220 to 0x280 in steps "
                            "of 0x20, irq 2, 5, 7 or 10, dma 0, 1 or 3, and dma16 5, "
                            "6, 7 or that of dma");
}

static bool add_sb16(struct machine *machine, struct properties *properties,
                     struct error *error)
{
    struct audio_mixer *mixer;
    struct sb16_settings settings;
    if (machine->sound.has_sb16) {
        return error_set(error, "-device sb16: there is one already");
    }
    if (!find_output(machine, "-device sb16", properties_take(properties, "audiodev"),
                     &mixer, error) ||
        !take_settings(properties, &settings, error)) {
        return false;
    }
    create_sb16(machine, mixer, &settings);
    return true;
}

const struct added_device ac97_added = {
    .name = "AC97",
    .properties = "audiodev and addr",
    .help = "PCI sound: Intel 82801AA",
    .create = add_ac97,
};

const struct added_device sb16_added = {
    .name = "sb16",
    .properties = "audiodev, iobase, irq, dma and dma16",
    .help = "ISA sound: Sound Blaster 16, with FM",
    .create = add_sb16,
};

/* -- -audio DRIVER,model=DEVICE,… -- */

static bool create_audio(struct machine *machine, struct error *error)
{
    struct properties properties, none;
    if (!machine->config.audio) {
        return true;
    }
    if (!properties_parse(&properties, "-audio", machine->config.audio, error)) {
        return false;
    }
    const char *driver = properties_take(&properties, "driver");
    const char *model = properties_take(&properties, "model");
    properties.name = driver ? driver : properties.name;
    if (!add_output(machine, &properties, error) ||
        !properties_parse(&none, "-audio", model ? model : "", error)) {
        return false;
    }
    if (!model) {
        return true; /* the speaker's */
    }
    return strcmp(model, "AC97") == 0 || strcmp(model, "ac97") == 0
               ? add_ac97(machine, &none, error)
           : strcmp(model, "sb16") == 0
               ? add_sb16(machine, &none, error)
               : error_set(error, "-audio model=%s: the models are AC97 and sb16",
                           model);
}

bool sound_create(struct machine *machine, struct error *error)
{
    return open_outputs(machine, error) && create_audio(machine, error) &&
           join_speaker(machine, error);
}

void sound_show_statistics(struct machine *machine,
                           void (*print)(void *opaque, const char *name,
                                         uint64_t count),
                           void *opaque)
{
    for (unsigned i = 0; i < machine->sound.count; i++) {
        audio_print_statistics(machine->sound.outputs[i].mixer, print, opaque);
    }
}

void sound_close(struct machine *machine)
{
    struct machine_sound *sound = &machine->sound;
    for (unsigned i = 0; i < sound->count; i++) {
        audio_close(sound->outputs[i].mixer);
    }
    sound->count = 0;
    speaker_destroy(sound->speaker);
    sound->speaker = NULL;
}
