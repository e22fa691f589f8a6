/* The floppy controller with disks in memory, by its ports and the DMA controller. */
#include "bench.h"

#include <errno.h>
#include <string.h>

#include "bus/memory.h"
#include "devices/i82077.h"
#include "devices/i8237.h"

enum {
    RAM_BYTES = 1 << 20,
    IRQ = 6,
    DOR = 0x3f2,
    STATUS = 0x3f4,
    FIFO = 0x3f5,
    DIR = 0x3f7, /* written: data rate */
    DOR_A = 0x1c,
    DOR_B = 0x2d,
    BUFFER = 0x20000,
    TO_MEMORY = 0x46,
    TO_DISK = 0x4a,
    RATE_500K = 0,
    RATE_300K = 1,
    RATE_250K = 2,
    RATE_1M = 3,
    REQUEST = 0x80,
    RESULT = 0xd0,
    BUSY = 0x10,
};

struct floppy {
    struct block_device device;
    uint8_t *bytes;
    uint64_t bad_sector;
    bool deferred, waiting;
    struct block_request held;
};

struct setting {
    struct bench *bench;
    struct ram ram;
    struct memory_map map;
    struct i8237 *dma;
    struct i82077 *fdc;
    struct removable_drive *drive[2];
    struct floppy a, b;
    unsigned released;
};

/* -- disks -- */

static void carry_out(struct floppy *floppy, const struct block_request *request)
{
    uint8_t *place = floppy->bytes + request->sector * 512;
    bool inside = request->sector + request->count <= floppy->device.sectors;
    bool bad = request->sector == floppy->bad_sector;
    if (inside && !bad && request->operation == BLOCK_READ) {
        memcpy(request->buffer, place, (size_t)request->count * 512);
    } else if (inside && !bad) {
        memcpy(place, request->buffer, (size_t)request->count * 512);
    }
    request->completion(request->opaque, bad ? EIO : inside ? 0 : EINVAL);
}

static void submit(void *opaque, const struct block_request *request)
{
    struct floppy *floppy = opaque;
    if (floppy->deferred) {
        floppy->held = *request;
        floppy->waiting = true;
    } else {
        carry_out(floppy, request);
    }
}

static void answer(struct floppy *floppy)
{
    assert_true(floppy->waiting);
    floppy->waiting = false;
    carry_out(floppy, &floppy->held);
}

/* Every sector is full of its number, plus one. */
static void make_floppy(struct floppy *floppy, unsigned kib)
{
    static const struct block_device_ops ops = {.submit = submit};
    *floppy = (struct floppy){
        .device = {.ops = &ops, .opaque = floppy, .name = "memory"},
        .bytes = malloc((size_t)kib * 1024),
        .bad_sector = UINT64_MAX,
    };
    assert_non_null(floppy->bytes);
    floppy->device.sectors = kib * 2ULL;
    for (uint64_t i = 0; i < floppy->device.sectors; i++) {
        memset(floppy->bytes + i * 512, (int)(i + 1), 512);
    }
}

static void put_in(struct setting *s, unsigned drive, struct floppy *floppy,
                   unsigned kib)
{
    free(floppy->bytes);
    make_floppy(floppy, kib);
    s->drive[drive]->ops->insert(s->drive[drive]->opaque, &floppy->device);
}

static void take_out(struct setting *s, unsigned drive)
{
    s->drive[drive]->ops->remove(s->drive[drive]->opaque);
}

static void released(void *hand, struct block_device *medium)
{
    struct setting *s = hand;
    s->released++;
}

/* -- the controller -- */

static uint8_t status(struct setting *s)
{
    return in8(s->bench, STATUS);
}

static void send(struct setting *s, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(status(s) & 0xc0, REQUEST);
        out8(s->bench, FIFO, bytes[i]);
    }
}

#define SEND(s, ...)                                                                   \
    send(s, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t result(struct setting *s)
{
    assert_int_equal(status(s), RESULT);
    return in8(s->bench, FIFO);
}

static void expect_result(struct setting *s, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(result(s), bytes[i]);
    }
    assert_int_equal(status(s) & 0xf0, REQUEST);
}

#define EXPECT(s, ...)                                                                 \
    expect_result(s, (const uint8_t[]){__VA_ARGS__},                                   \
                  sizeof((const uint8_t[]){__VA_ARGS__}))

