/* Delivery of interrupts and exceptions, with exact stack frames. */
#include "system_world.h"

#include "cpu/interpreter/system.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HANDLER = WORLD_HANDLER, RETURN = 0x1234, VECTOR = 0x40 };

struct event {
    uint8_t vector;
    enum interrupt_source source;
    bool has_error;
    uint32_t error;
};

static void deliver_event(struct cpu *cpu, void *opaque)
{
    const struct event *event = opaque;
    interrupt_deliver(cpu, event->vector, event->source, event->has_error, event->error,
                      RETURN);
}

static struct outcome deliver(struct world *world, struct event event)
{
    struct outcome outcome = world_call(world, deliver_event, &event);
    world->cpu->delivering_external = false;
    return outcome;
}

static struct outcome hardware(struct world *world, uint8_t vector)
{
    return deliver(world, (struct event){vector, INTERRUPT_HARDWARE, false, 0});
}

static struct outcome exception(struct world *world, uint8_t vector, uint32_t error)
{
    return deliver(world, (struct event){vector, INTERRUPT_EXCEPTION, true, error});
}

static void assert_at(struct world *world, uint16_t selector, uint32_t eip)
{
    assert_int_equal(world->cpu->segments[SEGMENT_CS].selector, selector);
    assert_int_equal(world->cpu->eip, eip);
}

static void assert_frame32(struct world *world, const uint32_t *frame, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(world_frame32(world, i), frame[i]);
    }
}

static void same_privilege(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    uint32_t flags = EFLAGS_IF | EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC |
                     EFLAGS_CF | EFLAGS_ALWAYS_ONE;
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CODE0 | 3, HANDLER);
    cpu_set_eflags(cpu, flags);
    assert_done(hardware(world, VECTOR));
    assert_at(world, CODE0, HANDLER);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 12);
    assert_frame32(world, (const uint32_t[]){RETURN, CODE0, flags}, 3);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_AC | EFLAGS_CF | EFLAGS_ALWAYS_ONE);
}

static void trap_gate_keeps_interrupts_on(void **state)
{
    struct world *world = *state;
    world_vector(world, VECTOR, TYPE_TRAP32, CODE0, HANDLER);
    cpu_set_eflags(world->cpu, EFLAGS_IF | EFLAGS_TF);
    assert_done(hardware(world, VECTOR));
    assert_int_equal(cpu_eflags(world->cpu), EFLAGS_IF | EFLAGS_ALWAYS_ONE);
}

static void gate_16_bits(void **state)
{
    struct world *world = *state;
    world_vector(world, EXCEPTION_GP, TYPE_INTERRUPT16, CODE0, 0xdead1234);
    assert_done(exception(world, EXCEPTION_GP, 0x5678));
    assert_at(world, CODE0, 0x1234);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK0 - 8);
    const uint16_t frame[] = {0x5678, RETURN, CODE0, EFLAGS_ALWAYS_ONE};
    for (unsigned i = 0; i < ARRAY_LENGTH(frame); i++) {
        assert_int_equal(world_frame16(world, i), frame[i]);
    }
}

/* A fault: RF in the image, error code on top. */
static void fault_from_ring_3(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    world_vector(world, EXCEPTION_PF, TYPE_INTERRUPT32, CODE0, HANDLER);
    assert_done(exception(world, EXCEPTION_PF, 6));
    assert_at(world, CODE0, HANDLER);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->segments[SEGMENT_SS].selector, DATA0);
    assert_int_equal(cpu->segments[SEGMENT_DS].selector, DATA3 | 3);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 24);
    const uint32_t frame[] = {
        6, RETURN, CODE3 | 3, EFLAGS_RF | EFLAGS_ALWAYS_ONE, WORLD_STACK3, DATA3 | 3};
    assert_frame32(world, frame, ARRAY_LENGTH(frame));
    assert_int_equal(cpu_eflags(cpu), EFLAGS_ALWAYS_ONE);
}

static void traps_do_not_set_resume_flag(void **state)
{
    struct world *world = *state;
    world_vector(world, EXCEPTION_DB, TYPE_INTERRUPT32, CODE0, HANDLER);
    world->cpu->dr[7] |= 1 << 13; /* GD */
    assert_done(
        deliver(world, (struct event){EXCEPTION_DB, INTERRUPT_EXCEPTION, false, 0}));
    assert_int_equal(world_frame32(world, 2), EFLAGS_ALWAYS_ONE);
    assert_int_equal(world->cpu->dr[7] & 1 << 13, 0);
}

static void conforming_handler_keeps_privilege(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CONFORMING0, HANDLER);
    assert_done(hardware(world, VECTOR));
    assert_at(world, CONFORMING0 | 3, HANDLER);
    assert_int_equal(world->cpu->cpl, 3);
    assert_int_equal(world->cpu->regs[REGISTER_ESP], WORLD_STACK3 - 12);
}

