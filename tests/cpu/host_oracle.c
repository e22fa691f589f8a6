#define _GNU_SOURCE
#include "host_oracle.h"

#include <asm/ldt.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* What IRETQ pops, preceded by what is loaded before. The assembler code below knows
 * the offsets. */
struct entry_frame {
    uint64_t rip, cs, rflags, rsp, ss; /* 0 */
    uint64_t regs[8];                  /* 40 */
    uint64_t es, ds, fs, gs;           /* 104 */
    uint64_t vector;                   /* 136: address of the XSAVE area */
};

enum {
    HOST_CS = 0x33,
    SIGNAL_STACK_BYTES = 256 * 1024,
    TRAP_DEBUG = 1,
    /* struct _fpstate's software bytes hold this when an XSAVE header follows. */
    XSTATE_MAGIC = 0x46505853,
    XSAVE_SW_BYTES_OFFSET = 464,
    XSAVE_HEADER_OFFSET = 512,
    XSAVE_AVX_OFFSET = 576,
    XSAVE_AVX_BYTES = 256,
};

#define FRAME_ADDRESS ORACLE_STACK16_HIGH

/* Signal handlers have no other way to their data. Names without `static` are used by
 * the assembler code. */
uint64_t oracle_host_rsp, oracle_host_fs_base;
uint64_t oracle_caught_segments[4]; /* ES, DS, FS, GS when the signal came */
void oracle_enter(struct entry_frame *frame);
void oracle_leave(void);
void oracle_signal(int number, siginfo_t *info, void *context);
void oracle_caught(int number, siginfo_t *info, void *context);

static struct {
    uint8_t *signal_stack;
    struct sigaction previous[NSIG];
    stack_t previous_stack;
    sigset_t previous_mask;
    uint8_t *memory; /* code and data, a second time */
    struct oracle_state *state;
    struct oracle_outcome *outcome;
    const struct oracle_bounds *bounds;
} oracle;

const struct oracle_segment oracle_segments[ORACLE_SEGMENTS] = {
    [ORACLE_SEGMENT_WINDOW >> 3] = {.base = ORACLE_WINDOW_BASE,
                                    .limit = 0xffff,
                                    .writable = true,
                                    .big = true,
                                    .present = true},
    [ORACLE_SEGMENT_SHORT >> 3] = {.base = ORACLE_WINDOW_BASE,
                                   .limit = ORACLE_WINDOW + 0xfff,
                                   .writable = true,
                                   .big = true,
                                   .present = true},
    [ORACLE_SEGMENT_CONSTANT >> 3] = {.base = ORACLE_WINDOW_BASE,
                                      .limit = 0xffff,
                                      .big = true,
                                      .present = true},
    [ORACLE_SEGMENT_EXPAND_DOWN >> 3] = {.base = ORACLE_WINDOW_BASE,
                                         .limit = ORACLE_WINDOW + 0xfff,
                                         .expand_down = true,
                                         .writable = true,
                                         .present = true},
    [ORACLE_SEGMENT_STACK16 >> 3] = {.base = ORACLE_WINDOW_BASE,
                                     .limit = 0xffff,
                                     .writable = true,
                                     .present = true},
    [ORACLE_SEGMENT_CODE16 >> 3] = {.base = ORACLE_CODE,
                                    .limit = 0xffff,
                                    .code = true,
                                    .readable_code = true,
                                    .present = true},
    [ORACLE_SEGMENT_EXECUTE_ONLY >> 3] = {.base = ORACLE_WINDOW_BASE,
                                          .limit = 0xffff,
                                          .code = true,
                                          .big = true,
                                          .present = true},
    [ORACLE_SEGMENT_ABSENT >> 3] = {.base = ORACLE_WINDOW_BASE,
                                    .limit = 0xffff,
                                    .writable = true,
                                    .big = true},
};

/* oracle_enter: to compatibility mode; comes back through oracle_leave.
 * oracle_signal: the handler. Nothing that uses thread-local storage may run before
 * FS's base is the host's again; Linux leaves segment registers to the handler.
 * oracle_leave: where the handler sends the thread when a run has ended. */
