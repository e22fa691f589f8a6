/* The engine's corners: halting, the stack outside protected mode, code in memory that
 * is not RAM, and state that must not depend on the host. */
#include "cpu/core/debugger.h"
#include "cpu/mmu/access.h"
#include "cpu/mmu/views.h"
#include "cpu_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum {
    RAM_BYTES = 4 << 20,
    CODE = 0x100000,    /* linear and physical */
    VIDEO = 0x10000000, /* physical; plain memory outside RAM */
};

static struct cpu_fixture fixture;
static uint8_t video[PAGE_BYTES];

static int setup_real(void **state)
{
    struct error error;
    (void)state;
    if (!cpu_fixture_create(&fixture, RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    return 0;
}

static int setup_ring(void **state, unsigned cpl)
{
    if (setup_real(state) != 0) {
        return -1;
    }
    cpu_fixture_protected_mode(&fixture, cpl);
    for (uint32_t page = 0; page < 2; page++) {
        uint32_t address = CODE + page * PAGE_BYTES;
        cpu_fixture_map(&fixture, address, address, true, true);
    }
    fixture.cpu->eip = CODE;
    fixture.cpu->regs[REGISTER_ESP] = FIXTURE_STACK_TOP;
    return 0;
}

static int setup_protected(void **state)
{
    return setup_ring(state, 0);
}

static int setup_user(void **state)
{
    return setup_ring(state, 3);
}

static int teardown(void **state)
{
    (void)state;
    cpu_fixture_destroy(&fixture);
    return 0;
}

static void run_to_halt(uint32_t eip)
{
    fixture.cpu->eip = eip;
    fixture.cpu->halted = false;
    assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_HALT);
}

/* The trap after a single-stepped HLT wakes the CPU (SDM vol. 2, HLT). */
static void test_trap_wakes_halted_cpu(void **state)
{
    (void)state;
    struct cpu_fixture_exception exception;
    cpu_fixture_store(&fixture, CODE, "\xf4", 1);
    fixture.cpu->system_flags |= EFLAGS_TF;
    run_to_halt(CODE);
    assert_int_equal(fixture.cpu->eip, FIXTURE_HANDLERS + 2 * EXCEPTION_DB + 1);
    assert_true(cpu_fixture_exception(&fixture, &exception));
    assert_int_equal(exception.vector, EXCEPTION_DB);
    assert_int_equal(exception.eip, CODE + 1);
}

/* A debugger stops the run before a breakpoint, and after what is watched; what it has
 * stopped at does not stop the run again. */
static void test_debugger(void **state)
{
    (void)state;
    enum { DATA = CODE + PAGE_BYTES };
    static const uint8_t code[] = {
        0x41,                               /* 0: inc ecx */
        0x41,                               /* 1: inc ecx */
        0xff, 0x05, 0x00, 0x10, 0x10, 0x00, /* 2: inc dword [DATA] */
        0x8b, 0x05, 0x00, 0x10, 0x10, 0x00, /* 8: mov eax, [DATA] */
        0xeb, 0xf0,                         /* 14: jmp 0 */
    };
    static struct debugger debugger;
    const struct debugger_point at_1 = {.kind = DEBUGGER_EXECUTE, .address = CODE + 1};
    const struct debugger_point reads = {
        .kind = DEBUGGER_READ, .address = DATA + 3, .bytes = 1};
    struct cpu *cpu = fixture.cpu;
    cpu_fixture_store(&fixture, CODE, code, sizeof(code));
    cpu->regs[REGISTER_ECX] = 0;
    assert_int_equal(cpu_fixture_run(&fixture, 500), CPU_EXIT_BUDGET); /* 100 rounds */
    cpu->debugger = &debugger;
    assert_true(debugger_add(&debugger, &at_1));
    for (uint32_t i = 1; i <= 3; i++) {
        debugger_let_go(&debugger, false);
        assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_DEBUG);
        assert_int_equal(cpu->eip, CODE + 1);
        assert_int_equal(cpu->regs[REGISTER_ECX], 199 + 2 * i);
        assert_ptr_equal(debugger.met, &debugger.points[0]);
    }
    debugger_let_go(&debugger, true);
    assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_DEBUG);
    assert_int_equal(cpu->eip, CODE + 2);
    assert_null(debugger.met);
    assert_true(debugger_remove(&debugger, &at_1));
    assert_false(debugger_remove(&debugger, &at_1));
    assert_true(debugger_add(&debugger, &reads));
    cpu_request(cpu, CPU_REQUEST_FLUSH);
    for (unsigned i = 0; i < 2; i++) { /* an INC reads, too */
        debugger_let_go(&debugger, false);
        assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_DEBUG);
        assert_int_equal(cpu->eip, CODE + (i ? 14 : 8));
        assert_non_null(debugger.met);
    }
    cpu->debugger = NULL;
    assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_BUDGET);
}

