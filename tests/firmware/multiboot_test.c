/* -kernel with Multiboot images: ELF and header addresses, modules, damaged files. */
#include "firmware/linux_boot.h"
#include "firmware/multiboot.h"
#include "firmware_bench.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RAM_BYTES = 16 << 20, FILE_BYTES = 1024, HEADER_AT = 0x100, CODE_AT = 0x200 };
enum { MAGIC = 0x1badb002, FLAG_ADDRESSES = 1 << 16 };

struct image {
    uint8_t bytes[FILE_BYTES];
    size_t length;
};

static void put32(struct image *image, size_t offset, uint32_t value)
{
    memcpy(image->bytes + offset, &value, sizeof(value));
}

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static void put_header(struct image *image, uint32_t flags)
{
    put32(image, HEADER_AT, MAGIC);
    put32(image, HEADER_AT + 4, flags);
    put32(image, HEADER_AT + 8, 0U - MAGIC - flags);
}

/* Two segments: 0x100 bytes at 1 MiB, and 0x80 + 0x1000 of bss at 2 MiB that are
 * linked 3 GiB higher. */
static struct image make_elf(void)
{
    struct image image = {.length = FILE_BYTES};
    Elf32_Ehdr elf = {
        .e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_EXEC,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_entry = 0xc0200010,
        .e_phoff = sizeof(elf),
        .e_ehsize = sizeof(elf),
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = 3,
    };
    Elf32_Phdr segments[3] = {
        {.p_type = PT_NOTE, .p_offset = 0xffffff00, .p_filesz = 0x1000},
        {.p_type = PT_LOAD,
         .p_offset = CODE_AT,
         .p_vaddr = 0x100000,
         .p_paddr = 0x100000,
         .p_filesz = 0x100,
         .p_memsz = 0x100},
        {.p_type = PT_LOAD,
         .p_offset = CODE_AT + 0x100,
         .p_vaddr = 0xc0200000,
         .p_paddr = 0x200000,
         .p_filesz = 0x80,
         .p_memsz = 0x1080},
    };
    memset(image.bytes + CODE_AT, 0x11, 0x100);
    memset(image.bytes + CODE_AT + 0x100, 0x22, 0x80);
    memcpy(image.bytes, &elf, sizeof(elf));
    memcpy(image.bytes + sizeof(elf), segments, sizeof(segments));
    put_header(&image, 3);
    return image;
}

/* The file from its header on is loaded at 0x180000, with bss to 0x190000. */
static struct image make_raw(void)
{
    struct image image = {.length = FILE_BYTES};
    memset(image.bytes, 0x33, sizeof(image.bytes));
    put_header(&image, FLAG_ADDRESSES);
    put32(&image, HEADER_AT + 12, 0x180000);
    put32(&image, HEADER_AT + 16, 0x180000);
    put32(&image, HEADER_AT + 20, 0x180200);
    put32(&image, HEADER_AT + 24, 0x190000);
    put32(&image, HEADER_AT + 28, 0x180020);
    return image;
}

static bool prepare(struct firmware_bench *bench, const struct image *image,
                    const char *modules, const char *append, struct error *error)
{
    const char *path =
        firmware_bench_file(bench, "kernel", image->bytes, image->length);
    return linux_boot_prepare(bench->fw_cfg, RAM_BYTES, path, modules, append, error);
}

static const uint8_t *item(struct firmware_bench *bench, uint16_t key, size_t *length)
{
    const uint8_t *bytes = fw_cfg_find_item(bench->fw_cfg, key, length);
    assert_non_null(bytes);
    return bytes;
}

static void test_elf(void **state)
{
    struct firmware_bench *bench = *state;
    struct image image = make_elf();
    struct error error;
    assert_true(prepare(bench, &image, NULL, NULL, &error));
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_KERNEL_ADDR), 0x100000);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_KERNEL_ENTRY), 0x200010);
    size_t length;
    const uint8_t *kernel = item(bench, FW_CFG_KERNEL_DATA, &length);
    assert_int_equal(length, 0x101080);
    assert_int_equal(kernel[0xff], 0x11);
    assert_int_equal(kernel[0x100], 0);
    assert_int_equal(kernel[0x100000], 0x22);
    assert_int_equal(kernel[0x100080], 0);
    assert_null(fw_cfg_find_item(bench->fw_cfg, FW_CFG_SETUP_SIZE, &length));
    assert_non_null(fw_cfg_find_file(bench->fw_cfg, "bootorder", &length));
}

