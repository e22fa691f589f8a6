/* The CPU's saved state. Structures with padding are listed member by member, so that
 * equal states are equal byte by byte. */
#include "cpu/core/cpu.h"

#define CPU_FIELD(member) STATE_FIELD(struct cpu, member, 1)
#define SEGMENT_FIELDS(member)                                                         \
    CPU_FIELD(member.selector), CPU_FIELD(member.access), CPU_FIELD(member.base),      \
        CPU_FIELD(member.limit)
#define TABLE_FIELDS(member) CPU_FIELD(member.base), CPU_FIELD(member.limit)

const struct state_field cpu_fields[] = {
    CPU_FIELD(regs),
    CPU_FIELD(eip),
    CPU_FIELD(arithmetic),
    CPU_FIELD(system_flags),
    SEGMENT_FIELDS(segments[SEGMENT_ES]),
    SEGMENT_FIELDS(segments[SEGMENT_CS]),
    SEGMENT_FIELDS(segments[SEGMENT_SS]),
    SEGMENT_FIELDS(segments[SEGMENT_DS]),
    SEGMENT_FIELDS(segments[SEGMENT_FS]),
    SEGMENT_FIELDS(segments[SEGMENT_GS]),
    SEGMENT_FIELDS(ldtr),
    SEGMENT_FIELDS(tr),
    TABLE_FIELDS(gdtr),
    TABLE_FIELDS(idtr),
    CPU_FIELD(cr0),
    CPU_FIELD(cr2),
    CPU_FIELD(cr3),
    CPU_FIELD(cr4),
    CPU_FIELD(dr),
    CPU_FIELD(xcr0),
    CPU_FIELD(efer),
    CPU_FIELD(pat),
    CPU_FIELD(apic_base),
    CPU_FIELD(misc_enable),
    CPU_FIELD(mtrr_def_type),
    CPU_FIELD(mtrr_fixed),
    CPU_FIELD(mtrr_variable),
    CPU_FIELD(sysenter_cs),
    CPU_FIELD(sysenter_esp),
    CPU_FIELD(sysenter_eip),
    CPU_FIELD(tsc_offset),
    CPU_FIELD(mcg_status),
    CPU_FIELD(random_state),
    CPU_FIELD(pdpte),
    CPU_FIELD(fpu.area),
    CPU_FIELD(fpu.opcode),
    CPU_FIELD(fpu.instruction_selector),
    CPU_FIELD(fpu.operand_selector),
    CPU_FIELD(fpu.instruction_offset),
    CPU_FIELD(fpu.operand_offset),
    CPU_FIELD(shadow),
    CPU_FIELD(halted),
    CPU_FIELD(nmi_blocked),
    CPU_FIELD(a20_mask),
    CPU_FIELD(retired),
    CPU_FIELD(delivered_at),
    CPU_FIELD(dr6_pending),
    STATE_END,
};
