/* Every row of the instruction table that runs on the host's vector unit, with random
 * registers, against the same bytes run natively.
 *
 * usage: fpu_native_test [CASES-PER-ROW [SEED]] */
#include "fpu_native.h"
#include "fpu_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    OPERAND_BYTES = 1024, /* compared memory … */
    OPERAND_MIDDLE = 512, /* … around EDI */
    GATHER_REACH = 48,    /* indices, times 8 at most */
    ARITHMETIC_FLAGS = EFLAGS_ARITHMETIC,
};

static unsigned cases_per_row = 60;
static uint64_t seed;

static uint64_t random64(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(random64() >> 33) % limit;
}

struct test_case {
    uint8_t bytes[16];
    unsigned length;
    const struct instruction_row *row;
    unsigned operand; /* where in the data page EDI points */
    bool memory;
};

/* Doubles and singles that matter, beside anything. */
static uint64_t interesting64(void)
{
    static const uint64_t values[] = {
        0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
        0x7ff0000000000000, 0x7ff8000000000001, 0x7ff4000000000000, 0x0000000000000001,
        0x000fffffffffffff, 0x7fefffffffffffff, 0x41dfffffffc00000, 0x3ff8000000000000,
        0x7f8000007f800000, 0x3f8000003f800000, 0x000000013f000000, 0x7f7fffff00800000,
        0x80000000ffffffff, 0x4f000000cf000000, 0x7fa000007fc00000, 0x3400000072000000,
    };
    switch (below(4)) {
    case 0:
        return random64();
    case 1:
        return (random64() & 0xbfffffffffffffff) | 0x3800000000000000;
    default:
        return values[below(ARRAY_LENGTH(values))];
    }
}

static void random_x87(uint8_t *area, bool unmasked)
{
    uint16_t control = (uint16_t)(random64() & 0xf3f) | 0x40;
    uint16_t status = (uint16_t)(random64() & 0x7f7f);
    control |= unmasked ? 0 : 0x3f;
    status &= (uint16_t) ~(~control & 0x3f); /* nothing pending */
    memcpy(area + FPU_AREA_CONTROL, &control, 2);
    memcpy(area + FPU_AREA_STATUS, &status, 2);
    area[FPU_AREA_TAGS] = (uint8_t)(below(3) ? 0xff : random64());
    for (unsigned i = 0; i < 8; i++) {
        static const uint16_t exponents[] = {0,      1,      0x3fff, 0x3ffe, 0x4000,
                                             0x7ffe, 0x7fff, 0x403e, 0x3c01, 0x43fe};
        uint64_t mantissa = interesting64() | (below(8) ? 0x8000000000000000 : 0);
        uint16_t exponent = exponents[below(ARRAY_LENGTH(exponents))];
        exponent |= (uint16_t)(below(2) << 15);
        memcpy(area + FPU_AREA_ST + 16 * i, &mantissa, 8);
        memcpy(area + FPU_AREA_ST + 16 * i + 8, &exponent, 2);
    }
}

static void random_area(uint8_t *area, bool unmasked)
{
    memset(area, 0, XSAVE_AREA_BYTES);
    random_x87(area, unmasked);
    uint32_t mxcsr = (uint32_t)random64() & 0xffff;
    mxcsr |= unmasked ? 0 : 0x1f80;
    memcpy(area + FPU_AREA_MXCSR, &mxcsr, 4);
    for (unsigned i = 0; i < 8 * 16; i += 8) {
        uint64_t low = interesting64(), high = interesting64();
        memcpy(area + FPU_AREA_XMM + i, &low, 8);
        memcpy(area + FPU_AREA_YMM_HIGH + i, &high, 8);
    }
    area[FPU_AREA_XSTATE_BV] = 7;
}

static bool general_operand(const struct instruction_row *row)
{
    for (unsigned i = 0; i < ROW_OPERANDS_MAX; i++) {
        if (row->operands[i].method == OPERAND_E ||
            row->operands[i].method == OPERAND_G) {
            return true;
        }
    }
    return false;
}

static void put(struct test_case *test, unsigned byte)
{
    test->bytes[test->length++] = (uint8_t)byte;
}

