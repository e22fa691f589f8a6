/* host/display/picture.h: pictures of the screen, in PNG files.
 *
 * A companion process writes them, as the machine itself may not open files while it
 * runs. It writes no other names than those that end in .png, and replaces nothing but
 * empty files and PNG files: whoever has the machine in his power cannot do more by it.
 * Saved by: nobody. */
#ifndef HOST_DISPLAY_PICTURE_H
#define HOST_DISPLAY_PICTURE_H

#include "base/error.h"
#include "bus/display.h"
#include "host/event_loop.h"

enum { PICTURE_PATH_BYTES = 4096 };

struct picture_writer;

/* What to do when a file is written: `path` is its name; or when it could not be: NULL,
 * and `problem` is the line for the user. */
typedef void picture_done(void *opaque, const char *path, const char *problem);

/* `path`: of the file that is to be written at the end; others are numbered after it.
 * NULL: there is none, and they are numbered in the present folder. Fails if that could
 * not be written. Thread: the machine's own, before the event loop starts. */
struct picture_writer *picture_writer_start(const char *path, struct error *error);

/* Waits for what is being written, a few seconds at most. NULL is fine. */
void picture_writer_stop(struct picture_writer *writer);

/* From now on pictures can be written. */
void picture_writer_connect(struct picture_writer *writer, struct event_loop *loop);

/* Copies the pixels (without gaps between lines) and has them written to `path`, or to
 * the next numbered name (NULL). Fails if the last one is still being written. `done`
 * may not be NULL. Thread: any that holds the machine lock. */
bool picture_write(struct picture_writer *writer, const char *path,
                   const uint32_t *pixels, const struct display_size *size,
                   picture_done *done, void *opaque, struct error *error);

/* Waits until the last one is written, a few seconds at most, with no event loop. */
void picture_wait(struct picture_writer *writer);

#endif
