/* cpu/core/cpu.h: the state of one virtual IA-32 processor.
 *
 * Everything architectural is here, with the caches that engines keep about it. The CPU
 * knows no device: the machine wires it to a memory map, a port space, a clock and an
 * interrupt controller (struct cpu_wiring).
 * Thread: the CPU's own thread owns all but `request` and the lines, which are atomic
 * and may be set by any thread (cpu_kick, cpu_set_interrupt_line…).
 * Saved by: the machine, with cpu_fields.
 *
 * Order of general registers and segments is the processor's encoding (Intel SDM vol.
 * 2, table 2-2 and section 2.1.3). */
#ifndef CPU_CORE_CPU_H
#define CPU_CORE_CPU_H

#include "base/lock.h"
#include "base/log.h"
#include "base/types.h"
#include "bus/memory.h"
#include "bus/port.h"
#include "clock/clock.h"
#include "cpu/core/cpuid.h"
#include "cpu/core/flags.h"
#include "state/state.h"

#include <setjmp.h>
#include <stdatomic.h>

enum register_number {
    REGISTER_EAX,
    REGISTER_ECX,
    REGISTER_EDX,
    REGISTER_EBX,
    REGISTER_ESP,
    REGISTER_EBP,
    REGISTER_ESI,
    REGISTER_EDI,
    REGISTER_ZERO, /* always 0: "no base", "no index" */
    REGISTER_COUNT,
};

enum segment_number {
    SEGMENT_ES,
    SEGMENT_CS,
    SEGMENT_SS,
    SEGMENT_DS,
    SEGMENT_FS,
    SEGMENT_GS,
    SEGMENT_COUNT,
};

/* What translated code need not check. */
enum segment_kind {
    SEGMENT_CHECKED, /* limit, type: everything */
    SEGMENT_WHOLE,   /* readable and writable data, 4 GiB, any base */
    SEGMENT_FLAT,    /* likewise, base 0 */
};

/* A segment register with its hidden part. `access` holds bits 8-15 and 20-23 of the
 * descriptor's second word, shifted down by 8: type, S, DPL, P, then (bits 12-15) AVL,
 * L, D/B, G. Intel SDM vol. 3, section 3.4.5. */
struct segment {
    uint16_t selector;
    uint16_t access;
    uint32_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint8_t kind;   /* enum segment_kind; kept by segment_update() */
    /* Added to a host address: 0, or what makes it no address if `kind` is
     * SEGMENT_CHECKED. Kept likewise. */
    uint64_t barrier;
    /* What the fast path of a data access compares with: offsets below `read_end`
     * (`write_end`) may be read (written). 0: ask the slow path (null, expand-down,
     * execute-only…). Kept by segment_update(). */
    uint64_t read_end, write_end;
};

/* What loading a data segment register came to: the same again as long as the
 * descriptor in memory is the same. */
struct loaded_segment {
    uint64_t descriptor; /* 0: nothing is here */
    uint8_t cpl;
    struct segment segment;
};

enum { LOADED_SEGMENTS = 8 };

enum {
    SEGMENT_ACCESSED = 0x01,
    SEGMENT_WRITABLE = 0x02, /* data */
    SEGMENT_READABLE = 0x02, /* code */
    SEGMENT_EXPAND_DOWN = 0x04,
    SEGMENT_CONFORMING = 0x04,
    SEGMENT_CODE = 0x08,
    SEGMENT_NOT_SYSTEM = 0x10, /* the S bit: code or data */
    SEGMENT_DPL_SHIFT = 5,
    SEGMENT_PRESENT = 0x80,
    SEGMENT_BIG = 0x4000, /* D/B */
    SEGMENT_GRANULAR = 0x8000,
};

static inline unsigned segment_dpl(const struct segment *segment)
{
    return (segment->access >> SEGMENT_DPL_SHIFT) & 3;
}

/* GDTR, IDTR. */
struct descriptor_table {
    uint32_t base;
    uint16_t limit;
};

