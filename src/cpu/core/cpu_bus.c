/* The CPU's ways out: ports, device registers, time. */
#include "cpu/core/cpu.h"

#include "cpu/core/fpu.h"

/* Whoever leaves the CPU may use vector registers: the guest's are put aside first. */
static void leave_cpu(struct cpu *cpu)
{
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
}

static void come_back(struct cpu *cpu)
{
    clock_catch_up(cpu->wiring.clock);
    lock_release(cpu->wiring.lock);
}

uint32_t cpu_port_read(struct cpu *cpu, uint16_t port, unsigned width)
{
    leave_cpu(cpu);
    cpu->statistics->port_accesses++;
    uint32_t value = port_read(cpu->wiring.ports, port, width);
    come_back(cpu);
    return value;
}

void cpu_port_write(struct cpu *cpu, uint16_t port, uint32_t value, unsigned width)
{
    leave_cpu(cpu);
    cpu->statistics->port_accesses++;
    port_write(cpu->wiring.ports, port, value, width);
    come_back(cpu);
}

/* Whether an access of `width` at `address` is in one region, cpu->device.region (NULL:
 * there is nothing). The last one is remembered, from the lowest address that was asked
 * for: the map is long. */
static bool is_in_one_region(struct cpu *cpu, gpa_t address, unsigned width)
{
    const struct memory_map *map = cpu->wiring.memory;
    if (cpu->device.generation != map->generation || address < cpu->device.first ||
        address > cpu->device.last) {
        cpu->device.region = memory_find(map, address, &cpu->device.last);
        cpu->device.first = address;
        cpu->device.generation = map->generation;
    }
    return cpu->device.last - address >= width - 1;
}

uint32_t cpu_physical_read(struct cpu *cpu, gpa_t address, unsigned width)
{
    uint32_t value = 0;
    leave_cpu(cpu);
    cpu->statistics->mmio_accesses++;
    if (!is_in_one_region(cpu, address, width)) {
        memory_read(cpu->wiring.memory, address, &value, width);
    } else if (cpu->device.region) {
        value = memory_region_read(cpu->device.region, address, width);
    } else {
        value = UINT32_MAX >> (32 - 8 * width);
    }
    come_back(cpu);
    return value;
}

void cpu_physical_write(struct cpu *cpu, gpa_t address, uint32_t value, unsigned width)
{
    leave_cpu(cpu);
    cpu->statistics->mmio_accesses++;
    bool whole = is_in_one_region(cpu, address, width);
    const struct memory_region *region = cpu->device.region;
    if (whole && region && !region->read && !region->write) {
        memory_region_write(region, address, value, width);
    } else if (!whole || region) {
        memory_write(cpu->wiring.memory, address, &value, width);
    }
    come_back(cpu);
}

void cpu_place_apic(struct cpu *cpu)
{
    leave_cpu(cpu);
    cpu->wiring.set_apic_base(cpu->wiring.opaque, cpu->apic_base);
    come_back(cpu);
}

uint64_t cpu_tsc(struct cpu *cpu)
{
    if (FPU_PARK_ALWAYS || !clock_keeps_vectors(cpu->wiring.tsc_clock)) {
        fpu_park(cpu);
    }
    return clock_now_ns(cpu->wiring.tsc_clock) + cpu->tsc_offset;
}
