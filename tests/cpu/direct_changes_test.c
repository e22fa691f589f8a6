/* Code that changes, or is at other places than before, under direct execution does
 * what it does under the interpreter.
 *
 *   direct_changes_test quick|full|soak
 *
 * A random program calls small functions in pages that are mapped twice, and writes
 * into them between the calls: itself, by either mapping; into what it is about to
 * execute; by DMA of another thread; or by ring 0, which maps other pages there or
 * switches to one of several roots with other contents at the same addresses. What is
 * written makes harmless code of such that must not be executed, and back. Some run
 * under fire. A failure prints FAUMACHINE_SEED and FAUMACHINE_CASE. */
#include "direct_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    CASES_QUICK = 200,
    CASES_FULL = 5000,
    CASES_SOAK = 500000,
    OPERATIONS = 60,
    PROGRAM = 0x08048000, /* linear, two pages */
    PROGRAM_BYTES = 2 * PAGE_BYTES,
    FUNCTIONS = 0x09000000, /* linear, and again from ALIASES */
    ALIASES = 0x0a000000,
    FUNCTION_PAGES = 4,
    POOL_PAGES = FUNCTION_PAGES * DIRECT_ROOTS,
    POOL_BYTES = POOL_PAGES * PAGE_BYTES,
    /* Physical; each case has others, as pages that are rewritten often are refused. */
    FIRST_PROGRAM = 2 << 20,
    FIRST_POOL = 4 << 20,
    PROGRAM_PLACES = 64,
    POOL_PLACES = 50,
    FAILURES_SHOWN = 3,
    SLOT_BYTES = 4,
    OPCODE_RET = 0xc3,
    OPCODE_HLT = 0xf4,
    CALL_BYTES = 5,
    INT_SYSTEM_CALL = 0x80,
    INT_SWITCH = 0x31,
    INT_MAP = 0x32,
    INT_DMA = 0x33,
};

struct dma {
    gpa_t address;
    uint8_t bytes[SLOT_BYTES];
};

struct changes_test {
    struct direct_world world;
    struct pacing pacing;
    struct random random;
    uint64_t seed;
    unsigned cases, run, stops, failed;
    gpa_t program, pool;
    uint8_t code[PROGRAM_BYTES];
    unsigned length;
    struct dma dma[OPERATIONS];
    unsigned dma_count;
};

/* A function is one of these and a RET. */
static const uint8_t slots[][SLOT_BYTES] = {
    {0x90, 0x90, 0x90, 0x90}, /* nothing */
    {0x40, 0x40, 0x40, 0x40}, /* inc eax */
    {0x83, 0xc0, 0x07, 0x90}, /* add eax, 7 */
    {0xb0, 0x55, 0x04, 0x03}, /* mov al, 55h; add al, 3 */
    {0x0f, 0xb6, 0xc8, 0x90}, /* movzx ecx, al */
    {0x9c, 0x58, 0x90, 0x90}, /* pushf; pop eax */
    {0x0f, 0xa2, 0x90, 0x90}, /* cpuid */
    {0x90, 0x66, 0x0f, 0xa2}, /* likewise */
    {0x90, 0x90, 0x0f, 0xa2}, /* likewise */
    {0x0f, 0x31, 0x90, 0x40}, /* rdtsc; inc eax */
    {0xcd, 0x80, 0x90, 0x90}, /* int 80h */
    {0x40, 0xcd, 0x80, 0x90}, /* likewise */
    {0x90, 0x90, 0xcd, 0x80}, /* likewise */
    {0x8c, 0xc8, 0x90, 0x90}, /* mov eax, cs */
    {0x0f, 0x00, 0xc8, 0x90}, /* str eax */
    {0x0f, 0x01, 0xe0, 0x90}, /* smsw eax */
    {0x0f, 0x02, 0xc0, 0x90}, /* lar eax, eax */
};

static const uint8_t *random_slot(struct changes_test *test)
{
    return slots[random_below(&test->random, ARRAY_LENGTH(slots))];
}

