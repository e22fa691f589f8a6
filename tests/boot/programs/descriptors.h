/* Segments of a process's own, in the GDT and in its LDT. */
#pragma once
#include <stdint.h>

/* The kernel's struct user_desc; `flags` are its bit fields. */
struct descriptor {
    uint32_t entry, base, limit, flags;
};
enum {
    DESCRIPTOR_32BIT = 1,
    DESCRIPTOR_EXPANDS_DOWN = 1 << 1,
    DESCRIPTOR_CODE = 2 << 1,
    DESCRIPTOR_READ_ONLY = 1 << 3, /* of code: not readable */
    DESCRIPTOR_IN_PAGES = 1 << 4,
    DESCRIPTOR_NOT_PRESENT = 1 << 5,
    DESCRIPTOR_USEABLE = 1 << 6,
};

/* Sets an entry for threads in the GDT; UINT32_MAX as `entry` asks for a free one.
 * Returns the selector, 0 on failure. */
uint16_t set_gdt_entry(struct descriptor *descriptor);

/* Sets an entry of the LDT; returns its selector, 0 on failure. */
uint16_t set_ldt_entry(uint32_t entry, const void *base, uint32_t limit,
                       uint32_t flags);

static inline uint16_t load_fs(uint16_t selector)
{
    uint16_t before;
    asm volatile("mov %%fs, %0; mov %1, %%fs" : "=&r"(before) : "r"(selector));
    return before;
}

static inline uint16_t read_fs(void)
{
    uint16_t selector;
    asm volatile("mov %%fs, %0" : "=r"(selector));
    return selector;
}

static inline uint32_t peek_fs(uint32_t offset)
{
    uint32_t value;
    asm volatile("movl %%fs:(%1), %0" : "=r"(value) : "r"(offset) : "memory");
    return value;
}

static inline void poke_fs(uint32_t offset, uint32_t value)
{
    asm volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(offset) : "memory");
}
