/* torture.h: what the topics that torment the MMU share, on top of the test kernel's
 * kernel.h.
 *
 * A topic runs under 32-bit paging, under PAE, or under both, between paging_begin()
 * and paging_end(). Every space (root) maps all memory one to one for the supervisor,
 * the lower part in small pages, and a few pages for code of ring 3; topics map what
 * they like from WINDOW on. Page tables are written through the one-to-one map: nothing
 * is flushed but where a function says so. */
#ifndef TORTURE_H
#define TORTURE_H

#include "kernel.h"

enum {
    P = 1,
    W = 2,
    U = 4,
    A = 0x20,
    D = 0x40,
    LARGE = 0x80,
    G = 0x100,
    USER_PAGE = P | W | U,
    PAGE_BYTES = 0x1000,
    ENTRY_FLAGS = 0xfff,
    ERROR_PRESENT = 1,
    ERROR_WRITE = 2,
    ERROR_USER = 4,
    ERROR_FETCH = 0x10,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_TIMER = 0x20,
    VECTOR_SYSCALL = 0x80,
    MSR_EFER = 0xc0000080,
    EFER_NXE = 0x800,
    CONTROL4 = CR4_OSFXSR | CR4_OSXMMEXCPT, /* in CR4 all the time */
};
#define NX (1ULL << 63)
/* Six flags of arithmetic. */
enum { FLAGS_ALL = 0x8d5 };

enum {
    FRAMES = 0x1000000, /* what frame_alloc() gives out, up to LARGE_FRAMES */
    LARGE_FRAMES = 0x3000000,
    LARGE_FRAMES_END = 0x3c00000,
    MEMORY_BYTES = 0x4000000,
    SMALL_PAGES_END = 0x1000000, /* the one-to-one map has small pages below */
    /* Linear, of ring 3. */
    USER_TEXT = 0x40000000,
    USER_TEXT_PAGES = 4,
    USER_STACK = 0x40020000, /* the top; the pages below */
    USER_STACK_PAGES = 2,
    WINDOW = 0x50000000, /* for the topics */
    /* For models of memory; in a direct-mapped TLB they are not in WINDOW's way. */
    MODELS = ARENA + 0x200000,
};

/* Paging. */
void paging_begin(bool pae);
void paging_end(void);
bool paging_is_pae(void);
/* A cleared page of memory. There is no way to give it back before paging_begin(). */
uint32_t frame_alloc(void);
/* A new root (what CR3 holds), with what every space has. */
uint32_t space_create(void);
uint32_t current_root(void);
/* Where, in physical memory, the entries for `linear` are. leaf_entry() makes a table
 * if there is none. */
uint32_t directory_entry(uint32_t root, uint32_t linear);
uint32_t leaf_entry(uint32_t root, uint32_t linear);
uint64_t entry_read(uint32_t entry);
void entry_write(uint32_t entry, uint64_t value);
/* Bytes mapped by a large page, and by a page table. */
uint32_t large_bytes(void);
/* In the current space: writes the leaf entry; map() flushes the page, too. */
void set_leaf(uint32_t linear, uint64_t entry);
void map(uint32_t linear, uint64_t entry);
uint64_t leaf_of(uint32_t linear);
/* The frame and the rights of an address, all levels taken together; 0 if it is absent.
 * Makes no tables. */
uint64_t translation(uint32_t root, uint32_t linear);

/* The ways to flush. */
void flush_page(uint32_t linear);
void flush_root(void);   /* CR3: all but global pages */
void flush_global(void); /* CR4.PGE twice */
void flush_paging(void); /* CR0.PG twice */
enum flush { FLUSH_PAGE, FLUSH_ROOT, FLUSH_GLOBAL, FLUSH_PAGING, FLUSHES };
void flush(enum flush how, uint32_t linear);

/* Contexts of ring 3 in these spaces: user() copies the snippet to USER_TEXT. */
struct context user(const uint8_t *code);
/* user() or ring0(); with code that is in its place already. */
struct context at_ring(unsigned ring, const uint8_t *code);
struct context placed(unsigned ring, uint32_t linear);
/* Runs and tells how it ended: 0 for INT3, an error code and ENDED_FAULT for #PF, else
 * the vector and ENDED_OTHER. */
enum { ENDED_FAULT = 0x100, ENDED_OTHER = 0x1000 };
uint32_t run_ended(struct context *context);
/* How an access to a page with this leaf entry (whose directory allows all) has to end,
 * as run_ended() tells it. */
enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ACCESSES };
uint32_t wanted_end(uint64_t entry, enum access access, unsigned ring);

/* Handlers that resume. `function` returns false for what it does not know: then the
 * context ends as without it. Order of struct trap known to traps.S. */
struct trap {
    uint32_t es, ds;
    uint32_t edi, esi, ebp, unused, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss; /* from ring 3 only */
};
typedef bool trap_handler(struct trap *trap);
void handle(uint32_t vector, trap_handler *function);
/* SYSENTER calls `function` with EAX and EBX, and returns its value in EAX; ring 3
 * passes ESP in ECX and EIP in EDX. */
typedef uint32_t syscall_handler(uint32_t number, uint32_t argument);
void handle_sysenter(syscall_handler *function);
/* All vectors end contexts again. */
void handle_nothing(void);

/* Checks by the hundred: they add to a checksum, and those that fail are printed at
 * once, up to a few. The kernel's exit status tells whether any did. */
struct tally {
    uint32_t sum, count, bad;
};
void tally_add(struct tally *tally, uint32_t value);
void expect(struct tally *tally, uint32_t where, uint32_t found, uint32_t wanted);
void put_tally(const struct tally *tally);
bool any_bad(void);

/* Pseudo-random numbers (xorshift), from a seed that the first topic prints. */
extern uint32_t random_seed;
struct random {
    uint32_t state;
};
struct random random_new(uint32_t salt);
uint32_t random_next(struct random *random);
uint32_t random_below(struct random *random, uint32_t limit);

/* A checksum of memory, and a pattern that differs from page to page. */
uint32_t checksum(uint32_t address, uint32_t bytes);
void fill_pattern(uint32_t address, uint32_t bytes, uint32_t salt);
uint32_t pattern_word(uint32_t offset, uint32_t salt);

/* Topics; each is called with paging on. */
void torture_remaps(void);
void torture_rights(void);
void torture_accessed(void);
void torture_splits(void);
void torture_roots(void);
void torture_globals(void);
void torture_many(void);
void torture_recursive(void);
void torture_cow(void);
void torture_demand(void);
void torture_code(void);
void torture_code_pages(void);
void torture_faults(void);
void torture_strings(void);
void torture_rings(void);
void torture_timer(void);
void torture_wraps(void);
void torture_limits(void);
void limits_of_reloads(void); /* part of the one before */
void torture_random(void);

#endif
