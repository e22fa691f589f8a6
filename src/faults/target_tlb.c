/* A cached translation of a linear page. What is changed once stays until the CPU would
 * load the translation again; what is stuck is so in every one that is loaded. Page
 * tables are as they were. Everything is interpreted as long as one is wrong. */
#include "faults/faults_internal.h"

#include "cpu/mmu/inspect.h"
#include "cpu/mmu/translation_tap.h"

#include <stdlib.h>
#include <string.h>

/* Bits of a translation, as page-table entries have them. */
#define FRAME_BITS 0x0000000ffffff000ULL
#define WRITABLE_BIT 2ULL
#define USER_BIT 4ULL
#define GLOBAL_BIT 0x100ULL
#define NO_EXECUTE_BIT (1ULL << 63)
#define BITS (FRAME_BITS | WRITABLE_BIT | USER_BIT | NO_EXECUTE_BIT)

/* What else of the CPU's state translations follow from. */
#define CR0_BITS CR0_PG
#define CR4_BITS (CR4_PSE | CR4_PAE | CR4_PGE)

enum { LARGE_SHIFT = 22 };

struct wrong_translation {
    gla_t page;
    bool active; /* asked by walks; on the CPU's thread */
    bool large;
    uint64_t entry, right; /* as it is used; as it was loaded */
    uint32_t cr0, cr4;
};

static bool is_stuck(const struct fault *fault)
{
    return fault->spec.model == FAULT_STUCK0 || fault->spec.model == FAULT_STUCK1;
}

/* What page tables say of the page. */
static bool load(struct fault *fault, uint64_t *entry)
{
    struct wrong_translation *wrong = fault->data;
    uint64_t leaf;
    gpa_t physical;
    if (!mmu_translate(fault_cpu(fault), wrong->page, &physical, &leaf,
                       &wrong->large)) {
        return false;
    }
    *entry = (physical & FRAME_BITS) | (leaf & ~FRAME_BITS & (BITS | GLOBAL_BIT));
    return true;
}

static uint64_t applied(const struct fault *fault, uint64_t entry)
{
    uint8_t bytes[sizeof(entry)];
    memcpy(bytes, &entry, sizeof(bytes));
    fault_apply(fault, bytes, sizeof(bytes));
    memcpy(&entry, bytes, sizeof(entry));
    return entry;
}

/* -- walks and flushes -- */

static void update_tap(struct faults *faults);

/* The guest has made the CPU forget it. */
static void drop(struct fault *fault)
{
    struct wrong_translation *wrong = fault->data;
    struct lock *lock = machine_lock(fault->owner->machine);
    wrong->active = fault->interprets = false;
    update_tap(fault->owner);
    lock_take(lock);
    fault_note_overwritten(fault);
    fault_request_visit(fault);
    lock_release(lock);
}

/* What the CPU has cached is forgotten. That is no flush by the guest. */
static void change(struct fault *fault, bool active)
{
    struct wrong_translation *wrong = fault->data;
    struct cpu *cpu = fault_cpu(fault);
    cpu->translation_tap = NULL;
    mmu_flush_page(cpu, wrong->page);
    wrong->active = fault->interprets = active;
    update_tap(fault->owner);
}

static bool allows(const struct cpu *cpu, uint64_t entry, enum mmu_access access,
                   enum mmu_rights rights)
{
    bool user = rights != MMU_SUPERVISOR;
    bool writable = (entry & WRITABLE_BIT) || (!user && !(cpu->cr0 & CR0_WP));
    return (!user || (entry & USER_BIT)) && (access != MMU_WRITE || writable) &&
           (access != MMU_EXECUTE || !(entry & NO_EXECUTE_BIT));
}

static enum translation_source walk(struct fault *fault, gla_t address,
                                    enum mmu_access access, enum mmu_rights rights,
                                    struct translation *out)
{
    struct wrong_translation *wrong = fault->data;
    struct cpu *cpu = fault_cpu(fault);
    struct lock *lock = machine_lock(fault->owner->machine);
    if (is_stuck(fault)) {
        if (!load(fault, &wrong->right)) {
            return TRANSLATION_BY_TABLES;
        }
        wrong->entry = applied(fault, wrong->right);
    }
    const uint64_t entry = wrong->entry;
    if (entry != wrong->right && fault->report.activation == FAULT_NOT_ACTIVATED) {
        lock_take(lock);
        fault_note_use(fault);
        lock_release(lock);
    }
    if (!allows(cpu, entry, access, rights)) {
        /* A page fault makes the CPU forget the translation. */
        mmu_flush_page(cpu, address);
        return TRANSLATION_FAULTS;
    }
    *out = (struct translation){
        .physical = (entry & FRAME_BITS) | (address & PAGE_OFFSET_MASK),
        .writable = allows(cpu, entry, MMU_WRITE, rights),
        .executable = !(entry & NO_EXECUTE_BIT),
        .global = (entry & GLOBAL_BIT) && (cpu->cr4 & CR4_PGE),
        .large = wrong->large,
        .dirty = true,
    };
    return TRANSLATION_GIVEN;
}

static bool is_active(const struct fault *fault)
{
    const struct wrong_translation *wrong = fault->data;
    return fault->spec.target == FAULT_TLB && wrong->active;
}

