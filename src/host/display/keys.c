/* Sources: USB HID Usage Tables, chapter 10; SDL_scancode.h for the numbers beyond;
 * RFC 6143 and X11's keysymdef.h; the layout "us". */
#include "host/display/keys.h"

#include <linux/input-event-codes.h>

enum { FIRST_SCANCODE = 4 };

/* From FIRST_SCANCODE on: letters, digits, and on to the keypad. */
static const uint8_t of_scancode[] = {
    KEY_A,          KEY_B,          KEY_C,         KEY_D,          /* 04 */
    KEY_E,          KEY_F,          KEY_G,         KEY_H,          /* 08 */
    KEY_I,          KEY_J,          KEY_K,         KEY_L,          /* 0c */
    KEY_M,          KEY_N,          KEY_O,         KEY_P,          /* 10 */
    KEY_Q,          KEY_R,          KEY_S,         KEY_T,          /* 14 */
    KEY_U,          KEY_V,          KEY_W,         KEY_X,          /* 18 */
    KEY_Y,          KEY_Z,          KEY_1,         KEY_2,          /* 1c */
    KEY_3,          KEY_4,          KEY_5,         KEY_6,          /* 20 */
    KEY_7,          KEY_8,          KEY_9,         KEY_0,          /* 24 */
    KEY_ENTER,      KEY_ESC,        KEY_BACKSPACE, KEY_TAB,        /* 28 */
    KEY_SPACE,      KEY_MINUS,      KEY_EQUAL,     KEY_LEFTBRACE,  /* 2c */
    KEY_RIGHTBRACE, KEY_BACKSLASH,  KEY_BACKSLASH, KEY_SEMICOLON,  /* 30 */
    KEY_APOSTROPHE, KEY_GRAVE,      KEY_COMMA,     KEY_DOT,        /* 34 */
    KEY_SLASH,      KEY_CAPSLOCK,   KEY_F1,        KEY_F2,         /* 38 */
    KEY_F3,         KEY_F4,         KEY_F5,        KEY_F6,         /* 3c */
    KEY_F7,         KEY_F8,         KEY_F9,        KEY_F10,        /* 40 */
    KEY_F11,        KEY_F12,        KEY_SYSRQ,     KEY_SCROLLLOCK, /* 44 */
    KEY_PAUSE,      KEY_INSERT,     KEY_HOME,      KEY_PAGEUP,     /* 48 */
    KEY_DELETE,     KEY_END,        KEY_PAGEDOWN,  KEY_RIGHT,      /* 4c */
    KEY_LEFT,       KEY_DOWN,       KEY_UP,        KEY_NUMLOCK,    /* 50 */
    KEY_KPSLASH,    KEY_KPASTERISK, KEY_KPMINUS,   KEY_KPPLUS,     /* 54 */
    KEY_KPENTER,    KEY_KP1,        KEY_KP2,       KEY_KP3,        /* 58 */
    KEY_KP4,        KEY_KP5,        KEY_KP6,       KEY_KP7,        /* 5c */
    KEY_KP8,        KEY_KP9,        KEY_KP0,       KEY_KPDOT,      /* 60 */
    KEY_102ND,      KEY_COMPOSE,    KEY_POWER,     KEY_KPEQUAL,    /* 64 */
};

struct numbered_key {
    uint16_t scancode, key;
};

/* From 256 on they are SDL's own, of the consumer page. */
static const struct numbered_key of_other_scancodes[] = {
    {0x78, KEY_STOP},
    {0x7f, KEY_MUTE},
    {0x80, KEY_VOLUMEUP},
    {0x81, KEY_VOLUMEDOWN},
    {0x85, KEY_KPCOMMA},
    {0x87, KEY_RO},
    {0x88, KEY_KATAKANAHIRAGANA},
    {0x89, KEY_YEN},
    {0x8a, KEY_HENKAN},
    {0x8b, KEY_MUHENKAN},
    {0x8c, KEY_KPJPCOMMA},
    {0x92, KEY_KATAKANA},
    {0x93, KEY_HIRAGANA},
    {0x94, KEY_ZENKAKUHANKAKU},
    {0xe0, KEY_LEFTCTRL},
    {0xe1, KEY_LEFTSHIFT},
    {0xe2, KEY_LEFTALT},
    {0xe3, KEY_LEFTMETA},
    {0xe4, KEY_RIGHTCTRL},
    {0xe5, KEY_RIGHTSHIFT},
    {0xe6, KEY_RIGHTALT},
    {0xe7, KEY_RIGHTMETA},
    {258, KEY_NEXTSONG},
    {259, KEY_PREVIOUSSONG},
    {260, KEY_STOPCD},
    {261, KEY_PLAYPAUSE},
    {262, KEY_MUTE},
    {263, KEY_CONFIG},
    {264, KEY_HOMEPAGE},
    {265, KEY_MAIL},
    {266, KEY_CALC},
    {267, KEY_COMPUTER},
    {268, KEY_SEARCH},
    {269, KEY_HOMEPAGE},
    {270, KEY_BACK},
    {271, KEY_FORWARD},
    {272, KEY_STOP},
    {273, KEY_REFRESH},
    {274, KEY_BOOKMARKS},
    {282, KEY_SLEEP},
};

