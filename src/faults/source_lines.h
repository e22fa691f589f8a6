/* faults/source_lines.h: lines of source text, from the debug information (DWARF) in an
 * ELF file, by libdw. Built without that library nothing is known of them.
 * Thread: any that holds the machine lock. */
#ifndef FAULTS_SOURCE_LINES_H
#define FAULTS_SOURCE_LINES_H

#include "base/types.h"

struct source_lines;

/* The file in memory, which stays there. NULL: it has no debug information. */
struct source_lines *source_lines_open(const uint8_t *image, size_t bytes);
/* NULL is fine. */
void source_lines_close(struct source_lines *lines);
/* "kernel/fork.c:123": as the compiler was given it, without the folder that it ran in;
 * the end, if all is too long. Empty: not known. */
void source_lines_describe(struct source_lines *lines, uint32_t address, char *text,
                           size_t bytes);

#endif