/* SS.B outlives protected mode, as the limits do: ESP counts in whole. */
static void test_big_stack_in_real_mode(void **state)
{
    (void)state;
    enum { SEGMENT = 0x100, TOP = 0x20000 };
    struct cpu *cpu = fixture.cpu;
    struct segment *stack = &cpu->segments[SEGMENT_SS];
    cpu_fixture_load_segment(&fixture, SEGMENT_CS, SEGMENT);
    stack->access |= SEGMENT_BIG | SEGMENT_GRANULAR;
    stack->limit = UINT32_MAX;
    segment_update(stack);
    cpu_update_mode(cpu);
    cpu->regs[REGISTER_EAX] = 0x1234;
    cpu->regs[REGISTER_ESP] = TOP;
    cpu_fixture_store(&fixture, SEGMENT * 16, "\x50\xf4", 2); /* push ax; hlt */
    run_to_halt(0);
    assert_int_equal(cpu->regs[REGISTER_ESP], TOP - 2);
    assert_int_equal(*cpu_fixture_ram(&fixture, TOP - 2), 0x34);
    assert_int_equal(*cpu_fixture_ram(&fixture, TOP - 1), 0x12);
}

/* Nobody watches writes to video memory: code there is decoded anew each time. */
static void test_code_in_video_memory(void **state)
{
    (void)state;
    struct cpu *cpu = fixture.cpu;
    memory_add(&fixture.memory, &(struct memory_region){.name = "video",
                                                        .start = VIDEO,
                                                        .bytes = sizeof(video),
                                                        .priority = MEMORY_PRIORITY_PCI,
                                                        .read = video,
                                                        .write = video});
    cpu_fixture_map(&fixture, VIDEO, VIDEO, true, true);
    memcpy(video, "\xb0\x01\xf4", 3); /* mov al, 1; hlt */
    cpu->regs[REGISTER_EAX] = 0;
    run_to_halt(VIDEO);
    assert_int_equal(cpu->regs[REGISTER_EAX], 1);
    supervisor_write8(cpu, VIDEO + 1, 2);
    run_to_halt(VIDEO);
    assert_int_equal(cpu->regs[REGISTER_EAX], 2);
}

/* The host's x87 notes where its last instruction and operand were: addresses of this
 * process, which are no part of the guest's state. */
static void test_no_host_pointers_in_state(void **state)
{
    (void)state;
    static const uint8_t none[FPU_AREA_MXCSR - FPU_AREA_OPCODE];
    struct cpu *cpu = fixture.cpu;
    /* fninit; fldpi; fstp qword [CODE + 0x100]; hlt */
    static const char code[] = "\xdb\xe3\xd9\xeb\xdd\x1d\x00\x01\x10\x00\xf4";
    cpu_fixture_store(&fixture, CODE, code, sizeof(code) - 1);
    run_to_halt(CODE);
    assert_false(cpu->fpu.live);
    assert_memory_equal(cpu->fpu.area + FPU_AREA_OPCODE, none, sizeof(none));
    assert_memory_equal(cpu->fpu.area + FPU_AREA_MXCSR_MASK, none, 4);
}

static void kick(void *opaque, uint64_t offset, uint32_t value, unsigned width)
{
    (void)offset, (void)value, (void)width;
    cpu_kick(opaque);
}

/* What a device asks for is seen before the next instruction, whichever instruction
 * wrote to it. */