uint16_t key_of_sdl_scancode(unsigned scancode)
{
    if (scancode < FIRST_SCANCODE) {
        return 0;
    }
    if (scancode - FIRST_SCANCODE < ARRAY_LENGTH(of_scancode)) {
        return of_scancode[scancode - FIRST_SCANCODE];
    }
    for (size_t i = 0; i < ARRAY_LENGTH(of_other_scancodes); i++) {
        if (of_other_scancodes[i].scancode == scancode) {
            return of_other_scancodes[i].key;
        }
    }
    return 0;
}

/* Of ' ' to '~'; the sign: with Shift. */
static const int8_t of_character[] = {
    KEY_SPACE,      -KEY_1,          -KEY_APOSTROPHE, -KEY_3,         /* sp ! " # */
    -KEY_4,         -KEY_5,          -KEY_7,          KEY_APOSTROPHE, /* $ % & ' */
    -KEY_9,         -KEY_0,          -KEY_8,          -KEY_EQUAL,     /* ( ) * + */
    KEY_COMMA,      KEY_MINUS,       KEY_DOT,         KEY_SLASH,      /* , - . / */
    KEY_0,          KEY_1,           KEY_2,           KEY_3,          KEY_4,
    KEY_5,          KEY_6,           KEY_7,           KEY_8,          KEY_9,
    -KEY_SEMICOLON, KEY_SEMICOLON,                                /* 8 9 : ; */
    -KEY_COMMA,     KEY_EQUAL,       -KEY_DOT,        -KEY_SLASH, /* < = > ? */
    -KEY_2,         -KEY_A,          -KEY_B,          -KEY_C,     /* @ A B C */
    -KEY_D,         -KEY_E,          -KEY_F,          -KEY_G,         -KEY_H,
    -KEY_I,         -KEY_J,          -KEY_K,          -KEY_L,         -KEY_M,
    -KEY_N,         -KEY_O,          -KEY_P,          -KEY_Q,         -KEY_R,
    -KEY_S,         -KEY_T,          -KEY_U,          -KEY_V,         -KEY_W,
    -KEY_X,         -KEY_Y,          -KEY_Z,          KEY_LEFTBRACE, /* X Y Z [ */
    KEY_BACKSLASH,  KEY_RIGHTBRACE,  -KEY_6,          -KEY_MINUS,    /* \ ] ^ _ */
    KEY_GRAVE,      KEY_A,           KEY_B,           KEY_C,         /* ` a b c */
    KEY_D,          KEY_E,           KEY_F,           KEY_G,          KEY_H,
    KEY_I,          KEY_J,           KEY_K,           KEY_L,          KEY_M,
    KEY_N,          KEY_O,           KEY_P,           KEY_Q,          KEY_R,
    KEY_S,          KEY_T,           KEY_U,           KEY_V,          KEY_W,
    KEY_X,          KEY_Y,           KEY_Z,           -KEY_LEFTBRACE, /* x y z { */
    -KEY_BACKSLASH, -KEY_RIGHTBRACE, -KEY_GRAVE,                      /* | } ~ */
};

bool key_of_character(uint32_t character, uint16_t *key, bool *shift)
{
    if (character < ' ' || character - ' ' >= ARRAY_LENGTH(of_character)) {
        return false;
    }
    int8_t signed_key = of_character[character - ' '];
    *shift = signed_key < 0;
    *key = (uint16_t)(signed_key < 0 ? -signed_key : signed_key);
    return true;
}

