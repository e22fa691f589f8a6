/* What the local APIC makes of interrupts: who comes next, and where they come from. */
#include "devices/local_apic_internal.h"

enum {
    PRIORITY_CLASS = 0xf0,
    EVERYBODY = 0xff,
    FLAT_MODEL = 0xf, /* in bits 31-28 of the destination format */
    COMMAND_LOGICAL = 1 << 11,
    COMMAND_ASSERT = 1 << 14,
    COMMAND_LEVEL = 1 << 15,
    COMMAND_SHORTHAND_SHIFT = 18,
    DESTINATION_SHIFT = 24,
};
enum shorthand { TO_DESTINATION, TO_SELF, TO_ALL, TO_OTHERS };

/* -- priorities: section 10.8.3 -- */

/* The highest vector that is set, or -1. */
static int highest(const uint32_t *words)
{
    for (int i = VECTOR_WORDS - 1; i >= 0; i--) {
        if (words[i]) {
            return i * 32 + 31 - __builtin_clz(words[i]);
        }
    }
    return -1;
}

static void set_vector(uint32_t *words, unsigned vector, bool value)
{
    uint32_t bit = 1U << vector % 32;
    uint32_t *word = &words[vector / 32];
    *word = value ? *word | bit : *word & ~bit;
}

uint8_t apic_processor_priority(const struct local_apic *apic)
{
    int in_service = highest(apic->in_service);
    unsigned class = in_service < 0 ? 0 : (unsigned)in_service & PRIORITY_CLASS;
    bool task = (apic->task_priority & PRIORITY_CLASS) >= class;
    return (uint8_t)(task ? apic->task_priority : class);
}

/* The vector that the CPU is to take, or -1. */
static int next_vector(const struct local_apic *apic)
{
    int vector = highest(apic->requested);
    unsigned priority = apic_processor_priority(apic) & PRIORITY_CLASS;
    bool taken = apic_enabled(apic) && vector >= 0 &&
                 ((unsigned)vector & PRIORITY_CLASS) > priority;
    return taken ? vector : -1;
}

static bool external_interrupt(const struct local_apic *apic)
{
    uint32_t entry = apic->lvt[APIC_LINT0];
    bool passed = !(apic->base & APIC_BASE_ENABLED) ||
                  (!(entry & LVT_MASKED) &&
                   (entry & LVT_MODE) == INTERRUPT_EXTINT << LVT_MODE_SHIFT);
    return apic->pins[LOCAL_APIC_LINT0] && passed;
}

void apic_update(struct local_apic *apic)
{
    irq_set(&apic->wiring.intr, next_vector(apic) >= 0 || external_interrupt(apic));
}

uint8_t local_apic_acknowledge(struct local_apic *apic)
{
    int vector = next_vector(apic);
    if (vector < 0) {
        return external_interrupt(apic)
                   ? apic->wiring.acknowledge_external(apic->wiring.opaque)
                   : (uint8_t)apic->spurious;
    }
    set_vector(apic->requested, (unsigned)vector, false);
    set_vector(apic->in_service, (unsigned)vector, true);
    if ((unsigned)vector == (apic->lvt[APIC_TIMER] & LVT_VECTOR)) {
        apic_timer_arm(apic);
    }
    apic_update(apic);
    return (uint8_t)vector;
}

void apic_end_of_interrupt(struct local_apic *apic)
{
    int vector = highest(apic->in_service);
    if (vector < 0) {
        return; /* of a spurious interrupt, by mistake */
    }
    set_vector(apic->in_service, (unsigned)vector, false);
    if (vector_is_set(apic->level_triggered, (unsigned)vector)) {
        apic->wiring.end_of_interrupt(apic->wiring.opaque, (uint8_t)vector);
    }
    apic_update(apic);
}

/* -- sources -- */

void apic_report_error(struct local_apic *apic, uint32_t error)
{
    bool known = apic->new_errors & error;
    apic->new_errors |= error;
    if (!known) {
        apic_signal(apic, APIC_ERROR);
    }
}

/* An illegal vector of the error's own entry would report itself for ever. */
static void request(struct local_apic *apic, unsigned vector, bool level)
{
    if (vector < FIRST_LEGAL_VECTOR) {
        apic_report_error(apic, ERROR_RECEIVE_VECTOR);
        return;
    }
    set_vector(apic->requested, vector, true);
    set_vector(apic->level_triggered, vector, level);
    apic_update(apic);
}

