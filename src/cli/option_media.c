/* -cdrom, -fda, -fdb: images in drives with removable media; -boot: which comes first.
 */
#include "cli/option_media.h"

#include <string.h>

#include "base/properties.h"

enum { CDROM_UNIT = 2, LONGEST_MENU_WAIT_MS = 65535 };

bool option_apply_cdrom(struct parser *parser, const char *value, struct error *error)
{
    struct machine_drive drive = {.media = MACHINE_MEDIA_CDROM};
    drive.image.file = value;
    drive.image.read_only = true;
    return option_set_drive(parser, CDROM_UNIT, &drive, error);
}

bool option_set_floppy(struct parser *parser, size_t index,
                       const struct machine_drive *drive, struct error *error)
{
    struct machine_drive *floppy = &parser->options->machine.floppies[index];
    if (machine_drive_exists(floppy)) {
        return error_set(error, "'%s' and '%s' are both to be in floppy drive %c",
                         option_drive_name(floppy), option_drive_name(drive),
                         (char)('A' + index));
    }
    *floppy = *drive;
    return true;
}

static bool set_floppy_image(struct parser *parser, size_t index, const char *value,
                             struct error *error)
{
    struct machine_drive drive = {.media = MACHINE_MEDIA_FLOPPY};
    drive.image.file = value;
    return option_set_floppy(parser, index, &drive, error);
}

bool option_apply_fda(struct parser *parser, const char *value, struct error *error)
{
    return set_floppy_image(parser, 0, value, error);
}

bool option_apply_fdb(struct parser *parser, const char *value, struct error *error)
{
    return set_floppy_image(parser, 1, value, error);
}

bool option_apply_no_defaults(struct parser *parser, const char *value,
                              struct error *error)
{
    (void)value, (void)error;
    parser->no_defaults = true;
    return true;
}

void option_add_default_drives(struct parser *parser)
{
    struct machine_config *machine = &parser->options->machine;
    if (parser->no_defaults) {
        return;
    }
    if (!machine_drive_exists(&machine->drives[CDROM_UNIT])) {
        machine->drives[CDROM_UNIT].media = MACHINE_MEDIA_CDROM;
    }
    machine->floppies[0].media = MACHINE_MEDIA_FLOPPY;
}

/* Letters of devices, each once. */
static bool take_order(const char *key, const char *order, char *copy,
                       struct error *error)
{
    static const char known[] = "abcdn";
    for (size_t i = 0; order[i]; i++) {
        if (!strchr(known, order[i]) || strchr(order + i + 1, order[i])) {
            return error_set(error,
                             "-boot %s=%s: give letters, each once: a (floppy), c "
                             "(disk), d (CD-ROM), n (network)",
                             key, order);
        }
    }
    if (strlen(order) > BOOT_ORDER_DEVICES || !*order) {
        return error_set(error, "-boot %s=%s: give one to %d letters", key, order,
                         BOOT_ORDER_DEVICES);
    }
    strcpy(copy, order);
    return true;
}

bool option_apply_boot(struct parser *parser, const char *value, struct error *error)
{
    struct boot_choice *boot = &parser->options->machine.boot;
    struct properties properties;
    uint64_t wait_ms = boot->menu_wait_ms;
    if (!properties_parse(&properties, "-boot", value, error)) {
        return false;
    }
    const char *order = properties_take(&properties, "order");
    const char *once = properties_take(&properties, "once");
    order = *properties.name ? properties.name : order;
    if ((order && !take_order("order", order, boot->order, error)) ||
        (once && !take_order("once", once, boot->once, error)) ||
        !properties_take_switch(&properties, "menu", &boot->menu, error) ||
        !properties_take_number(&properties, "splash-time", 0, LONGEST_MENU_WAIT_MS,
                                &wait_ms, error) ||
        !properties_finish(&properties, "order, once, menu and splash-time", error)) {
        return false;
    }
    boot->menu_wait_ms = (uint32_t)wait_ms;
    return true;
}
