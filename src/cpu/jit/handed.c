/* Instructions that translated code hands to the interpreter, and what has to be set
 * right before C looks at the CPU: the count of instructions, the x87's pointers. */
#include "cpu/jit/jit.h"

#include "cpu/core/fpu.h"
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/handlers.h"
#include "cpu/interpreter/segments.h"
#include "cpu/mmu/access.h"

void jit_make_live(struct cpu *cpu, bool uses_vector)
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

bool jit_execute(struct cpu *cpu, const struct handed *handed)
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

void jit_choose_requests(struct cpu *cpu)
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

void jit_account(struct cpu *cpu, unsigned paid)
{
    cpu->retired = cpu->budget_end - (uint64_t)(cpu->translated.left + paid);
}

static void set_operand(struct cpu *cpu, const struct x87_note *note)
{
    if (note->memory) {
        cpu->fpu.operand_selector = cpu->segments[note->segment].selector;
    }
}

static void set_pointers(struct cpu *cpu, const struct x87_note *note)
{
    cpu->fpu.opcode = note->opcode;
    cpu->fpu.instruction_offset = note->eip;
    cpu->fpu.instruction_selector = cpu->segments[SEGMENT_CS].selector;
    set_operand(cpu, note);
}

static const struct x87_note *note_at(const struct cpu *cpu, uint32_t number)
{
    return (const struct x87_note *)(cpu->jit->records + (size_t)RECORD_UNIT * number);
}

void jit_take_note(struct cpu *cpu)
{
    struct translated_state *state = &cpu->translated;
    if (state->x87_operand_note) {
        set_operand(cpu, note_at(cpu, state->x87_operand_note));
    }
    if (state->x87_note) {
        set_pointers(cpu, note_at(cpu, state->x87_note));
    }
    state->x87_note = state->x87_operand_note = 0;
}

void jit_take_note_before(struct cpu *cpu, const struct translation *translation,
                          unsigned i)
{
    uint32_t before = (1U << i) - 1, handed = translation->handed & before;
    if (handed) {
        before &= ~(UINT32_MAX >> __builtin_clz(handed)); /* what is behind it */
    }
    const struct instruction *instructions = translation->block->instructions;
    struct x87_note note = {.eip = 0};
    for (uint32_t left = translation->noted & before; left; left &= left - 1) {
        jit_add_x87_note(&note, &instructions[__builtin_ctz(left)]);
    }
    if (translation->noted & before) {
        set_pointers(cpu, &note);
    }
}

bool jit_may_go_on(struct cpu *cpu, unsigned paid, unsigned rest, bool assumed)
{
    struct translated_state *state = &cpu->translated;
    int64_t left = (int64_t)(cpu->budget_end - cpu->retired);
    state->left = left - paid;
    return left >= rest && !(atomic_load(&cpu->request) & state->requests) &&
           (assumed || jit_assumptions(cpu) == state->assumptions);
}

/* POPF and STI end blocks because they may let interrupts in, change the mode or ask
 * for single steps; mostly they do not. With enough of the budget left it makes no
 * difference that STI shields the next instruction, if no interrupt is waiting. */
static bool has_fallen_through(struct cpu *cpu, const struct handed *handed,
                               uint32_t code_mode, uint8_t access_rights)
{
    bool enough = cpu->budget_end - cpu->retired > BLOCK_INSTRUCTIONS;
    jit_choose_requests(cpu);
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

enum handed_end jit_interpret(struct cpu *cpu, const struct handed *handed)
{
    uint32_t code_mode = cpu->code_mode;
    uint8_t access_rights = cpu->access_rights;
    jit_take_note(cpu);
    jit_account(cpu, handed->rest_of_segment + 1U);
    bool goes_on = jit_execute(cpu, handed) ||
                   (handed->falls_through &&
                    has_fallen_through(cpu, handed, code_mode, access_rights));
    if (!goes_on) {
        return handed->turns && jit_turn(cpu) ? HANDED_TURNS : HANDED_LEAVES;
    }
    if (!jit_may_go_on(cpu, handed->rest_of_segment, handed->rest_of_block,
                       !handed->changes_assumptions)) {
        return HANDED_LEAVES;
    }
    jit_make_live(cpu, handed->uses_vector);
    return HANDED_GOES_ON;
}

static bool load_segment(struct cpu *cpu, const struct handed *handed, uint32_t operand)
{
    return segment_load_again(cpu, handed->instruction.reg, (uint16_t)operand);
}

/* Where time is counted it has to be known how many instructions there were. */
static bool read_time(struct cpu *cpu, const struct handed *handed, uint32_t operand)
{
    (void)handed, (void)operand;
    bool keeps_vectors = !FPU_PARK_ALWAYS && clock_keeps_vectors(cpu->wiring.tsc_clock);
    if (!cpu->free_running || !keeps_vectors ||
        ((cpu->cr4 & CR4_TSD) && cpu->cpl != 0)) {
        return false;
    }
    uint64_t tsc = cpu_tsc(cpu);
    cpu->regs[REGISTER_EAX] = (uint32_t)tsc;
    cpu->regs[REGISTER_EDX] = (uint32_t)(tsc >> 32);
    return true;
}

void jit_leave_quick(struct cpu *cpu, const struct handed *handed)
{
    jit_take_note(cpu);
    jit_account(cpu, handed->rest_of_segment);
    cpu->eip = handed->end.eip;
}

/* What a quick way may touch. */
static bool is_at_hand(unsigned reg)
{
    return reg == REGISTER_EAX || reg == REGISTER_ECX || reg == REGISTER_EDX ||
           reg == REGISTER_ESI || reg == REGISTER_EDI;
}

static bool load_word(struct cpu *cpu, const struct handed *handed, uint32_t place)
{
    return mmu_try_read32(cpu, place, &cpu->regs[handed->instruction.reg]);
}

static bool store_word(struct cpu *cpu, const struct handed *handed, uint32_t place)
{
    return mmu_try_write32(cpu, place, cpu->regs[handed->instruction.reg]);
}

/* Of what has trapped: the moves by which a kernel reads and writes user memory. */
static quick_way *quick_move(const struct instruction *instruction)
{
    uint16_t handler = instruction_row(instruction)->handler;
    if (!instruction->memory || instruction->operand_bytes != 4 ||
        !is_at_hand(instruction->reg)) {
        return NULL;
    }
    return handler == HANDLER_mov_Gv_Ev   ? load_word
           : handler == HANDLER_mov_Ev_Gv ? store_word
                                          : NULL;
}

quick_way *jit_quick_way(const struct instruction *instruction, bool alone,
                         enum quick_operand *operand)
{
    uint16_t handler = instruction_row(instruction)->handler;
    unsigned reg = instruction->reg;
    if (alone) {
        *operand = QUICK_PLACE;
        return quick_move(instruction);
    }
    if (handler == HANDLER_rdtsc) {
        *operand = QUICK_NOTHING;
        return read_time;
    }
    *operand = QUICK_SELECTOR;
    bool is_data = reg == SEGMENT_ES || reg == SEGMENT_FS || reg == SEGMENT_GS ||
                   reg == SEGMENT_DS;
    return handler == HANDLER_mov_Sw_Ew && is_data ? load_segment : NULL;
}

void jit_hand(struct handed *handed, const struct instruction *instruction)
{
    handed->instruction = *instruction;
    handed->end = (struct instruction){
        .execute = stop,
        .eip = instruction_next_eip(instruction),
    };
}
