/* x87, SSE, AVX and the areas that hold their state: exceptions, formats, checks. What
 * the instructions compute is fpu_native_test's business. */
#include "fpu_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

enum { NO_EXCEPTION = -1, DATA = WORLD_DATA };

static struct fpu_world world;

static int set_up(void **state)
{
    (void)state;
    fpu_world_create(&world);
    world.cpu->regs[REGISTER_EDI] = DATA;
    assert_int_equal(FPU_RUN(&world, 0xdb, 0xe3), NO_EXCEPTION); /* FNINIT */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fpu_world_destroy(&world);
    return 0;
}

static void put32(uint32_t offset, uint32_t value)
{
    memcpy(fpu_world_ram(&world, DATA + offset), &value, sizeof(value));
}

static uint32_t get32(uint32_t offset)
{
    uint32_t value;
    memcpy(&value, fpu_world_ram(&world, DATA + offset), sizeof(value));
    return value;
}

static uint16_t get16(uint32_t offset)
{
    return (uint16_t)get32(offset);
}

static void set_control(uint16_t control)
{
    put32(0, control);
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x2f), NO_EXCEPTION); /* FLDCW [EDI] */
}

static void divide_by_zero(void)
{
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xe8), NO_EXCEPTION); /* FLD1 */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xee), NO_EXCEPTION); /* FLDZ */
    assert_int_equal(FPU_RUN(&world, 0xd8, 0xf9), NO_EXCEPTION); /* FDIVR ST0, ST1 */
}

static void test_x87_exception_waits(void **state)
{
    (void)state;
    set_control(0x37b); /* zero divide unmasked */
    divide_by_zero();
    assert_int_equal(FPU_RUN(&world, 0xdf, 0xe0), NO_EXCEPTION); /* FNSTSW AX */
    assert_int_equal(world.cpu->regs[REGISTER_EAX] & 0x80ff, 0x8084);
    assert_int_equal(FPU_RUN(&world, 0x9b), EXCEPTION_MF);       /* WAIT */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xe8), EXCEPTION_MF); /* FLD1 */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x77), EXCEPTION_MF); /* EMMS */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x2f), EXCEPTION_MF); /* FLDCW */
    /* SSE does not care. */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x57, 0xc0), NO_EXCEPTION);
    assert_int_equal(FPU_RUN(&world, 0xdb, 0xe2), NO_EXCEPTION); /* FNCLEX */
    assert_int_equal(FPU_RUN(&world, 0x9b), NO_EXCEPTION);
    assert_int_equal(world.ferr_raised, 0);
}

static void test_x87_exception_by_ferr(void **state)
{
    (void)state;
    world.cpu->cr0 &= ~(uint32_t)CR0_NE;
    set_control(0x37b);
    divide_by_zero();
    assert_int_equal(world.ferr_raised, 0);
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xe8), NO_EXCEPTION); /* FLD1 goes on */
    assert_int_equal(world.ferr_raised, 1);
    assert_int_equal(fpu_control(world.cpu), 0x37b);
    assert_int_equal(fpu_status(world.cpu) & 0x8084, 0x8084);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x77), NO_EXCEPTION); /* EMMS */
    assert_int_equal(world.ferr_raised, 2);
    assert_int_equal(world.cpu->fpu.area[FPU_AREA_TAGS], 0);
    set_control(0x37b);
    assert_int_equal(world.ferr_raised, 3);
    assert_int_equal(world.ferr_lowered, 0);
    assert_int_equal(FPU_RUN(&world, 0xdb, 0xe2), NO_EXCEPTION); /* FNCLEX */
    assert_int_equal(world.ferr_lowered, 1);
}

/* An unmasked overflow keeps FST from storing, an unmasked inexact result does not;
 * across a page boundary, which takes the buffer, too. */
