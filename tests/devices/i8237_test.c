/* The DMA controllers: a test device moves bytes between a buffer and guest memory. */
#include "bench.h"

#include <string.h>

#include "devices/i8237.h"

enum {
    WRITE_SINGLE = 0x44, /* device to memory */
    READ_SINGLE = 0x48,
    VERIFY_SINGLE = 0x40,
    AUTO_INITIALIZE = 0x10,
    DECREMENT = 0x20,
    RAM_BYTES = 1 << 20,
};

struct setting {
    struct bench *bench;
    struct ram ram;
    struct memory_map map;
    struct i8237 *dma;
    unsigned ready_calls;
};

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
    out8(s->bench, 0xd6, 0xc0); /* as firmware: the cascade, open */
    out8(s->bench, 0xd4, 0x00);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    device_destroy((struct device *)s->dma);
    ram_destroy(&s->ram);
    free(s->bench);
    free(s);
    return 0;
}

static void program_2(struct setting *s, uint8_t mode, uint8_t page, uint16_t address,
                      uint16_t count)
{
    out8(s->bench, 0x0a, 0x06);
    out8(s->bench, 0x0c, 0);
    out8(s->bench, 0x0b, mode | 2);
    out8(s->bench, 0x04, (uint8_t)address);
    out8(s->bench, 0x04, (uint8_t)(address >> 8));
    out8(s->bench, 0x81, page);
    out8(s->bench, 0x05, (uint8_t)count);
    out8(s->bench, 0x05, (uint8_t)(count >> 8));
    out8(s->bench, 0x0a, 0x02);
}

static void bytes_go_to_memory(void **state)
{
    struct setting *s = *state;
    uint8_t bytes[600];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7);
    }
    program_2(s, WRITE_SINGLE, 0x03, 0x1234, 511);
    bool end;
    assert_int_equal(i8237_transfer(s->dma, 2, bytes, 200, &end), 200);
    assert_false(end);
    out8(s->bench, 0x0c, 0);
    assert_int_equal(in8(s->bench, 0x05), (511 - 200) & 0xff);
    assert_int_equal(in8(s->bench, 0x05), (511 - 200) >> 8);
    assert_int_equal(i8237_transfer(s->dma, 2, bytes + 200, 400, &end), 312);
    assert_true(end);
    assert_memory_equal(s->ram.host + 0x31234, bytes, 512);
    assert_int_equal(s->ram.host[0x31234 + 512], 0);
    assert_int_equal(in8(s->bench, 0x08), 0x04);
    assert_int_equal(in8(s->bench, 0x08), 0x00);       /* cleared by the read */
    assert_int_equal(in8(s->bench, 0x0f) & 0xf, 0x0f); /* masked at the end */
    assert_int_equal(i8237_transfer(s->dma, 2, bytes, 1, &end), 0);
}

static void bytes_come_from_memory_and_wrap_in_their_page(void **state)
{
    struct setting *s = *state;
    uint8_t bytes[16];
    for (unsigned i = 0; i < 8; i++) {
        s->ram.host[0x4fff8 + i] = (uint8_t)(1 + i);
        s->ram.host[0x40000 + i] = (uint8_t)(9 + i);
    }
    program_2(s, READ_SINGLE, 0x04, 0xfff8, 15);
    bool end;
    assert_int_equal(i8237_transfer(s->dma, 2, bytes, 16, &end), 16);
    assert_true(end);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(bytes[i], 1 + i);
    }
}

static void downwards_verify_and_auto_initialize(void **state)
{
    struct setting *s = *state;
    uint8_t bytes[] = {1, 2, 3, 4, 5};
    bool end;
    program_2(s, WRITE_SINGLE | DECREMENT | AUTO_INITIALIZE, 0x00, 0x8003, 3);
    assert_int_equal(i8237_transfer(s->dma, 2, bytes, 5, &end), 4);
    assert_true(end);
    assert_memory_equal(s->ram.host + 0x8000, ((uint8_t[]){4, 3, 2, 1}), 4);
    assert_int_equal(i8237_transfer(s->dma, 2, bytes + 4, 1, &end), 1);
    assert_false(end);
    assert_int_equal(s->ram.host[0x8003], 5);
    program_2(s, VERIFY_SINGLE, 0x00, 0x8000, 1);
    assert_int_equal(i8237_transfer(s->dma, 2, bytes, 5, &end), 2);
    assert_true(end);
    assert_memory_equal(s->ram.host + 0x8000, ((uint8_t[]){4, 3, 2, 5}), 4);
}

static void words_on_the_second_controller(void **state)
{
    struct setting *s = *state;
    uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    bool end;
    out8(s->bench, 0xd8, 0);
    out8(s->bench, 0xd6, WRITE_SINGLE | 1);
    out8(s->bench, 0xc4, 0x00); /* word address 0x4000: byte 0x8000 of the page */
    out8(s->bench, 0xc4, 0x40);
    out8(s->bench, 0xc6, 2);
    out8(s->bench, 0xc6, 0);
    out8(s->bench, 0x8b, 0x05); /* bit 0 does not count */
    out8(s->bench, 0xd4, 0x01);
    assert_int_equal(i8237_transfer(s->dma, 5, bytes, 3, &end), 2);
    assert_false(end);
    assert_int_equal(i8237_transfer(s->dma, 5, bytes + 2, 5, &end), 4);
    assert_true(end);
    assert_memory_equal(s->ram.host + 0x48000, bytes, 6);
}

static void count_ready(void *opaque)
{
    struct setting *s = opaque;
    s->ready_calls++;
}

static void masks_disable_and_cascade(void **state)
{
    struct setting *s = *state;
    uint8_t byte = 1;
    bool end;
    i8237_listen(s->dma, 2, count_ready, s);
    i8237_set_request(s->dma, 2, true);
    assert_int_equal(in8(s->bench, 0x08), 0x40);
    assert_int_equal(s->ready_calls, 0);
    program_2(s, WRITE_SINGLE, 0, 0, 100);
    assert_int_equal(s->ready_calls, 1);
    out8(s->bench, 0x08, 0x04);
    assert_int_equal(i8237_transfer(s->dma, 2, &byte, 1, &end), 0);
    out8(s->bench, 0x08, 0x00);
    assert_true(i8237_is_ready(s->dma, 2));
    out8(s->bench, 0xd4, 0x04); /* the cascade masked: channels 0-3 are cut off */
    assert_false(i8237_is_ready(s->dma, 2));
    out8(s->bench, 0xdc, 0);
    assert_true(i8237_is_ready(s->dma, 2));
    out8(s->bench, 0x0d, 0);
    assert_false(i8237_is_ready(s->dma, 2));
    assert_int_equal(in8(s->bench, 0x0f) & 0xf, 0xf);
    i8237_set_request(s->dma, 2, false);
    out8(s->bench, 0x09, 0x05); /* software request on channel 1 */
    assert_int_equal(in8(s->bench, 0x08), 0x20);
}

static void pages_are_plain_registers(void **state)
{
    struct setting *s = *state;
    for (unsigned i = 0; i < 16; i++) {
        out8(s->bench, (uint16_t)(0x80 + i), (uint8_t)(0xa0 + i));
    }
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(in8(s->bench, (uint16_t)(0x80 + i)), 0xa0 + i);
    }
    bench_reset(s->dma);
    assert_int_equal(in8(s->bench, 0x83), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_go_to_memory),
        TEST(bytes_come_from_memory_and_wrap_in_their_page),
        TEST(downwards_verify_and_auto_initialize),
        TEST(words_on_the_second_controller),
        TEST(masks_disable_and_cascade),
        TEST(pages_are_plain_registers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
