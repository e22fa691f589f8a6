/* Who is seen at 0xa0000-0xfffff. */
#include "chipset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { PAM0 = 0x59, SMRAM = 0x72, ROM_WORD = 0xb5b5b5b5 };

static int setup(void **state)
{
    *state = bench_create();
    return 0;
}

static int teardown(void **state)
{
    bench_destroy(*state);
    return 0;
}

static uint32_t peek(struct bench *bench, gpa_t address)
{
    return memory_read32(&bench->memory, address);
}

static void poke(struct bench *bench, gpa_t address, uint32_t value)
{
    memory_write32(&bench->memory, address, value);
}

static uint32_t in_ram(const struct bench *bench, uint64_t address)
{
    uint32_t value;
    memcpy(&value, bench->ram.host + address, sizeof(value));
    return value;
}

static void test_power_on(void **state)
{
    struct bench *bench = *state;
    poke(bench, 0x9fffc, 1);
    poke(bench, 0x100000, 2);
    poke(bench, BENCH_RAM_BYTES - 4, 3);
    assert_int_equal(peek(bench, 0x9fffc), 1);
    assert_int_equal(peek(bench, 0x100000), 2);
    assert_int_equal(peek(bench, BENCH_RAM_BYTES - 4), 3);
    assert_int_equal(peek(bench, 0xa0000), UINT32_MAX);
    assert_int_equal(peek(bench, 0xc0000), UINT32_MAX);
    assert_int_equal(peek(bench, 0xe0000), ROM_WORD);
    poke(bench, 0xf0000, 4);
    assert_int_equal(peek(bench, 0xf0000), ROM_WORD);
    assert_int_equal(in_ram(bench, 0xf0000), 0);
    assert_int_equal(peek(bench, BENCH_RAM_BYTES), UINT32_MAX);
    assert_int_equal(config_read(bench, 0, 0, SMRAM, 1), 0x02);
}

/* Every section in each of its four states, its neighbours untouched. */
static void test_pam_states(void **state)
{
    struct bench *bench = *state;
    for (unsigned section = 0; section < 13; section++) {
        gpa_t start = section < 12 ? 0xc0000 + section * 0x4000ULL : 0xf0000;
        gpa_t end = start + (section < 12 ? 0x4000 : 0x10000);
        unsigned offset = section < 12 ? PAM0 + 1 + section / 2 : PAM0;
        unsigned shift = section < 12 ? section % 2 * 4 : 4;
        uint32_t pci = start >= 0xe0000 ? ROM_WORD : UINT32_MAX;
        for (unsigned attributes = 0; attributes < 4; attributes++) {
            memset(bench->ram.host + 0xc0000, 0x11, 0x40000);
            config_write(bench, 0, 0, offset, attributes << shift, 1);
            bool read = attributes & 1, write = attributes & 2;
            for (gpa_t at = start; at < end; at += end - start - 4) {
                assert_int_equal(peek(bench, at), read ? 0x11111111 : pci);
                poke(bench, at, 0x22222222);
                assert_int_equal(in_ram(bench, at), write ? 0x22222222 : 0x11111111);
                assert_int_equal(peek(bench, at), !read   ? pci
                                                  : write ? 0x22222222
                                                          : 0x11111111);
            }
            if (start > 0xc0000) {
                uint32_t below = start - 4 >= 0xe0000 ? ROM_WORD : UINT32_MAX;
                assert_int_equal(peek(bench, start - 4), below);
            }
            uint32_t above = end >= 0x100000  ? 0
                             : end >= 0xe0000 ? ROM_WORD
                                              : UINT32_MAX;
            assert_int_equal(peek(bench, end), above);
        }
        config_write(bench, 0, 0, offset, 0, 1);
    }
}

/* How firmware shadows itself: copy through write-only RAM, then lock. */
static void test_shadow_copy(void **state)
{
    struct bench *bench = *state;
    config_write(bench, 0, 0, PAM0, 0x20, 1);
    for (gpa_t at = 0xf0000; at < 0x100000; at += 4) {
        poke(bench, at, peek(bench, at) + 1);
    }
    config_write(bench, 0, 0, PAM0, 0x10, 1);
    assert_int_equal(peek(bench, 0xf0000), ROM_WORD + 1);
    assert_int_equal(peek(bench, 0xffffc), ROM_WORD + 1);
    poke(bench, 0xf0000, 0);
    assert_int_equal(peek(bench, 0xf0000), ROM_WORD + 1);
    struct device *device = (struct device *)bench->bridge;
    device->class->reset(device);
    assert_int_equal(peek(bench, 0xf0000), ROM_WORD);
}

static void test_smram(void **state)
{
    struct bench *bench = *state;
    config_write(bench, 0, 0, SMRAM, 0x4a, 1);
    poke(bench, 0xa0000, 5);
    poke(bench, 0xbfffc, 6);
    assert_int_equal(peek(bench, 0xa0000), 5);
    assert_int_equal(peek(bench, 0xbfffc), 6);
    config_write(bench, 0, 0, SMRAM, 0x0a, 1);
    assert_int_equal(peek(bench, 0xa0000), UINT32_MAX);
    config_write(bench, 0, 0, SMRAM, 0x5a, 1); /* open and locked: locked wins */
    assert_int_equal(config_read(bench, 0, 0, SMRAM, 1), 0x1a);
    config_write(bench, 0, 0, SMRAM, 0x4a, 1);
    assert_int_equal(config_read(bench, 0, 0, SMRAM, 1), 0x1a);
    assert_int_equal(peek(bench, 0xa0000), UINT32_MAX);
}

static void test_load_shows_saved_map(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->bridge;
    struct state_buffer saved = {0};
    struct error error;
    config_write(bench, 0, 0, PAM0, 0x30, 1);
    poke(bench, 0xf1000, 0x1234);
    device_save(device, &saved);
    device->class->reset(device);
    assert_int_equal(peek(bench, 0xf1000), ROM_WORD);
    assert_true(device_load(device, &saved, &error));
    assert_int_equal(peek(bench, 0xf1000), 0x1234);
    state_buffer_free(&saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_power_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pam_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shadow_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_smram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_shows_saved_map, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