__asm__(".text\n"
        ".globl oracle_enter, oracle_leave, oracle_signal\n"
        "oracle_enter:\n"
        "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "    mov %rsp, oracle_host_rsp(%rip)\n"
        "    mov 136(%rdi), %rsi\n"
        "    mov $7, %eax\n"
        "    xor %edx, %edx\n"
        "    xrstor (%rsi)\n"
        "    mov 104(%rdi), %es\n"
        "    mov 112(%rdi), %ds\n"
        "    mov 120(%rdi), %fs\n"
        "    mov 128(%rdi), %gs\n"
        "    mov %rdi, %rsp\n"
        "    mov 40(%rsp), %rax\n"
        "    mov 48(%rsp), %rcx\n"
        "    mov 56(%rsp), %rdx\n"
        "    mov 64(%rsp), %rbx\n"
        "    mov 80(%rsp), %rbp\n"
        "    mov 88(%rsp), %rsi\n"
        "    mov 96(%rsp), %rdi\n"
        "    iretq\n"
        "oracle_leave:\n"
        "    pushq $0x202\n" /* NT survives handlers, and IRETQ does not like it */
        "    popfq\n"
        "    fninit\n"
        "    vzeroupper\n"
        "    ldmxcsr oracle_host_mxcsr(%rip)\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "    ret\n"
        "oracle_signal:\n"
        "    lea oracle_caught_segments(%rip), %rax\n"
        "    mov %es, %ecx; mov %rcx, (%rax)\n"
        "    mov %ds, %ecx; mov %rcx, 8(%rax)\n"
        "    mov %fs, %ecx; mov %rcx, 16(%rax)\n"
        "    mov %gs, %ecx; mov %rcx, 24(%rax)\n"
        "    xor %ecx, %ecx\n"
        "    mov %ecx, %es; mov %ecx, %ds; mov %ecx, %fs; mov %ecx, %gs\n"
        "    mov oracle_host_fs_base(%rip), %rax\n"
        "    wrfsbase %rax\n"
        "    pushfq\n" /* AC survives, too, and C does not like it */
        "    andl $0xfffbffff, (%rsp)\n"
        "    popfq\n"
        "    push %rbp\n"
        "    call oracle_caught\n"
        "    pop %rbp\n"
        /* Back to the guest or to oracle_leave. */
        "    lea oracle_caught_segments(%rip), %rax\n"
        "    mov (%rax), %es; mov 8(%rax), %ds\n"
        "    cmpq $0, 16(%rax)\n"
        "    je 1f\n"
        "    mov 16(%rax), %fs\n"
        "1:  mov 24(%rax), %gs\n"
        "    ret\n"
        ".section .rodata\n"
        "oracle_host_mxcsr: .long 0x1f80\n"
        ".text\n");

static const int caught_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

static void keep_vector_state(const uint8_t *frame)
{
    uint8_t *area = oracle.state->vector;
    uint32_t magic;
    memcpy(&magic, frame + XSAVE_SW_BYTES_OFFSET, sizeof(magic));
    memset(area, 0, XSAVE_AREA_BYTES);
    memcpy(area, frame, XSAVE_SW_BYTES_OFFSET);
    if (magic == XSTATE_MAGIC) {
        memcpy(area + XSAVE_HEADER_OFFSET, frame + XSAVE_HEADER_OFFSET, 8);
        if (area[XSAVE_HEADER_OFFSET] & 4) {
            memcpy(area + XSAVE_AVX_OFFSET, frame + XSAVE_AVX_OFFSET, XSAVE_AVX_BYTES);
        }
    }
}

static void keep_state(const greg_t *gregs)
{
    static const int order[8] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                 REG_RSP, REG_RBP, REG_RSI, REG_RDI};
    struct oracle_state *state = oracle.state;
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        state->regs[i] = (uint32_t)gregs[order[i]];
    }
    state->eip = (uint32_t)gregs[REG_RIP];
    state->eflags = (uint32_t)gregs[REG_EFL];
    state->segments[SEGMENT_CS] = (uint16_t)gregs[REG_CSGSFS];
    state->segments[SEGMENT_SS] = (uint16_t)((uint64_t)gregs[REG_CSGSFS] >> 48);
    state->segments[SEGMENT_ES] = (uint16_t)oracle_caught_segments[0];
    state->segments[SEGMENT_DS] = (uint16_t)oracle_caught_segments[1];
    state->segments[SEGMENT_FS] = (uint16_t)oracle_caught_segments[2];
    state->segments[SEGMENT_GS] = (uint16_t)oracle_caught_segments[3];
}

