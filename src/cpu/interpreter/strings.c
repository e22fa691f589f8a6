/* MOVS, CMPS, STOS, LODS, SCAS. Intel SDM vol. 2.
 *
 * Iterations go one by one, but for MOVS and STOS upwards through plain memory: there
 * a stretch within one page each of source and destination is done at once, by the
 * host's own string instruction, so that overlapping ranges come out the same. */
#include "cpu/interpreter/alu.h"
#include "cpu/interpreter/operands.h"
#include "cpu/interpreter/string_loop.h"

#define FLAGS (&cpu->arithmetic)

/* Iterations between two looks at cpu->request. */
enum { UNINTERRUPTED = 256 };

static inline uint32_t source_offset(const struct cpu *cpu, const struct instruction *i)
{
    return cpu->regs[REGISTER_ESI] & i->address_mask;
}

static inline uint32_t destination_offset(const struct cpu *cpu,
                                          const struct instruction *i)
{
    return cpu->regs[REGISTER_EDI] & i->address_mask;
}

static inline uint32_t direction(const struct cpu *cpu, unsigned bytes)
{
    return cpu->system_flags & EFLAGS_DF ? -bytes : bytes;
}

/* Host memory of `bytes` at an offset and, in `*room`, how many bytes follow it in the
 * page and the segment; NULL where the slow way must be gone. */
static uint8_t *stretch(struct cpu *cpu, unsigned segment, uint32_t offset, bool write,
                        uint32_t *room)
{
    const struct segment *s = &cpu->segments[segment];
    uint64_t end = write ? s->write_end : s->read_end;
    gla_t address = s->base + offset;
    const struct tlb_entry *e = tlb_entry(cpu->mmu, address, mmu_current_rights(cpu));
    if (offset >= end || !tlb_hits(write ? e->write_tag : e->read_tag, address, 1)) {
        return NULL;
    }
    uint64_t in_page = PAGE_BYTES - (address & PAGE_OFFSET_MASK);
    *room = (uint32_t)(end - offset < in_page ? end - offset : in_page);
    return e->host + (uintptr_t)address;
}

/* Whole iterations that may be done at once: limited by ECX, the budget, the room, and
 * the wrap of 16-bit offsets (which the segment's end implies for 64 KiB segments). */
static uint32_t at_once(const struct cpu *cpu, const struct instruction *i,
                        uint32_t room, uint32_t offset, unsigned bytes)
{
    uint64_t most = string_count(cpu, i), allowance = string_allowance(cpu);
    uint64_t before_wrap = ((uint64_t)i->address_mask + 1 - offset) / bytes;
    most = most < allowance ? most : allowance;
    most = most < room / bytes ? most : room / bytes;
    return (uint32_t)(most < before_wrap ? most : before_wrap);
}

static uint32_t move_stretch(struct cpu *cpu, const struct instruction *i,
                             unsigned bytes)
{
    uint32_t from_room = 0, to_room = 0;
    uint32_t from = source_offset(cpu, i), to = destination_offset(cpu, i);
    const uint8_t *source = stretch(cpu, i->segment, from, false, &from_room);
    uint8_t *destination = stretch(cpu, SEGMENT_ES, to, true, &to_room);
    if (!source || !destination || (cpu->system_flags & EFLAGS_DF)) {
        return 0;
    }
    uint32_t room = from_room < to_room ? from_room : to_room;
    uint32_t count = at_once(cpu, i, room, from > to ? from : to, bytes);
    uint64_t left = count;
    if (bytes == 1) {
        __asm__ volatile("rep movsb"
                         : "+S"(source), "+D"(destination), "+c"(left)::"memory");
    } else if (bytes == 2) {
        __asm__ volatile("rep movsw"
                         : "+S"(source), "+D"(destination), "+c"(left)::"memory");
    } else {
        __asm__ volatile("rep movsl"
                         : "+S"(source), "+D"(destination), "+c"(left)::"memory");
    }
    string_advance(cpu, i, REGISTER_ESI, count * bytes);
    string_advance(cpu, i, REGISTER_EDI, count * bytes);
    return count;
}

static uint32_t store_stretch(struct cpu *cpu, const struct instruction *i,
                              unsigned bytes)
{
    uint32_t room = 0, to = destination_offset(cpu, i);
    uint8_t *destination = stretch(cpu, SEGMENT_ES, to, true, &room);
    if (!destination || (cpu->system_flags & EFLAGS_DF)) {
        return 0;
    }
    uint32_t count = at_once(cpu, i, room, to, bytes);
    uint64_t left = count;
    uint32_t value = cpu->regs[REGISTER_EAX];
    if (bytes == 1) {
        __asm__ volatile("rep stosb"
                         : "+D"(destination), "+c"(left)
                         : "a"(value)
                         : "memory");
    } else if (bytes == 2) {
        __asm__ volatile("rep stosw"
                         : "+D"(destination), "+c"(left)
                         : "a"(value)
                         : "memory");
    } else {
        __asm__ volatile("rep stosl"
                         : "+D"(destination), "+c"(left)
                         : "a"(value)
                         : "memory");
    }
    string_advance(cpu, i, REGISTER_EDI, count * bytes);
    return count;
}

/* No stretches for the others. */
static uint32_t no_stretch(struct cpu *cpu, const struct instruction *i, unsigned bytes)
{
    (void)cpu, (void)i, (void)bytes;
    return 0;
}

/* Whether a repetition has to pause for somebody else, or because it may have
 * overwritten itself since there were `kills` of code. */