static void test_devices_are_heard_at_once(void **state)
{
    (void)state;
    enum { REGISTERS = 0x20000000 };
    static const struct memory_ops ops = {.write = kick, .widths = 1 | 2 | 4};
    static const struct {
        const char *code;
        uint32_t length;
    } stores[] = {
        {"\xa2\x00\x00\x00\x20\x90\xf4", 5},         /* mov [moffs], al; nop; hlt */
        {"\xa3\x00\x00\x00\x20\x90\xf4", 5},         /* mov [moffs], eax */
        {"\x89\x05\x00\x00\x00\x20\x90\xf4", 6},     /* mov [disp], eax */
        {"\x0f\xc3\x05\x00\x00\x00\x20\x90\xf4", 7}, /* movnti [disp], eax */
    };
    struct cpu *cpu = fixture.cpu;
    memory_add(&fixture.memory, &(struct memory_region){.name = "registers",
                                                        .start = REGISTERS,
                                                        .bytes = PAGE_BYTES,
                                                        .priority = MEMORY_PRIORITY_PCI,
                                                        .ops = &ops,
                                                        .opaque = cpu});
    cpu_fixture_map(&fixture, REGISTERS, REGISTERS, true, true);
    for (unsigned i = 0; i < ARRAY_LENGTH(stores); i++) {
        cpu_fixture_store(&fixture, CODE, stores[i].code, stores[i].length + 2);
        cpu->eip = CODE;
        assert_int_equal(cpu_fixture_run(&fixture, 1000), CPU_EXIT_KICK);
        assert_int_equal(cpu->eip, CODE + stores[i].length);
    }
}

/* The MMU's generations start again after 2^32 flushes; what a jump cache noted in the
 * first of them is long gone then. */
static void test_generations_start_again(void **state)
{
    (void)state;
    struct mmu *mmu = fixture.cpu->mmu;
    fixture.cpu->regs[REGISTER_EAX] = 0;
    cpu_fixture_store(&fixture, CODE, "\xb0\x01\xf4", 3); /* mov al, 1; hlt */
    cpu_fixture_store(&fixture, CODE + PAGE_BYTES, "\xb0\x02\xf4", 3);
    run_to_halt(CODE);
    uint32_t first = mmu->generation;
    mmu->generation += 1U << 31;
    mmu_flush_all(fixture.cpu);
    run_to_halt(CODE + PAGE_BYTES);
    cpu_fixture_map(&fixture, CODE, CODE + PAGE_BYTES, true, true);
    mmu->generation = first - 1;
    mmu_flush_all(fixture.cpu);
    assert_int_equal(mmu->generation, first);
    run_to_halt(CODE);
    assert_int_equal(fixture.cpu->regs[REGISTER_EAX], 2);
}

/* A 4 GiB segment has no end, be it of conforming code. */
static void test_operand_wraps_at_4_gib(void **state)
{
    (void)state;
    struct cpu *cpu = fixture.cpu;
    cpu_fixture_map(&fixture, 0xfffff000, CODE + PAGE_BYTES, true, true);
    cpu_fixture_map(&fixture, 0, CODE + PAGE_BYTES, true, true);
    cpu_fixture_store(&fixture, CODE + PAGE_BYTES + 0xffe, "\x11\x22", 2);
    cpu_fixture_store(&fixture, CODE + PAGE_BYTES, "\x33\x44", 2);
    /* mov eax, cs:[0xfffffffe]; hlt */
    cpu_fixture_store(&fixture, CODE, "\x2e\xa1\xfe\xff\xff\xff\xf4", 7);
    for (unsigned conforming = 0; conforming < 2; conforming++) {
        struct segment *code = &cpu->segments[SEGMENT_CS];
        code->access |= conforming ? SEGMENT_CONFORMING : 0;
        segment_update(code);
        cpu->regs[REGISTER_EAX] = 0;
        run_to_halt(CODE);
        assert_int_equal(cpu->eip, CODE + 7);
        assert_int_equal(cpu->regs[REGISTER_EAX], 0x44332211);
    }
}

/* A program that runs wild through zeros (add [eax], al), where EAX leads to nothing:
 * each instruction is a new one that only the interpreter can make. It is exact, and
 * not each of them traps. */