enum {
    CR0_PE = 1U << 0,
    CR0_MP = 1U << 1,
    CR0_EM = 1U << 2,
    CR0_TS = 1U << 3,
    CR0_ET = 1U << 4,
    CR0_NE = 1U << 5,
    CR0_WP = 1U << 16,
    CR0_AM = 1U << 18,
    CR0_NW = 1U << 29,
    CR0_CD = 1U << 30,
    CR4_VME = 1U << 0,
    CR4_PVI = 1U << 1,
    CR4_TSD = 1U << 2,
    CR4_DE = 1U << 3,
    CR4_PSE = 1U << 4,
    CR4_PAE = 1U << 5,
    CR4_MCE = 1U << 6,
    CR4_PGE = 1U << 7,
    CR4_PCE = 1U << 8,
    CR4_OSFXSR = 1U << 9,
    CR4_OSXMMEXCPT = 1U << 10,
    CR4_OSXSAVE = 1U << 18,
    EFER_NXE = 1U << 11,
};
#define CR0_PG 0x80000000U

/* Bytes of an XSAVE area with x87, SSE and AVX state (SDM vol. 1, chapter 13). */
enum { XSAVE_AREA_BYTES = 832, XSAVE_LEGACY_BYTES = 512 };

/* State components: bits of XCR0 and XSTATE_BV. */
enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4 };

/* Where things are in the area (SDM vol. 1, tables 13-1 and 10-2). */
enum {
    FPU_AREA_CONTROL = 0,
    FPU_AREA_STATUS = 2,
    FPU_AREA_TAGS = 4, /* a bit per physical register: not empty */
    FPU_AREA_OPCODE = 6,
    FPU_AREA_INSTRUCTION = 8,
    FPU_AREA_OPERAND = 16,
    FPU_AREA_MXCSR = 24,
    FPU_AREA_MXCSR_MASK = 28,
    FPU_AREA_ST = 32, /* ST(0) to ST(7), 16 bytes each */
    FPU_AREA_XMM = 160,
    FPU_AREA_XSTATE_BV = 512,
    FPU_AREA_HEADER_BYTES = 64,
    FPU_AREA_YMM_HIGH = 576,
};

/* The guest's x87/SSE/AVX state. While `live`, the host's own registers hold it and
 * `area` is out of date; see cpu/core/fpu.h. */
struct fpu {
    _Alignas(64) uint8_t area[XSAVE_AREA_BYTES];
    bool live;
    uint64_t
        barrier; /* derived: 0 while live, else what is no address if added to one */
    bool simd_unmasked; /* derived: MXCSR unmasks an exception */
    /* Last x87 instruction and its operand, as FSTENV shows them. */
    uint16_t opcode, instruction_selector, operand_selector;
    uint32_t instruction_offset, operand_offset;
};

/* Requests of other threads, and of the CPU to itself, to leave the running block. */
enum {
    CPU_REQUEST_KICK = 1,      /* return to the machine */
    CPU_REQUEST_INTERRUPT = 2, /* INTR is high */
    CPU_REQUEST_NMI = 4,
    CPU_REQUEST_FLUSH = 8, /* the memory map has changed: drop translations */
    CPU_REQUEST_A20 = 16,  /* the A20 line has changed */
    CPU_REQUEST_CODE = 32, /* another thread wrote RAM that holds decoded code */
    CPU_REQUEST_STEP = 64, /* single steps: blocks are not chained */
};

/* Why single instructions must be run one by one just now. */
enum {
    CPU_SHADOW_STI = 1,   /* interrupts wait for one more instruction */
    CPU_SHADOW_MOV_SS = 2 /* so do NMI and debug traps */
};

struct debugger;
struct trace;

/* Beside a vector that has been delivered. */
enum {
    CPU_DELIVERED_HARDWARE = 0x100,
    CPU_DELIVERED_SOFTWARE = 0x200, /* INT n and the like */
    CPU_TRIPLE_FAULT = 0x400,
};

/* Who is told of exceptions and interrupts, on the CPU's thread, lock not
 * held, when the handler's first instruction is next. `vector` may have one of the bits
 * above; after a triple fault there is none. */
struct cpu_observer {
    void (*delivered)(void *opaque, unsigned vector, uint32_t error);
    void *opaque;
};

