/* The engine's run: what code takes for granted, the way into it, and from what it does
 * not know yet to what follows. */
#include "cpu/jit/jit.h"

#include "cpu/core/fpu.h"
#include "cpu/interpreter/run_loop.h"
#include "cpu/interpreter/trace.h"

uint32_t jit_assumptions(const struct cpu *cpu)
{
    static const uint8_t data_segments[] = {SEGMENT_ES, SEGMENT_SS, SEGMENT_DS};
    uint32_t assumptions = cpu->system_flags & EFLAGS_DF ? 0 : ASSUME_UPWARD;
    for (unsigned i = 0; i < ARRAY_LENGTH(data_segments); i++) {
        unsigned segment = data_segments[i];
        assumptions |= (uint32_t)cpu->segments[segment].kind
                       << (ASSUME_SEGMENT_BITS * segment);
    }
    bool vector = !(cpu->cr0 & (CR0_EM | CR0_TS)) && (cpu->cr0 & CR0_NE) &&
                  (cpu->cr4 & CR4_OSFXSR) && cpu->jit->vector_allowed;
    bool avx = (cpu->cr4 & CR4_OSXSAVE) &&
               (cpu->xcr0 & (XCR0_SSE | XCR0_AVX)) == (XCR0_SSE | XCR0_AVX);
    assumptions |= vector ? ASSUME_VECTOR : 0;
    assumptions |= vector && avx ? ASSUME_AVX : 0;
    assumptions |= cpu->free_running ? 0 : ASSUME_EXACT;
    assumptions |= cpu->cpl == 0 ? ASSUME_RING0 : 0;
    return assumptions | (cpu->code_mode & CODE_MODE_USER ? ASSUME_USER : 0);
}

bool jit_supports(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    return (cpu->code_mode & CODE_MODE_32) && cpu_protected(cpu) &&
           cpu->stack_mask == UINT32_MAX && cs->base == 0 && cs->limit == UINT32_MAX &&
           cpu->a20_mask == UINT32_MAX && cpu->access_rights != MMU_USER_ALIGNED;
}

static void set_gs_base(struct jit *jit, uint8_t *base)
{
    if (jit->view_base != base) {
        __asm__ volatile("wrgsbase %0" : : "r"(base));
        jit->view_base = base;
    }
}

/* The link by which translated code came out, if it leads here. */
static void link_pending(struct jit *jit, struct translation *to)
{
    struct link *link = jit->pending_link;
    jit->pending_link = NULL;
    if (link && link->eip == to->eip && link->from->assumptions == to->assumptions) {
        jit_link(jit, link, to);
    }
}

static struct translation *translation_of(struct jit *jit, struct block *block)
{
    uint32_t assumptions = jit->cpu->translated.assumptions;
    struct translation *translation = block->translation;
    if (translation && translation->assumptions == assumptions) {
        return translation;
    }
    if (translation) {
        block->translation = NULL;
        jit_forget(jit, translation);
    }
    return jit_translate(jit, block, assumptions);
}

static void interpret(struct jit *jit)
{
    jit->statistics.interpreted_blocks++;
    jit->pending_link = NULL;
    run_loop_interpret(jit->cpu);
}

static void note_code(struct cpu *cpu, gla_t page, uint64_t ram_page)
{
    if (views_note_code(cpu, page, ram_page)) {
        jit_cut_from(cpu->jit, page);
    }
}

/* For the indirect jumps to come, as long as the pages stay what they are. */
static void enter_in_table(struct cpu *cpu, struct jump_table *table,
                           const struct translation *translation)
{
    const uint8_t **entry = &table->entries[jump_table_index(translation->eip)];
    if (*entry == translation->indirect) {
        return;
    }
    *entry = translation->indirect;
    gla_t page = translation->eip & ~(uint32_t)PAGE_OFFSET_MASK;
    note_code(cpu, page, translation->block->ram_page);
    if (translation->block->next_host) {
        note_code(cpu, page + PAGE_BYTES, VIEWS_NO_RAM);
    }
}

static bool runs_unchecked(const struct cpu *cpu)
{
    uint32_t assumptions = cpu->translated.assumptions;
    return (assumptions & ASSUME_USER) && !(assumptions & ASSUME_EXACT);
}

bool jit_asks_for_budget(struct cpu *cpu)
{
    bool short_of_it = cpu->budget_end - cpu->retired < JIT_BUDGET_FREE;
    if (short_of_it) {
        atomic_fetch_or(&cpu->request, CPU_REQUEST_KICK);
    }
    return short_of_it;
}

/* The block at CS:EIP; NULL if it is not to be translated, or not to be run whole. */
static struct block *find_block(struct cpu *cpu)
{
    struct block *block = code_cache_find(cpu);
    bool fits = block->count <= cpu->budget_end - cpu->retired;
    return fits && !block->transient ? block : NULL;
}

/* The block's translation, to be run now. NULL: everything had to be forgotten. */
static const struct translation *take_translation(struct jit *jit, struct block *block,
                                                  struct jump_table *table)
{
    struct translation *translation = translation_of(jit, block);
    if (translation && cpu_traces(jit->cpu, TRACE_EXEC)) {
        trace_executed(jit->cpu, block, translation->code);
    } else if (translation) {
        enter_in_table(jit->cpu, table, translation);
        link_pending(jit, translation);
    }
    return translation;
}

/* Translated code has come out only because it does not know what follows. NULL: that,
 * or a request, is for the run loop. */
