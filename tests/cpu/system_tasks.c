/* Hardware task switches: SDM vol. 3, chapter 7. */
#include "system_world.h"

#include "cpu/interpreter/system.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    LINK = 0,
    CR3 = 0x1c,
    EIP = 0x20,
    FLAGS = 0x24,
    EAX = 0x28,
    ESP = 0x38,
    EDI = 0x44,
    ES = 0x48,
    CS = 0x4c,
    SS = 0x50,
    DS = 0x54,
    GS = 0x5c,
    LDTR = 0x60,
    TRAP = 0x64,
    NEW_EIP = WORLD_OTHER_CODE,
    NEW_ESP = 0x1d000,
    FAR_BYTES = 7,
};

#define OTHER(offset) (WORLD_OTHER_TSS + (offset))
#define JMP_TSS(world, selector) EXECUTE(world, 0xea, 0, 0, 0, 0, (selector), 0)
#define CALL_TSS(world, selector) EXECUTE(world, 0x9a, 0, 0, 0, 0, (selector), 0)

/* A ring 3 task in OTHER_TSS. */
static void fill_other_tss(struct world *world)
{
    static const uint16_t segments[] = {DATA3 | 3, CODE3 | 3, DATA3 | 3,
                                        DATA3 | 3, DATA3 | 3, 0};
    for (unsigned i = 0; i < 8; i++) {
        world_store32(world, OTHER(EAX + 4 * i), 0x10101010U * (i + 1));
    }
    world_store32(world, OTHER(EIP), NEW_EIP);
    world_store32(world, OTHER(FLAGS), EFLAGS_IF);
    world_store32(world, OTHER(ESP), NEW_ESP);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        world_store32(world, OTHER(ES + 4 * i), segments[i]);
    }
    world_store32(world, OTHER(LDTR), 0);
    world_store32(world, OTHER(TRAP), 0x680000);
}

static int setup(void **state)
{
    if (world_setup(state)) {
        return -1;
    }
    fill_other_tss(*state);
    return 0;
}

static void assert_in_other_task(struct world *world, uint32_t eflags)
{
    const struct cpu *cpu = world->cpu;
    assert_int_equal(cpu->tr.selector, OTHER_TSS);
    assert_int_equal(cpu->tr.base, WORLD_OTHER_TSS);
    assert_int_equal(cpu->eip, NEW_EIP);
    assert_int_equal(cpu->segments[SEGMENT_CS].selector, CODE3 | 3);
    assert_int_equal(cpu->segments[SEGMENT_GS].selector, 0);
    assert_int_equal(cpu->segments[SEGMENT_DS].write_end, 0x100000000);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x10101010);
    assert_int_equal(cpu->regs[REGISTER_EDI], 0x80808080);
    assert_int_equal(cpu->regs[REGISTER_ESP], NEW_ESP);
    assert_int_equal(cpu_eflags(cpu), eflags | EFLAGS_ALWAYS_ONE);
    assert_true(cpu->cr0 & CR0_TS);
    assert_int_equal(cpu->ldtr.selector, 0);
    assert_int_equal(world_access_byte(world, OTHER_TSS), TYPE_TSS32_BUSY);
}

static void jump(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EAX] = 0xaaaaaaaa;
    cpu->regs[REGISTER_EDI] = 0xdddddddd;
    cpu->dr[7] = 0x7ff;
    world_store16(world, OTHER(LINK), 0x7777);
    assert_done(JMP_TSS(world, OTHER_TSS));
    assert_in_other_task(world, EFLAGS_IF);
    assert_int_equal(world_access_byte(world, TSS), TYPE_TSS32);
    assert_int_equal(world_load16(world, OTHER(LINK)), 0x7777);
    assert_int_equal(world_load32(world, WORLD_TSS + EIP), WORLD_CODE + FAR_BYTES);
    assert_int_equal(world_load32(world, WORLD_TSS + FLAGS), EFLAGS_ALWAYS_ONE);
    assert_int_equal(world_load32(world, WORLD_TSS + EAX), 0xaaaaaaaa);
    assert_int_equal(world_load32(world, WORLD_TSS + EDI), 0xdddddddd);
    assert_int_equal(world_load32(world, WORLD_TSS + ESP), WORLD_STACK0);
    assert_int_equal(world_load16(world, WORLD_TSS + CS), CODE0);
    assert_int_equal(world_load16(world, WORLD_TSS + GS), DATA0);
    assert_int_equal(cpu->dr[7], 0x7ff & ~0x155);
}

