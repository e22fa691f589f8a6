/* The engine's run: what may be executed directly, and the way there and back. */
#include "cpu/direct/direct.h"

#include "cpu/core/fpu.h"
#include "cpu/interpreter/run_loop.h"

enum {
    REFUSED_BLOCKS = 16, /* of a refused page that are interpreted in a row */
    TRAPS_IN_ROW = 32,   /* until ring 0 runs; then the JIT takes over until it does */
};

static bool is_null(const struct segment *segment)
{
    return (segment->selector & ~3U) == 0;
}

/* Segments whose limits the host has no descriptors for are left to the JIT. */
static bool shows_segment(const struct segment *segment)
{
    return segment->kind != SEGMENT_CHECKED || is_null(segment);
}

/* Whether x87 and SSE are on. What VEX-encoded instructions use is saved only by guest
 * kernels that have switched XSAVE on. */
static bool has_vectors(struct direct *direct)
{
    uint32_t assumptions = jit_assumptions(direct->cpu);
    bool vex_allowed = assumptions & ASSUME_AVX;
    if ((assumptions & ASSUME_VECTOR) && direct->vex_allowed != vex_allowed) {
        direct->vex_allowed = vex_allowed;
        direct_forget_verdicts(direct);
    }
    return assumptions & ASSUME_VECTOR;
}

/* Whether the processor would do to ring-3 code what the guest's does: 32-bit flat
 * segments, interrupts on and no port access (PUSHF shows both), no alignment checks,
 * a vector unit that is on. */
static bool may_run_directly(struct direct *direct)
{
    const struct cpu *cpu = direct->cpu;
    const uint32_t shown = EFLAGS_IF | EFLAGS_IOPL | EFLAGS_AC;
    const struct segment *segments = cpu->segments;
    return (cpu->cr0 & CR0_PG) && (cpu->system_flags & shown) == EFLAGS_IF &&
           jit_supports(cpu) && segments[SEGMENT_SS].kind == SEGMENT_FLAT &&
           segments[SEGMENT_DS].kind == SEGMENT_FLAT &&
           segments[SEGMENT_ES].kind == SEGMENT_FLAT &&
           shows_segment(&segments[SEGMENT_FS]) &&
           shows_segment(&segments[SEGMENT_GS]) && has_vectors(direct);
}

/* Code in the page must not be executed directly: interprets what is run there, as it
 * is mostly little; a loop is for the JIT. */
static void run_refused(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    gla_t page = cpu->eip & ~(uint32_t)PAGE_OFFSET_MASK;
    for (unsigned i = 0; i < REFUSED_BLOCKS; i++) {
        direct->statistics.refused_blocks++;
        run_loop_interpret_few(cpu, BLOCK_INSTRUCTIONS);
        if (cpu->cpl != 3 || (cpu->eip & ~(uint32_t)PAGE_OFFSET_MASK) != page ||
            atomic_load(&cpu->request) || cpu->shadow ||
            (cpu->system_flags & EFLAGS_TF)) {
            return;
        }
    }
    jit_run_next(cpu);
}

static void set_segments(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    struct direct_state *state = &cpu->direct_state;
    const struct segment *fs = &cpu->segments[SEGMENT_FS];
    const struct segment *gs = &cpu->segments[SEGMENT_GS];
    uint16_t selector = is_null(gs) ? 0 : HOST_DATA;
    if (direct->host_gs != selector) {
        __asm__ volatile("mov %0, %%gs" : : "r"(selector));
        direct->host_gs = selector;
    }
    state->gs_base = gs->base;
    state->uses_fs = !is_null(fs);
    state->fs_base = fs->base;
    selector = is_null(fs) ? 0 : HOST_DATA;
    if (direct->host_fs != selector) {
        /* That sets the base, which C needs as it was. */
        __asm__ volatile("mov %0, %%fs\n\twrfsbase %1"
                         :
                         : "r"(selector), "r"(state->host_fs_base));
        direct->host_fs = selector;
    }
}

