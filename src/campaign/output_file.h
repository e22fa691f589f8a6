/* campaign/output_file.h: a file that is there as a whole or not at all.
 *
 * It is written under another name in the same folder, and takes the place of what was
 * there when it is complete. Devices, pipes, and "-" (standard output) are written as
 * they are. */
#ifndef CAMPAIGN_OUTPUT_FILE_H
#define CAMPAIGN_OUTPUT_FILE_H

#include "base/error.h"

#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path; /* as given */
    char *part;       /* the other name; NULL: there is none */
};

bool output_file_open(struct output_file *file, const char *path, struct error *error);

/* Ends it; if not `good`, what was there before stays. */
bool output_file_close(struct output_file *file, bool good, struct error *error);

#endif
