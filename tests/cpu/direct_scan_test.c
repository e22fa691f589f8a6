/* What is found in a page of code before it is executed directly.
 *
 *   direct_scan_test COUNT
 *
 * COUNT pages of random code as compilers make it, whose instructions are known: no
 * instruction that must not be executed may be missed, and nearly nothing else may be
 * taken for one. Ten thousand times as many random strings of bytes have the length
 * that the decoder says. The seed is printed; FAUMACHINE_SEED sets it. */
#include "random.h"

#include "cpu/core/instruction.h"
#include "cpu/direct/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    PAGES_DEFAULT = 200,
    LENGTHS_PER_PAGE = 10000,
    CODE_MODE = CODE_MODE_32 | CODE_MODE_VEX | CODE_MODE_USER,
    LONGEST = 15,
    IMAGE_BYTES = 16 << 20,
    CODE_PER_MARK = 2000, /* or what is marked would be around what is marked */
    FILLER = 0x90,
    /* False marks, and pages about which nobody can tell, in a million instructions. */
    FALSE_PER_MILLION = 100,
};

struct scan_test {
    struct random random;
    unsigned pages;
    struct lengths lengths;
    struct scan scan;
    struct scan_marks marks;
};

static void fill(struct scan_test *test)
{
    memset(&test->scan, 0, sizeof(test->scan));
    memset(test->scan.bytes, FILLER, sizeof(test->scan.bytes));
    test->scan.page = SCAN_BEFORE;
    test->scan.count = sizeof(test->scan.bytes);
    test->scan.code_end = PAGE_BYTES;
    test->scan.lengths = &test->lengths;
    test->scan.vex_allowed = true;
    test->scan.mark_int80 = true;
}

/* `at`: in the page, may be negative. */
static void put(struct scan_test *test, int at, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        test->scan.bytes[SCAN_BEFORE + at + (int)i] = bytes[i];
    }
}

static void find(struct scan_test *test, int entered)
{
    memset(test->scan.starts, 0, sizeof(test->scan.starts));
    scan_find_marks(&test->scan, entered, &test->marks);
}

static bool is_marked_at(const struct scan_test *test, int start)
{
    for (unsigned i = 0; i < test->marks.count; i++) {
        if (test->marks.marks[i].start == start) {
            return true;
        }
    }
    return false;
}

struct example {
    uint8_t count, bytes[8];
};

static const struct example marked[] = {
    {2, {0x0f, 0xa2}},       /* cpuid */
    {2, {0x0f, 0x31}},       /* rdtsc */
    {3, {0x0f, 0x01, 0xf9}}, /* rdtscp */
    {3, {0x0f, 0x01, 0xd0}}, /* xgetbv */
    {3, {0x0f, 0x01, 0xe0}}, /* smsw */
    {3, {0x0f, 0x03, 0xc1}}, /* lsl */
    {2, {0x0f, 0x05}},       /* syscall */
    {2, {0x0f, 0x34}},       /* sysenter */
    {2, {0xcd, 0x80}},       /* int 80h */
    {2, {0x8c, 0xd8}},       /* mov eax, ds */
    {2, {0x8e, 0xe8}},       /* mov gs, eax */
    {3, {0x0f, 0xae, 0x20}}, /* xsave */
    {3, {0x0f, 0xae, 0x28}}, /* xrstor */
    {3, {0x0f, 0xae, 0x30}}, /* xsaveopt */
    {3, {0x0f, 0xc7, 0x20}}, /* xsavec */
};

/* Not what programs are made of, so pages with them are refused: what looks like one is
 * mostly part of a table. */
