/* executor.h: a program that carries out a list of memory accesses, at ring 3 or 0, and
 * notes their results; and page faults, after which it goes on with the next one.
 *
 * It runs at USER_TEXT; the list is in the pages behind. Order of struct operation
 * known to executor.S. */
#ifndef EXECUTOR_H
#define EXECUTOR_H

#include "torture.h"

enum operation_kind {
    OPERATION_END,
    OPERATION_READ_8,
    OPERATION_READ_16,
    OPERATION_READ_32,
    OPERATION_WRITE_8,
    OPERATION_WRITE_16,
    OPERATION_WRITE_32,
    OPERATION_ADD,      /* value to memory; the result is the flags */
    OPERATION_EXCHANGE, /* value with memory; the result is what was there */
    OPERATION_COPY,     /* `count` bytes, from `value` to `address` */
    OPERATION_FILL,     /* `count` words of `value` */
    OPERATION_WRITE_64, /* value, and its complement above */
    OPERATION_CALL,     /* what the code at `address` leaves in EAX */
    OPERATION_KINDS,
};

struct operation {
    uint32_t kind, address, value, count;
    uint32_t result, left; /* of `count` */
    uint32_t fault, cr2;   /* ENDED_FAULT | error code, or 0 */
};

enum {
    OPERATIONS_MAX = 64,
    OPERATIONS = USER_TEXT + PAGE_BYTES, /* linear */
    CODE_BYTES = 7,                      /* mov $value, %eax; jmp *%edi */
};

/* Copies the program to its place in the current space. */
void executor_load(void);
/* Handles the program's page faults; `trap->ebp` leads to the operation. */
bool executor_fault(struct trap *trap);
/* Runs the list, which is closed by OPERATION_END; false if the program failed. */
bool executor_run(unsigned ring);

#endif
