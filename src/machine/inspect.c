#include "machine/inspect.h"

#include "cpu/mmu/inspect.h"
#include "machine/machine_internal.h"

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
