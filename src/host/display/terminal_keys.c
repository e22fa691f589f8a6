#include "host/display/terminal_keys.h"

#include <ctype.h>
#include <linux/input-event-codes.h>

#include "host/display/keys.h"

enum { ESCAPE = 0x1b, DELETE = 0x7f };

/* ESC [ N ~ */
static const uint8_t of_number[] = {
    [1] = KEY_HOME,   [2] = KEY_INSERT,   [3] = KEY_DELETE, [4] = KEY_END,
    [5] = KEY_PAGEUP, [6] = KEY_PAGEDOWN, [7] = KEY_HOME,   [8] = KEY_END,
    [11] = KEY_F1,    [12] = KEY_F2,      [13] = KEY_F3,    [14] = KEY_F4,
    [15] = KEY_F5,    [17] = KEY_F6,      [18] = KEY_F7,    [19] = KEY_F8,
    [20] = KEY_F9,    [21] = KEY_F10,     [23] = KEY_F11,   [24] = KEY_F12,
};

/* ESC [ letter, ESC O letter */
static uint16_t of_letter(uint8_t letter)
{
    switch (letter) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case 'P':
        return KEY_F1;
    case 'Q':
        return KEY_F2;
    case 'R':
        return KEY_F3;
    case 'S':
        return KEY_F4;
    case 'Z': /* Shift with it, as far as terminals send it */
        return KEY_TAB;
    default:
        return 0;
    }
}

/* What follows ESC [ or ESC O: "letter", "number ~", each perhaps with ";modifiers", or
 * Linux's "[ letter" for F1 to F5. Returns the length, of keys that we do not know,
 * too.
 */
static size_t read_sequence(const uint8_t *bytes, size_t count,
                            struct terminal_key *key)
{
    unsigned numbers[2] = {0, 1};
    size_t at = 0, which = 0;
    if (count >= 2 && bytes[0] == '[') {
        bool known = bytes[1] >= 'A' && bytes[1] <= 'E';
        key->key = known ? (uint16_t)(KEY_F1 + bytes[1] - 'A') : 0;
        return 2;
    }
    for (; at < count && (isdigit(bytes[at]) || bytes[at] == ';'); at++) {
        if (bytes[at] == ';') {
            which = 1;
            numbers[1] = 0;
        } else if (numbers[which] < 100) {
            numbers[which] = numbers[which] * 10 + (unsigned)(bytes[at] - '0');
        }
    }
    if (at == count) {
        return at;
    }
    if (bytes[at] == '~' && numbers[0] < ARRAY_LENGTH(of_number)) {
        key->key = of_number[numbers[0]];
    } else {
        key->key = of_letter(bytes[at]);
    }
    key->modifiers = numbers[1] > 1 ? (uint8_t)((numbers[1] - 1) & 7) : 0;
    key->modifiers |= bytes[at] == 'Z' ? TERMINAL_SHIFT : 0;
    return at + 1;
}

static void set_control(uint8_t byte, struct terminal_key *key)
{
    static const uint8_t others[] = {KEY_BACKSLASH, KEY_RIGHTBRACE, KEY_6, KEY_MINUS};
    bool shift;
    key->modifiers = 0;
    if (byte == '\r' || byte == '\n') {
        key->key = KEY_ENTER;
    } else if (byte == '\t') {
        key->key = KEY_TAB;
    } else if (byte == '\b' || byte == DELETE) {
        key->key = KEY_BACKSPACE;
    } else if (byte == ESCAPE) {
        key->key = KEY_ESC;
    } else {
        key->modifiers = TERMINAL_CTRL;
        if (byte == 0) {
            key->key = KEY_SPACE;
        } else if (byte > ESCAPE) {
            key->key = others[byte - ESCAPE - 1];
        } else {
            key_of_character((uint32_t)byte + 'a' - 1, &key->key, &shift);
        }
    }
}

static void set_character(uint8_t byte, struct terminal_key *key)
{
    bool shift;
    if (key_of_character(byte, &key->key, &shift)) {
        key->modifiers = shift ? TERMINAL_SHIFT : 0;
    } else if (byte < 0x80) {
        set_control(byte, key);
    }
}

size_t terminal_key_read(const uint8_t *bytes, size_t count, struct terminal_key *key)
{
    *key = (struct terminal_key){0};
    if (bytes[0] != ESCAPE || count == 1) {
        set_character(bytes[0], key);
        return 1;
    }
    if ((bytes[1] == '[' || bytes[1] == 'O') && count > 2) {
        return 2 + read_sequence(bytes + 2, count - 2, key);
    }
    set_character(bytes[1], key);
    key->modifiers |= TERMINAL_ALT;
    return 2;
}