static const struct example refused[] = {
    {3, {0x0f, 0x01, 0x00}},       /* sgdt */
    {4, {0x0f, 0x01, 0x48, 0x10}}, /* sidt */
    {3, {0x0f, 0x00, 0xc0}},       /* sldt */
    {3, {0x0f, 0x00, 0xc8}},       /* str */
    {3, {0x0f, 0x00, 0xe0}},       /* verr */
    {3, {0x0f, 0x02, 0xc1}},       /* lar */
    {2, {0x0f, 0xa0}},             /* push fs */
    {2, {0x0f, 0xa1}},             /* pop fs */
    {2, {0x0f, 0xa8}},             /* push gs */
    {2, {0x0f, 0xa9}},             /* pop gs */
    {3, {0x0f, 0xb2, 0x00}},       /* lss */
    {3, {0x0f, 0xb4, 0x00}},       /* lfs */
    {3, {0x0f, 0xb5, 0x00}},       /* lgs */
    {4, {0x8c, 0x44, 0x24, 0x08}}, /* mov [esp + 8], es */
    {2, {0xc4, 0x00}},             /* les */
    {3, {0xc5, 0x40, 0x04}},       /* lds */
};

static const struct example harmless[] = {
    {6, {0x0f, 0x8c, 0x40, 0x01, 0x00, 0x00}}, /* jl */
    {6, {0x0f, 0x8e, 0x40, 0x01, 0x00, 0x00}}, /* jle */
    {3, {0x83, 0xc4, 0x10}},                   /* add esp, 16 */
    {3, {0x83, 0xc5, 0x10}},                   /* add ebp, 16 */
    {5, {0xb8, 0x0f, 0xa2, 0x90, 0x90}},       /* mov eax, immediate */
    {5, {0x68, 0x0f, 0x31, 0xcd, 0x80}},       /* push immediate */
    {5, {0x05, 0xcd, 0x80, 0x8c, 0xd8}},       /* add eax, immediate */
    {5, {0xa1, 0x0f, 0x05, 0x0f, 0x34}},       /* mov eax, [address] */
    {4, {0xc5, 0xf9, 0x6f, 0xc1}},             /* vmovdqa */
    {5, {0xc4, 0xe2, 0x79, 0x18, 0xc1}},       /* vbroadcastss */
    {3, {0x0f, 0xae, 0xe8}},                   /* lfence */
    {3, {0x0f, 0xae, 0x00}},                   /* fxsave */
    {3, {0x0f, 0xc7, 0x08}},                   /* cmpxchg8b */
    {2, {0xcd, 0x03}},                         /* int 3 */
    {2, {0x0f, 0x0b}},                         /* ud2 */
};

static void marks_each_at(struct scan_test *test, int at, const uint8_t *bytes,
                          unsigned count)
{
    fill(test);
    put(test, at, bytes, count);
    find(test, 0);
    assert_false(test->marks.doubtful);
    if (test->marks.count != 1 || !is_marked_at(test, at)) {
        fail_msg("%02x %02x %02x at %d: %u marks", bytes[0], bytes[1], bytes[2], at,
                 test->marks.count);
    }
}

static void test_each_is_marked(void **state)
{
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(marked); i++) {
        unsigned count = marked[i].count;
        marks_each_at(test, 0, marked[i].bytes, count);
        marks_each_at(test, 0x777, marked[i].bytes, count);
        for (unsigned inside = 1; inside <= count; inside++) {
            marks_each_at(test, PAGE_BYTES - (int)inside, marked[i].bytes, count);
        }
    }
}

static void test_each_is_refused(void **state)
{
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(refused); i++) {
        for (int at = 0; at < PAGE_BYTES; at += 0x111) {
            fill(test);
            put(test, at, refused[i].bytes, refused[i].count);
            find(test, 0);
            assert_true(test->marks.doubtful);
        }
    }
}

