#include "machine/user_input.h"

#include <assert.h>
#include <linux/input-event-codes.h>

#include "devices/i8042.h"
#include "devices/virtio_input.h"
#include "machine/machine_internal.h"

/* The pointer that the guest wants positions of; NULL: none. */
static const struct input_sink *find_pointer(const struct machine *machine)
{
    const struct user_input *inputs = &machine->user_input;
    for (unsigned i = 0; i < inputs->pointer_count; i++) {
        const struct input_sink *pointer = &inputs->pointers[i];
        if (pointer->has_position(pointer->opaque)) {
            return pointer;
        }
    }
    return NULL;
}

/* A key that was pressed on one keyboard is not held there when it is released on
 * another. */
static void key(void *opaque, uint16_t key, bool down)
{
    struct machine *machine = opaque;
    struct virtio_input *virtio = machine->virtio_keyboard;
    bool driven = virtio && virtio_input_is_driven(virtio);
    if (driven) {
        const struct input_sink keyboard = virtio_input_sink(virtio);
        keyboard.key(keyboard.opaque, key, down);
    }
    if (!driven || !down) {
        ps2_keyboard_key(i8042_keyboard(machine->i8042), key, down);
    }
}

static unsigned ps2_button(uint16_t button)
{
    switch (button) {
    case BTN_LEFT:
        return PS2_MOUSE_LEFT;
    case BTN_RIGHT:
        return PS2_MOUSE_RIGHT;
    case BTN_MIDDLE:
        return PS2_MOUSE_MIDDLE;
    case BTN_SIDE:
        return PS2_MOUSE_SIDE;
    case BTN_EXTRA:
        return PS2_MOUSE_EXTRA;
    default:
        return 0;
    }
}

static void move_mouse(struct machine *machine, int dx, int dy, int wheel)
{
    ps2_mouse_move(i8042_mouse(machine->i8042), dx, dy, wheel,
                   machine->user_input.mouse_buttons);
}

/* A button that was pressed on one device is not held there when it is released on
 * another. */
static void button(void *opaque, uint16_t button, bool down)
{
    struct machine *machine = opaque;
    const struct input_sink *pointer = find_pointer(machine);
    unsigned bit = ps2_button(button);
    unsigned *held = &machine->user_input.mouse_buttons;
    if (pointer) {
        pointer->button(pointer->opaque, button, down);
    }
    if (pointer && !(*held & bit)) {
        return;
    }
    *held = down && !pointer ? *held | bit : *held & ~bit;
    move_mouse(machine, 0, 0, 0);
}

static void move(void *opaque, int dx, int dy, int wheel)
{
    struct machine *machine = opaque;
    const struct input_sink *pointer = find_pointer(machine);
    if (pointer) {
        pointer->move(pointer->opaque, dx, dy, wheel);
    } else {
        move_mouse(machine, dx, dy, wheel);
    }
}

static void position(void *opaque, unsigned x, unsigned y)
{
    const struct input_sink *pointer = find_pointer(opaque);
    if (pointer) {
        pointer->position(pointer->opaque, x, y);
    }
}

static bool has_position(void *opaque)
{
    return find_pointer(opaque) != NULL;
}

const struct input_sink *machine_input(struct machine *machine)
{
    struct input_sink *sink = &machine->user_input.sink;
    *sink = (struct input_sink){
        .key = key,
        .button = button,
        .move = move,
        .position = position,
        .has_position = has_position,
        .opaque = machine,
    };
    return sink;
}

void user_input_add_pointer(struct machine *machine, const struct input_sink *pointer)
{
    struct user_input *inputs = &machine->user_input;
    assert(inputs->pointer_count < USER_INPUT_POINTERS);
    inputs->pointers[inputs->pointer_count++] = *pointer;
}
