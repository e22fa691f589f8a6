/* cpu/mmu/views.h: guest-linear memory as host mappings, for code that runs natively.
 *
 * A view is a window of 4 GiB of host addresses (plus a guard behind it) that shows
 * guest-linear memory. There is one for supervisor accesses, whatever the page tables'
 * root, and one per root for user accesses, of which several are kept. Translated code
 * addresses a view by its base and 32-bit offsets and cannot leave it. Nothing is
 * mapped until it is touched: the engine then calls views_reach().
 *
 * Translations follow the rules of a TLB (Intel SDM vol. 3, section 4.10): stores to
 * page tables are not noticed, but at each flush (mmu_flush_…, mmu_load_cr3) what is
 * mapped is compared with the page tables, at the latest when the view is used again,
 * and what differs is unmapped. A page is mapped writable only while the leaf entry's D
 * bit is set, and readable while A is; a page of RAM that holds code
 * (ram->code_lines) is writable in no view.
 *
 * Only RAM and linear video memory are mapped, the latter never executable. Pages of
 * devices and ROM, and pages that user code may reach when it is the supervisor that
 * touches them (they change with each root, and are touched by few instructions; mapped
 * all the same until somebody has been in ring 3 with paging), are left to the
 * interpreter: VIEWS_SOFT. So is everything while breakpoints are enabled or A20 is
 * masked. Alignment checks (#AC) are the engine's business.
 *
 * Without paging, ring 3 uses the supervisor's view. The window where nothing is mapped
 * is a hole in the host's address space, in which the kernel places nothing by itself.
 * Thread: the CPU's own. Saved by: nobody. */
#ifndef CPU_MMU_VIEWS_H
#define CPU_MMU_VIEWS_H

#include "cpu/core/cpu.h"
#include "cpu/mmu/mmu.h"

struct views;

/* What -stats shows. */
struct views_statistics {
    uint64_t reached; /* calls of views_reach() that mapped something */
    uint64_t soft;    /* …that found nothing to map */
    uint64_t mmaps, mprotects, unmaps; /* host calls */
    uint64_t pages_mapped, pages_unmapped;
    uint64_t revalidations, pages_compared;
    uint64_t views_created, views_evicted;
    uint64_t mappings,
        mappings_peak; /* estimate of the host's mappings, now and most */
    uint64_t failed;   /* host calls: nothing was mapped, or a view emptied instead */
};

enum { VIEWS_BUDGET_DEFAULT = 48000 }; /* the kernel allows a process 65530 mappings */

/* Called when the page at guest-linear `page` has (or may have) another translation for
 * instruction fetches than when views_note_code() was called: whatever remembers host
 * code by linear address in this view has to forget this page's. `view` as
 * views_current_id(). Comes out of flushes, views_current(), views_reach() and
 * views_note_code(); must not call back. The page has to be noted anew. */
typedef void views_code_moved(void *opaque, unsigned view, gla_t page);
/* All of a view's translations are gone, or its number is about to be used for another
 * root. */
typedef void views_code_moved_all(void *opaque, unsigned view);

/* `budget`: how many host mappings may be used; at the limit the least recently used
 * user view is emptied, then the supervisor's. Fails if the host lacks address space.
 * Sets cpu->views, from when on mmu.c tells it of flushes. */
bool views_create(struct cpu *cpu, unsigned budget, struct error *error);
void views_destroy(struct cpu *cpu);

void views_listen(struct cpu *cpu, views_code_moved *moved, views_code_moved_all *all,
                  void *opaque);

/* The view for the current root and privilege level, up to date after all flushes so
 * far. To be called before translated code is entered after anything that may have
 * changed CPL, CR3 or flushed. Returns the window's base; cheap if nothing changed. */
uint8_t *views_current(struct cpu *cpu);
/* The number of the view that views_current() last returned: 0 for the supervisor's,
 * small. */
unsigned views_current_id(const struct cpu *cpu);
enum { VIEWS_MAXIMUM = 64 };

/* Guest-linear address of a host address in the current view's window or its guard;
 * false if it is elsewhere. An access that starts below 4 GiB and ends above faults in
 * the guard; it gets the (wrapped) address of the guard's byte. */
bool views_linear(const struct cpu *cpu, const void *host, gla_t *linear);

enum views_result {
    VIEWS_MAPPED, /* try again */
    VIEWS_SOFT,   /* the interpreter must make this access */
};

/* An access of the current view to `address` has trapped. Raises the guest's #PF, sets
 * A and D as the access does; maps what it can: all of a large page, or neighbours
 * whose entries say the same for consecutive pages of RAM. A write to a page that holds
 * code is VIEWS_SOFT; so is a fetch (MMU_EXECUTE) but in the low window, of code that
 * the examiner allows. May empty views for lack of room, this one too. */
enum views_result views_reach(struct cpu *cpu, gla_t address, enum mmu_access access);

/* Ring 3 is about to run, perhaps after its last page fault has been served: if it is
 * to try again what faulted, and may do that now, maps it before that traps. */
