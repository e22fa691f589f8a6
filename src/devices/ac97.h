/* devices/ac97.h: the AC'97 sound of a chipset: Intel 82801AA, and a codec.
 *
 * A PCI function with two sets of ports: the codec's registers (BAR 0) and three bus
 * masters (BAR 1), each of which works through a list of up to 32 buffers: sound out,
 * sound in, microphone. What comes in is silence. Time is virtual: a buffer lasts as
 * long as its frames at the codec's rate. Sources: Intel 82801AA (ICH) data sheet,
 * chapter 13; Audio Codec '97 2.3; the codec says that it is a SigmaTel STAC9700.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_AC97_H
#define DEVICES_AC97_H

#include "base/log.h"
#include "bus/audio.h"
#include "bus/pci.h"
#include "clock/clock.h"

struct ac97; /* begins with a struct device */

struct ac97 *ac97_create(struct log *log, struct pci_bus *bus, unsigned slot,
                         struct clock *clock, struct audio_line line);

/* An audio_advance. */
bool ac97_advance(void *ac97);

#endif
