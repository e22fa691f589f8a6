/* The checks of segmentation that the fast path leaves out (SDM vol. 3, section 5.3 and
 * 5.5), and operands wider than 8 bytes. */
#include "cpu/mmu/access.h"

#include <string.h>

static _Noreturn void segment_fault(struct cpu *cpu, unsigned segment)
{
    cpu_raise_error(cpu, segment == SEGMENT_SS ? EXCEPTION_SS : EXCEPTION_GP, 0);
}

gla_t segment_check_slow(struct cpu *cpu, unsigned segment, uint32_t offset,
                         unsigned bytes, bool write)
{
    const struct segment *s = &cpu->segments[segment];
    if (cpu_protected(cpu)) {
        /* Loading a null selector clears the access rights. */
        bool usable = s->access & SEGMENT_PRESENT;
        bool code = s->access & SEGMENT_CODE;
        bool allowed = write ? !code && (s->access & SEGMENT_WRITABLE)
                             : !code || (s->access & SEGMENT_READABLE);
        if (!usable || !allowed) {
            segment_fault(cpu, segment);
        }
    }
    if (!segment_holds(s, offset, bytes)) {
        segment_fault(cpu, segment);
    }
    return s->base + offset;
}

void segment_read_bytes(struct cpu *cpu, unsigned segment, uint32_t offset, void *bytes,
                        unsigned count)
{
    gla_t address = segment_linear_read(cpu, segment, offset, count);
    enum mmu_rights rights = mmu_current_rights(cpu);
    uint8_t *to = bytes;
    unsigned done = 0;
    mmu_probe_read(cpu, address, count, rights);
    for (; done + 8 <= count; done += 8) {
        uint64_t part = mmu_read64(
            cpu, address + done, rights == MMU_SUPERVISOR ? MMU_SUPERVISOR : MMU_USER);
        memcpy(to + done, &part, sizeof(part));
    }
    for (; done < count; done++) {
        to[done] = mmu_read8(cpu, address + done, rights);
    }
}

void segment_write_bytes(struct cpu *cpu, unsigned segment, uint32_t offset,
                         const void *bytes, unsigned count)
{
    gla_t address = segment_linear_write(cpu, segment, offset, count);
    enum mmu_rights rights = mmu_current_rights(cpu);
    const uint8_t *from = bytes;
    unsigned done = 0;
    mmu_probe_write(cpu, address, count, rights);
    for (; done + 8 <= count; done += 8) {
        uint64_t part;
        memcpy(&part, from + done, sizeof(part));
        mmu_write64(cpu, address + done, part,
                    rights == MMU_SUPERVISOR ? MMU_SUPERVISOR : MMU_USER);
    }
    for (; done < count; done++) {
        mmu_write8(cpu, address + done, from[done], rights);
    }
}

void segment_probe_write(struct cpu *cpu, unsigned segment, uint32_t offset,
                         unsigned count)
{
    gla_t address = segment_linear_write(cpu, segment, offset, count);
    mmu_probe_write(cpu, address, count, mmu_current_rights(cpu));
}
