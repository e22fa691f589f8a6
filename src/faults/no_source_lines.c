/* What is built where there is no libdw. */
#include "faults/source_lines.h"

struct source_lines *source_lines_open(const uint8_t *image, size_t bytes)
{
    (void)image;
    (void)bytes;
    return NULL;
}

void source_lines_close(struct source_lines *lines)
{
    (void)lines;
}

void source_lines_describe(struct source_lines *lines, uint32_t address, char *text,
                           size_t bytes)
{
    (void)lines;
    (void)address;
    (void)bytes;
    text[0] = '\0';
}
