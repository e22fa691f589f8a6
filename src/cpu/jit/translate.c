/* From a decoded block to a translation: entries, control flow, the stack, and what is
 * handed to the interpreter.
 *
 * The flags are the guest's throughout: nothing here but the guest's own instructions
 * may change them, so sums are made with LEA, budgets checked by an access that traps,
 * addresses compared with JRCXZ.
 *
 * A translation pays for its instructions in segments, each of which ends with a
 * conditional exit: the budget is right wherever the block is left. */
#include "cpu/core/cpu_trace.h"
#include "cpu/core/fpu.h"
#include "cpu/interpreter/handlers.h"
#include "cpu/interpreter/host_unit.h"
#include "cpu/jit/encode.h"

#include <stddef.h>

struct direct_exit {
    const uint8_t *site; /* of the relative address */
    uint32_t eip;
    bool returned; /* from a call: anything may have happened meanwhile */
};

struct translator {
    struct jit *jit;
    struct emitter *e;
    const struct block *block;
    struct translation *translation;
    uint32_t assumptions;
    struct direct_exit exits[2 * BLOCK_INSTRUCTIONS + 2];
    unsigned exit_count;
    struct x87_note note; /* of x87 instructions that have not been noted yet */
    bool has_note;
    bool ended; /* control does not reach what follows */
};

static void *record(struct jit *jit, size_t bytes)
{
    void *memory = jit->records + jit->records_used;
    jit->records_used += (bytes + 15) & ~(size_t)15;
    return memory;
}

/* The next 4 bytes are the relative address of a direct exit. */
static struct direct_exit *emit_exit_site(struct translator *t, uint32_t eip)
{
    struct direct_exit *exit = &t->exits[t->exit_count++];
    *exit = (struct direct_exit){.site = emit_here(t->e), .eip = eip};
    emit32(t->e, 0);
    return exit;
}

static struct direct_exit *emit_direct_exit(struct translator *t, uint32_t eip)
{
    emit8(t->e, 0xe9);
    return emit_exit_site(t, eip);
}

/* Goes on if R8D is `eip`, else to `otherwise`. */
static void emit_expect(struct emitter *e, uint32_t eip, const uint8_t *otherwise)
{
    EMIT(e, 0x49, 0x89, 0xc9); /* mov r9, rcx */
    EMIT(e, 0x41, 0x8d, 0x88); /* lea ecx, [r8 - eip] */
    emit32(e, 0U - eip);
    EMIT(e, 0xe3, 0x08);       /* jrcxz */
    EMIT(e, 0x4c, 0x89, 0xc9); /* mov rcx, r9 */
    emit_jump(e, otherwise);
    EMIT(e, 0x4c, 0x89, 0xc9); /* mov rcx, r9 */
}

/* Traps if the vector registers are not live. */
static void emit_vector_check(struct translator *t)
{
    emit_load64(t->e, HOST_R8, HOST_CPU, (int32_t)offsetof(struct cpu, fpu.barrier));
    EMIT(t->e, 0x47, 0x8b, 0x84, 0x06); /* mov r8d, [r14 + r8 + last] */
    emit32(t->e, (uint32_t)jump_table_offset(JUMP_TABLE_ENTRIES - 1));
}

static bool uses_vector(const struct block *block, uint32_t assumptions)
{
    for (unsigned i = 0; i < block->count && (assumptions & ASSUME_VECTOR); i++) {
        uint16_t handler = instruction_row(&block->instructions[i])->handler;
        if (handler == HANDLER_vector || handler == HANDLER_x87) {
            return true;
        }
    }
    return false;
}

/* User code does without while budgets are not exact: it is stopped by signals. */
static bool needs_budget_check(uint32_t assumptions)
{
    return (assumptions & ASSUME_EXACT) || !(assumptions & ASSUME_USER);
}

/* Traps if the budget does not suffice for the whole block. */
static void emit_budget_check(struct translator *t)
{
    struct emitter *e = t->e;
    emit_at(e, REX_W, 0x8d, HOST_R8, HOST_LEFT, -(int32_t)t->block->count);
    EMIT(e, 0xc4, 0x42, 0x8b, 0xf7, 0xc0); /* shrx r8, r8, r14 */
    EMIT(e, 0x47, 0x8b, 0x84, 0xc6);       /* mov r8d, [r14 + r8 * 8 + last] */
    emit32(e, (uint32_t)jump_table_offset(JUMP_TABLE_ENTRIES - 1));
}

