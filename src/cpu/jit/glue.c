/* The code between C and translated code, made when the engine is created.
 *
 *   enter(cpu, code)  called from C: loads the guest's registers, jumps to `code`
 *   exit_lookup       R8D: EIP that an indirect jump leads to
 *   exit_link         R8D: EIP, R9D: number of the link
 *   indirect          R8D: EIP that is looked up in the jump table
 *   unpaired          likewise, of a return where no call was: the bottom of the stack
 *   exit_trap         registers have been saved by the signal handler
 *   interpret         called by translated code, R9: struct handed; comes back, or
 *                     goes on at cpu->eip by another jump table
 *   quick             likewise, R8D: operand: by its quick way, else by interpret
 *
 * The exits return from enter() with the kind of exit. No instruction here between
 * saving and restoring may expect anything of the flags, but those that say so. */
#include "cpu/jit/jit.h"

#include <stddef.h>

#define CPU_AT(member) ((int32_t)offsetof(struct cpu, member))

static const uint8_t guest_in_host[8] = {
    [REGISTER_EAX] = HOST_RAX, [REGISTER_ECX] = HOST_RCX, [REGISTER_EDX] = HOST_RDX,
    [REGISTER_EBX] = HOST_RBX, [REGISTER_ESP] = HOST_ESP, [REGISTER_EBP] = HOST_RBP,
    [REGISTER_ESI] = HOST_RSI, [REGISTER_EDI] = HOST_RDI,
};

static const uint8_t callee_saved[] = {HOST_RBX, HOST_RBP, HOST_R12,
                                       HOST_R13, HOST_R14, HOST_R15};

static void push(struct emitter *e, unsigned reg)
{
    if (reg & 8) {
        emit8(e, REX | REX_B);
    }
    emit8(e, 0x50 | (reg & 7));
}

static void pop(struct emitter *e, unsigned reg)
{
    if (reg & 8) {
        emit8(e, REX | REX_B);
    }
    emit8(e, 0x58 | (reg & 7));
}

static void save_flags(struct emitter *e)
{
    EMIT(e, 0x9f);             /* lahf */
    EMIT(e, 0x0f, 0x90, 0xc0); /* seto al */
    EMIT(e, 0x66);
    emit_store32(e, HOST_RAX, HOST_CPU, CPU_AT(arithmetic)); /* ax */
}

static void load_flags(struct emitter *e)
{
    emit_load32(e, HOST_RAX, HOST_CPU, CPU_AT(arithmetic));
    EMIT(e, 0x04, 0x7f); /* add al, 0x7f: OF if AL was 1 */
    EMIT(e, 0x9e);       /* sahf: the others */
}

static void load_guest(struct emitter *e)
{
    load_flags(e);
    for (unsigned i = 0; i < ARRAY_LENGTH(guest_in_host); i++) {
        emit_load32(e, guest_in_host[i], HOST_CPU, CPU_AT(regs) + 4 * (int32_t)i);
    }
}

static void save_guest(struct emitter *e)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(guest_in_host); i++) {
        emit_store32(e, guest_in_host[i], HOST_CPU, CPU_AT(regs) + 4 * (int32_t)i);
    }
    save_flags(e);
    emit_store64(e, HOST_LEFT, HOST_CPU, CPU_AT(translated.left));
}

const uint8_t *jit_emit_jump_if_requested(struct emitter *e)
{
    emit_load32(e, HOST_RAX, HOST_CPU, CPU_AT(translated.requests));
    emit_at(e, 0, 0x85, HOST_RAX, HOST_CPU, CPU_AT(request));
    EMIT(e, 0x0f, 0x85);
    const uint8_t *site = emit_here(e);
    emit32(e, 0);
    return site;
}

void jit_emit_begin(struct emitter *e)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(callee_saved); i++) {
        push(e, callee_saved[i]);
    }
    EMIT(e, 0x48, 0x83, 0xec, 0x08); /* sub rsp, 8: aligned for calls */
    EMIT(e, 0x49, 0x89, 0xff);       /* mov r15, rdi */
    emit_store64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
}

