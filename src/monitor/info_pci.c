#include "monitor/info.h"

#include <inttypes.h>

enum { ROM_BAR = 6 };

static const char *class_name(uint16_t class_code)
{
    static const struct {
        uint16_t code;
        const char *name;
    } names[] = {
        {0x0100, "SCSI controller"},
        {0x0101, "IDE controller"},
        {0x0106, "SATA controller"},
        {0x0200, "Ethernet controller"},
        {0x0300, "VGA controller"},
        {0x0400, "Video controller"},
        {0x0401, "Audio controller"},
        {0x0500, "RAM controller"},
        {0x0600, "Host bridge"},
        {0x0601, "ISA bridge"},
        {0x0604, "PCI bridge"},
        {0x0680, "Bridge"},
        {0x0880, "System peripheral"},
        {0x0c03, "USB controller"},
        {0x0c05, "SMBus"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (names[i].code == class_code) {
            return names[i].name;
        }
    }
    return NULL;
}

static void print_bar(const struct pci_bar *bar, unsigned number, FILE *out)
{
    uint64_t first = bar->mapped ? bar->address : UINT64_MAX;
    uint64_t last = bar->mapped ? (uint64_t)bar->address + bar->bytes - 1
                                : (uint64_t)bar->bytes - 2;
    if (bar->kind == PCI_BAR_PORTS) {
        fprintf(out, "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", number,
                first, last);
    } else {
        fprintf(out,
                "      BAR%u: 32 bit %smemory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
                number, bar->prefetchable ? "prefetchable " : "", first, last);
    }
}

static void print_function(const struct pci_function *function, FILE *out)
{
    const uint8_t *config = function->config;
    uint16_t class_code = (uint16_t)(config[11] << 8 | config[10]);
    const char *name = class_name(class_code);
    fprintf(out, "  Bus  0, device %3d, function %d:\n    ",
            function->devfn / PCI_FUNCTIONS_PER_SLOT,
            function->devfn % PCI_FUNCTIONS_PER_SLOT);
    if (name) {
        fputs(name, out);
    } else {
        fprintf(out, "Class %04d", class_code);
    }
    fprintf(out, ": PCI device %04x:%04x\n", pci_get16(function, 0),
            pci_get16(function, 2));
    if (pci_get16(function, 0x2c)) {
        fprintf(out, "      PCI subsystem %04x:%04x\n", pci_get16(function, 0x2c),
                pci_get16(function, 0x2e));
    }
    if (config[0x3d]) {
        fprintf(out, "      IRQ %d, pin %c\n", config[0x3c], 'A' + config[0x3d] - 1);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(function->bars); i++) {
        if (function->bars[i].kind != PCI_BAR_NONE) {
            print_bar(&function->bars[i], i < ROM_BAR ? i : ROM_BAR, out);
        }
    }
    fputs("      id \"\"\n", out);
}

void info_pci(struct machine *machine, FILE *out)
{
    const struct pci_bus *bus = machine_pci(machine);
    for (size_t i = 0; i < ARRAY_LENGTH(bus->functions); i++) {
        if (bus->functions[i]) {
            print_function(bus->functions[i], out);
        }
    }
}
