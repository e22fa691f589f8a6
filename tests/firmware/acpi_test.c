/* The ACPI tables as the firmware leaves them: the loader's commands are carried out
 * here as SeaBIOS does, then the tables are followed from the root pointer. With IASL
 * in the environment, ACPICA's compiler judges the DSDT. */
#include "firmware/acpi.h"
#include "firmware/aml.h"
#include "firmware_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RSDP_AT = 0xf5000, TABLES_AT = 0x3ff0000, COMMAND_BYTES = 128 };

/* A file of fw_cfg and where the "firmware" has put it. */
struct placed {
    const char *name;
    uint32_t address, alignment;
    uint8_t *bytes;
    size_t length;
};

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint8_t sum(const uint8_t *bytes, size_t length)
{
    uint8_t total = 0;
    for (size_t i = 0; i < length; i++) {
        total += bytes[i];
    }
    return total;
}

static struct placed *find_placed(struct placed *files, const char *name)
{
    for (unsigned i = 0; i < 2; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
    }
    fail_msg("the loader names %s", name);
    return NULL;
}

static void allocate(struct firmware_bench *bench, struct placed *file,
                     const uint8_t *command)
{
    size_t length;
    const void *bytes = fw_cfg_find_file(bench->fw_cfg, file->name, &length);
    assert_non_null(bytes);
    assert_null(file->bytes);
    file->bytes = malloc(length);
    file->length = length;
    file->alignment = get32(command + 60);
    memcpy(file->bytes, bytes, length);
    assert_int_equal(file->address % file->alignment, 0);
}

static void run_command(struct firmware_bench *bench, struct placed *files,
                        const uint8_t *command)
{
    struct placed *file = find_placed(files, (const char *)command + 4);
    if (get32(command) == 1) {
        allocate(bench, file, command);
        return;
    }
    assert_non_null(file->bytes);
    if (get32(command) == 2) {
        struct placed *target = find_placed(files, (const char *)command + 60);
        uint32_t offset = get32(command + 116);
        assert_int_equal(command[120], 4);
        assert_true(offset + 4 <= file->length);
        uint32_t pointer = get32(file->bytes + offset);
        assert_true(pointer < target->length);
        pointer += target->address;
        memcpy(file->bytes + offset, &pointer, 4);
        return;
    }
    assert_int_equal(get32(command), 3);
    uint32_t offset = get32(command + 60), start = get32(command + 64);
    uint32_t length = get32(command + 68);
    assert_true(start + (uint64_t)length <= file->length && offset < file->length);
    assert_int_equal(file->bytes[offset], 0);
    file->bytes[offset] = (uint8_t)-sum(file->bytes + start, length);
}

static void load_for(struct firmware_bench *bench, struct placed *files,
                     const struct acpi_machine *machine)
{
    acpi_add_tables(bench->fw_cfg, machine);
    files[0] = (struct placed){.name = "etc/acpi/rsdp", .address = RSDP_AT};
    files[1] = (struct placed){.name = "etc/acpi/tables", .address = TABLES_AT};
    size_t length;
    const uint8_t *loader =
        fw_cfg_find_file(bench->fw_cfg, "etc/table-loader", &length);
    assert_non_null(loader);
    assert_int_equal(length % COMMAND_BYTES, 0);
    for (size_t at = 0; at < length; at += COMMAND_BYTES) {
        run_command(bench, files, loader + at);
    }
}

static void load(struct firmware_bench *bench, struct placed *files, uint64_t ram_bytes)
{
    load_for(
        bench, files,
        &(struct acpi_machine){.ram_bytes = ram_bytes, .apic = true, .hpet = true});
}

static void unload(struct placed *files)
{
    free(files[0].bytes);
    free(files[1].bytes);
}

/* The table at a guest-physical address, with a right length and checksum. */
static uint8_t *table_at(struct placed *files, uint32_t address, const char *signature)
{
    assert_in_range(address, TABLES_AT, TABLES_AT + files[1].length - 8);
    uint8_t *table = files[1].bytes + (address - TABLES_AT);
    assert_memory_equal(table, signature, 4);
    uint32_t length = get32(table + 4);
    assert_true(address - TABLES_AT + length <= files[1].length);
    if (strcmp(signature, "FACS") != 0) {
        assert_int_equal(sum(table, length), 0);
    }
    return table;
}

static uint8_t *find_dsdt(struct placed *files)
{
    uint8_t *rsdt = table_at(files, get32(files[0].bytes + 16), "RSDT");
    uint8_t *fadt = table_at(files, get32(rsdt + 36), "FACP");
    return table_at(files, get32(fadt + 40), "DSDT");
}

