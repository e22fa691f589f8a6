/* Redirection of system calls under engine direct: whatever enters the kernel, from
 * whatever place in a page, leaves the same behind as under the interpreter.
 * Arguments: a way of redirection, "cost" to have it measured. */
#include "redirect_world.h"

#include "cpu/core/exception.h"
#include "cpu/direct/direct.h"
#include "host/confinement/confinement.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define CODE(name, bytes)                                                              \
    {                                                                                  \
        name, bytes, sizeof(bytes) - 1, 0x100, false, false                            \
    }
#define CALL(name, bytes, offset)                                                      \
    {                                                                                  \
        name, bytes, sizeof(bytes) - 1, offset, false, true                            \
    }
#define CLOSED(name, bytes)                                                            \
    {                                                                                  \
        name, bytes, sizeof(bytes) - 1, 0x100, true, true                              \
    }

enum { ROUNDS = 20000, KICK_AFTER_NS = 20000000 };

static const struct code codes[] = {
    CALL("int 80h", "\xcd\x80", 0x100),
    CALL("int 80h, first in a page", "\xcd\x80", 0),
    CALL("int 80h, last in a page", "\xcd\x80", 0xffe),
    CALL("int 80h, across pages", "\xcd\x80", 0xfff),
    CALL("int 80h, behind others", "\xb8\x14\x00\x00\x00\x01\xd8\xcd\x80", 0xf00),
    CALL("int 80h, behind mov eax", "\xb8\x14\x00\x00\x00\xcd\x80", 0xff9),
    CALL("66 int 80h", "\x66\xcd\x80", 0x100),
    CALL("67 int 80h", "\x67\xcd\x80", 0x100),
    CALL("2e int 80h", "\x2e\xcd\x80", 0x100),
    CALL("f3 65 int 80h", "\xf3\x65\xcd\x80", 0x100),
    CALL("66 int 80h, prefix in the page before", "\x66\xcd\x80", 0xfff),
    CALL("66 int 80h, across pages", "\x66\xcd\x80", 0xffe),
    CODE("f0 int 80h", "\xf0\xcd\x80"),
    CLOSED("int 80h, forbidden", "\xcd\x80"),
    CLOSED("66 int 80h, forbidden", "\x66\xcd\x80"),
    CLOSED("3e 66 int 80h, forbidden", "\x3e\x66\xcd\x80"),
    CALL("int 80h, DF set", "\xfd\xcd\x80", 0x100),
    CALL("int 80h, ID and NT set", "\x68\xd7\x42\x20\x00\x9d\xcd\x80", 0x100),
    CALL("int 80h, AC set", "\x68\x02\x02\x04\x00\x9d\x90\xcd\x80", 0x100),
    CODE("sysenter, NT and AC set", "\x68\x02\x42\x04\x00\x9d\x90\x0f\x34"),
    CALL("int 80h, EAX -4", "\xb8\xfc\xff\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -38", "\xb8\xda\xff\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -512", "\xb8\x00\xfe\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -513", "\xb8\xff\xfd\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -514", "\xb8\xfe\xfd\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -516", "\xb8\xfc\xfd\xff\xff\x90\xcd\x80", 0x100),
    CALL("int 80h, EAX -1", "\x83\xc8\xff\xcd\x80", 0x100),
    CALL("int 80h, TF set", "\x68\x02\x03\x00\x00\x9d\xcd\x80", 0x100),
    CALL("int 80h on no stack", "\x31\xe4\xcd\x80", 0x100),
    CODE("int 0", "\xcd\x00"),
    CODE("int 1", "\xcd\x01"),
    CODE("int 2", "\xcd\x02"),
    CODE("int 3 of two bytes", "\xcd\x03"),
    CODE("int 4 of two bytes", "\xcd\x04"),
    CODE("int 0dh", "\xcd\x0d"),
    CODE("int 20h", "\xcd\x20"),
    CODE("int 7fh", "\xcd\x7f"),
    CODE("int 81h", "\xcd\x81"),
    CODE("int 0cch", "\xcd\xcc"),
    CODE("int 0ceh", "\xcd\xce"),
    CODE("int 0ffh", "\xcd\xff"),
    CODE("int3", "\xcc"),
    CODE("into, taken", "\xb0\x7f\x04\x01\xce"),
    CODE("into, not taken", "\x31\xc0\xce\x0f\x0b"),
    CODE("sysenter", "\x0f\x34"),
    CODE("sysenter behind others", "\x89\xe5\x51\x52\x55\x89\xe5\x0f\x34"),
    CODE("syscall", "\x0f\x05"),
    CODE("icebp", "\xf1"),
    CODE("ud2", "\x0f\x0b"),
    CODE("hlt", "\xf4"),
    CODE("cli", "\xfa"),
    CODE("sti", "\xfb"),
    CODE("in al, 80h", "\xe4\x80"),
    CODE("out dx, eax", "\xef"),
    CODE("mov eax, cr0", "\x0f\x20\xc0"),
    CODE("div by zero", "\x31\xc9\xf7\xf1"),
    CODE("read of nothing", "\xa1\x00\x00\x00\x40"),
    CODE("jump to nothing", "\xe9\x00\x00\x00\x40"),
    CODE("tf by popf", "\x68\x02\x03\x00\x00\x9d\x40\x41"),
    CODE("tf by popf, then int3", "\x68\x02\x03\x00\x00\x9d\xcc"),
    CODE("stack touched, then ud2", "\x50\x9c\x58\x0f\x0b"),
};