/* The result of a command with data; its interrupt goes away as it is read. */
#define EXPECT_END(s, ...)                                                             \
    do {                                                                               \
        assert_true((s)->bench->levels[IRQ]);                                          \
        EXPECT(s, __VA_ARGS__);                                                        \
        assert_false((s)->bench->levels[IRQ]);                                         \
    } while (0)

static void wake_up(struct setting *s, uint8_t dor, uint8_t rate)
{
    out8(s->bench, DOR, 0);
    assert_int_equal(status(s), 0);
    out8(s->bench, DOR, dor);
    out8(s->bench, DIR, rate);
    assert_true(s->bench->levels[IRQ]);
    for (uint8_t i = 0; i < 4; i++) {
        SEND(s, 0x08);
        assert_int_equal(result(s), 0xc0 | i);
        result(s);
        assert_false(s->bench->levels[IRQ]);
    }
    SEND(s, 0x08);
    EXPECT(s, 0x80);
}

static void seek(struct setting *s, uint8_t unit, uint8_t cylinder)
{
    SEND(s, 0x0f, unit, cylinder);
    assert_true(s->bench->levels[IRQ]);
    SEND(s, 0x08);
    EXPECT(s, 0x20 | unit, cylinder);
    assert_false(s->bench->levels[IRQ]);
}

static void program_dma(struct setting *s, uint8_t mode, unsigned bytes)
{
    unsigned count = bytes - 1;
    out8(s->bench, 0x0a, 0x06);
    out8(s->bench, 0x0c, 0);
    out8(s->bench, 0x0b, mode);
    out8(s->bench, 0x04, (uint8_t)BUFFER);
    out8(s->bench, 0x04, (uint8_t)(BUFFER >> 8));
    out8(s->bench, 0x81, BUFFER >> 16);
    out8(s->bench, 0x05, (uint8_t)count);
    out8(s->bench, 0x05, (uint8_t)(count >> 8));
    out8(s->bench, 0x0a, 0x02);
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    struct error error;
    s->bench = bench_create(0);
    assert_true(ram_create(&s->ram, "test", RAM_BYTES, &error));
    s->map.ram = &s->ram;
    memory_add(&s->map, &(struct memory_region){.name = "ram",
                                                .start = 0,
                                                .bytes = RAM_BYTES,
                                                .read = s->ram.host,
                                                .write = s->ram.host});
    s->dma = i8237_create(&s->bench->log, &s->bench->ports, &s->map);
    s->fdc = i82077_create(&s->bench->log, &s->bench->ports, s->dma,
                           bench_line(s->bench, IRQ));
    for (unsigned i = 0; i < 2; i++) {
        s->drive[i] = i82077_attach(s->fdc, i);
        s->drive[i]->released = released;
        s->drive[i]->hand = s;
    }
    out8(s->bench, 0xd6, 0xc0);
    out8(s->bench, 0xd4, 0x00);
    put_in(s, 0, &s->a, 1440);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->fdc);
    device_destroy((struct device *)s->dma);
    ram_destroy(&s->ram);
    free(s->a.bytes);
    free(s->b.bytes);
    free(s->bench);
    free(s);
    return 0;
}

/* -- what is not about data -- */

static void reset_and_settings(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x10);
    EXPECT(s, 0x90);
    SEND(s, 0x18); /* PART ID: the 82078's */
    EXPECT(s, 0x80);
    SEND(s, 0x1f);
    EXPECT(s, 0x80);
    SEND(s, 0x03, 0xdf, 0x02);
    SEND(s, 0x13, 0x00, 0x57, 0x11);
    SEND(s, 0x12, 0x84 | 0x03);
    SEND(s, 0x0e);
    EXPECT(s, 0, 0, 0, 0, 0xdf, 0x02, 0x00, 0x07, 0x57, 0x11);
    SEND(s, 0x94);
    EXPECT(s, 0x10);
    out8(s->bench, STATUS, 0x80 | RATE_500K); /* resets, and comes out by itself */
    assert_false(s->bench->levels[IRQ]);      /* no polling, as configured and locked */
    SEND(s, 0x0e);
    EXPECT(s, 0, 0, 0, 0, 0xdf, 0x02, 0x00, 0x84, 0x57, 0x11);
    SEND(s, 0x14);
    EXPECT(s, 0x00);
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x0e);
    EXPECT(s, 0, 0, 0, 0, 0xdf, 0x02, 0x00, 0x04, 0x20, 0x00);
    assert_int_equal(in8(s->bench, DOR), DOR_A);
    out8(s->bench, FIFO, 0x03);
    assert_int_equal(status(s), REQUEST | BUSY);
}

