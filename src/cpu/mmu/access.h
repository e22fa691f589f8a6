/* cpu/mmu/access.h: how instructions read and write guest memory.
 *
 * Three kinds of functions, each for 8, 16, 32 (and where it matters 64) bits:
 *  - segment_…: an offset in a segment, at the current privilege: what instruction
 *    operands are. Checks segment type and limit (#GP, #SS), paging (#PF), alignment.
 *  - supervisor_…: a linear address with supervisor rights, whatever the CPL:
 * descriptor tables, TSS, stacks of inner privilege levels (SDM vol. 3, 4.6.1
 * "implicit").
 *  - linear_…: a linear address at the current privilege.
 * A fault unwinds (cpu/core/exception.h) before anything was written, also where the
 * operand crosses a page. Thread: the CPU's own. Saved by: nobody (caches). */
#ifndef CPU_MMU_ACCESS_H
#define CPU_MMU_ACCESS_H

#include "cpu/core/cpu.h"
#include "cpu/core/exception.h"
#include "cpu/mmu/mmu.h"

/* The checks of segmentation that the fast path leaves out; returns the linear address
 * or raises #GP(0) / #SS(0). `write`: the access will store. */
gla_t segment_check_slow(struct cpu *cpu, unsigned segment, uint32_t offset,
                         unsigned bytes, bool write);

static inline gla_t segment_linear_read(struct cpu *cpu, unsigned segment,
                                        uint32_t offset, unsigned bytes)
{
    const struct segment *s = &cpu->segments[segment];
    if (__builtin_expect((uint64_t)offset + bytes <= s->read_end, 1)) {
        return s->base + offset;
    }
    return segment_check_slow(cpu, segment, offset, bytes, false);
}

static inline gla_t segment_linear_write(struct cpu *cpu, unsigned segment,
                                         uint32_t offset, unsigned bytes)
{
    const struct segment *s = &cpu->segments[segment];
    if (__builtin_expect((uint64_t)offset + bytes <= s->write_end, 1)) {
        return s->base + offset;
    }
    return segment_check_slow(cpu, segment, offset, bytes, true);
}

/* Slow paths: TLB misses, page-crossing operands, devices, pages with code,
 * watchpoints. */
uint64_t mmu_read_slow(struct cpu *cpu, gla_t address, unsigned bytes,
                       enum mmu_rights rights);
void mmu_write_slow(struct cpu *cpu, gla_t address, uint64_t value, unsigned bytes,
                    enum mmu_rights rights);
/* Raise what the access would raise; change nothing but A/D bits. */
void mmu_probe_write(struct cpu *cpu, gla_t address, unsigned bytes,
                     enum mmu_rights rights);
void mmu_probe_read(struct cpu *cpu, gla_t address, unsigned bytes,
                    enum mmu_rights rights);

/* Rights of the code that runs now. */
static inline enum mmu_rights mmu_current_rights(const struct cpu *cpu)
{
    return (enum mmu_rights)cpu->access_rights;
}

/* Reads 8 bytes with supervisor rights if that needs no more than the TLB: raises
 * nothing, calls nobody. */
static inline bool supervisor_try_read64(const struct cpu *cpu, gla_t address,
                                         uint64_t *value)
{
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, MMU_SUPERVISOR);
    if (!tlb_hits(e->read_tag, address, sizeof(*value))) {
        return false;
    }
    __builtin_memcpy(value, e->host + (uintptr_t)address, sizeof(*value));
    return true;
}

/* Accesses of the code that runs now, likewise. */
static inline bool mmu_try_read32(const struct cpu *cpu, gla_t address, uint32_t *value)
{
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    if (!tlb_hits(e->read_tag, address, sizeof(*value))) {
        return false;
    }
    __builtin_memcpy(value, e->host + (uintptr_t)address, sizeof(*value));
    return true;
}

