/* -hda to -hdd, -drive: which image is where, and how it is kept. */
#include "cli/option_drive.h"
#include "cli/option_media.h"

#include <stdlib.h>
#include <string.h>

#include "base/properties.h"

static const char known[] = "file, if, index, bus, unit, media, format, snapshot, "
                            "readonly, discard, cache, aio, "
                            "werror, rerror and id";

static char letter(size_t index)
{
    return (char)('a' + index);
}

const char *option_drive_name(const struct machine_drive *drive)
{
    return drive->image.file ? drive->image.file : "an empty drive";
}

bool option_set_drive(struct parser *parser, size_t index,
                      const struct machine_drive *drive, struct error *error)
{
    struct machine_drive *place = &parser->options->machine.drives[index];
    if (machine_drive_exists(place)) {
        return error_set(error,
                         "'%s' and '%s' are both to be hd%c; use -hda, -hdb, -hdc "
                         "(which -cdrom is, too) and -hdd once each",
                         option_drive_name(place), option_drive_name(drive),
                         letter(index));
    }
    *place = *drive;
    return true;
}

bool option_set_disk(struct parser *parser, size_t index, const char *value,
                     struct error *error)
{
    struct machine_drive drive = {.media = MACHINE_MEDIA_DISK};
    drive.image.file = value;
    return option_set_drive(parser, index, &drive, error);
}

bool option_apply_hda(struct parser *parser, const char *value, struct error *error)
{
    return option_set_disk(parser, 0, value, error);
}

bool option_apply_hdb(struct parser *parser, const char *value, struct error *error)
{
    return option_set_disk(parser, 1, value, error);
}

bool option_apply_hdc(struct parser *parser, const char *value, struct error *error)
{
    return option_set_disk(parser, 2, value, error);
}

bool option_apply_hdd(struct parser *parser, const char *value, struct error *error)
{
    return option_set_disk(parser, 3, value, error);
}

/* -- values -- */

struct word {
    const char *name;
    int value;
};

/* Takes `key`, which may have one of `words` (the last one has no name) as its value.
 * Leaves `*value` alone if it is not given. `names`: for the message. */
static bool take_word(struct properties *properties, const char *key,
                      const struct word *words, const char *names, int *value,
                      struct error *error)
{
    const char *text = properties_take(properties, key);
    if (!text) {
        return true;
    }
    for (; words->name; words++) {
        if (strcmp(words->name, text) == 0) {
            *value = words->value;
            return true;
        }
    }
    return error_set(error, "-drive: %s=%s: it can be %s", key, text, names);
}

enum { INTERFACE_FLOPPY = MACHINE_BUS_NONE + 1 };
static const struct word interfaces[] = {{"ide", MACHINE_BUS_IDE},
                                         {"virtio", MACHINE_BUS_VIRTIO},
                                         {"none", MACHINE_BUS_NONE},
                                         {"floppy", INTERFACE_FLOPPY},
                                         {NULL, 0}};
static const struct word media[] = {
    {"disk", MACHINE_MEDIA_DISK}, {"cdrom", MACHINE_MEDIA_CDROM}, {NULL, 0}};
static const struct word discards[] = {
    {"unmap", true}, {"on", true}, {"ignore", false}, {"off", false}, {NULL, 0}};
static const struct word caches[] = {{"writeback", BLOCK_CACHE_WRITEBACK},
                                     {"writethrough", BLOCK_CACHE_WRITETHROUGH},
                                     {"unsafe", BLOCK_CACHE_UNSAFE},
                                     {NULL, 0}};
static const struct word engines[] = {
    {"threads", BLOCK_ENGINE_THREADS}, {"io_uring", BLOCK_ENGINE_IO_URING}, {NULL, 0}};
static const struct word on_errors[] = {{"report", BLOCK_ON_ERROR_REPORT},
                                        {"ignore", BLOCK_ON_ERROR_IGNORE},
                                        {"stop", BLOCK_ON_ERROR_STOP},
                                        {NULL, 0}};