static void test_header_addresses(void **state)
{
    struct firmware_bench *bench = *state;
    struct image image = make_raw();
    struct error error;
    assert_true(prepare(bench, &image, NULL, NULL, &error));
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_KERNEL_ADDR), 0x180000);
    assert_int_equal(firmware_bench_item32(bench, FW_CFG_KERNEL_ENTRY), 0x180020);
    size_t length;
    const uint8_t *kernel = item(bench, FW_CFG_KERNEL_DATA, &length);
    assert_int_equal(length, 0x10000);
    assert_int_equal(get32(kernel), MAGIC);
    assert_int_equal(kernel[0x1ff], 0x33);
    assert_int_equal(kernel[0x200], 0);
    /* Zero in load_end and bss_end: the whole file, no bss. */
    put32(&image, HEADER_AT + 20, 0);
    put32(&image, HEADER_AT + 24, 0);
    assert_true(prepare(bench, &image, NULL, NULL, &error));
    item(bench, FW_CFG_KERNEL_DATA, &length);
    assert_int_equal(length, FILE_BYTES - HEADER_AT);
}

/* A pointer into the second piece, from its guest-physical address. */
static const uint8_t *at(struct firmware_bench *bench, uint32_t address)
{
    size_t length;
    const uint8_t *extra = item(bench, FW_CFG_INITRD_DATA, &length);
    uint32_t base = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
    assert_in_range(address, base, base + length - 1);
    return extra + (address - base);
}

static void test_information(void **state)
{
    struct firmware_bench *bench = *state;
    struct image image = make_elf();
    struct error error;
    char modules[400];
    snprintf(modules, sizeof(modules), "%s first argument,%s",
             firmware_bench_file(bench, "one", "11111", 5),
             firmware_bench_file(bench, "t,,wo", "22", 2));
    /* The second file's name has commas: doubled in the list. */
    char *name = strstr(modules, "t,,wo");
    strcpy(name, "t,,,,wo");
    assert_true(prepare(bench, &image, modules, "a=b c", &error));

    uint32_t address = firmware_bench_item32(bench, FW_CFG_INITRD_ADDR);
    assert_int_equal(address, 0x202000);
    const uint8_t *info = at(bench, address);
    assert_int_equal(get32(info), 1 | 4 | 8 | 0x40 | 0x200 | 0x1000);
    const char *line = (const char *)at(bench, get32(info + 16));
    assert_non_null(strstr(line, "/kernel a=b c"));
    assert_string_equal((const char *)at(bench, get32(info + 64)), "FAUmachine");
    assert_int_equal(get32(info + 88), 0xb8000);
    at(bench, get32(info + 48) + 128 * 24 - 1);
    assert_int_equal(get32(info + 20), 2);
    const uint8_t *list = at(bench, get32(info + 24));
    assert_int_equal(get32(list) % PAGE_BYTES, 0);
    assert_int_equal(get32(list + 4) - get32(list), 5);
    assert_memory_equal(at(bench, get32(list)), "11111", 5);
    assert_non_null(
        strstr((const char *)at(bench, get32(list + 8)), "/one first argument"));
    assert_int_equal(get32(list + 20) - get32(list + 16), 2);
    assert_memory_equal(at(bench, get32(list + 16)), "22", 2);
    assert_non_null(strstr((const char *)at(bench, get32(list + 24)), "/t,,wo"));

    assert_false(prepare(bench, &image, "/nonexistent/module", NULL, &error));
    assert_non_null(strstr(error.text, "/nonexistent/module"));
}

