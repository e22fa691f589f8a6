/* host/display/text_view.h: the text screen on the terminal that the simulator was
 * started from (-display curses).
 *
 * What is typed there goes to the guest's keyboard, as keys of a US layout; Ctrl-A is
 * the escape that it is with -nographic. In a graphics mode its size is all there is to
 * see. Colors and the cursor are not shown.
 * Source: console_codes(4), xterm's control sequences. Thread: any that holds the
 * machine lock. Saved by: nobody. */
#ifndef HOST_DISPLAY_TEXT_VIEW_H
#define HOST_DISPLAY_TEXT_VIEW_H

#include "bus/display.h"
#include "bus/input.h"
#include "host/console/character.h"

struct text_view;

/* Takes the terminal; NULL with one clear line if there is none, or it is taken. */
struct text_view *text_view_open(const struct character_commands *commands,
                                 struct event_loop *loop, struct log *log,
                                 struct error *error);
/* Gives the terminal back. NULL is fine. */
void text_view_close(struct text_view *view);

/* Both are copied. */
void text_view_start(struct text_view *view, const struct display_source *source,
                     const struct input_sink *input);

#endif
