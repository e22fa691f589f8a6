/* What tells a chip how time passes: its view of the machine's clock. Who looks at the
 * time, and notices, is not tracked. */
#include "faults/faults_internal.h"

#include <string.h>

static const char *const names[MACHINE_CLOCKS] = {
    [MACHINE_CLOCK_RTC] = "rtc",   [MACHINE_CLOCK_PIT] = "pit",
    [MACHINE_CLOCK_HPET] = "hpet", [MACHINE_CLOCK_PM] = "pm",
    [MACHINE_CLOCK_APIC] = "apic", [MACHINE_CLOCK_TSC] = "tsc",
};

static enum machine_clock find(const char *name)
{
    unsigned which = 0;
    while (which < MACHINE_CLOCKS && strcmp(names[which], name) != 0) {
        which++;
    }
    return (enum machine_clock)which;
}

static bool exists(const struct fault *fault, enum machine_clock which)
{
    const struct machine_config *config = machine_configuration(fault->owner->machine);
    return which != MACHINE_CLOCKS &&
           !(which == MACHINE_CLOCK_HPET && config->no_hpet) &&
           !(which == MACHINE_CLOCK_APIC && config->no_apic);
}

static bool arm_clock(struct fault *fault, struct error *error)
{
    return exists(fault, find(fault->spec.name)) ||
           error_set(error,
                     "-fault: target=clock,name=%s: there is no such clock; they are "
                     "called rtc, pit, hpet, pm, apic and tsc, as far as the machine "
                     "has them",
                     fault->spec.name);
}

static void disturb(const struct fault *fault, int direction)
{
    const struct fault_spec *spec = &fault->spec;
    struct clock *view = machine_clock_view(fault->owner->machine, find(spec->name));
    switch (spec->model) {
    case FAULT_DRIFT:
        clock_view_disturb(view, direction * spec->ppm, 0, 0);
        break;
    case FAULT_STOP:
        clock_view_disturb(view, 0, direction, 0);
        break;
    default:
        clock_view_disturb(view, 0, 0, spec->jump_ns);
        break;
    }
}

static bool begin_clock(struct fault *fault)
{
    fault->report.activation = FAULT_ACTIVATION_UNKNOWN;
    fault->present = fault->spec.model != FAULT_JUMP;
    disturb(fault, 1);
    return true;
}

/* It goes on from there. */
static void end_clock(struct fault *fault)
{
    disturb(fault, -1);
}

const struct fault_target fault_clock = {
    .arm = arm_clock,
    .begin = begin_clock,
    .end = end_clock,
};
