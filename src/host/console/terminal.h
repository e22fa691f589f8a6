/* host/console/terminal.h: the terminal that the simulator was started from.
 *
 * A process has one, so this is the one place with state of its own: whoever holds
 * standard input and output (one character device at a time), and the settings to go
 * back to. They are restored when the holder releases it, when the process is stopped
 * by job control, and when it dies of SIGSEGV and the like. Saved by: nobody. */
#ifndef HOST_CONSOLE_TERMINAL_H
#define HOST_CONSOLE_TERMINAL_H

#include "base/error.h"
#include "base/types.h"

/* Takes standard input and output; fails when somebody else holds them. */
bool terminal_claim(struct error *error);

/* Restores the settings and gives standard input and output back. */
void terminal_release(void);

/* Turns off echo and line editing, if standard input is a terminal and we are in its
 * foreground (otherwise when terminal_resume() finds us there). `pass_signal_keys`:
 * Ctrl-C, Ctrl-Z and Ctrl-\ become input instead of signals. */
void terminal_set_raw(bool pass_signal_keys);

/* Goes back to the user's settings, for job control. Async-signal-safe. */
void terminal_restore(void);

/* Raw mode again, if it was asked for and the terminal is ours. */
void terminal_resume(void);

#endif
