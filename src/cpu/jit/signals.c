/* Signals that interrupt translated code: what it cannot do (SIGSEGV, SIGFPE), and the
 * kicks of other threads (SIGURG). A kick comes anywhere; code is then stepped by the
 * host's trap flag (SIGTRAP) to where the guest's next instruction begins.
 *
 * The handler only moves the guest's registers to where C expects them, and sends the
 * thread to the glue that returns from translated code: everything else happens there,
 * out of the signal's context. The guest's vector registers are saved and restored by
 * the host's kernel. */
#define _GNU_SOURCE
#include "cpu/jit/jit.h"

#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { SIGNAL_STACK_BYTES = 64 << 10 };

/* The last three are for guest code that is not translated. */
static const int caught[JIT_SIGNALS] = {SIGSEGV, SIGFPE, SIGBUS, SIGURG,
                                        SIGTRAP, SIGILL, SIGSYS};

/* A handler has no other way to its data; a thread runs one CPU at a time. */
static _Thread_local struct jit *running;

static const uint8_t guest_registers[8] = {
    [REGISTER_EAX] = REG_RAX, [REGISTER_ECX] = REG_RCX, [REGISTER_EDX] = REG_RDX,
    [REGISTER_EBX] = REG_RBX, [REGISTER_ESP] = REG_R12, [REGISTER_EBP] = REG_RBP,
    [REGISTER_ESI] = REG_RSI, [REGISTER_EDI] = REG_RDI,
};

static bool in_translation(const struct jit *jit, const uint8_t *pc)
{
    return pc >= jit->translations_start && pc < jit->code_end;
}

/* From here translated code goes on without C. */
static bool leads_to_translation(const struct jit *jit, const uint8_t *pc)
{
    return in_translation(jit, pc) || (pc >= jit->unpaired && pc < jit->exit_trap);
}

static void come_out(struct jit *jit, const siginfo_t *info, greg_t *registers)
{
    struct cpu *cpu = jit->cpu;
    for (unsigned i = 0; i < ARRAY_LENGTH(guest_registers); i++) {
        cpu->regs[i] = (uint32_t)registers[guest_registers[i]];
    }
    cpu->arithmetic = arithmetic_flags_from((uint32_t)registers[REG_EFL]);
    cpu->translated.left = registers[REG_R13];
    cpu->translated.pc = (uint64_t)registers[REG_RIP];
    cpu->translated.target = (uint64_t)registers[REG_R8];
    cpu->translated.address = (uintptr_t)info->si_addr;
    cpu->translated.error = (uint32_t)registers[REG_ERR];
    cpu->translated.trap = (uint32_t)registers[REG_TRAPNO];
    registers[REG_RIP] = (greg_t)(uintptr_t)jit->exit_trap;
    registers[REG_EFL] &= ~(greg_t)(EFLAGS_DF | EFLAGS_TF);
}

/* Translated code has been interrupted, or stepped, on the way to a place where it can
 * be left. */
static void stop_soon(struct jit *jit, const siginfo_t *info, greg_t *registers)
{
    const uint8_t *pc = (const uint8_t *)registers[REG_RIP];
    if (jit_is_between_instructions(jit, pc)) {
        come_out(jit, info, registers);
        jit->cpu->translated.trap = JIT_TRAP_KICK;
    } else if (leads_to_translation(jit, pc)) {
        registers[REG_EFL] |= EFLAGS_TF;
    } else {
        registers[REG_EFL] &= ~(greg_t)EFLAGS_TF; /* C will see the request */
    }
}

/* From the way into translated code, if that is where it is. */
static void turn_back(const struct jit *jit, greg_t *registers)
{
    const uint8_t *pc = (const uint8_t *)registers[REG_RIP];
    for (unsigned i = 0; i < ARRAY_LENGTH(jit->entering); i++) {
        if (pc >= jit->entering[i].first && pc < jit->entering[i].end) {
            registers[REG_RIP] = (greg_t)(uintptr_t)jit->entering[i].back;
        }
    }
}

