/* kernel.h: what the test kernel's topics share.
 *
 * The kernel runs at privilege 0 on flat segments with paging off. A case is a piece of
 * guest code ("snippet") that runs in a context of its own: privilege, segments, flags
 * and registers are all given by struct context. It ends at the first exception or
 * interrupt of any kind; run() then returns with what the processor has done to the
 * context, and with the frame it pushed. A snippet that does what it is meant to do
 * ends with INT3. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Segments of the global table. SYSENTER wants the first four in this order. */
    KERNEL_CODE = 0x08,
    KERNEL_DATA = 0x10,
    USER_CODE = 0x18 | 3,
    USER_DATA = 0x20 | 3,
    MAIN_TASK = 0x28,
    CODE16 = 0x30, /* base 0, limit 0xffff, 16 bits */
    DATA16 = 0x38, /* likewise */
    SLOT = 0x40,   /* SLOT_COUNT entries that each case sets as it likes */
    SLOT_COUNT = 24,
    CATCHERS = SLOT + 8 * SLOT_COUNT, /* tasks of catch_by_task() */
    CATCHER_COUNT = 32,
};

enum {
    /* Bits of a descriptor as gdt_set() takes them: byte 5, and G, D/B, L, AVL above.
     */
    TYPE_TSS16 = 1,
    TYPE_LDT = 2,
    TYPE_BUSY = 2, /* of a TSS */
    TYPE_CALL_GATE16 = 4,
    TYPE_TASK_GATE = 5,
    TYPE_INTERRUPT_GATE16 = 6,
    TYPE_TRAP_GATE16 = 7,
    TYPE_TSS = 9,
    TYPE_CALL_GATE = 0xc,
    TYPE_INTERRUPT_GATE = 0xe,
    TYPE_TRAP_GATE = 0xf,
    ACCESSED = 1,
    DATA_READ = 0x10,
    DATA_WRITE = 0x12,
    DATA_DOWN = 0x16,
    CODE_EXECUTE = 0x18,
    CODE_READ = 0x1a,
    CODE_CONFORMING = 0x1e,
    PRESENT = 0x80,
    DPL3 = 0x60,
    BIG = 0x4000,
    GRANULAR = 0x8000,
};

enum {
    FLAG_CF = 1,
    FLAG_TF = 0x100,
    FLAG_IF = 0x200,
    FLAG_DF = 0x400,
    FLAG_IOPL = 0x3000,
    FLAG_NT = 0x4000,
    FLAG_RF = 0x10000,
    FLAG_VM = 0x20000,
    FLAG_AC = 0x40000,
    FLAG_VIF = 0x80000,
    FLAG_VIP = 0x100000,
    FLAG_ID = 0x200000,
};

enum {
    CR0_PE = 1,
    CR0_MP = 2,
    CR0_EM = 4,
    CR0_TS = 8,
    CR0_NE = 0x20,
    CR0_WP = 0x10000,
    CR0_AM = 0x40000,
    CR0_NW = 0x20000000,
    CR0_CD = 0x40000000,
    CR4_VME = 1,
    CR4_PVI = 2,
    CR4_TSD = 4,
    CR4_DE = 8,
    CR4_PSE = 0x10,
    CR4_PAE = 0x20,
    CR4_PGE = 0x80,
    CR4_PCE = 0x100,
    CR4_OSFXSR = 0x200,
    CR4_OSXMMEXCPT = 0x400,
    CR4_OSXSAVE = 0x40000,
};
#define CR0_PG 0x80000000U

/* Memory of fixed addresses, so that what is printed does not depend on the compiler.
 */
enum {
    LOW_CODE = 0x10000,  /* snippets of real and virtual-8086 mode; 64 KiB */
    LOW_STACK = 0x20000, /* their stack segment; 64 KiB */
    LOW_DATA = 0x30000,  /* their data */
    ARENA = 0x800000,    /* 4 MiB for anything */
    TABLES = 0xc00000,   /* page tables; 1 MiB */
    USER_STACK_TOP = 0xe00000,
    GUEST_STACK_TOP = 0xe80000, /* of snippets at privilege 0 */
    TRAP_STACK_TOP = 0xf00000,  /* ESP0 of the main task */
    KERNEL_STACK_TOP = 0xf80000,
    MAPPED_MIB = 32, /* what paging maps one to one */
};

/* Order known to run.S. */
struct context {
    uint32_t eax, ecx, edx, ebx;
    uint32_t esp, ss;
    uint32_t ebp, esi, edi;
    uint32_t eip, eflags;
    uint32_t cs, ds, es, fs, gs;
    /* Of the exception that ended it. */
    uint32_t vector, error;
    uint32_t frame_esp; /* when the handler began: the error code, or EIP */
    uint32_t frame[10]; /* EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS as far as pushed */
    uint32_t code;      /* where the snippet began */
    bool resume;        /* RF was pushed; it is not in eflags */
};

/* Assembles `text`, closed by INT3, under `name`. */
#define SNIPPET_BITS(bits, name, text)                                                 \
    extern const uint8_t name[], name##_end[];                                         \
    __asm__(".pushsection .snippets,\"ax\"\n.balign 16\n.code" bits "\n" #name         \
            ":\n" text "\nint3\n" #name                                                \
            "_end:\n.fill 16,1,0xcc\n.code32\n.popsection")
