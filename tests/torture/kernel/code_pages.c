/* Pages of code that change under the linear address: other pages, other rights, other
 * contents, other rings; jumps, calls and returns into them. */
#include "torture.h"

enum {
    TEXT = WINDOW,
    OTHER = WINDOW + 0xa00000,
    FUNCTIONS = 8,
    ROUNDS = 400,
    MANY = 300,
    NOP = 0x90,
    INC_EAX = 0x40,
    INT3 = 0xcc,
};

SNIPPET(call_it, "call *%ebx");
SNIPPET(call_three,
        "call *%ebx; mov %eax, %ecx; call *%esi; mov %eax, %edx; call *%ebx");
/* Ends page 0; what follows is in page 1. */
SNIPPET(falls, "mov $1, %eax; nop");
SNIPPET(jumps, "mov $2, %eax; jmp .+0x900");
SNIPPET(calls, "mov $3, %eax; call .+0x900; add $0x100, %eax");
SNIPPET(changed_by_kernel, "mov $10, %ecx; 1: int $0x80; inc %eax; inc %eax; loop 1b");
SNIPPET(calls_kernel, "int $0x80; ret");
SNIPPET(calls_there, "mov $0, %eax; call *%ebx; add $1, %eax; nop");
SNIPPET(calls_there_2, "mov $0, %eax; call *%ebx; add $2, %eax; nop");
SNIPPET(where_am_i, "call 1f; 1: pop %eax; mov %cs, %ecx");
SNIPPET(write_call, "mov %eax, 1(%ebx); call *%ebx");

static struct {
    uint32_t page, frames[2], turn; /* what the handlers change */
} world;

/* mov $value, %eax; ret */
static void write_function(uint32_t address, uint32_t value)
{
    *byte_at(address) = 0xb8;
    *at(address + 1) = value;
    *byte_at(address + 5) = 0xc3;
}

/* Functions in pages that change places; called from a page that stays. */
static void test_remapped(const char *name, unsigned ring, enum flush how)
{
    struct tally tally = {0};
    struct random random = random_new(100 + how);
    uint32_t frames[FUNCTIONS];
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        frames[i] = frame_alloc();
        /* Not all at the same place of the page. */
        write_function(frames[i] + 0x20, 0x1000 + i);
        write_function(frames[i] + 0x800 + 3 * i, 0x2000 + i);
        map(TEXT + i * PAGE_BYTES, frames[i] | P | U);
    }
    begin(name);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned i = random_below(&random, FUNCTIONS);
        unsigned j = random_below(&random, FUNCTIONS);
        uint32_t frame = frames[i];
        frames[i] = frames[j];
        frames[j] = frame;
        set_leaf(TEXT + i * PAGE_BYTES, frames[i] | P | U);
        set_leaf(TEXT + j * PAGE_BYTES, frames[j] | P | U);
        flush(how, TEXT + i * PAGE_BYTES);
        if (how == FLUSH_PAGE) {
            flush_page(TEXT + j * PAGE_BYTES);
        }
        struct context c = at_ring(ring, call_three);
        c.ebx = TEXT + i * PAGE_BYTES + 0x20;
        c.esi = TEXT + j * PAGE_BYTES + 0x20;
        expect(&tally, c.ebx, run_ended(&c), 0);
        expect(&tally, c.ebx, c.ecx, *at(frames[i] + 0x21));
        expect(&tally, c.esi, c.edx, *at(frames[j] + 0x21));
        expect(&tally, c.ebx, c.eax, *at(frames[i] + 0x21));
    }
    put_tally(&tally);
}

/* Into the next page, which is another one each time or not there: by falling, by a
 * jump, by a call. */
