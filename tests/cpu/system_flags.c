/* PUSHF, POPF, CLI, STI in every mode: SDM vol. 2; vol. 3, 20.3 and 20.4. */
#include "system_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { ALL16 = 0x7fd7 };

#define PUSHFD(world) EXECUTE(world, 0x9c)
#define POPFD(world) EXECUTE(world, 0x9d)
#define POPF16(world) EXECUTE(world, 0x66, 0x9d)
#define CLI(world) EXECUTE(world, 0xfa)
#define STI(world) EXECUTE(world, 0xfb)

/* The value that the next POPF finds. */
static void put(struct world *world, uint32_t value)
{
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_ESP] -= 4;
    world_store32(world, cpu->segments[SEGMENT_SS].base + cpu->regs[REGISTER_ESP],
                  value);
}

static void assert_flags(struct world *world, uint32_t eflags)
{
    assert_int_equal(cpu_eflags(world->cpu), eflags | EFLAGS_ALWAYS_ONE);
}

static void pushf_image(void **state)
{
    struct world *world = *state;
    cpu_set_eflags(world->cpu, UINT32_MAX & ~(uint32_t)EFLAGS_VM);
    assert_done(PUSHFD(world));
    assert_int_equal(world_frame32(world, 0), 0x3c7fd7); /* neither VM nor RF */
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0 - 4);
    assert_done(EXECUTE(world, 0x66, 0x9c));
    assert_int_equal(world_frame16(world, 0), ALL16);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0 - 6);
}

static void popf_at_ring_0(void **state)
{
    struct world *world = *state;
    cpu_set_eflags(world->cpu, EFLAGS_RF);
    put(world, UINT32_MAX);
    assert_done(POPFD(world));
    assert_flags(world, EFLAGS_AC | EFLAGS_ID | ALL16);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0);
    cpu_set_eflags(world->cpu, EFLAGS_VIF | EFLAGS_VIP | EFLAGS_AC | ALL16);
    put(world, 0);
    assert_done(POPFD(world));
    assert_flags(world, EFLAGS_VIF | EFLAGS_VIP);
    cpu_set_eflags(world->cpu, EFLAGS_AC);
    put(world, UINT32_MAX);
    assert_done(POPF16(world));
    assert_flags(world, EFLAGS_AC | ALL16);
}

static void popf_at_ring_3(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    put(world, UINT32_MAX);
    assert_done(POPFD(world));
    assert_flags(world, EFLAGS_AC | EFLAGS_ID |
                            (ALL16 & ~(uint32_t)(EFLAGS_IF | EFLAGS_IOPL)));
    cpu_set_eflags(world->cpu, EFLAGS_IOPL);
    put(world, EFLAGS_IF);
    assert_done(POPFD(world));
    assert_flags(world, EFLAGS_IF | EFLAGS_IOPL);
    put(world, 0);
    assert_done(POPF16(world));
    assert_flags(world, EFLAGS_IOPL);
}

static void popf_faults_leave_everything(void **state)
{
    struct world *world = *state;
    world->cpu->segments[SEGMENT_SS].limit = WORLD_STACK0 + 2;
    segment_update(&world->cpu->segments[SEGMENT_SS]);
    assert_fault(POPFD(world), EXCEPTION_SS, 0);
}

static void v86_without_vme(void **state)
{
    struct world *world = *state;
    world_v86(world, 0);
    assert_fault(EXECUTE(world, 0x9c), EXCEPTION_GP, 0);
    assert_fault(EXECUTE(world, 0x9d), EXCEPTION_GP, 0);
    assert_fault(CLI(world), EXCEPTION_GP, 0);
    assert_fault(STI(world), EXCEPTION_GP, 0);
    world_v86(world, 3);
    put(world, UINT32_MAX & ~(uint32_t)EFLAGS_IOPL);
    assert_done(EXECUTE(world, 0x66, 0x9d)); /* POPFD: code is 16-bit */
    assert_flags(world, EFLAGS_VM | EFLAGS_AC | EFLAGS_ID | ALL16);
    assert_done(EXECUTE(world, 0x66, 0x9c));
    assert_int_equal(world_frame32(world, 0), EFLAGS_AC | EFLAGS_ID | ALL16);
    assert_done(CLI(world));
    assert_int_equal(world->cpu->system_flags & EFLAGS_IF, 0);
}

