/* The data that goes to and comes from devices: blocks that begin with their number, so
 * that one which is lost, or in another's place, shows. bench/devices.py makes the
 * same.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK_BYTES = 4096, FILLING = 0x5a };

/* Makes blocks of which the first has this number. */
static inline void blocks_fill(uint8_t *data, size_t bytes, uint32_t first)
{
    memset(data, FILLING, bytes);
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES, first++) {
        memcpy(data + at, &first, sizeof(first));
    }
}

/* How many of them, of which the first is to have this number, are in their places. */
static inline uint32_t blocks_right(const uint8_t *data, size_t bytes, uint32_t first)
{
    uint32_t right = 0;
    for (size_t at = 0; at < bytes; at += BLOCK_BYTES, first++) {
        right += memcmp(data + at, &first, sizeof(first)) == 0 &&
                 data[at + BLOCK_BYTES - 1] == FILLING;
    }
    return right;
}
