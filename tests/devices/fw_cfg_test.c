/* fw_cfg as a guest sees it: by ports and by DMA. */
#include "devices/fw_cfg.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SELECTOR = 0x510, DATA = 0x511, DMA_HIGH = 0x514, DMA_LOW = 0x518 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { RAM_BYTES = 1 << 20, DESCRIPTOR = 0x1000, BUFFER = 0x2000 };

struct bench {
    struct log log;
    struct port_space ports;
    struct memory_map memory;
    struct ram ram;
    struct fw_cfg *fw_cfg;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    struct error error;
    assert_true(ram_create(&bench->ram, "test", RAM_BYTES, &error));
    bench->memory.ram = &bench->ram;
    struct memory_region region = {.name = "ram",
                                   .bytes = RAM_BYTES,
                                   .read = bench->ram.host,
                                   .write = bench->ram.host};
    memory_add(&bench->memory, &region);
    bench->fw_cfg = fw_cfg_create(&bench->log, &bench->ports, &bench->memory);
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    device_destroy((struct device *)bench->fw_cfg);
    ram_destroy(&bench->ram);
    free(bench);
    return 0;
}

static void select_key(struct bench *bench, uint16_t key)
{
    port_write(&bench->ports, SELECTOR, key, 2);
}

static void read_bytes(struct bench *bench, void *to, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        ((uint8_t *)to)[i] = (uint8_t)port_read(&bench->ports, DATA, 1);
    }
}

/* Runs a descriptor at DESCRIPTOR and returns its status. */
static uint32_t run_dma(struct bench *bench, uint32_t control, uint32_t length,
                        uint64_t address)
{
    struct {
        uint32_t control, length;
        uint64_t address;
    } descriptor = {htobe32(control), htobe32(length), htobe64(address)};
    memcpy(bench->ram.host + DESCRIPTOR, &descriptor, sizeof(descriptor));
    port_write(&bench->ports, DMA_HIGH, 0, 4);
    port_write(&bench->ports, DMA_LOW, htobe32(DESCRIPTOR), 4);
    return be32toh(*(uint32_t *)(void *)(bench->ram.host + DESCRIPTOR));
}

static void test_signature(void **state)
{
    char text[6];
    uint32_t id;
    uint64_t ram_bytes;
    select_key(*state, FW_CFG_SIGNATURE);
    read_bytes(*state, text, sizeof(text));
    assert_memory_equal(text, "QEMU\0\0", 6); /* zeros behind the end */
    select_key(*state, FW_CFG_ID);
    read_bytes(*state, &id, sizeof(id));
    assert_int_equal(id, 3);
    select_key(*state, FW_CFG_RAM_SIZE);
    read_bytes(*state, &ram_bytes, sizeof(ram_bytes));
    assert_int_equal(ram_bytes, RAM_BYTES);
    select_key(*state, 0x3fff);
    read_bytes(*state, text, 1);
    assert_int_equal(text[0], 0);
}

static void test_dma_signature(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(port_read(&bench->ports, DMA_HIGH, 4), htobe32(0x51454d55));
    assert_int_equal(port_read(&bench->ports, DMA_LOW, 4), htobe32(0x20434647));
    assert_int_equal(port_read(&bench->ports, DMA_HIGH + 1, 1), 'E');
}

static void test_directory(void **state)
{
    struct bench *bench = *state;
    fw_cfg_add_file(bench->fw_cfg, "opt/b", "bb", 2);
    fw_cfg_add_file(bench->fw_cfg, "bootorder", "first", 5);
    fw_cfg_add_file(bench->fw_cfg, "opt/a", "", 0);
    fw_cfg_add_file(bench->fw_cfg, "bootorder", "second", 6);
    static const char *const names[] = {"bootorder", "opt/a", "opt/b"};
    static const uint32_t sizes[] = {6, 0, 2};
    uint32_t count;
    select_key(bench, FW_CFG_FILE_DIR);
    read_bytes(bench, &count, sizeof(count));
    assert_int_equal(be32toh(count), 3);
    for (unsigned i = 0; i < 3; i++) {
        struct {
            uint32_t size;
            uint16_t key, reserved;
            char name[56];
        } entry;
        read_bytes(bench, &entry, sizeof(entry));
        assert_string_equal(entry.name, names[i]);
        assert_int_equal(be32toh(entry.size), sizes[i]);
        assert_int_equal(be16toh(entry.key), FW_CFG_FILE_FIRST + i);
    }
    char text[6];
    select_key(bench, FW_CFG_FILE_FIRST);
    read_bytes(bench, text, sizeof(text));
    assert_memory_equal(text, "second", 6);
    size_t length;
    assert_memory_equal(fw_cfg_find_file(bench->fw_cfg, "opt/b", &length), "bb", 2);
    assert_int_equal(length, 2);
    assert_null(fw_cfg_find_file(bench->fw_cfg, "opt/c", &length));
}

