/* Control, debug, table and model-specific registers; reset; descriptor queries. */
#include "system_world.h"

#include "cpu/core/cpuid.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* MOV CRn, EAX; MOV EAX, CRn; the same for DRn. */
static struct outcome write_cr(struct world *world, unsigned number, uint32_t value)
{
    world->cpu->regs[REGISTER_EAX] = value;
    return EXECUTE(world, 0x0f, 0x22, (uint8_t)(0xc0 | number << 3));
}

static struct outcome write_dr(struct world *world, unsigned number, uint32_t value)
{
    world->cpu->regs[REGISTER_EAX] = value;
    return EXECUTE(world, 0x0f, 0x23, (uint8_t)(0xc0 | number << 3));
}

static struct outcome read_dr(struct world *world, unsigned number)
{
    return EXECUTE(world, 0x0f, 0x21, (uint8_t)(0xc0 | number << 3));
}

static void after_reset(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu_reset(cpu);
    assert_int_equal(cpu->eip, 0xfff0);
    assert_int_equal(cpu->segments[SEGMENT_CS].selector, 0xf000);
    assert_int_equal(cpu->segments[SEGMENT_CS].base, 0xffff0000);
    assert_int_equal(cpu->segments[SEGMENT_DS].limit, 0xffff);
    assert_int_equal(cpu->segments[SEGMENT_DS].access, 0x93);
    assert_int_equal(cpu_eflags(cpu), EFLAGS_ALWAYS_ONE);
    assert_int_equal(cpu->cr0, 0x60000010);
    assert_int_equal(cpu->regs[REGISTER_EDX], cpuid_signature());
    assert_int_equal(cpu->dr[6], 0xffff0ff0);
    assert_int_equal(cpu->dr[7], 0x400);
    assert_int_equal(cpu->idtr.limit, 0xffff);
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->code_mode, 0);
    assert_int_equal(cpu->pat, 0x0007040600070406);
    assert_int_equal(cpu_tsc(cpu), 0);
}

static void init_keeps_msrs_and_cache_control(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->sysenter_eip = 0x1234;
    cpu->cr0 |= CR0_CD;
    cpu_init_signal(cpu);
    assert_int_equal(cpu->cr0, CR0_CD | CR0_ET);
    assert_int_equal(cpu->sysenter_eip, 0x1234);
    assert_int_equal(cpu->eip, 0xfff0);
}

static void cr0_checks(void **state)
{
    struct world *world = *state;
    assert_fault(write_cr(world, 0, CR0_PG), EXCEPTION_GP, 0);
    assert_fault(write_cr(world, 0, CR0_PE | CR0_NW), EXCEPTION_GP, 0);
    assert_done(write_cr(world, 0, 0x1ffaffc0 | CR0_PE)); /* ignored bits */
    assert_int_equal(world->cpu->cr0, CR0_PE | CR0_ET);
    assert_done(write_cr(world, 0, CR0_PE | CR0_WP | CR0_AM | CR0_TS));
    assert_int_equal(world->cpu->cr0, CR0_PE | CR0_ET | CR0_WP | CR0_AM | CR0_TS);
    assert_done(EXECUTE(world, 0x0f, 0x06)); /* CLTS */
    assert_int_equal(world->cpu->cr0 & CR0_TS, 0);
}

static void other_control_registers(void **state)
{
    struct world *world = *state;
    assert_fault_without_error(write_cr(world, 1, 0), EXCEPTION_UD);
    assert_fault_without_error(write_cr(world, 5, 0), EXCEPTION_UD);
    assert_done(write_cr(world, 2, 0xdeadbeef));
    assert_done(EXECUTE(world, 0x0f, 0x20, 0xd1)); /* MOV ECX, CR2 */
    assert_int_equal(world->cpu->regs[REGISTER_ECX], 0xdeadbeef);
    assert_done(write_cr(world, 3, 0x12345000));
    assert_int_equal(world->cpu->cr3, 0x12345000);
    assert_fault(write_cr(world, 4, 1U << 31), EXCEPTION_GP, 0);
    assert_done(write_cr(world, 4, CR4_VME | CR4_PGE));
    assert_int_equal(world->cpu->cr4, CR4_VME | CR4_PGE);
}

