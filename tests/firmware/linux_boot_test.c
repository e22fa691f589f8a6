/* -kernel with Linux images: headers, placement, refusals, damaged files; the ROM. */
#include "firmware/linux_boot.h"
#include "firmware_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SETUP_BYTES = 4 * 512, CODE_BYTES = 100 * 16, RAM_BYTES = 64 << 20 };
enum { INITRD_BYTES = 5000 };

struct image {
    uint8_t bytes[SETUP_BYTES + CODE_BYTES];
    size_t length;
};

static void put(struct image *image, unsigned offset, uint64_t value, unsigned width)
{
    memcpy(image->bytes + offset, &value, width);
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* A bzImage of protocol 2.15 with three setup sectors. */
static struct image make_kernel(void)
{
    struct image image = {.length = sizeof(image.bytes)};
    memset(image.bytes, 0x90, sizeof(image.bytes));
    memset(image.bytes + SETUP_BYTES, 0xcc, CODE_BYTES);
    put(&image, 0x1f1, 3, 1);
    put(&image, 0x1f4, CODE_BYTES / 16, 4);
    put(&image, 0x1fa, 0xffff, 2);
    put(&image, 0x1fe, 0xaa55, 2);
    memcpy(image.bytes + 0x202, "HdrS", 4);
    put(&image, 0x206, 0x20f, 2);
    put(&image, 0x210, 0, 1);
    put(&image, 0x211, 1, 1);
    put(&image, 0x22c, 0x7fffffff, 4);
    put(&image, 0x230, 0x1000000, 4);
    put(&image, 0x234, 1, 1);
    put(&image, 0x238, 2047, 4);
    put(&image, 0x258, 0x1000000, 8);
    put(&image, 0x260, 0x100000, 4);
    return image;
}

static bool prepare(struct firmware_bench *bench, const struct image *image,
                    const char *initrd, const char *append, uint64_t ram_bytes,
                    struct error *error)
{
    const char *path =
        firmware_bench_file(bench, "kernel", image->bytes, image->length);
    return linux_boot_prepare(bench->fw_cfg, ram_bytes, path, initrd, append, error);
}

static const char *make_initrd(struct firmware_bench *bench)
{
    static uint8_t bytes[INITRD_BYTES];
    memset(bytes, 'i', sizeof(bytes));
    return firmware_bench_file(bench, "initrd", bytes, sizeof(bytes));
}

static void test_pieces(void **state)
{
    struct firmware_bench *bench = *state;
    struct image image = make_kernel();
    struct error error;
    const char *initrd = make_initrd(bench);
    assert_true(
        prepare(bench, &image, initrd, "console=ttyS0 quiet", RAM_BYTES, &error));

    size_t length;
    const uint8_t *setup = fw_cfg_find_item(bench->fw_cfg, FW_CFG_SETUP_DATA, &length);
    assert_int_equal(length, SETUP_BYTES);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_SETUP_SIZE), SETUP_BYTES);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_SETUP_ADDR), 0x10000);
    assert_int_equal(setup[0x210], 0xff);
    assert_int_equal(setup[0x211], 0x81);
    assert_int_equal(setup[0x224] | setup[0x225] << 8, 0xfe00);
    assert_int_equal(get32(setup + 0x228), 0x20000);
    assert_int_equal(setup[0x1fa] | setup[0x1fb] << 8, 0xffff);

    const char *append = fw_cfg_find_item(bench->fw_cfg, FW_CFG_CMDLINE_DATA, &length);
    assert_string_equal(append, "console=ttyS0 quiet");
    assert_int_equal(length, strlen(append) + 1);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_CMDLINE_ADDR), 0x20000);

    const uint8_t *code = fw_cfg_find_item(bench->fw_cfg, FW_CFG_KERNEL_DATA, &length);
    assert_int_equal(length, CODE_BYTES);
    assert_memory_equal(code, image.bytes + SETUP_BYTES, CODE_BYTES);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_KERNEL_ADDR), 0x100000);

    uint32_t address = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
    assert_int_equal(get32(setup + 0x218), address);
    assert_int_equal(get32(setup + 0x21c), INITRD_BYTES);
    assert_int_equal(address, RAM_BYTES - (1 << 20) - 2 * PAGE_BYTES);
}