static void test_x87_store_suppressed(void **state)
{
    (void)state;
    static const uint32_t places[] = {0x100, 0xffe};
    for (unsigned i = 0; i < ARRAY_LENGTH(places); i++) {
        world.cpu->regs[REGISTER_EDI] = DATA;
        FPU_RUN(&world, 0xdb, 0xe3);
        set_control(0x377); /* overflow unmasked */
        put32(0, 0);
        put32(4, 0x7fe00000); /* a double near 1e308 */
        assert_int_equal(FPU_RUN(&world, 0xdd, 0x07), NO_EXCEPTION); /* FLD m64 */
        put32(places[i], 0x12345678);
        world.cpu->regs[REGISTER_EDI] = DATA + places[i];
        assert_int_equal(FPU_RUN(&world, 0xd9, 0x1f), NO_EXCEPTION); /* FSTP m32 */
        assert_int_equal(get32(places[i]), 0x12345678);
        assert_int_equal(FPU_RUN(&world, 0x9b), EXCEPTION_MF);
        FPU_RUN(&world, 0xdb, 0xe3);
        world.cpu->regs[REGISTER_EDI] = DATA;
        set_control(0x35f); /* precision unmasked */
        assert_int_equal(FPU_RUN(&world, 0xd9, 0xeb), NO_EXCEPTION); /* FLDPI */
        world.cpu->regs[REGISTER_EDI] = DATA + places[i];
        assert_int_equal(FPU_RUN(&world, 0xd9, 0x1f), NO_EXCEPTION);
        assert_int_equal(get32(places[i]), 0x40490fdb);
        assert_int_equal(FPU_RUN(&world, 0x9b), EXCEPTION_MF);
    }
}

static void load_something(void)
{
    put32(0x80, 0x3fc00000);
    world.cpu->regs[REGISTER_EDI] = DATA + 0x80;
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xeb), NO_EXCEPTION); /* FLDPI */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xee), NO_EXCEPTION); /* FLDZ */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x07), NO_EXCEPTION); /* FLD m32 */
    world.cpu->regs[REGISTER_EDI] = DATA;
}

static void test_environment_protected(void **state)
{
    (void)state;
    load_something();
    memset(fpu_world_ram(&world, DATA), 0xcc, 64);
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x37), NO_EXCEPTION); /* FNSTENV */
    static const uint32_t wide[] = {
        0xffff037f,          0xffff2800,  0xffff13ff, WORLD_EIP,
        0x08 | 0x107U << 16, DATA + 0x80, 0xffff0010, 0xcccccccc,
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(wide); i++) {
        assert_int_equal(get32(4 * i), wide[i]);
    }
    memset(fpu_world_ram(&world, DATA), 0xcc, 64);
    assert_int_equal(FPU_RUN(&world, 0x66, 0xd9, 0x37), NO_EXCEPTION);
    static const uint16_t narrow[] = {
        0x037f, 0x2800, 0x13ff, WORLD_EIP, 0x08, 0x80, 0x10, 0xcccc,
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(narrow); i++) {
        assert_int_equal(get16(2 * i), narrow[i]);
    }
    assert_int_equal(fpu_control(world.cpu), 0x37f);
}

static void test_environment_real(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    load_something();
    cpu->cr0 &= ~(uint32_t)CR0_PE;
    cpu->fpu.instruction_selector = 0xf000;
    cpu->fpu.operand_selector = 0x2345;
    assert_int_equal(FPU_RUN(&world, 0x66, 0xd9, 0x37), NO_EXCEPTION);
    assert_int_equal(get16(6), 0x1234); /* f0000 + 1234 = f1234 */
    assert_int_equal(get16(8), 0xf000 | 0x107);
    assert_int_equal(get16(10), (0x23450 + DATA + 0x80) & 0xffff);
    assert_int_equal(get16(12), 0x3000);
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x37), NO_EXCEPTION);
    assert_int_equal(get32(12), 0xffff1234);
    assert_int_equal(get32(16), 0xf000 | 0x107);
    assert_int_equal(get32(24), 0x3000);
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x27), NO_EXCEPTION); /* FLDENV */
    assert_int_equal(cpu->fpu.instruction_offset, 0xf1234);
    assert_int_equal(cpu->fpu.operand_offset, 0x23450 + DATA + 0x80);
    assert_int_equal(cpu->fpu.opcode, 0x107);
}

