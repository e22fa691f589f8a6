/* Instructions that fault: what the signal says of it, and how to go on. */
#pragma once
#include "programs.h"
#include <signal.h>
#include <ucontext.h>

/* What the last signal said. `at_fault`: did it come at the instruction itself? */
struct caught {
    int signal, code;
    long trap, error;
    uint32_t address, stack;
    bool at_fault;
};
extern volatile struct caught caught;

/* Where FAULTING's instruction begins and ends. */
extern volatile uint32_t fault_begin, fault_end;

/* An assembler statement that faults; it goes on behind it. The instruction's own
 * labels must not be 8 and 9. The rest is as in asm(). */
#define FAULTING(instruction, ...)                                                     \
    do {                                                                               \
        caught.signal = 0;                                                             \
        asm volatile("movl $8f, fault_begin; movl $9f, fault_end\n8: " instruction     \
                     "\n9:" __VA_ARGS__);                                              \
    } while (0)

/* From now on all signals of faults are noted, and lead behind FAULTING's instruction.
 */
void catch_faults(void);

/* Prints what the last signal said but for its address, and forgets it. */
void print_caught(const char *what);
