/* Into translated code and out of it: what it takes for granted, the instructions it
 * hands over, its traps. */
#include "cpu/jit/jit.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/run_loop.h"
#include "cpu/interpreter/trace.h"

enum {
    SOFT_TRAPS = 2, /* of an instruction, before it is left to the interpreter */
    TRAP_PAGE = 14,
    PAGE_ERROR_WRITE = 2,
};

static uint32_t assumptions_of(const struct cpu *cpu)
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

/* What is translated at all: 32-bit code and stack, a code segment of 4 GiB at 0. */
static bool is_supported(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->segments[SEGMENT_CS];
    return (cpu->code_mode & CODE_MODE_32) && cpu_protected(cpu) &&
           cpu->stack_mask == UINT32_MAX && cs->base == 0 && cs->limit == UINT32_MAX &&
           cpu->a20_mask == UINT32_MAX && cpu->access_rights != MMU_USER_ALIGNED;
}

/* Translations that use vector registers find them live. */
static void make_live(struct cpu *cpu, bool uses_vector)
{
    if (uses_vector && !cpu->fpu.live) {
        fpu_load(cpu);
    }
}

static const struct instruction *stop(struct cpu *cpu,
                                      const struct instruction *instruction)
{
    (void)cpu;
    return instruction;
}

/* Executes the instruction; true if it has come to its end and the next follows. */
static bool execute(struct cpu *cpu, const struct handed *handed)
{
    const struct instruction *instruction = &handed->instruction;
    cpu->jit->statistics.handed_over++;
    cpu->jit->statistics.handed_by_row[instruction->row]++;
    cpu->block_start = cpu->current = instruction;
    const struct instruction *next = instruction->execute(cpu, instruction);
    bool goes_on = next == &handed->end;
    if (goes_on) {
        cpu->current = instruction;
    }
    if (next) {
        /* A jump may have led on through blocks of the interpreter's. */
        cpu->eip = next->eip;
    }
    cpu->retired += (uint64_t)(cpu->current - cpu->block_start) + 1;
    cpu->block_start = NULL;
    return goes_on;
}

/* Interrupts that cannot be taken have to wait. */
static void choose_requests(struct cpu *cpu)
{
    struct translated_state *state = &cpu->translated;
    uint32_t requests = UINT32_MAX;
    if (cpu->nmi_blocked) {
        requests &= ~(uint32_t)CPU_REQUEST_NMI;
    }
    state->requests_open = requests;
    state->requests_closed = requests & ~(uint32_t)CPU_REQUEST_INTERRUPT;
    state->requests =
        cpu->system_flags & EFLAGS_IF ? state->requests_open : state->requests_closed;
}

/* `paid`: instructions not executed yet that have been taken from the budget. */
static void account(struct cpu *cpu, unsigned paid)
{
    cpu->retired = cpu->budget_end - (uint64_t)(cpu->translated.left + paid);
}

static void set_pointers(struct cpu *cpu, const struct x87_note *note)
{
    struct fpu *fpu = &cpu->fpu;
    fpu->opcode = note->opcode;
    fpu->instruction_offset = note->eip;
    fpu->instruction_selector = cpu->segments[SEGMENT_CS].selector;
    if (note->memory) {
        fpu->operand_selector = cpu->segments[note->segment].selector;
    }
}

/* Before anything may look at the x87's pointers, or load a segment. */
static void take_note(struct cpu *cpu)
{
    if (cpu->translated.x87_note) {
        set_pointers(cpu, (const struct x87_note *)(cpu->jit->records +
                                                    (size_t)RECORD_UNIT *
                                                        cpu->translated.x87_note));
        cpu->translated.x87_note = 0;
    }
}

/* Translated code has been left before instruction `i`, not where it notes things. */
static void take_note_before(struct cpu *cpu, const struct translation *translation,
                             unsigned i)
{
    uint32_t before = translation->noted & ((1U << i) - 1);
    if (before > (translation->handed & ((1U << i) - 1))) {
        unsigned last = 31U - (unsigned)__builtin_clz(before);
        const struct x87_note note =
            jit_x87_note(&translation->block->instructions[last]);
        set_pointers(cpu, &note);
    }
}

