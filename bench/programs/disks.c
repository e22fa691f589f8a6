/* Work for a disk: reading and writing, in order and here and there. A disk of a guest
 * is used past the guest's cache; natively it is a file, and its cache is what the
 * machines have, too. What is read is the first half, what is written the second.
 *
 * An operation is a KiB. */
#define _GNU_SOURCE
#include "blocks.h"
#include "kinds.h"
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KIB = 1024,
    CHUNK_BYTES = 1 << 20,
    HALF_BYTES = 16 << 20,
    HALF_BLOCKS = HALF_BYTES / BLOCK_BYTES,
    SCATTERED_BLOCKS = 128,
    IN_ORDER_KIB = HALF_BYTES / KIB,
    SCATTERED_KIB = SCATTERED_BLOCKS * BLOCK_BYTES / KIB
};

typedef ssize_t transfer(int disk, uint8_t *data, size_t bytes, off_t at);

static int open_disk(const char *place)
{
    struct stat found;
    bool is_device = stat(place, &found) == 0 && S_ISBLK(found.st_mode);
    return open(place, O_RDWR | (is_device ? O_DIRECT : 0));
}

static ssize_t read_blocks(int disk, uint8_t *data, size_t bytes, off_t at)
{
    return pread(disk, data, bytes, at);
}

static ssize_t write_blocks(int disk, uint8_t *data, size_t bytes, off_t at)
{
    blocks_fill(data, bytes, (uint32_t)((HALF_BYTES + at) / BLOCK_BYTES));
    return pwrite(disk, data, bytes, HALF_BYTES + at);
}

/* Transfers this much, and returns how many blocks are as they should be. */
static uint32_t step(int disk, transfer *move, size_t bytes, off_t at)
{
    static _Alignas(BLOCK_BYTES) uint8_t data[CHUNK_BYTES];
    if (move(disk, data, bytes, at) != (ssize_t)bytes) {
        return 0;
    }
    uint32_t first = (uint32_t)(at / BLOCK_BYTES);
    return blocks_right(data, bytes, first + (move == write_blocks ? HALF_BLOCKS : 0));
}

static uint32_t in_order(const char *place, transfer *move)
{
    int disk = open_disk(place);
    uint32_t right = 0;
    for (off_t at = 0; disk >= 0 && at < HALF_BYTES; at += CHUNK_BYTES) {
        right += step(disk, move, CHUNK_BYTES, at);
    }
    close(disk);
    return right == HALF_BLOCKS ? right : 0;
}

/* The same blocks each time. */
static uint32_t scattered(const char *place, transfer *move)
{
    int disk = open_disk(place);
    uint32_t right = 0, random = 1;
    for (uint32_t i = 0; disk >= 0 && i < SCATTERED_BLOCKS; i++) {
        random = random * 1664525U + 1013904223U;
        off_t block = (random >> 8) % HALF_BLOCKS;
        right += step(disk, move, BLOCK_BYTES, block * BLOCK_BYTES);
    }
    close(disk);
    return right == SCATTERED_BLOCKS ? right : 0;
}

static uint32_t read_in_order(const char *place)
{
    return in_order(place, read_blocks);
}

static uint32_t write_in_order(const char *place)
{
    return in_order(place, write_blocks);
}

static uint32_t read_scattered(const char *place)
{
    return scattered(place, read_blocks);
}

static uint32_t write_scattered(const char *place)
{
    return scattered(place, write_blocks);
}

const struct kind disk_kinds[] = {
    {"ide-read", .round_at = read_in_order, .operations = IN_ORDER_KIB},
    {"ide-write", .round_at = write_in_order, .operations = IN_ORDER_KIB},
    {"ide-random-read", .round_at = read_scattered, .operations = SCATTERED_KIB},
    {"ide-random-write", .round_at = write_scattered, .operations = SCATTERED_KIB},
    {"virtio-blk-read", .round_at = read_in_order, .operations = IN_ORDER_KIB},
    {"virtio-blk-write", .round_at = write_in_order, .operations = IN_ORDER_KIB},
    {"virtio-blk-random-read", .round_at = read_scattered, .operations = SCATTERED_KIB},
    {"virtio-blk-random-write", .round_at = write_scattered,
     .operations = SCATTERED_KIB},
    {0},
};