/* How the machine wires a CPU. Callbacks are made with the machine lock held. */
struct cpu_wiring {
    struct lock *lock;
    struct log *log;
    struct clock *clock;
    struct clock *tsc_clock; /* of the time stamp counter */
    struct memory_map *memory;
    struct port_space *ports;
    struct trace *trace;          /* cpu_trace.h; NULL: nothing is traced */
    const char *syscall_redirect; /* of engine direct (redirect.h); NULL: auto */
    /* INTA cycle: the vector of the interrupt to take. */
    uint8_t (*acknowledge_interrupt)(void *opaque);
    /* IA32_APIC_BASE has been written; NULL: there is no local APIC. */
    void (*set_apic_base)(void *opaque, uint64_t base);
    /* FERR#: an unmasked x87 exception waits while CR0.NE is clear; may be NULL. */
    void (*set_ferr)(void *opaque, bool level);
    void *opaque;
    /* Code that the host's processor executes for the guest has left 32-bit mode: ends
     * the process. In a signal's handler. NULL: what it does next is its own business.
     */
    void (*escaped)(void);
};

/* What translated code and the engine tell each other (cpu/jit). */
struct translated_state {
    uint64_t host_stack; /* the stack pointer of C while translated code runs */
    uint64_t stack;      /* that of translated code while C runs for it */
    uint64_t stack_top;  /* where that begins */
    uint64_t handed;     /* what translated code does a quick way: cpu/jit */
    int64_t left;        /* of the budget, in instructions */
    int64_t shadow_left; /* the same right behind the last STI that set IF */
    uint64_t table;      /* the jump table */
    uint64_t view;       /* where the view begins */
    uint64_t pc;         /* where a signal came */
    uint64_t target;     /* …and what R8 held: where an indirect jump leads */
    uint64_t address;    /* …and the address that trapped */
    uint32_t error;      /* …with the processor's error code */
    uint32_t trap;       /* …and its vector */
    uint32_t exit;       /* how it ended */
    uint32_t link;
    uint32_t x87_note;         /* of the last x87 instruction: cpu/jit; 0: none */
    uint32_t x87_operand_note; /* …and of the last with an operand in memory */
    uint32_t requests;         /* those of `request` that translated code leaves for */
    uint32_t requests_open, requests_closed; /* …with IF set, and clear */
    uint32_t index_mask;                     /* of the jump table */
    uint32_t arithmetic_mask, closed_mask;   /* flags that PUSHF and CLI keep */
    uint32_t interrupt_mask;                 /* IF */
    uint32_t assumptions; /* what the running translations take for granted */
};

/* What code that the host's processor executes and the engine tell each other
 * (cpu/direct). */
struct direct_state {
    uint32_t eip;     /* where to go, with `code`: an operand of a far jump */
    uint16_t code;    /* selector of the host's 32-bit code segment */
    uint8_t dispatch; /* SYSCALL_DISPATCH_FILTER_…: what SUD looks at */
    bool uses_fs;     /* FS has the guest's base while guest code runs */
    uint64_t flags;   /* the host's RFLAGS there, in and out */
    uint64_t gs_base, fs_base;
    uint64_t host_fs_base;
    uint64_t armed;   /* address of a byte: 0 if a tracer is to be told of guest code */
    bool untraced;    /* that byte if there is none */
    uint64_t address; /* of a signal: the address that trapped, … */
    uint32_t error;   /* …the processor's error code, … */
    uint32_t trap;    /* …its vector, … */
    uint32_t signal;  /* …the signal's number… */
    bool stepped;     /* …and whether it is the trap flag's */
    uint32_t kept_flags; /* what a signal's return would lose before a gate reads it */
};

struct instruction;
struct block;
struct direct;
struct jit;
struct mmu;
struct views;
struct code_cache;
struct host_unit;

struct cpu {
    /* Architectural state. */
    uint32_t regs[REGISTER_COUNT];
    uint32_t eip; /* valid between blocks; within one see `current` */
    struct arithmetic_flags arithmetic; /* OF SF ZF AF PF CF */
    uint32_t system_flags;              /* EFLAGS without the six above; bit 1 is set */
    struct segment segments[SEGMENT_COUNT];
    struct segment ldtr, tr;
    struct descriptor_table gdtr, idtr;
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    uint64_t xcr0;
    uint64_t efer, pat, apic_base, misc_enable, mtrr_def_type;
    uint64_t mtrr_fixed[11], mtrr_variable[16];
    uint32_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t tsc_offset; /* added to virtual time; wraps */
    uint64_t mcg_status;
    uint64_t random_state; /* of RDRAND and RDSEED */
    uint64_t pdpte[4];     /* PAE: as they were when CR3 was loaded */
    struct fpu fpu;
    uint8_t shadow; /* CPU_SHADOW_… */
    bool halted;
    bool nmi_blocked;  /* between an NMI and the next IRET */
    uint32_t a20_mask; /* all ones, or bit 20 clear */

