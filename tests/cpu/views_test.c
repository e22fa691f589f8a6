/* Views: what shows in their windows, what they forget at which flush, and how they live
 * with few host mappings. */
#include "cpu/core/exception.h"
#include "cpu/mmu/views_internal.h"
#include "cpu_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
    RAM_BYTES = 32 << 20,
    PAGE_A = 0x400000, /* physical pages to map, and what is in their first words */
    PAGE_B = 0x402000,
    VALUE_A = 0xaaaa,
    VALUE_B = 0xbbbb,
    LINEAR = 0x8048000,
    W = ENTRY_WRITABLE,
    U = ENTRY_USER,
    G = ENTRY_GLOBAL,
    P = ENTRY_PRESENT,
};

static struct cpu_fixture fixture;
static struct cpu *cpu;
static unsigned moved_count, moved_all_count;
static gla_t moved_page;

static void on_moved(void *opaque, unsigned view, gla_t page)
{
    (void)opaque, (void)view;
    moved_count++;
    moved_page = page;
}

static void on_moved_all(void *opaque, unsigned view)
{
    (void)opaque, (void)view;
    moved_all_count++;
}

static int setup_with_budget(unsigned budget)
{
    struct error error;
    if (!cpu_fixture_create(&fixture, RAM_BYTES, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    cpu = fixture.cpu;
    if (!views_create(cpu, budget, &error)) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    cpu_fixture_protected_mode(&fixture, 0);
    views_listen(cpu, on_moved, on_moved_all, NULL);
    *(uint32_t *)cpu_fixture_ram(&fixture, PAGE_A) = VALUE_A;
    *(uint32_t *)cpu_fixture_ram(&fixture, PAGE_B) = VALUE_B;
    moved_count = moved_all_count = 0;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_with_budget(VIEWS_BUDGET_DEFAULT);
}

static int teardown(void **state)
{
    (void)state;
    views_destroy(cpu);
    cpu_fixture_destroy(&fixture);
    return 0;
}

static void test_smoke(void **state)
{
    (void)state;
    cpu_fixture_map(&fixture, LINEAR, PAGE_A, true, false);
    uint8_t *base = views_current(cpu);
    assert_int_equal(views_reach(cpu, LINEAR, false), VIEWS_MAPPED);
    assert_int_equal(*(uint32_t *)(base + LINEAR), VALUE_A);
    assert_int_equal(views_reach(cpu, LINEAR, true), VIEWS_MAPPED);
    *(uint32_t *)(base + LINEAR) = 5;
    assert_int_equal(*(uint32_t *)cpu_fixture_ram(&fixture, PAGE_A), 5);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_smoke),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