static void the_gate_holds_interrupts_back(void **state)
{
    struct setting *s = *state;
    out8(s->bench, DOR, 0x04);
    assert_false(s->bench->levels[IRQ]);
    out8(s->bench, DOR, 0x0c);
    assert_true(s->bench->levels[IRQ]);
}

static void seeks(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 40);
    SEND(s, 0x04, 0x00);
    EXPECT(s, 0x28);
    SEND(s, 0x8f, 0x00, 10); /* outwards */
    SEND(s, 0x08);
    EXPECT(s, 0x20, 30);
    SEND(s, 0xcf, 0x00, 5);
    SEND(s, 0x07, 0x01); /* before anybody asks for the first */
    SEND(s, 0x08);
    EXPECT(s, 0x20, 35);
    assert_true(s->bench->levels[IRQ]);
    SEND(s, 0x08);
    EXPECT(s, 0x21, 0);
    SEND(s, 0x07, 0x00);
    SEND(s, 0x08);
    EXPECT(s, 0x20, 0);
    SEND(s, 0x04, 0x00);
    EXPECT(s, 0x38);
    SEND(s, 0x07, 0x02); /* nobody there */
    SEND(s, 0x08);
    EXPECT(s, 0x72, 0);
    seek(s, 0, 200); /* the head stops earlier, and is too far for one RECALIBRATE */
    SEND(s, 0x07, 0x00);
    SEND(s, 0x08);
    EXPECT(s, 0x70, 0);
    SEND(s, 0x07, 0x00);
    SEND(s, 0x08);
    EXPECT(s, 0x20, 0);
}

static void disk_change_line(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    assert_int_equal(in8(s->bench, DIR), 0x80);
    SEND(s, 0x07, 0x00); /* no step: it is at 0 already */
    SEND(s, 0x08);
    EXPECT(s, 0x20, 0);
    assert_int_equal(in8(s->bench, DIR), 0x80);
    seek(s, 0, 1);
    assert_int_equal(in8(s->bench, DIR), 0x00);
    out8(s->bench, DOR, DOR_B); /* empty: steps do not help */
    assert_int_equal(in8(s->bench, DIR), 0x80);
    seek(s, 1, 3);
    assert_int_equal(in8(s->bench, DIR), 0x80);
    out8(s->bench, DOR, DOR_A);
    take_out(s, 0);
    assert_int_equal(s->released, 1);
    assert_int_equal(in8(s->bench, DIR), 0x80);
    put_in(s, 0, &s->a, 720);
    seek(s, 0, 0);
    assert_int_equal(in8(s->bench, DIR), 0x00);
    out8(s->bench, DOR, 0x0e); /* unit 2 */
    assert_int_equal(in8(s->bench, DIR), 0x00);
}

/* -- data by DMA -- */

static void read_by_dma(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 2);
    program_dma(s, TO_MEMORY, 1024);
    SEND(s, 0xe6, 0x04, 2, 1, 5, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x04, 0, 0, 2, 1, 7, 2);
    uint8_t first = (uint8_t)((2 * 2 + 1) * 18 + 4 + 1);
    assert_int_equal(s->ram.host[BUFFER], first);
    assert_int_equal(s->ram.host[BUFFER + 511], first);
    assert_int_equal(s->ram.host[BUFFER + 512], (uint8_t)(first + 1));
    assert_int_equal(s->ram.host[BUFFER + 1024], 0);
    /* Both sides of a cylinder. */
    program_dma(s, TO_MEMORY, 36 * 512);
    SEND(s, 0xe6, 0x00, 2, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x04, 0, 0, 3, 0, 1, 2);
    for (unsigned i = 0; i < 36; i++) {
        assert_int_equal(s->ram.host[BUFFER + i * 512], (uint8_t)(72 + i + 1));
    }
    /* In the middle of a sector; and of a side, where the number of sectors ends. */
    program_dma(s, TO_MEMORY, 700);
    SEND(s, 0x46, 0x00, 2, 0, 17, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x00, 0, 0, 3, 0, 1, 2);
    program_dma(s, TO_MEMORY, 2048);
    SEND(s, 0x46, 0x00, 2, 0, 17, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x80, 0, 3, 0, 1, 2);
}

