#include "machine/inspect.h"

#include "cpu/mmu/inspect.h"
#include "machine/machine_internal.h"

#include <string.h>

const struct cpu *machine_cpu(const struct machine *machine)
{
    return &machine->cpu;
}

const struct ram *machine_ram(const struct machine *machine)
{
    return &machine->ram;
}

const struct device *machine_device(const struct machine *machine, unsigned index)
{
    return index < machine->device_count ? machine->devices[index] : NULL;
}

uint64_t machine_now_ns(struct machine *machine)
{
    lock_take(&machine->lock);
    uint64_t now_ns = clock_now_ns(&machine->clock);
    lock_release(&machine->lock);
    return now_ns;
}

size_t machine_code(struct machine *machine, uint8_t *bytes, size_t most)
{
    struct cpu *cpu = &machine->cpu;
    return mmu_inspect(cpu, cpu->segments[SEGMENT_CS].base + cpu->eip, bytes, most);
}

bool machine_interrupt_is_next(const struct machine *machine)
{
    const struct cpu *cpu = &machine->cpu;
    uint32_t request = atomic_load(&cpu->request);
    bool nmi = (request & CPU_REQUEST_NMI) && !cpu->nmi_blocked &&
               !(cpu->shadow & CPU_SHADOW_MOV_SS);
    return nmi || ((request & CPU_REQUEST_INTERRUPT) && !cpu->shadow &&
                   (cpu->system_flags & EFLAGS_IF));
}

bool machine_translate(struct machine *machine, gla_t address, gpa_t *physical,
                       uint64_t *entry, bool *large)
{
    return mmu_translate(&machine->cpu, address, physical, entry, large);
}

/* How far from `address` on one region of plain memory reaches, `bytes` at most, and
 * where it is in guest-physical space; 0: there is none. */
static size_t plain_memory(struct machine *machine, bool linear, gpa_t address,
                           size_t bytes, const struct memory_region **region,
                           gpa_t *physical)
{
    gpa_t last;
    size_t in_page = PAGE_BYTES - (address & PAGE_OFFSET_MASK);
    *physical = address;
    if (linear && !machine_translate(machine, (gla_t)address, physical, NULL, NULL)) {
        return 0;
    }
    *region = memory_find_unwatched(&machine->memory, *physical, &last);
    if (!*region || !(*region)->read) {
        return 0;
    }
    bytes = bytes < in_page ? bytes : in_page;
    return last - *physical < bytes ? last - *physical + 1 : bytes;
}

/* As a bus master would, but for addresses where nothing is. */
static size_t peek_physical(struct machine *machine, gpa_t address, uint8_t *data,
                            size_t bytes)
{
    size_t done = 0;
    gpa_t last;
    while (done < bytes && memory_find(&machine->memory, address + done, &last)) {
        uint64_t there = last - (address + done);
        size_t piece = there < bytes - done ? there + 1 : bytes - done;
        memory_read(&machine->memory, address + done, data + done, piece);
        done += piece;
    }
    return done;
}

size_t machine_peek(struct machine *machine, bool linear, gpa_t address, void *data,
                    size_t bytes)
{
    const struct memory_region *region;
    gpa_t physical;
    size_t done = 0, piece;
    if (!linear) {
        return peek_physical(machine, address, data, bytes);
    }
    while (done < bytes && (piece = plain_memory(machine, true, address + done,
                                                 bytes - done, &region, &physical))) {
        memcpy((uint8_t *)data + done, region->read + (physical - region->start),
               piece);
        done += piece;
    }
    return done;
}

size_t machine_poke(struct machine *machine, bool linear, gpa_t address,
                    const void *data, size_t bytes)
{
    const struct memory_region *region;
    gpa_t physical;
    size_t done = 0, piece;
    while (done < bytes &&
           (piece = plain_memory(machine, linear, address + done, bytes - done, &region,
                                 &physical)) &&
           region->write) {
        memory_write(&machine->memory, physical, (const uint8_t *)data + done, piece);
        done += piece;
    }
    return done;
}

size_t machine_screen_text(struct machine *machine, char *utf8, size_t bytes)
{
    return vga_text_screen(machine->vga, utf8, bytes);
}

struct cpu *machine_cpu_to_change(struct machine *machine)
{
    return &machine->cpu;
}

const struct memory_map *machine_memory(const struct machine *machine)
{
    return &machine->memory;
}

struct port_space *machine_ports(struct machine *machine)
{
    return &machine->ports;
}

const struct pci_bus *machine_pci(const struct machine *machine)
{
    return machine->pci;
}

const struct machine_config *machine_configuration(const struct machine *machine)
{
    return &machine->config;
}