void apic_signal(struct local_apic *apic, enum apic_source source)
{
    uint32_t entry = apic->lvt[source];
    unsigned mode = (entry & LVT_MODE) >> LVT_MODE_SHIFT;
    if (entry & LVT_MASKED) {
        return;
    }
    if (mode == INTERRUPT_NMI) {
        apic->wiring.nmi(apic->wiring.opaque);
    } else if (mode == INTERRUPT_FIXED && apic_enabled(apic)) {
        request(apic, entry & LVT_VECTOR, false);
    }
}

/* Off, the APIC leaves the pins to the CPU: LINT1 is NMI then. */
void local_apic_set_pin(void *local_apic, unsigned number, bool level)
{
    struct local_apic *apic = local_apic;
    bool rises = level && !apic->pins[number];
    apic->pins[number] = level;
    if (rises && !(apic->base & APIC_BASE_ENABLED)) {
        if (number == LOCAL_APIC_LINT1) {
            apic->wiring.nmi(apic->wiring.opaque);
        }
    } else if (rises) {
        apic_signal(apic, number == LOCAL_APIC_LINT0 ? APIC_LINT0 : APIC_LINT1);
    }
    apic_update(apic);
}

/* -- messages: section 10.6 -- */

static bool is_addressed(const struct local_apic *apic, uint8_t destination,
                         bool logical)
{
    if (!logical) {
        return destination == EVERYBODY || destination == apic->id >> DESTINATION_SHIFT;
    }
    uint32_t own = apic->logical_destination >> DESTINATION_SHIFT;
    if (apic->destination_format >> 28 == FLAT_MODEL) {
        return own & destination;
    }
    bool same_cluster = destination >> 4 == own >> 4 || destination >> 4 == 0xf;
    return same_cluster && (own & destination & 0xf);
}

static bool take_message(struct local_apic *apic,
                         const struct interrupt_message *message)
{
    switch (message->mode) {
    case INTERRUPT_FIXED:
    case INTERRUPT_LOWEST_PRIORITY:
        if (apic_enabled(apic)) {
            request(apic, message->vector, message->level);
        }
        return apic_enabled(apic);
    case INTERRUPT_NMI:
        apic->wiring.nmi(apic->wiring.opaque);
        return true;
    case INTERRUPT_INIT:
        apic_initialize(apic);
        apic->wiring.init(apic->wiring.opaque);
        return true;
    case INTERRUPT_STARTUP: /* for processors that wait for it, which this one never
                               does: after INIT, it goes to the reset vector */
        return true;
    default:
        log_guest_error(apic->device.log, "local_apic", "delivery mode %u is not there",
                        message->mode);
        return false;
    }
}

bool local_apic_receive(void *local_apic, const struct interrupt_message *message)
{
    struct local_apic *apic = local_apic;
    return (apic->base & APIC_BASE_ENABLED) &&
           is_addressed(apic, message->destination, message->logical) &&
           take_message(apic, message);
}

void apic_send_command(struct local_apic *apic)
{
    uint32_t low = apic->command_low;
    struct interrupt_message message = {
        .destination = (uint8_t)(apic->command_high >> DESTINATION_SHIFT),
        .logical = low & COMMAND_LOGICAL,
        .mode = low >> LVT_MODE_SHIFT & 7,
        .vector = (uint8_t)low,
    };
    bool has_vector =
        message.mode == INTERRUPT_FIXED || message.mode == INTERRUPT_LOWEST_PRIORITY;
    if (has_vector && message.vector < FIRST_LEGAL_VECTOR) {
        apic_report_error(apic, ERROR_SEND_VECTOR);
        return;
    }
    if (message.mode == INTERRUPT_INIT && (low & COMMAND_LEVEL) &&
        !(low & COMMAND_ASSERT)) {
        return; /* gives processors of old new numbers for arbitration */
    }
    switch (low >> COMMAND_SHORTHAND_SHIFT & 3) {
    case TO_DESTINATION:
        local_apic_receive(apic, &message);
        break;
    case TO_SELF:
    case TO_ALL:
        take_message(apic, &message);
        break;
    default: /* there are no others */
        break;
    }
}