static void into_next(const char *name, const uint8_t *code, uint32_t bytes,
                      uint32_t landing)
{
    struct tally tally = {0};
    uint32_t first = frame_alloc(), frames[4];
    uint32_t start = PAGE_BYTES - (bytes - 1); /* without the INT3 */
    fill(first, INT3, PAGE_BYTES);
    copy(first + start, code, bytes - 1);
    map(TEXT, first | P | U);
    for (unsigned i = 0; i < 4; i++) {
        frames[i] = frame_alloc();
        fill(frames[i], INT3, PAGE_BYTES);
        for (unsigned n = 0; n < i; n++) {
            *byte_at(frames[i] + landing + n) = INC_EAX;
        }
        *byte_at(frames[i] + landing + 3) = code == calls ? 0xc3 : INT3;
        for (unsigned n = i; n < 3; n++) {
            *byte_at(frames[i] + landing + n) = NOP;
        }
    }
    if (code == calls) {
        /* It returns to the start of the same page. */
        for (unsigned i = 0; i < 4; i++) {
            *byte_at(frames[i]) = INC_EAX;
        }
    }
    begin(name);
    for (unsigned round = 0; round < 200; round++) {
        unsigned n = round * 7 % 5, ring = round & 1 ? 3 : 0;
        set_leaf(TEXT + PAGE_BYTES, n < 4 ? frames[n] | P | U : 0);
        flush(round / 5 % FLUSHES, TEXT + PAGE_BYTES);
        struct context c = placed(ring, TEXT + start);
        uint32_t ended = run_ended(&c) & ~ERROR_FETCH;
        expect(&tally, round, ended, n < 4 ? 0 : ENDED_FAULT | (ring ? ERROR_USER : 0));
        expect(&tally, round, c.eax & 0xff,
               (code == falls   ? 1
                : code == jumps ? 2
                                : 3) +
                   (n < 4 ? n + (code == calls) : 0));
        if (n == 4) {
            expect(&tally, round, c.eip, TEXT + PAGE_BYTES + landing);
            expect(&tally, round, get_cr2(), c.eip);
        }
    }
    put_tally(&tally);
}

/* An instruction whose second half is in a page that changes. */
static void test_halves(void)
{
    struct tally tally = {0};
    uint32_t first = frame_alloc(), frames[4];
    map(TEXT, first | P | U);
    for (unsigned i = 0; i < 4; i++) {
        frames[i] = frame_alloc();
        fill(frames[i], INT3, PAGE_BYTES);
    }
    begin("halves");
    for (unsigned round = 0; round < 250; round++) {
        unsigned part = 1 + round % 4, n = round * 3 % 5;
        fill(first, INT3, PAGE_BYTES);
        uint32_t value = 0;
        for (unsigned i = 0; i < 4; i++) {
            uint8_t byte = (uint8_t)(0x10 * n + i);
            value |= (uint32_t)byte << 8 * i;
            uint32_t place = PAGE_BYTES - part + 1 + i;
            if (i + 1 < part) {
                *byte_at(first + place) = byte;
            } else if (n < 4) {
                *byte_at(frames[n] + place - PAGE_BYTES) = byte;
            }
        }
        *byte_at(first + PAGE_BYTES - part) = 0xb8; /* mov $…, %eax */
        if (n < 4) {
            *byte_at(frames[n] + 5 - part) = INT3;
        }
        set_leaf(TEXT + PAGE_BYTES, n < 4 ? frames[n] | P | U : 0);
        flush(round / 5 % FLUSHES, TEXT + PAGE_BYTES);
        struct context c = placed(3, TEXT + PAGE_BYTES - part);
        expect(&tally, round, run_ended(&c) & ~ERROR_FETCH,
               n < 4 ? 0 : ENDED_FAULT | ERROR_USER);
        expect(&tally, round, c.eax, n < 4 ? value : 0);
        expect(&tally, round, n < 4 ? 0 : get_cr2(), n < 4 ? 0 : TEXT + PAGE_BYTES);
    }
    put_tally(&tally);
}

/* Each call gives the page at world.page another frame. */
static bool change_page(struct trap *trap)
{
    (void)trap;
    map(world.page, world.frames[++world.turn & 1] | USER_PAGE);
    return true;
}