/* Offsets of functions in their page. The last one is in the first page only, and goes
 * on in the next. These two always belong to each other: how a page is taken apart
 * depends on its neighbours when it is first executed. */
static uint32_t random_function(struct changes_test *test)
{
    static const uint32_t offsets[] = {0x10, 0x408, 0x800, PAGE_BYTES - 2};
    struct random *random = &test->random;
    uint32_t offset = offsets[random_below(random, ARRAY_LENGTH(offsets))];
    bool crosses = offset > PAGE_BYTES - SLOT_BYTES;
    return random_below(random, crosses ? 1 : FUNCTION_PAGES) * PAGE_BYTES + offset;
}

static void put(struct changes_test *test, const void *bytes, unsigned count)
{
    memcpy(test->code + test->length, bytes, count);
    test->length += count;
}

static void put_byte(struct changes_test *test, uint8_t byte)
{
    put(test, &byte, sizeof(byte));
}

static void put_word(struct changes_test *test, uint32_t word)
{
    put(test, &word, sizeof(word));
}

/* mov eax, number, or what `opcode` says. */
static void put_move(struct changes_test *test, uint8_t opcode, uint32_t number)
{
    put_byte(test, opcode);
    put_word(test, number);
}

static void put_interrupt(struct changes_test *test, uint8_t vector)
{
    put_byte(test, 0xcd);
    put_byte(test, vector);
}

/* All registers leave a trace in ESI. */
static void put_trace(struct changes_test *test)
{
    static const uint8_t trace[] = {0xc1, 0xc6, 0x05, /* rol esi, 5 */
                                    0x31, 0xc6,       /* xor esi, eax */
                                    0x01, 0xde,       /* add esi, ebx */
                                    0x31, 0xce,       /* xor esi, ecx */
                                    0x01, 0xd6};      /* add esi, edx */
    put(test, trace, sizeof(trace));
}

static uint32_t random_mapping(struct changes_test *test)
{
    return random_one_in(&test->random, 3) ? ALIASES : FUNCTIONS;
}

static void put_call(struct changes_test *test)
{
    uint32_t target = random_mapping(test) + random_function(test);
    uint32_t behind = PROGRAM + test->length + CALL_BYTES;
    put_byte(test, 0xe8);
    put_word(test, target - behind);
    put_trace(test);
}

/* mov dword [address], slot */
static void put_store(struct changes_test *test, uint32_t address)
{
    put_byte(test, 0xc7);
    put_byte(test, 0x05);
    put_word(test, address);
    put(test, random_slot(test), SLOT_BYTES);
}

/* Changes what comes next. */
static void put_store_ahead(struct changes_test *test)
{
    uint32_t behind = test->length + 2 + 4 + SLOT_BYTES;
    unsigned distance = random_below(&test->random, 3) * SLOT_BYTES;
    put_store(test, PROGRAM + behind + distance);
    for (unsigned i = 0; i < 3; i++) {
        put(test, random_slot(test), SLOT_BYTES);
    }
    put_trace(test);
}

static gpa_t pool_page(const struct changes_test *test, unsigned root, unsigned page)
{
    return test->pool + (root * FUNCTION_PAGES + page) * PAGE_BYTES;
}

static void put_mapping(struct changes_test *test)
{
    struct random *random = &test->random;
    struct world *world = &test->world.sides[SIDE_REFERENCE];
    unsigned page = 2 + random_below(random, FUNCTION_PAGES - 2);
    gla_t linear = random_mapping(test) + page * PAGE_BYTES;
    uint32_t root = test->world.roots[random_below(random, DIRECT_ROOTS)];
    gpa_t physical = pool_page(test, random_below(random, DIRECT_ROOTS), page);
    gpa_t place = world_leaf_place(world, root, linear);
    put_move(test, 0xbb, DIRECT_TABLES_LINEAR + (uint32_t)place);
    put_move(test, 0xb8, (uint32_t)physical | ENTRY_LEAF_RIGHTS);
    put_move(test, 0xb9, linear);
    put_interrupt(test, INT_MAP);
}