void jit_emit_leave(struct emitter *e, uint32_t exit)
{
    emit_constant32(e, HOST_RAX, exit);
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
    EMIT(e, 0x48, 0x83, 0xc4, 0x08); /* add rsp, 8 */
    for (unsigned i = ARRAY_LENGTH(callee_saved); i-- > 0;) {
        pop(e, callee_saved[i]);
    }
    emit8(e, 0xc3); /* ret */
}

static void make_enter(struct jit *jit)
{
    struct emitter *e = &jit->emitter;
    jit->enter = (uint32_t(*)(struct cpu *, const uint8_t *))(uintptr_t)emit_here(e);
    jit_emit_begin(e);
    EMIT(e, 0x49, 0x89, 0xf3); /* mov r11, rsi */
    emit_load64(e, HOST_TABLE, HOST_CPU, CPU_AT(translated.table));
    emit_load64(e, HOST_LEFT, HOST_CPU, CPU_AT(translated.left));
    jit->entering[0].first = emit_here(e);
    const uint8_t *requested = jit_emit_jump_if_requested(e);
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack_top));
    load_guest(e);
    EMIT(e, 0x41, 0xff, 0xe3); /* jmp r11 */
    jit->entering[0].end = emit_here(e);
    jit->entering[0].back = emit_here(e);
    emit_patch_relative(e, requested, jit->entering[0].back);
    jit_emit_leave(e, JIT_EXIT_NOTHING);
}

static void make_exits(struct jit *jit)
{
    struct emitter *e = &jit->emitter;
    jit->exit_lookup = emit_here(e);
    save_guest(e);
    emit_store32(e, HOST_R8, HOST_CPU, CPU_AT(eip));
    jit_emit_leave(e, JIT_EXIT_LOOKUP);
    jit->exit_link = emit_here(e);
    save_guest(e);
    emit_store32(e, HOST_R8, HOST_CPU, CPU_AT(eip));
    emit_store32(e, HOST_R9, HOST_CPU, CPU_AT(translated.link));
    jit_emit_leave(e, JIT_EXIT_LINK);
    jit->unpaired = emit_here(e);
    EMIT(e, 0x48, 0x8d, 0x64, 0x24, 0xf8); /* lea rsp, [rsp - 8] */
    jit->indirect = emit_here(e);
    jit_emit_indirect(e, false);
    jit->exit_trap = emit_here(e);
    jit_emit_leave(e, JIT_EXIT_TRAP);
}

/* The privilege has changed: by the jump table, and with pairs of calls and returns
 * that begin anew, as from C. */
static void make_turn(struct jit *jit)
{
    struct emitter *e = &jit->emitter;
    emit_load64(e, HOST_TABLE, HOST_CPU, CPU_AT(translated.table));
    emit_load64(e, HOST_LEFT, HOST_CPU, CPU_AT(translated.left));
    jit->entering[2].first = emit_here(e);
    const uint8_t *requested = jit_emit_jump_if_requested(e);
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack_top));
    load_guest(e);
    emit_load32(e, HOST_R8, HOST_CPU, CPU_AT(eip));
    jit_emit_indirect(e, false);
    jit->entering[2].end = emit_here(e);
    jit->entering[2].back = emit_here(e);
    emit_patch_relative(e, requested, jit->entering[2].back);
    jit_emit_leave(e, JIT_EXIT_LEFT);
}

static void make_interpret(struct jit *jit)
{
    _Static_assert(HANDED_LEAVES < HANDED_GOES_ON && HANDED_GOES_ON < HANDED_TURNS,
                   "compared below");
    struct emitter *e = &jit->emitter;
    jit->interpret = emit_here(e);
    save_guest(e);
    EMIT(e, 0x4c, 0x89, 0xff); /* mov rdi, r15 */
    EMIT(e, 0x4c, 0x89, 0xce); /* mov rsi, r9 */
    emit_store64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack));
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
    emit_constant64(e, HOST_RAX, (uintptr_t)jit_interpret);
    EMIT(e, 0xff, 0xd0); /* call rax */
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack));
    EMIT(e, 0x3c, HANDED_GOES_ON); /* cmp al, … */
    EMIT(e, 0x0f, 0x82);           /* jb */
    const uint8_t *left = emit_here(e);
    emit32(e, 0);
    EMIT(e, 0x0f, 0x87); /* ja */
    const uint8_t *turned = emit_here(e);
    emit32(e, 0);
    emit_load64(e, HOST_LEFT, HOST_CPU, CPU_AT(translated.left));
    jit->entering[1].first = emit_here(e);
    const uint8_t *requested = jit_emit_jump_if_requested(e);
    load_guest(e);
    emit8(e, 0xc3); /* ret */
    jit->entering[1].end = emit_here(e);
    jit->entering[1].back = emit_here(e);
    emit_patch_relative(e, left, jit->entering[1].back);
    emit_patch_relative(e, requested, jit->entering[1].back);
    jit_emit_leave(e, JIT_EXIT_LEFT);
    emit_patch_relative(e, turned, emit_here(e));
    make_turn(jit);
}

