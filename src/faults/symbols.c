#include "faults/symbols.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t bytes;
    if (!file) {
        return NULL;
    }
    errno = 0;
    if (getdelim(&text, &bytes, '\0', file) < 0) {
        free(text);
        text = errno ? NULL : calloc(1, 1);
    }
    fclose(file);
    return text;
}

static bool parse_line(char *line, struct symbol *symbol)
{
    char *end;
    symbol->address = (uint32_t)strtoull(line, &end, 16);
    if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3]) {
        return false;
    }
    symbol->name = end + 3;
    return true;
}

bool symbols_read(struct symbols *symbols, const char *path, struct error *error)
{
    size_t room = 0;
    char *rest;
    *symbols = (struct symbols){.text = read_text(path)};
    if (!symbols->text) {
        return error_set_errno(error, errno, "cannot read the symbols '%s'", path);
    }
    for (char *line = strtok_r(symbols->text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (symbols->count == room) {
            room = room ? 2 * room : 1024;
            struct symbol *rows = realloc(symbols->rows, room * sizeof(*rows));
            if (!rows) {
                symbols_free(symbols);
                return error_set(error, "out of memory for the symbols '%s'", path);
            }
            symbols->rows = rows;
        }
        symbols->count += parse_line(line, &symbols->rows[symbols->count]);
    }
    if (!symbols->count) {
        symbols_free(symbols);
        return error_set(error,
                         "'%s' has no lines \"address type name\": give a System.map, "
                         "or what nm writes",
                         path);
    }
    qsort(symbols->rows, symbols->count, sizeof(symbols->rows[0]), compare);
    return true;
}

void symbols_free(struct symbols *symbols)
{
    free(symbols->rows);
    free(symbols->text);
    *symbols = (struct symbols){0};
}

void symbols_describe(const struct symbols *symbols, uint32_t address, char *text,
                      size_t bytes)
{
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->rows[middle].address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    text[0] = '\0';
    if (low) {
        const struct symbol *symbol = &symbols->rows[low - 1];
        snprintf(text, bytes, "%s+0x%x", symbol->name, address - symbol->address);
    }
}