static void test_prefixes(void **state)
{
    static const uint8_t prefixes[] = {0x2e, 0x3e, 0x64, 0x66, 0xf2, 0xf3};
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(marked) * ARRAY_LENGTH(prefixes); i++) {
        const struct example *example = &marked[i / ARRAY_LENGTH(prefixes)];
        uint8_t bytes[LONGEST] = {prefixes[i % ARRAY_LENGTH(prefixes)]};
        bool vex = example->bytes[0] == 0xc4 || example->bytes[0] == 0xc5;
        for (unsigned count = 1; count <= 2; count++) {
            bytes[count - 1] = count == 1 ? bytes[0] : 0x66;
            memcpy(bytes + count, example->bytes, example->count);
            struct instruction instruction;
            if (!vex && decode_instruction(&instruction, bytes, count + example->count,
                                           0, CODE_MODE) == DECODE_OK) {
                marks_each_at(test, 0x321, bytes, count + example->count);
            }
        }
    }
}

/* With its prefix in the page before the opcode is marked: with HLT it traps. */
static void test_prefix_in_the_page_before(void **state)
{
    static const uint8_t bytes[] = {0x66, 0x66, 0x0f, 0xa2};
    struct scan_test *test = *state;
    for (int at = -2; at < 0; at++) {
        fill(test);
        put(test, at, bytes, sizeof(bytes));
        find(test, SCAN_NONE);
        assert_false(test->marks.doubtful);
        assert_int_equal(test->marks.count, 1);
        assert_true(is_marked_at(test, at + 2));
    }
}

/* A system call has a window if all before it falls through. */
static void test_windows(void **state)
{
    static const struct {
        int16_t window;
        uint8_t bytes[12];
    } cases[] = {
        {2, {0x90, 0x90, 0xb8, 1, 0, 0, 0, 0xcd, 0x80, 0xc3}},
        {SCAN_NONE, {0xb8, 1, 0, 0, 0, 0xc3, 0x40, 0xcd, 0x80, 0xc3}},
        {SCAN_NONE, {0x90, 0x90, 0xe8, 1, 0, 0, 0, 0xcd, 0x80, 0xc3}},
        {SCAN_NONE, {0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcd, 0x80, 0xc3}},
        {SCAN_NONE, {0x89, 0xc3, 0xff, 0xd0, 0x90, 0x89, 0xd8, 0xcd, 0x80, 0xc3}},
    };
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        fill(test);
        put(test, 0x203, cases[i].bytes, 10);
        find(test, 0);
        assert_int_equal(test->marks.count, 1);
        int window = test->marks.marks[0].window;
        assert_int_equal(
            window, cases[i].window == SCAN_NONE ? SCAN_NONE : 0x203 + cases[i].window);
    }
}

/* What the page behind decides: as it is mapped now, or anything if it is not. When
 * that page is examined, it must be what does not make a marked instruction of it. */
static void test_end_of_the_page(void **state)
{
    static const struct example cut[] = {{2, {0x0f, 0x84}}, {2, {0xcd, 0x20}}};
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cut); i++) {
        fill(test);
        put(test, PAGE_BYTES - 1, cut[i].bytes, cut[i].count);
        find(test, 0);
        assert_false(test->marks.doubtful);
        assert_int_equal(test->marks.count, 0);
        test->scan.count = test->scan.page + PAGE_BYTES;
        find(test, 0);
        assert_false(test->marks.doubtful);
        assert_true(is_marked_at(test, PAGE_BYTES - 1));
    }
    static const struct example crossing[] = {{2, {0x0f, 0xa2}},
                                              {3, {0x0f, 0xae, 0x20}}};
    for (unsigned i = 0; i < ARRAY_LENGTH(crossing); i++) {
        fill(test);
        put(test, 1 - (int)crossing[i].count, crossing[i].bytes, crossing[i].count);
        find(test, SCAN_NONE);
        assert_true(test->marks.doubtful);
    }
}

static void test_harmless(void **state)
{
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(harmless); i++) {
        for (int at = 0; at < PAGE_BYTES - LONGEST; at += 0x111) {
            fill(test);
            put(test, at, harmless[i].bytes, harmless[i].count);
            find(test, 0);
            assert_false(test->marks.doubtful);
            assert_int_equal(test->marks.count, 0);
        }
    }
}

