/* Registers of devices in memory, by a watched page. Reads that are lost still reach
 * the device: the page's other users see them, too. */
#include "faults/bus_value.h"
#include "faults/faults_internal.h"

#include <stdlib.h>

static void has_read(void *opaque, gpa_t address, unsigned width, uint32_t *value)
{
    struct fault *fault = opaque;
    *value = bus_value_lost(fault, false, address, width)
                 ? UINT32_MAX
                 : bus_value_changed(fault, false, address, width, *value);
}

static bool writes(void *opaque, gpa_t address, unsigned width, uint32_t *value)
{
    struct fault *fault = opaque;
    if (bus_value_lost(fault, true, address, width)) {
        return false;
    }
    *value = bus_value_changed(fault, true, address, width, *value);
    return true;
}

static bool arm_mmio(struct fault *fault, struct error *error)
{
    const struct fault_spec *spec = &fault->spec;
    if ((spec->address & PAGE_OFFSET_MASK) + spec->width > PAGE_BYTES) {
        return error_set(error,
                         "-fault: target=mmio: the %u bytes at 0x%llx are in two "
                         "pages; choose another width",
                         spec->width, (unsigned long long)spec->address);
    }
    fault->data = calloc(1, sizeof(struct page_user));
    return fault->data || error_set(error, "out of memory for a fault");
}

static void disarm_mmio(struct fault *fault)
{
    page_watch_remove(&fault->owner->pages, fault->data);
}

static bool begin_mmio(struct fault *fault)
{
    struct page_user *user = fault->data;
    if (user->is_watching) {
        return true;
    }
    if (page_watch_ram(&fault->owner->pages, fault->spec.address)) {
        return fault_refuse(fault, "there is RAM at 0x%llx: use target=ram",
                            (unsigned long long)fault->spec.address);
    }
    *user = (struct page_user){.first = fault->spec.address,
                               .bytes = fault->spec.width,
                               .opaque = fault,
                               .has_read = has_read,
                               .writes = writes};
    return page_watch_add(&fault->owner->pages, user) ||
           fault_refuse(fault, "no more than %d pages can be watched", PAGE_WATCHES);
}

const struct fault_target fault_mmio = {
    .arm = arm_mmio,
    .begin = begin_mmio,
    .end = bus_value_end,
    .settle = disarm_mmio,
    .disarm = disarm_mmio,
};
