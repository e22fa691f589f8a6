/* devices/local_apic_internal.h: what the files of the local APIC share. */
#ifndef DEVICES_LOCAL_APIC_INTERNAL_H
#define DEVICES_LOCAL_APIC_INTERNAL_H

#include "bus/device.h"
#include "devices/local_apic.h"

/* The local vector table, in the order of its registers. */
enum apic_source {
    APIC_TIMER,
    APIC_THERMAL,
    APIC_PERFORMANCE,
    APIC_LINT0,
    APIC_LINT1,
    APIC_ERROR,
    APIC_SOURCES,
};

enum {
    LVT_VECTOR = 0xff,
    LVT_MODE_SHIFT = 8,
    LVT_MODE = 7 << LVT_MODE_SHIFT,
    LVT_MASKED = 1 << 16,
    LVT_PERIODIC = 1 << 17,
    SPURIOUS_ENABLED = 1 << 8,
    ERROR_SEND_VECTOR = 1 << 5,
    ERROR_RECEIVE_VECTOR = 1 << 6,
    ERROR_REGISTER = 1 << 7,
    FIRST_LEGAL_VECTOR = 16,
    VECTOR_WORDS = 256 / 32,
};
#define APIC_BASE_ENABLED (1ULL << 11)

struct local_apic {
    struct device device;
    struct memory_map *memory;
    struct clock *clock;
    struct local_apic_wiring wiring;
    struct timer timer; /* armed while its expiry can be noticed */
    unsigned region;
    gpa_t mapped_at; /* 0: nowhere */
    /* saved */
    uint64_t base; /* IA32_APIC_BASE as the CPU has it */
    uint32_t id, logical_destination, destination_format;
    uint32_t task_priority, spurious;
    uint32_t errors, new_errors; /* the register, and what it will show next */
    uint32_t command_low, command_high;
    uint32_t lvt[APIC_SOURCES];
    uint32_t requested[VECTOR_WORDS]; /* IRR */
    uint32_t in_service[VECTOR_WORDS];
    uint32_t level_triggered[VECTOR_WORDS]; /* TMR */
    bool pins[LOCAL_APIC_PINS];
    uint32_t initial_count, divide; /* of the timer */
    uint32_t start_count;           /* what it counts down from, … */
    uint64_t start_ns;              /* … since then */
    uint64_t due_ns;                /* what `timer` is armed for */
};

static inline bool vector_is_set(const uint32_t *words, unsigned vector)
{
    return words[vector / 32] >> vector % 32 & 1;
}

static inline bool apic_enabled(const struct local_apic *apic)
{
    return (apic->base & APIC_BASE_ENABLED) && (apic->spurious & SPURIOUS_ENABLED);
}

/* -- local_apic_priority.c -- */

/* The processor priority register. */
uint8_t apic_processor_priority(const struct local_apic *apic);
/* Sets INTR as the registers say. */
void apic_update(struct local_apic *apic);
/* What the local vector table says of an event at `source`. */
void apic_signal(struct local_apic *apic, enum apic_source source);
void apic_end_of_interrupt(struct local_apic *apic);
void apic_send_command(struct local_apic *apic);
void apic_report_error(struct local_apic *apic, uint32_t error);

/* -- local_apic_timer.c -- */

void apic_timer_fired(void *local_apic);
uint32_t apic_timer_count(const struct local_apic *apic);
void apic_timer_start(struct local_apic *apic, uint32_t count);
/* Before and after a change of the divisor or the timer's entry in the table: what is
 * due happens, and it goes on from where it is. */
void apic_timer_hold(struct local_apic *apic);
/* Arms the timer for the next expiry that somebody can notice. */
void apic_timer_arm(struct local_apic *apic);

/* -- local_apic.c -- */

/* As INIT does: all but the ID and the base address. */
void apic_initialize(struct local_apic *apic);

#endif
