/* Rows of the fault space, and how points are drawn from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "campaign/space.h"
#include "machine/machine.h"

static struct machine *machine;

static struct fault_space *make(const char *text, struct error *error)
{
    json_t *rows = json_loads(text, 0, NULL);
    assert_non_null(rows);
    error->text[0] = 0;
    struct fault_space *space = space_create(rows, machine, error);
    json_decref(rows);
    return space;
}

static const char two_rows[] =
    "[{\"target\": \"ram\", \"address\": 4096, \"bytes\": 3},"
    " {\"target\": \"register\", \"name\": [\"eax\", \"cs\", \"eflags\"],"
    "  \"model\": \"stuck1\", \"for\": \"5us\", \"probability\": 0.5}]";

enum { EFLAGS_BITS = 18, ALL_BITS = 24 + 32 + 16 + EFLAGS_BITS };

static void rows(void **state)
{
    struct error error;
    char text[SPACE_TEXT_BYTES], place[SPACE_LOCATION_BYTES];
    const struct instruction_range range = {100, 110};
    struct fault_space *space = make(two_rows, &error);
    uint64_t points;
    assert_string_equal(error.text, "");
    assert_true(space_count(space, range, &points));
    assert_int_equal(points, 10 * ALL_BITS);
    assert_true(space_points(space, range) == 10.0 * ALL_BITS);
    assert_true(space->rows[0].is_flip);
    assert_false(space->rows[1].is_flip);

    struct fault_point point = space_point_at(space, range, 10 * 23 + 9);
    space_describe(space, &point, text);
    assert_string_equal(text, "target=ram,address=0x1002,bit=7,model=flip,"
                              "when=instruction:109");
    point = space_point_at(space, range, 10 * (24 + 32 + 16) + 0);
    space_describe(space, &point, text);
    space_locate(space, &point, place);
    assert_string_equal(place, "eflags");
    assert_string_equal(space_target(space, &point), "register");
    assert_string_equal(text, "target=register,name=eflags,bit=0,model=stuck1,for=5us,"
                              "probability=0.5,when=instruction:100");
    point = space_point_at(space, range, 10 * (24 + 32 + 16 + 1));
    assert_int_equal(point.bit, 2); /* bit 1 does not exist */
    space_destroy(space);
}

static void mistakes(void **state)
{
    static const struct {
        const char *rows, *message;
    } cases[] = {
        {"[]", "1 to 64 rows"},
        {"[3]", "row 1: it is to be a table"},
        {"[{}]", "row 1: target \"\""},
        {"[{\"target\": \"disk\"}]", "row 1: target \"disk\""},
        {"[{\"target\": \"ram\", \"address\": 1.5, \"bytes\": 3}]",
         "row 1: address is to be a whole number"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 0}]",
         "row 1: bytes is to be a whole number greater than 0"},
        {"[{\"target\": \"ram\", \"address\": 8388600, \"bytes\": 9}]",
         "row 1: there is no RAM at 0x800000 (the machine has 8 MiB"},
        {"[{\"target\": \"ram\", \"address\": 655359, \"bytes\": 2}]",
         "row 1: there is no RAM at 0xa0000"},
        {"[{\"target\": \"ram\", \"address\": 9223372036854775807, \"bytes\": 2}]",
         "row 1: no machine has RAM at"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4},"
         " {\"target\": \"ram\", \"address\": 3, \"bytes\": 4}]",
         "row 2: row 1 has some of these already"},
        {"[{\"target\": \"register\"}]", "row 1: name is to be a register"},
        {"[{\"target\": \"register\", \"name\": \"rax\"}]",
         "row 1: name \"rax\": the registers are eax"},
        {"[{\"target\": \"register\", \"name\": [\"eax\", \"eax\"]}]",
         "row 1: eax is there twice"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"bit\": 3}]",
         "row 1: bit cannot be given"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"model\": \"lost\"}]",
         "row 1: target=ram,model=lost: the models are"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"model\": \"stuck0\"}]",
         "row 1: target=ram,model=stuck0: say for=TIME"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"seeed\": 3}]",
         "seeed"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"id\": []}]",
         "row 1: id cannot be given"},
        {"[{\"target\": \"ram\", \"address\": 0, \"bytes\": 4, \"for\": []}]",
         "row 1: for is to be a number, true, false"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct error error;
        assert_null(make(cases[i].rows, &error));
        if (!strstr(error.text, cases[i].message) || strchr(error.text, '\n')) {
            fail_msg("%s: %s", cases[i].rows, error.text);
        }
    }
}