/* Whether translated code may go on where `paid` instructions have been taken from the
 * budget, and `rest` of the block are to come. `assumed`: what it takes for granted has
 * not changed. */
static bool may_go_on(struct cpu *cpu, unsigned paid, unsigned rest, bool assumed)
{
    struct translated_state *state = &cpu->translated;
    int64_t left = (int64_t)(cpu->budget_end - cpu->retired);
    state->left = left - paid;
    return left >= rest && !(atomic_load(&cpu->request) & state->requests) &&
           (assumed || assumptions_of(cpu) == state->assumptions);
}

/* POPF and STI end blocks because they may let interrupts in, change the mode or ask
 * for single steps; mostly they do not. With enough of the budget left it makes no
 * difference that STI shields the next instruction, if no interrupt is waiting. */
static bool has_fallen_through(struct cpu *cpu, const struct handed *handed,
                               uint32_t code_mode, uint8_t access_rights)
{
    bool enough = cpu->budget_end - cpu->retired > BLOCK_INSTRUCTIONS;
    choose_requests(cpu);
    bool waiting = atomic_load(&cpu->request) & cpu->translated.requests;
    if (cpu->eip != handed->end.eip || !enough || waiting ||
        cpu->code_mode != code_mode || cpu->access_rights != access_rights ||
        (cpu->system_flags & (EFLAGS_TF | EFLAGS_RF | EFLAGS_VM))) {
        return false;
    }
    if (cpu->shadow) {
        cpu->translated.shadow_left = (int64_t)(cpu->budget_end - cpu->retired);
        cpu->shadow = 0;
    }
    return true;
}

bool jit_interpret(struct cpu *cpu, const struct handed *handed)
{
    uint32_t code_mode = cpu->code_mode;
    uint8_t access_rights = cpu->access_rights;
    take_note(cpu);
    account(cpu, handed->rest_of_segment + 1U);
    bool goes_on = execute(cpu, handed) ||
                   (handed->falls_through &&
                    has_fallen_through(cpu, handed, code_mode, access_rights));
    if (!goes_on || !may_go_on(cpu, handed->rest_of_segment, handed->rest_of_block,
                               !handed->changes_assumptions)) {
        return false;
    }
    make_live(cpu, handed->uses_vector);
    return true;
}

void jit_hand(struct handed *handed, const struct instruction *instruction)
{
    handed->instruction = *instruction;
    handed->end = (struct instruction){
        .execute = stop,
        .eip = instruction_next_eip(instruction),
    };
}

static uint32_t code_page(const struct jit *jit, const uint8_t *pc)
{
    return (uint32_t)((pc - jit->code) >> PAGE_SHIFT);
}

void jit_add_translation(struct jit *jit, struct translation *translation)
{
    uint32_t page = code_page(jit, translation->indirect);
    while (jit->pages_begun <= page) {
        jit->first_in_page[jit->pages_begun++] = jit->translation_count;
    }
    jit->by_address[jit->translation_count++] = translation;
}

/* That code at `pc` belongs to. */
static struct translation *translation_at(const struct jit *jit, const uint8_t *pc)
{
    uint32_t page = code_page(jit, pc), count = jit->translation_count;
    uint32_t first = page < jit->pages_begun ? jit->first_in_page[page] : count;
    uint32_t high = page + 1 < jit->pages_begun ? jit->first_in_page[page + 1] : count;
    uint32_t low = first ? first - 1 : 0; /* it may begin in the page before */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (jit->by_address[middle]->indirect <= pc) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return jit->by_address[low];
}

/* The instruction that `pc` belongs to; -1: the check of the budget before the first.
 */
static int instruction_at(const struct translation *translation, const uint8_t *pc)
{
    int i = (int)translation->count - 1;
    while (i >= 0 && pc < translation->code + translation->offsets[i]) {
        i--;
    }
    return i;
}

/* The host's REP MOVS or REP STOS (encode_string.c). */
static bool is_repeating(const uint8_t *pc)
{
    if (*pc++ != 0xf3) {
        return false;
    }
    pc += *pc == 0x66;
    return pc[0] == REX && ((pc[1] & 0xfe) == 0xa4 || (pc[1] & 0xfe) == 0xaa);
}