static void call_and_return(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EBX] = 0xbbbbbbbb;
    world_store32(world, WORLD_TSS + LDTR, LDT);
    assert_done(CALL_TSS(world, OTHER_TSS));
    assert_in_other_task(world, EFLAGS_IF | EFLAGS_NT);
    assert_int_equal(world_access_byte(world, TSS), TYPE_TSS32_BUSY);
    assert_int_equal(world_load16(world, OTHER(LINK)), TSS);
    cpu->regs[REGISTER_EBX] = 0;
    assert_done(EXECUTE(world, 0xcf)); /* IRET */
    assert_int_equal(cpu->tr.selector, TSS);
    assert_int_equal(cpu->eip, WORLD_CODE + FAR_BYTES);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->regs[REGISTER_EBX], 0xbbbbbbbb);
    assert_int_equal(cpu->ldtr.base, WORLD_LDT);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_ALWAYS_ONE);
    assert_int_equal(world_access_byte(world, TSS), TYPE_TSS32_BUSY);
    assert_int_equal(world_access_byte(world, OTHER_TSS), TYPE_TSS32);
    assert_int_equal(world_load32(world, OTHER(FLAGS)), EFLAGS_IF | EFLAGS_ALWAYS_ONE);
    assert_int_equal(world_load32(world, OTHER(EIP)), NEW_EIP + 1);
}

static void through_task_gate(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    assert_fault(JMP_TSS(world, OTHER_TSS), EXCEPTION_GP, OTHER_TSS); /* DPL 0 */
    world_gate(world, GATE, TYPE_TASK, OTHER_TSS, 0, 0);
    assert_fault(JMP_TSS(world, GATE), EXCEPTION_GP, GATE);
    world_gate(world, GATE, (TYPE_TASK | DPL3) & ~ABSENT, OTHER_TSS, 0, 0);
    assert_fault(JMP_TSS(world, GATE), EXCEPTION_NP, GATE);
    world_gate(world, GATE, TYPE_TASK | DPL3, TSS, 0, 0);
    assert_fault(JMP_TSS(world, GATE), EXCEPTION_GP, TSS); /* busy */
    world_gate(world, GATE, TYPE_TASK | DPL3, LDT_CODE3, 0, 0);
    assert_fault(JMP_TSS(world, GATE), EXCEPTION_GP, LDT_CODE3);
    world_gate(world, GATE, TYPE_TASK | DPL3, OTHER_TSS, 0, 0);
    assert_done(JMP_TSS(world, GATE));
    assert_in_other_task(world, EFLAGS_IF);
}

static void by_software_interrupt(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world_vector(world, 0x40, TYPE_TASK | DPL3, OTHER_TSS, 0);
    assert_done(EXECUTE(world, 0xcd, 0x40));
    assert_in_other_task(world, EFLAGS_IF | EFLAGS_NT);
    assert_int_equal(world_load32(world, WORLD_TSS + EIP), WORLD_CODE + 2);
    assert_int_equal(world_load16(world, WORLD_TSS + CS), CODE3 | 3);
}

static void deliver_double_fault(struct cpu *cpu, void *unused)
{
    (void)unused;
    interrupt_deliver(cpu, EXCEPTION_DF, INTERRUPT_EXCEPTION, true, 0xeeee, 0x4321);
}

static void deliver_general_protection(struct cpu *cpu, void *unused)
{
    (void)unused;
    interrupt_deliver(cpu, EXCEPTION_GP, INTERRUPT_EXCEPTION, true, 0xeeee, 0x4321);
}