/* PAE paging with a reserved bit in a PDPTE: nothing is switched on. */
static void pdptes_are_checked(void **state)
{
    struct world *world = *state;
    assert_done(write_cr(world, 3, 0x50000));
    assert_done(write_cr(world, 4, CR4_PAE));
    world_store32(world, 0x50000, 1 | 2);
    assert_fault(write_cr(world, 0, CR0_PE | CR0_PG), EXCEPTION_GP, 0);
}

static void system_registers_need_privilege(void **state)
{
    static const uint8_t instructions[][3] = {
        {0x0f, 0x20, 0xc0},
        {0x0f, 0x22, 0xc0},
        {0x0f, 0x21, 0xc0},
        {0x0f, 0x23, 0xc0},
        {0x0f, 0x06},
        {0x0f, 0x01, 0xf0},
        {0x0f, 0x01, 0x13},
        {0x0f, 0x01, 0x1b},
        {0x0f, 0x01, 0x3b},
        {0x0f, 0x00, 0xd0},
        {0x0f, 0x00, 0xd8},
        {0x0f, 0x30},
        {0x0f, 0x32},
        {0x0f, 0x33},
        {0x0f, 0x08},
        {0x0f, 0x09},
        {0xf4},
        {0x0f, 0x35},
    };
    struct world *world = *state;
    world_protected(world, 3);
    world->cpu->sysenter_cs = CODE0;
    world->cpu->regs[REGISTER_EBX] = WORLD_DATA;
    for (unsigned i = 0; i < ARRAY_LENGTH(instructions); i++) {
        assert_fault(world_execute(world, instructions[i], sizeof(instructions[i])),
                     EXCEPTION_GP, 0);
    }
}

static void machine_status_word(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EAX] = 0xfffe;
    assert_done(EXECUTE(world, 0x0f, 0x01, 0xf0)); /* LMSW AX: PE stays */
    assert_int_equal(cpu->cr0, CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET);
    cpu->cr0 |= CR0_WP;
    assert_done(EXECUTE(world, 0x0f, 0x01, 0xe1)); /* SMSW ECX */
    assert_int_equal(cpu->regs[REGISTER_ECX], cpu->cr0);
    world_real(world);
    cpu->regs[REGISTER_EAX] = 1;
    assert_done(EXECUTE(world, 0x0f, 0x01, 0xf0));
    assert_true(cpu_protected(cpu));
}

static void debug_registers(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    assert_done(write_dr(world, 3, 0x12345678));
    assert_done(read_dr(world, 3));
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x12345678);
    assert_done(write_dr(world, 6, 0));
    assert_int_equal(cpu->dr[6], 0xffff0ff0);
    assert_done(write_dr(world, 5, 0xffffdfff)); /* DR7 by its alias */
    assert_int_equal(cpu->dr[7], 0xffff07ff);
    cpu->cr4 |= CR4_DE;
    assert_fault_without_error(read_dr(world, 4), EXCEPTION_UD);
}

static void general_detect(void **state)
{
    struct world *world = *state;
    assert_done(write_dr(world, 7, 0x2000));
    struct outcome outcome = read_dr(world, 0);
    assert_true(outcome.raised);
    assert_int_equal(outcome.vector, EXCEPTION_DB);
    assert_true(world->cpu->dr[6] & 1 << 13);
}

static void table_registers(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EBX] = WORLD_DATA;
    world_store16(world, WORLD_DATA, 0x1ff);
    world_store32(world, WORLD_DATA + 2, 0xab001000);
    assert_done(EXECUTE(world, 0x0f, 0x01, 0x1b)); /* LIDT [EBX] */
    assert_int_equal(cpu->idtr.base, 0xab001000);
    assert_int_equal(cpu->idtr.limit, 0x1ff);
    assert_done(EXECUTE(world, 0x66, 0x0f, 0x01, 0x1b)); /* with a 24-bit base */
    assert_int_equal(cpu->idtr.base, 0x1000);
    assert_done(EXECUTE(world, 0x0f, 0x01, 0x43, 0x10)); /* SGDT [EBX + 16] */
    assert_int_equal(world_load16(world, WORLD_DATA + 16), WORLD_GDT_LIMIT);
    assert_int_equal(world_load32(world, WORLD_DATA + 18), WORLD_GDT);
}