/* Not ours: for whoever was there before, or the end. What has trapped traps again;
 * what was sent is sent again. A system call that was forbidden is not tried again, so
 * who was there before is called. */
static void pass_on(const struct jit *jit, int number, siginfo_t *info, void *context)
{
    if (number == SIGURG) {
        return;
    }
    struct sigaction previous = {.sa_handler = SIG_DFL};
    for (unsigned i = 0; jit && i < ARRAY_LENGTH(caught); i++) {
        if (caught[i] == number) {
            previous = jit->previous_actions[i];
        }
    }
    if (number == SIGSYS && (previous.sa_flags & SA_SIGINFO)) {
        previous.sa_sigaction(number, info, context);
        return;
    }
    sigaction(number, &previous, NULL);
    if (info->si_code <= 0 || number == SIGSYS) {
        raise(number);
    }
}

void jit_signals_handle(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *pc = (const uint8_t *)registers[REG_RIP];
    struct jit *jit = running;
    if (jit && jit->direct.handle &&
        jit->direct.handle(jit->direct.opaque, number, info, context)) {
        return;
    }
    bool stepped = number == SIGTRAP && (registers[REG_EFL] & EFLAGS_TF);
    if (jit && (number == SIGURG || stepped)) {
        turn_back(jit, registers);
        stop_soon(jit, info, registers);
    } else if (jit && in_translation(jit, pc)) {
        come_out(jit, info, registers);
    } else {
        pass_on(jit, number, info, context);
    }
}

/* A request is waiting; if it was made by another thread, translated code may be
 * running. */
static void nudge(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    if (atomic_load(&jit->active) && !pthread_equal(pthread_self(), jit->thread)) {
        pthread_kill(jit->thread, SIGURG);
    }
}

bool jit_signals_create(struct jit *jit, struct error *error)
{
    void *stack = mmap(NULL, SIGNAL_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) {
        return error_set(error, "out of memory for signals");
    }
    jit->signal_stack = stack;
    jit->direct.signal_entry = jit_signals_handle;
    jit->cpu->nudge = nudge;
    return true;
}

static void take_signals(struct jit *jit)
{
    struct sigaction action = {.sa_sigaction = jit->direct.signal_entry,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    for (unsigned i = 0; i < ARRAY_LENGTH(caught); i++) {
        sigaction(caught[i], &action, &jit->previous_actions[i]);
    }
}

void jit_signals_begin(struct jit *jit)
{
    struct sigaction action;
    stack_t stack;
    sigaction(SIGSEGV, NULL, &action);
    if (action.sa_sigaction != jit->direct.signal_entry) {
        take_signals(jit);
    }
    sigaltstack(NULL, &stack);
    if (stack.ss_sp != jit->signal_stack) {
        stack = (stack_t){.ss_sp = jit->signal_stack, .ss_size = SIGNAL_STACK_BYTES};
        sigaltstack(&stack, NULL);
    }
    running = jit;
    jit->thread = pthread_self();
    atomic_store(&jit->active, true);
}

void jit_signals_end(struct jit *jit)
{
    atomic_store(&jit->active, false);
}

void jit_signals_give_back(struct jit *jit)
{
    struct sigaction action;
    for (unsigned i = 0; i < ARRAY_LENGTH(caught); i++) {
        sigaction(caught[i], NULL, &action);
        if (running == jit && action.sa_sigaction == jit->direct.signal_entry) {
            sigaction(caught[i], &jit->previous_actions[i], NULL);
        }
    }
}

/* In the thread that has run the CPU last. */
void jit_signals_destroy(struct jit *jit)
{
    jit->cpu->nudge = NULL;
    jit_signals_give_back(jit);
    if (running == jit) {
        const stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        running = NULL;
    }
    if (jit->signal_stack) {
        munmap(jit->signal_stack, SIGNAL_STACK_BYTES);
    }
}
