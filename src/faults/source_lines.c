#include "faults/source_lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source_lines {
    Elf *elf;
    Dwarf *dwarf;
};

struct source_lines *source_lines_open(const uint8_t *image, size_t bytes)
{
    struct source_lines *lines = calloc(1, sizeof(*lines));
    if (!lines) {
        return NULL;
    }
    elf_version(EV_CURRENT);
    /* Only reads it. */
    lines->elf = elf_memory((char *)image, bytes);
    lines->dwarf = lines->elf ? dwarf_begin_elf(lines->elf, DWARF_C_READ, NULL) : NULL;
    if (!lines->dwarf) {
        source_lines_close(lines);
        return NULL;
    }
    return lines;
}

void source_lines_close(struct source_lines *lines)
{
    if (lines) {
        dwarf_end(lines->dwarf);
        elf_end(lines->elf);
        free(lines);
    }
}

/* The compilation unit that has code at `address`: by the table of addresses, or where
 * the compiler has written none, one after the other. */
static bool find_unit(struct source_lines *lines, uint32_t address, Dwarf_Die *unit)
{
    Dwarf_CU *next = NULL;
    if (dwarf_addrdie(lines->dwarf, address, unit)) {
        return true;
    }
    while (dwarf_get_units(lines->dwarf, next, &next, NULL, NULL, unit, NULL) == 0) {
        if (dwarf_haspc(unit, address) > 0) {
            return true;
        }
    }
    return false;
}

/* Without the folder that the compiler ran in. */
static const char *short_path(Dwarf_Die *unit, const char *path)
{
    Dwarf_Attribute attribute;
    const char *folder = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    size_t length = folder ? strlen(folder) : 0;
    bool inside = length && strncmp(path, folder, length) == 0 && path[length] == '/';
    path += inside ? length + 1 : 0;
    return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

void source_lines_describe(struct source_lines *lines, uint32_t address, char *text,
                           size_t bytes)
{
    Dwarf_Die unit;
    int number = 0;
    text[0] = '\0';
    Dwarf_Line *line =
        find_unit(lines, address, &unit) ? dwarf_getsrc_die(&unit, address) : NULL;
    const char *path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
    if (!path || dwarf_lineno(line, &number) < 0) {
        return;
    }
    char end[16];
    int length = snprintf(end, sizeof(end), ":%d", number);
    path = short_path(&unit, path);
    size_t room = bytes - 1 - (size_t)length, all = strlen(path);
    path += all > room ? all - room : 0;
    snprintf(text, bytes, "%s%s", path, end);
}
