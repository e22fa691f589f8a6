/* Far JMP and CALL: SDM vol. 2, JMP and CALL; exact frames. */
#include "system_world.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TARGET = WORLD_OTHER_CODE };

#define POINTER32(selector, offset)                                                    \
    (offset) & 0xff, ((offset) >> 8) & 0xff, ((offset) >> 16) & 0xff,                  \
        ((offset) >> 24) & 0xff, (selector)&0xff, (selector) >> 8
#define JMP_FAR(world, selector, offset)                                               \
    EXECUTE(world, 0xea, POINTER32(selector, offset))
#define CALL_FAR(world, selector, offset)                                              \
    EXECUTE(world, 0x9a, POINTER32(selector, offset))
enum { FAR_BYTES = 7 };

static void assert_at(struct world *world, uint16_t selector, uint32_t eip)
{
    assert_int_equal(world->cpu->segments[SEGMENT_CS].selector, selector);
    assert_int_equal(world->cpu->eip, eip);
}

static void jump_to_code(void **state)
{
    struct world *world = *state;
    assert_done(JMP_FAR(world, CODE0, TARGET));
    assert_at(world, CODE0, TARGET);
    assert_done(JMP_FAR(world, CONFORMING0 | 3, TARGET));
    assert_at(world, CONFORMING0, TARGET);
    assert_done(JMP_FAR(world, CODE16, 0x5000));
    assert_at(world, CODE16, 0x5000);
    assert_int_equal(world->cpu->code_mode & CODE_MODE_32, 0);
}

static void jump_checks(void **state)
{
    struct world *world = *state;
    assert_fault(JMP_FAR(world, 3, TARGET), EXCEPTION_GP, 0);
    assert_fault(JMP_FAR(world, BEYOND, TARGET), EXCEPTION_GP, BEYOND);
    assert_fault(JMP_FAR(world, DATA0, TARGET), EXCEPTION_GP, DATA0);
    assert_fault(JMP_FAR(world, LDT, TARGET), EXCEPTION_GP, LDT);
    assert_fault(JMP_FAR(world, CODE3 | 3, TARGET), EXCEPTION_GP, CODE3);
    assert_fault(JMP_FAR(world, CODE0 | 1, TARGET), EXCEPTION_GP, CODE0);
    assert_fault(JMP_FAR(world, CONFORMING3, TARGET), EXCEPTION_GP, CONFORMING3);
    assert_fault(JMP_FAR(world, ABSENT_CODE0, TARGET), EXCEPTION_NP, ABSENT_CODE0);
    assert_fault(JMP_FAR(world, SHORT_CODE0, 0x100), EXCEPTION_GP, 0);
    assert_done(JMP_FAR(world, SHORT_CODE0, 0xff));
    world_protected(world, 0);
    assert_fault(JMP_FAR(world, TSS, 0), EXCEPTION_GP, TSS); /* busy */
}

static void jump_from_ring_3(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    assert_fault(JMP_FAR(world, CODE0, TARGET), EXCEPTION_GP, CODE0);
    assert_done(JMP_FAR(world, CONFORMING0, TARGET));
    assert_at(world, CONFORMING0 | 3, TARGET);
    assert_int_equal(world->cpu->cpl, 3);
    assert_done(JMP_FAR(world, LDT_CODE3, TARGET + 0x100));
    assert_at(world, LDT_CODE3 | 3, TARGET + 0x100);
}

static void jump_16_bits(void **state)
{
    struct world *world = *state;
    assert_done(EXECUTE(world, 0x66, 0xea, 0x34, 0x12, CODE0, 0));
    assert_at(world, CODE0, 0x1234);
}

static void jump_through_memory(void **state)
{
    struct world *world = *state;
    world_store32(world, WORLD_DATA, TARGET);
    world_store16(world, WORLD_DATA + 4, CODE0);
    world->cpu->regs[REGISTER_EBX] = WORLD_DATA;
    assert_done(EXECUTE(world, 0xff, 0x2b)); /* JMP FAR [EBX] */
    assert_at(world, CODE0, TARGET);
}

static void jump_through_call_gate(void **state)
{
    struct world *world = *state;
    world_gate(world, GATE, TYPE_CALL32, CODE0 | 3, TARGET, 0);
    assert_done(JMP_FAR(world, GATE, 0xdead));
    assert_at(world, CODE0, TARGET);
    world_protected(world, 3);
    assert_fault(JMP_FAR(world, GATE, 0), EXCEPTION_GP, GATE);
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CODE0, TARGET, 0);
    assert_fault(JMP_FAR(world, GATE, 0), EXCEPTION_GP, CODE0); /* no inward jump */
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CONFORMING0, TARGET, 0);
    assert_done(JMP_FAR(world, GATE, 0));
    assert_at(world, CONFORMING0 | 3, TARGET);
}

