/* faults/faults_internal.h: what targets, triggers and reports share. */
#ifndef FAULTS_FAULTS_INTERNAL_H
#define FAULTS_FAULTS_INTERNAL_H

#include "bus/dma.h"
#include "clock/clock.h"
#include "cpu/core/cpu.h"
#include "cpu/mmu/translation_tap.h"
#include "faults/faults.h"
#include "faults/linux_process.h"
#include "faults/page_watch.h"
#include "faults/random.h"
#include "faults/symbols.h"
#include "machine/control.h"
#include "machine/inspect.h"
#include "machine/seams.h"

/* What can be broken: one row of fault_targets[] each. */
struct fault_target {
    /* Whether the machine has it; allocates fault->data if it likes (freed by free()).
     */
    bool (*arm)(struct fault *fault, struct error *error);
    /* It is there from now on, or is no more; between two instructions. What is over at
     * once is only begun. False, with fault->report.reason: nothing could be broken. */
    bool (*begin)(struct fault *fault);
    void (*end)(struct fault *fault);
    /* The CPU has executed one instruction, and fault->steps. May be NULL. */
    void (*stepped)(struct fault *fault);
    /* It is over: gives back what it does not need any more. May be NULL, as disarm().
     */
    void (*settle)(struct fault *fault);
    /* Gives back what arm() and begin() took, but for `data`: nothing happens any more.
     */
    void (*disarm)(struct fault *fault);
};

extern const struct fault_target fault_ram, fault_module, fault_register, fault_code,
    fault_tlb, fault_port, fault_mmio, fault_dma, fault_irq, fault_disk, fault_network,
    fault_serial, fault_clock, fault_power;

struct fault {
    struct faults *owner;
    struct fault *next, *previous;
    const struct fault_target *target;
    struct fault_spec spec;
    struct fault_report report;
    struct fault_random random;

    bool is_set_up;            /* its trigger */
    bool triggered;            /* to be begun at the next visit */
    bool present;              /* broken just now */
    bool timer_due;            /* since the last visit */
    bool steps;                /* wants the CPU to execute single instructions */
    bool masks;                /* …and no interrupt before the next */
    bool interprets;           /* wants everything interpreted */
    uint64_t seen;             /* of its trigger */
    uint64_t begun_ns, period; /* intermittent: the first period, and how many since */
    uint64_t uses_left;
    uint64_t toggles; /* FAULT_TOGGLE: accesses so far */
    struct timer timer;
    struct page_user trigger_pages;
    uint64_t stop_retired; /* when the CPU was last at the trigger's address… */
    uint32_t stop_count;   /* …and its ECX */
    size_t matched;        /* letters of the trigger's text */
    bool seen_text;        /* it is on the screen */
    uint8_t mask[FAULT_VALUE_BYTES]; /* bits that were chosen */
    void *data;                      /* the target's */
};

struct faults {
    struct machine *machine;
    struct fault *first, *last;
    uint64_t seed;
    unsigned armed; /* so far, for names */
    FILE *log;
    void (*injected)(void *opaque, const struct fault *fault); /* see faults_config */
    void *opaque;
    struct symbols symbols;
    struct linux_kernel kernel; /* if a trigger is of a process */
    struct machine_visitor visitor;
    struct debugger debugger;
    bool debugging; /* the machine has it */
    struct cpu_observer observer;
    struct translation_tap tap;
    struct port_filter port_filter;
    struct dma_filter dma_filter;
    struct page_watches pages;
    bool has_module; /* RAM is broken in parts: its region in the map */
    unsigned module_handle;
    struct serial_tap taps[MACHINE_SERIAL_LINES];
};

/* -- for targets -- */

static inline struct cpu *fault_cpu(const struct fault *fault)
{
    return machine_cpu_to_change(fault->owner->machine);
}

/* Which bits of `width` bytes: those of the specification, or others each time. */
void fault_choose_bits(struct fault *fault, unsigned width);
/* What becomes of `width` bytes, with the bits chosen. */
void fault_apply(const struct fault *fault, uint8_t *bytes, unsigned width);
/* Something has happened to the target. True: it is to be hit. */
bool fault_hits(struct fault *fault);
/* Likewise, and that is a use. */
bool fault_strikes(struct fault *fault);
/* The wrong value has been used, now. */
void fault_note_use(struct fault *fault);
void fault_note_overwritten(struct fault *fault);
/* False, with the reason. */
bool fault_refuse(struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* There is something to do before the next instruction. */
void fault_request_visit(struct fault *fault);

/* -- life.c -- */

/* Of fault->timer. */
void fault_timer_fired(void *opaque);
/* Does what is due, on the CPU's thread between two instructions. */
void fault_attend(struct fault *fault);
/* It is whole again, if it was not. */
void fault_end(struct fault *fault);

/* -- triggers.c -- */

/* Names become addresses, when it is armed; false with a line in `error`. */
bool trigger_resolve(struct fault *fault, struct error *error);
/* On the CPU's thread, between two instructions. */
void trigger_set_up(struct fault *fault);
void trigger_take_down(struct fault *fault);
/* An access to a port, by the filter. */
void trigger_note_port(struct fault *fault, bool write, uint16_t port, unsigned width,
                       uint32_t value);
void trigger_note_vector(struct fault *fault, unsigned vector);
void trigger_note_byte(struct fault *fault, unsigned line, uint8_t byte);
/* fault->timer has fired. */
void trigger_note_timer(struct fault *fault);
/* The debugger has stopped the CPU. */
void trigger_note_stop(struct fault *fault);
/* What the debugger is to wait for. */
void trigger_add_points(struct fault *fault);
/* The number of instructions that it waits for; UINT64_MAX: none. */
uint64_t trigger_instruction(const struct fault *fault);

/* -- seams that many faults share -- */

/* Ports are looked at if any fault wants it (target_port.c). */
void port_filter_update(struct faults *faults);
/* So is what devices do with memory (target_dma.c)… */
void dma_filter_update(struct faults *faults);
/* …and serial lines (target_serial.c). */
void serial_taps_update(struct faults *faults);

/* -- reports -- */

/* Where the CPU is now. */
void fault_place_now(struct faults *faults, struct fault_place *place);

#endif
