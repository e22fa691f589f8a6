/* IDENTIFY DEVICE and IDENTIFY PACKET DEVICE: ATA/ATAPI-6 sections 8.15 and 8.16;
 * ATA8-ACS-2 for words 105 and 169. */
#include "devices/ata_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    PAGE_WORDS = BLOCK_SECTOR_BYTES / 2,
    WORD_CONFIGURATION = 0,
    WORD_CYLINDERS = 1,
    WORD_HEADS = 3,
    WORD_TRACK_BYTES = 4,
    WORD_SECTOR_BYTES = 5,
    WORD_SECTORS_PER_TRACK = 6,
    WORD_SERIAL = 10,
    WORD_BUFFER_KIND = 20,
    WORD_BUFFER_SECTORS = 21,
    WORD_FIRMWARE = 23,
    WORD_MODEL = 27,
    WORD_MULTIPLE_MAXIMUM = 47,
    WORD_DWORD_IO = 48,
    WORD_CAPABILITIES = 49,
    WORD_PIO_TIMING = 51,
    WORD_VALID = 53,
    WORD_CURRENT_CYLINDERS = 54,
    WORD_CURRENT_HEADS = 55,
    WORD_CURRENT_SECTORS_PER_TRACK = 56,
    WORD_CURRENT_CAPACITY = 57,
    WORD_MULTIPLE = 59,
    WORD_LBA28_SECTORS = 60,
    WORD_MULTIWORD_DMA = 63,
    WORD_PIO_MODES = 64,
    WORD_CYCLE_TIMES = 65, /* to 68, in ns */
    WORD_MAJOR_VERSION = 80,
    WORD_SUPPORTED = 82, /* to 84 */
    WORD_ENABLED = 85,   /* to 87 */
    WORD_ULTRA_DMA = 88,
    WORD_HARDWARE_RESET = 93,
    WORD_LBA48_SECTORS = 100,
    WORD_RANGE_BLOCKS = 105,
    WORD_DATA_SET_MANAGEMENT = 169,
    WORD_INTEGRITY = 255,
};

/* Word 82 and 85. */
enum {
    FEATURE_SMART = 1 << 0,
    FEATURE_POWER_MANAGEMENT = 1 << 3,
    FEATURE_PACKET = 1 << 4,
    FEATURE_WRITE_CACHE = 1 << 5,
    FEATURE_LOOK_AHEAD = 1 << 6,
    FEATURE_DEVICE_RESET = 1 << 9,
    FEATURE_NOP = 1 << 14,
    PACKET_FEATURES =
        FEATURE_POWER_MANAGEMENT | FEATURE_PACKET | FEATURE_DEVICE_RESET | FEATURE_NOP,
};

uint32_t ata_cylinders(const struct ata_drive *drive, unsigned heads,
                       unsigned sectors_per_track)
{
    uint64_t cylinders = drive->block->sectors / ((uint64_t)heads * sectors_per_track);
    if (cylinders == 0) {
        return 1;
    }
    return cylinders < ATA_MAXIMUM_CYLINDERS ? (uint32_t)cylinders
                                             : ATA_MAXIMUM_CYLINDERS;
}

/* ATA strings: padded with blanks, the first character in the high byte. */
static void put_string(uint16_t *words, unsigned count, const char *text)
{
    size_t length = strlen(text);
    for (unsigned i = 0; i < 2 * count; i++) {
        uint16_t character = i < length ? (uint8_t)text[i] : ' ';
        words[i / 2] =
            i % 2 ? (uint16_t)(words[i / 2] | character) : (uint16_t)(character << 8);
    }
}

static void put_number(uint16_t *words, unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++, value >>= 16) {
        words[i] = (uint16_t)value;
    }
}

static void put_strings(const struct ata_drive *drive, const char *model,
                        uint16_t *words)
{
    char serial[21];
    snprintf(serial, sizeof(serial), "FM%05u", drive->number + 1);
    put_string(&words[WORD_SERIAL], 10, serial);
    put_string(&words[WORD_FIRMWARE], 4, FAUMACHINE_VERSION);
    put_string(&words[WORD_MODEL], 20, model);
}

static void put_geometry(const struct ata_drive *drive, uint16_t *words)
{
    uint32_t cylinders =
        ata_cylinders(drive, ATA_DEFAULT_HEADS, ATA_DEFAULT_SECTORS_PER_TRACK);
    words[WORD_CYLINDERS] = (uint16_t)cylinders;
    words[WORD_HEADS] = ATA_DEFAULT_HEADS;
    words[WORD_SECTORS_PER_TRACK] = ATA_DEFAULT_SECTORS_PER_TRACK;
    words[WORD_TRACK_BYTES] = ATA_DEFAULT_SECTORS_PER_TRACK * BLOCK_SECTOR_BYTES;
    words[WORD_SECTOR_BYTES] = BLOCK_SECTOR_BYTES;
    cylinders = ata_cylinders(drive, drive->heads, drive->sectors_per_track);
    words[WORD_CURRENT_CYLINDERS] = (uint16_t)cylinders;
    words[WORD_CURRENT_HEADS] = drive->heads;
    words[WORD_CURRENT_SECTORS_PER_TRACK] = drive->sectors_per_track;
    put_number(&words[WORD_CURRENT_CAPACITY], 2,
               (uint64_t)cylinders * drive->heads * drive->sectors_per_track);
    uint64_t sectors = drive->block->sectors;
    put_number(&words[WORD_LBA48_SECTORS], 4, sectors);
    put_number(&words[WORD_LBA28_SECTORS], 2,
               sectors < ATA_MAXIMUM_LBA28_SECTORS ? sectors
                                                   : ATA_MAXIMUM_LBA28_SECTORS);
}