static void put_prefix(struct test_case *test, const struct instruction_candidate *c)
{
    unsigned pp = c->prefixes == CANDIDATE_66   ? 1
                  : c->prefixes == CANDIDATE_F3 ? 2
                  : c->prefixes == CANDIDATE_F2 ? 3
                                                : 0;
    static const uint8_t legacy[] = {0, 0x66, 0xf3, 0xf2};
    if (test->row->map < OPCODE_MAP_VEX_0F) {
        if (pp) {
            put(test, legacy[pp]);
        }
        if (test->row->map != OPCODE_MAP_1) {
            put(test, 0x0f);
        }
        if (test->row->map > OPCODE_MAP_0F) {
            put(test, test->row->map == OPCODE_MAP_0F38 ? 0x38 : 0x3a);
        }
        return;
    }
    bool w = c->demands & CANDIDATE_W1   ? true
             : c->demands & CANDIDATE_W0 ? false
                                         : below(2) && !general_operand(test->row);
    bool l = c->demands & CANDIDATE_L1   ? true
             : c->demands & CANDIDATE_L0 ? false
                                         : below(2);
    /* Not with L: the manual calls scalar conversions with it unpredictable. */
    l = l && !general_operand(test->row);
    unsigned vvvv = c->demands & CANDIDATE_NO_VVVV ? 0 : below(8);
    put(test, 0xc4);
    put(test, 0xe0 | (test->row->map - OPCODE_MAP_VEX_0F + 1U));
    put(test, w << 7 | (~vvvv & 15) << 3 | (unsigned)l << 2 | pp);
}

/* Memory is [EDI]; general registers are EAX to EBX. */
static void put_modrm(struct test_case *test, const struct instruction_candidate *c)
{
    unsigned reg = below(8), rm = below(8);
    bool general = general_operand(test->row);
    test->memory = c->demands & CANDIDATE_MEMORY || below(2);
    if (general) {
        reg = test->row->operands[0].method == OPERAND_G ? below(4) : reg;
        rm = below(4);
    }
    unsigned modrm = test->memory ? reg << 3 | 7 : 0xc0 | reg << 3 | rm;
    modrm = (modrm & ~(unsigned)c->modrm_mask) | c->modrm_value;
    test->memory = modrm < 0xc0;
    if (test->row->attributes & ROW_VSIB) {
        put(test, (modrm & 0x38) | 4);
        put(test, below(4) << 6 | below(8) << 3 | REGISTER_EDI);
        return;
    }
    put(test, modrm);
}

static void make_case(struct test_case *test, const struct instruction_row *row,
                      const struct instruction_candidate *c)
{
    *test = (struct test_case){.row = row};
    put_prefix(test, c);
    put(test, row->opcode);
    if (row->attributes & ROW_MODRM) {
        put_modrm(test, c);
    }
    if (row->immediate != IMMEDIATE_NONE) {
        put(test, (unsigned)random64() & 0x7f);
    }
    bool aligned = (row->attributes & ROW_ALIGNED) || below(2);
    test->operand = below(4) ? 1024 + below(1024) : 4096 - below(64);
    test->operand &= aligned ? ~31U : ~0U;
}

/* Gathers: registers that differ (else there is no such instruction), indices that stay
 * in the data. */
static bool make_gather(const struct test_case *test, uint8_t *area)
{
    unsigned vvvv = (~test->bytes[2] >> 3) & 7, reg = (test->bytes[4] >> 3) & 7;
    unsigned index = (test->bytes[5] >> 3) & 7;
    bool wide = test->bytes[3] & 1;
    for (unsigned i = 0; i < 32; i += wide ? 8 : 4) {
        int64_t value = (int64_t)below(2 * GATHER_REACH) - GATHER_REACH;
        uint8_t *half = area + (i < 16 ? FPU_AREA_XMM : FPU_AREA_YMM_HIGH - 16);
        memcpy(half + 16 * index + i, &value, wide ? 8 : 4);
    }
    return vvvv != reg && vvvv != index && reg != index;
}

struct side {
    struct native_state state;
    uint8_t memory[OPERAND_BYTES];
};

