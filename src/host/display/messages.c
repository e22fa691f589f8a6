#include "host/display/messages.h"

#include <linux/input-event-codes.h>
#include <string.h>

/* A bool that came from elsewhere may be neither true nor false. */
static bool is_bool(const bool *value)
{
    uint8_t byte;
    memcpy(&byte, value, 1);
    return byte <= 1;
}

static bool ends(const char *text, size_t bytes)
{
    return memchr(text, '\0', bytes) != NULL;
}

static bool key_is_sane(const struct view_key *key, uint16_t first, uint16_t last)
{
    return key->code >= first && key->code <= last && is_bool(&key->down);
}

static bool counts_are_sane(int32_t counts)
{
    return counts >= -VIEW_MOTION_MAXIMUM && counts <= VIEW_MOTION_MAXIMUM;
}

bool view_message_from_viewer(const struct view_message *message, size_t length)
{
    if (length != sizeof(*message)) {
        return false;
    }
    switch (message->kind) {
    case VIEW_READY:
    case VIEW_SHOWN:
    case VIEW_QUIT:
    case VIEW_SCREENSHOT:
        return true;
    case VIEW_FAILED:
        return ends(message->text, sizeof(message->text));
    case VIEW_WATCHING:
        return is_bool(&message->on);
    case VIEW_KEY:
        return key_is_sane(&message->key, KEY_ESC, BTN_MISC - 1);
    case VIEW_BUTTON:
        return key_is_sane(&message->key, BTN_LEFT, BTN_TASK);
    case VIEW_MOTION:
        return counts_are_sane(message->motion.dx) &&
               counts_are_sane(message->motion.dy) &&
               counts_are_sane(message->motion.wheel);
    case VIEW_POSITION:
        return message->position.x <= INPUT_POSITION_MAXIMUM &&
               message->position.y <= INPUT_POSITION_MAXIMUM;
    default:
        return false;
    }
}

static bool update_is_sane(const struct view_update *update)
{
    const struct display_size *size = &update->size;
    const struct display_rectangle *changed = &update->changed;
    return size->width > 0 && size->width <= DISPLAY_MAXIMUM_WIDTH &&
           size->height > 0 && size->height <= DISPLAY_MAXIMUM_HEIGHT &&
           changed->x < size->width && changed->width > 0 &&
           changed->width <= size->width - changed->x && changed->y < size->height &&
           changed->height > 0 && changed->height <= size->height - changed->y;
}

bool view_message_from_machine(const struct view_message *message, size_t length)
{
    if (length != sizeof(*message)) {
        return false;
    }
    switch (message->kind) {
    case VIEW_SETTINGS:
        return ends(message->settings.name, sizeof(message->settings.name)) &&
               ends(message->settings.host, sizeof(message->settings.host)) &&
               ends(message->settings.password, sizeof(message->settings.password));
    case VIEW_UPDATE:
        return update_is_sane(&message->update);
    case VIEW_STATE:
        return is_bool(&message->state.running) &&
               is_bool(&message->state.has_position);
    default:
        return false;
    }
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

struct display_rectangle view_rectangle_join(struct display_rectangle a,
                                             struct display_rectangle b)
{
    if (!a.width || !a.height) {
        return b;
    }
    if (!b.width || !b.height) {
        return a;
    }
    unsigned x = smaller(a.x, b.x), y = smaller(a.y, b.y);
    unsigned right = larger(a.x + a.width, b.x + b.width);
    unsigned bottom = larger(a.y + a.height, b.y + b.height);
    return (struct display_rectangle){x, y, right - x, bottom - y};
}
