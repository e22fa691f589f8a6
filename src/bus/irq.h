/* bus/irq.h: interrupt lines.
 *
 * A line is a level owned by one source and listened to by one sink. Setting an
 * unchanged level is free. Edge or level trigger is the sink's business.
 * Thread: any that holds the machine lock. Saved by: the sink keeps the levels it has
 * seen; the source saves what the level follows from and sets it again when loaded. */
#ifndef BUS_IRQ_H
#define BUS_IRQ_H

#include "base/types.h"

typedef void irq_sink(void *opaque, unsigned number, bool level);

struct irq_line {
    irq_sink *sink; /* NULL: not connected */
    void *opaque;
    unsigned number; /* the sink's name for the line */
    bool level;
};

static inline struct irq_line irq_line_to(irq_sink *sink, void *opaque, unsigned number)
{
    return (struct irq_line){.sink = sink, .opaque = opaque, .number = number};
}

static inline void irq_set(struct irq_line *line, bool level)
{
    if (line->level != level) {
        line->level = level;
        if (line->sink) {
            line->sink(line->opaque, line->number, level);
        }
    }
}

/* A full pulse: what an edge-triggered input needs, whatever the level was. */
static inline void irq_pulse(struct irq_line *line)
{
    irq_set(line, false);
    irq_set(line, true);
    irq_set(line, false);
}

#endif
