#include "machine/user_input.h"

#include "devices/i8042.h"
#include "machine/machine_internal.h"

#include <linux/input-event-codes.h>
#include <string.h>

static struct i8042 *controller_of(struct machine *machine)
{
    for (unsigned i = 0; i < machine->device_count; i++) {
        if (strcmp(machine->devices[i]->class->name, "i8042") == 0) {
            return (struct i8042 *)machine->devices[i];
        }
    }
    return NULL; /* before the machine is made */
}

static void key(void *opaque, uint16_t code, bool down)
{
    ps2_keyboard_key(i8042_keyboard(controller_of(opaque)), code, down);
}

static void button(void *opaque, uint16_t code, bool down)
{
    static const struct {
        uint16_t code;
        unsigned bit;
    } buttons[] = {{BTN_LEFT, PS2_MOUSE_LEFT},
                   {BTN_RIGHT, PS2_MOUSE_RIGHT},
                   {BTN_MIDDLE, PS2_MOUSE_MIDDLE}};
    struct machine *machine = opaque;
    for (unsigned i = 0; i < ARRAY_LENGTH(buttons); i++) {
        if (buttons[i].code == code && down) {
            machine->mouse_buttons |= buttons[i].bit;
        } else if (buttons[i].code == code) {
            machine->mouse_buttons &= ~buttons[i].bit;
        }
    }
    ps2_mouse_move(i8042_mouse(controller_of(machine)), 0, 0, 0,
                   machine->mouse_buttons);
}

static void move(void *opaque, int dx, int dy, int wheel)
{
    struct machine *machine = opaque;
    ps2_mouse_move(i8042_mouse(controller_of(machine)), dx, dy, wheel,
                   machine->mouse_buttons);
}

static void position(void *opaque, unsigned x, unsigned y)
{
    (void)opaque, (void)x, (void)y;
}

static bool has_position(void *opaque)
{
    (void)opaque;
    return false;
}

const struct input_sink *machine_input(struct machine *machine)
{
    machine->input = (struct input_sink){
        .key = key,
        .button = button,
        .move = move,
        .position = position,
        .has_position = has_position,
        .opaque = machine,
    };
    return &machine->input;
}