/* The error code goes to the new task's stack; a fault's saved image has RF. */
static void by_exception(void **state)
{
    struct world *world = *state;
    world_vector(world, EXCEPTION_DF, TYPE_TASK, OTHER_TSS, 0);
    world_vector(world, EXCEPTION_GP, TYPE_TASK, OTHER_TSS, 0);
    assert_done(world_call(world, deliver_double_fault, NULL));
    assert_int_equal(world->cpu->regs[REGISTER_ESP], NEW_ESP - 4);
    assert_int_equal(world_frame32(world, 0), 0xeeee);
    assert_int_equal(world_load32(world, WORLD_TSS + EIP), 0x4321);
    assert_int_equal(world_load32(world, WORLD_TSS + FLAGS), EFLAGS_ALWAYS_ONE);
    world_protected(world, 0);
    world_descriptor(world, OTHER_TSS, WORLD_OTHER_TSS, 0x67, TYPE_TSS32);
    assert_done(world_call(world, deliver_general_protection, NULL));
    assert_int_equal(world_load32(world, WORLD_TSS + FLAGS),
                     EFLAGS_RF | EFLAGS_ALWAYS_ONE);
}

static void tss_checks(void **state)
{
    struct world *world = *state;
    world_descriptor(world, FREE, WORLD_OTHER_TSS, 0x66, TYPE_TSS32);
    assert_fault(JMP_TSS(world, FREE), EXCEPTION_TS, FREE);
    world_descriptor(world, FREE, WORLD_OTHER_TSS, 0x2a, TYPE_TSS16);
    assert_fault(JMP_TSS(world, FREE), EXCEPTION_TS, FREE);
    world_descriptor(world, FREE, WORLD_OTHER_TSS, 0x67, TYPE_TSS32 & ~ABSENT);
    assert_fault(JMP_TSS(world, FREE), EXCEPTION_NP, FREE);
    world->cpu->tr.limit = 0x66;
    assert_fault(JMP_TSS(world, OTHER_TSS), EXCEPTION_TS, TSS);
}

static void return_checks(void **state)
{
    struct world *world = *state;
    world->cpu->system_flags |= EFLAGS_NT;
    world_store16(world, WORLD_TSS + LINK, OTHER_TSS); /* not busy */
    assert_fault(EXECUTE(world, 0xcf), EXCEPTION_TS, OTHER_TSS);
    world_store16(world, WORLD_TSS + LINK, LDT_DATA0);
    assert_fault(EXECUTE(world, 0xcf), EXCEPTION_TS, LDT_DATA0);
    world_store16(world, WORLD_TSS + LINK, BEYOND);
    assert_fault(EXECUTE(world, 0xcf), EXCEPTION_TS, BEYOND);
}

/* Faults of the new segments are the new task's, at its first instruction. */
static void faults_in_the_new_task(void **state)
{
    static const struct {
        unsigned offset;
        uint16_t selector;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {LDTR, DATA0, EXCEPTION_TS, DATA0},
        {LDTR, LDT_DATA0, EXCEPTION_TS, LDT_DATA0},
        {CS, 0, EXCEPTION_TS, 0},
        {CS, DATA3 | 3, EXCEPTION_TS, DATA3},
        {SS, 0, EXCEPTION_TS, 0},
        {SS, DATA0 | 3, EXCEPTION_TS, DATA0},
        {SS, CODE3 | 3, EXCEPTION_TS, CODE3},
        {DS, DATA0, EXCEPTION_TS, DATA0},
        {DS, BEYOND, EXCEPTION_TS, BEYOND},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct world *world = *state;
        world_protected(world, 0);
        world_descriptor(world, OTHER_TSS, WORLD_OTHER_TSS, 0x67, TYPE_TSS32);
        world_descriptor(world, TSS, WORLD_TSS, WORLD_TSS_LIMIT, TYPE_TSS32_BUSY);
        fill_other_tss(world);
        world_store16(world, OTHER(cases[i].offset), cases[i].selector);
        struct outcome outcome = JMP_TSS(world, OTHER_TSS);
        assert_true(outcome.raised);
        assert_int_equal(outcome.vector, cases[i].vector);
        assert_int_equal(outcome.error, cases[i].error);
        assert_int_equal(world->cpu->tr.selector, OTHER_TSS);
        assert_int_equal(world->cpu->eip, NEW_EIP);
        assert_int_equal(world->cpu->segments[SEGMENT_CS].selector,
                         world_load16(world, OTHER(CS)));
    }
}