static int run_ours(struct fpu_world *world, const struct test_case *test,
                    struct side *side)
{
    struct cpu *cpu = world->cpu;
    uint32_t start = WORLD_DATA + test->operand;
    memcpy(fpu_world_ram(world, start - OPERAND_MIDDLE), side->memory, OPERAND_BYTES);
    memcpy(cpu->fpu.area, side->state.area, XSAVE_AREA_BYTES);
    fpu_loaded(cpu);
    for (unsigned i = 0; i < 4; i++) {
        cpu->regs[i] = (uint32_t)side->state.regs[i];
    }
    cpu->regs[REGISTER_EDI] = start;
    cpu_set_eflags(cpu, (uint32_t)side->state.flags);
    int vector = fpu_world_run(world, test->bytes, test->length);
    memcpy(side->memory, fpu_world_ram(world, start - OPERAND_MIDDLE), OPERAND_BYTES);
    memcpy(side->state.area, cpu->fpu.area, XSAVE_AREA_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        side->state.regs[i] = cpu->regs[i];
    }
    side->state.flags = cpu_eflags(cpu);
    return vector;
}

static int run_native(const struct test_case *test, struct side *side)
{
    static _Alignas(4096) uint8_t data[3 * 4096];
    uint8_t *start = data + test->operand;
    memcpy(start - OPERAND_MIDDLE, side->memory, OPERAND_BYTES);
    side->state.regs[7] = (uint64_t)(uintptr_t)start;
    int result = native_run(&side->state, test->bytes, test->length);
    memcpy(side->memory, start - OPERAND_MIDDLE, OPERAND_BYTES);
    return result;
}

static void report(const struct test_case *test, const char *what, const void *ours,
                   const void *host, size_t bytes, const uint8_t *before)
{
    const uint8_t *a = ours, *b = host;
    printf("%s%s: %s differs;", test->row->mnemonic, test->memory ? " (memory)" : "",
           what);
    for (unsigned i = 0; i < test->length; i++) {
        printf(" %02x", test->bytes[i]);
    }
    printf("\n");
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            printf("  [%zu]: ours %02x, host %02x, before %02x\n", i, a[i], b[i],
                   before[i]);
        }
    }
    fail();
}

static void compare_part(const struct test_case *test, const char *what,
                         const struct side *before, const struct side *ours,
                         const struct side *host, unsigned offset, unsigned bytes)
{
    if (memcmp(ours->state.area + offset, host->state.area + offset, bytes)) {
        report(test, what, ours->state.area + offset, host->state.area + offset, bytes,
               before->state.area + offset);
    }
}

static void compare(const struct test_case *test, const struct side *before,
                    const struct side *ours, const struct side *host)
{
    compare_part(test, "x87 words", before, ours, host, 0, 5);
    compare_part(test, "MXCSR", before, ours, host, FPU_AREA_MXCSR, 4);
    for (unsigned i = 0; i < 8; i++) {
        compare_part(test, "ST", before, ours, host, FPU_AREA_ST + 16 * i, 10);
        compare_part(test, "XMM", before, ours, host, FPU_AREA_XMM + 16 * i, 16);
        compare_part(test, "YMM", before, ours, host, FPU_AREA_YMM_HIGH + 16 * i, 16);
    }
    if (memcmp(ours->memory, host->memory, OPERAND_BYTES)) {
        report(test, "memory", ours->memory, host->memory, OPERAND_BYTES,
               before->memory);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint32_t a = (uint32_t)ours->state.regs[i], b = (uint32_t)host->state.regs[i];
        if (a != b) {
            report(test, "general register", &a, &b, 4,
                   (const uint8_t *)&before->state.regs[i]);
        }
    }
    uint32_t a = ours->state.flags & ARITHMETIC_FLAGS;
    uint32_t b = host->state.flags & ARITHMETIC_FLAGS;
    if (a != b) {
        report(test, "flags", &a, &b, 4, (const uint8_t *)&before->state.flags);
    }
}

/* An unmasked overflow or underflow: whether the result is also inexact depends on
 * what it would be with any exponent, which a run with masked exceptions cannot tell.
 */