static void test_save_restore(void **state)
{
    (void)state;
    struct fpu before;
    load_something();
    before = world.cpu->fpu;
    assert_int_equal(FPU_RUN(&world, 0xdd, 0x37), NO_EXCEPTION); /* FNSAVE */
    assert_int_equal(world.cpu->fpu.area[FPU_AREA_TAGS], 0);
    assert_int_equal(world.cpu->fpu.instruction_offset, 0);
    assert_int_equal(get32(28 + 10 + 6), 0);                     /* ST1 is 0 */
    assert_int_equal(get16(28 + 20 + 8), 0x4000);                /* ST2 is pi */
    assert_int_equal(FPU_RUN(&world, 0xdd, 0x27), NO_EXCEPTION); /* FRSTOR */
    assert_memory_equal(&before, &world.cpu->fpu, sizeof(before));
    /* FLDENV turns the stack and leaves the registers. */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x37), NO_EXCEPTION);
    put32(4, 0xffff3800); /* TOP 7: what was ST2 */
    assert_int_equal(FPU_RUN(&world, 0xd9, 0x27), NO_EXCEPTION);
    assert_memory_equal(world.cpu->fpu.area + FPU_AREA_ST,
                        before.area + FPU_AREA_ST + 32, 10);
}

static void test_fxsave(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    load_something();
    for (unsigned i = 0; i < 128; i++) {
        cpu->fpu.area[FPU_AREA_XMM + i] = (uint8_t)(i * 7 + 1);
    }
    struct fpu before = cpu->fpu;
    memset(fpu_world_ram(&world, DATA), 0xcc, 512);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x07), NO_EXCEPTION);
    assert_int_equal(get32(8), WORLD_EIP);
    assert_int_equal(get32(12), 0x08);
    assert_int_equal(get32(16), DATA + 0x80);
    assert_int_equal(get32(24), 0x1f80);
    assert_int_equal(get32(28), 0xffff);
    assert_int_equal(get32(284), 0x7a736c65);
    assert_int_equal(get32(288), 0xcccccccc);
    assert_int_equal(FPU_RUN(&world, 0xdb, 0xe3), NO_EXCEPTION);
    memset(cpu->fpu.area + FPU_AREA_XMM, 0, 128);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x0f), NO_EXCEPTION); /* FXRSTOR */
    assert_memory_equal(before.area, cpu->fpu.area, FPU_AREA_MXCSR + 4);
    assert_memory_equal(before.area + FPU_AREA_ST, cpu->fpu.area + FPU_AREA_ST, 256);
    assert_int_equal(before.opcode, cpu->fpu.opcode);
    put32(24, 0x11f80); /* a reserved bit of MXCSR */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x0f), EXCEPTION_GP);
    cpu->regs[REGISTER_EDI] = DATA + 8;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x07), EXCEPTION_GP);
    cpu->cr0 |= CR0_TS;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x07), EXCEPTION_NM);
}

static void request(uint32_t components)
{
    world.cpu->regs[REGISTER_EAX] = components;
    world.cpu->regs[REGISTER_EDX] = 0;
}

static void test_xsave(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    if (!(cpu->cpuid.host_xsave_mask & XCR0_AVX)) {
        skip();
    }
    memset(fpu_world_ram(&world, DATA), 0xcc, 4096);
    memset(fpu_world_ram(&world, DATA + 512), 0, 64);
    cpu->fpu.area[FPU_AREA_YMM_HIGH + 16 * 3] = 0x5a;
    request(~0U);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x27), NO_EXCEPTION); /* XSAVE */
    assert_int_equal(get32(512), XCR0_AVX); /* nothing else is in use */
    assert_int_equal(get32(576 + 48), 0x5a);
    assert_int_equal(get32(288), 0xcccccccc);
    assert_int_equal(get32(704), 0xcccccccc);
    assert_int_equal(get32(160), 0);
    /* XSAVEOPT leaves out what is not in use. */
    put32(160, 0x11111111);
    request(~0U);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x37), NO_EXCEPTION);
    assert_int_equal(get32(160), 0x11111111);
    /* XRSTOR of SSE alone, from an image that says it is not there. */
    memset(cpu->fpu.area + FPU_AREA_XMM, 0x77, 128);
    put32(24, 0x1fa0);
    request(XCR0_SSE);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x2f), NO_EXCEPTION);
    assert_int_equal(fpu_area_get32(cpu, FPU_AREA_XMM), 0);
    assert_int_equal(fpu_mxcsr(cpu), 0x1fa0);
    assert_int_equal(cpu->fpu.area[FPU_AREA_YMM_HIGH + 48], 0x5a);
    /* Headers that are wrong. */
    put32(512, 0x10);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x2f), EXCEPTION_GP);
    put32(512, 7);
    put32(520, 1);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x2f), EXCEPTION_GP);
    put32(520, 0);
    cpu->xcr0 = XCR0_X87 | XCR0_SSE;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x2f), EXCEPTION_GP);
    cpu->regs[REGISTER_EDI] = DATA + 32;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x27), EXCEPTION_GP);
    cpu->cr4 &= ~(uint32_t)CR4_OSXSAVE;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x27), EXCEPTION_UD);
}