static void test_tables(void **state)
{
    struct placed files[2];
    load(*state, files, 64 << 20);
    assert_memory_equal(files[0].bytes, "RSD PTR ", 8);
    assert_int_equal(sum(files[0].bytes, 20), 0);
    uint8_t *rsdt = table_at(files, get32(files[0].bytes + 16), "RSDT");
    assert_int_equal(get32(rsdt + 4), 36 + 3 * 4);
    uint8_t *fadt = table_at(files, get32(rsdt + 36), "FACP");
    assert_int_equal(get32(fadt + 4), 116);
    assert_int_equal(fadt[44], 1); /* interrupt model: APICs */
    assert_int_equal(fadt[46], 9);
    assert_int_equal(get32(fadt + 48), 0xb2);
    assert_int_equal(fadt[52], 0xf1);
    assert_int_equal(fadt[53], 0xf0);
    assert_int_equal(get32(fadt + 56), 0x600);
    assert_int_equal(get32(fadt + 64), 0x604);
    assert_int_equal(get32(fadt + 76), 0x608);
    assert_int_equal(get32(fadt + 80), 0xafe0);
    assert_int_equal(fadt[88], 4);
    assert_int_equal(fadt[89], 2);
    assert_int_equal(fadt[91], 4);
    assert_int_equal(fadt[92], 4);
    assert_int_equal(get32(fadt + 36) % 64, 0);
    table_at(files, get32(fadt + 36), "FACS");
    table_at(files, get32(fadt + 40), "DSDT");
    unload(files);
}

