#include "cpu/interpreter/descriptor.h"

#include "cpu/mmu/access.h"

enum { DESCRIPTOR_BYTES = 8, ACCESS_BYTE = 5 };

uint32_t descriptor_limit(const struct descriptor *descriptor)
{
    uint32_t limit = (descriptor->low & 0xffff) | (descriptor->high & 0xf0000);
    if (descriptor_access(descriptor) & SEGMENT_GRANULAR) {
        limit = limit << PAGE_SHIFT | PAGE_OFFSET_MASK;
    }
    return limit;
}

static bool read_from_table(struct cpu *cpu, uint32_t base, uint32_t limit,
                            uint16_t selector, struct descriptor *descriptor)
{
    uint32_t offset = selector & ~7U;
    if (offset + DESCRIPTOR_BYTES - 1 > limit) {
        return false;
    }
    descriptor->address = base + offset;
    uint64_t both = supervisor_read64(cpu, descriptor->address);
    descriptor->low = (uint32_t)both;
    descriptor->high = (uint32_t)(both >> 32);
    return true;
}

bool descriptor_find_global(struct cpu *cpu, uint16_t selector,
                            struct descriptor *descriptor)
{
    return !(selector & SELECTOR_LOCAL) &&
           read_from_table(cpu, cpu->gdtr.base, cpu->gdtr.limit, selector, descriptor);
}

bool descriptor_find(struct cpu *cpu, uint16_t selector, struct descriptor *descriptor)
{
    if (!(selector & SELECTOR_LOCAL)) {
        return descriptor_find_global(cpu, selector, descriptor);
    }
    return (cpu->ldtr.access & SEGMENT_PRESENT) &&
           read_from_table(cpu, cpu->ldtr.base, cpu->ldtr.limit, selector, descriptor);
}

_Noreturn void descriptor_fault(struct cpu *cpu, enum exception_vector vector,
                                uint16_t selector)
{
    cpu_raise_error(cpu, vector, selector & SELECTOR_ERROR_MASK);
}

struct descriptor descriptor_require(struct cpu *cpu, uint16_t selector,
                                     enum exception_vector vector)
{
    struct descriptor descriptor;
    if (selector_is_null(selector) || !descriptor_find(cpu, selector, &descriptor)) {
        descriptor_fault(cpu, vector, selector);
    }
    return descriptor;
}

static void write_access_byte(struct cpu *cpu, const struct descriptor *descriptor)
{
    supervisor_write8(cpu, descriptor->address + ACCESS_BYTE,
                      (uint8_t)descriptor_access(descriptor));
}

void descriptor_set_accessed(struct cpu *cpu, struct descriptor *descriptor)
{
    if (!(descriptor->high & SEGMENT_ACCESSED << 8)) {
        descriptor->high |= SEGMENT_ACCESSED << 8;
        write_access_byte(cpu, descriptor);
    }
}

void descriptor_set_busy(struct cpu *cpu, struct descriptor *descriptor, bool busy)
{
    uint32_t bit = DESCRIPTOR_TSS_BUSY_BIT << 8;
    descriptor->high = busy ? descriptor->high | bit : descriptor->high & ~bit;
    write_access_byte(cpu, descriptor);
}

struct segment descriptor_segment(const struct descriptor *descriptor,
                                  uint16_t selector)
{
    struct segment segment = {
        .selector = selector,
        .access = descriptor_access(descriptor),
        .base = descriptor_base(descriptor),
        .limit = descriptor_limit(descriptor),
    };
    segment_update(&segment);
    return segment;
}

struct segment segment_null(uint16_t selector)
{
    struct segment segment = {.selector = selector};
    segment_update(&segment);
    return segment;
}