static void forgive_precision(const uint8_t *before, uint8_t *ours, const uint8_t *host)
{
    enum { OVERFLOW_UNDERFLOW = 0x18, PRECISION = 0x20 };
    uint32_t mxcsr;
    memcpy(&mxcsr, before, sizeof(mxcsr));
    if (host[0] & ~(mxcsr >> 7) & OVERFLOW_UNDERFLOW) {
        ours[0] = (uint8_t)((ours[0] & ~PRECISION) | (host[0] & PRECISION));
    }
}

/* Returns whether the host has the instruction. */
static bool run_case(struct fpu_world *world, const struct test_case *test,
                     bool unmasked)
{
    static struct side before, ours, host;
    random_area(before.state.area, unmasked);
    if ((test->row->attributes & ROW_VSIB) && !make_gather(test, before.state.area)) {
        return true;
    }
    for (unsigned i = 0; i < OPERAND_BYTES; i += 8) {
        uint64_t value = interesting64();
        memcpy(before.memory + i, &value, 8);
    }
    for (unsigned i = 0; i < 4; i++) {
        before.state.regs[i] = (uint32_t)random64();
    }
    before.state.flags = random64() & ARITHMETIC_FLAGS;
    ours = host = before;
    int result = run_native(test, &host);
    if (result == NATIVE_NO_INSTRUCTION) {
        return false;
    }
    int vector = run_ours(world, test, &ours);
    int expected = result == NATIVE_SIMD_EXCEPTION ? EXCEPTION_XM : -1;
    if (vector != expected) {
        report(test, "exception", &vector, &expected, sizeof(vector),
               (const uint8_t *)&vector);
    }
    if (expected == EXCEPTION_XM) {
        forgive_precision(before.state.area + FPU_AREA_MXCSR,
                          ours.state.area + FPU_AREA_MXCSR,
                          host.state.area + FPU_AREA_MXCSR);
    }
    compare(test, &before, &ours, &host);
    return true;
}

/* Rows whose bytes mean the same in 64-bit mode, and whose whole effect is compared. */
static bool testable(const struct instruction_row *row)
{
    return row->handler == HANDLER_vector ||
           (row->handler == HANDLER_x87 && row->operands[0].size != SIZE_ENV &&
            row->operands[0].size != SIZE_STATE);
}

/* Where a run with masked exceptions cannot tell what an unmasked one meets: VCVTPS2PH
 * does not flush a tiny but exact result to zero; DPPS and DPPD stop after multiplying.
 */
static bool untellable(const struct instruction_row *row)
{
    return strcmp(row->mnemonic, "VCVTPS2PH") == 0 || strstr(row->mnemonic, "DPPS") ||
           strstr(row->mnemonic, "DPPD");
}

static void run_rows(bool unmasked)
{
    struct fpu_world world;
    unsigned rows = 0, absent = 0;
    native_create(); /* after cmocka has set its own signal handlers */
    fpu_world_create(&world);
    for (unsigned map = 0; map < OPCODE_MAP_COUNT; map++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            const struct opcode_entry *entry = &opcode_entries[map][opcode];
            for (unsigned i = 0; i < entry->count; i++) {
                const struct instruction_candidate *c =
                    &instruction_candidates[entry->first + i];
                const struct instruction_row *row = &instruction_rows[c->row];
                if (!testable(row) || (unmasked && untellable(row))) {
                    continue;
                }
                rows++;
                for (unsigned n = 0; n < cases_per_row; n++) {
                    struct test_case test;
                    make_case(&test, row, c);
                    if (!run_case(&world, &test, unmasked)) {
                        absent++;
                        break;
                    }
                }
            }
        }
    }
    fpu_world_destroy(&world);
    printf("%u rows, %u not on this host\n", rows, absent);
    assert_true(rows > 700 && absent < rows / 2);
}

static void test_masked(void **state)
{
    (void)state;
    run_rows(false);
}

static void test_unmasked(void **state)
{
    (void)state;
    run_rows(true);
}

int main(int argc, char **argv)
{
    cases_per_row = argc > 1 ? (unsigned)atoi(argv[1]) : cases_per_row;
    seed =
        argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) * 2654435761 + 1;
    printf("seed %#llx\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_unmasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
