/* cpu/jit/emit.h: x86-64 machine code, byte by byte.
 *
 * Code is written through one mapping and executed in another, `distance` bytes away;
 * addresses that code deals in are those of the second. Encodings: Intel SDM vol. 2,
 * chapter 2. Thread: the CPU's own. */
#ifndef CPU_JIT_EMIT_H
#define CPU_JIT_EMIT_H

#include "base/types.h"

enum host_register {
    HOST_RAX,
    HOST_RCX,
    HOST_RDX,
    HOST_RBX,
    HOST_RSP,
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15,
};

enum {
    REX = 0x40,
    REX_B = 1,
    REX_X = 2,
    REX_R = 4,
    REX_W = 8,
};

struct emitter {
    uint8_t *at;        /* where the next byte is written */
    ptrdiff_t distance; /* from there to where it is executed */
};

static inline const uint8_t *emit_here(const struct emitter *e)
{
    return e->at + e->distance;
}

static inline void emit8(struct emitter *e, unsigned byte)
{
    *e->at++ = (uint8_t)byte;
}

static inline void emit16(struct emitter *e, uint16_t value)
{
    __builtin_memcpy(e->at, &value, sizeof(value));
    e->at += sizeof(value);
}

static inline void emit32(struct emitter *e, uint32_t value)
{
    __builtin_memcpy(e->at, &value, sizeof(value));
    e->at += sizeof(value);
}

static inline void emit64(struct emitter *e, uint64_t value)
{
    __builtin_memcpy(e->at, &value, sizeof(value));
    e->at += sizeof(value);
}

/* Bytes given in the order of the manual. */
#define EMIT(e, ...)                                                                   \
    do {                                                                               \
        const uint8_t emit_bytes[] = {__VA_ARGS__};                                    \
        for (unsigned emit_i = 0; emit_i < sizeof(emit_bytes); emit_i++) {             \
            emit8((e), emit_bytes[emit_i]);                                            \
        }                                                                              \
    } while (0)

/* `opcode` (one byte) with a register and [base + displacement]; `rex_w`: REX_W or 0.
 * `base` is none of RSP, R12. */
static inline void emit_at(struct emitter *e, unsigned rex_w, unsigned opcode,
                           unsigned reg, unsigned base, int32_t displacement)
{
    unsigned rex = rex_w | (reg & 8 ? REX_R : 0) | (base & 8 ? REX_B : 0);
    if (rex) {
        emit8(e, REX | rex);
    }
    emit8(e, opcode);
    bool is_short = displacement == (int8_t)displacement;
    emit8(e, (is_short ? 0x40 : 0x80) | (reg & 7) << 3 | (base & 7));
    if (is_short) {
        emit8(e, (uint8_t)displacement);
    } else {
        emit32(e, (uint32_t)displacement);
    }
}

static inline void emit_load32(struct emitter *e, unsigned reg, unsigned base,
                               int32_t displacement)
{
    emit_at(e, 0, 0x8b, reg, base, displacement);
}

static inline void emit_store32(struct emitter *e, unsigned reg, unsigned base,
                                int32_t displacement)
{
    emit_at(e, 0, 0x89, reg, base, displacement);
}

static inline void emit_load64(struct emitter *e, unsigned reg, unsigned base,
                               int32_t displacement)
{
    emit_at(e, REX_W, 0x8b, reg, base, displacement);
}

static inline void emit_store64(struct emitter *e, unsigned reg, unsigned base,
                                int32_t displacement)
{
    emit_at(e, REX_W, 0x89, reg, base, displacement);
}

/* mov dword [base + displacement], value */
static inline void emit_store_constant32(struct emitter *e, uint32_t value,
                                         unsigned base, int32_t displacement)
{
    emit_at(e, 0, 0xc7, 0, base, displacement);
    emit32(e, value);
}

/* mov reg, value (zero-extended) */
static inline void emit_constant32(struct emitter *e, unsigned reg, uint32_t value)
{
    if (reg & 8) {
        emit8(e, REX | REX_B);
    }
    emit8(e, 0xb8 | (reg & 7));
    emit32(e, value);
}

static inline void emit_constant64(struct emitter *e, unsigned reg, uint64_t value)
{
    emit8(e, REX | REX_W | (reg & 8 ? REX_B : 0));
    emit8(e, 0xb8 | (reg & 7));
    emit64(e, value);
}

/* lea r13, [r13 + displacement] and the like: adds without touching the flags. */
static inline void emit_add_constant64(struct emitter *e, unsigned reg,
                                       int32_t displacement)
{
    emit_at(e, REX_W, 0x8d, reg, reg, displacement);
}

/* Writes the distance from behind the 4 bytes at `site` to `target`. */
static inline void emit_patch_relative(struct emitter *e, const uint8_t *site,
                                       const uint8_t *target)
{
    int32_t relative = (int32_t)(target - (site + 4));
    __builtin_memcpy((uint8_t *)site - e->distance, &relative, sizeof(relative));
}

static inline void emit_relative(struct emitter *e, const uint8_t *target)
{
    emit32(e, (uint32_t)(int32_t)(target - (emit_here(e) + 4)));
}

static inline void emit_jump(struct emitter *e, const uint8_t *target)
{
    emit8(e, 0xe9);
    emit_relative(e, target);
}

static inline void emit_call(struct emitter *e, const uint8_t *target)
{
    emit8(e, 0xe8);
    emit_relative(e, target);
}

#endif