static void test_rom(void **state)
{
    struct firmware_bench *bench = *state;
    struct image image = make_kernel();
    struct error error;
    assert_true(prepare(bench, &image, NULL, NULL, RAM_BYTES, &error));
    size_t length;
    const char *order = fw_cfg_find_file(bench->fw_cfg, "bootorder", &length);
    assert_non_null(order);
    assert_string_equal(order, "/rom@genroms/faumachine_boot.bin");
    const uint8_t *rom =
        fw_cfg_find_file(bench->fw_cfg, "genroms/faumachine_boot.bin", &length);
    assert_non_null(rom);
    assert_int_equal(get32(rom) & 0xffff, 0xaa55);
    assert_int_equal(rom[2] * 512, length);
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum += rom[i];
    }
    assert_int_equal(sum, 0);
    const uint8_t *pnp = rom + (rom[0x1a] | rom[0x1b] << 8);
    assert_memory_equal(pnp, "$PnP\x01\x02", 6);
    for (size_t i = 0; i < 32; i++) {
        sum += pnp[i];
    }
    assert_int_equal(sum, 0);
    unsigned vector = pnp[0x1a] | pnp[0x1b] << 8;
    assert_in_range(vector, 4, length);
    assert_int_equal(rom[vector], 0xfa); /* cli */
}

/* "Special Command Line Options" of the boot protocol. */
static void test_options(void **state)
{
    static const struct {
        const char *append;
        unsigned video;
    } cases[] = {{"vga=0x317", 0x317},  {"a vga=normal", 0xffff}, {"vga=ext b", 0xfffe},
                 {"x vga=ask", 0xfffd}, {"notvga=7", 0xffff},     {"vga=791", 791}};
    struct firmware_bench *bench = *state;
    struct error error;
    size_t length;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct image image = make_kernel();
        assert_true(prepare(bench, &image, NULL, cases[i].append, RAM_BYTES, &error));
        const uint8_t *setup =
            fw_cfg_find_item(bench->fw_cfg, FW_CFG_SETUP_DATA, &length);
        assert_int_equal(setup[0x1fa] | setup[0x1fb] << 8, cases[i].video);
    }
    struct image image = make_kernel();
    const char *initrd = make_initrd(bench);
    assert_true(prepare(bench, &image, initrd, "mem=32M", RAM_BYTES, &error));
    uint32_t address = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
    assert_true(address + INITRD_BYTES <= 32 << 20);
    put(&image, 0x22c, 0x2ffffff, 4);
    assert_true(prepare(bench, &image, initrd, "mem=1000G", RAM_BYTES, &error));
    address = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
    assert_int_equal(address, 0x3000000 - 2 * PAGE_BYTES);
}

struct refusal {
    const char *name;
    unsigned offset, width;
    uint64_t value;
    size_t length; /* 0: whole */
    const char *message;
};