static const struct word on_write_errors[] = {{"report", BLOCK_ON_ERROR_REPORT},
                                              {"ignore", BLOCK_ON_ERROR_IGNORE},
                                              {"stop", BLOCK_ON_ERROR_STOP},
                                              {"enospc", BLOCK_ON_ERROR_ENOSPC},
                                              {NULL, 0}};

static bool take_format(struct properties *properties, struct block_options *image,
                        struct error *error)
{
    const char *format = properties_take(properties, "format");
    if (format && !block_format_is_known(format)) {
        return error_set(error, "-drive: format=%s: the formats are " BLOCK_FORMATS,
                         format);
    }
    image->format = format;
    return true;
}

/* What a failure of the host comes to. */
static bool take_on_errors(struct properties *properties,
                           const struct machine_drive *drive,
                           struct block_options *image, struct error *error)
{
    int on_read = BLOCK_ON_ERROR_ENOSPC, on_write = BLOCK_ON_ERROR_ENOSPC;
    if (!take_word(properties, "rerror", on_errors, "report, ignore or stop", &on_read,
                   error) ||
        !take_word(properties, "werror", on_write_errors,
                   "enospc, report, ignore or stop", &on_write, error)) {
        return false;
    }
    bool others = on_read > BLOCK_ON_ERROR_REPORT || on_write > BLOCK_ON_ERROR_REPORT;
    if (others && drive->media != MACHINE_MEDIA_DISK) {
        return error_set(error, "-drive: rerror and werror: floppies and CD-ROMs can "
                                "have report only; leave them out");
    }
    image->on_read_error = (enum block_on_error)on_read;
    image->on_write_error = (enum block_on_error)on_write;
    return true;
}

/* How the image is kept. */
static bool take_image(struct properties *properties, struct parser *parser,
                       struct block_options *image, struct error *error)
{
    int discard = false, cache = BLOCK_CACHE_WRITEBACK;
    int engine = BLOCK_ENGINE_AUTO;
    image->file = properties_take(properties, "file");
    if (!take_format(properties, image, error) ||
        !properties_take_switch(properties, "snapshot", &image->snapshot, error) ||
        !properties_take_switch(properties, "readonly", &image->read_only, error) ||
        !take_word(properties, "discard", discards, "unmap or ignore", &discard,
                   error) ||
        !take_word(properties, "cache", caches, "writeback, writethrough or unsafe",
                   &cache, error) ||
        !take_word(properties, "aio", engines, "threads or io_uring", &engine, error)) {
        return false;
    }
    if (image->snapshot && image->read_only) {
        return error_set(error,
                         "-drive file=%s: snapshot=on and readonly=on: nothing "
                         "would ever be written; leave one out",
                         image->file);
    }
    image->discard = discard;
    image->cache = (enum block_cache)cache;
    enum block_engine_kind *chosen = &parser->options->machine.disk_engine;
    if (engine != BLOCK_ENGINE_AUTO && *chosen != BLOCK_ENGINE_AUTO &&
        (int)*chosen != engine) {
        return error_set(error, "-drive: aio: all drives have the same; give one");
    }
    *chosen = engine == BLOCK_ENGINE_AUTO ? *chosen : (enum block_engine_kind)engine;
    return true;
}

/* A number that is not given. */
enum { NOT_GIVEN = 99 };

/* The place that is asked for by index, or by bus and unit. */
static bool take_asked_place(struct properties *properties, bool floppy,
                             uint64_t *place, struct error *error)
{
    uint64_t bus = NOT_GIVEN, unit = 0;
    unsigned last = floppy ? MACHINE_FLOPPIES - 1 : MACHINE_DISKS - 1;
    *place = NOT_GIVEN;
    if (!properties_take_number(properties, "index", 0, last, place, error) ||
        !properties_take_number(properties, "bus", 0, floppy ? 0 : 1, &bus, error) ||
        !properties_take_number(properties, "unit", 0, 1, &unit, error)) {
        return false;
    }
    if (*place == NOT_GIVEN && bus != NOT_GIVEN) {
        *place = 2 * bus + unit;
    }
    return true;
}