static void task_and_ldt_registers(void **state)
{
    static const struct {
        uint8_t modrm; /* LLDT AX or LTR AX */
        uint16_t selector;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {0xd0, LDT_DATA0, EXCEPTION_GP, LDT_DATA0},
        {0xd0, DATA0, EXCEPTION_GP, DATA0},
        {0xd0, BEYOND, EXCEPTION_GP, BEYOND},
        {0xd0, TSS, EXCEPTION_GP, TSS},
        {0xd8, 0, EXCEPTION_GP, 0},
        {0xd8, TSS, EXCEPTION_GP, TSS},
        {0xd8, LDT, EXCEPTION_GP, LDT},
        {0xd8, FREE, EXCEPTION_NP, FREE},
    };
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_descriptor(world, FREE, 0, 0x67, TYPE_TSS32 & ~ABSENT);
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        cpu->regs[REGISTER_EAX] = cases[i].selector;
        assert_fault(EXECUTE(world, 0x0f, 0x00, cases[i].modrm), cases[i].vector,
                     cases[i].error);
    }
    cpu->regs[REGISTER_EAX] = OTHER_TSS;
    assert_done(EXECUTE(world, 0x0f, 0x00, 0xd8));
    assert_int_equal(world_access_byte(world, OTHER_TSS), TYPE_TSS32_BUSY);
    assert_int_equal(cpu->tr.base, WORLD_OTHER_TSS);
    assert_done(EXECUTE(world, 0x0f, 0x00, 0xc9)); /* STR ECX */
    assert_int_equal(cpu->regs[REGISTER_ECX], OTHER_TSS);
    world_real(world);
    assert_fault_without_error(EXECUTE(world, 0x0f, 0x00, 0xc8), EXCEPTION_UD);
    world_v86(world, 3);
    assert_fault_without_error(EXECUTE(world, 0x0f, 0x00, 0xd8), EXCEPTION_UD);
}

/* ZF and ECX after LAR (02), LSL (03) ECX, EAX or VERR, VERW AX. */
static bool query(struct world *world, uint8_t opcode, uint8_t modrm, uint16_t selector)
{
    world->cpu->regs[REGISTER_EAX] = selector;
    world->cpu->regs[REGISTER_ECX] = 0x55555555;
    assert_done(EXECUTE(world, 0x0f, opcode, modrm));
    return world->cpu->arithmetic.ax & ARITHMETIC_ZF;
}

static void descriptor_queries(void **state)
{
    struct world *world = *state;
    const uint32_t *ecx = &world->cpu->regs[REGISTER_ECX];
    world_gate(world, GATE, TYPE_CALL32 | DPL3, CODE0, 0, 0);
    world_protected(world, 3);
    assert_false(query(world, 0x02, 0xc8, 0));
    assert_false(query(world, 0x02, 0xc8, DATA0));
    assert_int_equal(*ecx, 0x55555555);
    assert_true(query(world, 0x02, 0xc8, CODE3 | 3));
    assert_int_equal(*ecx, 0x00cffb00);
    assert_true(query(world, 0x02, 0xc8, CONFORMING0));
    assert_true(query(world, 0x02, 0xc8, GATE));
    assert_false(query(world, 0x03, 0xc8, GATE)); /* a gate has no limit */
    assert_true(query(world, 0x03, 0xc8, DATA3));
    assert_int_equal(*ecx, UINT32_MAX);
    assert_false(query(world, 0x03, 0xc8, BEYOND));
    world_protected(world, 0);
    assert_true(query(world, 0x03, 0xc8, TSS));
    assert_int_equal(*ecx, WORLD_TSS_LIMIT);
    assert_false(query(world, 0x03, 0xc8, TSS | 3));   /* RPL above DPL */
    assert_true(query(world, 0x00, 0xe0, READ_ONLY0)); /* VERR */
    assert_false(query(world, 0x00, 0xe0, EXECUTE_ONLY0));
    assert_false(query(world, 0x00, 0xe8, READ_ONLY0)); /* VERW */
    assert_true(query(world, 0x00, 0xe8, DATA0));
    assert_false(query(world, 0x00, 0xe8, CODE0));
    assert_false(query(world, 0x00, 0xe8, TSS));
}