static void dma_is_programmed_late(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x46, 0x00, 0, 0, 9, 2, 18, 0x1b, 0xff);
    assert_int_equal(status(s), BUSY);
    assert_false(s->bench->levels[IRQ]);
    assert_int_equal(in8(s->bench, 0x08) & 0x40, 0x40);
    out8(s->bench, FIFO, 0x08); /* nobody listens */
    program_dma(s, TO_MEMORY, 512);
    assert_int_equal(in8(s->bench, 0x08) & 0x40, 0);
    EXPECT_END(s, 0x00, 0, 0, 0, 0, 10, 2);
    assert_int_equal(s->ram.host[BUFFER], 9);
}

static void write_by_dma(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 79);
    memset(s->ram.host + BUFFER, 0xab, 1536);
    program_dma(s, TO_DISK, 1000);
    SEND(s, 0x45, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x04, 0, 0, 80, 1, 1, 2);
    uint8_t *end = s->a.bytes + 1440 * 1024;
    assert_int_equal(end[-1024], 0xab);
    assert_int_equal(end[-1024 + 999], 0xab);
    assert_int_equal(end[-1024 + 1000], 0); /* what is missing is zeros */
    assert_int_equal(end[-1], 0);
    s->a.device.read_only = true;
    program_dma(s, TO_DISK, 512);
    SEND(s, 0x45, 0x04, 79, 1, 17, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x44, 0x02, 0, 79, 1, 17, 2);
    SEND(s, 0x04, 0x00);
    EXPECT(s, 0x68);
    assert_int_equal(end[-1024], 0xab);
}

static void all_formats(void **state)
{
    static const struct {
        unsigned kib;
        uint8_t per_track, last_cylinder, rate, kind;
        bool double_step;
    } formats[] = {
        {360, 9, 39, RATE_300K, FLOPPY_DRIVE_1200K, true},
        {360, 9, 39, RATE_250K, FLOPPY_DRIVE_1200K, false},
        {720, 9, 79, RATE_250K, FLOPPY_DRIVE_1440K, false},
        {1200, 15, 79, RATE_500K, FLOPPY_DRIVE_1200K, false},
        {1440, 18, 79, RATE_500K, FLOPPY_DRIVE_1440K, false},
        {2880, 36, 79, RATE_1M, FLOPPY_DRIVE_2880K, false},
    };
    struct setting *s = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(formats); i++) {
        uint8_t cylinder = formats[i].last_cylinder, end = formats[i].per_track;
        assert_int_equal(i82077_drive_for(formats[i].kib * 2ULL), formats[i].kind);
        take_out(s, 0);
        put_in(s, 0, &s->a, formats[i].kib);
        wake_up(s, DOR_A, formats[i].rate);
        seek(s, 0, formats[i].double_step ? 2 * cylinder : cylinder);
        program_dma(s, TO_MEMORY, 512);
        SEND(s, 0x46, 0x04, cylinder, 1, end, 2, end, 0x1b, 0xff);
        EXPECT_END(s, 0x04, 0, 0, cylinder + 1, 1, 1, 2);
        assert_int_equal(s->ram.host[BUFFER], (uint8_t)(formats[i].kib * 2));
        SEND(s, 0x46, 0x04, cylinder, 1, end + 1, 2, end, 0x1b, 0xff);
        EXPECT_END(s, 0x44, 0x04, 0, cylinder, 1, end + 1, 2);
        out8(s->bench, DIR, formats[i].rate == RATE_1M ? RATE_500K : RATE_1M);
        SEND(s, 0x4a, 0x00);
        EXPECT_END(s, 0x40, 0x01, 0, cylinder, 1, end + 1, 2);
    }
    assert_int_equal(i82077_drive_for(1), FLOPPY_DRIVE_1440K);
    assert_int_equal(i82077_drive_for(2881), FLOPPY_DRIVE_2880K);
    assert_int_equal(i82077_drive_for(5761), FLOPPY_DRIVE_NONE);
}