static void test_xsetbv(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    cpu->regs[REGISTER_ECX] = 0;
    static const uint32_t refused[] = {0, 2, 5, 0x107};
    for (unsigned i = 0; i < ARRAY_LENGTH(refused); i++) {
        request(refused[i]);
        assert_int_equal(FPU_RUN(&world, 0x0f, 0x01, 0xd1), EXCEPTION_GP);
    }
    request(3);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x01, 0xd1), NO_EXCEPTION);
    assert_int_equal(cpu->xcr0, 3);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x01, 0xd0), NO_EXCEPTION); /* XGETBV */
    assert_int_equal(cpu->regs[REGISTER_EAX], 3);
    cpu->regs[REGISTER_ECX] = 1;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x01, 0xd0), EXCEPTION_GP);
    /* Without XCR0.AVX there is no AVX. */
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x57, 0xc0), EXCEPTION_UD);
}

static void test_control_bits(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    cpu->cr0 |= CR0_TS;
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xe8), EXCEPTION_NM);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x77), EXCEPTION_NM);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x57, 0xc0), EXCEPTION_NM);
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x57, 0xc0), EXCEPTION_NM);
    assert_int_equal(FPU_RUN(&world, 0x9b), EXCEPTION_NM);
    cpu->cr0 &= ~(uint32_t)CR0_MP;
    assert_int_equal(FPU_RUN(&world, 0x9b), NO_EXCEPTION);
    cpu->cr0 = (cpu->cr0 & ~(uint32_t)CR0_TS) | CR0_EM;
    assert_int_equal(FPU_RUN(&world, 0xd9, 0xe8), EXCEPTION_NM);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x77), EXCEPTION_UD);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x57, 0xc0), EXCEPTION_UD);
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x57, 0xc0), NO_EXCEPTION);
    cpu->cr0 &= ~(uint32_t)CR0_EM;
    cpu->cr4 &= ~(uint32_t)CR4_OSFXSR;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x57, 0xc0), EXCEPTION_UD);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x1f), EXCEPTION_UD); /* STMXCSR */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x77), NO_EXCEPTION);
}

static void test_mxcsr(void **state)
{
    (void)state;
    put32(0, 0x10000);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x17), EXCEPTION_GP); /* LDMXCSR */
    put32(0, 0x1f00); /* invalid unmasked */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x17), NO_EXCEPTION);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xae, 0x1f), NO_EXCEPTION);
    assert_int_equal(get32(0), 0x1f00);
    put32(0, 0x7fa00000); /* a signalling NaN */
    world.cpu->cr4 &= ~(uint32_t)CR4_OSXMMEXCPT;
    assert_int_equal(FPU_RUN(&world, 0xf3, 0x0f, 0x58, 0x07), EXCEPTION_UD); /* ADDSS */
    world.cpu->cr4 |= CR4_OSXMMEXCPT;
    world.cpu->regs[REGISTER_EAX] = 42;
    assert_int_equal(FPU_RUN(&world, 0xf3, 0x0f, 0x2d, 0x07), EXCEPTION_XM);
    assert_int_equal(world.cpu->regs[REGISTER_EAX], 42); /* CVTSS2SI has not written */
    assert_int_equal(fpu_mxcsr(world.cpu), 0x1f01);
}

static void test_alignment(void **state)
{
    (void)state;
    world.cpu->regs[REGISTER_EDI] = DATA + 8;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x28, 0x07), EXCEPTION_GP); /* MOVAPS */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x29, 0x07), EXCEPTION_GP);
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x10, 0x07), NO_EXCEPTION); /* MOVUPS */
    assert_int_equal(FPU_RUN(&world, 0x0f, 0x58, 0x07), EXCEPTION_GP); /* ADDPS */
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x58, 0x07), NO_EXCEPTION);
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x28, 0x07), EXCEPTION_GP);
    world.cpu->regs[REGISTER_EDI] = DATA + 16;
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xf8, 0x28, 0x07), NO_EXCEPTION);
    assert_int_equal(FPU_RUN(&world, 0xc5, 0xfc, 0x28, 0x07), EXCEPTION_GP);
}

