/* cli/option_media.h: the options about drives with removable media, and what to boot
 * from. Thread: any. */
#ifndef CLI_OPTION_MEDIA_H
#define CLI_OPTION_MEDIA_H

#include "cli/option_drive.h"
#include "cli/options_internal.h"

option_apply option_apply_cdrom, option_apply_fda, option_apply_fdb, option_apply_boot,
    option_apply_no_defaults;

/* Likewise, a floppy drive. */
bool option_set_floppy(struct parser *parser, size_t index,
                       const struct machine_drive *drive, struct error *error);

/* The drives that a PC has if nobody says otherwise. */
void option_add_default_drives(struct parser *parser);

#endif