static const uint8_t *find_way(struct jit *jit)
{
    struct cpu *cpu = jit->cpu;
    struct jump_table *table = &jit->tables[views_current_id(cpu)];
    bool requested = atomic_load(&cpu->request) & cpu->translated.requests;
    if (requested || cpu->retired >= cpu->budget_end) {
        return NULL;
    }
    struct block *block = find_block(cpu);
    const struct translation *translation =
        block ? take_translation(jit, block, table) : NULL;
    if (!translation) {
        return NULL;
    }
    jit_make_live(cpu, translation->uses_vector);
    return translation->code;
}

static void note_live(struct jit *jit)
{
    if (jit->cpu->translated.assumptions & ASSUME_USER) {
        jit->user_was_live = jit->cpu->fpu.live;
    }
}

/* Runs translated code until it has to come out for more than mapping a page. */
static void run_translated(struct jit *jit, const struct translation *translation)
{
    struct cpu *cpu = jit->cpu;
    const uint8_t *code = translation->code;
    jit_make_live(cpu, translation->uses_vector);
    while (code) {
        enum jit_exit exit = jit->enter(cpu, code);
        note_live(jit);
        jit->statistics.exits[exit]++;
        jit_take_note(cpu);
        code = NULL;
        if (exit == JIT_EXIT_TRAP) {
            code = jit_after_trap(jit);
        } else if (exit == JIT_EXIT_LINK || exit == JIT_EXIT_LOOKUP) {
            jit_account(cpu, 0);
            jit->pending_link =
                exit == JIT_EXIT_LINK ? jit->links[cpu->translated.link] : NULL;
            code = find_way(jit);
        }
    }
    if ((int64_t)(cpu->budget_end - cpu->retired) == cpu->translated.shadow_left) {
        cpu->shadow |= CPU_SHADOW_STI;
    }
}

/* What translated code finds around it: its view, and the table that is returned. NULL:
 * it is not to run now. */
static struct jump_table *surround(struct jit *jit)
{
    struct cpu *cpu = jit->cpu;
    cpu->translated.assumptions = jit_assumptions(cpu);
    if (runs_unchecked(cpu) && jit_asks_for_budget(cpu)) {
        return NULL;
    }
    uint8_t *base = views_current(cpu);
    if (cpu->cpl == 3) {
        views_after_fault(cpu);
    }
    struct jump_table *table =
        jit_table(jit, views_current_id(cpu), cpu->translated.assumptions);
    if (table) {
        set_gs_base(jit, base);
        cpu->translated.view = (uintptr_t)base;
        cpu->translated.table = (uintptr_t)table->entries + JUMP_TABLE_BIAS;
        cpu->translated.left = (int64_t)(cpu->budget_end - cpu->retired);
        cpu->translated.shadow_left = INT64_MAX;
        jit_choose_requests(cpu);
    }
    return table;
}

/* Who has used vector registers will do so again; but to load them in vain is dear. */
static void make_live_for_user(struct jit *jit)
{
    uint32_t assumptions = jit->cpu->translated.assumptions;
    bool user = assumptions & ASSUME_USER, vector = assumptions & ASSUME_VECTOR;
    jit_make_live(jit->cpu, user && vector && jit->user_was_live);
}

/* The interpreter leads from block to block, but not beyond the streak. */
static void interpret_streak(struct jit *jit, uint64_t streak)
{
    struct cpu *cpu = jit->cpu;
    uint64_t end = cpu->retired + streak;
    cpu->chain_end = end < cpu->budget_end ? end : cpu->budget_end;
    interpret(jit);
}

void jit_run_next(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    uint64_t streak = jit_streak_left(jit);
    if (streak) {
        interpret_streak(jit, streak);
        return;
    }
    cpu->chain_end = cpu->budget_end;
    struct block *block = jit_supports(cpu) ? find_block(cpu) : NULL;
    struct jump_table *table = block ? surround(jit) : NULL;
    const struct translation *translation =
        table ? take_translation(jit, block, table) : NULL;
    if (!translation) {
        interpret(jit);
        return;
    }
    make_live_for_user(jit);
    run_translated(jit, translation);
}

bool jit_turn(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    note_live(jit);
    if (run_loop_has_business(cpu) || !jit_supports(cpu) ||
        (jit->direct.executes && jit->direct.executes(jit->direct.opaque)) ||
        !surround(jit)) {
        return false;
    }
    make_live_for_user(jit);
    return true;
}

void jit_forget_gs(struct jit *jit)
{
    jit->view_base = (uint8_t *)UINTPTR_MAX; /* no view begins there */
}

/* Where nothing would be translated signals need not be ours: who executes single
 * instructions does so often. */
static bool is_interpreted(const struct cpu *cpu, uint64_t budget)
{
    enum { FEW = 4 };
    return cpu->debugger || budget <= FEW;
}

enum cpu_exit jit_run(struct cpu *cpu, uint64_t budget)
{
    if (is_interpreted(cpu, budget)) {
        return run_loop(cpu, budget, run_loop_interpret);
    }
    return jit_run_with(cpu, budget, jit_run_next);
}

enum cpu_exit jit_run_with(struct cpu *cpu, uint64_t budget,
                           void (*run_next)(struct cpu *cpu))
{
    struct jit *jit = cpu->jit;
    enum cpu_exit why;
    uint64_t slice, before;
    jit->pending_link = NULL;
    jit_forget_gs(jit); /* it belongs to everybody in between */
    jit_signals_begin(jit);
    do {
        slice = budget < JIT_BUDGET_MAXIMUM ? budget : JIT_BUDGET_MAXIMUM;
        before = cpu->retired;
        why = run_loop(cpu, slice, run_next);
        budget -= slice;
        /* Who has brought the end nearer wants to be asked again. */
    } while (why == CPU_EXIT_BUDGET && budget > 0 && cpu->retired - before == slice);
    jit_signals_end(jit);
    return why;
}
