/* cpu/direct/policy.h: which address space has the low window.
 *
 * Only one can execute directly at a time, and to change that is dear: its window is
 * emptied, and filled again page by page. The others run in the JIT, which is slower by
 * the time it takes to translate, and a bit. So the window goes to
 *
 * - who has lost more time in the JIT than the change costs, if the owner has used it
 *   less in the meantime (who waits until the loss equals the price pays twice the best
 *   price at most);
 * - a program that has just begun, at once, if programs that began lately would have
 *   gained by that, and the owner is not computing.
 *
 * A program that begins is known by an empty window and an entry that is no return from
 * a system call, as that of a forked process is. docs/address-spaces.md has figures.
 * Thread: the CPU's own. */
#ifndef CPU_DIRECT_POLICY_H
#define CPU_DIRECT_POLICY_H

#include "cpu/direct/costs.h"
#include "cpu/mmu/views.h"

/* What is known of a view's address space; times in cycles of the host's time stamp
 * counter. */
struct tenant {
    uint64_t in_jit;       /* in ring 3, since it had the window last */
    uint64_t translating;  /* of that */
    uint64_t direct;       /* in ring 3, directly, since it has the window */
    uint64_t last;         /* when it was in ring 3 last */
    uint64_t owner_direct; /* `direct` of the window's owner when `in_jit` was 0 */
    int64_t visit; /* average of what ring 3 takes between two visits of ring 0 */
    int64_t
        extra; /* likewise, of what direct visits take that translated ones do not */
    uint32_t not_brief; /* so many visits are not to be taken for brief ones */
    uint32_t unseen;    /* so many that are not looked at */
    bool began;         /* it is a program that has begun, in the JIT */
};

struct policy {
    bool always; /* the window goes to whoever runs */
    struct direct_costs costs;
    struct tenant tenants[VIEWS_MAXIMUM];
    unsigned owner;   /* number of its view; 0: nobody */
    unsigned current; /* who is in ring 3; 0: nobody is, or it is not looked at */
    bool directly;    /* it is, or has been since ring 0 ran */
    uint64_t since, translated_since, traps_since, page_faults_since;
    int64_t gain; /* of programs that began in the JIT, had they begun directly */
    unsigned beginnings, explore; /* one of so many of them begins in the JIT */
    uint64_t taken_early, taken_late;
};

void policy_create(struct policy *policy, bool always, int fd);

/* Whether ring 3 of the current view is not to run directly, which is known at once:
 * one of many brief visits. */
bool policy_knows_brief(const struct cpu *cpu, struct policy *policy);
/* Ring 3 of the current view is about to run: whether directly; the window may change
 * hands for that. */
bool policy_enter(struct cpu *cpu, struct policy *policy);
/* Ring 0 is about to run. */
void policy_leave(struct cpu *cpu, struct policy *policy);

#endif