bool jit_is_between_instructions(const struct jit *jit, const uint8_t *pc)
{
    if (pc < jit->translations_start || pc >= emit_here(&jit->emitter)) {
        return false;
    }
    const struct translation *translation = translation_at(jit, pc);
    if (pc < translation->code) {
        return false;
    }
    int i = instruction_at(translation, pc);
    return i < 0 || pc == translation->code + translation->offsets[i] ||
           is_repeating(pc);
}

/* An instruction that has trapped on what only the interpreter can reach: if that
 * happens again it shall be left to the interpreter from the start. */
static void note_soft_trap(struct jit *jit, struct translation *translation, unsigned i)
{
    struct block *block = translation->block;
    if (block->translation == translation &&
        ++translation->soft_traps[i] == SOFT_TRAPS) {
        block->left_alone |= 1U << i;
        block->translation = NULL;
        jit_forget(jit, translation);
    }
}

/* Whether a trap is for the views to resolve. Accesses around the wrap at 4 GiB are
 * for the interpreter, which knows what they mean. */
static bool is_page_trap(struct cpu *cpu, gla_t *linear)
{
    const struct translated_state *state = &cpu->translated;
    return state->trap == TRAP_PAGE &&
           views_linear(cpu, (const void *)(uintptr_t)state->address, linear) &&
           *linear >= PAGE_BYTES && *linear < 0U - PAGE_BYTES;
}

static bool is_call(const struct instruction *instruction)
{
    uint16_t handler = instruction_row(instruction)->handler;
    return handler == HANDLER_call_Jz || handler == HANDLER_call_Ev;
}

/* A call of the host's has found its stack full: the guest's call is done but for the
 * jump. */
static bool is_stack_full(const struct jit *jit, const struct translation *translation,
                          int i)
{
    return jit->cpu->translated.address - (uintptr_t)jit->stack < JIT_STACK_GUARD &&
           i == (int)translation->count - 1 &&
           is_call(&translation->block->instructions[i]);
}

static void finish_call(struct cpu *cpu, const struct translation *translation)
{
    const struct instruction *call =
        &translation->block->instructions[translation->count - 1];
    bool direct = instruction_row(call)->handler == HANDLER_call_Jz;
    account(cpu, 0);
    cpu->eip = direct ? call->immediate : (uint32_t)cpu->translated.target;
}

/* Translated code has trapped: does what it could not. Where it goes on; NULL: back to
 * the run loop. */
