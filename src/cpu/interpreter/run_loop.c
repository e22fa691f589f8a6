/* The run loop of the engines: interrupts, exceptions, single steps.
 *
 * Exceptions unwind here by longjmp from wherever they are raised, with cpu->current
 * telling the instruction that did not happen. Everything the loop needs lives in
 * struct cpu, so no local variable has to survive the jump. */
#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/interpreter/code_cache.h"
#include "cpu/interpreter/run_loop.h"
#include "cpu/core/debug.h"
#include "cpu/core/debugger.h"
#include "cpu/interpreter/host_unit.h"
#include "cpu/interpreter/string_loop.h"
#include "cpu/interpreter/system.h"
#include "cpu/interpreter/trace.h"
#include "cpu/mmu/mmu.h"

enum { DR6_SINGLE_STEP = 1U << 14 };

/* Classes of SDM vol. 3, table 6-4: what makes a second exception a double fault. */
static bool is_contributory(unsigned vector)
{
    return vector == EXCEPTION_DE || (vector >= EXCEPTION_TS && vector <= EXCEPTION_GP);
}

static bool makes_double_fault(unsigned first, unsigned second)
{
    if (first == EXCEPTION_PF) {
        return second == EXCEPTION_PF || is_contributory(second);
    }
    return is_contributory(first) && is_contributory(second);
}

static void set_stepping(struct cpu *cpu, bool stepping)
{
    if (cpu->stepping != stepping) {
        cpu->stepping = stepping;
        atomic_fetch_xor(&cpu->request, CPU_REQUEST_STEP);
    }
}

/* Accounts for the block that was left by an exception: its current instruction has
 * not been executed. */
static void abandon_block(struct cpu *cpu)
{
    if (cpu->block_start) {
        cpu->retired += (uint64_t)(cpu->current - cpu->block_start);
        cpu->eip = cpu->current->eip;
        cpu->block_start = NULL;
    }
}

/* After an exception or interrupt has been delivered. Counted time goes on even in a
 * guest whose handlers do nothing but fault. */
static void count_delivery(struct cpu *cpu)
{
    if (cpu->retired == cpu->delivered_at) {
        cpu->retired++;
    }
    cpu->delivered_at = cpu->retired;
}

/* Whether to give up delivering what is raised again whenever it is delivered: #AC, if
 * the handler's stack is misaligned. Processors go on for ever then, and count nothing.
 * Here each attempt counts, and at the end of the run, or if somebody asks for
 * something, it is as if the instruction had not been tried yet. */
static bool gives_up_delivery(struct cpu *cpu)
{
    enum { NESTED = 32 }; /* more than the vectors that can come one after the other */
    if (cpu->delivering < 0) {
        cpu->nested = 0;
    }
    if (cpu->nested < NESTED) {
        cpu->nested++;
        return false;
    }
    cpu->retired++;
    return cpu->retired >= cpu->budget_end || atomic_load(&cpu->request);
}

/* Delivers cpu->pending; false on a triple fault. May raise again, which comes back to
 * the run loop. */
static bool take_exception(struct cpu *cpu)
{
    abandon_block(cpu);
    unsigned vector = cpu->pending.vector;
    bool has_error = cpu->pending.has_error;
    uint32_t error = cpu->pending.error;
    cpu->shadow = 0;
    cpu->halted = false; /* by the trap after a single-stepped HLT, too */
    set_stepping(cpu, false);
    atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_STEP);
    cpu->dr6_pending = 0;
    if (cpu->delivering >= 0) {
        CPU_TRACE(cpu, TRACE_INT, "Exception %02x while %02x is delivered\n", vector,
                  (unsigned)cpu->delivering);
    }
    if (cpu->delivering == EXCEPTION_DF) {
        CPU_TRACE(cpu, TRACE_INT, "Triple fault\n");
        cpu_delivered(cpu, CPU_TRIPLE_FAULT, 0);
        return false;
    }
    if (cpu->delivering >= 0 && makes_double_fault((unsigned)cpu->delivering, vector)) {
        vector = EXCEPTION_DF;
        has_error = true;
        error = 0;
    } else if (gives_up_delivery(cpu)) {
        cpu->delivering = -1;
        cpu->delivering_external = false;
        return true;
    }
    cpu->statistics->exceptions++;
    if (vector == EXCEPTION_PF) {
        cpu->statistics->page_faults++;
        cpu->user_fault.pending = cpu->cpl == 3;
        cpu->user_fault.eip = cpu->eip;
        cpu->user_fault.error = error;
    }
    cpu->delivering = (int16_t)vector;
    interrupt_deliver(cpu, (uint8_t)vector, INTERRUPT_EXCEPTION, has_error, error,
                      cpu->eip);
    cpu->delivering = -1;
    cpu_delivered(cpu, vector, error);
    count_delivery(cpu);
    return true;
}