/* DS ends 16 bytes behind EDI. */
static void limit_data(void)
{
    struct segment *ds = &world.cpu->segments[SEGMENT_DS];
    ds->limit = DATA + 15;
    segment_update(ds);
}

static void put_ymm(unsigned number, const uint32_t *values)
{
    memcpy(world.cpu->fpu.area + FPU_AREA_XMM + 16 * number, values, 16);
    memcpy(world.cpu->fpu.area + FPU_AREA_YMM_HIGH + 16 * number, values + 4, 16);
}

static void get_ymm(unsigned number, uint32_t *values)
{
    memcpy(values, world.cpu->fpu.area + FPU_AREA_XMM + 16 * number, 16);
    memcpy(values + 4, world.cpu->fpu.area + FPU_AREA_YMM_HIGH + 16 * number, 16);
}

#define ON 0x80000000U

static void test_masked_moves(void **state)
{
    (void)state;
    uint32_t values[8];
    for (uint32_t i = 0; i < 8; i++) {
        put32(4 * i, i + 1);
    }
    limit_data();
    put_ymm(1, (const uint32_t[8]){ON, 0, ON, 0});
    /* VMASKMOVPS ymm2, ymm1, [EDI]: beyond the limit nothing is selected. */
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe2, 0x75, 0x2c, 0x17), NO_EXCEPTION);
    get_ymm(2, values);
    assert_memory_equal(values, ((const uint32_t[8]){1, 0, 3}), 32);
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe2, 0x75, 0x2e, 0x07), NO_EXCEPTION);
    assert_int_equal(get32(0), 0);
    assert_int_equal(get32(4), 2);
    assert_int_equal(get32(8), 0);
    /* An element that is selected there faults, and nothing is stored. */
    put_ymm(1, (const uint32_t[8]){0, ON, 0, 0, ON});
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe2, 0x75, 0x2e, 0x07), EXCEPTION_GP);
    assert_int_equal(get32(4), 2);
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe2, 0x75, 0x2c, 0x17), EXCEPTION_GP);
    get_ymm(2, values);
    assert_int_equal(values[2], 3);
}

static void test_masked_bytes(void **state)
{
    (void)state;
    limit_data();
    put32(0, 0x04030201);
    put_ymm(0, (const uint32_t[8]){0x44332211, 0x88776655});
    put_ymm(1, (const uint32_t[8]){0x80008000});
    /* MASKMOVDQU xmm0, xmm1 */
    assert_int_equal(FPU_RUN(&world, 0x66, 0x0f, 0xf7, 0xc1), NO_EXCEPTION);
    assert_int_equal(get32(0), 0x44032201);
    world.cpu->regs[REGISTER_EDI]++;
    assert_int_equal(FPU_RUN(&world, 0x66, 0x0f, 0xf7, 0xc1), EXCEPTION_GP);
    assert_int_equal(get32(0), 0x44032201);
}

static void test_gather_progress(void **state)
{
    (void)state;
    uint32_t values[8];
    for (uint32_t i = 0; i < 8; i++) {
        put32(4 * i, 100 + i);
    }
    limit_data();
    put_ymm(0, (const uint32_t[8]){1, 2, 3, 4, 5, 6, 7, 8});
    put_ymm(1, (const uint32_t[8]){ON, 0, ON, ON, ON, ON, ON, ON});
    put_ymm(2, (const uint32_t[8]){3, 99, 1, 9, 0, 0, 0, 0});
    /* VPGATHERDD ymm0, [EDI + ymm2 * 4], ymm1: element 3 faults. */
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe2, 0x75, 0x90, 0x04, 0x97), EXCEPTION_GP);
    get_ymm(0, values);
    assert_memory_equal(values, ((const uint32_t[8]){103, 2, 101, 4, 5, 6, 7, 8}), 32);
    get_ymm(1, values);
    assert_memory_equal(values, ((const uint32_t[8]){0, 0, 0, ON, ON, ON, ON, ON}), 32);
    put_ymm(2, (const uint32_t[8]){99, 99, 99, 2, 0, 0, 0, 0});
    assert_int_equal(fpu_world_again(&world), NO_EXCEPTION);
    get_ymm(0, values);
    assert_memory_equal(
        values, ((const uint32_t[8]){103, 2, 101, 102, 100, 100, 100, 100}), 32);
    get_ymm(1, values);
    assert_memory_equal(values, ((const uint32_t[8]){0}), 32);
}