/* That, or the first that nobody has. */
static bool take_place(struct properties *properties, const struct parser *parser,
                       enum machine_media kind, size_t *index, struct error *error)
{
    const struct machine_config *machine = &parser->options->machine;
    bool floppy = kind == MACHINE_MEDIA_FLOPPY;
    const struct machine_drive *drives = floppy ? machine->floppies : machine->drives;
    uint64_t count = floppy ? MACHINE_FLOPPIES : MACHINE_DISKS, place;
    if (!take_asked_place(properties, floppy, &place, error)) {
        return false;
    }
    /* A CD-ROM drive is the secondary master where that is free, as on other PCs. */
    if (place == NOT_GIVEN && kind == MACHINE_MEDIA_CDROM &&
        !machine_drive_exists(&drives[2])) {
        place = 2;
    }
    for (size_t i = 0; place == NOT_GIVEN && i < count; i++) {
        place = machine_drive_exists(&drives[i]) ? place : i;
    }
    if (place == NOT_GIVEN) {
        return error_set(error, "-drive: there are %d drives and %d floppy drives",
                         MACHINE_DISKS, MACHINE_FLOPPIES);
    }
    *index = place;
    return true;
}

/* What the image is in. Only drives with removable media can be empty. */
static bool take_media(struct properties *properties, struct machine_drive *drive,
                       struct error *error)
{
    int interface = MACHINE_BUS_IDE, medium = MACHINE_MEDIA_DISK;
    if (!take_word(properties, "if", interfaces, "ide, virtio, none or floppy",
                   &interface, error) ||
        !take_word(properties, "media", media, "disk or cdrom", &medium, error)) {
        return false;
    }
    bool floppy = interface == INTERFACE_FLOPPY;
    if (interface != MACHINE_BUS_IDE && medium == MACHINE_MEDIA_CDROM) {
        return error_set(error, "-drive: a CD-ROM drive is on IDE: leave out "
                                "media=cdrom, or if=virtio, none or floppy");
    }
    drive->media = floppy ? MACHINE_MEDIA_FLOPPY : (enum machine_media)medium;
    drive->bus = floppy ? MACHINE_BUS_IDE : (enum machine_bus)interface;
    drive->id = properties_take(properties, "id");
    if (drive->bus == MACHINE_BUS_NONE && !drive->id) {
        return error_set(error, "-drive: if=none goes with id=NAME and "
                                "-device virtio-blk-pci,drive=NAME");
    }
    return true;
}

bool option_apply_drive(struct parser *parser, const char *value, struct error *error)
{
    struct machine_drive drive = {.media = MACHINE_MEDIA_DISK};
    size_t index = 0;
    /* Its strings live as long as the configuration. */
    if (parser->drive_texts == OPTIONS_DRIVES) {
        return error_set(error, "-drive %s: there are %d drives and %d floppy drives",
                         value, MACHINE_DISKS, MACHINE_FLOPPIES);
    }
    struct properties *properties =
        &parser->options->drive_texts[parser->drive_texts++];
    if (!properties_parse(properties, "-drive", value, error) ||
        !take_media(properties, &drive, error) ||
        !take_image(properties, parser, &drive.image, error) ||
        !take_on_errors(properties, &drive, &drive.image, error) ||
        !take_place(properties, parser, drive.media, &index, error) ||
        !properties_finish(properties, known, error)) {
        return false;
    }
    if (!machine_drive_exists(&drive)) {
        return error_set(error, "-drive: names no image; give file=FILE");
    }
    drive.image.read_only |= drive.media == MACHINE_MEDIA_CDROM;
    return drive.media == MACHINE_MEDIA_FLOPPY
               ? option_set_floppy(parser, index, &drive, error)
               : option_set_drive(parser, index, &drive, error);
}