static bool is_conditional_exit(const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    return row->operands[0].method == OPERAND_J && (row->attributes & ROW_ENDS) &&
           row->handler != HANDLER_jmp_Jb && row->handler != HANDLER_jmp_Jz &&
           row->handler != HANDLER_call_Jz;
}

/* Instructions from `i` to the end of its segment. */
static unsigned segment_from(const struct block *block, unsigned i)
{
    unsigned count = 1;
    while (i + count < block->count &&
           !is_conditional_exit(&block->instructions[i + count - 1])) {
        count++;
    }
    return count;
}

static void pay_for_segment(struct translator *t, unsigned i)
{
    if (i < t->block->count) {
        emit_add_constant64(t->e, HOST_LEFT, -(int32_t)segment_from(t->block, i));
    }
}

void jit_add_x87_note(struct x87_note *note, const struct instruction *instruction)
{
    note->eip = instruction->eip;
    note->opcode = (uint16_t)((instruction->opcode & 7) << 8 | instruction->modrm);
    if (instruction->memory) {
        note->segment = instruction->segment;
        note->memory = true;
    }
}

/* To be emitted wherever the block may be left. */
static void emit_note(struct translator *t)
{
    if (!t->has_note) {
        return;
    }
    struct x87_note *note = record(t->jit, sizeof(*note));
    *note = t->note;
    uint32_t number = (uint32_t)(((uint8_t *)note - t->jit->records) / RECORD_UNIT);
    emit_store_constant32(t->e, number, HOST_CPU,
                          (int32_t)offsetof(struct cpu, translated.x87_note));
    if (note->memory) {
        emit_store_constant32(
            t->e, number, HOST_CPU,
            (int32_t)offsetof(struct cpu, translated.x87_operand_note));
    }
    t->has_note = false;
    t->note = (struct x87_note){.eip = 0};
}

/* Loads of segment registers, and DF. What changes anything else leaves its block. */
static bool changes_assumptions(const struct instruction *instruction)
{
    switch (instruction_row(instruction)->handler) {
    case HANDLER_mov_Sw_Ew:
    case HANDLER_pop_Sw:
    case HANDLER_les_Gv_Mp:
    case HANDLER_lds_Gv_Mp:
    case HANDLER_lss_Gv_Mp:
    case HANDLER_lfs_Gv_Mp:
    case HANDLER_lgs_Gv_Mp:
    case HANDLER_popf:
    case HANDLER_cld:
    case HANDLER_std:
        return true;
    default:
        return false;
    }
}

static bool falls_through(const struct instruction *instruction)
{
    uint16_t handler = instruction_row(instruction)->handler;
    return handler == HANDLER_popf || handler == HANDLER_sti;
}

static bool turns(const struct instruction *instruction)
{
    uint16_t handler = instruction_row(instruction)->handler;
    return handler == HANDLER_sysenter || handler == HANDLER_sysexit ||
           handler == HANDLER_int_Ib || handler == HANDLER_iret;
}

/* movzx r8d, operand of 16 bits; false if it cannot be reached. */
static bool emit_load_selector(struct translator *t,
                               const struct instruction *instruction)
{
    struct shape shape = {.map = OPCODE_MAP_0F, .opcode = 0xb7, .reg = HOST_R8};
    if (!instruction->memory) {
        shape.rm = (uint8_t)host_register_of(instruction->rm);
        encode_register(t->e, &shape);
        return true;
    }
    if (!encode_reaches(instruction, t->assumptions)) {
        return false;
    }
    const struct address address = encode_address(t->e, instruction, t->assumptions);
    encode_memory(t->e, &shape, &address, false, false);
    return true;
}

static bool is_flat(const struct translator *t, unsigned segment)
{
    return (t->assumptions >> (ASSUME_SEGMENT_BITS * segment) & 3) == SEGMENT_FLAT;
}

/* lea r8d, operand; false if that is not its linear address. */
static bool emit_load_place(struct translator *t, const struct instruction *instruction)
{
    if (instruction->segment == SEGMENT_FS || instruction->segment == SEGMENT_GS ||
        !is_flat(t, instruction->segment) ||
        !encode_reaches(instruction, t->assumptions)) {
        return false;
    }
    const struct shape shape = {.opcode = 0x8d, .reg = HOST_R8};
    const struct address address = encode_address(t->e, instruction, t->assumptions);
    encode_memory(t->e, &shape, &address, false, true);
    return true;
}

