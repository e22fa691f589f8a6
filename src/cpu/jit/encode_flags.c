/* PUSHF in every ring, POPF, CLI and STI in ring 0.
 *
 * Where flags have to survive, bits are picked by PEXT and PDEP: a PEXT and a PDEP by
 * the same mask clear the bits outside of it. */
#include "cpu/interpreter/handlers.h"
#include "cpu/jit/encode.h"

#include <stddef.h>

#define CPU_AT(member) ((int32_t)offsetof(struct cpu, member))

bool encode_is_flags(const struct instruction *instruction, uint32_t assumptions)
{
    bool flat = (assumptions >> (ASSUME_SEGMENT_BITS * SEGMENT_SS) & 3) == SEGMENT_FLAT;
    bool ring0 = assumptions & ASSUME_RING0;
    switch (instruction_row(instruction)->handler) {
    case HANDLER_pushf:
        return flat && instruction->operand_bytes == 4;
    case HANDLER_popf:
        return ring0 && flat && instruction->operand_bytes == 4;
    case HANDLER_cli:
    case HANDLER_sti:
        return ring0;
    default:
        return false;
    }
}

/* pext, pdep r8d, r8d, [r15 + mask] */
static void emit_and(struct emitter *e, int32_t mask)
{
    EMIT(e, 0xc4, 0x42, 0x3a, 0xf5, 0x87);
    emit32(e, (uint32_t)mask);
    EMIT(e, 0xc4, 0x42, 0x3b, 0xf5, 0x87);
    emit32(e, (uint32_t)mask);
}

static void emit_slow(struct emitter *e, struct slow_path *slow)
{
    slow->sites[slow->count++] = emit_here(e);
    emit32(e, 0);
}

static void emit_take_requests(struct emitter *e, int32_t which)
{
    emit_load32(e, HOST_R8, HOST_CPU, which);
    emit_store32(e, HOST_R8, HOST_CPU, CPU_AT(translated.requests));
}

static void encode_pushf(struct emitter *e)
{
    EMIT(e, 0x9c);       /* pushfq */
    EMIT(e, 0x41, 0x58); /* pop r8 */
    emit_and(e, CPU_AT(translated.arithmetic_mask));
    emit_load32(e, HOST_R9, HOST_CPU, CPU_AT(system_flags));
    EMIT(e, 0x47, 0x8d, 0x04, 0x08); /* lea r8d, [r8 + r9] */
    encode_push_register(e, false, HOST_R8);
}

static void encode_cli(struct emitter *e)
{
    emit_load32(e, HOST_R8, HOST_CPU, CPU_AT(system_flags));
    emit_and(e, CPU_AT(translated.closed_mask));
    emit_store32(e, HOST_R8, HOST_CPU, CPU_AT(system_flags));
    emit_take_requests(e, CPU_AT(translated.requests_closed));
}

/* [shadow_left] = R13, or more if IF was set in R8D already. */
static void emit_note_shadow(struct emitter *e)
{
    EMIT(e, 0xc4, 0x42, 0x3a, 0xf5, 0x8f); /* pext r9d, r8d, [interrupt_mask] */
    emit32(e, (uint32_t)CPU_AT(translated.interrupt_mask));
    emit_constant32(e, HOST_R10, 62);
    EMIT(e, 0xc4, 0x42, 0xa9, 0xf7, 0xc9); /* shlx r9, r9, r10 */
    EMIT(e, 0x4f, 0x8d, 0x4c, 0x0d, 0x00); /* lea r9, [r13 + r9] */
    emit_store64(e, HOST_R9, HOST_CPU, CPU_AT(translated.shadow_left));
}