static void call_gate_checks(void **state)
{
    struct world *world = *state;
    world_gate(world, GATE, TYPE_CALL32 & ~ABSENT, CODE0, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_NP, GATE);
    world_gate(world, GATE, TYPE_CALL32, 0, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_GP, 0);
    world_gate(world, GATE, TYPE_CALL32, BEYOND, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_GP, BEYOND);
    world_gate(world, GATE, TYPE_CALL32, DATA0, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_GP, DATA0);
    world_gate(world, GATE, TYPE_CALL32, CODE3, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_GP, CODE3);
    world_gate(world, GATE, TYPE_CALL32, ABSENT_CODE0, TARGET, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_NP, ABSENT_CODE0);
    world_gate(world, GATE, TYPE_CALL32, SHORT_CODE0, 0x100, 0);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_GP, 0);
    assert_fault(CALL_FAR(world, GATE | 1, 0), EXCEPTION_GP, GATE);
}

static void call_same_privilege(void **state)
{
    struct world *world = *state;
    assert_done(CALL_FAR(world, CODE0, TARGET));
    assert_at(world, CODE0, TARGET);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0 - 8);
    assert_int_equal(world_frame32(world, 0), WORLD_CODE + FAR_BYTES);
    assert_int_equal(world_frame32(world, 1), CODE0);
}

static void call_16_bits(void **state)
{
    struct world *world = *state;
    assert_done(EXECUTE(world, 0x66, 0x9a, 0x34, 0x12, CODE0, 0));
    assert_at(world, CODE0, 0x1234);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0 - 4);
    assert_int_equal(world_frame16(world, 0), (WORLD_CODE + 6) & 0xffff);
    assert_int_equal(world_frame16(world, 1), CODE0);
}

static void call_without_room(void **state)
{
    struct world *world = *state;
    world->cpu->segments[SEGMENT_SS].limit = WORLD_STACK0 - 5;
    segment_update(&world->cpu->segments[SEGMENT_SS]);
    assert_fault(CALL_FAR(world, CODE0, TARGET), EXCEPTION_SS, 0);
}

/* Two parameters from ring 3 to ring 0. */
static void call_more_privilege(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CODE0 | 3, TARGET, 2);
    cpu->regs[REGISTER_ESP] = WORLD_STACK3 - 8;
    world_store32(world, WORLD_STACK3 - 8, 0x11111111);
    world_store32(world, WORLD_STACK3 - 4, 0x22222222);
    assert_done(CALL_FAR(world, GATE, 0xdead));
    assert_at(world, CODE0, TARGET);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->segments[SEGMENT_SS].selector, DATA0);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 24);
    const uint32_t frame[] = {WORLD_CODE + FAR_BYTES, CODE3 | 3, 0x11111111, 0x22222222,
                              WORLD_STACK3 - 8,       DATA3 | 3};
    for (unsigned i = 0; i < ARRAY_LENGTH(frame); i++) {
        assert_int_equal(world_frame32(world, i), frame[i]);
    }
}

static void call_more_privilege_16_bits(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    world_gate(world, GATE, TYPE_CALL16 | DPL3, CODE1, 0x1234, 1);
    world_store16(world, WORLD_STACK3, 0x7777);
    assert_done(CALL_FAR(world, GATE, 0));
    assert_at(world, CODE1 | 1, 0x1234);
    assert_int_equal(cpu->cpl, 1);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK1 - 10);
    const uint16_t frame[] = {(WORLD_CODE + FAR_BYTES) & 0xffff, CODE3 | 3, 0x7777,
                              WORLD_STACK3 & 0xffff, DATA3 | 3};
    for (unsigned i = 0; i < ARRAY_LENGTH(frame); i++) {
        assert_int_equal(world_frame16(world, i), frame[i]);
    }
}

/* A conforming target does not change privilege, nor the stack. */
static void call_gate_to_conforming(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CONFORMING0, TARGET, 2);
    assert_done(CALL_FAR(world, GATE, 0));
    assert_at(world, CONFORMING0 | 3, TARGET);
    assert_int_equal(world->cpu->cpl, 3);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK3 - 8);
}

