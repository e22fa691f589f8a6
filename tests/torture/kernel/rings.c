/* Ring 3 and the kernel: system calls by both ways, handlers that change what they
 * return to, what ring 3 may not do. */
#include "threads.h"

enum {
    CALL_ADD = 1,    /* returns EBX + 1 */
    CALL_STORE = 2,  /* writes to user memory */
    CALL_MAP = 3,    /* maps another frame */
    CALL_SIGNAL = 4, /* goes to SIGNAL_TEXT instead of returning */
    CALL_RETURN = 5, /* back to where CALL_SIGNAL came from */
    CALLS = 400,
    DATA = WINDOW,
    SIGNAL_TEXT = USER_TEXT + PAGE_BYTES,
};

SNIPPET(by_interrupt, "mov %ecx, %esi; 1: mov $1, %eax; mov %esi, %ebx; int $0x80;"
                      "add %eax, %edi; dec %esi; jnz 1b");
SNIPPET(
    by_sysenter,
    "mov %ecx, %esi; 1: mov $1, %eax; mov %esi, %ebx; mov %esp, %ecx;"
    "lea 2f-by_sysenter(%ebp), %edx; sysenter; 2: add %eax, %edi; dec %esi; jnz 1b");
SNIPPET(by_both, "mov %ecx, %esi; 1: mov $1, %eax; mov %esi, %ebx; int $0x80;"
                 "add %eax, %edi; mov $2, %eax; mov $0x50000000, %ebx; mov %esp, %ecx;"
                 "lea 2f-by_both(%ebp), %edx; sysenter; 2: add 0x50000000, %edi;"
                 "mov $3, %eax; int $0x80; add 0x50000000, %edi; dec %esi; jnz 1b");
SNIPPET(read_there, "mov (%ebx), %eax");
SNIPPET(write_there, "mov %eax, (%ebx)");
SNIPPET(jump_there, "jmp *%ebx");
SNIPPET(call_and_read, "mov $1, %eax; int $0x80; mov (%ebx), %eax");
/* A loop that the kernel sends to a handler at each call, as signals do; the handler
 * comes back by the kernel. */
SNIPPET(signalled, "1: mov $4, %eax; int $0x80; add (%ebx), %edi; loop 1b");
SNIPPET(on_signal, "push %edi; incl (%ebx); xor %edi, %edi; call 1f; 1: pop %eax;"
                   "mov $5, %eax; int $0x80");

static struct {
    uint32_t frames[2], turn;
    struct trap interrupted;
} world;

static uint32_t call_kernel(uint32_t number, uint32_t argument)
{
    switch (number) {
    case CALL_STORE:
        *at(argument) += 3;
        return 0;
    case CALL_MAP:
        map(DATA, world.frames[++world.turn & 1] | USER_PAGE);
        return 0;
    default:
        return argument + 1;
    }
}

static bool interrupt_calls(struct trap *trap)
{
    if (trap->eax == CALL_SIGNAL) {
        world.interrupted = *trap;
        trap->eip = SIGNAL_TEXT;
        trap->esp -= 0x80;
        return true;
    }
    if (trap->eax == CALL_RETURN) {
        *trap = world.interrupted;
        return true;
    }
    trap->eax = call_kernel(trap->eax, trap->ebx);
    return true;
}

static void test_calls(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
    } kinds[] = {
        {"interrupt", by_interrupt}, {"sysenter", by_sysenter}, {"both", by_both}};
    handle(VECTOR_SYSCALL, interrupt_calls);
    handle_sysenter(call_kernel);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        world.turn = 0;
        fill(world.frames[0], 0, PAGE_BYTES);
        fill(world.frames[1], 0, PAGE_BYTES);
        map(DATA, world.frames[0] | USER_PAGE);
        struct context c = user(kinds[i].code);
        c.ecx = CALLS;
        c.ebp = USER_TEXT;
        go(kinds[i].name, &c);
        put(" edi %x esp %x memory %x %x", c.edi, c.esp, *at(world.frames[0]),
            *at(world.frames[1]));
    }
}

static void test_signals(void)
{
    copy(SIGNAL_TEXT, on_signal, (uint32_t)(on_signal_end - on_signal));
    map(DATA, world.frames[0] | USER_PAGE);
    fill(world.frames[0], 0, PAGE_BYTES);
    struct context c = user(signalled);
    c.ebx = DATA;
    c.ecx = CALLS;
    go("signals", &c);
    put(" edi %x esp %x memory %x", c.edi, c.esp, *at(DATA));
}

/* The kernel's pages stay closed, whatever the kernel has just done there. */
static void test_closed(void)
{
    static const uint32_t places[] = {
        0,          0x100000,           0x7fffff,
        ARENA,      TRAP_STACK_TOP - 4, TRAP_STACK_TOP - 64,
        FRAMES,     LARGE_FRAMES,       MEMORY_BYTES - 4,
        WINDOW - 4, 0xfffffffc};
    static const uint8_t *const codes[] = {read_there, write_there, jump_there,
                                           call_and_read};
    struct tally tally = {0};
    begin("closed");
    for (unsigned i = 0; i < 200; i++) {
        uint32_t place = places[i % (sizeof(places) / sizeof(places[0]))];
        struct context c = user(codes[i % 4]);
        c.ebx = place;
        if (place < MEMORY_BYTES) {
            (void)*at(place);
        }
        uint32_t ended = run_ended(&c);
        uint32_t wanted = ENDED_FAULT | ERROR_USER;
        wanted |= place < MEMORY_BYTES ? ERROR_PRESENT : 0;
        wanted |= i % 4 == 1 ? ERROR_WRITE : 0;
        wanted |= i % 4 == 2 && paging_is_pae() ? ERROR_FETCH : 0;
        expect(&tally, place, ended, wanted);
        expect(&tally, place, get_cr2(), place);
    }
    put_tally(&tally);
}

static void test_threads(void)
{
    struct tally tally = {0};
    threads_create();
    begin("threads");
    threads_compare(&tally, 300);
    threads_compare(&tally, 301);
    put_tally(&tally);
}

void torture_rings(void)
{
    world.frames[0] = frame_alloc();
    world.frames[1] = frame_alloc();
    test_calls();
    test_signals();
    test_closed();
    test_threads();
}
