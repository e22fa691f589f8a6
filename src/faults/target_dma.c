/* What devices read from memory and write to it by themselves, on its way. */
#include "faults/bus_value.h"
#include "faults/faults_internal.h"

#include <string.h>

/* Which of a transfer's bytes are in the fault's range; false: none. */
static bool find_part(const struct fault_spec *spec, gpa_t address, uint64_t length,
                      uint64_t *first, uint64_t *count)
{
    bool begins_inside = address >= spec->range_first;
    uint64_t gap = begins_inside ? 0 : spec->range_first - address;
    uint64_t passed = begins_inside ? address - spec->range_first : 0;
    if (gap >= length || passed >= spec->range_bytes) {
        return false;
    }
    uint64_t there = length - gap, wanted = spec->range_bytes - passed;
    *first = gap;
    *count = there < wanted ? there : wanted;
    return true;
}

static bool concerns(const struct fault *fault, const char *master, bool write)
{
    const struct fault_spec *spec = &fault->spec;
    return fault->present && spec->target == FAULT_DMA &&
           (spec->uses_of & (write ? FAULT_ON_WRITE : FAULT_ON_READ)) &&
           (!*spec->name || strcmp(spec->name, master) == 0);
}

/* What is not read are ones; where nothing is written, all stays. */
static void lose(struct fault *fault, bool write, gpa_t address, uint8_t *bytes,
                 uint64_t count)
{
    if (!fault_strikes(fault)) {
        return;
    }
    if (write) {
        memory_read(fault->owner->pages.map, address, bytes, count);
    } else {
        memset(bytes, 0xff, count);
    }
}

static void change(struct fault *fault, uint8_t *bytes, uint64_t count)
{
    const struct fault_spec *spec = &fault->spec;
    uint8_t before[FAULT_VALUE_BYTES];
    uint64_t place = spec->address;
    if ((!spec->random_bits && place >= count) || !fault_hits(fault) ||
        (spec->model == FAULT_TOGGLE && fault->toggles++ % 2)) {
        return;
    }
    uint64_t room = count - (spec->random_bits ? 0 : place);
    unsigned width = room < spec->width ? (unsigned)room : spec->width;
    fault_choose_bits(fault, width);
    if (spec->random_bits) {
        place = random_below(&fault->random, count - width + 1);
    }
    memcpy(before, bytes + place, width);
    fault_apply(fault, bytes + place, width);
    if (memcmp(before, bytes + place, width) != 0) {
        fault_note_use(fault);
    }
}

static void passes(void *opaque, const char *master, bool write, gpa_t address,
                   uint8_t *bytes, uint64_t length)
{
    struct faults *faults = opaque;
    uint64_t first, count;
    for (struct fault *f = faults->first; f; f = f->next) {
        if (!concerns(f, master, write) ||
            !find_part(&f->spec, address, length, &first, &count)) {
            continue;
        }
        if (f->spec.model == FAULT_LOST) {
            lose(f, write, address + first, bytes + first, count);
        } else {
            change(f, bytes + first, count);
        }
    }
}

void dma_filter_update(struct faults *faults)
{
    bool wanted = false;
    for (const struct fault *f = faults->first; f; f = f->next) {
        wanted |= f->report.state == FAULT_PRESENT && f->spec.target == FAULT_DMA;
    }
    faults->dma_filter = (struct dma_filter){.passes = passes, .opaque = faults};
    faults->pages.map->dma_filter = wanted ? &faults->dma_filter : NULL;
}

const struct fault_target fault_dma = {
    .begin = bus_value_begin,
    .end = bus_value_end,
};