static bool contains(const uint8_t *table, const void *bytes, size_t length)
{
    for (uint32_t at = 36; at + length <= get32(table + 4); at++) {
        if (memcmp(table + at, bytes, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Local APIC 0, I/O APIC 0, the timer at input 2, levels of PCI and SCI, NMI at LINT1.
 */
static void test_madt(void **state)
{
    static const uint8_t entries[] = {
        0, 8,  0,   0, 1, 0,  0,    0,                     /* local APIC */
        1, 12, 0,   0, 0, 0,  0xc0, 0xfe, 0,   0, 0,    0, /* I/O APIC */
        2, 10, 0,   0, 2, 0,  0,    0,    0,   0,          /* overrides */
        2, 10, 0,   5, 5, 0,  0,    0,    0xd, 0, 2,    10, 0,   9, 9, 0,
        0, 0,  0xd, 0, 2, 10, 0,    10,   10,  0, 0,    0,  0xd, 0, 2, 10,
        0, 11, 11,  0, 0, 0,  0xd,  0,    4,   6, 0xff, 0,  0,   1, /* NMI */
    };
    struct placed files[2];
    load(*state, files, 64 << 20);
    uint8_t *rsdt = table_at(files, get32(files[0].bytes + 16), "RSDT");
    uint8_t *madt = table_at(files, get32(rsdt + 40), "APIC");
    assert_int_equal(get32(madt + 36), 0xfee00000);
    assert_int_equal(get32(madt + 40), 1);
    assert_int_equal(get32(madt + 4), 44 + sizeof(entries));
    assert_memory_equal(madt + 44, entries, sizeof(entries));
    uint8_t *hpet = table_at(files, get32(rsdt + 44), "HPET");
    assert_int_equal(get32(hpet + 36), 0x8086a201);
    assert_int_equal(get32(hpet + 44), 0xfed00000);
    unload(files);
}

/* What is not there is not told of. */
static void test_without(void **state)
{
    struct placed files[2];
    load_for(*state, files, &(struct acpi_machine){.ram_bytes = 64 << 20});
    uint8_t *rsdt = table_at(files, get32(files[0].bytes + 16), "RSDT");
    assert_int_equal(get32(rsdt + 4), 36 + 4);
    assert_int_equal(table_at(files, get32(rsdt + 36), "FACP")[44], 0);
    assert_false(contains(find_dsdt(files), "HPET", 4));
    unload(files);
}

/* PCI memory begins above RAM, where SeaBIOS will put it. */
static void test_pci_window(void **state)
{
    static const struct {
        uint64_t ram_bytes;
        uint32_t first;
    } cases[] = {
        {4 << 20, 0x80000000},
        {0x80000000, 0x80000000},
        {0x80100000, 0xc0000000},
        {3584ULL << 20, 0xe0000000},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct placed files[2];
        load(*state, files, cases[i].ram_bytes);
        uint32_t descriptor[] = {cases[i].first, 0xfebfffff, 0,
                                 0xfec00000 - cases[i].first};
        assert_true(contains(find_dsdt(files), descriptor, sizeof(descriptor)));
        unload(files);
    }
}

static void test_dsdt_has(void **state)
{
    struct placed files[2];
    load(*state, files, 64 << 20);
    const uint8_t *dsdt = find_dsdt(files);
    assert_true(contains(dsdt, "\x08_HID\x0c\x41\xd0\x0a\x03", 10)); /* PNP0A03 */
    assert_true(contains(dsdt, "\x08_HID\x0c\x41\xd0\x03\x03", 10)); /* PNP0303 */
    /* _L01 notifies the sleep button. */
    assert_true(contains(dsdt, "_L01\0\x86\\\x2e_SB_SLPB\x0a\x80", 18));
    assert_true(contains(dsdt, "\x08\\_S5_\x12\x06\x04\0\0\0\0", 13));
    /* Slot 2, INTA#: LNKB. Slot 1, INTA#: interrupt 9, no link. */
    assert_true(contains(dsdt, "\x12\x0d\x04\x0c\xff\xff\x02\0\0LNKB\0", 14));
    assert_true(contains(dsdt, "\x12\x0b\x04\x0c\xff\xff\x01\0\0\0\x0a\x09", 12));
    unload(files);
}

/* PkgLength in one, two and three bytes (ACPI 1.0b, 16.2.4), names and integers. */
static void test_aml_encoding(void **state)
{
    static const struct {
        unsigned body; /* bytes of integers in a scope of 4 bytes of name */
        uint8_t length[3];
        size_t length_bytes;
    } cases[] = {
        {58, {0x3f}, 1},         {59, {0x41, 0x04}, 2},         {4000, {0x46, 0xfa}, 2},
        {4089, {0x4f, 0xff}, 2}, {4090, {0x81, 0x00, 0x01}, 3},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct aml aml = {0};
        aml_scope(&aml, "X");
        for (unsigned k = 0; k < cases[i].body; k++) {
            aml_integer(&aml, 1);
        }
        aml_end(&aml);
        assert_int_equal(aml.bytes[0], 0x10);
        assert_memory_equal(aml.bytes + 1, cases[i].length, cases[i].length_bytes);
        assert_memory_equal(aml.bytes + 1 + cases[i].length_bytes, "X___\x01", 5);
        assert_int_equal(aml.length, 1 + cases[i].length_bytes + 4 + cases[i].body);
        free(aml.bytes);
    }
    struct aml aml = {0};
    aml_path(&aml, "\\_SB.PCI0");
    aml_path(&aml, "^A.B.CD");
    aml_integer(&aml, 0x100);
    aml_integer(&aml, 0x12345678);
    static const char expected[] = "\\\x2e_SB_PCI0^\x2f\x03"
                                   "A___B___CD__\x0b\x00\x01\x0c\x78\x56\x34\x12";
    assert_int_equal(aml.length, sizeof(expected) - 1);
    assert_memory_equal(aml.bytes, expected, aml.length);
    free(aml.bytes);
}

/* Disassembles and compiles again: no error, no warning. */
static void test_iasl(void **state)
{
    struct firmware_bench *bench = *state;
    const char *iasl = getenv("IASL");
    if (!iasl || !*iasl) {
        skip();
    }
    struct placed files[2];
    load(bench, files, 64 << 20);
    uint8_t *dsdt = find_dsdt(files);
    firmware_bench_file(bench, "dsdt.aml", dsdt, get32(dsdt + 4));
    char command[512], line[512];
    snprintf(command, sizeof(command),
             "cd %s && %s -d dsdt.aml >/dev/null 2>&1 && %s -oe -p again dsdt.dsl 2>&1",
             bench->directory, iasl, iasl);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    bool clean = false;
    while (fgets(line, sizeof(line), output)) {
        clean = clean || strstr(line, "0 Errors, 0 Warnings");
        if (strstr(line, "Error") || strstr(line, "Warning")) {
            fputs(line, stdout);
        }
    }
    assert_int_equal(pclose(output), 0);
    assert_true(clean);
    unload(files);
}

int main(void)
{
#define TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, firmware_bench_set_up,                   \
                                    firmware_bench_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_tables),     TEST(test_madt),     TEST(test_without),
        TEST(test_pci_window), TEST(test_dsdt_has), cmocka_unit_test(test_aml_encoding),
        TEST(test_iasl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