/* Interrupts wait for one more instruction: who comes out before it has to know. */
static void encode_sti(struct emitter *e, struct slow_path *slow)
{
    emit_load32(e, HOST_R8, HOST_CPU, CPU_AT(request));
    EMIT(e, 0xc4, 0x42, 0x3a, 0xf5, 0x87); /* pext r8d, r8d, [requests_open] */
    emit32(e, (uint32_t)CPU_AT(translated.requests_open));
    EMIT(e, 0x49, 0x89, 0xc9); /* mov r9, rcx */
    EMIT(e, 0x44, 0x89, 0xc1); /* mov ecx, r8d */
    EMIT(e, 0xe3, 0x08);       /* jrcxz: nothing is waiting */
    EMIT(e, 0x4c, 0x89, 0xc9); /* mov rcx, r9 */
    emit8(e, 0xe9);
    emit_slow(e, slow);
    EMIT(e, 0x4c, 0x89, 0xc9); /* mov rcx, r9 */
    emit_load32(e, HOST_R8, HOST_CPU, CPU_AT(system_flags));
    emit_note_shadow(e);
    emit_and(e, CPU_AT(translated.closed_mask));
    EMIT(e, 0x45, 0x8d, 0x80); /* lea r8d, [r8 + IF] */
    emit32(e, EFLAGS_IF);
    emit_store32(e, HOST_R8, HOST_CPU, CPU_AT(system_flags));
    emit_take_requests(e, CPU_AT(translated.requests_open));
}

/* Goes to the slow path unless the image (R8D) differs from the system flags in none,
 * or only opens IF and nothing is waiting for that. */
static void emit_new_system_flags(struct emitter *e, struct slow_path *slow)
{
    const uint32_t kept =
        EFLAGS_SYSTEM & ~(uint32_t)(EFLAGS_IF | EFLAGS_RF | EFLAGS_VM);
    emit_load32(e, HOST_R9, HOST_CPU, CPU_AT(system_flags));
    EMIT(e, 0x45, 0x31, 0xc1); /* xor r9d, r8d */
    EMIT(e, 0x41, 0xf7, 0xc1); /* test r9d, kept */
    emit32(e, kept);
    EMIT(e, 0x0f, 0x85); /* jnz */
    emit_slow(e, slow);
    EMIT(e, 0x41, 0xf7, 0xc1); /* test r9d, IF */
    emit32(e, EFLAGS_IF);
    EMIT(e, 0x74, 0x00); /* jz */
    uint8_t *same = e->at;
    EMIT(e, 0x41, 0xf7, 0xc0); /* test r8d, IF */
    emit32(e, EFLAGS_IF);
    EMIT(e, 0x0f, 0x84); /* jz */
    emit_slow(e, slow);
    emit_load32(e, HOST_R10, HOST_CPU, CPU_AT(translated.requests_open));
    emit_at(e, 0, 0x85, HOST_R10, HOST_CPU, CPU_AT(request)); /* test */
    EMIT(e, 0x0f, 0x85);                                      /* jnz */
    emit_slow(e, slow);
    emit_store32(e, HOST_R10, HOST_CPU, CPU_AT(translated.requests));
    emit_at(e, 0, 0x81, 1, HOST_CPU, CPU_AT(system_flags)); /* or */
    emit32(e, EFLAGS_IF);
    same[-1] = (uint8_t)(e->at - same);
}

static void encode_popf(struct emitter *e, struct slow_path *slow)
{
    encode_stack(e, false, 0x8b, HOST_R8, 0);
    emit_new_system_flags(e, slow);
    encode_move_stack(e, 4);
    EMIT(e, 0x49, 0x89, 0xc1);             /* mov r9, rax */
    EMIT(e, 0x44, 0x89, 0xc0);             /* mov eax, r8d */
    EMIT(e, 0x88, 0xc4);                   /* mov ah, al */
    EMIT(e, 0x41, 0x0f, 0xba, 0xe0, 0x0b); /* bt r8d, 11 */
    EMIT(e, 0x0f, 0x92, 0xc0);             /* setc al */
    EMIT(e, 0x04, 0x7f);                   /* add al, 0x7f: OF if AL was 1 */
    EMIT(e, 0x9e);                         /* sahf: the others */
    EMIT(e, 0x4c, 0x89, 0xc8);             /* mov rax, r9 */
}

void encode_flags(struct emitter *e, const struct instruction *instruction,
                  struct slow_path *slow)
{
    switch (instruction_row(instruction)->handler) {
    case HANDLER_pushf:
        encode_pushf(e);
        break;
    case HANDLER_cli:
        encode_cli(e);
        break;
    case HANDLER_sti:
        encode_sti(e, slow);
        break;
    default:
        encode_popf(e, slow);
        break;
    }
}
