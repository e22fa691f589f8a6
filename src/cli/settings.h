/* cli/settings.h: --set KEY=VALUE and --set-file KEY=PATH of the commands that carry
 * out scripts: what setting("KEY") is there. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/error.h"
#include "base/types.h"

enum { SETTINGS_MAXIMUM = 64 };

struct settings {
    const char *values[SETTINGS_MAXIMUM]; /* "KEY=VALUE" */
    unsigned count;
    char *paths[SETTINGS_MAXIMUM]; /* of these, what has been made for --set-file */
    unsigned path_count;
};

/* `command`: for the error. The value is the caller's. */
bool settings_add(struct settings *settings, const char *command, const char *value,
                  struct error *error);
/* The path is made absolute: names in a script are relative to the script's folder. */
bool settings_add_file(struct settings *settings, const char *command,
                       const char *value, struct error *error);
void settings_free(struct settings *settings);

#endif
