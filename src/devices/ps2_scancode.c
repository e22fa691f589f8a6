#include "devices/ps2_scancode.h"

enum { E = 0x80 }; /* in set1_codes: extended */

/* Set 2 to set 1, as the ROM of the 8042 has it. Codes from 0x80 on stay what they are,
 * but for F7 (0x83) and Alt + Print Screen (0x84). */
static const uint8_t set1_of_set2[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, /* 00 */
    0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 08 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, /* 10 */
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 18 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, /* 20 */
    0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 28 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, /* 30 */
    0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 38 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, /* 40 */
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 48 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, /* 50 */
    0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 58 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, /* 60 */
    0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 68 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, /* 70 */
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 78 */
};

/* Codes of set 1 by key; the first 83 keys are numbered after them. */
static const uint8_t set1_codes[PS2_KEYS] = {
    [85] = 0x76,      /* zenkaku/hankaku */
    [86] = 0x56,      /* the key between left shift and Z */
    [87] = 0x57,      /* F11 */
    [88] = 0x58,      /* F12 */
    [89] = 0x73,      /* ro */
    [90] = 0x78,      /* katakana */
    [91] = 0x77,      /* hiragana */
    [92] = 0x79,      /* henkan */
    [93] = 0x70,      /* katakana/hiragana */
    [94] = 0x7b,      /* muhenkan */
    [95] = 0x5c,      /* keypad comma (Japan) */
    [96] = E | 0x1c,  /* keypad Enter */
    [97] = E | 0x1d,  /* right Ctrl */
    [98] = E | 0x35,  /* keypad / */
    [100] = E | 0x38, /* right Alt */
    [102] = E | 0x47, /* Home */
    [103] = E | 0x48, /* Up */
    [104] = E | 0x49, /* Page Up */
    [105] = E | 0x4b, /* Left */
    [106] = E | 0x4d, /* Right */
    [107] = E | 0x4f, /* End */
    [108] = E | 0x50, /* Down */
    [109] = E | 0x51, /* Page Down */
    [110] = E | 0x52, /* Insert */
    [111] = E | 0x53, /* Delete */
    [113] = E | 0x20, /* mute */
    [114] = E | 0x2e, /* volume down */
    [115] = E | 0x30, /* volume up */
    [116] = E | 0x5e, /* power */
    [117] = 0x59,     /* keypad = */
    [121] = 0x7e,     /* keypad comma (Brazil) */
    [124] = 0x7d,     /* yen */
    [125] = E | 0x5b, /* left Windows */
    [126] = E | 0x5c, /* right Windows */
    [127] = E | 0x5d, /* menu */
    [128] = E | 0x68, /* stop */
    [140] = E | 0x21, /* calculator */
    [142] = E | 0x5f, /* sleep */
    [143] = E | 0x63, /* wake up */
    [155] = E | 0x6c, /* mail */
    [156] = E | 0x66, /* bookmarks */
    [157] = E | 0x6b, /* my computer */
    [158] = E | 0x6a, /* back */
    [159] = E | 0x69, /* forward */
    [163] = E | 0x19, /* next track */
    [164] = E | 0x22, /* play/pause */
    [165] = E | 0x10, /* previous track */
    [166] = E | 0x24, /* stop playing */
    [171] = E | 0x6d, /* media player */
    [172] = E | 0x32, /* home page */
    [173] = E | 0x67, /* reload */
    [217] = E | 0x65, /* search */
};

