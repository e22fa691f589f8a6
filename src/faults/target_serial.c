/* Bytes on serial lines, between the UART and what is at its other end; and what faults
 * hear there that wait for a text. */
#include "faults/bus_value.h"
#include "faults/faults_internal.h"

static bool concerns(const struct fault *fault, unsigned line, unsigned use)
{
    const struct fault_spec *spec = &fault->spec;
    return spec->target == FAULT_SERIAL && spec->line == line &&
           (spec->uses_of & use) && fault->present;
}

/* False: the byte is lost. */
static bool pass(struct faults *faults, unsigned line, unsigned use, uint8_t *byte)
{
    for (struct fault *f = faults->first; f; f = f->next) {
        if (!concerns(f, line, use) || !fault_hits(f)) {
            continue;
        }
        if (f->spec.model == FAULT_LOST) {
            fault_note_use(f);
            return false;
        }
        const uint8_t before = *byte;
        if (f->spec.model != FAULT_TOGGLE || f->toggles++ % 2 == 0) {
            fault_choose_bits(f, 1);
            fault_apply(f, byte, 1);
        }
        if (*byte != before) {
            fault_note_use(f);
        }
    }
    return true;
}

static bool transmits(void *opaque, unsigned line, uint8_t *byte)
{
    struct faults *faults = opaque;
    for (struct fault *f = faults->first; f; f = f->next) {
        trigger_note_byte(f, line, *byte);
    }
    return pass(faults, line, FAULT_ON_WRITE, byte);
}

static bool receives(void *opaque, unsigned line, uint8_t *byte)
{
    return pass(opaque, line, FAULT_ON_READ, byte);
}

static bool wants_line(const struct fault *fault, unsigned line)
{
    const struct fault_spec *spec = &fault->spec;
    const enum fault_state state = fault->report.state;
    return (state == FAULT_WAITING && spec->when.event == FAULT_TEXT &&
            spec->when.line == line) ||
           (state == FAULT_PRESENT && spec->target == FAULT_SERIAL &&
            spec->line == line);
}

void serial_taps_update(struct faults *faults)
{
    for (unsigned line = 0; line < MACHINE_SERIAL_LINES; line++) {
        bool wanted = false;
        for (const struct fault *f = faults->first; f; f = f->next) {
            wanted |= wants_line(f, line);
        }
        faults->taps[line] = (struct serial_tap){
            .transmits = transmits, .receives = receives, .opaque = faults};
        machine_tap_serial(faults->machine, line, wanted ? &faults->taps[line] : NULL);
    }
}

static bool begin_serial(struct fault *fault)
{
    if (fault->spec.model != FAULT_BREAK) {
        return true;
    }
    fault->present = false;
    if (!machine_break_serial(fault->owner->machine, fault->spec.line)) {
        return fault_refuse(fault, "there is no serial line %u", fault->spec.line);
    }
    fault_note_use(fault);
    return true;
}

const struct fault_target fault_serial = {
    .begin = begin_serial,
    .end = bus_value_end,
};
