/* RETF and IRET: SDM vol. 2. */
#include "system_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TARGET = WORLD_OTHER_CODE };

/* Puts dwords on the stack, the first at its top. */
#define STACK32(world, ...)                                                            \
    put_stack32((world), (const uint32_t[]){__VA_ARGS__},                              \
                ARRAY_LENGTH(((const uint32_t[]){__VA_ARGS__})))

static void put_stack32(struct world *world, const uint32_t *values, unsigned count)
{
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_ESP] -= 4 * count;
    for (unsigned i = 0; i < count; i++) {
        world_store32(world, cpu->regs[REGISTER_ESP] + 4 * i, values[i]);
    }
}

#define RETF(world) EXECUTE(world, 0xcb)
#define RETF_8(world) EXECUTE(world, 0xca, 8, 0)
#define IRET(world) EXECUTE(world, 0xcf)

static void assert_at(struct world *world, uint16_t selector, uint32_t eip)
{
    assert_int_equal(world->cpu->segments[SEGMENT_CS].selector, selector);
    assert_int_equal(world->cpu->eip, eip);
}

static void retf_same_privilege(void **state)
{
    struct world *world = *state;
    STACK32(world, TARGET, CODE0, 0, 0);
    assert_done(RETF_8(world));
    assert_at(world, CODE0, TARGET);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0);
    STACK32(world, TARGET, 0xffff0000 | CONFORMING0);
    assert_done(RETF(world));
    assert_at(world, CONFORMING0, TARGET);
}

static void retf_checks(void **state)
{
    static const struct {
        uint32_t eip;
        uint16_t cs;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {TARGET, 0, EXCEPTION_GP, 0},
        {TARGET, BEYOND, EXCEPTION_GP, BEYOND},
        {TARGET, DATA0, EXCEPTION_GP, DATA0},
        {TARGET, CODE3, EXCEPTION_GP, CODE3}, /* DPL is not RPL */
        {TARGET, CONFORMING3, EXCEPTION_GP, CONFORMING3},
        {TARGET, ABSENT_CODE0, EXCEPTION_NP, ABSENT_CODE0},
        {0x100, SHORT_CODE0, EXCEPTION_GP, 0},
    };
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        world->cpu->regs[REGISTER_ESP] = WORLD_STACK0;
        STACK32(world, cases[i].eip, cases[i].cs);
        assert_fault(RETF(world), cases[i].vector, cases[i].error);
    }
    world_protected(world, 3);
    STACK32(world, TARGET, CODE1 | 1);
    assert_fault(RETF(world), EXCEPTION_GP, CODE1); /* no inward return */
}

static void retf_to_outer(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->segments[SEGMENT_ES] = cpu->segments[SEGMENT_DS]; /* DPL 0 */
    STACK32(world, TARGET, CODE3 | 3, 0, 0, WORLD_STACK3 - 8, DATA3 | 3);
    cpu->segments[SEGMENT_FS].access |= DPL3;
    assert_done(RETF_8(world));
    assert_at(world, CODE3 | 3, TARGET);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->segments[SEGMENT_SS].selector, DATA3 | 3);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK3);
    assert_int_equal(cpu->segments[SEGMENT_DS].selector, 0);
    assert_int_equal(cpu->segments[SEGMENT_DS].read_end, 0);
    assert_int_equal(cpu->segments[SEGMENT_ES].selector, 0);
    assert_int_equal(cpu->segments[SEGMENT_FS].selector, DATA0);
}

static void outer_stack_checks(void **state)
{
    static const struct {
        uint16_t ss;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0, EXCEPTION_GP, 0},
        {BEYOND | 3, EXCEPTION_GP, BEYOND},
        {DATA3, EXCEPTION_GP, DATA3},
        {DATA0 | 3, EXCEPTION_GP, DATA0},
        {CODE3 | 3, EXCEPTION_GP, CODE3},
        {FREE | 3, EXCEPTION_SS, FREE},
    };
    struct world *world = *state;
    world_descriptor(world, FREE, 0, 0xffff, 0x4013 | DPL3); /* not present */
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        world->cpu->regs[REGISTER_ESP] = WORLD_STACK0;
        STACK32(world, TARGET, CODE3 | 3, WORLD_STACK3, cases[i].ss);
        assert_fault(RETF(world), cases[i].vector, cases[i].error);
    }
}

/* The upper half of ESP survives a return to a 16-bit stack. */
static void outer_stack_16_bits(void **state)
{
    struct world *world = *state;
    world_descriptor(world, FREE, 0, 0xffff, 0x93 | DPL3);
    world->cpu->regs[REGISTER_ESP] = 0x100000 + WORLD_STACK0;
    STACK32(world, TARGET, CODE3 | 3, 0x12345678, FREE | 3);
    assert_done(RETF(world));
    assert_int_equal(world->cpu->regs[REGISTER_ESP], 0x105678);
}

static void iret_flags_at_ring_0(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->nmi_blocked = true;
    STACK32(world, TARGET, CODE0, 0xffffffff & ~(uint32_t)EFLAGS_VM);
    assert_done(IRET(world));
    assert_int_equal(cpu_eflags(cpu), 0x3d7fd7);
    assert_false(cpu->nmi_blocked);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0);
}

