#define _GNU_SOURCE /* asprintf() */
#include "cli/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool settings_add(struct settings *settings, const char *command, const char *value,
                  struct error *error)
{
    if (*value == '=' || !strchr(value, '=')) {
        return error_set(error, "%s: --set %s: give KEY=VALUE", command, value);
    }
    if (settings->count == SETTINGS_MAXIMUM) {
        return error_set(error, "%s: --set: at most %d", command, SETTINGS_MAXIMUM);
    }
    settings->values[settings->count++] = value;
    return true;
}

bool settings_add_file(struct settings *settings, const char *command,
                       const char *value, struct error *error)
{
    const char *equals = strchr(value, '=');
    char *path = equals ? realpath(equals + 1, NULL) : NULL, *setting = NULL;
    if (!equals) {
        return error_set(error, "%s: --set-file %s: give KEY=PATH", command, value);
    }
    if (!path) {
        return error_set_errno(error, errno, "%s: --set-file: '%s'", command,
                               equals + 1);
    }
    if (asprintf(&setting, "%.*s=%s", (int)(equals - value), value, path) < 0) {
        setting = NULL;
    }
    free(path);
    if (!setting || !settings_add(settings, command, setting, error)) {
        free(setting);
        return false;
    }
    settings->paths[settings->path_count++] = setting;
    return true;
}

void settings_free(struct settings *settings)
{
    for (unsigned i = 0; i < settings->path_count; i++) {
        free(settings->paths[i]);
    }
}
