/* cpu/direct/direct.h: ring-3 code executed by the host's processor itself.
 *
 * 32-bit flat code of ring 3 runs in compatibility mode, in the low window
 * (cpu/mmu/views.h): the same bytes at the same addresses, nothing translated. The JIT
 * runs all other code, and ring 3 wherever this one cannot: this engine stands on it.
 *
 * C goes in by `enter`, a far jump. Guest code comes out by a signal (a page that is
 * not mapped, an exception, an instruction that only ring 0 may execute, a kick of
 * another thread), or by a far jump to a gate: copies.c. Before a page is executed it
 * is examined for instructions that would show or do something else than on the guest's
 * processor: examine.c. System calls that the host's kernel would take for its own come
 * back by one of several ways: redirect.h.
 *
 * Instructions are not counted here: while cpu->free_running is false nothing runs
 * directly. Thread: the CPU's own. Saved by: nobody. */
#ifndef CPU_DIRECT_DIRECT_H
#define CPU_DIRECT_DIRECT_H

#include "cpu/core/engine.h"
#include "cpu/direct/lengths.h"
#include "cpu/direct/policy.h"
#include "cpu/direct/redirect.h"
#include "cpu/direct/tracer.h"
#include "cpu/jit/emit.h"
#include "cpu/jit/jit.h"

#include <signal.h>

/* Selectors of Linux: arch/x86/include/asm/segment.h. */
enum { HOST_CODE_32 = 0x23, HOST_CODE_64 = 0x33, HOST_DATA = 0x2b };

/* The engine's own page of code in the low window, and the copies of guest pages that
 * follow it in its file. The guest's kernel has nothing for ring 3 up there. */
#define DIRECT_PAGE 0xfffff000U
enum {
    DIRECT_CODE_PAGES = 1,
    DIRECT_COPIES = 1024,
    DIRECT_GATES = 64,
    COPY_GATES = 4,
    GATE_BYTES = 24,
};

/* How guest code came back, beside enum jit_exit. */
enum { DIRECT_EXIT_GATE = JIT_EXIT_TRAP + 1, DIRECT_EXIT_REDIRECTED };

/* What is known of a page of RAM. */
struct verdict {
    int16_t shown;    /* as views_examiner.examine() says */
    uint8_t rewrites; /* how often it was written soon after it was examined */
    uint32_t since;   /* `struct direct`, `entries`, at the last change */
};

/* A far jump to a gate, and the bytes that it stands for. */
struct copy_gate {
    uint32_t gate;
    uint16_t first;
    uint8_t bytes;
};

struct copy {
    bool used;
    uint8_t gate_count;
    uint32_t ram_page; /* of which it is a copy */
    struct copy_gate gates[COPY_GATES];
};

struct direct_statistics {
    uint64_t entries, gates, kicks, page_traps, soft_traps, other_traps, redirected;
    uint64_t examined, copied, refused, rewritten, refused_blocks;
    uint64_t given_up;
};

struct direct {
    struct cpu *cpu;
    int fd;           /* of the page of code and the copies */
    uint8_t *written; /* all of them, to be written */
    struct emitter emitter;
    uint32_t (*enter)(struct cpu *cpu);
    const uint8_t *entering, *entering_end, *turned_back;
    const uint8_t *signal_entry;
    const uint8_t *gate_common;       /* R14D = EIP, R15 = the CPU */
    const uint8_t *host_fs_site;      /* of the 8 bytes of FS's base in signal_entry */
    const uint8_t *told, *redirected; /* of a tracer: tracer.h */
    const uint8_t *trial_int80, *trial_hlt; /* guest code of our own */
    const uint8_t *gate_flags_read;
    const uint8_t *gates_start;
    uint64_t gates_used; /* a bit for each */
    struct copy copies[DIRECT_COPIES];
    bool mapped;               /* at DIRECT_PAGE */
    uint16_t host_fs, host_gs; /* selectors that FS and GS have */
    bool vex_allowed; /* the guest's kernel saves what VEX-encoded instructions use */
    bool mark_int80;  /* INT 80h must not be executed */
    struct policy policy;
    struct lengths lengths;
    const struct redirect *redirect;
    uint64_t redirect_ns[REDIRECTS]; /* what one took in a trial; 0: not tried */
    pid_t filtered_thread;           /* by seccomp */
    struct tracer tracer;
    struct verdict *verdicts; /* of each page of RAM */
    uint64_t ram_pages;
    uint32_t entries;      /* counts; wraps */
    unsigned traps_in_row; /* since ring 0 ran last */
    struct direct_statistics statistics;
};

/* enter.c: the page of code. */
bool direct_make_code(struct direct *direct, struct error *error);
void direct_unmake_code(struct direct *direct);
/* In this thread: whose FS base C expects. */
void direct_set_host_fs(struct direct *direct, uint64_t base);
/* A gate through which code comes out and passes a number: its address, 0 if there are
 * no more. */
uint32_t direct_make_gate(struct direct *direct, uint32_t passed);
void direct_free_gate(struct direct *direct, uint32_t gate);

/* leave.c: what signals do. */
bool direct_handle_signal(void *opaque, int number, const siginfo_t *info,
                          void *context);
/* Guest code has come out by a signal: makes `struct cpu` say where it is, and does
 * what is to be done. Whether it may go on at once. */
bool direct_after_signal(struct direct *direct);
/* Likewise, by a tracer, behind an INT 80h. */
void direct_after_redirection(struct direct *direct);
/* The host's flags and segment registers become the guest's, and what is derived from
 * MXCSR follows. Segments may raise. */
void direct_take_state(struct cpu *cpu);

/* examine.c */
int direct_examine(void *opaque, gla_t page, uint32_t ram_page, bool fetched);
void direct_page_written(void *opaque, uint64_t ram_page);
/* What is allowed has changed: all is to be examined anew. */
void direct_forget_verdicts(struct direct *direct);

/* copies.c */

struct scan_marks;
/* A copy of a page of RAM that holds `bytes`, without what is marked: its number, or
 * SCAN_NONE if there is no room. */
int direct_make_copy(struct direct *direct, uint32_t ram_page, const uint8_t *bytes,
                     const struct scan_marks *marks);
void direct_drop_copy(struct direct *direct, unsigned number);
/* Whether the copy may be shown at `page`: a gate can lead back to one place only. */
bool direct_copy_fits(const struct direct *direct, unsigned number, gla_t page);
/* Whether the copy may be entered at EIP: not where a far jump stands. */
bool direct_copy_enters(const struct direct *direct, unsigned number, uint32_t eip);
/* Where in the guest's code the gate is that has passed this number. */
bool direct_find_gate(struct direct *direct, uint32_t passed, uint32_t *eip);

/* run.c */
/* In the thread that is to run. */
void direct_settle(struct direct *direct);
enum cpu_exit direct_run(struct cpu *cpu, uint64_t budget);
/* Whether what is at CS:EIP is to be executed directly: asked whenever the privilege
 * has changed, or guest code has come out. */
bool direct_executes(void *opaque);

#endif
