/* What of the guest's memory may be executed: pages as they are, copies in which some
 * instructions trap or lead to a gate, or nothing. */
#include "cpu/direct/direct.h"

#include "cpu/core/fpu.h"
#include "cpu/direct/elf_image.h"
#include "cpu/direct/scan.h"

enum {
    REWRITES = 8,              /* in a row, before a page is refused for that */
    ENTRIES_BETWEEN = 2000,    /* rewrites that are farther apart are not in a row */
    ENTRIES_REFUSED = 1000000, /* how long such a page stays refused */
    ENTRIES_UNTIL_KNOWN = 500, /* until the page before may be there to be looked at */
    /* Verdicts: VIEWS_REFUSED, for some time. */
    REFUSED_FOR_REWRITES = -3,
    REFUSED_FOR_NOW = -4, /* the page before was not there */
};

static void copy_bytes(uint8_t *to, const uint8_t *from, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        to[i] = from[i];
    }
}

/* A page's bytes as they are from now on, until somebody writes there and tells. DMA
 * holds the lock, too. */
static void begin_scan(struct direct *direct, gla_t page, uint32_t ram_page,
                       struct scan *scan)
{
    struct cpu *cpu = direct->cpu;
    const struct ram *ram = cpu->wiring.memory->ram;
    const uint8_t *next = mmu_peek_code(cpu, page + PAGE_BYTES);
    const uint8_t *before = mmu_peek_code(cpu, page - PAGE_BYTES);
    scan->page = before ? SCAN_BEFORE : 0;
    scan->count = scan->page + PAGE_BYTES + (next ? SCAN_BEHIND : 0);
    scan->code = 0;
    scan->code_end = PAGE_BYTES;
    scan->code_is_known = elf_image_find_code(cpu, page, &scan->code, &scan->code_end);
    scan->lengths = &direct->lengths;
    scan->vex_allowed = direct->vex_allowed;
    scan->mark_int80 = direct->mark_int80;
    for (unsigned i = 0; i < ARRAY_LENGTH(scan->starts); i++) {
        scan->starts[i] = 0;
    }
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    code_cache_watch_page(cpu, ram_page);
    copy_bytes(scan->bytes + scan->page, ram->host + ((uint64_t)ram_page << PAGE_SHIFT),
               PAGE_BYTES);
    lock_release(cpu->wiring.lock);
    if (before) {
        copy_bytes(scan->bytes, before + PAGE_BYTES - SCAN_BEFORE, SCAN_BEFORE);
    }
    if (next) {
        copy_bytes(scan->bytes + scan->page + PAGE_BYTES, next, SCAN_BEHIND);
    }
}

static int look_at(struct direct *direct, gla_t page, uint32_t ram_page)
{
    uint32_t eip = direct->cpu->eip;
    bool entered = page >> PAGE_SHIFT == eip >> PAGE_SHIFT;
    struct scan scan;
    struct scan_marks marks;
    begin_scan(direct, page, ram_page, &scan);
    scan_find_marks(&scan, entered ? (int)(eip & PAGE_OFFSET_MASK) : SCAN_NONE, &marks);
    direct->statistics.examined++;
    if (!marks.doubtful && marks.count == 0) {
        return VIEWS_AS_IT_IS;
    }
    int copy = marks.doubtful
                   ? SCAN_NONE
                   : direct_make_copy(direct, ram_page, scan.bytes + scan.page, &marks);
    direct->statistics.refused += copy < 0;
    direct->statistics.copied += copy >= 0;
    int refused = scan.page ? VIEWS_REFUSED : REFUSED_FOR_NOW;
    return copy < 0 ? refused : copy + 1;
}

static bool is_refused_for_long_enough(const struct direct *direct,
                                       const struct verdict *verdict)
{
    uint32_t entries = direct->entries - verdict->since;
    return (verdict->shown == REFUSED_FOR_REWRITES && entries > ENTRIES_REFUSED) ||
           (verdict->shown == REFUSED_FOR_NOW && entries > ENTRIES_UNTIL_KNOWN);
}

int direct_examine(void *opaque, gla_t page, uint32_t ram_page, bool fetched)
{
    struct direct *direct = opaque;
    struct verdict *verdict = &direct->verdicts[ram_page];
    if (is_refused_for_long_enough(direct, verdict)) {
        *verdict = (struct verdict){.shown = VIEWS_UNKNOWN};
    }
    if (verdict->shown == VIEWS_UNKNOWN && fetched) {
        verdict->shown = verdict->rewrites >= REWRITES
                             ? REFUSED_FOR_REWRITES
                             : (int16_t)look_at(direct, page, ram_page);
        verdict->since = direct->entries;
    }
    if (verdict->shown == REFUSED_FOR_REWRITES || verdict->shown == REFUSED_FOR_NOW ||
        (verdict->shown > VIEWS_AS_IT_IS &&
         !direct_copy_fits(direct, (unsigned)verdict->shown - 1, page))) {
        return VIEWS_REFUSED;
    }
    return verdict->shown;
}

/* The page is no longer executable, whatever it was. */
static void forget_verdict(struct direct *direct, uint32_t ram_page)
{
    int shown = direct->verdicts[ram_page].shown;
    direct->verdicts[ram_page].shown = VIEWS_UNKNOWN;
    if (shown >= VIEWS_AS_IT_IS) {
        views_forbid_execution(direct->cpu, ram_page, shown > VIEWS_AS_IT_IS);
    }
    if (shown > VIEWS_AS_IT_IS) {
        direct_drop_copy(direct, (unsigned)shown - 1);
    }
}

void direct_page_written(void *opaque, uint64_t ram_page)
{
    struct direct *direct = opaque;
    struct verdict *verdict = &direct->verdicts[ram_page];
    bool soon = direct->entries - verdict->since < ENTRIES_BETWEEN;
    verdict->rewrites = soon ? (uint8_t)(verdict->rewrites + 1) : 0;
    direct->statistics.rewritten++;
    forget_verdict(direct, (uint32_t)ram_page);
}

void direct_forget_verdicts(struct direct *direct)
{
    for (uint32_t page = 0; page < direct->ram_pages; page++) {
        forget_verdict(direct, page);
        direct->verdicts[page].rewrites = 0;
    }
}