static const char *way;
static struct cpu_fixture expected_by, fixture;

static struct direct *direct(void)
{
    return fixture.cpu->direct;
}

static void expect_same(const struct code *code)
{
    struct outcome expected, outcome;
    world_prepare(&expected_by, code);
    world_run(&expected_by);
    world_look(&expected_by, &expected);
    world_prepare(&fixture, code);
    uint64_t entries = direct()->statistics.entries;
    uint64_t redirected = direct()->statistics.redirected;
    world_run(&fixture);
    world_look(&fixture, &outcome);
    const uint32_t *a = (const uint32_t *)&expected, *b = (const uint32_t *)&outcome;
    for (unsigned i = 0; i < sizeof(outcome) / sizeof(*a); i++) {
        if (a[i] != b[i]) {
            fail_msg("%s: word %u of the outcome is %#x, not %#x (vector %u, not %u)",
                     code->name, i, b[i], a[i], outcome.exception.vector,
                     expected.exception.vector);
        }
    }
    if (direct()->statistics.entries == entries) {
        fail_msg("%s: was not run directly", code->name);
    }
    bool plain = (uint8_t)code->bytes[0] == 0xcd;
    if (code->comes_by_host && plain && !direct()->mark_int80) {
        assert_true(direct()->statistics.redirected > redirected);
    }
}

static void test_same_as_interpreted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        /* The second time, the page is known. */
        expect_same(&codes[i]);
        expect_same(&codes[i]);
    }
}

static void test_all_vectors(void **state)
{
    (void)state;
    for (unsigned vector = 0; vector < 256; vector++) {
        const char bytes[] = {(char)0xcd, (char)vector};
        const struct code code = {"int n", bytes, 2, 0x200, false, vector == 0x80};
        expect_same(&code);
    }
}

static const struct code call = CALL("int 80h", "\xcd\x80", 0x100);

static void *run_elsewhere(void *opaque)
{
    (void)opaque;
    expect_same(&call);
    return NULL;
}

/* A CPU may run in another thread from one time to the next. */
static void test_threads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, NULL), 0);
        pthread_join(thread, NULL);
        expect_same(&call);
    }
    assert_true(strcmp(way, "auto") == 0 || strcmp(direct()->redirect->name, way) == 0);
}

