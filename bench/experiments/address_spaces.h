/* bench/experiments: what the parts of the experiment on address spaces share.
 *
 * The experiment plays the host side of a guest that switches between address spaces
 * (address_spaces.c says what for). All its state is one `struct world`, shared memory
 * at the same address in all processes, as the engine's state would have to be. */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PAGE_BYTES = 4096,
    RAM_PAGES = 1 << 15, /* of the guest */
    LINEAR_PAGES = 1 << 20,
    PAGES_MAXIMUM = 4096, /* of an address space */
    SPACES_MAXIMUM = 4,
    SAMPLES_MAXIMUM = 4096,
    REPETITIONS_MAXIMUM = 99,
};

#define WINDOW_BYTES (1ULL << 32)
#define LOW_FIRST 0x10000 /* vm.mmap_min_addr */

/* A guest address space. */
struct space {
    unsigned pages;
    bool mapped;                     /* anything is mapped in its window */
    uint32_t linear[PAGES_MAXIMUM];  /* page numbers, in the order of touching */
    uint32_t ram_page[LINEAR_PAGES]; /* the page table: number plus 1; 0: no page */
};

/* How the CPU passes from one address space to the other. */
struct method {
    const char *name;
    /* Makes `to` the current space, and its window the current one. With processes:
     * returns when it is this process's turn again. False: all is over. */
    bool (*switch_to)(unsigned to);
    bool high;      /* each space has a window of its own besides */
    bool owner;     /* one of them has the low one */
    bool processes; /* one for each space, made beforehand */
    bool forks_only;
};

/* A way to hand over between processes. */
struct handover {
    const char *name;
    void (*pass)(unsigned to);
    void (*await)(unsigned self);
};

/* What the guest does. */
struct workload {
    const char *name;
    bool forks;                   /* space 0 starts space 1, which lives for a turn */
    unsigned spaces;              /* that take turns */
    unsigned pages, touched;      /* of each space; in a turn */
    unsigned supervisor;          /* pages that the guest's kernel touches in a turn */
    unsigned user_us;             /* native time between switches; of a life */
    unsigned fresh_instructions;  /* that a JIT would have to translate in a life */
    unsigned parent, parent_turn; /* if `forks`: pages of space 0, touched in a turn */
};

struct world {
    int ram; /* memfd */
    unsigned cpu;
    const struct method *method;
    const struct workload *workload;
    const struct handover *handover;
    unsigned current; /* space */
    uintptr_t base;   /* of the current window */
    unsigned wanted;  /* samples */
    bool over;
    uint32_t turn[SPACES_MAXIMUM]; /* futexes: 1: run */
    int eventfd[SPACES_MAXIMUM], pipe[SPACES_MAXIMUM][2];
    int64_t since_ns, spent_ns; /* a stopwatch */
    unsigned samples;
    double sample_us[SAMPLES_MAXIMUM];
    struct space spaces[SPACES_MAXIMUM];
};

static struct world *const world = (struct world *)0x100000000000;

/* Ends the program with a line if `good` is false. */
void require(bool good, const char *what);
int64_t now_ns(void);
void on_signal(int number, void (*handler)(int, siginfo_t *, void *));
/* Binds this process to a processor. */
void pin(unsigned cpu);
/* Sorts, returns the middle. */
double median(double *values, unsigned count);

/* address_spaces_windows.c: windows on guest memory. */

void world_create(void);
/* So many single-page mappings are in no space's window: those of the supervisor. */
void other_mappings(unsigned count);
/* Gives a space its pages, scattered over RAM. */
void space_fill(unsigned number, unsigned pages);
uintptr_t private_window(unsigned space);
/* The current space touches its first pages; what is not mapped is then mapped by the
 * handler of SIGSEGV. */
void touch(unsigned pages);
void touch_supervisor(unsigned pages);
/* Touches pages again and again for a time. */
void compute(unsigned pages, unsigned microseconds);
/* Unmaps the current space's window; all windows. */
void window_empty(uintptr_t base);
void windows_empty(void);
/* Whether one mremap() moves several mappings (Linux 6.17). */
bool can_move_many(void);

/* The ways to switch, as the methods of address_spaces.c. */
bool switch_window(unsigned to), switch_beside_owner(unsigned to);
bool switch_lazily(unsigned to), switch_eagerly(unsigned to);   /* (a) */
bool switch_by_move(unsigned to), switch_by_moves(unsigned to); /* (b) */

/* address_spaces_processes.c: a host process for each address space. */

extern const struct handover by_futex, by_eventfd, by_pipe, by_yield;

bool switch_process(unsigned to);     /* (c) */
bool switch_new_process(unsigned to); /* (c), without a pool */
/* A process for `space` that waits for its turns, and then does `work`. */
pid_t process_create(unsigned space, unsigned cpu, void (*work)(void));
/* Ends all processes but this one. */
void all_over(void);
void children_await(void);

/* address_spaces_workloads.c */

/* world->workload by world->method: us between the beginning of a switch and the last
 * touch of the turn (forks: without the time that is computed), median of many. */
double measure(unsigned switches);

/* address_spaces_limits.c: what processes cost otherwise; prints tables. */
void print_handovers(unsigned repetitions, unsigned other_cpu);
void print_processes(unsigned repetitions);
