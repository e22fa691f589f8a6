#include "firmware/acpi.h"
#include "firmware/dsdt.h"

#include "devices/hpet.h"
#include "devices/io_apic.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE "etc/acpi/rsdp"
#define LOADER_FILE "etc/table-loader"

enum {
    TABLES_ALIGNMENT = 64, /* of the FACS, which comes first */
    RSDP_ALIGNMENT = 16,
    CMOS_CENTURY = 0x32,
    LATENCY_UNSUPPORTED = 0xfff, /* of C2 and C3, µs */
};

/* FADT flags, section 5.2.5. */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_C1 = 1 << 2,
    FADT_NO_SLEEP_BUTTON = 1 << 5, /* as fixed hardware */
};

/* MADT, section 5.2.8. */
enum {
    LOCAL_APIC_ADDRESS = 0xfee00000,
    MADT_PC_COMPATIBLE = 1, /* there are 8259s, too */
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_OVERRIDE = 2,
    MADT_NMI_PIN = 4,
    MADT_ENABLED = 1,
    MADT_ALL_PROCESSORS = 0xff,
    MADT_AS_THE_BUS = 0, /* polarity and trigger mode */
    MADT_HIGH_LEVEL = 0xd,
    LINT1 = 1,
    TIMER_IRQ = 0,
    TIMER_INPUT = 2,
};

enum { HPET_MINIMUM_TICK = 100, GAS_MEMORY = 0, GAS_BITS = 64 };

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
};

struct fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t interrupt_model, reserved1;
    uint16_t sci_interrupt;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios_request, reserved2;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control;
    uint32_t pm_timer, gpe0, gpe1;
    uint8_t pm1_event_bytes, pm1_control_bytes, pm2_control_bytes, pm_timer_bytes;
    uint8_t gpe0_bytes, gpe1_bytes, gpe1_base, reserved3;
    uint16_t c2_latency_us, c3_latency_us, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century, reserved4[3];
    uint32_t flags;
};

struct facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint8_t reserved[40];
};

enum { RSDT_MOST_TABLES = 3 };

struct rsdt {
    struct acpi_header header;
    uint32_t tables[RSDT_MOST_TABLES];
};

struct madt_override {
    uint8_t type, length, bus, irq;
    uint32_t input;
    uint16_t flags;
} __attribute__((packed));

struct madt {
    struct acpi_header header;
    uint32_t local_apic_address, flags;
    struct {
        uint8_t type, length, processor, id;
        uint32_t flags;
    } local_apic;
    struct {
        uint8_t type, length, id, reserved;
        uint32_t address, first_input;
    } io_apic;
    struct madt_override overrides[5];
    struct {
        uint8_t type, length, processor;
        uint16_t flags;
        uint8_t pin;
    } __attribute__((packed)) nmi;
} __attribute__((packed, aligned(4)));

struct hpet_table {
    struct acpi_header header;
    uint32_t id;
    struct {
        uint8_t space, bits, offset, reserved;
        uint64_t address;
    } __attribute__((packed)) registers;
    uint8_t number;
    uint16_t minimum_tick;
    uint8_t page_protection;
} __attribute__((packed, aligned(4)));

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
};

_Static_assert(sizeof(struct acpi_header) == 36, "section 5.2.3");
_Static_assert(sizeof(struct fadt) == 116, "section 5.2.5");
_Static_assert(sizeof(struct facs) == 64, "section 5.2.6");
_Static_assert(sizeof(struct rsdp) == 20, "section 5.2.1");
_Static_assert(sizeof(struct madt) == 36 + 8 + 8 + 12 + 5 * 10 + 6, "section 5.2.8");
_Static_assert(sizeof(struct hpet_table) == 56, "HPET specification, 3.2.4");

enum loader_kind { LOADER_ALLOCATE = 1, LOADER_POINTER = 2, LOADER_CHECKSUM = 3 };
enum loader_zone { LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2 };

/* One command of the table loader, 128 bytes, little endian. */
struct loader_command {
    uint32_t kind;
    char file[FW_CFG_FILE_NAME_BYTES];
    union {
        struct {
            uint32_t alignment;
            uint8_t zone;
        } allocate;
        struct { /* adds the address of `target` to the field at `offset` */
            char target[FW_CFG_FILE_NAME_BYTES];
            uint32_t offset;
            uint8_t bytes;
        } pointer;
        struct { /* of `length` bytes from `start` on, into the byte at `offset` */
            uint32_t offset, start, length;
        } checksum;
        uint8_t padding[128 - 4 - FW_CFG_FILE_NAME_BYTES];
    };
};
_Static_assert(sizeof(struct loader_command) == 128, "loader command");

/* The files under construction. */
struct tables {
    struct aml body; /* all tables one after the other */
    struct loader_command commands[24];
    unsigned command_count;
};