static void take_external(struct cpu *cpu, uint8_t vector)
{
    cpu->halted = false;
    debugger_note_move(cpu);
    interrupt_deliver(cpu, vector, INTERRUPT_HARDWARE, false, 0, cpu->eip);
    cpu_delivered(cpu, vector | CPU_DELIVERED_HARDWARE, 0);
    count_delivery(cpu);
}

static bool take_interrupt(struct cpu *cpu)
{
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    /* The line may have fallen since it was looked at. */
    bool still_high = atomic_load(&cpu->request) & CPU_REQUEST_INTERRUPT;
    uint8_t vector =
        still_high ? cpu->wiring.acknowledge_interrupt(cpu->wiring.opaque) : 0;
    lock_release(cpu->wiring.lock);
    if (still_high) {
        cpu->statistics->hardware_interrupts++;
        take_external(cpu, vector);
    }
    return still_high;
}

static void take_nmi(struct cpu *cpu)
{
    atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_NMI);
    cpu->nmi_blocked = true;
    take_external(cpu, EXCEPTION_NMI);
}

/* Requests that concern caches: no guest-visible effect but correctness. */
static void serve_caches(struct cpu *cpu, uint32_t request)
{
    atomic_fetch_and(&cpu->request, ~(request & (CPU_REQUEST_FLUSH | CPU_REQUEST_A20 |
                                                 CPU_REQUEST_CODE)));
    if (request & CPU_REQUEST_A20) {
        cpu->a20_mask = atomic_load(&cpu->a20_line) ? UINT32_MAX : ~(1U << 20);
        CPU_TRACE(cpu, TRACE_MMU, "A20 update: a20=%u\n", cpu->a20_mask == UINT32_MAX);
    }
    if (request & (CPU_REQUEST_FLUSH | CPU_REQUEST_A20)) {
        mmu_flush_all(cpu);
    }
    if (request & CPU_REQUEST_CODE) {
        code_cache_apply_pending(cpu);
    }
}

/* Interrupts at an instruction boundary, by priority (SDM vol. 3, table 6-2). True if
 * one was taken: another may come before the first instruction of its handler. */
static bool serve_interrupts(struct cpu *cpu, uint32_t request)
{
    if ((request & CPU_REQUEST_NMI) && !cpu->nmi_blocked &&
        !(cpu->shadow & CPU_SHADOW_MOV_SS)) {
        take_nmi(cpu);
        return true;
    }
    bool open = !cpu->shadow && (cpu->system_flags & EFLAGS_IF);
    return open && (request & CPU_REQUEST_INTERRUPT) && take_interrupt(cpu);
}

static bool must_step(const struct cpu *cpu)
{
    return cpu->shadow || (cpu->system_flags & (EFLAGS_TF | EFLAGS_RF)) ||
           debug_breakpoints_enabled(cpu);
}

bool run_loop_has_business(const struct cpu *cpu)
{
    return cpu->halted || cpu->debugger || must_step(cpu);
}

static inline void finish_run(struct cpu *cpu)
{
    cpu->retired += (uint64_t)(cpu->current - cpu->block_start) + 1;
    cpu->block_start = NULL;
}

/* Fast handlers call one another; those that return in between have done something
 * unusual, perhaps to a device that now wants attention: it gets it before the next
 * instruction, so that a run is the same however instructions are cut into blocks. */
static inline void run_block(struct cpu *cpu, const struct block *block)
{
    const struct instruction *instruction = block->instructions;
    cpu->block_start = instruction;
    do {
        cpu->current = instruction;
        instruction = instruction->execute(cpu, instruction);
    } while (instruction && !atomic_load_explicit(&cpu->request, memory_order_relaxed));
    if (instruction) {
        cpu->eip = instruction->eip;
    }
    finish_run(cpu);
}

static void run_traced(struct cpu *cpu, const struct block *block)
{
    if (cpu_traces(cpu, TRACE_EXEC)) {
        trace_executed(cpu, block, NULL);
    }
    run_block(cpu, block);
}

/* Whether one would be taken now. */
static bool interrupt_waits(const struct cpu *cpu)
{
    uint32_t request = atomic_load_explicit(&cpu->request, memory_order_relaxed);
    return ((request & CPU_REQUEST_NMI) && !cpu->nmi_blocked) ||
           ((request & CPU_REQUEST_INTERRUPT) && (cpu->system_flags & EFLAGS_IF));
}