/* More forms than there is room for: those that were made first are made again. */
static void test_many_forms(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    put_ymm(1, (const uint32_t[8]){10, 11, 12, 13});
    assert_int_equal(FPU_RUN(&world, 0x66, 0x0f, 0x70, 0xc1, 0x1b), NO_EXCEPTION);
    struct instruction first = world.instruction;
    for (unsigned modrm = 0xc0; modrm < 0x100; modrm++) {
        for (unsigned order = 0; order < 256; order++) {
            const uint8_t pshufd[] = {0x66, 0x0f, 0x70, (uint8_t)modrm, (uint8_t)order};
            const uint8_t pshufhw[] = {0xf3, 0x0f, 0x70, (uint8_t)modrm,
                                       (uint8_t)order};
            assert_int_equal(fpu_world_run(&world, pshufd, 5), NO_EXCEPTION);
            assert_int_equal(fpu_world_run(&world, pshufhw, 5), NO_EXCEPTION);
        }
    }
    put_ymm(1, (const uint32_t[8]){10, 11, 12, 13});
    uint32_t stub = first.stub;
    world.instruction = first;
    assert_int_equal(fpu_world_again(&world), NO_EXCEPTION);
    assert_int_not_equal(world.instruction.stub, stub);
    assert_int_equal(fpu_area_get32(cpu, FPU_AREA_XMM), 13);
    assert_int_equal(fpu_area_get32(cpu, FPU_AREA_XMM + 12), 10);
}

/* In 32-bit mode VEX.W does not make VMOVD 64 bits wide. */
static void test_vex_w_ignored(void **state)
{
    (void)state;
    put32(0, 0x11111111);
    put32(4, 0x22222222);
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe1, 0xf9, 0x6e, 0x07), NO_EXCEPTION);
    assert_int_equal(fpu_area_get64(world.cpu, FPU_AREA_XMM), 0x11111111);
    world.cpu->regs[REGISTER_ECX] = 0x80000000U;
    /* VCVTSI2SD xmm0, xmm0, ecx */
    assert_int_equal(FPU_RUN(&world, 0xc4, 0xe1, 0xfb, 0x2a, 0xc1), NO_EXCEPTION);
    assert_int_equal(fpu_area_get64(world.cpu, FPU_AREA_XMM), 0xc1e0000000000000);
}

static void test_cpuid(void **state)
{
    (void)state;
    struct cpu *cpu = world.cpu;
    struct cpuid_result leaf = cpuid_leaf(cpu, 1, 0);
    assert_int_equal(leaf.eax, cpuid_signature());
    assert_true(leaf.edx & 1);
    assert_false(leaf.edx & 1 << 9);   /* no local APIC */
    assert_false(leaf.ecx & 1U << 31); /* no hypervisor */
    assert_true(leaf.ecx & 1 << 27);   /* OSXSAVE */
    cpu->cr4 &= ~(uint32_t)CR4_OSXSAVE;
    assert_false(cpuid_leaf(cpu, 1, 0).ecx & 1 << 27);
    assert_false(cpuid_leaf(cpu, 0x80000001, 0).edx & 1 << 29); /* no long mode */
    assert_int_equal(cpuid_leaf(cpu, 0x80000008, 0).eax & 0xff, 36);
    leaf = cpuid_leaf(cpu, 0xd, 0);
    assert_int_equal(leaf.eax, cpu->cpuid.host_xsave_mask);
    assert_true(leaf.ebx <= leaf.ecx && leaf.ecx <= XSAVE_AREA_BYTES);
    cpu->regs[REGISTER_EAX] = 0;
    assert_int_equal(FPU_RUN(&world, 0x0f, 0xa2), NO_EXCEPTION);
    assert_int_equal(cpu->regs[REGISTER_EAX], 0xd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_x87_exception_waits),
        TEST(test_x87_exception_by_ferr),
        TEST(test_x87_store_suppressed),
        TEST(test_environment_protected),
        TEST(test_environment_real),
        TEST(test_save_restore),
        TEST(test_fxsave),
        TEST(test_xsave),
        TEST(test_xsetbv),
        TEST(test_control_bits),
        TEST(test_mxcsr),
        TEST(test_alignment),
        TEST(test_masked_moves),
        TEST(test_masked_bytes),
        TEST(test_gather_progress),
        TEST(test_many_forms),
        TEST(test_vex_w_ignored),
        TEST(test_cpuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