static void test_dma_read(void **state)
{
    struct bench *bench = *state;
    fw_cfg_add_bytes(bench->fw_cfg, FW_CFG_KERNEL_DATA, "0123456789", 10);
    uint32_t select = FW_CFG_KERNEL_DATA << 16 | DMA_SELECT;
    memset(bench->ram.host + BUFFER, 'x', 16);
    assert_int_equal(run_dma(bench, select | DMA_READ, 4, BUFFER), 0);
    assert_memory_equal(bench->ram.host + BUFFER, "0123xx", 6);
    assert_int_equal(run_dma(bench, DMA_SKIP, 2, 0), 0);
    assert_int_equal(run_dma(bench, DMA_READ, 8, BUFFER), 0);
    assert_memory_equal(bench->ram.host + BUFFER, "6789\0\0\0\0xx", 10);
    /* By port, the same position goes on. */
    select_key(bench, FW_CFG_KERNEL_DATA);
    assert_int_equal(run_dma(bench, DMA_SKIP, 9, 0), 0);
    assert_int_equal(port_read(&bench->ports, DATA, 1), '9');
    /* Longer than a page of zeros, ends where it should. */
    memset(bench->ram.host + BUFFER, 'x', 3 * PAGE_BYTES);
    assert_int_equal(run_dma(bench, select | DMA_READ, 2 * PAGE_BYTES + 1, BUFFER), 0);
    assert_int_equal(bench->ram.host[BUFFER + 2 * PAGE_BYTES], 0);
    assert_int_equal(bench->ram.host[BUFFER + 2 * PAGE_BYTES + 1], 'x');
}

static void test_dma_write_is_refused(void **state)
{
    struct bench *bench = *state;
    fw_cfg_add_bytes(bench->fw_cfg, FW_CFG_KERNEL_DATA, "0123", 4);
    uint32_t control = FW_CFG_KERNEL_DATA << 16 | DMA_SELECT | DMA_WRITE;
    assert_int_equal(run_dma(bench, control, 4, BUFFER), DMA_ERROR);
    char text[4];
    select_key(bench, FW_CFG_KERNEL_DATA);
    read_bytes(bench, text, 4);
    assert_memory_equal(text, "0123", 4);
}

/* Transfers to where nothing is, and a descriptor nowhere, do no harm. */
static void test_dma_outside_memory(void **state)
{
    struct bench *bench = *state;
    uint32_t control = FW_CFG_SIGNATURE << 16 | DMA_SELECT | DMA_READ;
    assert_int_equal(run_dma(bench, control, 4096, RAM_BYTES - 2), 0);
    assert_memory_equal(bench->ram.host + RAM_BYTES - 2, "QE", 2);
    port_write(&bench->ports, DMA_HIGH, htobe32(0xfffffff0), 4);
    port_write(&bench->ports, DMA_LOW, htobe32(0xfffffffc), 4);
}

static void test_state(void **state)
{
    struct bench *bench = *state;
    struct device *device = (struct device *)bench->fw_cfg;
    select_key(bench, FW_CFG_SIGNATURE);
    port_read(&bench->ports, DATA, 1);
    struct state_buffer buffer = {0};
    device_save(device, &buffer);
    device->class->reset(device);
    assert_int_equal(port_read(&bench->ports, DATA, 1), 'Q');
    struct error error;
    assert_true(device_load(device, &buffer, &error));
    assert_int_equal(port_read(&bench->ports, DATA, 1), 'E');
    state_buffer_free(&buffer);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_signature),
        TEST(test_dma_signature),
        TEST(test_directory),
        TEST(test_dma_read),
        TEST(test_dma_write_is_refused),
        TEST(test_dma_outside_memory),
        TEST(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