static void test_vex_forbidden(void **state)
{
    static const struct example vex[] = {{4, {0xc5, 0xf9, 0x6f, 0xc1}},
                                         {5, {0xc4, 0xe2, 0x79, 0x18, 0xc1}}};
    struct scan_test *test = *state;
    for (unsigned i = 0; i < ARRAY_LENGTH(vex); i++) {
        fill(test);
        put(test, 0x100, vex[i].bytes, vex[i].count);
        test->scan.vex_allowed = false;
        find(test, 0);
        assert_int_equal(test->marks.count, 1);
        assert_true(is_marked_at(test, 0x100));
    }
}

/* Instructions as compilers choose them: bytes, then random bytes. The number of the
 * former and of all, how often. */
static const struct {
    uint8_t fixed, all, weight, bytes[4];
} patterns[] = {
    {2, 3, 9, {0x8b, 0x45}},       /* mov eax, [ebp + x] */
    {3, 4, 9, {0x8b, 0x44, 0x24}}, /* mov eax, [esp + x] */
    {3, 4, 6, {0x89, 0x44, 0x24}},
    {2, 2, 8, {0x89, 0xc3}},
    {2, 2, 3, {0x89, 0xf1}},
    {2, 6, 4, {0x8d, 0x83}},
    {2, 3, 3, {0x8d, 0x76}},
    {1, 5, 8, {0xe8}},
    {2, 3, 5, {0x83, 0xc4}},
    {2, 3, 5, {0x83, 0xec}},
    {2, 3, 3, {0x83, 0xf8}},
    {2, 2, 6, {0x85, 0xc0}},
    {1, 2, 5, {0x74}},
    {1, 2, 5, {0x75}},
    {1, 2, 4, {0xeb}},
    {2, 6, 3, {0x0f, 0x84}},
    {2, 6, 2, {0x0f, 0x8c}},
    {2, 6, 2, {0x0f, 0x8e}},
    {1, 1, 5, {0x50}},
    {1, 1, 5, {0x53}},
    {1, 1, 5, {0x5b}},
    {1, 1, 3, {0xc3}},
    {1, 5, 4, {0xb8}},
    {1, 5, 2, {0x68}},
    {2, 6, 2, {0x81, 0xc3}},
    {2, 10, 1, {0xc7, 0x83}},
    {3, 8, 2, {0xc7, 0x44, 0x24}},
    {3, 3, 2, {0x0f, 0xb6, 0xc0}},
    {3, 3, 1, {0x0f, 0x94, 0xc0}},
    {2, 2, 2, {0x31, 0xc0}},
    {2, 6, 1, {0xff, 0xa3}},
    {2, 3, 1, {0xc1, 0xe0}},
    {4, 5, 1, {0xf2, 0x0f, 0x10, 0x45}},
    {3, 3, 1, {0x66, 0x89, 0x08}},
    {1, 1, 1, {0x90}},
};

/* The same few small numbers as displacements and immediates, mostly. */
static void random_operand(struct random *random, uint8_t *bytes, unsigned count)
{
    uint32_t number = random_one_in(random, 4) ? (uint32_t)random_next(random)
                                               : random_below(random, 64) * 4;
    if (random_one_in(random, 3)) {
        number = -number;
    }
    memcpy(bytes, &number, count < 4 ? count : 4);
    random_fill(random, bytes + 4, count > 4 ? count - 4 : 0);
}

/* CALL, JMP or Jcc within an image. */
static bool is_far_jump(const uint8_t *bytes)
{
    return bytes[0] == 0xe8 || (bytes[0] == 0x0f && (bytes[1] & 0xf0) == 0x80);
}

