/* IN, OUT, INS, OUTS and the I/O bitmap; breakpoints by debug registers; saved state.
 */
#include "system_world.h"

#include "cpu/core/debug.h"
#include "cpu/interpreter/system.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PORT = 0x300 };

/* A device that logs writes and counts reads. */
struct test_port {
    uint32_t reads, writes, last_value;
    uint16_t last_offset;
    unsigned last_width;
};

static uint32_t test_port_read(void *opaque, uint16_t offset, unsigned width)
{
    struct test_port *port = opaque;
    port->last_offset = offset;
    port->last_width = width;
    return 0x80706050U + port->reads++;
}

static void test_port_write(void *opaque, uint16_t offset, uint32_t value,
                            unsigned width)
{
    struct test_port *port = opaque;
    port->writes++;
    port->last_offset = offset;
    port->last_value = value;
    port->last_width = width;
}

static const struct port_ops test_port_ops = {
    .read = test_port_read,
    .write = test_port_write,
    .widths = 1 | 2 | 4,
};

static void map_test_port(struct world *world, struct test_port *port)
{
    port_map(&world->fixture.ports, "test", PORT, 8, &test_port_ops, port);
    world->cpu->regs[REGISTER_EDX] = PORT;
    world->cpu->budget_end = UINT64_MAX;
    atomic_store(&world->cpu->request, 0);
}

static void in_and_out(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    struct test_port port = {0};
    map_test_port(world, &port);
    cpu->regs[REGISTER_EAX] = 0x11223344;
    assert_done(EXECUTE(world, 0xec)); /* IN AL, DX */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x11223350);
    assert_done(EXECUTE(world, 0x66, 0xed));
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x11226051);
    assert_done(EXECUTE(world, 0xed));
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x80706052);
    cpu->regs[REGISTER_EDX] = 0xffff0000 | (PORT + 4);
    assert_done(EXECUTE(world, 0xee)); /* OUT DX, AL */
    assert_int_equal(port.last_value, 0x52);
    assert_int_equal(port.last_offset, 4);
    assert_done(EXECUTE(world, 0xef));
    assert_int_equal(port.last_value, 0x80706052);
    assert_int_equal(port.last_width, 4);
    assert_done(EXECUTE(world, 0xe4, 0x70)); /* IN AL, 70: nobody there */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x807060ff);
    assert_int_equal(cpu->statistics->port_accesses, 6);
}

static void io_bitmap(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    uint32_t map = WORLD_TSS + WORLD_IO_MAP;
    world_protected(world, 3);
    cpu->regs[REGISTER_EDX] = PORT + 6;
    assert_done(EXECUTE(world, 0xed)); /* four bits over a byte's end: all clear */
    world_store8(world, map + PORT / 8 + 1, 2);
    assert_fault(EXECUTE(world, 0xed), EXCEPTION_GP, 0);
    assert_done(EXECUTE(world, 0x66, 0xed, 0, 0));
    cpu->regs[REGISTER_EDX] = PORT + 9;
    assert_fault(EXECUTE(world, 0xee), EXCEPTION_GP, 0);
    cpu->system_flags |= EFLAGS_IOPL;
    assert_done(EXECUTE(world, 0xee)); /* IOPL suffices */
    world_v86(world, 3);
    cpu->regs[REGISTER_EDX] = PORT + 9;
    assert_fault(EXECUTE(world, 0xee), EXCEPTION_GP, 0); /* but not in v86 mode */
}

static void io_bitmap_limits(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    cpu->regs[REGISTER_EDX] = 0xfff7;
    assert_done(EXECUTE(world, 0xec));
    cpu->regs[REGISTER_EDX] = 0xffff;
    assert_fault(EXECUTE(world, 0xed), EXCEPTION_GP, 0); /* the byte of ones */
    cpu->tr.limit--;
    assert_fault(EXECUTE(world, 0xec), EXCEPTION_GP, 0); /* two bytes are read */
    cpu->regs[REGISTER_EDX] = 0;
    cpu->tr.limit = 0x66;
    assert_fault(EXECUTE(world, 0xec), EXCEPTION_GP, 0);
    cpu->tr.limit = WORLD_TSS_LIMIT;
    cpu->tr.access = TYPE_TSS16_BUSY;
    assert_fault(EXECUTE(world, 0xec), EXCEPTION_GP, 0);
}

static void ins(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    struct test_port port = {0};
    map_test_port(world, &port);
    world->repeats = true;
    cpu->regs[REGISTER_EDI] = WORLD_DATA;
    cpu->regs[REGISTER_ECX] = 3;
    uint64_t retired = cpu->retired;
    assert_done(EXECUTE(world, 0xf3, 0x66, 0x6d)); /* REP INSW */
    assert_int_equal(cpu->eip, WORLD_CODE + 3);
    assert_int_equal(cpu->regs[REGISTER_ECX], 0);
    assert_int_equal(cpu->regs[REGISTER_EDI], WORLD_DATA + 6);
    assert_int_equal(world_load32(world, WORLD_DATA), 0x60516050);
    assert_int_equal(world_load32(world, WORLD_DATA + 4), 0x6052);
    assert_int_equal(cpu->retired - retired, 2); /* the engine adds one */
    assert_done(EXECUTE(world, 0xf3, 0x6c));     /* count 0 */
    assert_int_equal(port.reads, 3);
    cpu->system_flags |= EFLAGS_DF;
    assert_done(EXECUTE(world, 0x6c)); /* INSB, down */
    assert_int_equal(cpu->regs[REGISTER_EDI], WORLD_DATA + 5);
}