static struct loader_command *add_command(struct tables *tables, enum loader_kind kind,
                                          const char *file)
{
    assert(tables->command_count < ARRAY_LENGTH(tables->commands));
    struct loader_command *command = &tables->commands[tables->command_count++];
    command->kind = kind;
    strcpy(command->file, file);
    return command;
}

static void add_allocation(struct tables *tables, const char *file, uint32_t alignment,
                           enum loader_zone zone)
{
    struct loader_command *command = add_command(tables, LOADER_ALLOCATE, file);
    command->allocate.alignment = alignment;
    command->allocate.zone = (uint8_t)zone;
}

static void add_pointer(struct tables *tables, const char *file, size_t offset)
{
    struct loader_command *command = add_command(tables, LOADER_POINTER, file);
    strcpy(command->pointer.target, TABLES_FILE);
    command->pointer.offset = (uint32_t)offset;
    command->pointer.bytes = sizeof(uint32_t);
}

static void add_checksum(struct tables *tables, const char *file, size_t offset,
                         size_t start, size_t length)
{
    struct loader_command *command = add_command(tables, LOADER_CHECKSUM, file);
    command->checksum.offset = (uint32_t)offset;
    command->checksum.start = (uint32_t)start;
    command->checksum.length = (uint32_t)length;
}

static void fill_header(struct acpi_header *header, const char *signature,
                        size_t length)
{
    memcpy(header->signature, signature, sizeof(header->signature));
    header->length = (uint32_t)length;
    header->revision = 1;
    memcpy(header->oem_id, "FAUMCH", sizeof(header->oem_id));
    memcpy(header->oem_table_id, "FAUMPC  ", sizeof(header->oem_table_id));
    header->oem_revision = 1;
    memcpy(header->creator_id, "FAUM", sizeof(header->creator_id));
    header->creator_revision = 1;
}

/* Appends a table and returns its offset in the file. */
static size_t append_table(struct tables *tables, const void *table, size_t length)
{
    size_t offset = tables->body.length;
    uint8_t *grown = realloc(tables->body.bytes, offset + length);
    assert(grown);
    memcpy(grown + offset, table, length);
    tables->body.bytes = grown;
    tables->body.length = offset + length;
    return offset;
}

/* The loader fills in the checksum once all pointers of the table are set. */
static void checksum_table(struct tables *tables, size_t offset, size_t length)
{
    add_checksum(tables, TABLES_FILE, offset + offsetof(struct acpi_header, checksum),
                 offset, length);
}

static size_t append_dsdt(struct tables *tables, const struct dsdt_machine *machine)
{
    struct acpi_header header = {0};
    size_t offset = append_table(tables, &header, sizeof(header));
    dsdt_write(&tables->body, machine);
    size_t length = tables->body.length - offset;
    fill_header(&header, "DSDT", length);
    memcpy(tables->body.bytes + offset, &header, sizeof(header));
    checksum_table(tables, offset, length);
    while (tables->body.length % sizeof(uint32_t)) {
        append_table(tables, "", 1);
    }
    return offset;
}

static size_t append_fadt(struct tables *tables, size_t facs, size_t dsdt, bool apic)
{
    struct fadt fadt = {
        .facs = (uint32_t)facs,
        .dsdt = (uint32_t)dsdt,
        .interrupt_model = apic,
        .sci_interrupt = ACPI_SCI_IRQ,
        .smi_command = ACPI_SMI_COMMAND_PORT,
        .acpi_enable = ACPI_SMI_ENABLE,
        .acpi_disable = ACPI_SMI_DISABLE,
        .pm1a_event = ACPI_PM_BASE,
        .pm1a_control = ACPI_PM_BASE + 4,
        .pm_timer = ACPI_PM_BASE + 8,
        .gpe0 = ACPI_GPE0_BASE,
        .pm1_event_bytes = 4,
        .pm1_control_bytes = 2,
        .pm_timer_bytes = 4,
        .gpe0_bytes = ACPI_GPE0_BYTES,
        .c2_latency_us = LATENCY_UNSUPPORTED,
        .c3_latency_us = LATENCY_UNSUPPORTED,
        .century = CMOS_CENTURY,
        .flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BUTTON,
    };
    fill_header(&fadt.header, "FACP", sizeof(fadt));
    size_t offset = append_table(tables, &fadt, sizeof(fadt));
    add_pointer(tables, TABLES_FILE, offset + offsetof(struct fadt, facs));
    add_pointer(tables, TABLES_FILE, offset + offsetof(struct fadt, dsdt));
    checksum_table(tables, offset, sizeof(fadt));
    return offset;
}