/* The quick way of an instruction, with R8D = its operand; NULL: there is none. */
static quick_way *emit_quick_operand(struct translator *t, unsigned i)
{
    const struct instruction *instruction = &t->block->instructions[i];
    enum quick_operand operand;
    quick_way *quick =
        jit_quick_way(instruction, t->block->left_alone >> i & 1, &operand);
    if (quick && ((operand == QUICK_SELECTOR && !emit_load_selector(t, instruction)) ||
                  (operand == QUICK_PLACE && !emit_load_place(t, instruction)))) {
        return NULL;
    }
    return quick;
}

static void hand_over(struct translator *t, unsigned i)
{
    emit_note(t);
    quick_way *quick = emit_quick_operand(t, i);
    t->translation->handed |= 1U << i;
    const struct instruction *instruction = &t->block->instructions[i];
    struct handed *handed = record(t->jit, sizeof(*handed));
    jit_hand(handed, instruction);
    handed->rest_of_segment = (uint16_t)(t->translation->rest[i] - 1);
    handed->rest_of_block = (uint16_t)(t->block->count - i - 1);
    handed->changes_assumptions = changes_assumptions(instruction);
    handed->falls_through = falls_through(instruction);
    handed->turns = turns(instruction);
    handed->uses_vector = t->translation->uses_vector;
    handed->quick = quick;
    emit_constant64(t->e, HOST_R9, (uintptr_t)handed);
    emit_call(t->e, quick ? t->jit->quick : t->jit->interpret);
}

/* mov r8d, operand; false if it cannot be reached. */
static bool emit_load_operand(struct translator *t,
                              const struct instruction *instruction)
{
    struct shape shape = {
        .sixteen = instruction->operand_bytes == 2, .opcode = 0x8b, .reg = HOST_R8};
    if (!instruction->memory) {
        shape.rm = (uint8_t)host_register_of(instruction->rm);
        encode_register(t->e, &shape);
        return true;
    }
    if (!encode_reaches(instruction, t->assumptions)) {
        return false;
    }
    const struct address address = encode_address(t->e, instruction, t->assumptions);
    encode_memory(t->e, &shape, &address, false, false);
    return true;
}

static bool translate_pop(struct translator *t, const struct instruction *instruction)
{
    bool sixteen = instruction->operand_bytes == 2;
    unsigned reg = host_register_of(instruction->reg);
    if (reg == HOST_ESP && sixteen) {
        return false;
    }
    encode_stack(t->e, sixteen, 0x8b, reg, 0);
    if (reg != HOST_ESP) {
        encode_move_stack(t->e, sixteen ? 2 : 4);
    }
    return true;
}

static bool translate_leave(struct translator *t, const struct instruction *instruction)
{
    if (instruction->operand_bytes != 4) {
        return false;
    }
    /* mov r8d, gs:[ebp]; lea r12d, [rbp + 4]; mov ebp, r8d */
    const struct shape load = {.opcode = 0x8b, .reg = HOST_R8};
    const struct shape lea = {.opcode = 0x8d, .reg = HOST_ESP};
    const struct shape move = {.opcode = 0x8b, .reg = HOST_RBP, .rm = HOST_R8};
    const struct address frame = {.base = HOST_RBP, .index = HOST_RSP};
    const struct address above = {
        .base = HOST_RBP, .index = HOST_RSP, .displacement = 4};
    encode_memory(t->e, &load, &frame, false, false);
    encode_memory(t->e, &lea, &above, false, true);
    encode_register(t->e, &move);
    return true;
}

static bool translate_return(struct translator *t,
                             const struct instruction *instruction)
{
    if (instruction->operand_bytes != 4) {
        return false;
    }
    uint32_t extra = instruction_row(instruction)->opcode == 0xc2
                         ? instruction->immediate & 0xffff
                         : 0;
    encode_stack(t->e, false, 0x8b, HOST_R8, 0);
    encode_move_stack(t->e, (int32_t)(4 + extra));
    emit8(t->e, 0xc3); /* ret: to the landing of the call, or to `unpaired` */
    t->ended = true;
    return true;
}

/* Where the host's return comes out that is paired with this call. */
static void emit_landing(struct translator *t, const struct instruction *instruction)
{
    uint32_t eip = instruction_next_eip(instruction);
    emit_expect(t->e, eip, t->jit->indirect);
    emit_direct_exit(t, eip)->returned = true;
    t->ended = true;
}