/* A page fault or limit in the middle: what is done is done, the rest can go on. */
static void ins_faults_before_the_port_is_read(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    struct test_port port = {0};
    map_test_port(world, &port);
    world->repeats = true;
    cpu->segments[SEGMENT_ES].limit = WORLD_DATA + 7;
    segment_update(&cpu->segments[SEGMENT_ES]);
    cpu->regs[REGISTER_EDI] = WORLD_DATA;
    cpu->regs[REGISTER_ECX] = 5;
    struct outcome outcome = EXECUTE(world, 0xf3, 0x6d);
    assert_true(outcome.raised);
    assert_int_equal(outcome.vector, EXCEPTION_GP);
    assert_int_equal(port.reads, 2);
    assert_int_equal(cpu->regs[REGISTER_ECX], 3);
    assert_int_equal(cpu->regs[REGISTER_EDI], WORLD_DATA + 8);
    assert_int_equal(cpu->eip, WORLD_CODE);
}

static void outs(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    struct test_port port = {0};
    map_test_port(world, &port);
    world->repeats = true;
    world_store32(world, WORLD_DATA, 0x44332211);
    cpu->regs[REGISTER_ESI] = WORLD_DATA;
    cpu->regs[REGISTER_ECX] = 4;
    assert_done(EXECUTE(world, 0xf3, 0x6e));
    assert_int_equal(port.writes, 4);
    assert_int_equal(port.last_value, 0x44);
    assert_int_equal(cpu->regs[REGISTER_ESI], WORLD_DATA + 4);
    /* A request of another thread interrupts between two iterations. */
    cpu->regs[REGISTER_ESI] = WORLD_DATA;
    cpu->regs[REGISTER_ECX] = 4;
    uint32_t eip = cpu->eip;
    cpu_kick(cpu);
    assert_done(EXECUTE(world, 0xf3, 0x6e));
    assert_int_equal(cpu->eip, eip);
    assert_int_equal(cpu->regs[REGISTER_ECX], 3);
}

static void breakpoints(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    assert_false(debug_breakpoints_enabled(cpu));
    cpu->dr[0] = 0x1000;
    cpu->dr[1] = 0x2003;
    cpu->dr[2] = 0x3000;
    cpu->dr[3] = PORT;
    /* 0: execute; 1: 4 bytes, write; 2: 2 bytes, read or write; 3: 1 byte, port. */
    cpu->dr[7] = 0x400 | 0x55 | 0x0U << 16 | 0xdU << 20 | 0x7U << 24 | 0x2U << 28;
    assert_true(debug_breakpoints_enabled(cpu));
    assert_int_equal(debug_match_execute(cpu, 0x1000), 1);
    assert_int_equal(debug_match_execute(cpu, 0x2000), 0);
    assert_int_equal(debug_match_data(cpu, 0x2000, 1, true), 2);
    assert_int_equal(debug_match_data(cpu, 0x1ffd, 4, true), 2);
    assert_int_equal(debug_match_data(cpu, 0x1ffc, 4, true), 0);
    assert_int_equal(debug_match_data(cpu, 0x2000, 1, false), 0);
    assert_int_equal(debug_match_data(cpu, 0x3001, 1, false), 4);
    assert_int_equal(debug_match_data(cpu, 0x3002, 1, false), 0);
    assert_int_equal(debug_match_port(cpu, PORT, 1), 0);
    cpu->cr4 |= CR4_DE;
    assert_int_equal(debug_match_port(cpu, PORT, 1), 8);
    cpu->dr[7] &= ~(uint32_t)0xff;
    assert_int_equal(debug_match_data(cpu, 0x2000, 1, true), 0);
}

/* Everything that is saved comes back, and what is derived follows. */
static void state_round_trip(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    struct state_buffer buffer = {0};
    struct error error;
    world_v86(world, 3);
    state_save(&buffer, cpu_fields, CPU_STATE_VERSION, cpu);
    uint64_t hash = state_hash(0, cpu_fields, cpu);
    cpu_reset(cpu);
    cpu->regs[REGISTER_ZERO] = 1;
    assert_true(state_load(&buffer, cpu_fields, CPU_STATE_VERSION, cpu, "cpu", &error));
    cpu_loaded(cpu);
    assert_int_equal(state_hash(0, cpu_fields, cpu), hash);
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->access_rights, 1);
    assert_int_equal(cpu->segments[SEGMENT_DS].write_end, 0x10000);
    state_buffer_free(&buffer);
}

static void a20_and_interrupt_lines(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    atomic_store(&cpu->request, 0);
    cpu_set_interrupt_line(cpu, true);
    cpu_raise_nmi(cpu);
    assert_int_equal(atomic_load(&cpu->request),
                     CPU_REQUEST_INTERRUPT | CPU_REQUEST_NMI);
    cpu_set_interrupt_line(cpu, false);
    assert_int_equal(atomic_load(&cpu->request), CPU_REQUEST_NMI);
    cpu_set_a20(cpu, false);
    assert_false(atomic_load(&cpu->a20_line));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_port_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_and_out),
        TEST(io_bitmap),
        TEST(io_bitmap_limits),
        TEST(ins),
        TEST(ins_faults_before_the_port_is_read),
        TEST(outs),
        TEST(breakpoints),
        TEST(state_round_trip),
        TEST(a20_and_interrupt_lines),
    };
    return cmocka_run_group_tests_name("ports and the rest", tests, NULL, NULL);
}