static void leave_by_gate(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    uint32_t passed = cpu->eip;
    bool found = direct_find_gate(direct, passed, &cpu->eip);
    cpu->direct_state.flags |= cpu->direct_state.kept_flags;
    direct_take_state(cpu);
    if (found && !cpu->direct_state.stepped) {
        run_refused(direct);
    }
}

/* Flags that C cannot bear: IRETQ faults with NT, and so may any access with AC. What
 * the kernel restores at the end of a signal is not all of them. */
static void clear_flags_of_guest(uint64_t flags)
{
    const uint64_t harmful = EFLAGS_NT | EFLAGS_AC;
    if (__builtin_expect(flags & harmful, 0)) {
        __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~harmful);
    }
}

/* Executes guest code until it has to come out for more than mapping a page. */
static void run_directly(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    struct direct_state *state = &cpu->direct_state;
    jit_choose_requests(cpu);
    set_segments(direct);
    jit_forget_gs(cpu->jit);
    state->code = HOST_CODE_32;
    bool again = true;
    while (again) {
        jit_make_live(cpu, true);
        state->eip = cpu->eip;
        state->flags = cpu_eflags(cpu);
        state->stepped = false;
        state->kept_flags = 0;
        direct->entries++;
        direct->statistics.entries++;
        uint32_t exit = direct->enter(cpu);
        clear_flags_of_guest(state->flags);
        fpu_run_elsewhere(cpu);
        cpu->retired++;
        again = false;
        if (exit == JIT_EXIT_TRAP) {
            again = direct_after_signal(direct);
        } else if (exit == DIRECT_EXIT_GATE) {
            direct->statistics.gates++;
            leave_by_gate(direct);
        } else if (exit == DIRECT_EXIT_REDIRECTED) {
            direct_after_redirection(direct);
        }
    }
}

/* Whether execution may begin at EIP, now that its page has been reached. */
static bool may_enter(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    uint32_t ram_page;
    if (!views_executes(cpu, cpu->eip, &ram_page) &&
        (views_reach(cpu, cpu->eip, MMU_EXECUTE) != VIEWS_MAPPED ||
         !views_executes(cpu, cpu->eip, &ram_page))) {
        return false;
    }
    int shown = direct->verdicts[ram_page].shown;
    return shown <= VIEWS_AS_IT_IS ||
           direct_copy_enters(direct, (unsigned)shown - 1, cpu->eip);
}

bool direct_executes(void *opaque)
{
    struct direct *direct = opaque;
    struct cpu *cpu = direct->cpu;
    if (!(cpu->code_mode & CODE_MODE_USER)) {
        direct->traps_in_row = 0;
        policy_leave(cpu, &direct->policy);
        return false;
    }
    views_current(cpu);
    views_keep_low(cpu);
    if (policy_knows_brief(cpu, &direct->policy)) {
        return false;
    }
    if (!cpu->free_running || !may_run_directly(direct) ||
        direct->traps_in_row >= TRAPS_IN_ROW) {
        direct->statistics.given_up += direct->traps_in_row >= TRAPS_IN_ROW;
        return false;
    }
    return policy_enter(cpu, &direct->policy);
}

static void run_next(struct cpu *cpu)
{
    struct direct *direct = cpu->direct;
    if (!direct_executes(direct)) {
        jit_run_next(cpu);
        return;
    }
    if (jit_asks_for_budget(cpu)) {
        return;
    }
    views_after_fault(cpu);
    if (may_enter(direct)) {
        run_directly(direct);
    } else {
        run_refused(direct);
    }
    direct->traps_in_row++;
}

void direct_settle(struct direct *direct)
{
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    direct_set_host_fs(direct, base);
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(HOST_DATA));
    __asm__ volatile("mov %%fs, %0" : "=r"(direct->host_fs));
    __asm__ volatile("mov %%gs, %0" : "=r"(direct->host_gs));
}

enum cpu_exit direct_run(struct cpu *cpu, uint64_t budget)
{
    direct_settle(cpu->direct);
    redirect_begin(cpu->direct);
    enum cpu_exit why = jit_run_with(cpu, budget, run_next);
    redirect_end(cpu->direct);
    return why;
}