static bool translate_indirect(struct translator *t,
                               const struct instruction *instruction, bool call)
{
    struct emitter start = *t->e;
    if (instruction->operand_bytes != 4 || !emit_load_operand(t, instruction)) {
        *t->e = start;
        return false;
    }
    if (call) {
        encode_push_constant(t->e, false, instruction_next_eip(instruction));
    }
    jit_emit_indirect(t->e, call);
    if (call) {
        emit_landing(t, instruction);
    }
    t->ended = true;
    return true;
}

/* LOOP, LOOPE, LOOPNE, JECXZ: the host's, around a jump. */
static bool translate_counted(struct translator *t,
                              const struct instruction *instruction)
{
    if (instruction->address_mask != UINT32_MAX || instruction->operand_bytes != 4) {
        return false;
    }
    EMIT(t->e, 0x67, instruction->opcode, 0x02); /* to the jump */
    EMIT(t->e, 0xeb, 0x05);                      /* over it */
    emit_direct_exit(t, instruction->immediate);
    return true;
}

/* Near transfers of control and what moves the stack pointer. */
static bool translate_transfer(struct translator *t,
                               const struct instruction *instruction)
{
    const struct instruction_row *row = instruction_row(instruction);
    bool sixteen = instruction->operand_bytes == 2;
    switch (row->handler) {
    case HANDLER_jcc_Jb:
    case HANDLER_jcc_Jz:
        EMIT(t->e, 0x0f, 0x80 | (instruction->opcode & 15));
        emit_exit_site(t, instruction->immediate);
        return true;
    case HANDLER_loop_Jb:
    case HANDLER_loope_Jb:
    case HANDLER_loopne_Jb:
    case HANDLER_jcxz_Jb:
        return translate_counted(t, instruction);
    case HANDLER_jmp_Jb:
    case HANDLER_jmp_Jz:
        emit_direct_exit(t, instruction->immediate);
        t->ended = true;
        return true;
    case HANDLER_jmp_Ev:
        return translate_indirect(t, instruction, false);
    default:
        break;
    }
    if (!is_flat(t, SEGMENT_SS)) {
        return false;
    }
    switch (row->handler) {
    case HANDLER_call_Jz:
        if (sixteen) {
            return false;
        }
        encode_push_constant(t->e, false, instruction_next_eip(instruction));
        emit8(t->e, 0xe8);
        emit_exit_site(t, instruction->immediate);
        emit_landing(t, instruction);
        return true;
    case HANDLER_call_Ev:
        return translate_indirect(t, instruction, true);
    case HANDLER_ret:
    case HANDLER_ret_Iw:
        return translate_return(t, instruction);
    case HANDLER_push_Zv:
        encode_push_register(t->e, sixteen, host_register_of(instruction->reg));
        return true;
    case HANDLER_push_Iz:
        encode_push_constant(t->e, sixteen, instruction->immediate);
        return true;
    case HANDLER_push_Ev: {
        struct emitter start = *t->e;
        if (!emit_load_operand(t, instruction)) {
            *t->e = start;
            return false;
        }
        encode_push_register(t->e, sixteen, HOST_R8);
        return true;
    }
    case HANDLER_push_Sw:
        emit_load32(t->e, HOST_R8, HOST_CPU,
                    (int32_t)(offsetof(struct cpu, segments[0].selector) +
                              sizeof(struct segment) * instruction->reg));
        EMIT(t->e, 0x45, 0x0f, 0xb7, 0xc0); /* movzx r8d, r8w */
        encode_push_register(t->e, sixteen, HOST_R8);
        return true;
    case HANDLER_pop_Zv:
        return translate_pop(t, instruction);
    case HANDLER_leave:
        return translate_leave(t, instruction);
    default:
        return false;
    }
}

/* PUSHF, POPF, CLI, STI; what is rare goes to the interpreter. */
static bool translate_flags(struct translator *t, unsigned i)
{
    const struct instruction *instruction = &t->block->instructions[i];
    struct slow_path slow = {.count = 0};
    if (!encode_is_flags(instruction, t->assumptions)) {
        return false;
    }
    emit_note(t);
    encode_flags(t->e, instruction, &slow);
    if (slow.count) {
        emit8(t->e, 0xe9);
        const uint8_t *done = emit_here(t->e);
        emit32(t->e, 0);
        for (unsigned k = 0; k < slow.count; k++) {
            emit_patch_relative(t->e, slow.sites[k], emit_here(t->e));
        }
        hand_over(t, i);
        emit_patch_relative(t->e, done, emit_here(t->e));
    }
    return true;
}