static void inner_stack_checks(void **state)
{
    static const struct {
        uint16_t ss;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0, EXCEPTION_TS, 0},
        {3, EXCEPTION_TS, 0},
        {BEYOND | 1, EXCEPTION_TS, BEYOND},
        {DATA1, EXCEPTION_TS, DATA1},     /* RPL is not 1 */
        {DATA0 | 1, EXCEPTION_TS, DATA0}, /* DPL is not 1 */
        {CODE1 | 1, EXCEPTION_TS, CODE1},
        {SHORT_STACK1 | 1, EXCEPTION_SS, SHORT_STACK1}, /* no room */
    };
    struct world *world = *state;
    world_protected(world, 3);
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CODE1, TARGET, 1);
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        world_store32(world, WORLD_TSS + 12, 0x10);
        world_store16(world, WORLD_TSS + 16, cases[i].ss);
        assert_fault(CALL_FAR(world, GATE, 0), cases[i].vector, cases[i].error);
    }
    world_descriptor(world, FREE, 0, 0xffff, 0x4013 | DPL1); /* not present */
    world_store16(world, WORLD_TSS + 16, FREE | 1);
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_SS, FREE);
    world->cpu->tr.limit = 16;
    assert_fault(CALL_FAR(world, GATE, 0), EXCEPTION_TS, TSS);
}

/* ESP0 of a 16-bit stack segment: only SP is loaded. */
static void inner_stack_16_bits_wide(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world->cpu->regs[REGISTER_ESP] = 0x5555b000;
    world_store32(world, WORLD_TSS + 4, 0x12349000);
    world_store16(world, WORLD_TSS + 8, STACK16);
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CODE0, TARGET, 0);
    assert_done(CALL_FAR(world, GATE, 0));
    assert_int_equal(world->cpu->regs[REGISTER_ESP], 0x55559000 - 16);
    assert_int_equal(world->cpu->stack_mask, 0xffff);
}

static void real_mode(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_real(world);
    assert_done(EXECUTE(world, 0x9a, 0x78, 0x56, 0x34, 0x12)); /* CALL 1234:5678 */
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(cpu->segments[SEGMENT_CS].base, 0x12340);
    assert_int_equal(world_frame16(world, 0), 5);
    assert_int_equal(world_frame16(world, 1), 0x1000);
    assert_done(EXECUTE(world, 0xea, 0x00, 0x00, 0x00, 0x10)); /* JMP 1000:0 */
    assert_at(world, 0x1000, 0);
    /* JMP 1000:00010000 */
    assert_fault(EXECUTE(world, 0x66, 0xea, 0, 0, 1, 0, 0, 0x10), EXCEPTION_GP, 0);
    cpu->regs[REGISTER_ESP] = 1;
    assert_fault(EXECUTE(world, 0x9a, 0x78, 0x56, 0x34, 0x12), EXCEPTION_SS, 0);
}

static void v86_mode_transfers_like_real_mode(void **state)
{
    struct world *world = *state;
    world_v86(world, 0);
    assert_done(EXECUTE(world, 0x9a, 0x78, 0x56, 0x34, 0x12));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(world->cpu->cpl, 3);
    assert_int_equal(world->cpu->segments[SEGMENT_CS].access, 0xf3);
}

/* After CR0.PE was set, the RPL of CS is anything: CPL is 0. */
static void into_protected_mode(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_real(world);
    cpu->segments[SEGMENT_CS].selector = 0x1003;
    cpu->regs[REGISTER_EAX] = CR0_PE;
    assert_done(EXECUTE(world, 0x0f, 0x22, 0xc0)); /* MOV CR0, EAX */
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->stack_mask, 0xffff);
    assert_done(EXECUTE(world, 0x66, 0xea, POINTER32(CODE0, TARGET)));
    assert_at(world, CODE0, TARGET);
    assert_int_equal(cpu->code_mode, CODE_MODE_32 | CODE_MODE_VEX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_transfer_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jump_to_code),
        TEST(jump_checks),
        TEST(jump_from_ring_3),
        TEST(jump_16_bits),
        TEST(jump_through_memory),
        TEST(jump_through_call_gate),
        TEST(call_gate_checks),
        TEST(call_same_privilege),
        TEST(call_16_bits),
        TEST(call_without_room),
        TEST(call_more_privilege),
        TEST(call_more_privilege_16_bits),
        TEST(call_gate_to_conforming),
        TEST(inner_stack_checks),
        TEST(inner_stack_16_bits_wide),
        TEST(real_mode),
        TEST(v86_mode_transfers_like_real_mode),
        TEST(into_protected_mode),
    };
    return cmocka_run_group_tests_name("far transfers", tests, NULL, NULL);
}
