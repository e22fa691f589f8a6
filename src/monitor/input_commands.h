/* monitor/input_commands.h: the end of a key stroke. Thread: timers'. */
#ifndef MONITOR_INPUT_COMMANDS_H
#define MONITOR_INPUT_COMMANDS_H

/* Releases the keys that send-key has pressed; `monitor`: a struct monitor. */
void input_release_keys(void *monitor);

#endif