static void test_runs_wild(void **state)
{
    enum { PAGES = 16, PIECE = 1000, NOWHERE = 0x20000000, FEW = 400 };
    (void)state;
    struct cpu *cpu = fixture.cpu;
    for (uint32_t page = 0; page < PAGES; page++) {
        uint32_t address = CODE + page * PAGE_BYTES;
        cpu_fixture_map(&fixture, address, address, true, true);
    }
    cpu_fixture_map(&fixture, CODE - PAGE_BYTES, NOWHERE, true, true);
    for (unsigned round = 0; round < 2; round++) {
        cpu->eip = CODE;
        cpu->regs[REGISTER_EAX] = CODE - PAGE_BYTES + 8;
        for (uint32_t i = 1; i < PAGES * PAGE_BYTES / 2 / PIECE; i++) {
            uint64_t before = cpu->retired;
            assert_int_equal(cpu_fixture_run(&fixture, PIECE), CPU_EXIT_BUDGET);
            assert_int_equal(cpu->retired, before + PIECE);
            assert_int_equal(cpu->eip, CODE + 2 * i * PIECE);
        }
    }
    assert_true(!cpu->views || views_statistics(cpu)->soft < FEW);
}

/* Nothing can be reached through a null segment, not even at base 0. */
static void test_null_segments(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        uint32_t fault; /* offset of the instruction that faults */
    } cases[] = {
        {"\x31\xc0\x8e\xe0\x64\x8a\x1d\x00\x00\x10\x00", 4}, /* mov bl, fs:[CODE] */
        {"\x31\xc0\x8e\xe8\x65\x88\x1d\x00\x00\x10\x00", 4}, /* mov gs:[CODE], bl */
        {"\x31\xc0\x8e\xc0\x26\x8a\x1d\x00\x00\x10\x00", 4}, /* mov bl, es:[CODE] */
        {"\x31\xc0\x8e\xd8\x8a\x1d\x00\x00\x10\x00\x90", 4}, /* mov bl, [CODE] */
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct cpu_fixture_exception exception;
        cpu_fixture_store(&fixture, CODE, cases[i].code, 11);
        fixture.cpu->regs[REGISTER_ESP] = FIXTURE_STACK_TOP;
        run_to_halt(CODE);
        assert_true(cpu_fixture_exception(&fixture, &exception));
        assert_int_equal(exception.vector, EXCEPTION_GP);
        assert_int_equal(exception.eip, CODE + cases[i].fault);
    }
}

/* Its next iteration is fetched again: a run is the same when it is cut in between. */
static void test_repeated_string_overwrites_itself(void **state)
{
    (void)state;
    struct cpu *cpu = fixture.cpu;
    static const struct {
        const char *code;
        uint32_t first; /* byte that is overwritten */
        uint32_t edi, end;
    } cases[] = {
        /* rep stosb: the prefix becomes NOP, then comes STOSB. */
        {"\xf3\xaa\xf4\xf4", CODE, CODE + 2, CODE + 3},
        /* rep insb, of ones: it becomes PUSH ESP. */
        {"\xf3\x6c\xf4\xf4", CODE + 1, CODE + 2, CODE + 4},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        cpu_fixture_store(&fixture, CODE, cases[i].code, 4);
        cpu->regs[REGISTER_EAX] = 0x90;
        cpu->regs[REGISTER_ECX] = 100;
        cpu->regs[REGISTER_EDI] = cases[i].first;
        run_to_halt(CODE);
        assert_int_equal(cpu->eip, cases[i].end);
        assert_int_equal(cpu->regs[REGISTER_ECX], 99);
        assert_int_equal(cpu->regs[REGISTER_EDI], cases[i].edi);
    }
}

/* The first iteration is in STI's shadow; the others are as they always are. */
static void test_repeated_string_behind_sti(void **state)
{
    enum { BUDGET = 10 };
    (void)state;
    struct cpu *cpu = fixture.cpu;
    cpu_fixture_store(&fixture, CODE, "\xfb\xf3\xaa\xf4", 4); /* sti; rep stosb; hlt */
    cpu->regs[REGISTER_ECX] = 100;
    cpu->regs[REGISTER_EDI] = CODE + PAGE_BYTES;
    assert_int_equal(cpu_fixture_run(&fixture, BUDGET), CPU_EXIT_BUDGET);
    assert_int_equal(cpu->eip, CODE + 1);
    assert_int_equal(cpu->regs[REGISTER_ECX], 100 - BUDGET + 1);
    assert_false(cpu->system_flags & EFLAGS_RF);
}

/* A handler that consists of the exception it handles: nothing is ever executed, and
 * yet the run ends. */