static void put_dma(struct changes_test *test)
{
    struct dma *dma = &test->dma[test->dma_count++];
    dma->address =
        test->pool +
        random_below(&test->random, DIRECT_ROOTS) * FUNCTION_PAGES * PAGE_BYTES +
        random_function(test);
    memcpy(dma->bytes, random_slot(test), SLOT_BYTES);
    put_interrupt(test, INT_DMA);
}

static void put_operation(struct changes_test *test)
{
    struct random *random = &test->random;
    switch (random_below(random, 16)) {
    case 0:
    case 1:
    case 2:
        put_store(test, random_mapping(test) + random_function(test));
        break;
    case 3:
        put_store_ahead(test);
        break;
    case 4:
        put_mapping(test);
        break;
    case 5:
        put_dma(test);
        break;
    case 6:
    case 7:
        put_move(test, 0xb8, test->world.roots[random_below(random, DIRECT_ROOTS)]);
        put_interrupt(test, INT_SWITCH);
        break;
    default:
        put_call(test);
        break;
    }
}

static void make_pool(struct changes_test *test)
{
    static const unsigned offsets[] = {0x10, 0x408, 0x800};
    uint8_t page[PAGE_BYTES];
    for (unsigned i = 0; i < POOL_PAGES; i++) {
        memset(page, OPCODE_HLT, sizeof(page));
        for (unsigned k = 0; k < ARRAY_LENGTH(offsets); k++) {
            memcpy(page + offsets[k], random_slot(test), SLOT_BYTES);
            page[offsets[k] + SLOT_BYTES] = OPCODE_RET;
        }
        /* The one that crosses. */
        memset(page + PAGE_BYTES - 2, 0x90, 2);
        memset(page, 0x90, 2);
        page[2] = OPCODE_RET;
        direct_world_store(&test->world, test->pool + i * PAGE_BYTES, page,
                           sizeof(page));
    }
}

static void map_all(struct changes_test *test)
{
    for (unsigned root = 0; root < DIRECT_ROOTS; root++) {
        for (unsigned page = 0; page < FUNCTION_PAGES; page++) {
            uint64_t leaf = pool_page(test, root, page) | ENTRY_LEAF_RIGHTS;
            direct_world_map(&test->world, test->world.roots[root],
                             FUNCTIONS + page * PAGE_BYTES, leaf);
            direct_world_map(&test->world, test->world.roots[root],
                             ALIASES + page * PAGE_BYTES, leaf);
        }
        for (uint32_t at = 0; at < PROGRAM_BYTES; at += PAGE_BYTES) {
            direct_world_map(&test->world, test->world.roots[root], PROGRAM + at,
                             (test->program + at) | ENTRY_LEAF_RIGHTS);
        }
    }
    direct_world_load_root(&test->world, test->world.roots[0]);
    direct_world_flush(&test->world);
}

static void make_program(struct changes_test *test)
{
    memset(test->code, OPCODE_HLT, sizeof(test->code));
    test->length = random_below(&test->random, PAGE_BYTES);
    unsigned start = test->length;
    test->dma_count = 0;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        put_operation(test);
    }
    direct_world_store(&test->world, test->program, test->code, sizeof(test->code));
    struct oracle_state state = {.eip = PROGRAM + start, .eflags = EFLAGS_IF};
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        state.segments[i] = i == SEGMENT_CS ? FIXTURE_USER_CS : FIXTURE_USER_DS;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(state.regs); i++) {
        state.regs[i] = (uint32_t)random_next(&test->random);
    }
    /* The stack is in a page of the program: code, too. */
    state.regs[REGISTER_ESP] = PROGRAM + PROGRAM_BYTES - 16;
    random_vector_state(&test->random, state.vector);
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        duel_load_guest(&test->world.sides[side].fixture, &state);
    }
}

