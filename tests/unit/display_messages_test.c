/* What a machine and its viewers say to each other, rectangles, and keys by whatever
 * name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/ps2_scancode.h"
#include "host/display/keys.h"
#include "host/display/messages.h"
#include "host/display/terminal_keys.h"
#include "host/display/vnc_input.h"

static bool viewer_may(struct view_message message)
{
    return view_message_from_viewer(&message, sizeof(message));
}

static bool machine_may(struct view_message message)
{
    return view_message_from_machine(&message, sizeof(message));
}

#define VIEWER(...) viewer_may((struct view_message){.kind = __VA_ARGS__})
#define MACHINE(...) machine_may((struct view_message){.kind = __VA_ARGS__})

static void messages_of_viewers(void **state)
{
    (void)state;
    assert_true(VIEWER(VIEW_READY));
    assert_true(VIEWER(VIEW_WATCHING, .on = true));
    assert_true(VIEWER(VIEW_KEY, .key = {KEY_A, true}));
    assert_false(VIEWER(VIEW_KEY, .key = {0, true}));
    assert_false(VIEWER(VIEW_KEY, .key = {BTN_LEFT, true}));
    assert_true(VIEWER(VIEW_BUTTON, .key = {BTN_LEFT, true}));
    assert_false(VIEWER(VIEW_BUTTON, .key = {KEY_A, true}));
    assert_false(VIEWER(VIEW_BUTTON, .key = {0xffff, true}));
    assert_true(VIEWER(VIEW_MOTION, .motion = {-5, 5, 1}));
    assert_false(VIEWER(VIEW_MOTION, .motion = {INT32_MIN, 0, 0}));
    assert_false(VIEWER(VIEW_MOTION, .motion = {0, 0, INT32_MAX}));
    assert_true(VIEWER(VIEW_POSITION, .position = {0, INPUT_POSITION_MAXIMUM}));
    assert_false(VIEWER(VIEW_POSITION, .position = {INPUT_POSITION_MAXIMUM + 1, 0}));
    assert_false(VIEWER(VIEW_UPDATE, .update = {{1, 1}, {0, 0, 1, 1}}));
    assert_false(VIEWER(VIEW_SETTINGS));
    assert_false(VIEWER((enum view_message_kind)99));
    struct view_message message = {.kind = VIEW_FAILED};
    assert_true(viewer_may(message));
    memset(message.text, 'x', sizeof(message.text));
    assert_false(viewer_may(message));
    message.kind = VIEW_WATCHING; /* with a bool that is 'x' */
    assert_false(viewer_may(message));
    message.kind = VIEW_READY;
    assert_false(view_message_from_viewer(&message, sizeof(message) - 1));
    assert_false(view_message_from_viewer(&message, 0));
}