static void test_faulting_handler_uses_up_the_budget(void **state)
{
    enum { BUDGET = 100 };
    (void)state;
    gla_t handler = FIXTURE_HANDLERS + 2 * EXCEPTION_UD;
    cpu_fixture_store(&fixture, cpu_fixture_table_address(handler), "\x0f\x0b", 2);
    cpu_fixture_store(&fixture, CODE, "\x0f\x0b", 2);
    uint64_t before = fixture.cpu->retired;
    assert_int_equal(cpu_fixture_run(&fixture, BUDGET), CPU_EXIT_BUDGET);
    assert_int_equal(fixture.cpu->retired, before + BUDGET);
    assert_int_equal(fixture.cpu->eip, handler);
}

static void kick_on_alarm(int signal_number)
{
    (void)signal_number;
    cpu_kick(fixture.cpu);
}

/* An alignment check whose handler's stack is misaligned, too: it is never delivered.
 */
static void test_delivery_that_faults_uses_up_the_budget(void **state)
{
    enum { BUDGET = 100 };
    (void)state;
    struct cpu *cpu = fixture.cpu;
    gpa_t gate = cpu_fixture_table_address(FIXTURE_IDT) + 8 * EXCEPTION_AC;
    *cpu_fixture_ram(&fixture, gate + 2) = FIXTURE_USER_CS;
    cpu->cr0 |= CR0_AM;
    cpu_set_eflags(cpu, EFLAGS_AC);
    cpu_update_mode(cpu);
    cpu->regs[REGISTER_ESP] = CODE + PAGE_BYTES + 0x101;
    cpu_fixture_store(&fixture, CODE, "\x50", 1); /* push eax */
    for (unsigned run = 0; run < 3; run++) {
        uint64_t before = cpu->retired;
        assert_int_equal(cpu_fixture_run(&fixture, BUDGET), CPU_EXIT_BUDGET);
        assert_int_equal(cpu->retired, before + BUDGET);
        assert_int_equal(cpu->eip, CODE);
    }
    (void)signal(SIGALRM, kick_on_alarm);
    alarm(1);
    assert_int_equal(cpu_fixture_run(&fixture, UINT64_MAX), CPU_EXIT_KICK);
    cpu->regs[REGISTER_ESP] &= ~(uint32_t)3;
    assert_int_equal(cpu_fixture_run(&fixture, 1), CPU_EXIT_BUDGET);
    assert_int_equal(cpu->eip, CODE + 1);
}

/* Another thread, until it is told to end: at random moments, `disturb`. */
struct disturber {
    struct cpu *cpu;
    void (*disturb)(struct cpu *cpu);
    unsigned pause; /* at most, in steps of PAUSE */
    atomic_bool end;
    pthread_t thread;
};

static void *run_disturber(void *opaque)
{
    struct disturber *disturber = opaque;
    unsigned random = 1;
    while (!atomic_load(&disturber->end)) {
        random = random * 1103515245 + 12345;
        for (unsigned i = 0; i < (random >> 16) % disturber->pause; i++) {
            __asm__ volatile("pause");
        }
        disturber->disturb(disturber->cpu);
    }
    return NULL;
}

static void disturber_start(struct disturber *disturber)
{
    atomic_store(&disturber->end, false);
    assert_int_equal(pthread_create(&disturber->thread, NULL, run_disturber, disturber),
                     0);
}

static void disturber_stop(struct disturber *disturber)
{
    atomic_store(&disturber->end, true);
    pthread_join(disturber->thread, NULL);
}

/* User code that never ends is stopped by kicks when time is not counted, each time
 * between two instructions and with all that it has done accounted for. */
