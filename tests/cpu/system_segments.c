/* Loading segment registers: every check of SDM vol. 2, MOV, in order. */
#include "system_world.h"

#include "cpu/interpreter/system.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* MOV sreg, AX. */
static struct outcome load(struct world *world, enum segment_number number,
                           uint16_t selector)
{
    world->cpu->regs[REGISTER_EAX] = selector;
    return EXECUTE(world, 0x8e, (uint8_t)(0xc0 | number << 3));
}

static void loads_data_segment(void **state)
{
    struct world *world = *state;
    world_descriptor(world, FREE, 0x12345678, 0x9abcd, 0x4092);
    assert_done(load(world, SEGMENT_ES, FREE));
    const struct segment *es = &world->cpu->segments[SEGMENT_ES];
    assert_int_equal(es->selector, FREE);
    assert_int_equal(es->base, 0x12345678);
    assert_int_equal(es->limit, 0x9abcd);
    assert_int_equal(es->access, 0x4093);
    assert_int_equal(es->read_end, 0x9abce);
    assert_int_equal(es->write_end, 0x9abce);
    assert_int_equal(world_access_byte(world, FREE), 0x93);
}

static void data_segment_kinds(void **state)
{
    struct world *world = *state;
    struct segment *fs = &world->cpu->segments[SEGMENT_FS];
    assert_done(load(world, SEGMENT_FS, READ_ONLY0));
    assert_int_equal(fs->read_end, 0x100000000);
    assert_int_equal(fs->write_end, 0);
    assert_done(load(world, SEGMENT_FS, EXPAND_DOWN0));
    assert_int_equal(fs->read_end, 0);
    assert_done(load(world, SEGMENT_FS, CODE0));
    assert_int_equal(fs->write_end, 0);
    assert_done(load(world, SEGMENT_FS, LDT_DATA0));
    assert_int_equal(fs->selector, LDT_DATA0);
    assert_fault(load(world, SEGMENT_FS, EXECUTE_ONLY0), EXCEPTION_GP, EXECUTE_ONLY0);
    assert_fault(load(world, SEGMENT_FS, TSS), EXCEPTION_GP, TSS);
    assert_fault(load(world, SEGMENT_FS, ABSENT_DATA0), EXCEPTION_NP, ABSENT_DATA0);
    assert_fault(load(world, SEGMENT_FS, BEYOND | 3), EXCEPTION_GP, BEYOND);
    assert_fault(load(world, SEGMENT_FS, 0x47), EXCEPTION_GP, 0x44);
}

static void without_ldt_faults(void **state)
{
    struct world *world = *state;
    world->cpu->regs[REGISTER_EAX] = 0;
    assert_done(EXECUTE(world, 0x0f, 0x00, 0xd0)); /* LLDT AX */
    assert_fault(load(world, SEGMENT_FS, LDT_DATA0), EXCEPTION_GP, LDT_DATA0);
}

static void null_data_segment(void **state)
{
    struct world *world = *state;
    assert_done(load(world, SEGMENT_DS, 3));
    assert_int_equal(world->cpu->segments[SEGMENT_DS].selector, 3);
    assert_int_equal(world->cpu->segments[SEGMENT_DS].read_end, 0);
    /* MOV AL, [0] */
    assert_fault(EXECUTE(world, 0xa0, 0, 0, 0, 0), EXCEPTION_GP, 0);
}

static void data_segment_privilege(void **state)
{
    struct world *world = *state;
    assert_done(load(world, SEGMENT_GS, DATA3 | 3));
    assert_done(load(world, SEGMENT_GS, DATA3));
    assert_fault(load(world, SEGMENT_GS, DATA0 | 1), EXCEPTION_GP, DATA0);
    world_protected(world, 3);
    assert_fault(load(world, SEGMENT_GS, DATA0), EXCEPTION_GP, DATA0);
    assert_fault(load(world, SEGMENT_GS, DATA1 | 1), EXCEPTION_GP, DATA1);
    assert_done(load(world, SEGMENT_GS, DATA3));
    assert_done(load(world, SEGMENT_GS, CONFORMING0 | 3));
    assert_done(load(world, SEGMENT_GS, LDT_CODE3 | 3));
}

static void stack_segment_checks(void **state)
{
    struct world *world = *state;
    assert_fault(load(world, SEGMENT_SS, 0), EXCEPTION_GP, 0);
    assert_fault(load(world, SEGMENT_SS, BEYOND), EXCEPTION_GP, BEYOND);
    assert_fault(load(world, SEGMENT_SS, DATA0 | 1), EXCEPTION_GP, DATA0);
    assert_fault(load(world, SEGMENT_SS, DATA3), EXCEPTION_GP, DATA3);
    assert_fault(load(world, SEGMENT_SS, READ_ONLY0), EXCEPTION_GP, READ_ONLY0);
    assert_fault(load(world, SEGMENT_SS, CODE0), EXCEPTION_GP, CODE0);
    assert_fault(load(world, SEGMENT_SS, ABSENT_DATA0), EXCEPTION_SS, ABSENT_DATA0);
    assert_done(load(world, SEGMENT_SS, STACK16));
    assert_int_equal(world->cpu->stack_mask, 0xffff);
    assert_int_equal(world->cpu->shadow, CPU_SHADOW_MOV_SS);
    assert_done(load(world, SEGMENT_SS, DATA0));
    assert_int_equal(world->cpu->stack_mask, UINT32_MAX);
}

