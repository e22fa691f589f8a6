/* base/trace.h: a record of what the machine does inside, for those who look for a
 * mistake in a guest or in the simulator (-d, -D).
 *
 * A trace belongs to one machine and is a text, line by line, in a file or on standard
 * error. Each line is written at once: what a crash leaves behind is complete.
 * Thread: printing from the CPU's only; opening and closing while it does not run.
 * Saved by: nobody. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "base/error.h"
#include "base/types.h"

#include <stdarg.h>
#include <stdio.h>

/* What can be traced: bits of `items`, with QEMU's names. */
enum trace_item {
    TRACE_IN_ASM = 1,  /* guest code, when it is decoded */
    TRACE_OUT_ASM = 2, /* host code, when it is made */
    TRACE_INT = 4,     /* exceptions and interrupts, when they are delivered */
    TRACE_MMU = 8,     /* translations of addresses, and what undoes them */
    TRACE_EXEC = 16,   /* blocks, when they are executed */
};

struct trace {
    uint32_t items;
    FILE *stream;     /* NULL: not open */
    const char *path; /* NULL: standard error */
};

/* Begins a trace in the file, which is emptied, or on standard error if `path` is NULL.
 * The path must outlive the trace. */
bool trace_open(struct trace *trace, uint32_t items, const char *path,
                struct error *error);
/* Fails if not all of the trace could be written. Closed already is closed well. */
bool trace_close(struct trace *trace, struct error *error);

/* As vprintf(); to end with a newline sooner or later. */
__attribute__((format(printf, 2, 0))) void
trace_print(struct trace *trace, const char *format, va_list arguments);

#endif