static inline bool mmu_try_write32(const struct cpu *cpu, gla_t address, uint32_t value)
{
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    if (!tlb_hits(e->write_tag, address, sizeof(value))) {
        return false;
    }
    __builtin_memcpy(e->host + (uintptr_t)address, &value, sizeof(value));
    return true;
}

#define DEFINE_MMU_ACCESS(bits, type)                                                  \
    static inline type mmu_read##bits(struct cpu *cpu, gla_t address,                  \
                                      enum mmu_rights rights)                          \
    {                                                                                  \
        const struct tlb_entry *e = tlb_entry(cpu->mmu, address, rights);              \
        if (__builtin_expect(tlb_hits(e->read_tag, address, sizeof(type)), 1)) {       \
            type value;                                                                \
            __builtin_memcpy(&value, e->host + (uintptr_t)address, sizeof(value));     \
            return value;                                                              \
        }                                                                              \
        return (type)mmu_read_slow(cpu, address, sizeof(type), rights);                \
    }                                                                                  \
    static inline void mmu_write##bits(struct cpu *cpu, gla_t address, type value,     \
                                       enum mmu_rights rights)                         \
    {                                                                                  \
        const struct tlb_entry *e = tlb_entry(cpu->mmu, address, rights);              \
        if (__builtin_expect(tlb_hits(e->write_tag, address, sizeof(type)), 1)) {      \
            __builtin_memcpy(e->host + (uintptr_t)address, &value, sizeof(value));     \
            return;                                                                    \
        }                                                                              \
        mmu_write_slow(cpu, address, value, sizeof(type), rights);                     \
    }                                                                                  \
    static inline type linear_read##bits(struct cpu *cpu, gla_t address)               \
    {                                                                                  \
        return mmu_read##bits(cpu, address, mmu_current_rights(cpu));                  \
    }                                                                                  \
    static inline void linear_write##bits(struct cpu *cpu, gla_t address, type value)  \
    {                                                                                  \
        mmu_write##bits(cpu, address, value, mmu_current_rights(cpu));                 \
    }                                                                                  \
    static inline type supervisor_read##bits(struct cpu *cpu, gla_t address)           \
    {                                                                                  \
        return mmu_read##bits(cpu, address, MMU_SUPERVISOR);                           \
    }                                                                                  \
    static inline void supervisor_write##bits(struct cpu *cpu, gla_t address,          \
                                              type value)                              \
    {                                                                                  \
        mmu_write##bits(cpu, address, value, MMU_SUPERVISOR);                          \
    }                                                                                  \
    static inline type segment_read##bits(struct cpu *cpu, unsigned segment,           \
                                          uint32_t offset)                             \
    {                                                                                  \
        return linear_read##bits(                                                      \
            cpu, segment_linear_read(cpu, segment, offset, sizeof(type)));             \
    }                                                                                  \
    static inline void segment_write##bits(struct cpu *cpu, unsigned segment,          \
                                           uint32_t offset, type value)                \
    {                                                                                  \
        linear_write##bits(                                                            \
            cpu, segment_linear_write(cpu, segment, offset, sizeof(type)), value);     \
    }

DEFINE_MMU_ACCESS(8, uint8_t)
DEFINE_MMU_ACCESS(16, uint16_t)
DEFINE_MMU_ACCESS(32, uint32_t)
DEFINE_MMU_ACCESS(64, uint64_t)

/* Operands wider than 8 bytes (vector registers, FXSAVE…): any length up to 4096. The
 * write probes all of it before it changes any of it. */
void segment_read_bytes(struct cpu *cpu, unsigned segment, uint32_t offset, void *bytes,
                        unsigned count);
void segment_write_bytes(struct cpu *cpu, unsigned segment, uint32_t offset,
                         const void *bytes, unsigned count);
/* Raises what a write of `count` bytes would raise. */
void segment_probe_write(struct cpu *cpu, unsigned segment, uint32_t offset,
                         unsigned count);

#endif