/* What C may change of the guest's registers. */
static const uint8_t caller_saved[] = {REGISTER_EAX, REGISTER_ECX, REGISTER_EDX,
                                       REGISTER_ESI, REGISTER_EDI};

static void move_caller_saved(struct emitter *e,
                              void move(struct emitter *, unsigned, unsigned, int32_t))
{
    for (unsigned i = 0; i < ARRAY_LENGTH(caller_saved); i++) {
        unsigned reg = caller_saved[i];
        move(e, guest_in_host[reg], HOST_CPU, CPU_AT(regs) + 4 * (int32_t)reg);
    }
}

/* mov rdi, r15; mov rsi, [handed]; call on the stack of C */
static void emit_call_with_handed(struct emitter *e)
{
    EMIT(e, 0x4c, 0x89, 0xff);
    emit_load64(e, HOST_RSI, HOST_CPU, CPU_AT(translated.handed));
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
}

/* A request that has come meanwhile: the instruction is done, so code is left behind
 * it. Of the registers that C may change those in struct cpu are right. */
static void make_quick_requested(struct jit *jit)
{
    struct emitter *e = &jit->emitter;
    static const uint8_t others[] = {REGISTER_EBX, REGISTER_ESP, REGISTER_EBP};
    for (unsigned i = 0; i < ARRAY_LENGTH(others); i++) {
        emit_store32(e, guest_in_host[others[i]], HOST_CPU,
                     CPU_AT(regs) + 4 * (int32_t)others[i]);
    }
    emit_store64(e, HOST_LEFT, HOST_CPU, CPU_AT(translated.left));
    emit_call_with_handed(e);
    emit_constant64(e, HOST_RAX, (uintptr_t)jit_leave_quick);
    EMIT(e, 0xff, 0xd0); /* call rax */
    jit_emit_leave(e, JIT_EXIT_LEFT);
}

static void make_quick(struct jit *jit)
{
    struct emitter *e = &jit->emitter;
    jit->quick = emit_here(e);
    move_caller_saved(e, emit_store32);
    save_flags(e);
    EMIT(e, 0x44, 0x89, 0xc2); /* mov edx, r8d */
    emit_store64(e, HOST_R9, HOST_CPU, CPU_AT(translated.handed));
    emit_store64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack));
    emit_call_with_handed(e);
    emit_at(e, 0, 0xff, 2, HOST_RSI,
            (int32_t)offsetof(struct handed, quick)); /* call */
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.stack));
    EMIT(e, 0x84, 0xc0); /* test al, al */
    EMIT(e, 0x74, 0x00); /* jz */
    uint8_t *refused = e->at;
    jit->entering[3].first = emit_here(e);
    const uint8_t *requested = jit_emit_jump_if_requested(e);
    load_flags(e);
    move_caller_saved(e, emit_load32);
    emit8(e, 0xc3); /* ret */
    jit->entering[3].end = emit_here(e);
    refused[-1] = (uint8_t)(e->at - refused);
    load_flags(e);
    move_caller_saved(e, emit_load32);
    emit_load64(e, HOST_R9, HOST_CPU, CPU_AT(translated.handed));
    emit_jump(e, jit->interpret);
    jit->entering[3].back = emit_here(e);
    emit_patch_relative(e, requested, jit->entering[3].back);
    make_quick_requested(jit);
}

void jit_make_glue(struct jit *jit)
{
    make_enter(jit);
    make_exits(jit);
    make_interpret(jit);
    make_quick(jit);
}