/* Error codes carry EXT where the event is external to the program. */
static void gate_faults(void **state)
{
    struct world *world = *state;
    uint32_t vector_error = VECTOR * 8 + 2;
    world_vector(world, VECTOR, TYPE_CALL32, CODE0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, vector_error | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32 & ~ABSENT, CODE0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_NP, vector_error | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, 0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, BEYOND, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, BEYOND | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, DATA0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, DATA0 | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CODE3, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, CODE3 | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, ABSENT_CODE0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_NP, ABSENT_CODE0 | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, SHORT_CODE0, 0x100);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, 1);
    world->cpu->idtr.limit = VECTOR * 8 + 6;
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, vector_error | 1);
    world->cpu->delivering_external = false;
    assert_fault(EXECUTE(world, 0xcd, VECTOR), EXCEPTION_GP, vector_error);
}

static void stack_faults(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CODE1, HANDLER);
    world_store16(world, WORLD_TSS + 16, SHORT_STACK1 | 1);
    world_store32(world, WORLD_TSS + 12, 0x10);
    assert_fault(hardware(world, VECTOR), EXCEPTION_SS, SHORT_STACK1 | 1);
    world_store16(world, WORLD_TSS + 16, 0);
    assert_fault(hardware(world, VECTOR), EXCEPTION_TS, 1);
    world_store16(world, WORLD_TSS + 16, DATA0 | 1);
    assert_fault(hardware(world, VECTOR), EXCEPTION_TS, DATA0 | 1);
    world->cpu->tr.limit = 10;
    assert_fault(hardware(world, VECTOR), EXCEPTION_TS, TSS | 1);
}

/* Software interrupts may not use gates of inner privilege; hardware may, and so may
 * ICEBP. */
static void gate_privilege(void **state)
{
    struct world *world = *state;
    world_protected(world, 3);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CODE0, HANDLER);
    world_vector(world, EXCEPTION_BP, TYPE_INTERRUPT32, CODE0, HANDLER);
    world_vector(world, EXCEPTION_OF, TYPE_INTERRUPT32, CODE0, HANDLER);
    world_vector(world, EXCEPTION_DB, TYPE_INTERRUPT32, CODE0, HANDLER);
    assert_fault(EXECUTE(world, 0xcd, VECTOR), EXCEPTION_GP, VECTOR * 8 + 2);
    assert_fault(EXECUTE(world, 0xcc), EXCEPTION_GP, EXCEPTION_BP * 8 + 2);
    world->cpu->arithmetic.ax |= ARITHMETIC_OF;
    assert_fault(EXECUTE(world, 0xce), EXCEPTION_GP, EXCEPTION_OF * 8 + 2);
    assert_done(EXECUTE(world, 0xf1));
    assert_at(world, CODE0, HANDLER);
    assert_int_equal(world_frame32(world, 0), WORLD_CODE + 1);
    world_protected(world, 3);
    world_vector(world, VECTOR, TYPE_INTERRUPT32 | DPL3, CODE0, HANDLER);
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_int_equal(world_frame32(world, 0), WORLD_CODE + 2);
    assert_int_equal(world_frame32(world, 1), CODE3 | 3);
}

static void into_and_bound(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    assert_done(EXECUTE(world, 0xce)); /* INTO: OF is clear */
    assert_at(world, CODE0, WORLD_CODE + 1);
    cpu->regs[REGISTER_EBX] = WORLD_DATA;
    world_store32(world, WORLD_DATA, 0xfffffffe);
    world_store32(world, WORLD_DATA + 4, 5);
    cpu->regs[REGISTER_EAX] = 5;
    assert_done(EXECUTE(world, 0x62, 0x03)); /* BOUND EAX, [EBX] */
    cpu->regs[REGISTER_EAX] = 0xfffffffe;
    assert_done(EXECUTE(world, 0x62, 0x03));
    cpu->regs[REGISTER_EAX] = 6;
    assert_fault_without_error(EXECUTE(world, 0x62, 0x03), EXCEPTION_BR);
    cpu->regs[REGISTER_EAX] = 0xfffffffd;
    assert_fault_without_error(EXECUTE(world, 0x62, 0x03), EXCEPTION_BR);
    assert_fault_without_error(EXECUTE(world, 0x0f, 0x0b), EXCEPTION_UD);
}

static void real_mode(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_real(world);
    cpu_set_eflags(cpu, EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_CF);
    world_store32(world, VECTOR * 4, 0x12345678);
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(cpu->regs[REGISTER_ESP], 0x1000 - 6);
    assert_int_equal(world_frame16(world, 0), 2);
    assert_int_equal(world_frame16(world, 1), 0x1000);
    assert_int_equal(world_frame16(world, 2),
                     EFLAGS_IF | EFLAGS_TF | EFLAGS_CF | EFLAGS_ALWAYS_ONE);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_CF | EFLAGS_ALWAYS_ONE);
}