static void debug_trap(void **state)
{
    struct world *world = *state;
    world_store16(world, OTHER(TRAP), 1);
    struct outcome outcome = JMP_TSS(world, OTHER_TSS);
    assert_true(outcome.raised);
    assert_int_equal(outcome.vector, EXCEPTION_DB);
    assert_true(world->cpu->dr[6] & 1 << 15);
    assert_in_other_task(world, EFLAGS_IF);
}

static void to_v86_task(void **state)
{
    struct world *world = *state;
    world_store32(world, OTHER(FLAGS), EFLAGS_VM | EFLAGS_IF);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        world_store16(world, OTHER(ES + 4 * i), (uint16_t)(0x1000 * (i + 1)));
    }
    world_store32(world, OTHER(EIP), 0x100);
    assert_done(JMP_TSS(world, OTHER_TSS));
    assert_true(cpu_v86(world->cpu));
    assert_int_equal(world->cpu->cpl, 3);
    assert_int_equal(world->cpu->segments[SEGMENT_CS].base, 0x20000);
    assert_int_equal(world->cpu->segments[SEGMENT_GS].access, 0xf3);
}

static void task_16_bits(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    const uint16_t tss[] = {0,      0,      0,          0,      0,      0,
                            0,      0x5000, EFLAGS_CF,  0x1111, 0x2222, 0x3333,
                            0x4444, 0x5555, 0x6666,     0x7777, 0x8888, DATA0,
                            CODE0,  DATA0,  READ_ONLY0, LDT};
    for (unsigned i = 0; i < ARRAY_LENGTH(tss); i++) {
        world_store16(world, WORLD_TSS16 + 2 * i, tss[i]);
    }
    assert_done(CALL_TSS(world, TSS_16));
    assert_int_equal(cpu->eip, 0x5000);
    assert_int_equal(cpu->regs[REGISTER_EAX] & 0xffff, 0x1111);
    assert_int_equal(cpu->regs[REGISTER_EDI] & 0xffff, 0x8888);
    assert_int_equal(cpu->segments[SEGMENT_DS].selector, READ_ONLY0);
    assert_int_equal(cpu->segments[SEGMENT_FS].selector, 0);
    assert_int_equal(cpu->ldtr.selector, LDT);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_NT | EFLAGS_CF | EFLAGS_ALWAYS_ONE);
    assert_int_equal(world_load16(world, WORLD_TSS16), TSS);
    world_store32(world, WORLD_TSS + LDTR, 0);
    assert_done(EXECUTE(world, 0xcf));
    assert_int_equal(cpu->eip, WORLD_CODE + FAR_BYTES);
    assert_int_equal(world_load16(world, WORLD_TSS16 + 0x0e), 0x5001);
    assert_int_equal(world_load16(world, WORLD_TSS16 + 0x10),
                     EFLAGS_CF | EFLAGS_ALWAYS_ONE);
    assert_int_equal(world_load16(world, WORLD_TSS16 + 0x12), 0x1111);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int system_task_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jump),
        TEST(call_and_return),
        TEST(through_task_gate),
        TEST(by_software_interrupt),
        TEST(by_exception),
        TEST(tss_checks),
        TEST(return_checks),
        TEST(faults_in_the_new_task),
        TEST(debug_trap),
        TEST(to_v86_task),
        TEST(task_16_bits),
    };
    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}