static void *kick(void *opaque)
{
    const struct timespec delay = {.tv_nsec = KICK_AFTER_NS};
    nanosleep(&delay, NULL);
    cpu_kick(opaque);
    return NULL;
}

/* Requests of other threads reach guest code that makes no calls, and some that does
 * little else. */
static void test_kicks(void **state)
{
    (void)state;
    static const struct code loops[] = {
        CODE("jmp $", "\xeb\xfe"),
        CALL("int 80h; jmp", "\xcd\x80\xeb\xfc", 0x100),
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(loops); i++) {
        pthread_t thread;
        world_prepare(&fixture, &loops[i]);
        cpu_fixture_return_from(&fixture, 0x80);
        world_open_gate(&fixture, 0x80);
        pthread_create(&thread, NULL, kick, fixture.cpu);
        assert_int_equal(cpu_fixture_run(&fixture, UINT64_MAX), CPU_EXIT_KICK);
        pthread_join(thread, NULL);
        uint32_t eip = fixture.cpu->eip;
        assert_true((eip & ~3U) == WORLD_CODE + 0x100 || eip == FIXTURE_RETURN);
    }
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A round trip into a guest's kernel that is one IRET. */
static void test_cost(void **state)
{
    (void)state;
    static const struct code loops[] = {
        /* mov ecx, ROUNDS; again: int 80h; loop again; ud2 */
        CALL("int 80h alone", "\xb9\x20\x4e\x00\x00\xcd\x80\xe2\xfc\x0f\x0b", 0x100),
        /* the same with int3, which is a signal whatever the way */
        CODE("int3", "\xb9\x20\x4e\x00\x00\x90\xcc\xe2\xfc\x0f\x0b"),
        /* the same with mov eax, 20 before each int 80h */
        CALL("mov eax, 20; int 80h",
             "\xb9\x20\x4e\x00\x00\xb8\x14\x00\x00\x00\xcd\x80\xe2\xf7\x0f\x0b", 0x100),
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(loops); i++) {
        world_prepare(&fixture, &loops[i]);
        cpu_fixture_return_from(&fixture, EXCEPTION_BP);
        cpu_fixture_return_from(&fixture, 0x80);
        world_open_gate(&fixture, 0x80);
        double before = now_s();
        world_run(&fixture);
        printf("%s: %s: %.2f us\n", direct()->redirect->name, loops[i].name,
               (now_s() - before) * 1e6 / ROUNDS);
        assert_int_equal(fixture.cpu->regs[REGISTER_ECX], 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_interpreted),
        cmocka_unit_test(test_all_vectors),
        cmocka_unit_test(test_kicks),
        cmocka_unit_test(test_threads),
    };
    const struct CMUnitTest costs[] = {cmocka_unit_test(test_cost)};
    struct error error;
    way = argc > 1 ? argv[1] : "auto";
    const char *lacks = direct_engine.lacks();
    if (lacks) {
        printf("engine direct: %s: skipped\n", lacks);
        return TEST_SKIPPED;
    }
    if (!confinement_drop_privileges(&error) ||
        !world_create(&fixture, &direct_engine, way, &error)) {
        printf("%s: skipped\n", error.text);
        return TEST_SKIPPED;
    }
    if (!world_create(&expected_by, &interpreter_engine, NULL, &error)) {
        printf("%s\n", error.text);
        return 1;
    }
    for (unsigned i = 0; i < REDIRECTS; i++) {
        const char *name;
        uint64_t ns = redirect_measured_ns(direct(), i, &name);
        if (ns) {
            printf("%s: %u ns in a trial%s\n", name, (unsigned)ns,
                   strcmp(name, direct()->redirect->name) == 0 ? ", used" : "");
        }
    }
    int failed = argc > 2 && strcmp(argv[2], "cost") == 0
                     ? cmocka_run_group_tests(costs, NULL, NULL)
                     : cmocka_run_group_tests(tests, NULL, NULL);
    cpu_fixture_destroy(&expected_by);
    cpu_fixture_destroy(&fixture);
    return failed;
}