/* Each call turns inc %eax behind it into inc %edx, or back, by the frame's own
 * address. */
static bool change_code(struct trap *trap)
{
    uint32_t frame = (uint32_t)leaf_of(trap->eip) & ~ENTRY_FLAGS;
    *byte_at(frame + (trap->eip & ENTRY_FLAGS)) ^= 2;
    return true;
}

/* The page that runs, or that waits for a return, changes meanwhile. */
static void test_kernel_changes(void)
{
    struct tally tally = {0};
    begin("written_by_kernel");
    handle(VECTOR_SYSCALL, change_code);
    for (unsigned round = 0; round < 50; round++) {
        struct context c = user(changed_by_kernel);
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, 15);
        expect(&tally, round, c.edx, 5);
    }
    put_tally(&tally);
    begin("remapped_by_kernel");
    handle(VECTOR_SYSCALL, change_page);
    world.page = TEXT;
    for (unsigned i = 0; i < 2; i++) {
        world.frames[i] = frame_alloc();
        copy(world.frames[i], changed_by_kernel, 64);
        *byte_at(world.frames[i] + (i ? 7 : 8)) = NOP;
        *byte_at(world.frames[i] + (i ? 8 : 7)) = INC_EAX + (i ? 2 : 0);
    }
    for (unsigned round = 0; round < 50; round++) {
        map(TEXT, world.frames[world.turn & 1] | USER_PAGE);
        struct context c = placed(3, TEXT);
        uint32_t odd = (world.turn + 1) & 1;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, 5);
        expect(&tally, round, c.edx, 5);
        world.turn += odd; /* begin with either */
    }
    put_tally(&tally);
    begin("returns_changed");
    for (unsigned i = 0; i < 2; i++) {
        copy(world.frames[i], i ? calls_there_2 : calls_there, 64);
    }
    uint32_t callee = frame_alloc();
    copy(callee, calls_kernel, 16);
    map(OTHER, callee | P | U);
    for (unsigned round = 0; round < 100; round++) {
        world.turn = round;
        map(TEXT, world.frames[round & 1] | USER_PAGE);
        struct context c = placed(3, TEXT);
        c.ebx = OTHER;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, round & 1 ? 1 : 2);
    }
    put_tally(&tally);
    handle_nothing();
}

/* The same code at two addresses, in both rings. */
static void test_two_names(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    map(TEXT, frame | USER_PAGE);
    map(OTHER, frame | USER_PAGE);
    copy(frame + 0x40, where_am_i, 32);
    begin("two_names");
    for (unsigned round = 0; round < 200; round++) {
        uint32_t linear = (round & 1 ? TEXT : OTHER) + 0x40;
        struct context c = placed(round & 2 ? 0 : 3, linear);
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, linear + 5);
        expect(&tally, round, c.ecx & 0xffff, round & 2 ? KERNEL_CODE : USER_CODE);
    }
    put_tally(&tally);
}

/* A guest's own translator: a page that is written, then run, then written. */
static void test_write_or_execute(void)
{
    struct tally tally = {0};
    uint32_t frame = frame_alloc();
    write_function(frame, 0);
    begin("write_or_execute");
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t no_execute = paging_is_pae() ? NX : 0;
        map(TEXT, frame | USER_PAGE | no_execute);
        struct context c = user(write_call);
        c.eax = round;
        c.ebx = TEXT;
        expect(&tally, round, run_ended(&c),
               no_execute ? ENDED_FAULT | ERROR_PRESENT | ERROR_USER | ERROR_FETCH : 0);
        map(TEXT, frame | P | U);
        c = user(call_it);
        c.ebx = TEXT;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, round);
        c = user(write_call);
        c.ebx = TEXT;
        expect(&tally, round, run_ended(&c),
               ENDED_FAULT | ERROR_PRESENT | ERROR_USER | ERROR_WRITE);
    }
    put_tally(&tally);
}