static void *write_by_dma(void *opaque)
{
    struct changes_test *test = opaque;
    const struct dma *dma = &test->dma[test->dma_count];
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        struct cpu_fixture *fixture = &test->world.sides[side].fixture;
        lock_take(&fixture->lock);
        memory_write(&fixture->memory, dma->address, dma->bytes, SLOT_BYTES);
        lock_release(&fixture->lock);
    }
    return NULL;
}

static bool agrees(struct changes_test *test)
{
    const struct cpu *a = test->world.sides[SIDE_REFERENCE].cpu;
    const struct cpu *b = test->world.sides[SIDE_DIRECT].cpu;
    gpa_t place = 0;
    return memcmp(a->regs, b->regs, sizeof(a->regs)) == 0 && a->eip == b->eip &&
           a->cr3 == b->cr3 && a->cr2 == b->cr2 && cpu_eflags(a) == cpu_eflags(b) &&
           direct_world_ram_agrees(&test->world, test->pool, test->pool + POOL_BYTES,
                                   &place) &&
           direct_world_ram_agrees(&test->world, test->program,
                                   test->program + PROGRAM_BYTES, &place);
}

static void show(const struct changes_test *test, unsigned number)
{
    printf("\nFAUMACHINE_SEED=%llu FAUMACHINE_CASE=%u, paging %d\n",
           (unsigned long long)test->seed, number, test->world.paging);
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        const struct cpu *cpu = test->world.sides[side].cpu;
        struct cpu_fixture_exception exception = {0};
        cpu_fixture_exception((struct cpu_fixture *)&test->world.sides[side].fixture,
                              &exception);
        printf("eip %08x eax %08x ecx %08x edx %08x ebx %08x esi %08x cr3 %08x; vector "
               "%u, error %x, from %08x, CR2 %08x\n",
               cpu->eip, cpu->regs[0], cpu->regs[1], cpu->regs[2], cpu->regs[3],
               cpu->regs[REGISTER_ESI], cpu->cr3, exception.vector, exception.error,
               exception.eip, cpu->cr2);
    }
}

static bool run_both(struct changes_test *test, bool under_fire)
{
    return direct_world_run(&test->world, SIDE_REFERENCE) &&
           (under_fire ? direct_world_run_under_fire(&test->world, &test->pacing)
                       : direct_world_run(&test->world, SIDE_DIRECT));
}

static void run_case(struct changes_test *test, unsigned number)
{
    struct random seeds = {test->seed};
    test->random.state = random_next(&seeds) + (uint64_t)number * number;
    test->random.state = random_next(&test->random);
    test->program = FIRST_PROGRAM + number % PROGRAM_PLACES * PROGRAM_BYTES;
    test->pool = FIRST_POOL + number % POOL_PLACES * POOL_BYTES;
    make_pool(test);
    map_all(test);
    make_program(test);
    bool under_fire = random_one_in(&test->random, 4), good = true, more = true;
    test->dma_count = 0;
    while (good && more) {
        struct cpu_fixture_exception exception;
        good = run_both(test, under_fire) && agrees(test);
        more = !cpu_fixture_exception(&test->world.sides[SIDE_REFERENCE].fixture,
                                      &exception);
        pthread_t thread;
        if (good && more) {
            assert_int_equal(pthread_create(&thread, NULL, write_by_dma, test), 0);
            pthread_join(thread, NULL);
            test->dma_count++;
            test->world.sides[SIDE_REFERENCE].cpu->halted = false;
            test->world.sides[SIDE_DIRECT].cpu->halted = false;
        }
        test->stops++;
    }
    test->run++;
    if (!good && test->failed++ < FAILURES_SHOWN) {
        show(test, number);
    }
}

