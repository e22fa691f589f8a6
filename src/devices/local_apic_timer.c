/* The local APIC's timer: SDM vol. 3, section 10.5.4. */
#include "devices/local_apic_internal.h"

/* Ticks are 2^n ns: the divisor's bits 3, 1 and 0 name 2, 4, … 128, and 1. */
static unsigned tick_shift(const struct local_apic *apic)
{
    unsigned coded = (apic->divide & 3) | (apic->divide >> 1 & 4);
    return (coded + 1) & 7;
}

static bool is_periodic(const struct local_apic *apic)
{
    return (apic->lvt[APIC_TIMER] & LVT_PERIODIC) && apic->initial_count;
}

static uint64_t elapsed_ticks(const struct local_apic *apic)
{
    uint64_t now_ns = clock_now_ns(apic->clock);
    return now_ns > apic->start_ns ? (now_ns - apic->start_ns) >> tick_shift(apic) : 0;
}

uint32_t apic_timer_count(const struct local_apic *apic)
{
    uint64_t elapsed = elapsed_ticks(apic);
    if (elapsed < apic->start_count) {
        return apic->start_count - (uint32_t)elapsed;
    }
    if (!apic->start_count || !is_periodic(apic)) {
        return 0;
    }
    return apic->initial_count -
           (uint32_t)((elapsed - apic->start_count) % apic->initial_count);
}

/* When the count will next be zero; CLOCK_NEVER: never again. */
static uint64_t next_expiry_ns(const struct local_apic *apic)
{
    uint64_t elapsed = elapsed_ticks(apic), at = apic->start_count;
    if (!at) {
        return CLOCK_NEVER;
    }
    if (elapsed >= at) {
        if (!is_periodic(apic)) {
            return CLOCK_NEVER;
        }
        uint64_t period = apic->initial_count;
        at += ((elapsed - at) / period + 1) * period;
    }
    return apic->start_ns + (at << tick_shift(apic));
}

/* While the interrupt is requested already, further expiries make no difference: the
 * timer rests until the CPU takes it. */
void apic_timer_arm(struct local_apic *apic)
{
    uint32_t entry = apic->lvt[APIC_TIMER];
    bool noticed = apic_enabled(apic) && !(entry & LVT_MASKED) &&
                   !vector_is_set(apic->requested, entry & LVT_VECTOR);
    apic->due_ns = noticed ? next_expiry_ns(apic) : CLOCK_NEVER;
    timer_set_ns(&apic->timer, apic->due_ns);
}

void apic_timer_fired(void *local_apic)
{
    struct local_apic *apic = local_apic;
    apic_signal(apic, APIC_TIMER);
    apic_timer_arm(apic);
}

void apic_timer_start(struct local_apic *apic, uint32_t count)
{
    apic->initial_count = apic->start_count = count;
    apic->start_ns = clock_now_ns(apic->clock);
    apic_timer_arm(apic);
}

void apic_timer_hold(struct local_apic *apic)
{
    if (apic->due_ns <= clock_now_ns(apic->clock)) {
        apic_timer_fired(apic);
    }
    apic->start_count = apic_timer_count(apic);
    apic->start_ns = clock_now_ns(apic->clock);
}