void oracle_caught(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    greg_t *gregs = user->uc_mcontext.gregs;
    if ((uint16_t)gregs[REG_CSGSFS] == HOST_CS) {
        signal(number, SIG_DFL); /* a crash of the test itself */
        return;
    }
    struct oracle_outcome *outcome = oracle.outcome;
    const struct oracle_bounds *bounds = oracle.bounds;
    uint32_t eip = (uint32_t)gregs[REG_RIP];
    bool goes_on = false;
    if (gregs[REG_TRAPNO] == TRAP_DEBUG) {
        outcome->steps++;
        goes_on = outcome->steps < bounds->max_steps && eip >= bounds->first_eip &&
                  eip <= bounds->last_eip;
    } else {
        outcome->vector = (int)gregs[REG_TRAPNO];
        outcome->error = (uint32_t)gregs[REG_ERR];
        outcome->cr2 = (uint32_t)gregs[REG_CR2];
    }
    if (!goes_on || bounds->may_run) {
        keep_state(gregs);
        keep_vector_state((const uint8_t *)user->uc_mcontext.fpregs);
    }
    if (goes_on &&
        (!bounds->may_run || bounds->may_run(bounds->opaque, oracle.state))) {
        gregs[REG_EFL] |= EFLAGS_TF;
        return;
    }
    memset(oracle_caught_segments, 0, sizeof(oracle_caught_segments));
    gregs[REG_RIP] = (greg_t)(uintptr_t)oracle_leave;
    gregs[REG_RSP] = (greg_t)oracle_host_rsp;
    gregs[REG_EFL] = EFLAGS_ALWAYS_ONE | EFLAGS_IF;
    gregs[REG_CSGSFS] = HOST_CS | (greg_t)((uint64_t)ORACLE_DS << 48);
}

enum { ANONYMOUS = -1 };

/* Anonymous memory, or that of `file` from `offset` on. */
static bool map_pages(uint32_t address, size_t bytes, int rights, int file,
                      off_t offset, struct error *error)
{
    void *wanted = (void *)(uintptr_t)address;
    int flags = file == ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *got = mmap(wanted, bytes, rights, flags | MAP_FIXED_NOREPLACE | MAP_POPULATE,
                     file, offset);
    if (got != wanted) {
        return error_set_errno(error, errno, "cannot map %#x", address);
    }
    return true;
}

/* Code and data can be reached a second time, whatever the first mapping's rights. */
static bool map_shared(struct error *error)
{
    enum { BYTES = ORACLE_CODE_BYTES + ORACLE_DATA_BYTES };
    int writable = PROT_READ | PROT_WRITE;
    int file = memfd_create("host-oracle", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, BYTES) != 0) {
        return error_set_errno(error, errno, "cannot create memory");
    }
    oracle.memory = mmap(NULL, BYTES, writable, MAP_SHARED | MAP_POPULATE, file, 0);
    bool good = oracle.memory != MAP_FAILED &&
                map_pages(ORACLE_CODE, ORACLE_CODE_BYTES, writable | PROT_EXEC, file, 0,
                          error) &&
                map_pages(ORACLE_DATA, ORACLE_DATA_BYTES, writable, file,
                          ORACLE_CODE_BYTES, error);
    close(file);
    return good;
}

uint8_t *host_oracle_code(void)
{
    return oracle.memory;
}

uint8_t *host_oracle_data(void)
{
    return oracle.memory + ORACLE_CODE_BYTES;
}

void host_oracle_protect(uint32_t address, enum oracle_rights rights)
{
    static const int protections[] = {[ORACLE_ABSENT] = PROT_NONE,
                                      [ORACLE_READABLE] = PROT_READ,
                                      [ORACLE_WRITABLE] = PROT_READ | PROT_WRITE};
    bool code = address - ORACLE_CODE < ORACLE_CODE_BYTES;
    int execute = code && rights != ORACLE_ABSENT ? PROT_EXEC : 0;
    mprotect((void *)(uintptr_t)address, PAGE_BYTES, protections[rights] | execute);
}

static bool install_ldt(struct error *error)
{
    for (unsigned i = 0; i < ORACLE_SEGMENTS; i++) {
        const struct oracle_segment *from = &oracle_segments[i];
        struct user_desc entry = {
            .entry_number = i,
            .base_addr = from->base,
            .limit = from->limit,
            .seg_32bit = from->big,
            .contents = from->code          ? MODIFY_LDT_CONTENTS_CODE
                        : from->expand_down ? MODIFY_LDT_CONTENTS_STACK
                                            : MODIFY_LDT_CONTENTS_DATA,
            .read_exec_only = !(from->writable || from->readable_code),
            .seg_not_present = !from->present,
            .useable = 0,
        };
        if (syscall(SYS_modify_ldt, 0x11, &entry, sizeof(entry)) != 0) {
            return error_set_errno(error, errno, "modify_ldt");
        }
    }
    return true;
}

