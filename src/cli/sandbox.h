/* cli/sandbox.h: -sandbox: what the process may ask of the host, and its end when it
 * asks for more. */
#ifndef CLI_SANDBOX_H
#define CLI_SANDBOX_H

#include "base/error.h"

/* The exit status of a machine that was stopped. No other end has it: what a guest
 * gives to isa-debug-exit is odd. */
enum { SANDBOX_EXIT_STATUS = 4 };

/* Before the first thread is started: the C library is not to do later what would be
 * forbidden then. */
void sandbox_prepare(void);

/* Confines all threads (confinement_enter()). From then on, a system call that is not
 * allowed restores the terminal, prints one line and ends the process. */
bool sandbox_enter(struct error *error);

/* Likewise for guest code that is found where only the simulator's may be, in a sandbox
 * or not. Async-signal-safe. */
_Noreturn void sandbox_stop_escaped(void);

#endif
