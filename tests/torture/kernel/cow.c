/* Processes that share pages until they write: fork, and a #PF handler that copies
 * (CR0.WP is on, so that the kernel's own copies to user memory fault as well). */
#include "torture.h"

enum {
    PROCESSES = 5,
    PAGES = 32,
    REGION = WINDOW,
    REGION_BYTES = PAGES * PAGE_BYTES,
    FRAMES_MAX = PROCESSES * PAGES + 1,
    SHARED = 0x200, /* a bit of entries that is software's own */
    ROUNDS = 1500,
    TURNS = 12, /* of the program's loop */
    /* The generator of the program. */
    MULTIPLIER = 0x41c64e6d,
    INCREMENT = 12345,
};

/* Adds to words at pseudo-random places. */
SNIPPET(program, "1: imul $0x41c64e6d, %eax, %eax; add $12345, %eax; mov %eax, %edx;"
                 "shr $11, %edx; and $0x1fffc, %edx; add %eax, (%ebx,%edx); loop 1b");
/* The same across the borders of pages. */
SNIPPET(crossing, "1: imul $0x41c64e6d, %eax, %eax; add $12345, %eax; mov %eax, %edx;"
                  "shr $11, %edx; and $0x1e000, %edx; add %eax, 0xffe(%ebx,%edx);"
                  "loop 1b");
SNIPPET(copies, "rep movsl");
SNIPPET(pushes, "1: push %eax; push %ecx; loop 1b");

static struct {
    uint32_t roots[PROCESSES];
    uint32_t frames[FRAMES_MAX], users[FRAMES_MAX]; /* how many map a frame */
    uint32_t faults, kernel_faults;
} world;

/* What the process's region has to hold. */
static uint32_t model(unsigned process)
{
    return MODELS + process * REGION_BYTES;
}

static unsigned frame_index(uint32_t frame)
{
    unsigned i = 0;
    while (world.frames[i] != frame) {
        i++;
    }
    return i;
}

static unsigned free_frame(void)
{
    unsigned i = 0;
    while (world.users[i]) {
        i++;
    }
    return i;
}

static bool copy_on_write(struct trap *trap)
{
    uint32_t address = get_cr2(), page = address & ~ENTRY_FLAGS;
    uint32_t wanted = ERROR_PRESENT | ERROR_WRITE | (trap->cs & 3 ? ERROR_USER : 0);
    if (address < REGION || address >= REGION + REGION_BYTES || trap->error != wanted) {
        return false;
    }
    uint32_t entry = (uint32_t)leaf_of(page);
    if (!(entry & SHARED)) {
        return false;
    }
    unsigned old = frame_index(entry & ~ENTRY_FLAGS);
    world.faults++;
    world.kernel_faults += !(trap->cs & 3);
    if (world.users[old] > 1) {
        unsigned new = free_frame();
        world.users[old]--;
        world.users[new] = 1;
        copy(world.frames[new], (const void *)world.frames[old], PAGE_BYTES);
        entry = world.frames[new] | P | U;
    }
    map(page, (entry & ~SHARED) | W);
    return true;
}

/* Drops what `child` has; then both share what `parent` has. The parent's pages lose
 * their right to write: flushed by the load of CR3 that follows. */
static void fork_process(unsigned parent, unsigned child)
{
    for (unsigned i = 0; i < PAGES; i++) {
        uint32_t linear = REGION + i * PAGE_BYTES;
        uint32_t from = leaf_entry(world.roots[parent], linear);
        uint32_t to = leaf_entry(world.roots[child], linear);
        uint32_t old = *at(to);
        if (old & P) {
            world.users[frame_index(old & ~ENTRY_FLAGS)]--;
        }
        uint32_t entry = (*at(from) & ~(uint32_t)(W | A | D)) | SHARED;
        world.users[frame_index(entry & ~ENTRY_FLAGS)]++;
        entry_write(from, entry);
        entry_write(to, entry);
    }
    copy(model(child), (const void *)model(parent), REGION_BYTES);
    flush_root();
}

static void run_program(struct tally *tally, struct random *random, unsigned process)
{
    bool crosses = random_below(random, 4) == 0;
    uint32_t x = random_next(random);
    struct context c = user(crosses ? crossing : program);
    c.eax = x;
    c.ebx = REGION;
    c.ecx = TURNS;
    expect(tally, process, run_ended(&c), 0);
    for (unsigned i = 0; i < TURNS; i++) {
        x = x * MULTIPLIER + INCREMENT;
        *at(model(process) +
            (crosses ? (x >> 11 & 0x1e000) + 0xffe : x >> 11 & 0x1fffc)) += x;
    }
    expect(tally, process, c.eax, x);
}