static unsigned random_harmless(struct random *random, uint8_t *bytes)
{
    unsigned i;
    do {
        i = random_below(random, ARRAY_LENGTH(patterns));
    } while (random_below(random, 9) >= patterns[i].weight);
    unsigned fixed = patterns[i].fixed, all = patterns[i].all;
    memcpy(bytes, patterns[i].bytes, fixed);
    if (all > fixed) {
        random_operand(random, bytes + fixed, all - fixed);
    }
    if (is_far_jump(bytes)) {
        int32_t distance = (int32_t)random_below(random, IMAGE_BYTES) - IMAGE_BYTES / 2;
        memcpy(bytes + fixed, &distance, sizeof(distance));
    }
    return all;
}

struct count {
    uint64_t instructions, marked, missed, false_marks, doubtful;
};

static void judge(struct scan_test *test, const bool *true_marks, const bool *starts,
                  struct count *count)
{
    count->doubtful += test->marks.doubtful;
    if (test->marks.doubtful) {
        return;
    }
    for (int at = 0; at < PAGE_BYTES; at++) {
        bool found = is_marked_at(test, at);
        count->missed += true_marks[at] && !found;
        /* Of the last instruction of the page the end may be unknown. */
        count->false_marks += found && !true_marks[at] && at < PAGE_BYTES - 2;
        count->marked += true_marks[at];
        count->instructions += starts[at];
    }
}

static void try_page(struct scan_test *test, struct count *count)
{
    struct random *random = &test->random;
    bool true_marks[PAGE_BYTES] = {false}, starts[PAGE_BYTES] = {false};
    uint8_t bytes[LONGEST + 4];
    unsigned entered = 0;
    fill(test);
    for (int at = -SCAN_BEFORE; at < PAGE_BYTES;) {
        bool is_true = random_one_in(random, CODE_PER_MARK);
        const struct example *example =
            &marked[random_below(random, ARRAY_LENGTH(marked))];
        unsigned length = example->count;
        memcpy(bytes, example->bytes, length);
        if (!is_true) {
            length = random_harmless(random, bytes);
        }
        put(test, at, bytes,
            length < (unsigned)(PAGE_BYTES - at) + SCAN_BEHIND
                ? length
                : (unsigned)(PAGE_BYTES - at));
        if (at >= 0) {
            starts[at] = true;
            true_marks[at] = is_true;
            entered = random_one_in(random, 100) || !entered ? (unsigned)at : entered;
        }
        at += (int)length;
    }
    find(test, (int)entered);
    judge(test, true_marks, starts, count);
}

static void test_compiled_code(void **state)
{
    struct scan_test *test = *state;
    struct count count = {0};
    for (unsigned i = 0; i < test->pages; i++) {
        try_page(test, &count);
    }
    printf("%llu instructions, %llu to be marked, %llu missed, %llu false; %llu of %u "
           "pages doubtful\n",
           (unsigned long long)count.instructions, (unsigned long long)count.marked,
           (unsigned long long)count.missed, (unsigned long long)count.false_marks,
           (unsigned long long)count.doubtful, test->pages);
    assert_int_equal(count.missed, 0);
    uint64_t wrong = count.false_marks + count.doubtful;
    assert_true(wrong * 1000000 <= FALSE_PER_MILLION * count.instructions + 2000000);
}

/* A table of numbers, as programs have them between code. */
static void random_table(struct random *random, uint8_t *bytes, unsigned count)
{
    unsigned kind = random_below(random, 6), shift = random_below(random, 24);
    uint64_t from = random_next(random), step = 1 + random_below(random, 9);
    for (unsigned i = 0; i < count; i++) {
        uint64_t number = from + i / 4 * step;
        switch (kind) {
        case 0: /* bytes one after the other: shuffles, inverse permutations */
            bytes[i] = (uint8_t)(from + i * step);
            break;
        case 1: /* text */
            bytes[i] =
                (uint8_t)(random_below(random, 7) ? 'a' + random_below(random, 26)
                                                  : ' ');
            break;
        case 2: /* numbers of 32 bits that grow: offsets, addresses */
            bytes[i] = (uint8_t)((number << shift) >> (i % 4 * 8));
            break;
        case 3: /* small numbers of 16 bits */
            bytes[i] = i % 2 ? 0 : (uint8_t)random_next(random);
            break;
        default: /* constants of cryptography, boxes of substitution */
            bytes[i] = (uint8_t)random_next(random);
        }
    }
}