/* A set of supported modes, with the selected one, if it is of this kind, in the high
 * byte. */
static uint16_t modes(const struct ata_drive *drive, uint8_t supported, uint8_t kind)
{
    bool selected = (drive->transfer_mode & ATA_TRANSFER_KIND) == kind;
    return (uint16_t)(supported | (selected ? 0x100 << (drive->transfer_mode & 7) : 0));
}

static void put_features(const struct ata_drive *drive, uint16_t *words)
{
    words[WORD_SUPPORTED] = FEATURE_SMART | FEATURE_POWER_MANAGEMENT |
                            FEATURE_WRITE_CACHE | FEATURE_LOOK_AHEAD | FEATURE_NOP;
    words[WORD_SUPPORTED + 1] = 0x7400; /* FLUSH CACHE and EXT, 48-bit addresses */
    words[WORD_SUPPORTED + 2] = 0x4000;
    words[WORD_ENABLED] = FEATURE_POWER_MANAGEMENT | FEATURE_NOP;
    words[WORD_ENABLED] |= drive->smart ? FEATURE_SMART : 0;
    words[WORD_ENABLED] |= drive->write_cache ? FEATURE_WRITE_CACHE : 0;
    words[WORD_ENABLED] |= drive->look_ahead ? FEATURE_LOOK_AHEAD : 0;
    words[WORD_ENABLED + 1] = 0x3400;
    words[WORD_ENABLED + 2] = 0x4000;
}

static void put_modes(const struct ata_drive *drive, uint16_t *words)
{
    words[WORD_MULTIWORD_DMA] = modes(drive, 0x07, ATA_TRANSFER_MULTIWORD_DMA);
    words[WORD_ULTRA_DMA] = modes(drive, 0x3f, ATA_TRANSFER_ULTRA_DMA);
}

/* With its checksum. */
static void finish_page(uint16_t *words, uint8_t *page)
{
    words[WORD_INTEGRITY] = 0xa5;
    memcpy(page, words, BLOCK_SECTOR_BYTES);
    uint8_t sum = 0;
    for (unsigned i = 0; i < BLOCK_SECTOR_BYTES - 1; i++) {
        sum += page[i];
    }
    page[BLOCK_SECTOR_BYTES - 1] = (uint8_t)-sum;
}

void ata_identify(const struct ata_drive *drive, uint8_t *page)
{
    uint16_t words[PAGE_WORDS] = {
        [WORD_CONFIGURATION] = 0x0040, /* not removable */
        [WORD_BUFFER_KIND] = 3,        /* dual ported, with read caching */
        [WORD_BUFFER_SECTORS] = 512,
        [WORD_MULTIPLE_MAXIMUM] = 0x8000 | ATA_MULTIPLE_MAXIMUM,
        [WORD_DWORD_IO] = 1,
        [WORD_CAPABILITIES] = 0x0b00, /* IORDY, LBA, DMA */
        [WORD_PIO_TIMING] = 0x0200,
        [WORD_VALID] = 7,     /* words 54-58, 64-70 and 88 */
        [WORD_PIO_MODES] = 3, /* PIO 3 and 4 */
        [WORD_CYCLE_TIMES] = 120,
        [WORD_CYCLE_TIMES + 1] = 120,
        [WORD_CYCLE_TIMES + 2] = 120,
        [WORD_CYCLE_TIMES + 3] = 120,
        [WORD_MAJOR_VERSION] = 0x007e, /* up to ATA/ATAPI-6 */
        /* Diagnostics passed, an 80-conductor cable. */
        [WORD_HARDWARE_RESET] = 0x6001,
    };
    put_strings(drive, "FAUMACHINE HARDDISK", words);
    put_geometry(drive, words);
    put_features(drive, words);
    words[WORD_MULTIPLE] = drive->multiple ? 0x100 | drive->multiple : 0;
    put_modes(drive, words);
    if (drive->block->discards) {
        /* Hosts do not believe it of older drives. */
        words[WORD_MAJOR_VERSION] = 0x00fe; /* up to ATA/ATAPI-7 */
        words[WORD_RANGE_BLOCKS] = ATA_RANGE_BLOCKS;
        words[WORD_DATA_SET_MANAGEMENT] = 1; /* TRIM */
    }
    finish_page(words, page);
}

void ata_identify_packet(const struct ata_drive *drive, uint8_t *page)
{
    uint16_t words[PAGE_WORDS] = {
        /* CD-ROM, removable, takes 12-byte packets within 50 us without interrupt. */
        [WORD_CONFIGURATION] = 0x85c0,
        [WORD_CAPABILITIES] = 0x0b00, /* IORDY, LBA, DMA */
        [WORD_PIO_TIMING] = 0x0200,
        [WORD_VALID] = 6, /* words 64-70 and 88 */
        [WORD_PIO_MODES] = 3,
        [WORD_CYCLE_TIMES] = 120,
        [WORD_CYCLE_TIMES + 1] = 120,
        [WORD_CYCLE_TIMES + 2] = 120,
        [WORD_CYCLE_TIMES + 3] = 120,
        [WORD_MAJOR_VERSION] = 0x007e,
        [WORD_SUPPORTED] = PACKET_FEATURES,
        [WORD_SUPPORTED + 1] = 0x4000,
        [WORD_SUPPORTED + 2] = 0x4000,
        [WORD_ENABLED] = PACKET_FEATURES,
        [WORD_ENABLED + 2] = 0x4000,
        [WORD_HARDWARE_RESET] = 0x6001,
    };
    put_strings(drive, "FAUMACHINE DVD-ROM", words);
    put_modes(drive, words);
    finish_page(words, page);
}
