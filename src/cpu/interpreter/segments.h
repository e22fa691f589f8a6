/* cpu/interpreter/segments.h: loading segment registers, beyond what system.h offers to
 * others. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_SEGMENTS_H
#define CPU_INTERPRETER_SEGMENTS_H

#include "cpu/interpreter/descriptor.h"

/* Whether a data segment register may hold the segment at privilege `cpl`. */
bool segment_data_allowed(const struct descriptor *descriptor, uint16_t selector,
                          unsigned cpl);

/* After a return to an outer level: data segments that it must not see become null
 * (SDM vol. 2, RET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL"). */
void segments_hide_inner(struct cpu *cpu);

#endif
