#include "cpu/core/debug.h"

enum { BREAKPOINTS = 4 };
enum breakpoint_type { TYPE_EXECUTE, TYPE_WRITE, TYPE_PORT, TYPE_ACCESS };

bool debug_breakpoints_enabled(const struct cpu *cpu)
{
    return (cpu->dr[7] & 0xff) != 0;
}

static bool is_enabled(const struct cpu *cpu, unsigned number)
{
    return (cpu->dr[7] >> (2 * number)) & 3;
}

static enum breakpoint_type type_of(const struct cpu *cpu, unsigned number)
{
    return (cpu->dr[7] >> (16 + 4 * number)) & 3;
}

/* Whether the range that breakpoint `number` covers meets first … first + bytes - 1.
 * The low address bits that the length covers are ignored. */
static bool overlaps(const struct cpu *cpu, unsigned number, uint32_t first,
                     unsigned bytes)
{
    static const uint8_t lengths[] = {1, 2, 8, 4};
    unsigned length = lengths[(cpu->dr[7] >> (18 + 4 * number)) & 3];
    uint64_t start = cpu->dr[number] & ~(length - 1);
    return start < (uint64_t)first + bytes && first < start + length;
}

uint32_t debug_match_execute(const struct cpu *cpu, gla_t address)
{
    uint32_t hits = 0;
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if (is_enabled(cpu, i) && type_of(cpu, i) == TYPE_EXECUTE &&
            cpu->dr[i] == address) {
            hits |= 1U << i;
        }
    }
    return hits;
}

uint32_t debug_match_data(const struct cpu *cpu, gla_t address, unsigned bytes,
                          bool write)
{
    uint32_t hits = 0;
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        enum breakpoint_type type = type_of(cpu, i);
        bool kind = type == TYPE_ACCESS || (write && type == TYPE_WRITE);
        if (is_enabled(cpu, i) && kind && overlaps(cpu, i, address, bytes)) {
            hits |= 1U << i;
        }
    }
    return hits;
}

uint32_t debug_match_port(const struct cpu *cpu, uint16_t port, unsigned width)
{
    uint32_t hits = 0;
    if (!(cpu->cr4 & CR4_DE)) {
        return 0;
    }
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if (is_enabled(cpu, i) && type_of(cpu, i) == TYPE_PORT &&
            overlaps(cpu, i, port, width)) {
            hits |= 1U << i;
        }
    }
    return hits;
}