static void test_refusals(void **state)
{
    static const struct {
        bool raw;
        size_t offset, length;
        uint32_t value;
        const char *message;
    } cases[] = {
        {false, offsetof(Elf32_Ehdr, e_ident) + 4, 0, 0x010102, "32-bit"},
        {false, 0, 0, 0, "no ELF file"},
        {false, 0, 0x300, 0x464c457f, "truncated"},
        {false, offsetof(Elf32_Ehdr, e_phoff), 0, 0xfffffff0, "cut off"},
        {false, 52 + 32 + offsetof(Elf32_Phdr, p_paddr), 0, 0x7c00, "1 MiB"},
        {false, 52 + 32 + offsetof(Elf32_Phdr, p_paddr), 0, 0x8000000, "at least"},
        {false, 52 + 64 + offsetof(Elf32_Phdr, p_memsz), 0, 0xfffffff0, "at least"},
        {false, 52 + 64 + offsetof(Elf32_Phdr, p_memsz), 0, 0x10, "larger in the file"},
        {false, 52 + 64 + offsetof(Elf32_Phdr, p_offset), 0, 0xffffffff, "truncated"},
        {true, HEADER_AT + 12, 0, 0x17ffff, "wrong load address"},
        {true, HEADER_AT + 12, 0, 0x180101, "wrong load address"},
        {true, HEADER_AT + 20, 0, 0x17ffff, "before it begins"},
        {true, HEADER_AT + 20, 0, 0x181000, "truncated"},
        {true, HEADER_AT + 24, 0, 0x180100, "bss"},
        {true, HEADER_AT + 24, 0, 0xf0000000, "at least"},
        {true, 0, HEADER_AT + 20, 0, "cut off"},
    };
    struct firmware_bench *bench = *state;
    struct error error;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct image image = cases[i].raw ? make_raw() : make_elf();
        put32(&image, cases[i].offset, cases[i].value);
        image.length = cases[i].length ? cases[i].length : image.length;
        if (prepare(bench, &image, NULL, NULL, &error)) {
            fail_msg("case %u: not refused", i);
        }
        if (!strstr(error.text, cases[i].message)) {
            fail_msg("case %u: %s", i, error.text);
        }
    }
    struct image image = make_elf();
    put_header(&image, 0x13);
    assert_false(prepare(bench, &image, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "flags 0x10"));
}

static void test_find_header(void **state)
{
    uint8_t bytes[9000] = {0};
    uint32_t header[] = {MAGIC, 0, 0U - MAGIC};
    memcpy(bytes + 8180, header, sizeof(header));
    assert_int_equal(multiboot_find_header(bytes, sizeof(bytes)), 8180);
    assert_int_equal(multiboot_find_header(bytes, 8191), -1);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes + 8184, header, sizeof(header));
    assert_int_equal(multiboot_find_header(bytes, sizeof(bytes)), -1);
    memcpy(bytes + 2, header, sizeof(header)); /* not aligned */
    assert_int_equal(multiboot_find_header(bytes, sizeof(bytes)), -1);
    assert_int_equal(multiboot_find_header(bytes, 0), -1);
    memcpy(bytes, header, sizeof(header));
    assert_int_equal(multiboot_find_header(bytes, 12), 0);
    bytes[8]++;
    assert_int_equal(multiboot_find_header(bytes, sizeof(bytes)), -1);
}

/* Damaged files: refused, or what is loaded stays inside RAM. */
static void test_hostile_files(void **state)
{
    struct firmware_bench *bench = *state;
    unsigned seed = getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 2026;
    printf("seed %u (set SEED to change it)\n", seed);
    srand(seed);
    unsigned accepted = 0;
    for (unsigned i = 0; i < 400; i++) {
        struct image image = rand() % 2 ? make_elf() : make_raw();
        for (unsigned k = (unsigned)rand() % 4; k > 0; k--) {
            size_t where = (size_t)rand() % (HEADER_AT + 32);
            image.bytes[where] = (uint8_t)rand();
        }
        if (rand() % 4 == 0) {
            image.length = (size_t)rand() % FILE_BYTES;
        }
        struct error error;
        if (!prepare(bench, &image, NULL, "x", &error)) {
            continue;
        }
        accepted++;
        static const uint16_t keys[][2] = {{FW_CFG_KERNEL_ADDR, FW_CFG_KERNEL_SIZE},
                                           {FW_CFG_INITRD_ADDR, FW_CFG_INITRD_SIZE}};
        for (unsigned k = 0; k < 2; k++) {
            uint64_t start = firmware_bench_item32(bench, keys[k][0]);
            uint64_t end = start + firmware_bench_item32(bench, keys[k][1]);
            assert_true(start >= 1 << 20 && end <= RAM_BYTES - (1 << 20));
        }
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
        TEST(test_elf),           TEST(test_header_addresses),
        TEST(test_information),   TEST(test_refusals),
        TEST(test_hostile_files), cmocka_unit_test(test_find_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