static void lay_out(struct changes_test *test)
{
    static const uint8_t system_call[] = {0x05, 0x67, 0x45, 0x23, 0x01, 0xcf};
    static const uint8_t change_root[] = {0x0f, 0x22, 0xd8, 0xcf};
    static const uint8_t map[] = {0x89, 0x03, 0x0f, 0x01, 0x39, 0xcf};
    static const uint8_t stop[] = {OPCODE_HLT, 0xcf};
    direct_world_handle(&test->world, INT_SYSTEM_CALL, system_call,
                        sizeof(system_call));
    direct_world_handle(&test->world, INT_SWITCH, change_root, sizeof(change_root));
    direct_world_handle(&test->world, INT_MAP, map, sizeof(map));
    direct_world_handle(&test->world, INT_DMA, stop, sizeof(stop));
    direct_world_take_interrupts(&test->world, &test->pacing);
}

static void test_changes(void **state)
{
    struct changes_test *test = *state;
    const char *only = getenv("FAUMACHINE_CASE");
    for (unsigned paging = 0; paging < DIRECT_PAGINGS; paging++) {
        direct_world_create(&test->world, paging);
        lay_out(test);
        for (unsigned i = paging; i < test->cases; i += DIRECT_PAGINGS) {
            if (!only || strtoul(only, NULL, 0) == i) {
                run_case(test, i);
            }
        }
        direct_world_print_statistics(&test->world);
        direct_world_destroy(&test->world);
    }
    printf("%u programs, %u stops, %u failed\n", test->run, test->stops, test->failed);
    assert_int_equal(test->failed, 0);
}

/* VEX-encoded instructions run if the guest's kernel saves what they use, and raise #UD
 * if not; a page is looked at again when that changes. */
static void test_vex(void **state)
{
    static const uint8_t code[] = {
        0xc5,      0xf8, 0x77,             /* vzeroupper */
        0xc5,      0xf9, 0xef, 0xc0,       /* vpxor xmm0, xmm0, xmm0 */
        0xc4,      0xe2, 0x79, 0x18, 0xc8, /* vbroadcastss */
        OPCODE_HLT};
    struct changes_test *test = *state;
    test->program = FIRST_PROGRAM;
    direct_world_create(&test->world, PAGING_PAE_NX);
    lay_out(test);
    test->pool = FIRST_POOL;
    map_all(test);
    direct_world_store(&test->world, test->program, code, sizeof(code));
    for (unsigned i = 0; i < 12; i++) {
        bool allowed = i % 2;
        struct oracle_state start = {.eip = PROGRAM, .eflags = EFLAGS_IF};
        for (unsigned k = 0; k < SEGMENT_COUNT; k++) {
            start.segments[k] = k == SEGMENT_CS ? FIXTURE_USER_CS : FIXTURE_USER_DS;
        }
        start.regs[REGISTER_EAX] = i;
        random_vector_state(&test->random, start.vector);
        for (unsigned side = 0; side < DIRECT_SIDES; side++) {
            struct cpu *cpu = test->world.sides[side].cpu;
            struct cpu_fixture_exception exception;
            cpu->cr4 &= ~(uint32_t)CR4_OSXSAVE;
            cpu->cr4 |= allowed ? CR4_OSXSAVE : 0;
            duel_load_guest(&test->world.sides[side].fixture, &start);
            assert_true(direct_world_run(&test->world, side));
            assert_true(
                cpu_fixture_exception(&test->world.sides[side].fixture, &exception));
            assert_int_equal(exception.vector, allowed ? EXCEPTION_GP : EXCEPTION_UD);
            assert_int_equal(exception.eip,
                             allowed ? PROGRAM + sizeof(code) - 1 : PROGRAM);
        }
    }
    direct_world_destroy(&test->world);
}

int main(int argc, char **argv)
{
    static struct changes_test test = {.cases = CASES_QUICK};
    if (argc > 1) {
        test.cases = strcmp(argv[1], "full") == 0   ? CASES_FULL
                     : strcmp(argv[1], "soak") == 0 ? CASES_SOAK
                                                    : CASES_QUICK;
    }
    test.seed = random_seed();
    const char *lacks = direct_world_lacks();
    if (lacks) {
        printf("skipped: %s\n", lacks);
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_changes, &test),
        cmocka_unit_test_prestate(test_vex, &test),
    };
    return cmocka_run_group_tests_name("direct changes", tests, NULL, NULL);
}
