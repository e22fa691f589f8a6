/* cpu/core/cpu_trace.h: what the CPU tells of itself while it is traced (base/trace.h).
 *
 * Most runs trace nothing, and must not be slower for it: CPU_TRACE() then is one test
 * of one pointer, and stands only where something rare happens (a block is decoded, a
 * translation is missed, an exception is delivered).
 * Thread: the CPU's own. */
#ifndef CPU_CORE_CPU_TRACE_H
#define CPU_CORE_CPU_TRACE_H

#include "base/trace.h"
#include "cpu/core/cpu.h"

/* Whether one of `items` (enum trace_item) is traced. */
static inline bool cpu_traces(const struct cpu *cpu, uint32_t items)
{
    const struct trace *trace = cpu->wiring.trace;
    return __builtin_expect(trace != NULL, 0) && (trace->items & items);
}

/* As printf(), into the trace, which there must be. Parks the guest's vector registers.
 */
__attribute__((format(printf, 2, 3), cold)) void cpu_trace(struct cpu *cpu,
                                                           const char *format, ...);

/* The same if `items` are traced. */
#define CPU_TRACE(cpu, items, ...)                                                     \
    do {                                                                               \
        if (cpu_traces((cpu), (items))) {                                              \
            cpu_trace((cpu), __VA_ARGS__);                                             \
        }                                                                              \
    } while (0)

/* Registers but the vectors', in several lines. `eip`: what to show as EIP. */
void cpu_trace_registers(struct cpu *cpu, uint32_t eip);

#endif