static void what_is_not_found(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    program_dma(s, TO_MEMORY, 512);
    SEND(s, 0x46, 0x00, 4, 0, 1, 2, 18, 0x1b, 0xff); /* the head is elsewhere */
    EXPECT_END(s, 0x40, 0x04, 0x10, 4, 0, 1, 2);
    SEND(s, 0x46, 0x00, 0, 1, 1, 2, 18, 0x1b, 0xff); /* the other side's address */
    EXPECT_END(s, 0x40, 0x04, 0, 0, 1, 1, 2);
    SEND(s, 0x46, 0x00, 0, 0, 1, 3, 18, 0x1b, 0xff); /* 1024 bytes */
    EXPECT_END(s, 0x40, 0x04, 0, 0, 0, 1, 3);
    SEND(s, 0x06, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff); /* FM */
    EXPECT_END(s, 0x40, 0x01, 0, 0, 0, 1, 2);
    SEND(s, 0x46, 0x01, 0, 0, 1, 2, 18, 0x1b, 0xff); /* empty */
    EXPECT_END(s, 0x41, 0x01, 0, 0, 0, 1, 2);
    out8(s->bench, DOR, 0x0c); /* the motor off */
    SEND(s, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x01, 0, 0, 0, 1, 2);
    out8(s->bench, DOR, DOR_A);
    SEND(s, 0x13, 0x00, 0x60, 0x00); /* seeks are implied */
    SEND(s, 0x46, 0x00, 4, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x00, 0, 0, 4, 0, 2, 2);
    assert_int_equal(s->ram.host[BUFFER], 4 * 36 + 1);
    s->a.device.sectors = 100; /* an image that is too short */
    SEND(s, 0x46, 0x00, 4, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x04, 0, 4, 0, 1, 2);
}

static void errors_of_the_host(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    s->a.bad_sector = 3;
    program_dma(s, TO_MEMORY, 2048);
    SEND(s, 0x46, 0x00, 0, 0, 3, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x20, 0x20, 0, 0, 4, 2);
    program_dma(s, TO_DISK, 2048);
    SEND(s, 0x45, 0x00, 0, 0, 4, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x20, 0x20, 0, 0, 4, 2);
}

static void addresses_and_tracks(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 7);
    SEND(s, 0x4a, 0x04);
    EXPECT_END(s, 0x04, 0, 0, 7, 1, 1, 2);
    SEND(s, 0x4a, 0x04);
    EXPECT_END(s, 0x04, 0, 0, 7, 1, 2, 2);
    /* READ TRACK takes sectors as they come, and says if they were not those. */
    program_dma(s, TO_MEMORY, 3 * 512);
    SEND(s, 0x42, 0x00, 7, 0, 9, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x00, 0, 0, 7, 0, 4, 2);
    assert_int_equal(s->ram.host[BUFFER], (uint8_t)(7 * 36 + 1));
    program_dma(s, TO_MEMORY, 3 * 512);
    SEND(s, 0x42, 0x00, 9, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x00, 0x04, 0, 9, 0, 4, 2);
    /* No sector is a deleted one. */
    program_dma(s, TO_MEMORY, 1024);
    SEND(s, 0x4c, 0x00, 7, 0, 2, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x00, 0, 0x40, 7, 0, 3, 2);
    SEND(s, 0x6c, 0x00, 7, 0, 2, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x80, 0x40, 7, 0, 2, 2);
}

static void verify(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x56, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff); /* to the end of the track */
    EXPECT_END(s, 0x00, 0, 0, 1, 0, 1, 2);
    SEND(s, 0xd6, 0x80, 0, 0, 1, 2, 18, 0x1b, 20); /* 20 sectors, on two sides */
    EXPECT_END(s, 0x04, 0, 0, 0, 1, 3, 2);
    SEND(s, 0x56, 0x80, 0, 0, 1, 2, 18, 0x1b, 20); /* there are fewer */
    EXPECT_END(s, 0x40, 0x80, 0, 1, 0, 1, 2);
    s->a.bad_sector = 5;
    SEND(s, 0x56, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    EXPECT_END(s, 0x40, 0x20, 0x20, 0, 0, 6, 2);
}

