/* Memory cells. What is wrong in them is known byte by byte, so that the first use of a
 * wrong value is found: pages with wrong or stuck bits are watched until nothing is
 * wrong any more. */
#include "faults/faults_internal.h"

#include "cpu/mmu/inspect.h"
#include "disassembly/disassembly.h"

#include <stdlib.h>
#include <string.h>

enum { CELL_BYTES = 8 };

struct cells {
    struct page_user user;
    uint8_t right[CELL_BYTES]; /* what would be there */
};

static uint8_t *host_of(struct fault *fault)
{
    return page_watch_ram(&fault->owner->pages, fault->spec.address);
}

/* Puts it there as somebody beside the CPU. */
static void put(struct fault *fault, const uint8_t *bytes)
{
    uint8_t *host = host_of(fault);
    memcpy(host, bytes, fault->spec.width);
    page_watch_changed(&fault->owner->pages, host, fault->spec.width);
}

static bool is_wrong(const struct fault *fault, const uint8_t *host, unsigned i)
{
    const struct cells *cells = fault->data;
    return host[i] != cells->right[i];
}

static bool anything_wrong(struct fault *fault)
{
    const uint8_t *host = host_of(fault);
    for (unsigned i = 0; host && i < fault->spec.width; i++) {
        if (is_wrong(fault, host, i)) {
            return true;
        }
    }
    return false;
}

/* -- fetches: more is read than is executed -- */

static unsigned instruction_bytes(struct fault *fault, gla_t linear)
{
    struct faults *faults = fault->owner;
    struct cpu *cpu = fault_cpu(fault);
    uint8_t code[DISASSEMBLY_MOST_BYTES];
    char line[DISASSEMBLY_LINE_BYTES];
    unsigned count = 0;
    gpa_t physical;
    while (count < sizeof(code) &&
           mmu_translate(cpu, linear + count, &physical, NULL, NULL)) {
        const uint8_t *host = page_watch_ram(&faults->pages, physical);
        if (!host) {
            break;
        }
        code[count++] = *host;
    }
    bool is16 = !(cpu->code_mode & CODE_MODE_32);
    return (unsigned)disassembly_line(code, count, cpu->eip, is16, line);
}

/* Whether the CPU fetches the byte at `address` without executing it now: it reads
 * DISASSEMBLY_MOST_BYTES, one by one. */
static bool is_only_fetched(struct fault *fault, gpa_t address, unsigned width)
{
    struct cpu *cpu = fault_cpu(fault);
    gla_t linear = cpu->segments[SEGMENT_CS].base + cpu->eip;
    gpa_t physical;
    if (width != 1 || cpu->block_start ||
        !machine_on_cpu_thread(fault->owner->machine)) {
        return false;
    }
    for (unsigned i = 0; i < DISASSEMBLY_MOST_BYTES; i++) {
        if (mmu_translate(cpu, linear + i, &physical, NULL, NULL) &&
            physical == address) {
            return i >= instruction_bytes(fault, linear);
        }
    }
    return false;
}

/* -- accesses -- */

static void reads(void *opaque, gpa_t address, unsigned width)
{
    struct fault *fault = opaque;
    uint8_t *host = host_of(fault);
    if (!host) {
        return;
    }
    if (fault->present && fault->spec.model == FAULT_TOGGLE) {
        fault_apply(fault, host, fault->spec.width);
        page_watch_changed(&fault->owner->pages, host, fault->spec.width);
    }
    for (unsigned i = 0; i < fault->spec.width; i++) {
        gpa_t place = fault->spec.address + i;
        if (place >= address && place < address + width && is_wrong(fault, host, i) &&
            !is_only_fetched(fault, place, width)) {
            fault_note_use(fault);
            if (!fault->present) {
                fault_request_visit(fault);
            }
            return;
        }
    }
}

static void has_written(void *opaque, gpa_t address, unsigned width)
{
    struct fault *fault = opaque;
    struct cells *cells = fault->data;
    uint8_t *host = host_of(fault);
    if (!host) {
        return;
    }
    for (unsigned i = 0; i < fault->spec.width; i++) {
        gpa_t place = fault->spec.address + i;
        if (place >= address && place < address + width) {
            cells->right[i] = host[i];
        }
    }
    if (fault->present) {
        fault_apply(fault, host, fault->spec.width);
        page_watch_changed(&fault->owner->pages, host, fault->spec.width);
    } else if (!anything_wrong(fault)) {
        fault_note_overwritten(fault);
        fault_request_visit(fault);
    }
}

/* -- begin and end -- */

static bool is_instant(const struct fault *fault)
{
    return fault->spec.model == FAULT_FLIP || fault->spec.model == FAULT_SET;
}

static bool arm_ram(struct fault *fault, struct error *error)
{
    const struct fault_spec *spec = &fault->spec;
    if ((spec->address & PAGE_OFFSET_MASK) + spec->width > PAGE_BYTES) {
        return error_set(error,
                         "-fault: target=ram: the %u bytes at 0x%llx are in two "
                         "pages; choose another width",
                         spec->width, (unsigned long long)spec->address);
    }
    fault->data = calloc(1, sizeof(struct cells));
    return fault->data || error_set(error, "out of memory for a fault");
}

static void describe(struct fault *fault, const uint8_t *before, const uint8_t *after)
{
    uint64_t old = 0, new = 0;
    for (unsigned i = 0; i < fault->spec.width; i++) {
        old |= (uint64_t)before[i] << (8 * i);
        new |= (uint64_t)after[i] << (8 * i);
    }
    fault_refuse(fault, "0x%0*llx -> 0x%0*llx", (int)(2 * fault->spec.width),
                 (unsigned long long)old, (int)(2 * fault->spec.width),
                 (unsigned long long)new);
}

static bool begin_ram(struct fault *fault)
{
    struct cells *cells = fault->data;
    const unsigned width = fault->spec.width;
    uint8_t *host = host_of(fault);
    uint8_t bytes[CELL_BYTES];
    if (!host) {
        return fault_refuse(fault, "there is no RAM at 0x%llx",
                            (unsigned long long)fault->spec.address);
    }
    if (!cells->user.is_watching) {
        memcpy(cells->right, host, width);
        cells->user = (struct page_user){.first = fault->spec.address,
                                         .bytes = width,
                                         .opaque = fault,
                                         .reads = reads,
                                         .has_written = has_written};
        if (!page_watch_add(&fault->owner->pages, &cells->user)) {
            return fault_refuse(fault, "no more than %d pages can be watched",
                                PAGE_WATCHES);
        }
    }
    fault_choose_bits(fault, width);
    memcpy(bytes, host, width);
    if (fault->spec.model != FAULT_TOGGLE) {
        fault_apply(fault, bytes, width);
        describe(fault, host, bytes);
        put(fault, bytes);
    }
    if (is_instant(fault)) {
        fault->present = false;
        if (!anything_wrong(fault)) {
            fault_note_overwritten(fault);
        }
    }
    return true;
}

static void end_ram(struct fault *fault)
{
    if (!anything_wrong(fault)) {
        fault_note_overwritten(fault);
    }
}

static void disarm_ram(struct fault *fault)
{
    struct cells *cells = fault->data;
    page_watch_remove(&fault->owner->pages, &cells->user);
}

static void settle_ram(struct fault *fault)
{
    if (fault->report.activation != FAULT_NOT_ACTIVATED) {
        disarm_ram(fault);
    }
}

const struct fault_target fault_ram = {
    .arm = arm_ram,
    .begin = begin_ram,
    .end = end_ram,
    .settle = settle_ram,
    .disarm = disarm_ram,
};
