/* devices/i8237.h: the two 8237A DMA controllers of a PC with their page registers.
 *
 * Controller 1 (channels 0-3, bytes) at ports 0x00-0x0f, controller 2 (channels 4-7,
 * 16-bit words; 4 is the cascade of controller 1) at 0xc0-0xdf, page registers at
 * 0x80-0x8f. Sources: Intel 8237A data sheet; Intel 82371SB (PIIX3) data sheet, DMA
 * registers.
 *
 * The controller does nothing on its own: a device that wants data moved raises its
 * request line and calls i8237_transfer() as often as it has or needs data. The guest
 * may not have programmed the channel yet; then nothing is moved and the device tries
 * again when its listener is told that the channel is ready.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_I8237_H
#define DEVICES_I8237_H

#include "base/log.h"
#include "bus/dma.h"
#include "bus/port.h"

enum { I8237_CHANNELS = 8 };

struct i8237; /* begins with a struct device */

struct i8237 *i8237_create(struct log *log, struct port_space *ports,
                           struct memory_map *memory);

/* Moves up to `bytes` bytes in the direction the guest has programmed: from `buffer` to
 * memory (write transfer), from memory to `buffer` (read transfer), or nowhere (verify:
 * only counts, and fills `buffer` with zeros). Returns how many bytes that were: fewer
 * than asked for at the terminal count, none while the channel is masked, disabled or
 * a cascade. Channels 5-7 move whole words; an odd last byte is not moved.
 * `*terminal_count` tells whether the last byte was the last of the guest's block.
 * `channel`: 0-3, 5-7. */
unsigned i8237_transfer(struct i8237 *dma, unsigned channel, void *buffer,
                        unsigned bytes, bool *terminal_count);

/* The device's request line DREQ, as the guest sees it in the status register. */
void i8237_set_request(struct i8237 *dma, unsigned channel, bool level);

/* Would i8237_transfer() move anything now? */
bool i8237_is_ready(const struct i8237 *dma, unsigned channel);

/* `ready` is called when the guest has made a channel ready whose request line is
 * high. One listener per channel; it may call i8237_transfer(). */
void i8237_listen(struct i8237 *dma, unsigned channel, void (*ready)(void *opaque),
                  void *opaque);

/* For a device that moves data lazily: `before` is called before the guest reads where
 * the channel is, or changes anything; the device then moves what is due. */
void i8237_follow(struct i8237 *dma, unsigned channel, void (*before)(void *opaque),
                  void *opaque);

#endif