static void scans(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    memset(s->ram.host + BUFFER, 4, 4096);
    program_dma(s, TO_DISK, 4096);
    SEND(s, 0x51, 0x00, 0, 0, 1, 2, 18, 0x1b, 1); /* the fourth sector is full of 4 */
    EXPECT_END(s, 0x00, 0, 0x08, 0, 0, 5, 2);
    program_dma(s, TO_DISK, 4096);
    SEND(s, 0x5d, 0x00, 0, 0, 1, 2, 18, 0x1b, 2); /* every other: the fifth is higher */
    EXPECT_END(s, 0x00, 0, 0x00, 0, 0, 7, 2);
    program_dma(s, TO_DISK, 4096);
    SEND(s, 0x59, 0x00, 0, 0, 6, 2, 8, 0x1b, 1); /* none is lower */
    EXPECT_END(s, 0x00, 0, 0x04, 1, 0, 1, 2);
    memset(s->ram.host + BUFFER, 0xff, 512); /* matches all */
    program_dma(s, TO_DISK, 512);
    SEND(s, 0x51, 0x00, 0, 0, 9, 2, 18, 0x1b, 1);
    EXPECT_END(s, 0x00, 0, 0x08, 0, 0, 10, 2);
}

static void format_track(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 5);
    for (uint8_t i = 0; i < 18; i++) {
        uint8_t address[4] = {5, 1, (uint8_t)(18 - i), 2};
        memcpy(s->ram.host + BUFFER + 4 * i, address, 4);
    }
    program_dma(s, TO_DISK, 18 * 4);
    SEND(s, 0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    EXPECT_END(s, 0x04, 0, 0, 5, 1, 1, 2);
    const uint8_t *track = s->a.bytes + (5 * 2 + 1) * 18 * 512;
    for (unsigned i = 0; i < 18 * 512; i++) {
        assert_int_equal(track[i], 0xf6);
    }
    assert_int_not_equal(track[-1], 0xf6);
    assert_int_not_equal(track[18 * 512], 0xf6);
    s->ram.host[BUFFER + 2] = 19; /* what an image has no place for */
    program_dma(s, TO_DISK, 18 * 4);
    SEND(s, 0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    EXPECT_END(s, 0x44, 0x04, 0, 5, 1, 19, 2);
    s->a.device.read_only = true;
    SEND(s, 0x4d, 0x04, 2, 18, 0x6c, 0xf6);
    assert_int_equal(result(s), 0x44);
    assert_int_equal(result(s), 0x02);
}

/* -- data without DMA -- */

static void by_the_fifo(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x03, 0xdf, 0x03);
    SEND(s, 0x46, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(status(s), 0xf0);
        assert_true(s->bench->levels[IRQ]);
        assert_int_equal(in8(s->bench, FIFO), 18);
    }
    EXPECT_END(s, 0x40, 0x80, 0, 1, 0, 1, 2); /* nobody said that it was the end */
    SEND(s, 0x13, 0x00, 0x0f, 0x00);          /* an interrupt for 16 bytes */
    SEND(s, 0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    unsigned rises = s->bench->rises[IRQ];
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(status(s), 0xb0);
        out8(s->bench, FIFO, (uint8_t)i);
    }
    assert_int_equal(s->bench->rises[IRQ] - rises, 32); /* the last is the result's */
    EXPECT_END(s, 0x40, 0x80, 0, 1, 0, 1, 2);
    assert_int_equal(s->a.bytes[17 * 512 + 99], 99);
}

/* -- back ends that take their time, disks that leave -- */