static void arpl(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    cpu->regs[REGISTER_EAX] = 0xffff0000 | DATA0;
    cpu->regs[REGISTER_ECX] = CODE3 | 3;
    assert_done(EXECUTE(world, 0x63, 0xc8)); /* ARPL AX, CX */
    assert_int_equal(cpu->regs[REGISTER_EAX], 0xffff0000 | DATA0 | 3);
    assert_true(cpu->arithmetic.ax & ARITHMETIC_ZF);
    assert_done(EXECUTE(world, 0x63, 0xc8));
    assert_false(cpu->arithmetic.ax & ARITHMETIC_ZF);
}

static struct outcome write_msr(struct world *world, uint32_t number, uint64_t value)
{
    world->cpu->regs[REGISTER_ECX] = number;
    world->cpu->regs[REGISTER_EAX] = (uint32_t)value;
    world->cpu->regs[REGISTER_EDX] = (uint32_t)(value >> 32);
    return EXECUTE(world, 0x0f, 0x30);
}

static uint64_t read_msr(struct world *world, uint32_t number)
{
    world->cpu->regs[REGISTER_ECX] = number;
    assert_done(EXECUTE(world, 0x0f, 0x32));
    return world->cpu->regs[REGISTER_EAX] | (uint64_t)world->cpu->regs[REGISTER_EDX]
                                                << 32;
}

static void model_specific_registers(void **state)
{
    static const struct {
        uint32_t number;
        uint64_t good, bad;
    } cases[] = {
        {0x1b, 0xfec00900, 0xfec00c00},                  /* APIC_BASE: no x2APIC */
        {0x200, 0xfffffe000ULL | 6, 0x1000000006ULL},    /* MTRR_PHYSBASE0 */
        {0x20f, 0xfffffe800ULL, 0x1000000800ULL},        /* MTRR_PHYSMASK7 */
        {0x250, 0x0606060606060606, 0x0606060602060606}, /* types */
        {0x26f, 0x0504010006060606, 7},
        {0x277, 0x0706050401000706, 2}, /* PAT */
        {0x2ff, 0xc06, 0x206},
        {0xc0000080, EFER_NXE, 1}, /* EFER: no SYSCALL */
        {0x17a, 0, 4},
        {0x1d9, 0, 2},
    };
    struct world *world = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_done(write_msr(world, cases[i].number, cases[i].good));
        assert_int_equal(read_msr(world, cases[i].number), cases[i].good);
        assert_fault(write_msr(world, cases[i].number, cases[i].bad), EXCEPTION_GP, 0);
    }
    assert_fault(write_msr(world, 0xfe, 0), EXCEPTION_GP, 0); /* MTRRCAP */
    assert_fault(write_msr(world, 0x12345, 0), EXCEPTION_GP, 0);
    world->cpu->regs[REGISTER_ECX] = 0x12345;
    assert_fault(EXECUTE(world, 0x0f, 0x32), EXCEPTION_GP, 0);
}

