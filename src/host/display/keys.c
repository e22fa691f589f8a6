/* Sources: USB HID Usage Tables, chapter 10; SDL_scancode.h for the numbers beyond;
 * RFC 6143 and X11's keysymdef.h; the layout "us". */
#include "host/display/keys.h"

#include <linux/input-event-codes.h>

static const uint16_t of_scancode[] = {
    [0x04] = KEY_A,
    KEY_B,
    KEY_C,
    KEY_D,
    [0x08] = KEY_E,
    KEY_F,
    KEY_G,
    KEY_H,
    [0x0c] = KEY_I,
    KEY_J,
    KEY_K,
    KEY_L,
    [0x10] = KEY_M,
    KEY_N,
    KEY_O,
    KEY_P,
    [0x14] = KEY_Q,
    KEY_R,
    KEY_S,
    KEY_T,
    [0x18] = KEY_U,
    KEY_V,
    KEY_W,
    KEY_X,
    [0x1c] = KEY_Y,
    KEY_Z,
    KEY_1,
    KEY_2,
    [0x20] = KEY_3,
    KEY_4,
    KEY_5,
    KEY_6,
    [0x24] = KEY_7,
    KEY_8,
    KEY_9,
    KEY_0,
    [0x28] = KEY_ENTER,
    KEY_ESC,
    KEY_BACKSPACE,
    KEY_TAB,
    [0x2c] = KEY_SPACE,
    KEY_MINUS,
    KEY_EQUAL,
    KEY_LEFTBRACE,
    [0x30] = KEY_RIGHTBRACE,
    KEY_BACKSLASH,
    KEY_BACKSLASH,
    KEY_SEMICOLON,
    [0x34] = KEY_APOSTROPHE,
    KEY_GRAVE,
    KEY_COMMA,
    KEY_DOT,
    [0x38] = KEY_SLASH,
    KEY_CAPSLOCK,
    KEY_F1,
    KEY_F2,
    [0x3c] = KEY_F3,
    KEY_F4,
    KEY_F5,
    KEY_F6,
    [0x40] = KEY_F7,
    KEY_F8,
    KEY_F9,
    KEY_F10,
    [0x44] = KEY_F11,
    KEY_F12,
    KEY_SYSRQ,
    KEY_SCROLLLOCK,
    [0x48] = KEY_PAUSE,
    KEY_INSERT,
    KEY_HOME,
    KEY_PAGEUP,
    [0x4c] = KEY_DELETE,
    KEY_END,
    KEY_PAGEDOWN,
    KEY_RIGHT,
    [0x50] = KEY_LEFT,
    KEY_DOWN,
    KEY_UP,
    KEY_NUMLOCK,
    [0x54] = KEY_KPSLASH,
    KEY_KPASTERISK,
    KEY_KPMINUS,
    KEY_KPPLUS,
    [0x58] = KEY_KPENTER,
    KEY_KP1,
    KEY_KP2,
    KEY_KP3,
    [0x5c] = KEY_KP4,
    KEY_KP5,
    KEY_KP6,
    KEY_KP7,
    [0x60] = KEY_KP8,
    KEY_KP9,
    KEY_KP0,
    KEY_KPDOT,
    [0x64] = KEY_102ND,
    KEY_COMPOSE,
    KEY_POWER,
    KEY_KPEQUAL,
    [0x78] = KEY_STOP,
    [0x7f] = KEY_MUTE,
    KEY_VOLUMEUP,
    KEY_VOLUMEDOWN,
    [0x85] = KEY_KPCOMMA,
    [0x87] = KEY_RO,
    [0x88] = KEY_KATAKANAHIRAGANA,
    KEY_YEN,
    KEY_HENKAN,
    KEY_MUHENKAN,
    [0x8c] = KEY_KPJPCOMMA,
    [0x92] = KEY_KATAKANA,
    KEY_HIRAGANA,
    KEY_ZENKAKUHANKAKU,
    [0xe0] = KEY_LEFTCTRL,
    KEY_LEFTSHIFT,
    KEY_LEFTALT,
    KEY_LEFTMETA,
    [0xe4] = KEY_RIGHTCTRL,
    KEY_RIGHTSHIFT,
    KEY_RIGHTALT,
    KEY_RIGHTMETA,
    /* SDL's own, of the consumer page */
    [258] = KEY_NEXTSONG,
    KEY_PREVIOUSSONG,
    KEY_STOPCD,
    KEY_PLAYPAUSE,
    [262] = KEY_MUTE,
    KEY_CONFIG,
    KEY_HOMEPAGE,
    KEY_MAIL,
    [266] = KEY_CALC,
    KEY_COMPUTER,
    KEY_SEARCH,
    KEY_HOMEPAGE,
    [270] = KEY_BACK,
    KEY_FORWARD,
    KEY_STOP,
    KEY_REFRESH,
    [274] = KEY_BOOKMARKS,
    [282] = KEY_SLEEP,
};

uint16_t key_of_sdl_scancode(unsigned scancode)
{
    return scancode < ARRAY_LENGTH(of_scancode) ? of_scancode[scancode] : 0;
}

/* Of ' ' to '~'; the sign: with Shift. */
static const int8_t of_character[] = {
    KEY_SPACE,      -KEY_1,          -KEY_APOSTROPHE, -KEY_3,         /* sp ! " # */
    -KEY_4,         -KEY_5,          -KEY_7,          KEY_APOSTROPHE, /* $ % & ' */
    -KEY_9,         -KEY_0,          -KEY_8,          -KEY_EQUAL,     /* ( ) * + */
    KEY_COMMA,      KEY_MINUS,       KEY_DOT,         KEY_SLASH,      /* , - . / */
    KEY_0,          KEY_1,           KEY_2,           KEY_3,          /* */
    KEY_4,          KEY_5,           KEY_6,           KEY_7,          /* */
    KEY_8,          KEY_9,           -KEY_SEMICOLON,  KEY_SEMICOLON,  /* 8 9 : ; */
    -KEY_COMMA,     KEY_EQUAL,       -KEY_DOT,        -KEY_SLASH,     /* < = > ? */
    -KEY_2,         -KEY_A,          -KEY_B,          -KEY_C,         /* @ A B C */
    -KEY_D,         -KEY_E,          -KEY_F,          -KEY_G,         /* */
    -KEY_H,         -KEY_I,          -KEY_J,          -KEY_K,         /* */
    -KEY_L,         -KEY_M,          -KEY_N,          -KEY_O,         /* */
    -KEY_P,         -KEY_Q,          -KEY_R,          -KEY_S,         /* */
    -KEY_T,         -KEY_U,          -KEY_V,          -KEY_W,         /* */
    -KEY_X,         -KEY_Y,          -KEY_Z,          KEY_LEFTBRACE,  /* X Y Z [ */
    KEY_BACKSLASH,  KEY_RIGHTBRACE,  -KEY_6,          -KEY_MINUS,     /* \ ] ^ _ */
    KEY_GRAVE,      KEY_A,           KEY_B,           KEY_C,          /* ` a b c */
    KEY_D,          KEY_E,           KEY_F,           KEY_G,          /* */
    KEY_H,          KEY_I,           KEY_J,           KEY_K,          /* */
    KEY_L,          KEY_M,           KEY_N,           KEY_O,          /* */
    KEY_P,          KEY_Q,           KEY_R,           KEY_S,          /* */
    KEY_T,          KEY_U,           KEY_V,           KEY_W,          /* */
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
