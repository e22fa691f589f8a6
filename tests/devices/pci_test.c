/* PCI configuration space, base address registers and INTx, on the bus itself. */
#include "chipset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A card with one window of ports, one of memory and a ROM. */
struct card {
    struct pci_function function;
    uint32_t last_written;
    uint8_t rom[4096];
};

static uint32_t card_port_read(void *opaque, uint16_t offset, unsigned width)
{
    return 0x5000u + offset;
}

static void card_port_write(void *opaque, uint16_t offset, uint32_t value,
                            unsigned width)
{
    ((struct card *)opaque)->last_written = value;
}

static uint32_t card_memory_read(void *opaque, uint64_t offset, unsigned width)
{
    return 0x600000u + (uint32_t)offset;
}

static void card_memory_write(void *opaque, uint64_t offset, uint32_t value,
                              unsigned width)
{
    ((struct card *)opaque)->last_written = value;
}

static const struct port_ops card_ports = {card_port_read, card_port_write, 1 | 2 | 4};
static const struct memory_ops card_memory = {card_memory_read, card_memory_write,
                                              1 | 2 | 4};

static void card_plug(struct card *card, struct bench *bench, unsigned slot)
{
    *card = (struct card){.rom = {0x55, 0xaa}};
    pci_function_init(&card->function, "card", 0x1234, 0x5678, 9, 0x020000, card);
    card->function.config[PCI_INTERRUPT_PIN] = 1;
    card->function.bars[0] = (struct pci_bar){
        .kind = PCI_BAR_PORTS, .bytes = 32, .ports = &card_ports, .opaque = card};
    card->function.bars[1] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = 0x1000,
        .prefetchable = true,
        .memory = {.ops = &card_memory, .opaque = card},
    };
    card->function.bars[PCI_BAR_ROM] = (struct pci_bar){
        .kind = PCI_BAR_ROM_IMAGE, .bytes = 4096, .memory = {.read = card->rom}};
    pci_bus_add(bench->bus, &card->function, slot, 0);
}

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

static void test_ids(void **state)
{
    struct bench *bench = *state;
    static const struct {
        unsigned slot, function;
        uint32_t id, class_revision;
    } there[] = {
        {0, 0, 0x12378086, 0x06000002},
        {1, 0, 0x70008086, 0x06010000},
        {1, 1, 0x70108086, 0x01018000},
        {1, 3, 0x71138086, 0x06800003},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(there); i++) {
        unsigned slot = there[i].slot, function = there[i].function;
        assert_int_equal(config_read(bench, slot, function, 0, 4), there[i].id);
        assert_int_equal(config_read(bench, slot, function, 8, 4),
                         there[i].class_revision);
        assert_int_equal(config_read(bench, slot, function, 0x2c, 4), 0x11001af4);
        config_write(bench, slot, function, 0, 0, 4);
        assert_int_equal(config_read(bench, slot, function, 0, 4), there[i].id);
    }
    assert_int_equal(config_read(bench, 1, 0, PCI_HEADER_TYPE, 1), 0x80);
    assert_int_equal(config_read(bench, 2, 0, 0, 4), UINT32_MAX);
    assert_int_equal(config_read(bench, 1, 2, 0, 2), 0xffff);
}

static void test_mechanism_one(void **state)
{
    struct bench *bench = *state;
    struct port_space *ports = &bench->ports;
    port_write(ports, 0xcf8, 0x80000000, 4);
    assert_int_equal(port_read(ports, 0xcf8, 4), 0x80000000);
    assert_int_equal(port_read(ports, 0xcfc, 2), 0x8086);
    assert_int_equal(port_read(ports, 0xcfe, 2), 0x1237);
    assert_int_equal(port_read(ports, 0xcfd, 1), 0x80);
    assert_int_equal(port_read(ports, 0xcfd, 2), 0x3780);
    /* Bytes do not reach the address register. */
    port_write(ports, 0xcfb, 0x01, 1);
    assert_int_equal(port_read(ports, 0xcf8, 4), 0x80000000);
    port_write(ports, 0xcf8, 0, 4);
    assert_int_equal(port_read(ports, 0xcfc, 4), UINT32_MAX);
    port_write(ports, 0xcf8, 0x80010000, 4);
    assert_int_equal(port_read(ports, 0xcfc, 4), UINT32_MAX);
}