/* Programs read tables that lie between code: nothing in them may be replaced, hence
 * marked, unless the whole page is refused. */
static void test_tables(void **state)
{
    enum { TABLE_MAXIMUM = 1024, TABLE_MINIMUM = 256, PAGES_PER_FALSE = 1000 };
    struct scan_test *test = *state;
    struct random *random = &test->random;
    unsigned with_false = 0, refused = 0;
    for (unsigned page = 0; page < test->pages; page++) {
        fill(test);
        unsigned at = random_below(random, PAGE_BYTES - TABLE_MAXIMUM);
        unsigned count =
            TABLE_MINIMUM + random_below(random, TABLE_MAXIMUM - TABLE_MINIMUM);
        for (unsigned i = 0; i < PAGE_BYTES - LONGEST;) {
            uint8_t bytes[LONGEST + 4];
            unsigned length = random_harmless(random, bytes);
            put(test, (int)i, bytes, length);
            i += length;
        }
        random_table(random, test->scan.bytes + SCAN_BEFORE + at, count);
        find(test, SCAN_NONE);
        refused += test->marks.doubtful;
        bool in_table = false;
        for (unsigned i = 0; i < test->marks.count && !test->marks.doubtful; i++) {
            unsigned start = test->marks.marks[i].start;
            in_table |= start + LONGEST > at && start < at + count;
        }
        with_false += in_table;
    }
    printf("%u pages with tables, %u refused, %u changed\n", test->pages, refused,
           with_false);
    assert_true(with_false <= test->pages / PAGES_PER_FALSE);
}

/* What the decoder says, but for SYSCALL and XSAVEC, which the guest's processor does
 * not have. */
static void test_lengths(void **state)
{
    struct scan_test *test = *state;
    for (uint64_t i = 0; i < (uint64_t)test->pages * LENGTHS_PER_PAGE; i++) {
        uint8_t bytes[2 * sizeof(uint64_t)];
        struct instruction instruction;
        random_fill(&test->random, bytes, sizeof(bytes));
        if (random_one_in(&test->random, 4)) {
            bytes[0] = 0x0f;
        }
        unsigned available = random_one_in(&test->random, 8)
                                 ? 1 + random_below(&test->random, LONGEST)
                                 : LONGEST;
        enum decode_result result =
            decode_instruction(&instruction, bytes, available, 0, CODE_MODE);
        unsigned expected = result == DECODE_OK          ? instruction.length
                            : result == DECODE_TRUNCATED ? available
                                                         : 1;
        if (bytes[0] == 0x0f && (bytes[1] == 0x05 || bytes[1] == 0xc7)) {
            continue;
        }
        assert_int_equal(lengths_of(&test->lengths, bytes, available), expected);
    }
}

int main(int argc, char **argv)
{
    static struct scan_test test;
    test.pages = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : PAGES_DEFAULT;
    test.random.state = random_seed();
    lengths_create(&test.lengths, CODE_MODE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_each_is_marked, &test),
        cmocka_unit_test_prestate(test_each_is_refused, &test),
        cmocka_unit_test_prestate(test_prefixes, &test),
        cmocka_unit_test_prestate(test_prefix_in_the_page_before, &test),
        cmocka_unit_test_prestate(test_end_of_the_page, &test),
        cmocka_unit_test_prestate(test_windows, &test),
        cmocka_unit_test_prestate(test_harmless, &test),
        cmocka_unit_test_prestate(test_vex_forbidden, &test),
        cmocka_unit_test_prestate(test_compiled_code, &test),
        cmocka_unit_test_prestate(test_tables, &test),
        cmocka_unit_test_prestate(test_lengths, &test),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