static void messages_of_machines(void **state)
{
    (void)state;
    assert_true(MACHINE(VIEW_SETTINGS));
    assert_true(MACHINE(VIEW_STATE, .state = {true, true, 100}));
    assert_true(MACHINE(VIEW_UPDATE, .update = {{640, 480}, {639, 479, 1, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{640, 480}, {639, 479, 2, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{640, 480}, {0, 479, 1, UINT32_MAX}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{640, 480}, {640, 0, 1, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{640, 480}, {0, 0, 0, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{0, 480}, {0, 0, 1, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{2561, 480}, {0, 0, 1, 1}}));
    assert_false(MACHINE(VIEW_UPDATE, .update = {{640, 1601}, {0, 0, 1, 1}}));
    assert_false(MACHINE(VIEW_KEY, .key = {KEY_A, true}));
    struct view_message message = {.kind = VIEW_SETTINGS};
    memset(message.settings.password, 'x', sizeof(message.settings.password));
    assert_false(machine_may(message));
}

/* Any bytes at all: what passes is in range. */
static void random_messages(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 200000; i++) {
        struct view_message message;
        uint8_t *bytes = (uint8_t *)&message;
        for (size_t j = 0; j < 64; j++) {
            bytes[j] = (uint8_t)(rand() >> 8);
        }
        message.kind = (enum view_message_kind)(rand() % 16);
        if (viewer_may(message) && message.kind == VIEW_POSITION) {
            assert_in_range(message.position.x, 0, INPUT_POSITION_MAXIMUM);
        }
        if (machine_may(message) && message.kind == VIEW_UPDATE) {
            assert_in_range(message.update.changed.x + message.update.changed.width, 1,
                            message.update.size.width);
        }
    }
}

static void rectangles(void **state)
{
    (void)state;
    const struct display_rectangle none = {0}, a = {10, 20, 5, 5}, b = {12, 2, 1, 4};
    struct display_rectangle sum = view_rectangle_join(none, a);
    assert_memory_equal(&sum, &a, sizeof(a));
    sum = view_rectangle_join(a, none);
    assert_memory_equal(&sum, &a, sizeof(a));
    sum = view_rectangle_join(a, b);
    const struct display_rectangle around = {10, 2, 5, 23};
    assert_memory_equal(&sum, &around, sizeof(around));
}

/* No key of the keyboard that the guest has is out of reach for who sits at one. */
static void scancodes_reach_each_key(void **state)
{
    (void)state;
    for (uint16_t key = 1; key < PS2_KEYS; key++) {
        bool extended, reached = key == KEY_WAKEUP; /* SDL does not know it */
        for (unsigned scancode = 0; scancode < 512 && !reached; scancode++) {
            reached = key_of_sdl_scancode(scancode) == key;
        }
        if (!reached && ps2_set2_code(key, &extended)) {
            fail_msg("no scan code of SDL is key %u", key);
        }
    }
    assert_int_equal(key_of_sdl_scancode(0x04), KEY_A);
    assert_int_equal(key_of_sdl_scancode(0x1d), KEY_Z);
    assert_int_equal(key_of_sdl_scancode(0x4f), KEY_RIGHT);
    assert_int_equal(key_of_sdl_scancode(0xe7), KEY_RIGHTMETA);
    assert_int_equal(key_of_sdl_scancode(0), 0);
    assert_int_equal(key_of_sdl_scancode(100000), 0);
}

/* Keysyms reach what a PC keyboard of 104 keys has, but for those whose place only
 * another layout names. */
static void keysyms_reach_each_key(void **state)
{
    (void)state;
    for (uint16_t key = KEY_ESC; key <= KEY_COMPOSE; key++) {
        bool extended, shift, character, reached = key == KEY_102ND;
        bool pc104 = key <= KEY_F12 || (key >= KEY_KPENTER && key <= KEY_DELETE) ||
                     key >= KEY_LEFTMETA;
        for (uint32_t keysym = 0; keysym < 0x10000 && !reached; keysym++) {
            reached = key_of_keysym(keysym, &character, &shift) == key;
        }
        if (pc104 && !reached && ps2_set2_code(key, &extended)) {
            fail_msg("no keysym is key %u", key);
        }
    }
}

/* Each character of ASCII comes from one key of a US keyboard, or that key with Shift.
 */
static void characters(void **state)
{
    static const char plain[] = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./ ";
    static const char shifted[] = "~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:\"ZXCVBNM<>?";
    bool shift;
    uint16_t key, other;
    (void)state;
    for (size_t i = 0; plain[i]; i++) {
        assert_true(key_of_character((uint8_t)plain[i], &key, &shift));
        assert_false(shift);
        if (shifted[i]) {
            assert_true(key_of_character((uint8_t)shifted[i], &other, &shift));
            assert_true(shift);
            assert_int_equal(key, other);
        }
    }
    assert_int_equal(strlen(plain) + strlen(shifted), '~' - ' ' + 1);
    assert_false(key_of_character('\n', &key, &shift));
    assert_false(key_of_character(0xe4, &key, &shift));
}

static void terminal(const char *bytes, uint16_t key, uint8_t modifiers)
{
    struct terminal_key found;
    assert_int_equal(terminal_key_read((const uint8_t *)bytes, strlen(bytes), &found),
                     strlen(bytes));
    assert_int_equal(found.key, key);
    assert_int_equal(found.modifiers, modifiers);
}

static void terminal_sequences(void **state)
{
    (void)state;
    terminal("a", KEY_A, 0);
    terminal("A", KEY_A, TERMINAL_SHIFT);
    terminal("\r", KEY_ENTER, 0);
    terminal("\x7f", KEY_BACKSPACE, 0);
    terminal("\x03", KEY_C, TERMINAL_CTRL);
    terminal("\x1c", KEY_BACKSLASH, TERMINAL_CTRL);
    terminal("\x1b", KEY_ESC, 0);
    terminal("\x1bx", KEY_X, TERMINAL_ALT);
    terminal("\x1b[A", KEY_UP, 0);
    terminal("\x1bOD", KEY_LEFT, 0);
    terminal("\x1b[1;5C", KEY_RIGHT, TERMINAL_CTRL);
    terminal("\x1b[5~", KEY_PAGEUP, 0);
    terminal("\x1b[3;2~", KEY_DELETE, TERMINAL_SHIFT);
    terminal("\x1b[24~", KEY_F12, 0);
    terminal("\x1b[[B", KEY_F2, 0);
    terminal("\x1bOP", KEY_F1, 0);
    terminal("\x1b[Z", KEY_TAB, TERMINAL_SHIFT);
    terminal("\x1b[99~", 0, 0);
    terminal("\x1b[?", 0, 0);
    struct terminal_key key;
    const uint8_t bytes[] = {0xc3, 0xa4, 'b'};
    assert_int_equal(terminal_key_read(bytes, sizeof(bytes), &key), 1);
    assert_int_equal(key.key, 0);
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t noise[8] = {0x1b, i & 1 ? '[' : 'O'};
        for (size_t j = 2; j < sizeof(noise); j++) {
            noise[j] = (uint8_t)(rand() >> 8);
        }
        size_t used = terminal_key_read(noise, sizeof(noise), &key);
        assert_in_range(used, 1, sizeof(noise));
    }
}

/* -- what a VNC client's keys make of the guest's -- */

struct client {
    struct viewer viewer;
    struct vnc_input input;
    int socket;
    bool down[VNC_KEYS];
};

static void connect_client(struct client *client)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    memset(client, 0, sizeof(*client));
    client->viewer.socket = ends[0];
    client->socket = ends[1];
    client->input.viewer = &client->viewer;
}

static void disconnect_client(struct client *client)
{
    close(client->viewer.socket);
    close(client->socket);
}

/* Takes what has been sent; returns how many keys the guest saw go down with Shift held
 * as `shift` says, and that were `key`. */
static unsigned typed(struct client *client, uint16_t key, bool shift)
{
    struct view_message message;
    unsigned count = 0;
    while (recv(client->socket, &message, sizeof(message), MSG_DONTWAIT) > 0) {
        assert_true(viewer_may(message));
        if (message.kind != VIEW_KEY) {
            continue;
        }
        client->down[message.key.code] = message.key.down;
        bool held = client->down[KEY_LEFTSHIFT] || client->down[KEY_RIGHTSHIFT];
        count += message.key.down && message.key.code == key && held == shift;
    }
    return count;
}

static void stroke(struct client *client, uint32_t keysym)
{
    vnc_input_key(&client->input, keysym, true);
    vnc_input_key(&client->input, keysym, false);
}

static void vnc_keys(void **state)
{
    enum { SHIFT_L = 0xffe1, CONTROL_L = 0xffe3, CAPS_LOCK = 0xffe5, RETURN = 0xff0d };
    struct client client;
    (void)state;
    connect_client(&client);
    stroke(&client, 'a');
    assert_int_equal(typed(&client, KEY_A, false), 1);
    stroke(&client, 'A'); /* a client that sends no Shift */
    assert_int_equal(typed(&client, KEY_A, true), 1);
    assert_false(client.down[KEY_LEFTSHIFT]);
    vnc_input_key(&client.input, SHIFT_L, true); /* another layout's Shift-7 */
    stroke(&client, '/');
    assert_int_equal(typed(&client, KEY_SLASH, false), 1);
    assert_true(client.down[KEY_LEFTSHIFT]); /* it is still held */
    stroke(&client, RETURN);
    assert_int_equal(typed(&client, KEY_ENTER, true), 1);
    vnc_input_key(&client.input, SHIFT_L, false);
    stroke(&client, CAPS_LOCK);
    typed(&client, 0, false);
    stroke(&client, 'A');
    assert_int_equal(typed(&client, KEY_A, false), 1);
    stroke(&client, '1');
    assert_int_equal(typed(&client, KEY_1, false), 1);
    vnc_input_key(&client.input, CONTROL_L, true);
    stroke(&client, 'C');
    assert_int_equal(typed(&client, KEY_C, false), 1);
    vnc_input_release(&client.input);
    typed(&client, 0, false);
    assert_false(client.down[KEY_LEFTCTRL]);
    disconnect_client(&client);
}

static struct view_message next(struct client *client)
{
    struct view_message message;
    assert_int_equal(recv(client->socket, &message, sizeof(message), MSG_DONTWAIT),
                     sizeof(message));
    assert_true(viewer_may(message));
    return message;
}

static void vnc_pointer(void **state)
{
    const struct display_size size = {640, 480};
    struct client client;
    (void)state;
    connect_client(&client);
    struct vnc_input *input = &client.input;
    vnc_input_pointer(input, 0, 100, 100, &size, false); /* from nowhere */
    vnc_input_pointer(input, 1, 90, 110, &size, false);
    struct view_message message = next(&client);
    assert_int_equal(message.kind, VIEW_MOTION);
    assert_int_equal(message.motion.dx, -10);
    assert_int_equal(message.motion.dy, 10);
    message = next(&client);
    assert_int_equal(message.kind, VIEW_BUTTON);
    assert_int_equal(message.key.code, BTN_LEFT);
    assert_true(message.key.down);
    vnc_input_pointer(input, 8, 90, 110, &size, true);
    message = next(&client);
    assert_int_equal(message.kind, VIEW_POSITION);
    assert_int_equal(message.position.x, 90 * INPUT_POSITION_MAXIMUM / 639);
    message = next(&client);
    assert_false(message.key.down);
    message = next(&client);
    assert_int_equal(message.motion.wheel, 1);
    vnc_input_pointer(input, 0, -7, 9999, &size, true);
    message = next(&client);
    assert_int_equal(message.position.x, 0);
    assert_int_equal(message.position.y, INPUT_POSITION_MAXIMUM);
    disconnect_client(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_viewers),
        cmocka_unit_test(messages_of_machines),
        cmocka_unit_test(random_messages),
        cmocka_unit_test(rectangles),
        cmocka_unit_test(scancodes_reach_each_key),
        cmocka_unit_test(keysyms_reach_each_key),
        cmocka_unit_test(characters),
        cmocka_unit_test(terminal_sequences),
        cmocka_unit_test(vnc_keys),
        cmocka_unit_test(vnc_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
