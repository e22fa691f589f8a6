#include "devices/i440fx.h"

#include <assert.h>

enum {
    CONFIG_ADDRESS_PORT = 0xcf8,
    CONFIG_DATA_PORT = 0xcfc,
    CONFIG_ENABLE_SHIFT = 31,
    CONFIG_ADDRESS_VALID = 0x00fffffc, /* bus, slot, function, register */

    PMC_CONFIGURATION = 0x50,
    DRAM_CONTROL = 0x57,
    DRAM_TIMING = 0x58,
    PAM0 = 0x59,
    PAM6 = 0x5f,
    DRAM_ROW_BOUNDARY = 0x60,
    DRAM_ROWS = 8,
    FIXED_HOLE = 0x68,
    MULTI_TRANSACTION_TIMER = 0x70,
    CPU_LATENCY_TIMER = 0x71,
    SMRAM = 0x72,
    SMRAM_LOCK = 0x10, /* D_LCK */
    SMRAM_OPEN = 0x40, /* D_OPEN */
    SMRAM_WRITABLE = 0x78,
    SMRAM_BASE = 0x02, /* C_BASE_SEG: 0xa0000, hardwired */
    ERROR_COMMAND = 0x90,

    LEGACY_START = 0xa0000,
    LEGACY_BYTES = 0x20000,
    UPPER_START = 0x100000,
    PAM_START = 0xc0000,
    PAM_SECTION_BYTES = 0x4000,
    PAM_SMALL_SECTIONS = 12,               /* 0xc0000-0xeffff in pieces of 16 KiB */
    PAM_SECTIONS = PAM_SMALL_SECTIONS + 1, /* and 0xf0000-0xfffff as a whole */
    PAM_BIOS_BYTES = 0x10000,
    PAM_READ = 1,  /* reads go to RAM, else to PCI */
    PAM_WRITE = 2, /* writes likewise */
};

/* A piece of 0xc0000-0xfffff with attributes of its own. */
struct pam_section {
    const struct memory_map *memory;
    gpa_t start;
    unsigned handle;
    uint8_t state; /* PAM_READ | PAM_WRITE as the map shows it now */
};

struct i440fx {
    struct device device;
    struct memory_map *memory;
    struct ram *ram;
    struct pci_bus bus;
    struct pam_section sections[PAM_SECTIONS];
    unsigned smram_handle;
    bool smram_shown;
    /* saved */
    struct pci_function function;
    uint32_t config_address;
};

static const struct state_field i440fx_fields[] = {
    STATE_FIELD(struct i440fx, function.config, 1),
    STATE_FIELD(struct i440fx, config_address, 1),
    STATE_END,
};

/* -- configuration mechanism 1: PCI 2.1 section 3.7.4.1 -- */

static uint32_t address_read(void *opaque, uint16_t offset, unsigned width)
{
    const struct i440fx *bridge = opaque;
    return bridge->config_address;
}

static void address_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i440fx *bridge = opaque;
    bridge->config_address = value & (1U << CONFIG_ENABLE_SHIFT | CONFIG_ADDRESS_VALID);
}

/* Only whole double words reach the address register; 0xcf9 is the PIIX3's. */
static const struct port_ops address_ops = {
    .read = address_read,
    .write = address_write,
    .widths = 4,
};

/* Whether the address register names a register of bus 0. */
static bool data_selected(const struct i440fx *bridge)
{
    return bridge->config_address >> CONFIG_ENABLE_SHIFT &&
           (bridge->config_address >> 16 & 0xff) == 0;
}

static uint32_t data_read(void *opaque, uint16_t offset, unsigned width)
{
    struct i440fx *bridge = opaque;
    if (!data_selected(bridge)) {
        return UINT32_MAX;
    }
    uint32_t address = bridge->config_address;
    return pci_config_read(&bridge->bus, (uint8_t)(address >> 8),
                           (address & 0xfc) + offset, width);
}

static void data_write(void *opaque, uint16_t offset, uint32_t value, unsigned width)
{
    struct i440fx *bridge = opaque;
    if (data_selected(bridge)) {
        uint32_t address = bridge->config_address;
        pci_config_write(&bridge->bus, (uint8_t)(address >> 8),
                         (address & 0xfc) + offset, value, width);
    }
}