static void v86_with_vme(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_v86(world, 0);
    cpu->cr4 |= CR4_VME;
    put(world, EFLAGS_IF | EFLAGS_IOPL | EFLAGS_CF);
    assert_done(EXECUTE(world, 0x9d));
    assert_flags(world, EFLAGS_VM | EFLAGS_VIF | EFLAGS_CF);
    assert_done(EXECUTE(world, 0x9c));
    assert_int_equal(world_frame16(world, 0),
                     EFLAGS_IF | EFLAGS_IOPL | EFLAGS_CF | EFLAGS_ALWAYS_ONE);
    assert_done(CLI(world));
    assert_flags(world, EFLAGS_VM | EFLAGS_CF);
    cpu->system_flags |= EFLAGS_VIP;
    assert_fault(STI(world), EXCEPTION_GP, 0);
    put(world, EFLAGS_IF);
    assert_fault(EXECUTE(world, 0x9d), EXCEPTION_GP, 0);
    put(world, EFLAGS_TF);
    assert_fault(EXECUTE(world, 0x9d), EXCEPTION_GP, 0);
    assert_fault(EXECUTE(world, 0x66, 0x9d), EXCEPTION_GP, 0);
    cpu->system_flags &= ~(uint32_t)EFLAGS_VIP;
    assert_done(STI(world));
    assert_flags(world, EFLAGS_VM | EFLAGS_VIF | EFLAGS_CF);
    assert_int_equal(cpu->shadow, 0);
}

static void cli_and_sti(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    assert_done(STI(world));
    assert_flags(world, EFLAGS_IF);
    assert_int_equal(cpu->shadow, CPU_SHADOW_STI);
    cpu->shadow = 0;
    assert_done(STI(world)); /* again: no shadow */
    assert_int_equal(cpu->shadow, 0);
    assert_done(CLI(world));
    assert_flags(world, 0);
    world_protected(world, 3);
    assert_fault(CLI(world), EXCEPTION_GP, 0);
    assert_fault(STI(world), EXCEPTION_GP, 0);
    world_protected(world, 1);
    cpu->system_flags |= 1 << 12; /* IOPL 1 */
    assert_done(STI(world));
    assert_int_equal(cpu->system_flags & EFLAGS_IF, EFLAGS_IF);
}

static void protected_virtual_interrupts(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    cpu->cr4 |= CR4_PVI;
    assert_done(STI(world));
    assert_flags(world, EFLAGS_VIF);
    assert_done(CLI(world));
    assert_flags(world, 0);
    cpu->system_flags |= EFLAGS_VIP;
    assert_fault(STI(world), EXCEPTION_GP, 0);
    world_protected(world, 1);
    assert_fault(CLI(world), EXCEPTION_GP, 0); /* ring 3 only */
}

/* With CR0.AM, AC in ring 3 makes unaligned accesses fault at once. */
static void alignment_check_follows_popf(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    cpu->cr0 |= CR0_AM;
    cpu->regs[REGISTER_EBX] = WORLD_DATA + 1;
    assert_done(EXECUTE(world, 0x8b, 0x03)); /* MOV EAX, [EBX] */
    put(world, EFLAGS_AC);
    assert_done(POPFD(world));
    assert_fault(EXECUTE(world, 0x8b, 0x03), EXCEPTION_AC, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_flag_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pushf_image),
        TEST(popf_at_ring_0),
        TEST(popf_at_ring_3),
        TEST(popf_faults_leave_everything),
        TEST(v86_without_vme),
        TEST(v86_with_vme),
        TEST(cli_and_sti),
        TEST(protected_virtual_interrupts),
        TEST(alignment_check_follows_popf),
    };
    return cmocka_run_group_tests_name("flags", tests, NULL, NULL);
}
