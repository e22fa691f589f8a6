/* devices/sb16.h: Creative's Sound Blaster 16: digital sound and its mixer.
 *
 * The DSP (4.05) plays 8- and 16-bit samples, mono or stereo, by DMA in blocks, single
 * or repeated, with an interrupt at the end of each; or single samples that software
 * writes when it wants them heard. What it records is silence. The mixer chip CT1745
 * has the volumes, and says which interrupt and DMA channels the card uses. ADPCM and
 * MIDI through the DSP are not there: the guest's driver is told nothing, the log is.
 * Time is virtual: a block lasts as long as its samples.
 * Source: Creative, Sound Blaster Series Hardware Programming Guide, second edition,
 * chapters 2 to 4 and 6.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_SB16_H
#define DEVICES_SB16_H

#include "base/log.h"
#include "bus/audio.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "devices/i8237.h"
#include "devices/opl3.h"

struct sb16; /* begins with a struct device */

/* The interrupts that the card can have, as ISA has them. */
enum { SB16_INTERRUPTS = 4 };
extern const uint8_t sb16_interrupts[SB16_INTERRUPTS]; /* 9, 5, 7, 10 */

struct sb16_settings {
    uint16_t port;      /* 0x220… */
    uint8_t interrupt;  /* as jumpers or its utility set it; software may change it */
    uint8_t dma, dma16; /* 0, 1, 3; 5, 6, 7, or the same as the other */
};

/* False for what the mixer has no bit for. */
bool sb16_settings_are_possible(const struct sb16_settings *settings);

/* `lines`: in the order of sb16_interrupts. `opl`: whose output goes through the mixer.
 */
struct sb16 *sb16_create(struct log *log, struct port_space *ports, struct clock *clock,
                         struct i8237 *dma, struct opl3 *opl,
                         const struct irq_line lines[SB16_INTERRUPTS],
                         const struct sb16_settings *settings, struct audio_line line);

/* An audio_advance. */
bool sb16_advance(void *sb16);

#endif