static const struct port_ops data_ops = {
    .read = data_read,
    .write = data_write,
    .widths = 1 | 2 | 4,
};

/* -- programmable attribute map: data sheet section 3.2.18 -- */

static gpa_t section_start(unsigned section)
{
    return PAM_START + (gpa_t)section * PAM_SECTION_BYTES;
}

static uint64_t section_bytes(unsigned section)
{
    return section < PAM_SMALL_SECTIONS ? PAM_SECTION_BYTES : PAM_BIOS_BYTES;
}

/* PAM0 has 0xf0000 in its high half; PAM1-PAM6 have two sections each, low half first.
 */
static uint8_t section_state(const struct i440fx *bridge, unsigned section)
{
    unsigned nibble = section < PAM_SMALL_SECTIONS ? section + 2 : 1;
    uint8_t pair = bridge->function.config[PAM0 + nibble / 2];
    return pair >> (nibble % 2 * 4) & (PAM_READ | PAM_WRITE);
}

/* What PCI shows at `address` underneath the shadow: a ROM, or nobody (NULL). */
static const struct memory_region *find_below_shadow(const struct memory_map *map,
                                                     gpa_t address)
{
    return memory_find_below(map, address, MEMORY_PRIORITY_SHADOW);
}

/* Reads of a write-only section that no single ROM covers. */
static uint32_t below_read(void *opaque, uint64_t offset, unsigned width)
{
    const struct pam_section *section = opaque;
    gpa_t address = section->start + offset;
    const struct memory_region *region = find_below_shadow(section->memory, address);
    return region ? memory_region_read(region, address, width) : 0xff;
}

static const struct memory_ops below_ops = {.read = below_read, .widths = 1};

static void show_section(struct i440fx *bridge, unsigned section, uint8_t state)
{
    gpa_t start = section_start(section);
    uint8_t *host = bridge->ram->host + start;
    struct memory_region region = {
        .name = "shadow RAM",
        .start = start,
        .bytes = state ? section_bytes(section) : 0,
        .priority = MEMORY_PRIORITY_SHADOW,
        .read = state & PAM_READ ? host : NULL,
        .write = state & PAM_WRITE ? host : NULL,
    };
    if (state == PAM_WRITE) {
        const struct memory_region *rom = find_below_shadow(bridge->memory, start);
        bool whole = rom && rom->read &&
                     rom->start + rom->bytes >= start + section_bytes(section);
        region.read = whole ? rom->read + (start - rom->start) : NULL;
        region.ops = &below_ops;
        region.opaque = &bridge->sections[section];
    }
    memory_change(bridge->memory, bridge->sections[section].handle, &region);
    bridge->sections[section].state = state;
}

static void show_smram(struct i440fx *bridge, bool shown)
{
    uint8_t *host = bridge->ram->host + LEGACY_START;
    struct memory_region region = {
        .name = "SMRAM",
        .start = LEGACY_START,
        .bytes = shown ? LEGACY_BYTES : 0,
        .priority = MEMORY_PRIORITY_VGA + 1,
        .read = host,
        .write = host,
    };
    memory_change(bridge->memory, bridge->smram_handle, &region);
    bridge->smram_shown = shown;
}

/* Makes the memory map show what the registers say; touches only what differs. */
static void update_map(struct i440fx *bridge)
{
    for (unsigned i = 0; i < PAM_SECTIONS; i++) {
        uint8_t state = section_state(bridge, i);
        if (state != bridge->sections[i].state) {
            show_section(bridge, i, state);
        }
    }
    bool open = bridge->function.config[SMRAM] & SMRAM_OPEN;
    if (open != bridge->smram_shown) {
        show_smram(bridge, open);
    }
}

/* -- the function -- */

/* Once D_LCK is set, D_OPEN is zero and both stay so until reset (section 3.2.22). */
static void update_smram_lock(struct i440fx *bridge)
{
    uint8_t *config = bridge->function.config;
    bool locked = config[SMRAM] & SMRAM_LOCK;
    if (locked) {
        config[SMRAM] &= (uint8_t)~SMRAM_OPEN;
    }
    bridge->function.writable[SMRAM] =
        (uint8_t)(SMRAM_WRITABLE & ~(locked ? SMRAM_LOCK | SMRAM_OPEN : 0));
}