/* The timer is input 2. PCI's interrupts and the SCI are levels. */
static size_t append_madt(struct tables *tables)
{
    static const uint8_t levels[] = {5, ACPI_SCI_IRQ, 10, 11};
    struct madt madt = {
        .local_apic_address = LOCAL_APIC_ADDRESS,
        .flags = MADT_PC_COMPATIBLE,
        .local_apic = {MADT_LOCAL_APIC, sizeof(madt.local_apic), .flags = MADT_ENABLED},
        .io_apic = {MADT_IO_APIC, sizeof(madt.io_apic), .address = IO_APIC_ADDRESS},
        .overrides = {{MADT_OVERRIDE, sizeof(struct madt_override), 0, TIMER_IRQ,
                       TIMER_INPUT, MADT_AS_THE_BUS}},
        .nmi = {MADT_NMI_PIN, sizeof(madt.nmi), MADT_ALL_PROCESSORS, MADT_AS_THE_BUS,
                LINT1},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(levels); i++) {
        madt.overrides[i + 1] = (struct madt_override){
            MADT_OVERRIDE,  sizeof(struct madt_override), 0, levels[i], levels[i],
            MADT_HIGH_LEVEL};
    }
    fill_header(&madt.header, "APIC", sizeof(madt));
    size_t offset = append_table(tables, &madt, sizeof(madt));
    checksum_table(tables, offset, sizeof(madt));
    return offset;
}

static size_t append_hpet(struct tables *tables)
{
    struct hpet_table hpet = {
        .id = HPET_ID,
        .registers = {.space = GAS_MEMORY, .bits = GAS_BITS, .address = HPET_ADDRESS},
        .minimum_tick = HPET_MINIMUM_TICK,
    };
    fill_header(&hpet.header, "HPET", sizeof(hpet));
    size_t offset = append_table(tables, &hpet, sizeof(hpet));
    checksum_table(tables, offset, sizeof(hpet));
    return offset;
}

static size_t append_rsdt(struct tables *tables, const size_t *offsets, unsigned count)
{
    struct rsdt rsdt = {.tables = {0}};
    size_t length = sizeof(rsdt.header) + count * sizeof(rsdt.tables[0]);
    for (unsigned i = 0; i < count; i++) {
        rsdt.tables[i] = (uint32_t)offsets[i];
    }
    fill_header(&rsdt.header, "RSDT", length);
    size_t offset = append_table(tables, &rsdt, length);
    for (unsigned i = 0; i < count; i++) {
        add_pointer(tables, TABLES_FILE, offset + offsetof(struct rsdt, tables[i]));
    }
    checksum_table(tables, offset, length);
    return offset;
}

static void add_rsdp(struct tables *tables, struct fw_cfg *fw_cfg, size_t rsdt)
{
    struct rsdp rsdp = {
        .signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
        .oem_id = {'F', 'A', 'U', 'M', 'C', 'H'},
        .rsdt = (uint32_t)rsdt,
    };
    add_pointer(tables, RSDP_FILE, offsetof(struct rsdp, rsdt));
    add_checksum(tables, RSDP_FILE, offsetof(struct rsdp, checksum), 0, sizeof(rsdp));
    fw_cfg_add_file(fw_cfg, RSDP_FILE, &rsdp, sizeof(rsdp));
}

/* SeaBIOS 1.16 lets PCI memory begin at the first of these that is above all RAM. */
static uint32_t pci_memory_first(uint64_t ram_bytes)
{
    if (ram_bytes <= 0x80000000) {
        return 0x80000000;
    }
    return ram_bytes <= 0xc0000000 ? 0xc0000000 : 0xe0000000;
}

void acpi_add_tables(struct fw_cfg *fw_cfg, const struct acpi_machine *machine)
{
    const struct dsdt_machine described = {
        .pci_memory_first = pci_memory_first(machine->ram_bytes),
        .hpet = machine->hpet,
    };
    size_t listed[RSDT_MOST_TABLES];
    unsigned count = 0;
    struct tables tables = {.command_count = 0};
    struct facs facs = {.signature = {'F', 'A', 'C', 'S'}, .length = sizeof(facs)};
    add_allocation(&tables, RSDP_FILE, RSDP_ALIGNMENT, LOADER_ZONE_FSEG);
    add_allocation(&tables, TABLES_FILE, TABLES_ALIGNMENT, LOADER_ZONE_HIGH);
    size_t facs_at = append_table(&tables, &facs, sizeof(facs));
    size_t dsdt_at = append_dsdt(&tables, &described);
    listed[count++] = append_fadt(&tables, facs_at, dsdt_at, machine->apic);
    if (machine->apic) {
        listed[count++] = append_madt(&tables);
    }
    if (machine->hpet) {
        listed[count++] = append_hpet(&tables);
    }
    size_t rsdt_at = append_rsdt(&tables, listed, count);
    add_rsdp(&tables, fw_cfg, rsdt_at);
    fw_cfg_add_file(fw_cfg, TABLES_FILE, tables.body.bytes, tables.body.length);
    fw_cfg_add_file(fw_cfg, LOADER_FILE, tables.commands,
                    tables.command_count * sizeof(tables.commands[0]));
    free(tables.body.bytes);
}
