/* Processes that the benchmark's program starts. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

/* Under this name the program does nothing but end with this status. */
#define EXITING_NAME "bench-exit"
enum { EXITING_STATUS = 43 };

/* Waits for a child, -1 being none; false unless it ends by itself, with this status.
 */
bool child_ends_with(pid_t child, int wanted);