static void answers_come_late(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    s->a.deferred = true;
    program_dma(s, TO_MEMORY, 1024);
    SEND(s, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    assert_int_equal(status(s), BUSY);
    answer(&s->a);
    assert_int_equal(status(s), BUSY);
    answer(&s->a);
    EXPECT_END(s, 0x00, 0, 0, 0, 0, 3, 2);
    SEND(s, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    out8(s->bench, DOR, 0); /* a reset in the middle lasts until the answer */
    out8(s->bench, DOR, DOR_A);
    assert_int_equal(status(s), 0);
    assert_false(s->bench->levels[IRQ]);
    answer(&s->a);
    assert_int_equal(status(s), REQUEST);
    assert_true(s->bench->levels[IRQ]);
}

static void disk_leaves_in_the_middle(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    s->a.deferred = true;
    program_dma(s, TO_MEMORY, 1024);
    SEND(s, 0x46, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff);
    take_out(s, 0);
    assert_int_equal(s->released, 0);
    answer(&s->a);
    assert_int_equal(s->released, 1);
    EXPECT_END(s, 0x40, 0x01, 0, 0, 0, 2, 2);
}

/* -- saved state -- */

static struct i82077 *copy_of(struct setting *s, struct bench *bench,
                              struct i8237 **dma)
{
    *dma = i8237_create(&bench->log, &bench->ports, &s->map);
    struct i82077 *copy =
        i82077_create(&bench->log, &bench->ports, *dma, bench_line(bench, IRQ));
    struct removable_drive *drive = i82077_attach(copy, 0);
    drive->ops->insert(drive->opaque, &s->a.device);
    bench_copy_state(s->dma, *dma);
    bench_copy_state(s->fdc, copy);
    return copy;
}

static void saved_in_a_transfer(void **state)
{
    struct setting *s = *state;
    struct setting copy = *s;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 1);
    SEND(s, 0x46, 0x00, 1, 0, 2, 2, 18, 0x1b, 0xff);
    assert_int_equal(status(s), BUSY);
    copy.bench = bench_create(0);
    copy.fdc = copy_of(s, copy.bench, &copy.dma);
    assert_int_equal(status(&copy), BUSY);
    program_dma(&copy, TO_MEMORY, 1024);
    EXPECT_END(&copy, 0x00, 0, 0, 1, 0, 4, 2);
    assert_int_equal(s->ram.host[BUFFER], 36 + 2);
    assert_int_equal(s->ram.host[BUFFER + 512], 36 + 3);
    device_destroy((struct device *)copy.fdc);
    device_destroy((struct device *)copy.dma);
    free(copy.bench);
}

static void saved_between_bytes(void **state)
{
    struct setting *s = *state;
    struct setting copy = *s;
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x03, 0xdf, 0x03);
    SEND(s, 0x45, 0x00, 0, 0, 18, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 200; i++) {
        out8(s->bench, FIFO, (uint8_t)i);
    }
    copy.bench = bench_create(0);
    copy.fdc = copy_of(s, copy.bench, &copy.dma);
    assert_true(copy.bench->levels[IRQ]);
    for (unsigned i = 200; i < 512; i++) {
        out8(copy.bench, FIFO, (uint8_t)i);
    }
    EXPECT_END(&copy, 0x40, 0x80, 0, 1, 0, 1, 2);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(s->a.bytes[17 * 512 + i], (uint8_t)i);
    }
    device_destroy((struct device *)copy.fdc);
    device_destroy((struct device *)copy.dma);
    free(copy.bench);
}

static void reset_by_the_machine(void **state)
{
    struct setting *s = *state;
    wake_up(s, DOR_A, RATE_500K);
    seek(s, 0, 9);
    SEND(s, 0x46, 0x00, 9, 0, 2, 2, 18, 0x1b, 0xff);
    bench_reset(s->fdc);
    assert_int_equal(status(s), 0);
    assert_int_equal(in8(s->bench, DOR), 0);
    assert_int_equal(in8(s->bench, 0x08) & 0x40, 0);
    assert_false(s->bench->levels[IRQ]);
    wake_up(s, DOR_A, RATE_500K);
    SEND(s, 0x4a, 0x00); /* the head is where it was */
    EXPECT_END(s, 0x00, 0, 0, 9, 0, 1, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_and_settings),
        TEST(the_gate_holds_interrupts_back),
        TEST(seeks),
        TEST(disk_change_line),
        TEST(read_by_dma),
        TEST(dma_is_programmed_late),
        TEST(write_by_dma),
        TEST(all_formats),
        TEST(what_is_not_found),
        TEST(errors_of_the_host),
        TEST(addresses_and_tracks),
        TEST(verify),
        TEST(scans),
        TEST(format_track),
        TEST(by_the_fifo),
        TEST(answers_come_late),
        TEST(disk_leaves_in_the_middle),
        TEST(saved_in_a_transfer),
        TEST(saved_between_bytes),
        TEST(reset_by_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