void views_after_fault(struct cpu *cpu);

/* Code has just been fetched (mmu_fetch) at guest-linear `page`, at the current view's
 * privilege: from now on views_code_moved tells of changes. `ram_page`: number of the
 * page of RAM it was in, or VIEWS_NO_RAM. Whether that is news. */
bool views_note_code(struct cpu *cpu, gla_t page, uint64_t ram_page);
enum { VIEWS_NO_RAM = UINT32_MAX };

/* Whether the current view has noted code at `page`, in this page of RAM. */
bool views_shows_code(const struct cpu *cpu, gla_t page, uint64_t ram_page);
/* Whether a view has noted code there; whether any has. */
bool views_has_code(const struct cpu *cpu, unsigned view, gla_t page);
bool views_any_has_code(const struct cpu *cpu, gla_t page);
/* In all views but the current one that have noted code at `page`, but not at `other`
 * in that page of RAM: code at `page` is forgotten (which views_code_moved tells). */
void views_forget_code_without(struct cpu *cpu, gla_t page, gla_t other,
                               uint64_t ram_page);

/* From mmu.c. Code has been decoded from this page of RAM: no view may show it
 * writable from now on. When code_lines of a page is empty again a write makes it
 * writable, by views_reach(). */
void views_protect_ram_page(struct cpu *cpu, uint64_t ram_offset);
/* From mmu.c, likewise, as mmu_protect_unwritten(). */
void views_protect_unwritten(struct cpu *cpu);
/* From mmu.c. Another region of the memory map may be seen now where this page of host
 * memory was (or is again): nothing shows it any more, and code from there is forgotten
 * (which views_code_moved tells). A flush follows. */
void views_forget_memory(struct cpu *cpu, const uint8_t *host);
/* From mmu.c, with the flushes of the same names. `rebuild`: not only entries, but
 * their meaning has changed (mmu_flush_all; or else mmu_flush_entries): all is
 * unmapped.
 */
void views_flush_all(struct cpu *cpu, bool rebuild);
void views_flush_non_global(struct cpu *cpu);
void views_flush_page(struct cpu *cpu, gla_t address);

/* The low window, at host address 0: views_low.c. Ring-3 code that the processor itself
 * executes sees memory at the addresses that it uses, so it runs there. One user view
 * at a time has it. Nowhere else is guest memory executable, and there only what the
 * examiner has allowed; it is writable then in no view. */

/* What the examiner says of a page of RAM: this, or (above 0) the number, plus 1, of
 * the page of `copies_fd` that is to be shown in its place. */
enum { VIEWS_REFUSED = -2, VIEWS_UNKNOWN = -1, VIEWS_AS_IT_IS = 0 };

struct views_examiner {
    /* `page`: where it shows, guest-linear. Unless `fetched` only what is known is
     * asked for. An answer that is not VIEWS_UNKNOWN has to hold until
     * views_forbid_execution(), and the page has to hold code (ram->code_lines) as
     * long as execution is allowed. Must not empty views unless `fetched`. */
    int (*examine)(void *opaque, gla_t page, uint32_t ram_page, bool fetched);
    void *opaque;
    int copies_fd;
    unsigned first_copy; /* page of it */
};

/* `end`: guest-linear address from which on up to 4 GiB the window belongs to the
 * caller. Fails if anything else of this process is at addresses below 4 GiB. */
/* Why that would fail here; NULL: it would not. */
const char *views_low_lacks(void);
bool views_create_low(struct cpu *cpu, gla_t end, struct error *error);
void views_examine_by(struct cpu *cpu, const struct views_examiner *examiner);
bool views_is_low(const struct cpu *cpu);
/* Whether the current address space has nothing for ring 3 where the window is the
 * caller's. A view that comes to have something there loses the window, in
 * views_keep_low(): what ring 3 reads there must be the guest's. */
bool views_may_be_low(struct cpu *cpu);
/* The current view leaves the low window if it may not be there any more: before ring 3
 * runs. */
void views_keep_low(struct cpu *cpu);
/* Gives the current view, which is a user view, the low window: it is emptied, and so
 * is the view that had it. views_current() has to be called after that. */
void views_take_low(struct cpu *cpu);
/* Whether the current view shows this address executable, and which page of RAM (or a
 * copy of which) is there. */
bool views_executes(const struct cpu *cpu, gla_t address, uint32_t *ram_page);
/* A page that shows this page of RAM executable; false: there is none. */
bool views_executable_at(const struct cpu *cpu, uint32_t ram_page, gla_t *page);
/* How many mappings of the host a view has. */
uint64_t views_mappings(const struct cpu *cpu, unsigned view);
/* A page of RAM is to be examined again before it is executed. `copied`: a copy was
 * shown. */
void views_forbid_execution(struct cpu *cpu, uint32_t ram_page, bool copied);

const struct views_statistics *views_statistics(const struct cpu *cpu);

#endif
