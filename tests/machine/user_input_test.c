/* Where keys, buttons, motions and positions go, and a picture of what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <unistd.h>

#include "../engine.h"
#include "machine/display.h"
#include "machine/machine_internal.h"

enum { BIOS_BYTES = 64 << 10, RESET_VECTOR = 0xfff0 };

static struct machine *create(bool takes_screenshots)
{
    static uint8_t bios[BIOS_BYTES];
    static const uint8_t halt[] = {0xf4, 0xeb, 0xfd}; /* hlt; jmp back to it */
    char path[] = "/tmp/faumachine-input-test-XXXXXX";
    struct error error = {.text = ""};
    memcpy(bios + RESET_VECTOR, halt, sizeof(halt));
    int fd = mkstemp(path);
    assert_int_equal(write(fd, bios, sizeof(bios)), sizeof(bios));
    close(fd);
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = path,
        .engine = tested_engine_name(),
        .takes_screenshots = takes_screenshots,
    };
    struct machine *machine = machine_create(&config, &error);
    unlink(path);
    assert_string_equal(error.text, "");
    return machine;
}

/* A tablet, and what it has been told. */
struct tablet {
    bool driven; /* the guest has a driver for it */
    unsigned x, y, buttons;
    int wheel;
};

static void tablet_button(void *opaque, uint16_t button, bool down)
{
    struct tablet *tablet = opaque;
    unsigned bit = 1U << (button - BTN_LEFT);
    tablet->buttons = down ? tablet->buttons | bit : tablet->buttons & ~bit;
}

static void tablet_move(void *opaque, int dx, int dy, int wheel)
{
    struct tablet *tablet = opaque;
    (void)dx, (void)dy;
    tablet->wheel += wheel;
}

static void tablet_position(void *opaque, unsigned x, unsigned y)
{
    struct tablet *tablet = opaque;
    tablet->x = x;
    tablet->y = y;
}

static bool tablet_has_position(void *opaque)
{
    const struct tablet *tablet = opaque;
    return tablet->driven;
}

static void ps2(void **state)
{
    struct machine *machine = create(false);
    const struct input_sink *input = machine_input(machine);
    const struct ps2_mouse *mouse = i8042_mouse(machine->i8042);
    const struct ps2_keyboard *keyboard = i8042_keyboard(machine->i8042);
    static const struct {
        uint16_t button;
        uint8_t bit;
    } buttons[] = {
        {BTN_LEFT, PS2_MOUSE_LEFT},     {BTN_RIGHT, PS2_MOUSE_RIGHT},
        {BTN_MIDDLE, PS2_MOUSE_MIDDLE}, {BTN_SIDE, PS2_MOUSE_SIDE},
        {BTN_EXTRA, PS2_MOUSE_EXTRA},
    };
    (void)state;
    input->key(input->opaque, KEY_A, true);
    assert_true(keyboard->down[KEY_A / 8] & 1 << KEY_A % 8);
    input->key(input->opaque, KEY_A, false);
    assert_false(keyboard->down[KEY_A / 8] & 1 << KEY_A % 8);
    for (size_t i = 0; i < ARRAY_LENGTH(buttons); i++) {
        input->button(input->opaque, buttons[i].button, true);
        assert_int_equal(mouse->buttons, buttons[i].bit);
        input->button(input->opaque, buttons[i].button, false);
        assert_int_equal(mouse->buttons, 0);
    }
    input->button(input->opaque, BTN_TASK, true);
    assert_int_equal(mouse->buttons, 0);
    assert_false(input->has_position(input->opaque));
    input->position(input->opaque, 1, 2); /* nobody wants it */
    machine_destroy(machine);
}

static void a_tablet(void **state)
{
    struct machine *machine = create(false);
    const struct input_sink *input = machine_input(machine);
    const struct ps2_mouse *mouse = i8042_mouse(machine->i8042);
    struct tablet tablet = {.driven = false};
    (void)state;
    user_input_add_pointer(machine, &(struct input_sink){
                                        .button = tablet_button,
                                        .move = tablet_move,
                                        .position = tablet_position,
                                        .has_position = tablet_has_position,
                                        .opaque = &tablet,
                                    });
    assert_false(input->has_position(input->opaque));
    input->button(input->opaque, BTN_LEFT, true); /* on the mouse */
    tablet.driven = true;
    assert_true(input->has_position(input->opaque));
    input->position(input->opaque, 100, INPUT_POSITION_MAXIMUM);
    assert_int_equal(tablet.x, 100);
    assert_int_equal(tablet.y, INPUT_POSITION_MAXIMUM);
    input->move(input->opaque, 0, 0, -2);
    assert_int_equal(tablet.wheel, -2);
    assert_int_equal(mouse->buttons, PS2_MOUSE_LEFT);
    input->button(input->opaque, BTN_LEFT, false); /* where it was pressed, too */
    assert_int_equal(mouse->buttons, 0);
    input->button(input->opaque, BTN_RIGHT, true);
    assert_int_equal(tablet.buttons, 1 << (BTN_RIGHT - BTN_LEFT));
    assert_int_equal(mouse->buttons, 0);
    machine_destroy(machine);
}

static void picture(void **state)
{
    struct machine *machine = create(true);
    struct error error;
    char path[] = "/tmp/faumachine-input-test-XXXXXX", head[16] = "";
    unsigned width, height;
    (void)state;
    int fd = mkstemp(path);
    unlink(path);
    assert_false(displays_write_picture(machine, fd, false, &error)); /* not yet on */
    assert_true(machine_power_on(machine, &error));
    lock_take(&machine->lock);
    assert_true(displays_write_picture(machine, fd, false, &error));
    lock_release(&machine->lock);
    assert_true(pread(fd, head, sizeof(head) - 1, 0) > 0);
    assert_int_equal(sscanf(head, "P6 %u %u 255", &width, &height), 2);
    off_t bytes = lseek(fd, 0, SEEK_END);
    assert_in_range(bytes, 3 * width * height + 10, 3 * width * height + 20);
    close(fd);
    machine_destroy(machine);
    machine = create(false);
    assert_true(machine_power_on(machine, &error));
    assert_false(displays_write_picture(machine, -1, true, &error));
    machine_destroy(machine);
}

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ps2),
        cmocka_unit_test(a_tablet),
        cmocka_unit_test(picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
