#include "host/display/vnc_input.h"

#include <linux/input-event-codes.h>

#include "host/display/keys.h"

enum { WHEEL_UP = 8, WHEEL_DOWN = 16 };

static void send_key(struct vnc_input *input, uint16_t key, bool down)
{
    if (key < VNC_KEYS && input->down[key] != down) {
        input->down[key] = down;
        viewer_tell_key(input->viewer, key, down);
    }
}

static bool is_letter(uint32_t keysym)
{
    return (keysym >= 'a' && keysym <= 'z') || (keysym >= 'A' && keysym <= 'Z');
}

/* With Ctrl or Alt, Shift is a part of the combination. */
static bool is_combined(const struct vnc_input *input)
{
    const bool *down = input->down;
    return down[KEY_LEFTCTRL] || down[KEY_RIGHTCTRL] || down[KEY_LEFTALT] ||
           down[KEY_LEFTMETA] || down[KEY_RIGHTMETA];
}

static void press_with_shift(struct vnc_input *input, uint16_t key, bool shift)
{
    bool left = input->down[KEY_LEFTSHIFT], right = input->down[KEY_RIGHTSHIFT];
    if (shift == (left || right)) {
        send_key(input, key, true);
        return;
    }
    send_key(input, KEY_LEFTSHIFT, shift);
    send_key(input, KEY_RIGHTSHIFT, false);
    send_key(input, key, true);
    send_key(input, KEY_LEFTSHIFT, left);
    send_key(input, KEY_RIGHTSHIFT, right);
}

void vnc_input_key(struct vnc_input *input, uint32_t keysym, bool down)
{
    bool is_character, shift;
    uint16_t key = key_of_keysym(keysym, &is_character, &shift);
    if (key == KEY_CAPSLOCK && down && !input->down[key]) {
        input->caps = !input->caps;
    }
    if (is_character && down && !is_combined(input) && keysym != ' ') {
        press_with_shift(input, key, shift != (is_letter(keysym) && input->caps));
    } else if (key) {
        send_key(input, key, down);
    }
}

static void send_buttons(struct vnc_input *input, unsigned buttons)
{
    static const uint16_t codes[] = {BTN_LEFT, BTN_MIDDLE, BTN_RIGHT};
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        if ((buttons ^ input->buttons) & 1U << i) {
            viewer_tell_button(input->viewer, codes[i], buttons >> i & 1);
        }
    }
    unsigned pressed = buttons & ~input->buttons;
    if (pressed & (WHEEL_UP | WHEEL_DOWN)) {
        viewer_tell_motion(input->viewer, 0, 0, pressed & WHEEL_UP ? 1 : -1);
    }
    input->buttons = buttons;
}

void vnc_input_pointer(struct vnc_input *input, unsigned buttons, int x, int y,
                       const struct display_size *size, bool has_position)
{
    bool moved = input->has_place && (x != input->x || y != input->y);
    if (has_position) {
        viewer_tell_position(input->viewer, x, y, size);
    } else if (moved) {
        viewer_tell_motion(input->viewer, x - input->x, y - input->y, 0);
    }
    input->x = x;
    input->y = y;
    input->has_place = true;
    send_buttons(input, buttons);
}

void vnc_input_release(struct vnc_input *input)
{
    for (unsigned key = 0; key < VNC_KEYS; key++) {
        send_key(input, (uint16_t)key, false);
    }
    send_buttons(input, 0);
    input->has_place = false;
}