static void iret_flags_16_bits(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu_set_eflags(cpu, EFLAGS_AC | EFLAGS_ID);
    cpu->regs[REGISTER_ESP] -= 6;
    world_store16(world, cpu->regs[REGISTER_ESP], 0x1234);
    world_store16(world, cpu->regs[REGISTER_ESP] + 2, CODE0);
    world_store16(world, cpu->regs[REGISTER_ESP] + 4, 0xffff);
    assert_done(EXECUTE(world, 0x66, 0xcf));
    assert_at(world, CODE0, 0x1234);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_AC | EFLAGS_ID | 0x7fd7);
}

/* Ring 3, IOPL 0: neither IF nor IOPL, VIF, VIP, VM. */
static void iret_flags_at_ring_3(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    STACK32(world, TARGET, CODE3 | 3, 0xffffffff);
    assert_done(IRET(world));
    assert_int_equal(cpu_eflags(world->cpu), 0x254dd7);
    world_protected(world, 3);
    world->cpu->system_flags |= EFLAGS_IOPL | EFLAGS_IF;
    STACK32(world, TARGET, CODE3 | 3, 0);
    assert_done(IRET(world));
    assert_int_equal(cpu_eflags(world->cpu), EFLAGS_ALWAYS_ONE | EFLAGS_IOPL);
}

/* What may change is decided by the privilege before the return. */
static void iret_to_outer(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    STACK32(world, TARGET, CODE3 | 3, EFLAGS_IF | EFLAGS_IOPL, WORLD_STACK3, DATA3 | 3);
    assert_done(IRET(world));
    assert_at(world, CODE3 | 3, TARGET);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK3);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_IF | EFLAGS_IOPL | EFLAGS_ALWAYS_ONE);
    assert_int_equal(cpu->segments[SEGMENT_DS].selector, 0);
}

static void iret_to_v86(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    STACK32(world, 0xffff1234, 0x1000, EFLAGS_VM | EFLAGS_IF, 0x8000fff0, 0x800, 0x111,
            0x222, 0x333, 0x444);
    assert_done(IRET(world));
    assert_at(world, 0x1000, 0x1234);
    assert_true(cpu_v86(cpu));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->code_mode, CODE_MODE_USER);
    assert_int_equal(cpu->regs[REGISTER_ESP], 0x8000fff0);
    assert_int_equal(cpu->segments[SEGMENT_SS].base, 0x8000);
    assert_int_equal(cpu->segments[SEGMENT_ES].selector, 0x111);
    assert_int_equal(cpu->segments[SEGMENT_DS].selector, 0x222);
    assert_int_equal(cpu->segments[SEGMENT_FS].selector, 0x333);
    assert_int_equal(cpu->segments[SEGMENT_GS].base, 0x4440);
    assert_int_equal(cpu->segments[SEGMENT_GS].limit, 0xffff);
}

static void iret_frame_beyond_stack(void **state)
{
    struct world *world = *state;
    STACK32(world, TARGET, CODE0, 0);
    world->cpu->segments[SEGMENT_SS].limit = WORLD_STACK0 - 2;
    segment_update(&world->cpu->segments[SEGMENT_SS]);
    assert_fault(IRET(world), EXCEPTION_SS, 0);
}

static void put_stack16(struct world *world, uint16_t ip, uint16_t cs, uint16_t flags)
{
    struct cpu *cpu = world->cpu;
    uint32_t top = cpu->segments[SEGMENT_SS].base + cpu->regs[REGISTER_ESP];
    world_store16(world, top, ip);
    world_store16(world, top + 2, cs);
    world_store16(world, top + 4, flags);
}

static void iret_in_real_mode(void **state)
{
    struct world *world = *state;
    world_real(world);
    put_stack16(world, 0x5678, 0x1234, 0xffff);
    assert_done(IRET(world));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(cpu_eflags(world->cpu), 0x7fd7);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], 0x1006);
}

static void iret_in_v86_mode(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_v86(world, 3);
    put_stack16(world, 0x5678, 0x1234, 0xffff & ~EFLAGS_IOPL);
    assert_done(IRET(world));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_VM | 0x7fd7);
    world_v86(world, 0);
    put_stack16(world, 0x5678, 0x1234, 0);
    assert_fault(IRET(world), EXCEPTION_GP, 0);
}

static void iret_in_v86_mode_with_vme(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_v86(world, 0);
    cpu->cr4 |= CR4_VME;
    put_stack16(world, 0, 0x1000, EFLAGS_IF | EFLAGS_IOPL);
    assert_done(IRET(world));
    assert_int_equal(cpu_eflags(cpu), EFLAGS_VM | EFLAGS_VIF | EFLAGS_ALWAYS_ONE);
    cpu->regs[REGISTER_ESP] = 0x1000;
    cpu->system_flags |= EFLAGS_VIP;
    assert_fault(IRET(world), EXCEPTION_GP, 0); /* VIP waits for this IF */
    put_stack16(world, 0, 0x1000, EFLAGS_TF);
    assert_fault(IRET(world), EXCEPTION_GP, 0);
    assert_fault(EXECUTE(world, 0x66, 0xcf), EXCEPTION_GP, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_return_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(retf_same_privilege),     TEST(retf_checks),
        TEST(retf_to_outer),           TEST(outer_stack_checks),
        TEST(outer_stack_16_bits),     TEST(iret_flags_at_ring_0),
        TEST(iret_flags_16_bits),      TEST(iret_flags_at_ring_3),
        TEST(iret_to_outer),           TEST(iret_to_v86),
        TEST(iret_frame_beyond_stack), TEST(iret_in_real_mode),
        TEST(iret_in_v86_mode),        TEST(iret_in_v86_mode_with_vme),
    };
    return cmocka_run_group_tests_name("far returns", tests, NULL, NULL);
}
