/* machine/display.h: the display adapter meets those who show its picture.
 *
 * Thread: any that holds the machine lock, where nothing else is said. */
#ifndef MACHINE_DISPLAY_H
#define MACHINE_DISPLAY_H

#include "host/display/picture.h"

struct machine;
struct displays;

/* Starts what the configuration asks for: viewers, and the process that writes
 * screenshots. Thread: the machine's own, before the event loop starts. */
bool displays_open(struct machine *machine, struct error *error);
/* The adapter exists now: it is drawn, and input may flow. */
void displays_start(struct machine *machine);
/* Writes the last screenshot, and stops all. The event loop is stopped before. */
void displays_close(struct machine *machine);

/* Has a picture of the screen written to `path`, or to the next numbered name (NULL).
 * Fails if the configuration has no screenshots, or the last one is being written. */
bool displays_screenshot(struct machine *machine, const char *path, picture_done *done,
                         void *opaque, struct error *error);

/* Waits until it is written, a few seconds at most; then `done` has been called. */
void displays_wait_for_screenshot(struct machine *machine);

/* Writes a picture of the screen, as PNG or else PPM, into an open file. */
bool displays_write_picture(struct machine *machine, int fd, bool png,
                            struct error *error);

#endif