static void test_bar_sizing_and_mapping(void **state)
{
    struct bench *bench = *state;
    static struct card card;
    card_plug(&card, bench, 3);
    assert_int_equal(config_read(bench, 3, 0, 0x10, 4), 1);
    assert_int_equal(config_read(bench, 3, 0, 0x14, 4), 8);
    config_write(bench, 3, 0, 4, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    for (unsigned offset = 0x10; offset <= 0x18; offset += 4) {
        config_write(bench, 3, 0, offset, UINT32_MAX, 4);
    }
    assert_int_equal(config_read(bench, 3, 0, 0x10, 4), 0xffffffe1);
    assert_int_equal(config_read(bench, 3, 0, 0x14, 4), 0xfffff008);
    assert_int_equal(config_read(bench, 3, 0, 0x18, 4), 0);
    config_write(bench, 3, 0, 0x30, 0xfffffffe, 4);
    assert_int_equal(config_read(bench, 3, 0, 0x30, 4), 0xfffff000);

    config_write(bench, 3, 0, 0x10, 0xc000, 4);
    config_write(bench, 3, 0, 0x14, 0xfeb00000, 4);
    assert_int_equal(port_read(&bench->ports, 0xc004, 2), 0x5004);
    assert_int_equal(memory_read32(&bench->memory, 0xfeb00010), 0x600010);
    /* Byte by byte, as an 8-bit driver would move it. */
    config_write(bench, 3, 0, 0x11, 0xd0, 1);
    assert_int_equal(port_read(&bench->ports, 0xc004, 2), 0xffff);
    port_write(&bench->ports, 0xd01c, 77, 4);
    assert_int_equal(card.last_written, 77);
    config_write(bench, 3, 0, 4, 0, 2);
    assert_int_equal(port_read(&bench->ports, 0xd004, 2), 0xffff);
    assert_int_equal(memory_read32(&bench->memory, 0xfeb00010), UINT32_MAX);
    pci_function_remove(&card.function);
    assert_int_equal(config_read(bench, 3, 0, 0, 4), UINT32_MAX);
}

static void test_bar_never_hides_ram(void **state)
{
    struct bench *bench = *state;
    static struct card card;
    card_plug(&card, bench, 3);
    memory_write32(&bench->memory, 0x200000, 0x12345678);
    config_write(bench, 3, 0, 0x14, 0x200000, 4);
    config_write(bench, 3, 0, 4, PCI_COMMAND_MEMORY, 2);
    assert_int_equal(memory_read32(&bench->memory, 0x200000), 0x12345678);
    pci_function_remove(&card.function);
}

static void test_rom(void **state)
{
    struct bench *bench = *state;
    static struct card card;
    card_plug(&card, bench, 3);
    config_write(bench, 3, 0, 4, PCI_COMMAND_MEMORY, 2);
    config_write(bench, 3, 0, 0x30, 0xfea00000, 4);
    assert_int_equal(memory_read32(&bench->memory, 0xfea00000), UINT32_MAX);
    config_write(bench, 3, 0, 0x30, 0xfea00001, 4);
    assert_int_equal(memory_read32(&bench->memory, 0xfea00000), 0xaa55);
    memory_write32(&bench->memory, 0xfea00000, 0);
    assert_int_equal(memory_read32(&bench->memory, 0xfea00000), 0xaa55);
    pci_function_reset(&card.function);
    assert_int_equal(memory_read32(&bench->memory, 0xfea00000), UINT32_MAX);
    assert_int_equal(config_read(bench, 3, 0, 0x30, 4), 0);
    pci_function_remove(&card.function);
}

static void test_status_write_one_clears(void **state)
{
    struct bench *bench = *state;
    static struct card card;
    card_plug(&card, bench, 3);
    card.function.config[PCI_STATUS + 1] = 0xb0;
    config_write(bench, 3, 0, PCI_STATUS, 0x2000, 2);
    assert_int_equal(config_read(bench, 3, 0, PCI_STATUS, 2), 0x9000);
    pci_function_remove(&card.function);
}

static void test_interrupt_routing(void **state)
{
    struct bench *bench = *state;
    static struct card first, second;
    card_plug(&first, bench, 3);                    /* INTA# of slot 3 is PIRQC */
    card_plug(&second, bench, 7);                   /* of slot 7 too */
    config_write(bench, 1, 0, 0x60, 0x80800a80, 4); /* PIRQB */
    pci_function_set_interrupt(&first.function, true);
    for (unsigned i = 0; i < BENCH_LINES; i++) {
        assert_false(bench->isa[i]);
    }
    config_write(bench, 1, 0, 0x62, 11, 1);
    assert_true(bench->isa[11]);
    assert_true(config_read(bench, 3, 0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    pci_function_set_interrupt(&second.function, true);
    pci_function_set_interrupt(&first.function, false);
    assert_true(bench->isa[11]);
    config_write(bench, 1, 0, 0x62, 5, 1);
    assert_false(bench->isa[11]);
    assert_true(bench->isa[5]);
    config_write(bench, 7, 0, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    assert_false(bench->isa[5]);
    assert_true(config_read(bench, 7, 0, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
    config_write(bench, 7, 0, PCI_COMMAND, 0, 2);
    assert_true(bench->isa[5]);
    config_write(bench, 1, 0, 0x62, 8, 1); /* the RTC's own: cannot be chosen */
    assert_false(bench->isa[5] || bench->isa[8]);
    pci_function_remove(&first.function);
    pci_function_remove(&second.function);
}

/* All pins of all slots: SeaBIOS and the ACPI tables expect (slot - 1 + pin) mod 4. */
static void test_interrupt_swizzle(void **state)
{
    struct bench *bench = *state;
    for (unsigned slot = 2; slot < PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            static struct card card;
            card_plug(&card, bench, slot);
            card.function.config[PCI_INTERRUPT_PIN] = (uint8_t)(pin + 1);
            config_write(bench, 1, 0, 0x60, 0x0b0a0503, 4);
            static const unsigned isa[4] = {3, 5, 10, 11};
            pci_function_set_interrupt(&card.function, true);
            for (unsigned pirq = 0; pirq < 4; pirq++) {
                assert_int_equal(bench->isa[isa[pirq]], pirq == (slot - 1 + pin) % 4);
            }
            pci_function_remove(&card.function);
            assert_false(bench->isa[3] || bench->isa[5] || bench->isa[10] ||
                         bench->isa[11]);
        }
    }
}

static void test_reset_control(void **state)
{
    struct bench *bench = *state;
    out8(bench, 0xcf9, 0x02);
    assert_int_equal(bench->resets, 0);
    assert_int_equal(in8(bench, 0xcf9), 0x02);
    out8(bench, 0xcf9, 0x06);
    assert_int_equal(bench->resets, 1);
    out8(bench, 0xcf9, 0x06); /* no rising edge */
    assert_int_equal(bench->resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mechanism_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bar_sizing_and_mapping, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bar_never_hides_ram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_write_one_clears, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_routing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interrupt_swizzle, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_control, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
