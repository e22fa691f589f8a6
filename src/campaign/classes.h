/* campaign/classes.h: which points of a fault space come to the same (def/use pruning).
 *
 * A bit that is inverted before instruction t makes no difference before somebody uses
 * it. So all points between two accesses to a bit are as good as one that comes right
 * before the second: they form a class, which one experiment speaks for; of the class's
 * outcome there are as many as it has points. If that access overwrites the bit, or
 * there is none, the fault has no effect, and no experiment is needed. Sources: Smith
 * et al., "A Method to Determine Equivalent Fault Classes for Permanent and Transient
 * Faults" (1995); Güthoff and Sieh, "Combining Software-Implemented and
 * Simulation-Based Fault Injection into a Single Fault Injection Method" (1995).
 *
 * Thread: any; a trace that has been stopped does not change. */
#ifndef CAMPAIGN_CLASSES_H
#define CAMPAIGN_CLASSES_H

#include "campaign/trace.h"

enum fault_class_kind {
    CLASS_READ,        /* it is used: carry out the representative */
    CLASS_OVERWRITTEN, /* nobody sees it */
    CLASS_UNUSED, /* nobody does before the golden run ends; it stays in its place */
    CLASS_ALONE,  /* not known when it is used, or another model: a point for itself */
};

struct fault_class {
    enum fault_class_kind kind;
    /* The class's name: its last point, right before the access; equal for all its
     * points, and for no others. */
    struct fault_point representative;
    uint64_t points; /* in the range of the trace */
};

/* The class of a point, which is within trace_range(). */
void classes_find(const struct access_trace *trace, const struct fault_point *point,
                  struct fault_class *class);

#endif