static void translate_instruction(struct translator *t, unsigned i)
{
    const struct instruction *instruction = &t->block->instructions[i];
    bool leaves = is_conditional_exit(instruction) || handler_ends_block(instruction);
    if (leaves) {
        emit_note(t);
    }
    bool alone = (t->block->left_alone >> i & 1) || handler_is_invalid(instruction);
    if (alone ||
        !(translate_transfer(t, instruction) || translate_flags(t, i) ||
          encode_plain(t->e, instruction, t->assumptions) ||
          encode_string(t->e, instruction, t->block->count - i - 1, t->assumptions) ||
          encode_vector(t->e, t->jit->cpu, instruction, t->assumptions))) {
        hand_over(t, i);
        /* What ends a block never comes back. */
        t->ended = i + 1 == t->block->count && handler_ends_block(instruction) &&
                   !falls_through(instruction);
    } else if (encode_is_noted(t->jit->cpu, instruction)) {
        t->has_note = true;
        jit_add_x87_note(&t->note, instruction);
        t->translation->noted |= 1U << i;
    }
}

static void emit_link_stub(struct translator *t, const struct direct_exit *exit)
{
    struct jit *jit = t->jit;
    struct link *link = record(jit, sizeof(*link));
    *link = (struct link){.site = exit->site,
                          .stub = emit_here(&jit->stubs),
                          .from = t->translation,
                          .from_eip = t->block->eip,
                          .eip = exit->eip,
                          .live = t->translation->uses_vector && !exit->returned};
    emit_constant32(&jit->stubs, HOST_R8, exit->eip);
    emit_constant32(&jit->stubs, HOST_R9, jit->link_count);
    emit_jump(&jit->stubs, jit->exit_link);
    jit->links[jit->link_count++] = link;
}

static void emit_stubs(struct translator *t)
{
    struct emitter *stubs = &t->jit->stubs;
    for (unsigned i = 0; i < t->exit_count; i++) {
        emit_patch_relative(stubs, t->exits[i].site, emit_here(stubs));
        emit_link_stub(t, &t->exits[i]);
    }
}

static void translate_block(struct translator *t)
{
    struct translation *translation = t->translation;
    translation->indirect = emit_here(t->e);
    emit_expect(t->e, t->block->eip, t->jit->exit_lookup);
    translation->code = emit_here(t->e);
    if (needs_budget_check(t->assumptions)) {
        emit_budget_check(t);
    }
    translation->unchecked = (uint8_t)(emit_here(t->e) - translation->code);
    if (translation->uses_vector) {
        emit_vector_check(t);
    }
    translation->live = (uint8_t)(emit_here(t->e) - translation->code);
    pay_for_segment(t, 0);
    for (unsigned i = 0; i < t->block->count; i++) {
        translation->rest[i] = (uint16_t)segment_from(t->block, i);
        translation->offsets[i] = (uint16_t)(emit_here(t->e) - translation->code);
        translate_instruction(t, i);
        if (is_conditional_exit(&t->block->instructions[i])) {
            pay_for_segment(t, i + 1);
        }
    }
    translation->offsets[t->block->count] =
        (uint16_t)(emit_here(t->e) - translation->code);
    if (!t->ended) {
        emit_note(t);
        emit_direct_exit(
            t, instruction_next_eip(&t->block->instructions[t->block->count - 1]));
    }
    emit_stubs(t);
}

struct translation *jit_translate(struct jit *jit, struct block *block,
                                  uint32_t assumptions)
{
    if (!jit_make_room(jit)) {
        return NULL;
    }
    const uint64_t began = jit_translation_begins(jit);
    const uint8_t *start = emit_here(&jit->emitter), *stubs = emit_here(&jit->stubs);
    struct translation *translation = record(jit, sizeof(*translation));
    *translation = (struct translation){
        .block = block,
        .eip = block->eip,
        .assumptions = assumptions,
        .count = block->count,
        .uses_vector = uses_vector(block, assumptions),
    };
    struct translator translator = {
        .jit = jit,
        .e = &jit->emitter,
        .block = block,
        .translation = translation,
        .assumptions = assumptions,
    };
    translate_block(&translator);
    block->translation = translation;
    jit_add_translation(jit, translation);
    jit->statistics.translated_blocks++;
    jit->statistics.translated_instructions += block->count;
    jit->statistics.translated_bytes += (uint64_t)(emit_here(&jit->emitter) - start);
    host_unit_serialize();
    jit->statistics.translating_cycles += __builtin_ia32_rdtsc() - began;
    if (cpu_traces(jit->cpu, TRACE_OUT_ASM)) {
        jit_trace_translation(jit, translation, stubs);
    }
    return translation;
}