static void i440fx_config_written(void *opaque, unsigned offset, unsigned width)
{
    struct i440fx *bridge = opaque;
    update_smram_lock(bridge);
    update_map(bridge);
}

static void i440fx_reset(void *device)
{
    struct i440fx *bridge = device;
    uint8_t *config = bridge->function.config;
    pci_function_reset(&bridge->function);
    pci_put16(&bridge->function, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    pci_put16(&bridge->function, PCI_STATUS, 0x0280);
    for (unsigned i = PMC_CONFIGURATION; i <= ERROR_COMMAND; i++) {
        config[i] = 0;
    }
    config[0x53] = 0x80; /* DBC: 64-bit data bus */
    config[DRAM_CONTROL] = 0x01;
    config[DRAM_TIMING] = 0x10;
    for (unsigned i = 0; i < DRAM_ROWS; i++) {
        config[DRAM_ROW_BOUNDARY + i] = 0x01;
    }
    config[MULTI_TRANSACTION_TIMER] = 0x20;
    config[CPU_LATENCY_TIMER] = 0x10;
    config[SMRAM] = SMRAM_BASE;
    bridge->config_address = 0;
    update_smram_lock(bridge);
    update_map(bridge);
}

static bool i440fx_loaded(void *device, struct error *error)
{
    struct i440fx *bridge = device;
    pci_function_loaded(&bridge->function);
    update_smram_lock(bridge);
    update_map(bridge);
    return true;
}

static const struct device_class i440fx_class = {
    .name = "i440fx",
    .version = 1,
    .size = sizeof(struct i440fx),
    .fields = i440fx_fields,
    .reset = i440fx_reset,
    .loaded = i440fx_loaded,
};

static void make_writable(struct pci_function *function, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        function->writable[i] = 0xff;
    }
}

static void add_memory(struct i440fx *bridge)
{
    uint8_t *host = bridge->ram->host;
    struct memory_region region = {
        .name = "RAM",
        .start = 0,
        .bytes = LEGACY_START,
        .priority = MEMORY_PRIORITY_RAM,
        .read = host,
        .write = host,
    };
    memory_add(bridge->memory, &region);
    region.start = UPPER_START;
    region.bytes = bridge->ram->bytes - UPPER_START;
    region.read = region.write = host + UPPER_START;
    memory_add(bridge->memory, &region);
    struct memory_region hidden = {.name = "shadow RAM"};
    for (unsigned i = 0; i < PAM_SECTIONS; i++) {
        bridge->sections[i].handle = memory_add(bridge->memory, &hidden);
        bridge->sections[i].memory = bridge->memory;
        bridge->sections[i].start = section_start(i);
    }
    hidden.name = "SMRAM";
    bridge->smram_handle = memory_add(bridge->memory, &hidden);
}

struct i440fx *i440fx_create(struct log *log, struct port_space *ports,
                             struct memory_map *memory, struct ram *ram)
{
    assert(ram->bytes >= UPPER_START && ram->bytes <= I440FX_MAXIMUM_RAM_BYTES);
    struct i440fx *bridge = device_allocate(&i440fx_class, log);
    bridge->memory = memory;
    bridge->ram = ram;
    pci_bus_init(&bridge->bus, memory, ports);
    struct pci_function *function = &bridge->function;
    pci_function_init(function, "i440fx", 0x8086, 0x1237, 0x02, 0x060000, bridge);
    function->config_written = i440fx_config_written;
    /* Memory access enable is all that can be changed: section 3.2.3. */
    function->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | 0x40;
    make_writable(function, PMC_CONFIGURATION, FIXED_HOLE);
    make_writable(function, MULTI_TRANSACTION_TIMER, CPU_LATENCY_TIMER);
    function->writable[ERROR_COMMAND] = 0xff;
    pci_bus_add(&bridge->bus, function, 0, 0);
    add_memory(bridge);
    port_map(ports, "i440fx address", CONFIG_ADDRESS_PORT, 4, &address_ops, bridge);
    port_map(ports, "i440fx data", CONFIG_DATA_PORT, 4, &data_ops, bridge);
    i440fx_reset(bridge);
    return bridge;
}

struct pci_bus *i440fx_bus(struct i440fx *bridge)
{
    return &bridge->bus;
}
