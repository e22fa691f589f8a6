#include "threads.h"

enum {
    SYSCALL_YIELD = 1,
    SYSCALL_DONE = 2,
    DATA = WINDOW,
    STACK = WINDOW + 0x8000, /* the top */
    TURNS = 3000,
};

/* Mixes EDI with a page of its own; yields now and then. */
SNIPPET(thread_program,
        "mov $0x50000000, %ebx; 1: imul $0x41c64e6d, %edi, %edi; add $12345, %edi;"
        "mov %edi, %edx; shr $13, %edx; and $0xffc, %edx; add %edi, (%ebx,%edx);"
        "adc $0, %edi; call 3f; push %edi; popl 4(%ebx); mov 4(%ebx), %ebp;"
        "test $0x1f, %esi; jnz 2f; mov $1, %eax; int $0x80; 2: dec %esi; jnz 1b;"
        "mov $2, %eax; int $0x80; 3: rol $3, %edi; ret");

/* Registers as a switch keeps them. */
struct thread {
    struct trap registers;
    uint32_t root, data;
    bool done;
};

static struct {
    struct thread threads[THREADS];
    unsigned current, left;
    struct random random;
} world;

void threads_create(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        struct thread *thread = &world.threads[i];
        thread->root = space_create();
        thread->data = frame_alloc();
        uint32_t stack = frame_alloc();
        entry_write(leaf_entry(thread->root, DATA), thread->data | USER_PAGE);
        entry_write(leaf_entry(thread->root, STACK - 1), stack | USER_PAGE);
    }
}

/* Keeps what has been interrupted and goes on with `next`. */
static void go_on_with(struct trap *trap, unsigned next)
{
    world.threads[world.current].registers = *trap;
    world.current = next;
    *trap = world.threads[next].registers;
    set_cr3(world.threads[next].root);
}

void threads_switch(struct trap *trap)
{
    unsigned next;
    do {
        next = random_below(&world.random, THREADS);
    } while (world.threads[next].done);
    go_on_with(trap, next);
}

static bool thread_calls(struct trap *trap)
{
    if (trap->eax == SYSCALL_DONE) {
        world.threads[world.current].done = true;
        world.threads[world.current].registers = *trap;
        if (--world.left == 0) {
            return false;
        }
    }
    threads_switch(trap);
    return true;
}

/* Runs those of which `mask` has the bit. */
static void run_threads(uint32_t mask)
{
    struct context first = user(thread_program);
    unsigned start = THREADS;
    world.left = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        struct thread *thread = &world.threads[i];
        thread->done = !(mask >> i & 1);
        if (thread->done) {
            continue;
        }
        world.left++;
        start = i;
        fill(thread->data, 0, PAGE_BYTES);
        thread->registers = (struct trap){
            .es = USER_DATA,
            .ds = USER_DATA,
            .edi = i * 0x1234567,
            .esi = TURNS,
            .eip = first.eip,
            .cs = USER_CODE,
            .eflags = first.eflags | FLAG_IF,
            .esp = STACK,
            .ss = USER_DATA,
        };
    }
    world.current = start;
    set_cr3(world.threads[start].root);
    first.edi = world.threads[start].registers.edi;
    first.esi = TURNS;
    first.esp = STACK;
    first.eflags |= FLAG_IF;
    run(&first);
}

void threads_compare(struct tally *tally, uint32_t salt)
{
    uint32_t home = current_root(), results[THREADS], sums[THREADS];
    world.random = random_new(salt);
    handle(VECTOR_SYSCALL, thread_calls);
    for (unsigned i = 0; i < THREADS; i++) {
        run_threads(1U << i);
        results[i] = world.threads[i].registers.edi;
        sums[i] = checksum(world.threads[i].data, PAGE_BYTES);
    }
    run_threads((1U << THREADS) - 1);
    for (unsigned i = 0; i < THREADS; i++) {
        expect(tally, i, world.threads[i].registers.edi, results[i]);
        expect(tally, i, checksum(world.threads[i].data, PAGE_BYTES), sums[i]);
    }
    set_cr3(home);
}