#define SNIPPET(name, text) SNIPPET_BITS("32", name, text)
#define SNIPPET16(name, text) SNIPPET_BITS("16", name, text)
#define STRING_(x) #x
#define STRING(x) STRING_(x)

/* Contexts to begin with: interrupts off, registers zero. */
struct context ring0(const void *code);
struct context ring3(const void *code);
/* Copies the snippet to LOW_CODE; CS, SS, DS and ES are the low areas' segments. */
struct context v86(const uint8_t *code, const uint8_t *end);

/* Runs until an exception or interrupt. */
void run(struct context *context);
/* Begins the line "topic.name:", runs, prints how it ended. */
void go(const char *name, struct context *context);
/* go() for a context that nobody looks at afterwards. */
void go0(const char *name, const void *code);
void go3(const char *name, const void *code);

/* Output. begin() closes the line before. put() knows %x (hex), %d, %s, %%. */
void topic(const char *name);
void begin(const char *name);
__attribute__((format(printf, 1, 2))) void put(const char *format, ...);
void put_ending(const struct context *context);
void end_line(void);
/* "a_b", until the next call. */
const char *joined(const char *a, const char *b);
_Noreturn void leave(uint8_t status);

/* Until a rising edge of the 8254's counter 0 (IRQ 0) has reached the 8259. */
void wait_for_clock(void);

/* Descriptors. `selector` may have an RPL. */
extern uint64_t gdt[], idt[256];
extern uint32_t main_tss[];
void gdt_set(uint32_t selector, uint32_t base, uint32_t limit, uint32_t bits);
uint32_t gdt_bits(uint32_t selector);
/* A call, task, interrupt or trap gate; `parameters` of a call gate. */
uint64_t gate(uint32_t selector, uint32_t offset, uint32_t bits, uint32_t parameters);
void gdt_set_gate(uint32_t selector, uint64_t gate);
/* Puts back the handlers that end a run, at `dpl` 0 but for INT3, INTO and 0x80-0xff.
 */
void idt_reset(void);
/* Until idt_reset(): vector < 32 ends a run by a task gate, for exceptions that leave
 * no stack to handle them on. The context then comes from the main task's segment. */
void catch_by_task(uint32_t vector);
/* Makes the main task available, then current. */
void main_task_reload(void);
extern const uint8_t vector_stubs[];
enum { VECTOR_STUB_BYTES = 16 };

/* The main task's I/O map: 8 KiB and the byte of ones after it, all ones at first. */
void io_allow(uint32_t port, bool allowed);
void redirect(uint32_t vector, bool to_v86);

/* One to one page tables for MAPPED_MIB, user and writable, then CR0.PG. */
void paging_on(void);
void paging_off(void);
uint32_t *page_entry(uint32_t address);

/* Real mode: runs a snippet copied to LOW_CODE with CS = LOW_CODE / 16 until the first
 * interrupt of any kind. Segment registers of `context` are taken as they are. */
void run_real(struct context *context, const uint8_t *code, const uint8_t *end);
void go_real(const char *name, struct context *context, const uint8_t *code,
             const uint8_t *end);

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#define DEFINE_REGISTER(name)                                                          \
    static inline uint32_t get_##name(void)                                            \
    {                                                                                  \
        uint32_t value;                                                                \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value)::"memory");               \
        return value;                                                                  \
    }                                                                                  \
    static inline void set_##name(uint32_t value)                                      \
    {                                                                                  \
        __asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory");                  \
    }
DEFINE_REGISTER(cr0)
DEFINE_REGISTER(cr2)
DEFINE_REGISTER(cr3)
DEFINE_REGISTER(cr4)
DEFINE_REGISTER(dr0)
DEFINE_REGISTER(dr1)
DEFINE_REGISTER(dr2)
DEFINE_REGISTER(dr3)
DEFINE_REGISTER(dr6)
DEFINE_REGISTER(dr7)

static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "A"(value));
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint64_t value;
    __asm__ volatile("rdmsr" : "=A"(value) : "c"(msr));
    return value;
}

static inline volatile uint32_t *at(uint32_t address)
{
    return (volatile uint32_t *)address;
}

static inline volatile uint8_t *byte_at(uint32_t address)
{
    return (volatile uint8_t *)address;
}

void copy(uint32_t to, const void *from, uint32_t bytes);
void fill(uint32_t to, uint8_t value, uint32_t bytes);

/* A group of cases. */
struct topic {
    const char *name;
    void (*test)(void);
};

/* start.S calls main, which begins with boot(): tables, interrupt controllers. Returns
 * the command line. */
void main(const uint32_t *multiboot);
const char *boot(const uint32_t *multiboot);
/* What follows `key` in the command line, or NULL. */
const char *boot_argument(const char *line, const char *key);
/* Runs those that the command line asks for, by "only=" and "skip=". */
void run_topics(const struct topic *topics, unsigned count, const char *line);

/* The topics of the system tests. */
void test_segments(void);
void test_limits(void);
void test_transfers(void);
void test_interrupts(void);
void test_tasks(void);
void test_v86(void);
void test_real_mode(void);
void test_paging(void);
void test_pae(void);
void test_debug(void);
void test_shadows(void);
void test_flags(void);
void test_system(void);
void test_fpu(void);
void test_code(void);
void test_devices(void);
void test_apic(void);
void test_platform(void);
/* What ends QEMU's run. */
void test_hazards(void);
void test_real_mode_hazards(void);
/* Never returns: the machine resets. */
void test_reset(const char *how);

#endif