static enum translation_source walks(void *opaque, gla_t address,
                                     enum mmu_access access, enum mmu_rights rights,
                                     struct translation *out)
{
    struct faults *faults = opaque;
    const gla_t page = address & ~(gla_t)PAGE_OFFSET_MASK;
    for (struct fault *f = faults->first; f; f = f->next) {
        const struct wrong_translation *wrong = f->data;
        if (is_active(f) && wrong->page == page) {
            return walk(f, address, access, rights, out);
        }
    }
    return TRANSLATION_BY_TABLES;
}

static bool is_flushed(const struct fault *fault, enum translation_flush flush,
                       gla_t address)
{
    const struct wrong_translation *wrong = fault->data;
    const struct cpu *cpu = fault_cpu(fault);
    const gla_t distance = wrong->page ^ address;
    switch (flush) {
    case TRANSLATION_FLUSH_PAGE:
        return distance >> (wrong->large ? LARGE_SHIFT : PAGE_SHIFT) == 0;
    case TRANSLATION_FLUSH_NON_GLOBAL:
        return !(wrong->entry & GLOBAL_BIT) || !(cpu->cr4 & CR4_PGE);
    case TRANSLATION_FLUSH_ALL:
        break;
    }
    return ((cpu->cr0 ^ wrong->cr0) & CR0_BITS) || ((cpu->cr4 ^ wrong->cr4) & CR4_BITS);
}

static void flushed(void *opaque, enum translation_flush flush, gla_t address)
{
    struct faults *faults = opaque;
    for (struct fault *f = faults->first; f; f = f->next) {
        if (is_active(f) && !is_stuck(f) && is_flushed(f, flush, address)) {
            drop(f);
        }
    }
}

static void update_tap(struct faults *faults)
{
    bool wanted = false;
    for (const struct fault *f = faults->first; f; f = f->next) {
        wanted |= is_active(f);
    }
    faults->tap =
        (struct translation_tap){.walks = walks, .flushed = flushed, .opaque = faults};
    machine_cpu_to_change(faults->machine)->translation_tap =
        wanted ? &faults->tap : NULL;
}

/* -- begin and end -- */

static bool arm_tlb(struct fault *fault, struct error *error)
{
    struct wrong_translation *wrong = calloc(1, sizeof(*wrong));
    if (!wrong) {
        return error_set(error, "out of memory for a fault");
    }
    wrong->page = (gla_t)fault->spec.address & ~(gla_t)PAGE_OFFSET_MASK;
    fault->data = wrong;
    return true;
}

/* Those of the frame, if they are left to chance: of the lowest 4 GiB. */
static void choose_bits(struct fault *fault)
{
    enum { BYTES = 8, FIRST = PAGE_SHIFT, COUNT = 32 - PAGE_SHIFT };
    const unsigned wanted = fault->spec.random_bits;
    if (!wanted) {
        fault_choose_bits(fault, BYTES);
        return;
    }
    unsigned count = wanted < COUNT ? wanted : COUNT;
    uint64_t first = FIRST + random_below(&fault->random, COUNT - count + 1);
    uint64_t mask = ((1ULL << count) - 1) << first;
    memcpy(fault->mask, &mask, sizeof(mask));
}

static bool has_bits(struct fault *fault)
{
    const struct cpu *cpu = fault_cpu(fault);
    uint64_t mask;
    memcpy(&mask, fault->mask, sizeof(mask));
    mask &= cpu->cr4 & CR4_PAE ? BITS : BITS & UINT32_MAX;
    mask &= cpu->efer & EFER_NXE ? BITS : ~NO_EXECUTE_BIT;
    memcpy(fault->mask, &mask, sizeof(mask));
    return mask;
}

static bool is_taken(const struct fault *fault)
{
    const struct wrong_translation *own = fault->data;
    for (const struct fault *f = fault->owner->first; f; f = f->next) {
        const struct wrong_translation *other = f->data;
        if (f != fault && is_active(f) && other->page == own->page) {
            return true;
        }
    }
    return false;
}

static bool begin_tlb(struct fault *fault)
{
    struct wrong_translation *wrong = fault->data;
    struct cpu *cpu = fault_cpu(fault);
    if (!(cpu->cr0 & CR0_PG)) {
        return fault_refuse(fault, "paging is off: nothing is translated");
    }
    if (is_taken(fault)) {
        return fault_refuse(fault, "another fault has the translation of this page");
    }
    choose_bits(fault);
    if (!has_bits(fault)) {
        return fault_refuse(fault, "translations do not have these bits: there are 1 "
                                   "(writable), 2 (user), 12 to 35, and with NX 63");
    }
    if (load(fault, &wrong->right)) {
        wrong->entry = applied(fault, wrong->right);
        fault_refuse(fault, "0x%08llx -> 0x%08llx", (unsigned long long)wrong->right,
                     (unsigned long long)wrong->entry);
    } else if (!is_stuck(fault)) {
        return fault_refuse(fault, "page tables have no translation of 0x%08x",
                            wrong->page);
    }
    wrong->cr0 = cpu->cr0;
    wrong->cr4 = cpu->cr4;
    change(fault, true);
    if (!is_stuck(fault)) {
        fault->present = false; /* it is over when the CPU forgets it */
        if (wrong->entry == wrong->right) {
            fault_note_overwritten(fault);
        }
    }
    return true;
}

static void end_tlb(struct fault *fault)
{
    change(fault, false);
    fault_note_overwritten(fault);
}

static void disarm_tlb(struct fault *fault)
{
    if (is_active(fault)) {
        change(fault, false);
    }
}

const struct fault_target fault_tlb = {
    .arm = arm_tlb,
    .begin = begin_tlb,
    .end = end_tlb,
    .disarm = disarm_tlb,
};