    /* Derived from the above; kept by cpu_update_mode(). */
    uint8_t cpl;
    uint8_t access_rights; /* of data accesses at this CPL: enum mmu_rights */
    uint32_t stack_mask;   /* 0xffff or all ones, from SS.B (in any mode) */
    uint32_t code_mode;    /* what decoding depends on: enum code_mode bits */

    /* Running. */
    uint64_t retired; /* instructions up to the start of the current block */
    struct {
        bool pending;
        uint32_t eip, error;
    } user_fault; /* the last #PF of ring 3, for when it tries again: cpu/mmu/views.h */
    uint64_t delivered_at; /* `retired` after the last exception; UINT64_MAX: none */
    const struct instruction *current;     /* being executed (or just executed) */
    const struct instruction *block_start; /* NULL between blocks */
    uint64_t budget_end; /* `retired` at which the engine must return */
    uint64_t chain_end;  /* likewise; before it one block leads to the next */
    bool free_running;   /* time is not counted: budgets are not exact (engine.h) */
    jmp_buf unwind;      /* where cpu_raise() goes */
    void (*run_next)(struct cpu *cpu); /* the engine's part of the run loop */
    struct {
        uint8_t vector;
        bool has_error;
        uint32_t error;
    } pending;                /* what cpu_raise() raised */
    int16_t delivering;       /* vector being delivered, -1: none; for double faults */
    uint8_t nested;           /* exceptions raised so far by delivering others */
    bool delivering_external; /* the EXT bit of error codes (SDM vol. 3, 6.13) */
    bool stepping;            /* one instruction, or one iteration, at a time */
    bool single_step;         /* TF was set when the current instruction began */
    uint32_t dr6_pending;     /* debug conditions met by the current instruction */

    struct { /* where devices' registers were reached last: cpu_bus.c */
        const struct memory_region *region;
        gpa_t first, last;
        uint32_t generation; /* of the memory map; 0: nowhere */
    } device;

    _Atomic uint32_t request;       /* CPU_REQUEST_… */
    void (*nudge)(struct cpu *cpu); /* told of requests by the engine's wish; or NULL */
    atomic_bool a20_line;           /* what CPU_REQUEST_A20 shall put into a20_mask */

    struct debugger *debugger;           /* cpu/core/debugger.h; NULL: nobody debugs */
    const struct cpu_observer *observer; /* NULL: nobody */
    const struct translation_tap *translation_tap; /* likewise; cpu/mmu */
    struct translated_state translated;
    struct direct_state direct_state;
    struct loaded_segment loaded_segments[LOADED_SEGMENTS]; /* by index in the GDT */
    struct mmu *mmu;               /* cached translations: cpu/mmu */
    struct views *views;           /* the same as host mappings: likewise; or NULL */
    struct code_cache *code_cache; /* decoded blocks: cpu/interpreter */
    struct jit *jit;               /* translated blocks: cpu/jit */
    struct direct *direct;         /* what the host executes: cpu/direct; or NULL */
    struct host_unit *host_unit;   /* stubs for the host's vector unit: likewise */
    struct cpuid cpuid;            /* what CPUID tells; constant */
    struct cpu_wiring wiring;
    struct cpu_statistics *statistics;
};

enum code_mode {
    CODE_MODE_32 = 1,   /* CS.D: 32-bit operands and addresses */
    CODE_MODE_VEX = 2,  /* protected mode, not v86: VEX is decoded */
    CODE_MODE_USER = 4, /* CPL 3: shares no decoded code with the inner rings */
};

/* Counters for -stats; plain counts of events. */
struct cpu_statistics {
    uint64_t blocks_decoded, blocks_invalidated, code_cache_flushes;
    uint64_t tlb_misses, tlb_flushes, page_faults;
    uint64_t exceptions, hardware_interrupts, software_interrupts;
    uint64_t port_accesses, mmio_accesses;
    uint64_t decoding_cycles; /* of the host's time stamp counter */
};