struct named_key {
    uint16_t keysym, key;
};

static const struct named_key of_keysym[] = {
    {0xfe03, KEY_RIGHTALT},
    {0xfe20, KEY_TAB},
    {0xff08, KEY_BACKSPACE},
    {0xff09, KEY_TAB},
    {0xff0d, KEY_ENTER},
    {0xff13, KEY_PAUSE},
    {0xff14, KEY_SCROLLLOCK},
    {0xff15, KEY_SYSRQ},
    {0xff1b, KEY_ESC},
    {0xff22, KEY_MUHENKAN},
    {0xff23, KEY_HENKAN},
    {0xff25, KEY_HIRAGANA},
    {0xff26, KEY_KATAKANA},
    {0xff27, KEY_KATAKANAHIRAGANA},
    {0xff2a, KEY_ZENKAKUHANKAKU},
    {0xff50, KEY_HOME},
    {0xff51, KEY_LEFT},
    {0xff52, KEY_UP},
    {0xff53, KEY_RIGHT},
    {0xff54, KEY_DOWN},
    {0xff55, KEY_PAGEUP},
    {0xff56, KEY_PAGEDOWN},
    {0xff57, KEY_END},
    {0xff61, KEY_SYSRQ},
    {0xff63, KEY_INSERT},
    {0xff67, KEY_COMPOSE},
    {0xff6b, KEY_PAUSE},
    {0xff7e, KEY_RIGHTALT},
    {0xff7f, KEY_NUMLOCK},
    {0xff8d, KEY_KPENTER},
    {0xff95, KEY_KP7},
    {0xff96, KEY_KP4},
    {0xff97, KEY_KP8},
    {0xff98, KEY_KP6},
    {0xff99, KEY_KP2},
    {0xff9a, KEY_KP9},
    {0xff9b, KEY_KP3},
    {0xff9c, KEY_KP1},
    {0xff9d, KEY_KP5},
    {0xff9e, KEY_KP0},
    {0xff9f, KEY_KPDOT},
    {0xffaa, KEY_KPASTERISK},
    {0xffab, KEY_KPPLUS},
    {0xffac, KEY_KPCOMMA},
    {0xffad, KEY_KPMINUS},
    {0xffae, KEY_KPDOT},
    {0xffaf, KEY_KPSLASH},
    {0xffb0, KEY_KP0},
    {0xffb1, KEY_KP1},
    {0xffb2, KEY_KP2},
    {0xffb3, KEY_KP3},
    {0xffb4, KEY_KP4},
    {0xffb5, KEY_KP5},
    {0xffb6, KEY_KP6},
    {0xffb7, KEY_KP7},
    {0xffb8, KEY_KP8},
    {0xffb9, KEY_KP9},
    {0xffbd, KEY_KPEQUAL},
    {0xffbe, KEY_F1},
    {0xffbf, KEY_F2},
    {0xffc0, KEY_F3},
    {0xffc1, KEY_F4},
    {0xffc2, KEY_F5},
    {0xffc3, KEY_F6},
    {0xffc4, KEY_F7},
    {0xffc5, KEY_F8},
    {0xffc6, KEY_F9},
    {0xffc7, KEY_F10},
    {0xffc8, KEY_F11},
    {0xffc9, KEY_F12},
    {0xffe1, KEY_LEFTSHIFT},
    {0xffe2, KEY_RIGHTSHIFT},
    {0xffe3, KEY_LEFTCTRL},
    {0xffe4, KEY_RIGHTCTRL},
    {0xffe5, KEY_CAPSLOCK},
    {0xffe7, KEY_LEFTMETA},
    {0xffe8, KEY_RIGHTMETA},
    {0xffe9, KEY_LEFTALT},
    {0xffea, KEY_RIGHTALT},
    {0xffeb, KEY_LEFTMETA},
    {0xffec, KEY_RIGHTMETA},
    {0xffff, KEY_DELETE},
};

uint16_t key_of_keysym(uint32_t keysym, bool *is_character, bool *shift)
{
    uint16_t key = 0;
    *is_character = key_of_character(keysym, &key, shift);
    for (size_t i = 0; !key && i < ARRAY_LENGTH(of_keysym); i++) {
        if (of_keysym[i].keysym == keysym) {
            key = of_keysym[i].key;
        }
    }
    return key;
}