/* The same row is fine with another model. */
static void same_place_otherwise(void **state)
{
    struct error error;
    struct fault_space *space =
        make("[{\"target\": \"register\", \"name\": \"eax\"},"
             " {\"target\": \"register\", \"name\": \"eax\", \"model\": \"stuck0\","
             "  \"duration\": \"permanent\"}]",
             &error);
    assert_string_equal(error.text, "");
    space_destroy(space);
}

/* Within 5 standard deviations. */
static void check_frequency(unsigned count, unsigned draws, double chance)
{
    const double expected = draws * chance, difference = count - expected;
    assert_true(difference * difference < 25 * expected);
}

static void drawing(void **state)
{
    enum { DRAWS = 100000, INSTRUCTIONS = 7 };
    struct error error;
    const struct instruction_range range = {1000000, 1000000 + INSTRUCTIONS};
    struct fault_space *space = make(two_rows, &error);
    unsigned instructions[INSTRUCTIONS] = {0}, bytes[3] = {0}, registers[3] = {0};
    unsigned bits[8] = {0};
    for (unsigned i = 0; i < DRAWS; i++) {
        struct fault_point point = space_draw(space, range, 42, i);
        assert_int_equal(point.instruction, space_draw_instruction(range, 42, i));
        instructions[point.instruction - range.from]++;
        if (point.row == 0) {
            bytes[point.unit - 4096]++;
            bits[point.bit]++;
        } else {
            registers[point.unit]++;
        }
    }
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        check_frequency(instructions[i], DRAWS, 1.0 / INSTRUCTIONS);
    }
    for (unsigned i = 0; i < 3; i++) {
        static const double register_bits[] = {32, 16, EFLAGS_BITS};
        check_frequency(bytes[i], DRAWS, 8.0 / ALL_BITS);
        check_frequency(registers[i], DRAWS, register_bits[i] / ALL_BITS);
    }
    for (unsigned i = 0; i < 8; i++) {
        check_frequency(bits[i], DRAWS, 3.0 / ALL_BITS);
    }
    /* One number, whoever asks and when; others with another seed. */
    struct fault_point a = space_draw(space, range, 42, 77777);
    struct fault_point b = space_draw(space, range, 42, 77777);
    assert_memory_equal(&a, &b, sizeof(a));
    unsigned same = 0;
    for (unsigned i = 0; i < 1000; i++) {
        a = space_draw(space, range, 42, i);
        b = space_draw(space, range, 43, i);
        same += memcmp(&a, &b, sizeof(a)) == 0;
    }
    assert_true(same < 20);
    space_destroy(space);
}

/* Numbers that do not fit are said to be none. */
static void large(void **state)
{
    struct error error;
    struct fault_space *space = make(
        "[{\"target\": \"ram\", \"address\": 1048576, \"bytes\": 4194304}]", &error);
    uint64_t points;
    assert_true(space_count(space, (struct instruction_range){0, 1ULL << 37}, &points));
    assert_int_equal(points, 1ULL << 62);
    const struct instruction_range range = {5, 5 + (1ULL << 45)};
    assert_false(space_count(space, range, &points));
    assert_true(space_points(space, range) == 0x1p70);
    for (unsigned i = 0; i < 100; i++) {
        struct fault_point point = space_draw(space, range, 1, i);
        assert_true(point.instruction >= range.from && point.instruction < range.to);
        assert_true(point.unit >= 1048576 && point.unit < 1048576 + 4194304);
    }
    space_destroy(space);
}

int main(void)
{
    const struct machine_config config = {
        .ram_bytes = 8 << 20, .engine = "interpreter", .clock = CLOCK_KIND_COUNTED};
    struct error error;
    machine = machine_create(&config, &error);
    if (!machine || !machine_power_on(machine, &error)) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),    cmocka_unit_test(mistakes),
        cmocka_unit_test(drawing), cmocka_unit_test(same_place_otherwise),
        cmocka_unit_test(large),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    machine_destroy(machine);
    return failed;
}