static void test_kicks_while_running_freely(void **state)
{
    enum { KICKS = 3000, DATA = CODE + PAGE_BYTES };
    static const char code[] = "\x40"                     /* 0: inc eax */
                               "\x50"                     /* 1: push eax */
                               "\x5b"                     /* 2: pop ebx */
                               "\x89\x1d\x00\x11\x10\x00" /* 3: mov [1100h], ebx */
                               "\xe8\x00\x00\x00\x00"     /* 9: call 14 */
                               "\x83\xc4\x04"             /* 14: add esp, 4 */
                               "\xba\x10\x00\x00\x00"     /* 17: mov edx, 16 */
                               "\x4a"                     /* 22: dec edx */
                               "\x75\xfd"                 /* 23: jnz 22 */
                               "\xeb\xe5";                /* 25: jmp 0 */
    /* Instructions of a round before the one at this place, but for the inner loop. */
    static const int before[] = {[0] = 0,  [1] = 1,  [2] = 2,  [3] = 3,  [9] = 4,
                                 [14] = 5, [17] = 6, [22] = 7, [23] = 8, [25] = 39};
    (void)state;
    struct cpu *cpu = fixture.cpu;
    struct disturber disturber = {.cpu = cpu, .disturb = cpu_kick, .pause = 4096};
    uint64_t start = cpu->retired;
    cpu_fixture_store(&fixture, CODE, code, sizeof(code));
    cpu->regs[REGISTER_EAX] = 0;
    cpu->regs[REGISTER_ESP] = DATA + 0x800;
    cpu->free_running = true;
    disturber_start(&disturber);
    for (unsigned i = 0; i < KICKS; i++) {
        assert_int_equal(cpu_fixture_run(&fixture, UINT64_MAX), CPU_EXIT_KICK);
        unsigned place = cpu->eip - CODE;
        assert_true(place < sizeof(code));
        uint64_t in_round = (uint64_t)before[place];
        if (place == 22 || place == 23) {
            in_round += 2 * (16 - cpu->regs[REGISTER_EDX]);
            in_round -= place == 23 ? 2 : 0;
        }
        uint64_t rounds = cpu->regs[REGISTER_EAX] - (place != 0);
        assert_int_equal(cpu->retired - start, rounds * 40 + in_round);
        assert_int_equal(cpu->regs[REGISTER_EBX], rounds + (place > 2));
        assert_int_equal(*(uint32_t *)(void *)cpu_fixture_ram(&fixture, DATA + 0x100),
                         rounds + (place > 3));
        bool pushed = place == 2 || place == 14;
        assert_int_equal(cpu->regs[REGISTER_ESP], DATA + 0x800 - (pushed ? 4 : 0));
    }
    disturber_stop(&disturber);
    cpu->free_running = false;
}

/* The same for instructions that engines may have a shorter way for than others that
 * they cannot do themselves: nothing but these is in the loop. */
static void test_kicks_at_simple_system_instructions(void **state)
{
    enum { KICKS = 3000 };
    static const uint64_t READ_TIME = 0x123456789ab;
    static const char code[] = "\x46"      /* 0: inc esi */
                               "\x8e\xe1"  /* 1: mov fs, ecx */
                               "\x0f\x31"  /* 3: rdtsc */
                               "\x89\xf3"  /* 5: mov ebx, esi */
                               "\xeb\xf7"; /* 7: jmp 0 */
    static const int before[] = {[0] = 0, [1] = 1, [3] = 2, [5] = 3, [7] = 4};
    (void)state;
    struct cpu *cpu = fixture.cpu;
    struct disturber disturber = {.cpu = cpu, .disturb = cpu_kick, .pause = 1024};
    uint64_t start = cpu->retired;
    cpu_fixture_store(&fixture, CODE, code, sizeof(code));
    cpu->regs[REGISTER_ESI] = cpu->regs[REGISTER_EBX] = 0;
    cpu->regs[REGISTER_EAX] = cpu->regs[REGISTER_EDX] = 0;
    cpu->regs[REGISTER_ECX] = 3;
    clock_step_ns(&fixture.clock, READ_TIME);
    cpu->free_running = true;
    disturber_start(&disturber);
    for (unsigned i = 0; i < KICKS; i++) {
        assert_int_equal(cpu_fixture_run(&fixture, UINT64_MAX), CPU_EXIT_KICK);
        unsigned place = cpu->eip - CODE;
        assert_true(place < sizeof(code));
        uint64_t rounds = cpu->regs[REGISTER_ESI] - (place != 0);
        assert_int_equal(cpu->retired - start, rounds * 5 + (uint64_t)before[place]);
        assert_int_equal(cpu->regs[REGISTER_EBX], rounds + (place > 5));
        assert_int_equal(cpu->regs[REGISTER_ECX], 3);
        if (rounds || place > 1) {
            assert_int_equal(cpu->segments[SEGMENT_FS].selector, 3);
        }
        assert_int_equal(cpu->regs[REGISTER_EDX],
                         rounds || place > 3 ? READ_TIME >> 32 : 0);
        assert_int_equal(cpu->regs[REGISTER_EAX],
                         rounds || place > 3 ? (uint32_t)READ_TIME : 0);
    }
    disturber_stop(&disturber);
    cpu->free_running = false;
}