static const uint8_t *after_trap(struct jit *jit)
{
    struct cpu *cpu = jit->cpu;
    bool kicked = cpu->translated.trap == JIT_TRAP_KICK;
    const uint8_t *pc = (const uint8_t *)(uintptr_t)cpu->translated.pc;
    struct translation *translation = translation_at(jit, pc);
    int i = instruction_at(translation, pc);
    if (i < 0) {
        account(cpu, 0);
        cpu->eip = translation->eip;
        if (kicked) {
            jit->statistics.kicks++;
            return NULL;
        }
        if (translation->uses_vector && !cpu->fpu.live) {
            jit->statistics.vector_traps++;
            fpu_load(cpu);
            return translation->code;
        }
        jit->statistics.budget_traps++;
        return NULL;
    }
    if (!kicked && is_stack_full(jit, translation, i)) {
        jit->statistics.other_traps++;
        finish_call(cpu, translation);
        return NULL;
    }
    if (is_repeating(pc)) {
        /* All iterations have been paid for; these are left to do. */
        cpu->translated.left += (int64_t)cpu->regs[REGISTER_ECX] - 1;
    }
    account(cpu, translation->rest[i]);
    cpu->eip = translation->block->instructions[i].eip;
    take_note_before(cpu, translation, (unsigned)i);
    if (kicked) {
        jit->statistics.kicks++;
        return NULL;
    }
    gla_t linear;
    if (is_page_trap(cpu, &linear)) {
        jit->statistics.page_traps++;
        if (views_reach(cpu, linear, cpu->translated.error & PAGE_ERROR_WRITE) ==
            VIEWS_MAPPED) {
            make_live(cpu, translation->uses_vector);
            return translation->code + translation->offsets[i];
        }
        jit->statistics.soft_traps++;
        note_soft_trap(jit, translation, (unsigned)i);
    } else {
        jit->statistics.other_traps++;
    }
    jit_hand(&jit->single, &translation->block->instructions[i]);
    unsigned paid = translation->rest[i] - 1U;
    unsigned rest = translation->count - (unsigned)i - 1U;
    bool goes_on = execute(cpu, &jit->single) && may_go_on(cpu, paid, rest, false) &&
                   translation->block->translation == translation;
    make_live(cpu, goes_on && translation->uses_vector);
    return goes_on ? translation->code + translation->offsets[i + 1] : NULL;
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

/* Runs translated code until it has to come out for more than mapping a page. */
static void run_translated(struct jit *jit, const struct translation *translation)
{
    struct cpu *cpu = jit->cpu;
    const uint8_t *code = translation->code;
    cpu->translated.left = (int64_t)(cpu->budget_end - cpu->retired);
    cpu->translated.shadow_left = INT64_MAX;
    choose_requests(cpu);
    bool user = cpu->translated.assumptions & ASSUME_USER;
    bool vector = cpu->translated.assumptions & ASSUME_VECTOR;
    make_live(cpu, translation->uses_vector || (user && vector && jit->user_was_live));
    while (code) {
        enum jit_exit exit = jit->enter(cpu, code);
        jit->user_was_live = user ? cpu->fpu.live : jit->user_was_live;
        jit->statistics.exits[exit]++;
        take_note(cpu);
        code = NULL;
        if (exit == JIT_EXIT_TRAP) {
            code = after_trap(jit);
        } else if (exit == JIT_EXIT_LINK || exit == JIT_EXIT_LOOKUP) {
            account(cpu, 0);
            jit->pending_link =
                exit == JIT_EXIT_LINK ? jit->links[cpu->translated.link] : NULL;
        }
    }
    if ((int64_t)(cpu->budget_end - cpu->retired) == cpu->translated.shadow_left) {
        cpu->shadow |= CPU_SHADOW_STI;
    }
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

static void run_next(struct cpu *cpu)
{
    struct jit *jit = cpu->jit;
    if (!is_supported(cpu)) {
        interpret(jit);
        return;
    }
    struct block *block = code_cache_find(cpu);
    uint64_t left = cpu->budget_end - cpu->retired;
    if (block->transient || block->count > left) {
        interpret(jit);
        return;
    }
    cpu->translated.assumptions = assumptions_of(cpu);
    if (left < JIT_BUDGET_FREE && runs_unchecked(cpu)) {
        /* With a new budget. */
        atomic_fetch_or(&cpu->request, CPU_REQUEST_KICK);
        return;
    }
    uint8_t *base = views_current(cpu);
    unsigned view = views_current_id(cpu);
    struct translation *translation = translation_of(jit, block);
    struct jump_table *table = jit_table(jit, view, cpu->translated.assumptions);
    if (!translation || !table) {
        interpret(jit);
        return;
    }
    if (cpu_traces(cpu, TRACE_EXEC)) {
        trace_executed(cpu, block, translation->code);
    } else {
        enter_in_table(cpu, table, translation);
        link_pending(jit, translation);
    }
    set_gs_base(jit, base);
    cpu->translated.view = (uintptr_t)base;
    cpu->translated.table = (uintptr_t)table->entries + JUMP_TABLE_BIAS;
    run_translated(jit, translation);
}

enum cpu_exit jit_run(struct cpu *cpu, uint64_t budget)
{
    struct jit *jit = cpu->jit;
    enum cpu_exit why;
    uint64_t slice, before;
    jit->pending_link = NULL;
    jit->view_base = NULL; /* GS belongs to everybody in between */
    jit_signals_begin(jit);
    do {
        slice = budget < JIT_BUDGET_MAXIMUM ? budget : JIT_BUDGET_MAXIMUM;
        before = cpu->retired;
        why = run_loop(cpu, slice, run_next);
        budget -= slice;
    } while (why == CPU_EXIT_BUDGET && budget > 0 && cpu->retired - before == slice);
    jit_signals_end(jit);
    return why;
}
