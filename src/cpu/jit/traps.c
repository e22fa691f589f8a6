/* Translated code that was left by a signal: where that was, and what it could not do.
 */
#include "cpu/jit/jit.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction_table.h"
#include "cpu/interpreter/handlers.h"
#include "cpu/interpreter/host_unit.h"

enum {
    SOFT_TRAPS = 2, /* of an instruction, before it is left to the interpreter */
    TRAP_PAGE = 14,
    PAGE_ERROR_WRITE = 2,
};

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
        if (jit->cpu->wiring.memory->watched && jit->left_count < JIT_LEFT_BLOCKS) {
            jit->left_blocks[jit->left_count++] = block;
        }
        block->translation = NULL;
        jit_forget(jit, translation);
    }
}

/* Code that is executed once, and traps all the time: a program that runs wild through
 * zeros does so. A trap takes as long as some hundred instructions of the interpreter,
 * which then has all of it for a while; for twice as long if it goes on like that. */
static void note_streak(struct jit *jit)
{
    enum { NEAR = 64, TRAPS = 16, SHORTEST = 256, LONGEST = 1 << 16 };
    uint64_t now = jit->cpu->retired, end = jit->streak.from + jit->streak.length;
    jit->streak.count = now - jit->streak.last <= NEAR ? jit->streak.count + 1 : 1;
    jit->streak.last = now;
    if (jit->streak.count < TRAPS) {
        return;
    }
    bool again = jit->streak.length && now - end <= (uint64_t)NEAR * TRAPS;
    jit->streak.length = !again                         ? SHORTEST
                         : jit->streak.length < LONGEST ? 2 * jit->streak.length
                                                        : LONGEST;
    jit->streak.from = now;
    jit->streak.count = 0;
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

/* What demands alignment faults for that first, whether the page is there or not. */
static bool is_misaligned(struct cpu *cpu, const struct instruction *instruction)
{
    if (!instruction->memory ||
        instruction_row(instruction)->handler != HANDLER_vector) {
        return false;
    }
    gla_t address =
        cpu->segments[instruction->segment].base + instruction_offset(cpu, instruction);
    return address & host_form(cpu, instruction)->alignment_mask;
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
    jit_account(cpu, 0);
    cpu->eip = direct ? call->immediate : (uint32_t)cpu->translated.target;
}

const uint8_t *jit_after_trap(struct jit *jit)
{
    struct cpu *cpu = jit->cpu;
    bool kicked = cpu->translated.trap == JIT_TRAP_KICK;
    const uint8_t *pc = (const uint8_t *)(uintptr_t)cpu->translated.pc;
    struct translation *translation = translation_at(jit, pc);
    int i = instruction_at(translation, pc);
    if (i < 0) {
        jit_account(cpu, 0);
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
    jit_account(cpu, translation->rest[i]);
    cpu->eip = translation->block->instructions[i].eip;
    jit_take_note_before(cpu, translation, (unsigned)i);
    if (kicked) {
        jit->statistics.kicks++;
        return NULL;
    }
    gla_t linear;
    if (is_page_trap(cpu, &linear) &&
        !is_misaligned(cpu, &translation->block->instructions[i])) {
        jit->statistics.page_traps++;
        if (views_reach(cpu, linear,
                        cpu->translated.error & PAGE_ERROR_WRITE
                            ? MMU_WRITE
                            : MMU_READ) == VIEWS_MAPPED) {
            jit_make_live(cpu, translation->uses_vector);
            return translation->code + translation->offsets[i];
        }
        jit->statistics.soft_traps++;
        note_soft_trap(jit, translation, (unsigned)i);
        note_streak(jit);
    } else {
        jit->statistics.other_traps++;
    }
    jit_hand(&jit->single, &translation->block->instructions[i]);
    unsigned paid = translation->rest[i] - 1U;
    unsigned rest = translation->count - (unsigned)i - 1U;
    bool goes_on = jit_execute(cpu, &jit->single) && !jit_streak_left(jit) &&
                   jit_may_go_on(cpu, paid, rest, false) &&
                   translation->block->translation == translation;
    jit_make_live(cpu, goes_on && translation->uses_vector);
    return goes_on ? translation->code + translation->offsets[i + 1] : NULL;
}
