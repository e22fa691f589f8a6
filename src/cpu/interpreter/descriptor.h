/* cpu/interpreter/descriptor.h: segment and gate descriptors in the GDT and LDT (Intel
 * SDM vol. 3, sections 3.4.5, 3.5 and 5.8.3). Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_DESCRIPTOR_H
#define CPU_INTERPRETER_DESCRIPTOR_H

#include "cpu/core/exception.h"

struct descriptor {
    uint32_t low, high;
    gla_t address; /* of the low word */
};

/* System descriptor types (SDM vol. 3, table 3-2): the access byte without P and DPL,
 * S is clear. */
enum descriptor_type {
    DESCRIPTOR_TSS16 = 1,
    DESCRIPTOR_LDT = 2,
    DESCRIPTOR_TSS16_BUSY = 3,
    DESCRIPTOR_CALL_GATE16 = 4,
    DESCRIPTOR_TASK_GATE = 5,
    DESCRIPTOR_INTERRUPT_GATE16 = 6,
    DESCRIPTOR_TRAP_GATE16 = 7,
    DESCRIPTOR_TSS32 = 9,
    DESCRIPTOR_TSS32_BUSY = 11,
    DESCRIPTOR_CALL_GATE32 = 12,
    DESCRIPTOR_INTERRUPT_GATE32 = 14,
    DESCRIPTOR_TRAP_GATE32 = 15,
    DESCRIPTOR_TYPE_MASK = 0x1f, /* S included */
    DESCRIPTOR_TSS_BUSY_BIT = 2,
    DESCRIPTOR_GATE_32 = 8, /* the bit that tells 32-bit gates and TSSs */
};

/* Where the I/O map starts in a 32-bit TSS: the offset of that offset. */
enum { TSS_IO_MAP = 0x66 };

enum {
    SELECTOR_RPL = 3,
    SELECTOR_LOCAL = 4,          /* TI: in the LDT */
    SELECTOR_ERROR_MASK = 0xfffc /* the part of a selector that error codes show */
};

static inline bool selector_is_null(uint16_t selector)
{
    return (selector & ~SELECTOR_RPL) == 0;
}

static inline unsigned selector_rpl(uint16_t selector)
{
    return selector & SELECTOR_RPL;
}

/* As struct segment has it. */
static inline uint16_t descriptor_access(const struct descriptor *descriptor)
{
    return (uint16_t)((descriptor->high >> 8) & 0xf0ff);
}

static inline unsigned descriptor_type(const struct descriptor *descriptor)
{
    return (descriptor->high >> 8) & DESCRIPTOR_TYPE_MASK;
}

static inline unsigned descriptor_dpl(const struct descriptor *descriptor)
{
    return (descriptor->high >> 13) & 3;
}

static inline bool descriptor_present(const struct descriptor *descriptor)
{
    return (descriptor_access(descriptor) & SEGMENT_PRESENT) != 0;
}

static inline bool descriptor_is_code(const struct descriptor *descriptor)
{
    unsigned code = SEGMENT_NOT_SYSTEM | SEGMENT_CODE;
    return (descriptor_access(descriptor) & code) == code;
}

static inline bool descriptor_is_conforming(const struct descriptor *descriptor)
{
    return descriptor_is_code(descriptor) &&
           (descriptor_access(descriptor) & SEGMENT_CONFORMING);
}

static inline bool descriptor_is_data(const struct descriptor *descriptor)
{
    return (descriptor_access(descriptor) & (SEGMENT_NOT_SYSTEM | SEGMENT_CODE)) ==
           SEGMENT_NOT_SYSTEM;
}

static inline bool descriptor_is_writable_data(const struct descriptor *descriptor)
{
    return descriptor_is_data(descriptor) &&
           (descriptor_access(descriptor) & SEGMENT_WRITABLE);
}

static inline bool descriptor_is_readable(const struct descriptor *descriptor)
{
    return descriptor_is_data(descriptor) ||
           (descriptor_is_code(descriptor) &&
            (descriptor_access(descriptor) & SEGMENT_READABLE));
}

static inline bool descriptor_is_available_tss(const struct descriptor *descriptor)
{
    return descriptor_type(descriptor) == DESCRIPTOR_TSS16 ||
           descriptor_type(descriptor) == DESCRIPTOR_TSS32;
}

static inline uint32_t descriptor_base(const struct descriptor *descriptor)
{
    return descriptor->low >> 16 | (descriptor->high & 0xff) << 16 |
           (descriptor->high & 0xff000000);
}

/* In bytes. */
uint32_t descriptor_limit(const struct descriptor *descriptor);

/* Of a gate. */
static inline uint16_t gate_selector(const struct descriptor *gate)
{
    return (uint16_t)(gate->low >> 16);
}

static inline uint32_t gate_offset(const struct descriptor *gate)
{
    uint32_t high =
        descriptor_type(gate) & DESCRIPTOR_GATE_32 ? gate->high & 0xffff0000 : 0;
    return high | (gate->low & 0xffff);
}

/* Bytes that a gate pushes at a time: 2 or 4. */
static inline unsigned gate_push_bytes(const struct descriptor *gate)
{
    return descriptor_type(gate) & DESCRIPTOR_GATE_32 ? 4 : 2;
}

/* Whether two gates or segments may be reached: DPL >= CPL and DPL >= RPL. */
static inline bool descriptor_reachable(const struct cpu *cpu,
                                        const struct descriptor *descriptor,
                                        uint16_t selector)
{
    return descriptor_dpl(descriptor) >= cpu->cpl &&
           descriptor_dpl(descriptor) >= selector_rpl(selector);
}

/* Reads the descriptor; false if it is beyond the limit of its table, or if there is no
 * LDT. The null selector is the caller's business. May raise #PF. */
bool descriptor_find(struct cpu *cpu, uint16_t selector, struct descriptor *descriptor);

/* As above, for the GDT only. */
bool descriptor_find_global(struct cpu *cpu, uint16_t selector,
                            struct descriptor *descriptor);

/* Raises `vector` with the selector as error code. */
_Noreturn void descriptor_fault(struct cpu *cpu, enum exception_vector vector,
                                uint16_t selector);

/* Reads the descriptor or raises `vector` with the selector; a null selector raises
 * `vector` with error code 0. */
struct descriptor descriptor_require(struct cpu *cpu, uint16_t selector,
                                     enum exception_vector vector);

/* Sets the accessed bit of a code or data segment, in memory too. */
void descriptor_set_accessed(struct cpu *cpu, struct descriptor *descriptor);

/* Sets or clears the busy bit of a TSS, in memory too. */
void descriptor_set_busy(struct cpu *cpu, struct descriptor *descriptor, bool busy);

/* What a segment register holds after `selector` was loaded. */
struct segment descriptor_segment(const struct descriptor *descriptor,
                                  uint16_t selector);

/* What a segment register holds after a null selector was loaded: nothing usable. */
struct segment segment_null(uint16_t selector);

#endif
