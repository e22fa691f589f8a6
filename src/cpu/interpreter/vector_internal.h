/* cpu/interpreter/vector_internal.h: instructions of the vector unit that are not just
 * run by the host; see host_unit.c for who gets which. */
#ifndef CPU_INTERPRETER_VECTOR_INTERNAL_H
#define CPU_INTERPRETER_VECTOR_INTERNAL_H

#include "cpu/core/instruction.h"

/* Not to be called before the checks that the form's demands ask for. */
instruction_handler vector_masked_store_bytes; /* (V)MASKMOVQ, (V)MASKMOVDQU */
instruction_handler vector_masked_load;        /* VMASKMOV, VPMASKMOV from memory */
instruction_handler vector_masked_store;       /* … to memory */
instruction_handler vector_gather;             /* VGATHER, VPGATHER */

instruction_handler x87_load_environment;  /* FLDENV */
instruction_handler x87_store_environment; /* FNSTENV */
instruction_handler x87_load_state;        /* FRSTOR */
instruction_handler x87_store_state;       /* FNSAVE */
instruction_handler x87_store_status;      /* FNSTSW AX */

/* After an x87 control instruction: FERR# falls if the exception that was pending
 * before it no longer is. */
void x87_controlled(struct cpu *cpu, bool was_pending);

#endif