enum { WORK = CODE + PAGE_BYTES, READ_TIMER_VECTOR = 0x20 };

/* What an interrupt asks for, as a handler of the guest would note it. */
static uint8_t take_work(void *opaque)
{
    uint32_t *work = (uint32_t *)(void *)cpu_fixture_ram(opaque, WORK);
    cpu_set_interrupt_line(((struct cpu_fixture *)opaque)->cpu, false);
    ++*work;
    return READ_TIMER_VECTOR;
}

static void raise_line(struct cpu *cpu)
{
    cpu_set_interrupt_line(cpu, true);
}

/* An idle loop must not lose an interrupt between its STI and its HLT. */
static void sleep_and_work(uint64_t budget, bool free_running)
{
    enum { ROUNDS = 20000 };
    static const char code[] = "\xfa"                             /* 0: cli */
                               "\x83\x3d\x00\x10\x10\x00\x00"     /* 1: cmp [WORK], 0 */
                               "\x75\x04"                         /* 8: jne 14 */
                               "\xfb\xf4"                         /* 10: sti; hlt */
                               "\xeb\xf2"                         /* 12: jmp 0 */
                               "\x9c\xff\x0d\x00\x10\x10\x00\x40" /* 14: pushf */
                               "\x81\x0c\x24\x00\x02\x00\x00"     /* 22: or [esp], IF */
                               "\x9d\xeb\xe0";                    /* 29: popf; jmp 0 */
    struct cpu *cpu = fixture.cpu;
    const uint32_t *work = (uint32_t *)(void *)cpu_fixture_ram(&fixture, WORK);
    struct disturber disturber = {.cpu = cpu, .disturb = raise_line, .pause = 256};
    cpu_fixture_store(&fixture, CODE, code, sizeof(code));
    cpu_fixture_return_from(&fixture, READ_TIMER_VECTOR);
    cpu->wiring.acknowledge_interrupt = take_work;
    cpu->wiring.opaque = &fixture;
    cpu->regs[REGISTER_EAX] = 0;
    cpu->free_running = free_running;
    disturber_start(&disturber);
    while (cpu->regs[REGISTER_EAX] < ROUNDS) {
        if (cpu_fixture_run(&fixture, budget) == CPU_EXIT_HALT) {
            assert_int_equal(*work, 0);
        }
        assert_int_equal(cpu->regs[REGISTER_ESP],
                         FIXTURE_STACK_TOP -
                             (cpu->eip - CODE > 14 && cpu->eip - CODE <= 29 ? 4 : 0));
    }
    disturber_stop(&disturber);
    cpu->free_running = false;
}

static void test_no_interrupt_between_sti_and_hlt(void **state)
{
    (void)state;
    sleep_and_work(UINT64_MAX, false);
    sleep_and_work(UINT64_MAX, true);
    sleep_and_work(7, false);
}

/* RDRAND goes on where it was when a saved state is loaded. */
static void test_random_numbers_are_state(void **state)
{
    (void)state;
    uint64_t before = state_hash(0, cpu_fields, fixture.cpu);
    fixture.cpu->random_state++;
    assert_int_not_equal(state_hash(0, cpu_fields, fixture.cpu), before);
}

#define TEST(function, setup) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        TEST(test_trap_wakes_halted_cpu, setup_protected),
        TEST(test_debugger, setup_protected),
        TEST(test_big_stack_in_real_mode, setup_real),
        TEST(test_code_in_video_memory, setup_protected),
        TEST(test_no_host_pointers_in_state, setup_protected),
        TEST(test_devices_are_heard_at_once, setup_protected),
        TEST(test_operand_wraps_at_4_gib, setup_protected),
        TEST(test_generations_start_again, setup_protected),
        TEST(test_runs_wild, setup_protected),
        TEST(test_null_segments, setup_protected),
        TEST(test_repeated_string_overwrites_itself, setup_protected),
        TEST(test_repeated_string_behind_sti, setup_protected),
        TEST(test_faulting_handler_uses_up_the_budget, setup_protected),
        TEST(test_delivery_that_faults_uses_up_the_budget, setup_user),
        TEST(test_kicks_while_running_freely, setup_user),
        TEST(test_kicks_at_simple_system_instructions, setup_user),
        TEST(test_no_interrupt_between_sti_and_hlt, setup_protected),
        TEST(test_random_numbers_are_state, setup_real),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
