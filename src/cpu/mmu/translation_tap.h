/* cpu/mmu/translation_tap.h: who stands between page tables and what a CPU makes of
 * them.
 *
 * A tap is asked at each walk, before the tables are: it may give a translation of its
 * own, as a TLB would that still has it. It hears of what the guest does that makes
 * TLBs forget. What it says is remembered in the interpreter's TLB, so who changes his
 * mind flushes the page; views know nothing of taps, so there has to be a debugger as
 * long as there is one (cpu/core/debugger.h): then everything is interpreted. Thread:
 * the CPU's own, machine lock not held. Saved by: nobody. */
#ifndef CPU_MMU_TRANSLATION_TAP_H
#define CPU_MMU_TRANSLATION_TAP_H

#include "base/types.h"
#include "cpu/mmu/mmu.h"

/* Where a linear page leads and what may be done there. */
struct translation {
    gpa_t physical; /* of the address asked for, A20 mask applied */
    bool writable;  /* at the rights asked for */
    bool executable;
    bool global;
    bool large;
    bool dirty; /* a later write needs no walk */
};

enum translation_source {
    TRANSLATION_BY_TABLES,
    TRANSLATION_GIVEN,
    TRANSLATION_FAULTS, /* it is there, but forbids that: #PF */
};

enum translation_flush {
    TRANSLATION_FLUSH_PAGE,       /* INVLPG */
    TRANSLATION_FLUSH_NON_GLOBAL, /* CR3 was loaded */
    TRANSLATION_FLUSH_ALL,        /* perhaps only of caches: CR0 and CR4 tell */
};

struct translation_tap {
    enum translation_source (*walks)(void *opaque, gla_t address,
                                     enum mmu_access access, enum mmu_rights rights,
                                     struct translation *out);
    void (*flushed)(void *opaque, enum translation_flush flush, gla_t address);
    void *opaque;
};

#endif