static void take_signals(void)
{
    stack_t stack = {.ss_sp = oracle.signal_stack, .ss_size = SIGNAL_STACK_BYTES};
    sigaltstack(&stack, &oracle.previous_stack);
    struct sigaction action = {.sa_sigaction = oracle_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    sigset_t others;
    sigfillset(&others);
    for (unsigned i = 0; i < ARRAY_LENGTH(caught_signals); i++) {
        int number = caught_signals[i];
        sigaction(number, &action, &oracle.previous[number]);
        sigdelset(&others, number);
    }
    /* Their handlers would not find the host's FS. */
    pthread_sigmask(SIG_SETMASK, &others, &oracle.previous_mask);
}

static void return_signals(void)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(caught_signals); i++) {
        int number = caught_signals[i];
        sigaction(number, &oracle.previous[number], NULL);
    }
    sigaltstack(&oracle.previous_stack, NULL);
    pthread_sigmask(SIG_SETMASK, &oracle.previous_mask, NULL);
}

bool host_oracle_create(struct error *error)
{
    __builtin_cpu_init();
    if (!(getauxval(AT_HWCAP2) & 2) || !__builtin_cpu_supports("avx")) {
        return error_set(error, "this host lacks FSGSBASE or AVX");
    }
    int writable = PROT_READ | PROT_WRITE;
    if (!map_shared(error) ||
        !map_pages(ORACLE_READ_ONLY, ORACLE_READ_ONLY_BYTES, writable, ANONYMOUS, 0,
                   error) ||
        !map_pages(FRAME_ADDRESS, PAGE_BYTES, writable, ANONYMOUS, 0, error) ||
        !install_ldt(error)) {
        return false;
    }
    /* A page of its own before it loses the right to be written. */
    memset((void *)(uintptr_t)ORACLE_READ_ONLY, 0x5a, ORACLE_READ_ONLY_BYTES);
    mprotect((void *)(uintptr_t)ORACLE_READ_ONLY, ORACLE_READ_ONLY_BYTES, PROT_READ);
    oracle.signal_stack =
        mmap(NULL, SIGNAL_STACK_BYTES, writable, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (oracle.signal_stack == MAP_FAILED) {
        return error_set_errno(error, errno, "cannot map a signal stack");
    }
    __asm__ volatile("rdfsbase %0" : "=r"(oracle_host_fs_base));
    return true;
}

void host_oracle_destroy(void)
{
    munmap(oracle.signal_stack, SIGNAL_STACK_BYTES);
    munmap((void *)(uintptr_t)ORACLE_CODE, ORACLE_CODE_BYTES);
    munmap((void *)(uintptr_t)ORACLE_DATA, ORACLE_DATA_BYTES + ORACLE_READ_ONLY_BYTES);
    munmap((void *)(uintptr_t)FRAME_ADDRESS, PAGE_BYTES);
    munmap(oracle.memory, ORACLE_CODE_BYTES + ORACLE_DATA_BYTES);
}

void host_oracle_run(struct oracle_state *state, const struct oracle_bounds *bounds,
                     struct oracle_outcome *outcome)
{
    *outcome = (struct oracle_outcome){.vector = -1};
    if (bounds->max_steps == 0 ||
        (bounds->may_run && !bounds->may_run(bounds->opaque, state))) {
        return;
    }
    oracle.state = state;
    oracle.outcome = outcome;
    oracle.bounds = bounds;
    struct entry_frame *frame = (struct entry_frame *)(uintptr_t)FRAME_ADDRESS;
    *frame = (struct entry_frame){
        .rip = state->eip,
        .cs = state->segments[SEGMENT_CS],
        .rflags = state->eflags | EFLAGS_TF,
        .rsp = state->regs[REGISTER_ESP],
        .ss = state->segments[SEGMENT_SS],
        .es = state->segments[SEGMENT_ES],
        .ds = state->segments[SEGMENT_DS],
        .fs = state->segments[SEGMENT_FS],
        .gs = state->segments[SEGMENT_GS],
        .vector = (uintptr_t)state->vector,
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(frame->regs); i++) {
        frame->regs[i] = state->regs[i];
    }
    take_signals();
    oracle_enter(frame);
    return_signals();
}