/* A copy within the process, by itself or by the kernel. */
static void copy_within(struct tally *tally, struct random *random, unsigned process,
                        unsigned ring)
{
    uint32_t words = random_below(random, 2500);
    uint32_t from = random_below(random, REGION_BYTES - 4 * words);
    uint32_t to = random_below(random, REGION_BYTES - 4 * words);
    struct context c = at_ring(ring, copies);
    c.esi = REGION + from;
    c.edi = REGION + to;
    c.ecx = words;
    expect(tally, process, run_ended(&c), 0);
    expect(tally, process, c.edi, REGION + to + 4 * words);
    uint32_t source = model(process) + from, target = model(process) + to;
    while (words--) {
        *at(target) = *at(source);
        source += 4;
        target += 4;
    }
}

static void push_there(struct tally *tally, struct random *random, unsigned process)
{
    uint32_t count = random_below(random, 900) + 1;
    uint32_t top = random_below(random, REGION_BYTES - 8 * count) + 8 * count;
    struct context c = user(pushes);
    c.eax = random_next(random);
    c.ecx = count;
    c.esp = REGION + top;
    expect(tally, process, run_ended(&c), 0);
    expect(tally, process, c.esp, REGION + top - 8 * count);
    for (; count; count--) {
        top -= 8;
        *at(model(process) + top + 4) = c.eax;
        *at(model(process) + top) = count;
    }
}

static void compare_process(struct tally *tally, unsigned process)
{
    set_cr3(world.roots[process]);
    for (unsigned i = 0; i < REGION_BYTES; i += 4) {
        if (*at(REGION + i) != *at(model(process) + i)) {
            expect(tally, REGION + i, *at(REGION + i), *at(model(process) + i));
        }
    }
    tally_add(tally, checksum(REGION, REGION_BYTES));
}

static void create_processes(void)
{
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        world.frames[i] = frame_alloc();
        world.users[i] = 0;
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        world.roots[i] = space_create();
        leaf_entry(world.roots[i], REGION);
    }
    for (unsigned i = 0; i < PAGES; i++) {
        fill_pattern(world.frames[i], PAGE_BYTES, i);
        world.users[i] = 1;
        entry_write(leaf_entry(world.roots[0], REGION + i * PAGE_BYTES),
                    world.frames[i] | USER_PAGE);
        copy(model(0) + i * PAGE_BYTES, (const void *)world.frames[i], PAGE_BYTES);
    }
    world.faults = world.kernel_faults = 0;
}

static void test_processes(void)
{
    struct tally tally = {0};
    struct random random = random_new(80);
    create_processes();
    handle(VECTOR_PF, copy_on_write);
    for (unsigned i = 1; i < PROCESSES; i++) {
        fork_process(0, i);
    }
    begin("processes");
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned process = random_below(&random, PROCESSES);
        set_cr3(world.roots[process]);
        switch (random_below(&random, 10)) {
        case 0:
            copy_within(&tally, &random, process, 3);
            break;
        case 1:
            copy_within(&tally, &random, process, 0);
            break;
        case 2:
            push_there(&tally, &random, process);
            break;
        case 3:
            fork_process(process, (process + 1 + round % 3) % PROCESSES);
            break;
        default:
            run_program(&tally, &random, process);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        compare_process(&tally, i);
    }
    put(" %d faults, %d in the kernel,", world.faults, world.kernel_faults);
    put_tally(&tally);
}

/* Without CR0.WP the kernel writes to what is shared, and all see it. */
static void test_without_wp(void)
{
    struct tally tally = {0};
    begin("without_wp");
    set_cr3(world.roots[0]);
    for (unsigned i = 1; i < PROCESSES; i++) {
        fork_process(0, i);
    }
    uint32_t faults = world.faults;
    set_cr0(get_cr0() & ~(uint32_t)CR0_WP);
    for (unsigned i = 0; i < PAGES; i++) {
        set_cr3(world.roots[i % PROCESSES]);
        *at(REGION + i * PAGE_BYTES + 4) = i;
        struct context c = ring0(copies);
        c.esi = model(0);
        c.edi = REGION + i * PAGE_BYTES + 0x10;
        c.ecx = 4;
        expect(&tally, i, run_ended(&c), 0);
        /* Ring 3 may still not. */
        c = user(pushes);
        c.esp = REGION + i * PAGE_BYTES + 0x40;
        c.ecx = 1;
        expect(&tally, i, run_ended(&c), 0);
        expect(&tally, i, world.faults, faults + i + 1);
        set_cr3(world.roots[(i + 1) % PROCESSES]);
        expect(&tally, i, *at(REGION + i * PAGE_BYTES + 4), i);
        expect(&tally, i, *at(REGION + i * PAGE_BYTES + 0x10), *at(model(0)));
    }
    set_cr0(get_cr0() | CR0_WP);
    put_tally(&tally);
}

void torture_cow(void)
{
    uint32_t home = current_root();
    test_processes();
    test_without_wp();
    set_cr3(home);
}