static void test_refusals(void **state)
{
    static const struct refusal cases[] = {
        {"old protocol", 0x206, 2, 0x201, 0, "zImage"},
        {"loaded low", 0x211, 1, 0, 0, "zImage"},
        {"setup too large", 0x1f1, 1, 64, 0, "damaged"},
        {"truncated code", 0, 0, 0, SETUP_BYTES + 100, "truncated"},
        {"no code", 0, 0, 0, SETUP_BYTES, "truncated"},
        {"no setup", 0, 0, 0, 0x300, "truncated"},
        {"huge", 0x260, 4, 0xffffffff, 0, "needs at least"},
        {"far away", 0x258, 8, UINT64_MAX, 0, "needs at least"},
        {"no magic", 0x202, 4, 0, 0, "bzImage or a Multiboot"},
        {"too short", 0, 0, 0, 0x250, "bzImage or a Multiboot"},
    };
    struct firmware_bench *bench = *state;
    struct error error;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct image image = make_kernel();
        put(&image, cases[i].offset, cases[i].value, cases[i].width);
        image.length = cases[i].length ? cases[i].length : image.length;
        if (prepare(bench, &image, NULL, NULL, RAM_BYTES, &error)) {
            fail_msg("%s: not refused", cases[i].name);
        }
        if (!strstr(error.text, cases[i].message)) {
            fail_msg("%s: %s", cases[i].name, error.text);
        }
    }
    size_t length;
    assert_null(fw_cfg_find_file(bench->fw_cfg, "bootorder", &length));
}

static void test_other_refusals(void **state)
{
    struct firmware_bench *bench = *state;
    struct error error;
    struct image image = make_kernel();
    char append[2050];
    memset(append, 'a', sizeof(append));
    append[2048] = 0;
    assert_false(prepare(bench, &image, NULL, append, RAM_BYTES, &error));
    assert_non_null(strstr(error.text, "at most 2047"));
    append[2047] = 0;
    assert_true(prepare(bench, &image, NULL, append, RAM_BYTES, &error));

    assert_false(prepare(bench, &image, "/nonexistent/initrd", "", RAM_BYTES, &error));
    assert_non_null(strstr(error.text, "/nonexistent/initrd"));
    /* 16 MiB + 1 MiB for the kernel, 1 MiB for the BIOS: no room for more. */
    const char *initrd = make_initrd(bench);
    assert_true(prepare(bench, &image, NULL, "", 18 << 20, &error));
    assert_false(prepare(bench, &image, initrd, "", 18 << 20, &error));
    assert_non_null(strstr(error.text, "more memory"));
    assert_false(linux_boot_prepare(bench->fw_cfg, RAM_BYTES, "/nonexistent/kernel",
                                    NULL, NULL, &error));
    assert_non_null(strstr(error.text, "/nonexistent/kernel"));
}

/* Whatever the header says, what is accepted stays inside RAM. */
static void test_hostile_headers(void **state)
{
    struct firmware_bench *bench = *state;
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 20071;
    printf("seed %u (set SEED to change it)\n", seed);
    srand(seed);
    char initrd[128];
    snprintf(initrd, sizeof(initrd), "%s", make_initrd(bench));
    unsigned accepted = 0;
    for (unsigned i = 0; i < 400; i++) {
        struct image image = make_kernel();
        for (unsigned k = (unsigned)rand() % 4; k > 0; k--) {
            put(&image, 0x1f1 + (unsigned)rand() % 0x76, (uint64_t)rand() * 4U,
                1 + (unsigned)rand() % 4);
        }
        if (rand() % 3 == 0) {
            image.length = (size_t)rand() % sizeof(image.bytes);
        }
        struct error error;
        if (!prepare(bench, &image, initrd, "root=/dev/sda", RAM_BYTES, &error)) {
            continue;
        }
        accepted++;
        uint32_t address = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
        uint32_t code_end = 0x100000 + firmware_bench_item32(bench, FW_CFG_KERNEL_SIZE);
        assert_true(firmware_bench_item32(bench, FW_CFG_SETUP_SIZE) <= 0x8000);
        assert_true(address >= code_end);
        assert_true(address + INITRD_BYTES <= RAM_BYTES - (1 << 20));
    }
    printf("%u images accepted\n", accepted);
    assert_in_range(accepted, 50, 350);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, firmware_bench_set_up,                   \
                                    firmware_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_pieces),         TEST(test_rom),
        TEST(test_options),        TEST(test_refusals),
        TEST(test_other_refusals), TEST(test_hostile_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
