/* cpu/interpreter/task_switch.h: hardware task switches (Intel SDM vol. 3, chapter 7).
 * Thread: the CPU's own. */
#ifndef CPU_INTERPRETER_TASK_SWITCH_H
#define CPU_INTERPRETER_TASK_SWITCH_H

#include "cpu/interpreter/descriptor.h"

enum task_switch_reason {
    TASK_SWITCH_JUMP,
    TASK_SWITCH_CALL,
    TASK_SWITCH_INTERRUPT,
    TASK_SWITCH_IRET,
};

/* Switches to the task of `selector`, whose descriptor the caller has checked (present,
 * available or, for IRET, busy). `saved_eip` and `saved_eflags` go into the old TSS.
 * `error` (may be NULL) is pushed on the new task's stack.
 *
 * Faults that the old task sees leave everything as it was. After the state of the new
 * task has been loaded, faults belong to the new task: they are raised with cpu->eip at
 * its first instruction. The trap of a TSS with the T bit is raised there, too. */
void task_switch(struct cpu *cpu, uint16_t selector, struct descriptor *descriptor,
                 enum task_switch_reason reason, uint32_t saved_eip,
                 uint32_t saved_eflags, const uint32_t *error);

/* JMP or CALL to a TSS (`through_gate`: by a task gate, whose own DPL counts). Saves
 * the EIP of the next instruction. */
void task_switch_to(struct cpu *cpu, uint16_t selector, bool through_gate,
                    enum task_switch_reason reason, uint32_t next_eip);

/* IRET with NT set: back to the task of the current TSS's link field. */
void task_switch_return(struct cpu *cpu, uint32_t next_eip);

#endif
