/* host/display/terminal_keys.h: what a terminal sends for keys, as keys.
 *
 * Source: console_codes(4) and xterm's control sequences. Thread: any. */
#ifndef HOST_DISPLAY_TERMINAL_KEYS_H
#define HOST_DISPLAY_TERMINAL_KEYS_H

#include "base/types.h"

enum { TERMINAL_SHIFT = 1, TERMINAL_ALT = 2, TERMINAL_CTRL = 4 };

struct terminal_key {
    uint16_t key; /* KEY_…; 0: none */
    uint8_t modifiers;
};

/* The key at the beginning of `bytes`, all of which have come at once: so an ESC at the
 * end is the key. Returns how many bytes it takes, at least 1. */
size_t terminal_key_read(const uint8_t *bytes, size_t count, struct terminal_key *key);

#endif
