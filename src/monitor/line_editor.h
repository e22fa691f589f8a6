/* monitor/line_editor.h: a line that somebody types, with a little of what terminals
 * offer: Backspace, Ctrl-U, Ctrl-W, Ctrl-C, and the lines before it by cursor keys.
 *
 * Thread: any that holds the machine lock. Saved by: nobody. */
#ifndef MONITOR_LINE_EDITOR_H
#define MONITOR_LINE_EDITOR_H

#include "base/types.h"

enum { LINE_EDITOR_BYTES = 4096, LINE_EDITOR_HISTORY = 32 };

struct line_editor {
    /* The line is complete, without what ended it. */
    void (*entered)(void *opaque, const char *line);
    /* To the screen. */
    void (*echo)(void *opaque, const char *bytes, size_t count);
    void *opaque;
    char line[LINE_EDITOR_BYTES];
    size_t length;
    char *history[LINE_EDITOR_HISTORY]; /* the newest first */
    unsigned shown;                     /* which of them; 0: the new line */
    uint8_t escape;                     /* bytes of an escape sequence so far */
    bool after_return;                  /* a newline belongs to it */
};

void line_editor_feed(struct line_editor *editor, const uint8_t *bytes, size_t count);
void line_editor_free(struct line_editor *editor);

#endif
