/* cpu/interpreter/segments.h: loading segment registers, beyond what system.h offers to
 * others. Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_SEGMENTS_H
#define CPU_INTERPRETER_SEGMENTS_H

#include "cpu/interpreter/descriptor.h"

/* Whether a data segment register may hold the segment at privilege `cpl`. */
bool segment_data_allowed(const struct descriptor *descriptor, uint16_t selector,
                          unsigned cpl);

/* Loads ES, FS, GS or DS in protected mode if that is simple: null, or a segment that
 * was loaded before from the same descriptor, and (but in FS and GS, of which no
 * translation takes anything for granted) of the kind that the register has.
 * Else changes nothing. Raises nothing. */
bool segment_load_again(struct cpu *cpu, enum segment_number number, uint16_t selector);

/* After a return to an outer level: data segments that it must not see become null
 * (SDM vol. 2, RET, "RETURN-TO-OUTER-PRIVILEGE-LEVEL"). */
void segments_hide_inner(struct cpu *cpu);

#endif
