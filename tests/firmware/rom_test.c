/* ROM images: where the BIOS appears, and what is said about wrong files. */
#include "firmware/rom.h"
#include "firmware_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t *numbered_pages(size_t length)
{
    uint8_t *bytes = malloc(length);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)(i / PAGE_BYTES + i);
    }
    return bytes;
}

static void test_bios_places(void **state)
{
    struct firmware_bench *bench = *state;
    for (size_t length = 64 << 10; length <= 256 << 10; length *= 2) {
        uint8_t *bytes = numbered_pages(length);
        const char *path = firmware_bench_file(bench, "bios", bytes, length);
        struct firmware_roms roms = {0};
        struct error error;
        assert_true(firmware_load_bios(&bench->memory, path, &roms, &error));

        size_t low = length < 128 << 10 ? length : 128 << 10;
        uint8_t *seen = malloc(length);
        memory_read(&bench->memory, (1ULL << 32) - length, seen, length);
        assert_memory_equal(seen, bytes, length);
        memory_read(&bench->memory, (1 << 20) - low, seen, low);
        assert_memory_equal(seen, bytes + length - low, low);
        assert_null(memory_find(&bench->memory, (1 << 20) - low - 1, NULL));
        uint8_t zero = 0; /* read-only */
        memory_write(&bench->memory, 0xffff0, &zero, 1);
        memory_read(&bench->memory, 0xffff0, seen, 1);
        assert_int_equal(seen[0], bytes[length - 16]);

        firmware_roms_destroy(&roms);
        assert_null(memory_find(&bench->memory, 0xffff0, NULL));
        free(seen);
        free(bytes);
    }
}

static void test_wrong_files(void **state)
{
    struct firmware_bench *bench = *state;
    static const struct {
        size_t length;
        const char *message;
    } cases[] = {
        {0, "is empty"},
        {1000, "64, 128 or 256 KiB"},
        {96 << 10, "64, 128 or 256 KiB"},
        {512 << 10, "at most"},
    };
    struct firmware_roms roms = {0};
    struct error error;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t *bytes = numbered_pages(cases[i].length + 1);
        const char *path = firmware_bench_file(bench, "bios", bytes, cases[i].length);
        assert_false(firmware_load_bios(&bench->memory, path, &roms, &error));
        assert_non_null(strstr(error.text, cases[i].message));
        assert_non_null(strstr(error.text, path));
        assert_false(firmware_load_vga_bios(path, &roms, &error));
        free(bytes);
    }
    assert_false(
        firmware_load_bios(&bench->memory, "/nonexistent/bios", &roms, &error));
    assert_non_null(strstr(error.text, "/nonexistent/bios"));
    assert_false(firmware_load_bios(&bench->memory, bench->directory, &roms, &error));
    assert_non_null(strstr(error.text, "not a regular file"));
    assert_null(roms.bios.bytes);
    assert_null(roms.map);
    firmware_roms_destroy(&roms);
}

static void test_debian_files(void **state)
{
    struct firmware_bench *bench = *state;
    struct firmware_roms roms = {0};
    struct error error;
    if (access(FIRMWARE_DEBIAN_BIOS, R_OK) < 0) {
        assert_false(firmware_load_bios(&bench->memory, NULL, &roms, &error));
        assert_non_null(strstr(error.text, "package seabios"));
        skip();
    }
    assert_true(firmware_load_vga_bios(NULL, &roms, &error));
    assert_true(firmware_load_bios(&bench->memory, NULL, &roms, &error));
    assert_non_null(roms.vga_bios.bytes);
    uint8_t jump;
    memory_read(&bench->memory, 0xfffffff0, &jump, 1);
    assert_int_equal(jump, 0xea);
    firmware_roms_destroy(&roms);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, firmware_bench_set_up,                   \
                                    firmware_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_bios_places),
        TEST(test_wrong_files),
        TEST(test_debian_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