/* A page full of code, of which one byte changes at a time. */
static void test_full_page(void)
{
    struct tally tally = {0};
    struct random random = random_new(110);
    uint32_t frame = frame_alloc(), other = frame_alloc(), wanted = PAGE_BYTES;
    fill(frame, INC_EAX, PAGE_BYTES);
    fill(other, INT3, PAGE_BYTES);
    map(TEXT, frame | USER_PAGE);
    map(TEXT + PAGE_BYTES, other | USER_PAGE);
    begin("full_page");
    for (unsigned round = 0; round < 200; round++) {
        uint32_t place = random_below(&random, PAGE_BYTES);
        uint8_t old = *byte_at(frame + place);
        uint8_t new = old == NOP ? INC_EAX : NOP;
        *byte_at((round & 1 ? TEXT : frame) + place) = new;
        wanted += new == NOP ? -1U : 1U;
        struct context c = placed(3, TEXT);
        expect(&tally, place, run_ended(&c), 0);
        expect(&tally, place, c.eax, wanted);
    }
    put_tally(&tally);
}

/* More pages of code than usual, called and patched at random. */
static void test_many(void)
{
    struct tally tally = {0};
    struct random random = random_new(111);
    uint32_t frames[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        frames[i] = frame_alloc();
        map(TEXT + i * PAGE_BYTES, frames[i] | USER_PAGE);
        write_function(frames[i] + i % 64 * 32, i);
    }
    begin("many");
    for (unsigned round = 0; round < 10 * ROUNDS; round++) {
        unsigned i = random_below(&random, MANY), j = random_below(&random, MANY);
        struct context c = at_ring(round & 1 ? 3 : 0, call_three);
        c.ebx = TEXT + i * PAGE_BYTES + i % 64 * 32;
        c.esi = TEXT + j * PAGE_BYTES + j % 64 * 32;
        if (round % 4 == 0) {
            *at(c.ebx + 1) = round;
        }
        expect(&tally, i, run_ended(&c), 0);
        expect(&tally, i, c.eax, *at(frames[i] + i % 64 * 32 + 1));
        expect(&tally, j, c.edx, *at(frames[j] + j % 64 * 32 + 1));
    }
    put_tally(&tally);
}

/* Code in a large page that moves. */
static void test_large(void)
{
    struct tally tally = {0};
    uint32_t bytes = large_bytes(), linear = WINDOW + 0x10 * bytes + 0x5ffd;
    uint32_t directory = directory_entry(current_root(), linear);
    write_function(LARGE_FRAMES + 0x5ffd, 1);
    write_function(LARGE_FRAMES + bytes + 0x5ffd, 2);
    begin("large");
    for (unsigned round = 0; round < 100; round++) {
        entry_write(directory,
                    (LARGE_FRAMES + (round & 1) * bytes) | USER_PAGE | LARGE);
        flush(FLUSH_ROOT + round % 3, linear);
        struct context c = at_ring(round & 2 ? 3 : 0, call_it);
        c.ebx = linear;
        expect(&tally, round, run_ended(&c), 0);
        expect(&tally, round, c.eax, round & 1 ? 2 : 1);
    }
    put_tally(&tally);
}

void torture_code_pages(void)
{
    test_remapped("remapped_page", 3, FLUSH_PAGE);
    test_remapped("remapped_root", 3, FLUSH_ROOT);
    test_remapped("remapped_page_ring0", 0, FLUSH_PAGE);
    test_remapped("remapped_paging_ring0", 0, FLUSH_PAGING);
    into_next("falls", falls, (uint32_t)(falls_end - falls), 0);
    into_next("jumps", jumps, (uint32_t)(jumps_end - jumps), 0x900 - 5);
    into_next("calls", calls, (uint32_t)(calls_end - calls), 0x900 - 10);
    test_halves();
    test_kernel_changes();
    test_two_names();
    test_write_or_execute();
    test_full_page();
    test_many();
    test_large();
}