static void code_segment_cannot_be_loaded(void **state)
{
    struct world *world = *state;
    assert_fault_without_error(load(world, SEGMENT_CS, CODE0), EXCEPTION_UD);
    assert_fault_without_error(load(world, 6, DATA0), EXCEPTION_UD);
    assert_fault_without_error(EXECUTE(world, 0x8c, 0xf0), EXCEPTION_UD);
}

static void stores_segment_register(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EAX] = cpu->regs[REGISTER_ECX] = 0xaaaaaaaa;
    assert_done(EXECUTE(world, 0x8c, 0xd8)); /* MOV EAX, DS */
    assert_int_equal(cpu->regs[REGISTER_EAX], DATA0);
    assert_done(EXECUTE(world, 0x66, 0x8c, 0xd9)); /* MOV CX, DS */
    assert_int_equal(cpu->regs[REGISTER_ECX], 0xaaaa0000 | DATA0);
    world_store32(world, WORLD_DATA, 0xffffffff);
    cpu->regs[REGISTER_EBX] = WORLD_DATA;
    assert_done(EXECUTE(world, 0x8c, 0x1b)); /* MOV [EBX], DS */
    assert_int_equal(world_load32(world, WORLD_DATA), 0xffff0000 | DATA0);
}

static void push_and_pop(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_store32(world, WORLD_STACK0 - 4, 0xffffffff);
    assert_done(EXECUTE(world, 0x1e)); /* PUSH DS */
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 4);
    assert_int_equal(world_frame32(world, 0), DATA0);
    assert_done(EXECUTE(world, 0x07)); /* POP ES */
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0);
    assert_done(EXECUTE(world, 0x66, 0x0f, 0xa8)); /* PUSH GS, 16 bits */
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 2);
    world_store16(world, WORLD_STACK0 - 2, EXECUTE_ONLY0);
    assert_fault(EXECUTE(world, 0x66, 0x0f, 0xa9), EXCEPTION_GP, EXECUTE_ONLY0);
    world_store16(world, WORLD_STACK0 - 2, STACK16);
    assert_done(EXECUTE(world, 0x66, 0x17)); /* POP SS */
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0);
    assert_int_equal(cpu->shadow, CPU_SHADOW_MOV_SS);
}

static void far_pointer_loads(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EBX] = WORLD_DATA;
    world_store32(world, WORLD_DATA, 0xcafe1234);
    world_store16(world, WORLD_DATA + 4, DATA3 | 3);
    assert_done(EXECUTE(world, 0xc4, 0x03)); /* LES EAX, [EBX] */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0xcafe1234);
    assert_int_equal(cpu->segments[SEGMENT_ES].selector, DATA3 | 3);
    world_store16(world, WORLD_DATA + 4, ABSENT_DATA0);
    cpu->regs[REGISTER_EDX] = 0;
    assert_fault(EXECUTE(world, 0x0f, 0xb5, 0x13), EXCEPTION_NP, ABSENT_DATA0);
    world_store16(world, WORLD_DATA + 4, DATA0);
    assert_done(EXECUTE(world, 0x0f, 0xb2, 0x23)); /* LSS ESP, [EBX] */
    assert_int_equal(cpu->regs[REGISTER_ESP], 0xcafe1234);
    assert_int_equal(cpu->shadow, 0);
}

/* Real mode changes selector and base only: "big real mode". */
static void real_mode_keeps_limits(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->cr0 |= CR0_PE;
    cpu->regs[REGISTER_EAX] = CR0_ET;
    assert_done(EXECUTE(world, 0x0f, 0x22, 0xc0)); /* MOV CR0, EAX */
    assert_int_equal(cpu->code_mode, CODE_MODE_32);
    assert_done(load(world, SEGMENT_DS, 0x1234));
    assert_int_equal(cpu->segments[SEGMENT_DS].base, 0x12340);
    assert_int_equal(cpu->segments[SEGMENT_DS].limit, UINT32_MAX);
    assert_int_equal(cpu->segments[SEGMENT_DS].write_end, 0x100000000);
}

static void real_mode_revives_null_segment(void **state)
{
    struct world *world = *state;
    assert_done(load(world, SEGMENT_DS, 0));
    world->cpu->cr0 &= ~(uint32_t)CR0_PE;
    cpu_update_mode(world->cpu);
    assert_done(load(world, SEGMENT_DS, 0x2000));
    assert_int_equal(world->cpu->segments[SEGMENT_DS].write_end, 0x10000);
}

static void v86_load_sets_limit_and_rights(void **state)
{
    struct world *world = *state;
    world_v86(world, 3);
    world->cpu->segments[SEGMENT_ES].limit = 0;
    assert_done(load(world, SEGMENT_ES, BEYOND));
    assert_int_equal(world->cpu->segments[SEGMENT_ES].limit, 0xffff);
    assert_int_equal(world->cpu->segments[SEGMENT_ES].access, 0xf3);
    assert_int_equal(world->cpu->segments[SEGMENT_ES].base, BEYOND << 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_segment_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(loads_data_segment),
        TEST(data_segment_kinds),
        TEST(without_ldt_faults),
        TEST(null_data_segment),
        TEST(data_segment_privilege),
        TEST(stack_segment_checks),
        TEST(code_segment_cannot_be_loaded),
        TEST(stores_segment_register),
        TEST(push_and_pop),
        TEST(far_pointer_loads),
        TEST(real_mode_keeps_limits),
        TEST(real_mode_revives_null_segment),
        TEST(v86_load_sets_limit_and_rights),
    };
    return cmocka_run_group_tests_name("segments", tests, NULL, NULL);
}