static inline bool must_pause(const struct cpu *cpu, unsigned done, uint64_t kills)
{
    return cpu->stepping || cpu_retired(cpu) >= cpu->budget_end ||
           cpu->code_cache->kills != kills || string_is_transient(cpu) ||
           (done % UNINTERRUPTED == 0 &&
            atomic_load_explicit(&cpu->request, memory_order_relaxed));
}

/* One iteration is `body` (statements); `many` may do several at once; repetition ends
 * early where `ends` holds after an iteration. */
#define STRING(name, bytes, many, body, ends)                                          \
    HANDLER(name)                                                                      \
    {                                                                                  \
        if (!string_repeats(i)) {                                                      \
            body;                                                                      \
            return i + 1;                                                              \
        }                                                                              \
        if (string_count(cpu, i) == 0) {                                               \
            return i + 1;                                                              \
        }                                                                              \
        const uint64_t kills = cpu->code_cache->kills;                                 \
        for (unsigned done = 1;; done++) {                                             \
            uint32_t iterations = many(cpu, i, bytes);                                 \
            if (iterations == 0) {                                                     \
                body;                                                                  \
                iterations = 1;                                                        \
            } else {                                                                   \
                done |= UNINTERRUPTED - 1;                                             \
            }                                                                          \
            string_account(cpu, i, iterations);                                        \
            if (string_count(cpu, i) == 0 || (ends)) {                                 \
                return string_leave(cpu, i, true);                                     \
            }                                                                          \
            if (must_pause(cpu, done, kills)) {                                        \
                return string_leave(cpu, i, false);                                    \
            }                                                                          \
        }                                                                              \
    }

/* After CMPS and SCAS: REPE ends at a difference, REPNE at a match. */
static inline bool comparison_ends(const struct cpu *cpu, const struct instruction *i)
{
    bool equal = cpu->arithmetic.ax & ARITHMETIC_ZF;
    return (i->prefixes & PREFIX_REPNE) ? equal : !equal;
}

#define STRING_WIDTH(suffix, bytes, T)                                                 \
    STRING(                                                                            \
        movs##suffix, bytes, move_stretch,                                             \
        {                                                                              \
            T a = SEGMENT_READ_##T(cpu, i->segment, source_offset(cpu, i));            \
            SEGMENT_WRITE_##T(cpu, SEGMENT_ES, destination_offset(cpu, i), a);         \
            string_advance(cpu, i, REGISTER_ESI, direction(cpu, bytes));               \
            string_advance(cpu, i, REGISTER_EDI, direction(cpu, bytes));               \
        },                                                                             \
        false)                                                                         \
    STRING(                                                                            \
        cmps##suffix, bytes, no_stretch,                                               \
        {                                                                              \
            T a = SEGMENT_READ_##T(cpu, i->segment, source_offset(cpu, i));            \
            T b = SEGMENT_READ_##T(cpu, SEGMENT_ES, destination_offset(cpu, i));       \
            alu_cmp_##T(FLAGS, a, b);                                                  \
            string_advance(cpu, i, REGISTER_ESI, direction(cpu, bytes));               \
            string_advance(cpu, i, REGISTER_EDI, direction(cpu, bytes));               \
        },                                                                             \
        comparison_ends(cpu, i))                                                       \
    STRING(                                                                            \
        stos##suffix, bytes, store_stretch,                                            \
        {                                                                              \
            SEGMENT_WRITE_##T(cpu, SEGMENT_ES, destination_offset(cpu, i),             \
                              REG_##T(cpu, REGISTER_EAX));                             \
            string_advance(cpu, i, REGISTER_EDI, direction(cpu, bytes));               \
        },                                                                             \
        false)                                                                         \
    STRING(                                                                            \
        lods##suffix, bytes, no_stretch,                                               \
        {                                                                              \
            REG_##T(cpu, REGISTER_EAX) =                                               \
                SEGMENT_READ_##T(cpu, i->segment, source_offset(cpu, i));              \
            string_advance(cpu, i, REGISTER_ESI, direction(cpu, bytes));               \
        },                                                                             \
        false)                                                                         \
    STRING(                                                                            \
        scas##suffix, bytes, no_stretch,                                               \
        {                                                                              \
            T b = SEGMENT_READ_##T(cpu, SEGMENT_ES, destination_offset(cpu, i));       \
            alu_cmp_##T(FLAGS, REG_##T(cpu, REGISTER_EAX), b);                         \
            string_advance(cpu, i, REGISTER_EDI, direction(cpu, bytes));               \
        },                                                                             \
        comparison_ends(cpu, i))

STRING_WIDTH(_8, 1, uint8_t)
STRING_WIDTH(_16, 2, uint16_t)
STRING_WIDTH(_32, 4, uint32_t)

#define STRING_SETS(op, byte_operands, word_operands)                                  \
    const struct handler_set exec_##op##_##byte_operands = HANDLER_SET_ONE(op##_8);    \
    const struct handler_set exec_##op##_##word_operands = {                           \
        .register16 = op##_16,                                                         \
        .register32 = op##_32,                                                         \
        .memory16 = op##_16,                                                           \
        .memory32 = op##_32,                                                           \
    };

STRING_SETS(movs, Yb_Xb, Yv_Xv)
STRING_SETS(cmps, Xb_Yb, Xv_Yv)
STRING_SETS(stos, Yb_AL, Yv_eAX)
STRING_SETS(lods, AL_Xb, eAX_Xv)
STRING_SETS(scas, AL_Yb, eAX_Yv)