/* No error code is pushed in real mode; the table has a limit there, too. */
static void real_mode_exceptions(void **state)
{
    struct world *world = *state;
    world_real(world);
    world_store32(world, EXCEPTION_GP * 4, 0x10000100);
    assert_done(exception(world, EXCEPTION_GP, 0));
    assert_int_equal(world->cpu->regs[REGISTER_ESP], 0x1000 - 6);
    world->cpu->idtr.limit = EXCEPTION_GP * 4 + 2;
    assert_fault(exception(world, EXCEPTION_GP, 0), EXCEPTION_GP,
                 EXCEPTION_GP * 8 + 2 + 1);
    world_real(world);
    world->cpu->regs[REGISTER_ESP] = 3;
    assert_fault(EXECUTE(world, 0xcd, 13), EXCEPTION_SS, 0);
}

static void from_v86(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_v86(world, 0);
    world_vector(world, VECTOR, TYPE_INTERRUPT32, CODE0, HANDLER);
    assert_done(hardware(world, VECTOR));
    assert_at(world, CODE0, HANDLER);
    assert_int_equal(cpu->cpl, 0);
    assert_false(cpu_v86(cpu));
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0 - 36);
    const uint32_t frame[] = {RETURN, 0x1000, EFLAGS_VM | EFLAGS_ALWAYS_ONE,
                              0x1000, 0x800,  0x2000,
                              0x2000, 0x2000, 0x2000};
    assert_frame32(world, frame, ARRAY_LENGTH(frame));
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        if (i != SEGMENT_CS && i != SEGMENT_SS) {
            assert_int_equal(cpu->segments[i].selector, 0);
            assert_int_equal(cpu->segments[i].read_end, 0);
        }
    }
}

static void from_v86_to_wrong_privilege(void **state)
{
    struct world *world = *state;
    world_v86(world, 3);
    world_vector(world, VECTOR, TYPE_INTERRUPT32 | DPL3, CODE1, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, CODE1 | 1);
    world_vector(world, VECTOR, TYPE_INTERRUPT32 | DPL3, CONFORMING0, HANDLER);
    assert_fault(hardware(world, VECTOR), EXCEPTION_GP, CONFORMING0 | 1);
}

/* INT n depends on IOPL, INT3 does not. */
static void software_from_v86(void **state)
{
    struct world *world = *state;
    world_vector(world, VECTOR, TYPE_INTERRUPT32 | DPL3, CODE0, HANDLER);
    world_vector(world, EXCEPTION_BP, TYPE_INTERRUPT32 | DPL3, CODE0, HANDLER);
    world_v86(world, 0);
    assert_fault(EXECUTE(world, 0xcd, VECTOR), EXCEPTION_GP, 0);
    assert_done(EXECUTE(world, 0xcc));
    assert_at(world, CODE0, HANDLER);
    world_v86(world, 3);
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_at(world, CODE0, HANDLER);
    assert_int_equal(world_frame32(world, 0), 2);
}

/* Offset in memory of the byte of the redirection bit map with `vector`. */
static uint32_t redirection_byte(uint8_t vector)
{
    return WORLD_TSS + WORLD_IO_MAP - 32 + vector / 8;
}

static void redirected_in_v86(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_store32(world, VECTOR * 4, 0x12345678);
    world_v86(world, 3);
    cpu->cr4 |= CR4_VME;
    cpu->system_flags |= EFLAGS_IF;
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(world_frame16(world, 0), 2);
    assert_int_equal(world_frame16(world, 2),
                     EFLAGS_IF | EFLAGS_IOPL | EFLAGS_ALWAYS_ONE);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_VM | EFLAGS_IOPL | EFLAGS_ALWAYS_ONE);
    world_v86(world, 0);
    cpu->system_flags |= EFLAGS_VIF;
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_at(world, 0x1234, 0x5678);
    assert_int_equal(world_frame16(world, 2),
                     EFLAGS_IF | EFLAGS_IOPL | EFLAGS_ALWAYS_ONE);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_VM | EFLAGS_ALWAYS_ONE);
}

static void not_redirected_in_v86(void **state)
{
    struct world *world = *state;
    world_vector(world, VECTOR, TYPE_INTERRUPT32 | DPL3, CODE0, HANDLER);
    world_store8(world, redirection_byte(VECTOR), 1 << (VECTOR % 8));
    world_v86(world, 0);
    world->cpu->cr4 |= CR4_VME;
    assert_fault(EXECUTE(world, 0xcd, VECTOR), EXCEPTION_GP, 0);
    world_v86(world, 3);
    assert_done(EXECUTE(world, 0xcd, VECTOR));
    assert_at(world, CODE0, HANDLER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_interrupt_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(same_privilege),
        TEST(trap_gate_keeps_interrupts_on),
        TEST(gate_16_bits),
        TEST(fault_from_ring_3),
        TEST(traps_do_not_set_resume_flag),
        TEST(conforming_handler_keeps_privilege),
        TEST(gate_faults),
        TEST(stack_faults),
        TEST(gate_privilege),
        TEST(into_and_bound),
        TEST(real_mode),
        TEST(real_mode_exceptions),
        TEST(from_v86),
        TEST(from_v86_to_wrong_privilege),
        TEST(software_from_v86),
        TEST(redirected_in_v86),
        TEST(not_redirected_in_v86),
    };
    return cmocka_run_group_tests_name("interrupts", tests, NULL, NULL);
}