/* In IA32_APIC_BASE; the CPU has no local APIC for software while it is clear. */
#define CPU_APIC_ENABLED (1ULL << 11)

extern const struct state_field cpu_fields[];
enum { CPU_STATE_VERSION = 1 };

/* Leaves the CPU in the power-on state (SDM vol. 3, table 9-1): at f000:fff0. */
void cpu_reset(struct cpu *cpu);
/* INIT#: as reset, but FPU, caches and MSRs keep what they hold. */
void cpu_init_signal(struct cpu *cpu);
/* After the architectural state was changed from outside (loaded): derived fields. */
void cpu_loaded(struct cpu *cpu);
/* Likewise, if control and debug registers, A20 and MSRs are as before: what has been
 * cached of memory stays. */
void cpu_registers_loaded(struct cpu *cpu);

/* Recomputes read_end and write_end from the rest. */
void segment_update(struct segment *segment);
/* Whether offset … offset + bytes - 1 is inside the segment's limit. */
bool segment_holds(const struct segment *segment, uint32_t offset, unsigned bytes);
/* Recomputes cpl (from CS/SS and mode), access_rights (also from AM, AC), stack_mask,
 * code_mode. */
void cpu_update_mode(struct cpu *cpu);

/* EFLAGS as PUSHF sees it (VM and RF included), and back. The setter changes all bits;
 * what the instruction at hand may change is its own business. */
static inline uint32_t cpu_eflags(const struct cpu *cpu)
{
    return cpu->system_flags | arithmetic_flags_get(cpu->arithmetic);
}

static inline void cpu_set_eflags(struct cpu *cpu, uint32_t eflags)
{
    cpu->arithmetic = arithmetic_flags_from(eflags);
    cpu->system_flags =
        (eflags & (EFLAGS_SYSTEM & ~EFLAGS_ARITHMETIC)) | EFLAGS_ALWAYS_ONE;
}

static inline bool cpu_protected(const struct cpu *cpu)
{
    return (cpu->cr0 & CR0_PE) && !(cpu->system_flags & EFLAGS_VM);
}

static inline bool cpu_v86(const struct cpu *cpu)
{
    return (cpu->cr0 & CR0_PE) && (cpu->system_flags & EFLAGS_VM);
}

static inline unsigned cpu_iopl(const struct cpu *cpu)
{
    return (cpu->system_flags >> 12) & 3;
}

/* Any thread. `what`: CPU_REQUEST_…; translated code comes out to serve it. */
void cpu_request(struct cpu *cpu, uint32_t what);
void cpu_kick(struct cpu *cpu);
void cpu_set_interrupt_line(struct cpu *cpu, bool level);
void cpu_raise_nmi(struct cpu *cpu);
/* Takes effect at the next instruction boundary. */
void cpu_set_a20(struct cpu *cpu, bool enabled);

/* Instructions retired so far, exact even in the middle of a block. CPU's thread. */
uint64_t cpu_retired(const struct cpu *cpu);

/* The engine returns when so many are retired, or before. */
static inline void cpu_end_budget(struct cpu *cpu, uint64_t retired)
{
    cpu->budget_end = retired < cpu->budget_end ? retired : cpu->budget_end;
    cpu->chain_end = retired < cpu->chain_end ? retired : cpu->chain_end;
}

/* The CPU's only ways out to the bus: take the machine lock, put the guest's vector
 * registers aside, count. `address` has the A20 mask applied. */
uint32_t cpu_port_read(struct cpu *cpu, uint16_t port, unsigned width);
void cpu_port_write(struct cpu *cpu, uint16_t port, uint32_t value, unsigned width);
uint32_t cpu_physical_read(struct cpu *cpu, gpa_t address, unsigned width);
void cpu_physical_write(struct cpu *cpu, gpa_t address, uint32_t value, unsigned width);

/* Tells the local APIC of apic_base. */
void cpu_place_apic(struct cpu *cpu);

/* The time stamp counter: 1 GHz of virtual time plus offset. */
uint64_t cpu_tsc(struct cpu *cpu);

#endif