/* Drivers for AMD's processors take these for granted; nobody else has them. */
static void amd_configuration(void **state)
{
    static const uint32_t numbers[] = {
        0xc0010010, 0xc0010015, 0xc001001f, 0xc0010020, 0xc0010055,
        0xc0010058, 0xc0010112, 0xc0010113, 0xc0011021, 0xc0011022,
        0xc0011023, 0xc0011029, 0xc001102a,
    };
    static const uint32_t auth = 0x68747541, genu = 0x756e6547;
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    for (unsigned i = 0; i < ARRAY_LENGTH(numbers); i++) {
        cpu->cpuid.vendor[0] = auth;
        uint64_t value = read_msr(world, numbers[i]);
        assert_done(write_msr(world, numbers[i], value ^ (1ULL << 46)));
        assert_int_equal(read_msr(world, numbers[i]), value);
        cpu->cpuid.vendor[0] = genu;
        assert_fault(write_msr(world, numbers[i], value), EXCEPTION_GP, 0);
        cpu->regs[REGISTER_ECX] = numbers[i];
        assert_fault(EXECUTE(world, 0x0f, 0x32), EXCEPTION_GP, 0);
    }
}

static void time_stamp_counter(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    assert_done(write_msr(world, 0x10, 0x123456789ab));
    clock_step_ns(&world->fixture.clock, 1000);
    assert_done(EXECUTE(world, 0x0f, 0x31)); /* RDTSC */
    assert_int_equal(cpu->regs[REGISTER_EDX], 0x123);
    assert_int_equal(cpu->regs[REGISTER_EAX], 0x456789ab + 1000);
    world_protected(world, 3);
    assert_done(EXECUTE(world, 0x0f, 0x31));
    cpu->cr4 |= CR4_TSD;
    assert_fault(EXECUTE(world, 0x0f, 0x31), EXCEPTION_GP, 0);
}

static void sysenter_and_sysexit(void **state)
{
    struct world *world = *state;
    struct cpu *cpu = world->cpu;
    world_protected(world, 3);
    assert_fault(EXECUTE(world, 0x0f, 0x34), EXCEPTION_GP, 0);
    cpu->sysenter_cs = 0x103;
    cpu->sysenter_esp = WORLD_STACK0;
    cpu->sysenter_eip = WORLD_OTHER_CODE;
    cpu->system_flags |= EFLAGS_IF | EFLAGS_TF;
    assert_done(EXECUTE(world, 0x0f, 0x34));
    assert_int_equal(cpu->cpl, 0);
    assert_int_equal(cpu->eip, WORLD_OTHER_CODE);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK0);
    assert_int_equal(cpu->segments[SEGMENT_CS].selector, 0x100);
    assert_int_equal(cpu->segments[SEGMENT_SS].selector, 0x108);
    assert_int_equal(cpu->segments[SEGMENT_CS].access, 0xc09b);
    assert_int_equal(cpu->system_flags, EFLAGS_TF | EFLAGS_ALWAYS_ONE);
    cpu->regs[REGISTER_ECX] = WORLD_STACK3;
    cpu->regs[REGISTER_EDX] = WORLD_CODE;
    assert_done(EXECUTE(world, 0x0f, 0x35));
    assert_int_equal(cpu->cpl, 3);
    assert_int_equal(cpu->eip, WORLD_CODE);
    assert_int_equal(cpu->regs[REGISTER_ESP], WORLD_STACK3);
    assert_int_equal(cpu->segments[SEGMENT_CS].selector, 0x113);
    assert_int_equal(cpu->segments[SEGMENT_SS].selector, 0x11b);
    assert_int_equal(cpu->segments[SEGMENT_SS].access, 0xc0f3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int system_register_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_reset),
        TEST(init_keeps_msrs_and_cache_control),
        TEST(cr0_checks),
        TEST(other_control_registers),
        TEST(pdptes_are_checked),
        TEST(system_registers_need_privilege),
        TEST(machine_status_word),
        TEST(debug_registers),
        TEST(general_detect),
        TEST(table_registers),
        TEST(task_and_ldt_registers),
        TEST(descriptor_queries),
        TEST(arpl),
        TEST(model_specific_registers),
        TEST(amd_configuration),
        TEST(time_stamp_counter),
        TEST(sysenter_and_sysexit),
    };
    return cmocka_run_group_tests_name("system registers", tests, NULL, NULL);
}