/* One instruction, with everything that may happen before and after it. */
static void step(struct cpu *cpu)
{
    uint8_t shadow = cpu->shadow;
    bool resume = cpu->system_flags & EFLAGS_RF;
    cpu->shadow = 0;
    if (!resume && !(shadow & CPU_SHADOW_MOV_SS)) {
        gla_t address = cpu->segments[SEGMENT_CS].base + cpu->eip;
        uint32_t hits = debug_match_execute(cpu, address);
        if (hits) {
            cpu->dr[6] |= hits;
            cpu_raise(cpu, EXCEPTION_DB);
        }
    }
    const struct block *block = code_cache_find(cpu);
    bool repeats = string_repeats(block->instructions);
    uint32_t eip = cpu->eip;
    set_stepping(cpu, true);
    cpu->single_step = cpu->system_flags & EFLAGS_TF;
    cpu->system_flags &= ~(uint32_t)EFLAGS_RF;
    run_traced(cpu, code_cache_part(cpu, block, 1));
    set_stepping(cpu, false);
    uint32_t met = cpu->dr6_pending | (cpu->single_step ? DR6_SINGLE_STEP : 0);
    if (repeats && cpu->eip == eip &&
        (met || debug_breakpoints_enabled(cpu) || interrupt_waits(cpu))) {
        /* Between two iterations (SDM vol. 3, 17.3.1.1). */
        cpu->system_flags |= EFLAGS_RF;
    }
    if (met && !(cpu->shadow & CPU_SHADOW_MOV_SS)) {
        cpu->dr6_pending = 0;
        cpu->dr[6] |= met;
        cpu_raise(cpu, EXCEPTION_DB);
    }
}

void run_loop_interpret(struct cpu *cpu)
{
    const struct block *block = code_cache_find(cpu);
    uint64_t left = cpu->budget_end - cpu->retired;
    run_traced(cpu, block->count <= left ? block : code_cache_part(cpu, block, left));
}

void run_loop_interpret_few(struct cpu *cpu, uint64_t instructions)
{
    const struct block *block = code_cache_find(cpu);
    /* Or one block would lead to the next. */
    atomic_fetch_or(&cpu->request, CPU_REQUEST_STEP);
    run_traced(cpu, block->count <= instructions
                        ? block
                        : code_cache_part(cpu, block, instructions));
    atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_STEP);
}

/* What is next while somebody debugs, by single steps or in blocks that end where a
 * breakpoint is. Translated code and what the host executes have none of that. */
static void run_debugged(struct cpu *cpu)
{
    debugger_note_move(cpu);
    if (must_step(cpu) || debugger_wants_steps(cpu)) {
        step(cpu);
        return;
    }
    const struct block *block = code_cache_find(cpu);
    uint64_t left = cpu->budget_end - cpu->retired;
    uint64_t few = 1;
    while (few < block->count && few < left &&
           !debugger_breaks(cpu, cpu->segments[SEGMENT_CS].base +
                                     block->instructions[few].eip)) {
        few++;
    }
    run_loop_interpret_few(cpu, few);
}

static enum cpu_exit loop(struct cpu *cpu)
{
    for (;;) {
        uint32_t request = atomic_load_explicit(&cpu->request, memory_order_relaxed);
        if (request) {
            serve_caches(cpu, request);
        }
        /* Before interrupts: what they do belongs to the next run, always. */
        if (cpu->retired >= cpu->budget_end) {
            return cpu->halted ? CPU_EXIT_HALT : CPU_EXIT_BUDGET;
        }
        if (cpu->debugger && debugger_stops(cpu)) {
            return CPU_EXIT_DEBUG;
        }
        bool taken = request && !debugger_masks(cpu) && serve_interrupts(cpu, request);
        if (request & CPU_REQUEST_KICK) {
            atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_KICK);
            return CPU_EXIT_KICK;
        }
        if (taken) {
            continue;
        }
        if (cpu->halted) {
            return CPU_EXIT_HALT;
        }
        if (cpu->debugger) {
            run_debugged(cpu);
            continue;
        }
        if (must_step(cpu)) {
            step(cpu);
            continue;
        }
        cpu->run_next(cpu);
    }
}

enum cpu_exit run_loop(struct cpu *cpu, uint64_t budget, run_next_function *run_next)
{
    enum cpu_exit why;
    cpu->run_next = run_next;
    cpu->code_cache->owner = pthread_self();
    cpu->budget_end =
        budget < UINT64_MAX - cpu->retired ? cpu->retired + budget : UINT64_MAX;
    cpu->chain_end = cpu->budget_end;
    cpu->block_start = NULL;
    cpu->delivering = -1;
    cpu->delivering_external = false;
    if (_setjmp(cpu->unwind) == 0) {
        why = loop(cpu);
    } else if (take_exception(cpu)) {
        why = loop(cpu);
    } else {
        why = CPU_EXIT_TRIPLE_FAULT;
    }
    fpu_park(cpu);
    /* Without the bits between the flags, which engines leave differently. */
    cpu->arithmetic = arithmetic_flags_from(arithmetic_flags_get(cpu->arithmetic));
    return why;
}
