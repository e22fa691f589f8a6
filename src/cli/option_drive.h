/* cli/option_drive.h: the options about disk images. Thread: any. */
#ifndef CLI_OPTION_DRIVE_H
#define CLI_OPTION_DRIVE_H

#include "cli/options_internal.h"

option_apply option_apply_hda, option_apply_hdb, option_apply_hdc, option_apply_hdd;
option_apply option_apply_drive;

/* Gives the controller's drive `index` to `drive`, if nobody has it. */
bool option_set_drive(struct parser *parser, size_t index,
                      const struct machine_drive *drive, struct error *error);
/* What to call it in messages. */
const char *option_drive_name(const struct machine_drive *drive);

#endif