/* Codes of set 3 by key. */
static const uint8_t set3_codes[128] = {
    [1] = 0x08,   [2] = 0x16,   [3] = 0x1e,   [4] = 0x26,   [5] = 0x25,   [6] = 0x2e,
    [7] = 0x36,   [8] = 0x3d,   [9] = 0x3e,   [10] = 0x46,  [11] = 0x45,  [12] = 0x4e,
    [13] = 0x55,  [14] = 0x66,  [15] = 0x0d,  [16] = 0x15,  [17] = 0x1d,  [18] = 0x24,
    [19] = 0x2d,  [20] = 0x2c,  [21] = 0x35,  [22] = 0x3c,  [23] = 0x43,  [24] = 0x44,
    [25] = 0x4d,  [26] = 0x54,  [27] = 0x5b,  [28] = 0x5a,  [29] = 0x11,  [30] = 0x1c,
    [31] = 0x1b,  [32] = 0x23,  [33] = 0x2b,  [34] = 0x34,  [35] = 0x33,  [36] = 0x3b,
    [37] = 0x42,  [38] = 0x4b,  [39] = 0x4c,  [40] = 0x52,  [41] = 0x0e,  [42] = 0x12,
    [43] = 0x5c,  [44] = 0x1a,  [45] = 0x22,  [46] = 0x21,  [47] = 0x2a,  [48] = 0x32,
    [49] = 0x31,  [50] = 0x3a,  [51] = 0x41,  [52] = 0x49,  [53] = 0x4a,  [54] = 0x59,
    [55] = 0x7e,  [56] = 0x19,  [57] = 0x29,  [58] = 0x14,  [59] = 0x07,  [60] = 0x0f,
    [61] = 0x17,  [62] = 0x1f,  [63] = 0x27,  [64] = 0x2f,  [65] = 0x37,  [66] = 0x3f,
    [67] = 0x47,  [68] = 0x4f,  [69] = 0x76,  [70] = 0x5f,  [71] = 0x6c,  [72] = 0x75,
    [73] = 0x7d,  [74] = 0x84,  [75] = 0x6b,  [76] = 0x73,  [77] = 0x74,  [78] = 0x7c,
    [79] = 0x69,  [80] = 0x72,  [81] = 0x7a,  [82] = 0x70,  [83] = 0x71,  [86] = 0x13,
    [87] = 0x56,  [88] = 0x5e,  [89] = 0x51,  [92] = 0x86,  [93] = 0x87,  [94] = 0x85,
    [96] = 0x79,  [97] = 0x58,  [98] = 0x77,  [99] = 0x57,  [100] = 0x39, [102] = 0x6e,
    [103] = 0x63, [104] = 0x6f, [105] = 0x61, [106] = 0x6a, [107] = 0x65, [108] = 0x60,
    [109] = 0x6d, [110] = 0x67, [111] = 0x64, [119] = 0x62, [124] = 0x5d, [125] = 0x8b,
    [126] = 0x8c, [127] = 0x8d,
};

enum { LAST_KEY_NUMBERED_AFTER_SET1 = 83, SET2_F7 = 0x83, SET2_ALT_PRINT = 0x84 };

uint8_t ps2_translate_code(uint8_t set2)
{
    if (set2 < ARRAY_LENGTH(set1_of_set2)) {
        return set1_of_set2[set2];
    }
    switch (set2) {
    case SET2_F7:
        return 0x41;
    case SET2_ALT_PRINT:
        return 0x54;
    default:
        return set2;
    }
}

uint8_t ps2_set2_code(uint16_t key, bool *extended)
{
    *extended = false;
    if (key == 0 || key >= PS2_KEYS) {
        return 0;
    }
    uint8_t set1 = key <= LAST_KEY_NUMBERED_AFTER_SET1 ? (uint8_t)key : set1_codes[key];
    if (set1 == 0) {
        return 0;
    }
    *extended = set1 & E;
    set1 &= (uint8_t)~E;
    if (set1 == ps2_translate_code(SET2_F7)) {
        return SET2_F7; /* 0x02 has the same code in set 1, but is no key */
    }
    uint8_t set2 = 1;
    while (set2 < ARRAY_LENGTH(set1_of_set2) && set1_of_set2[set2] != set1) {
        set2++;
    }
    return set2 < ARRAY_LENGTH(set1_of_set2) ? set2 : 0;
}

uint8_t ps2_set3_code(uint16_t key)
{
    return key < ARRAY_LENGTH(set3_codes) ? set3_codes[key] : 0;
}
