#include "faults/symbols.h"

#include "faults/source_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

bool symbols_add(struct symbols *symbols, uint32_t address, const char *name)
{
    if (symbols->count == symbols->room) {
        size_t room = symbols->room ? 2 * symbols->room : 1024;
        struct symbol *rows = realloc(symbols->rows, room * sizeof(*rows));
        if (!rows) {
            return false;
        }
        symbols->rows = rows;
        symbols->room = room;
    }
    symbols->rows[symbols->count++] = (struct symbol){address, name};
    return true;
}

/* -- files -- */

static bool read_text(struct symbols *symbols, int fd)
{
    FILE *file = fdopen(dup(fd), "r");
    size_t bytes = 0;
    if (!file) {
        return false;
    }
    errno = 0;
    if (getdelim(&symbols->text, &bytes, '\0', file) < 0) {
        free(symbols->text);
        symbols->text = errno ? NULL : calloc(1, 1);
    }
    fclose(file);
    return symbols->text != NULL;
}

static bool map_image(struct symbols *symbols, int fd)
{
    static const char magic[] = {0x7f, 'E', 'L', 'F'};
    char first[sizeof(magic)];
    struct stat status;
    if (pread(fd, first, sizeof(first), 0) != sizeof(first) ||
        memcmp(first, magic, sizeof(magic)) != 0 || fstat(fd, &status) < 0) {
        return false;
    }
    void *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (image == MAP_FAILED) {
        return false;
    }
    symbols->image = image;
    symbols->image_bytes = (size_t)status.st_size;
    return true;
}

static bool load(struct symbols *symbols, const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool loaded = fd >= 0 && (map_image(symbols, fd) || read_text(symbols, fd));
    int why = errno;
    if (fd >= 0) {
        close(fd);
    }
    return loaded || error_set_errno(error, why, "cannot read the symbols '%s'", path);
}

static bool add_line(struct symbols *symbols, char *line)
{
    char *end;
    uint32_t address = (uint32_t)strtoull(line, &end, 16);
    bool fits = end != line && end[0] == ' ' && end[1] && end[2] == ' ' && end[3];
    char *module = strchr(line, '\t'); /* as /proc/kallsyms has it */
    if (module) {
        *module = '\0';
    }
    return !fits || symbols_add(symbols, address, end + 3);
}

static bool add_lines(struct symbols *symbols)
{
    char *rest;
    for (char *line = strtok_r(symbols->text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!add_line(symbols, line)) {
            return false;
        }
    }
    return true;
}

bool symbols_read(struct symbols *symbols, const char *path, struct error *error)
{
    *symbols = (struct symbols){0};
    if (!load(symbols, path, error)) {
        return false;
    }
    bool good = symbols->image ? symbols_add_elf(symbols) : add_lines(symbols);
    if (!good || !symbols->count) {
        symbols_free(symbols);
        return error_set(error,
                         "'%s' has no symbols: give a System.map, what nm writes, or "
                         "an ELF32 file with a symbol table",
                         path);
    }
    qsort(symbols->rows, symbols->count, sizeof(symbols->rows[0]), compare);
    if (symbols->image) {
        symbols->lines = source_lines_open(symbols->image, symbols->image_bytes);
    }
    return true;
}

void symbols_free(struct symbols *symbols)
{
    source_lines_close(symbols->lines);
    free(symbols->rows);
    free(symbols->text);
    if (symbols->image) {
        munmap((void *)symbols->image, symbols->image_bytes);
    }
    *symbols = (struct symbols){0};
}

/* -- questions -- */

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

void symbols_describe_source(const struct symbols *symbols, uint32_t address,
                             char *text, size_t bytes)
{
    text[0] = '\0';
    if (symbols->lines) {
        source_lines_describe(symbols->lines, address, text, bytes);
    }
}

enum symbols_found symbols_find(const struct symbols *symbols, const char *name,
                                uint32_t *address)
{
    enum symbols_found found = SYMBOLS_NONE;
    for (size_t i = 0; i < symbols->count; i++) {
        const struct symbol *symbol = &symbols->rows[i];
        if (strcmp(symbol->name, name) != 0) {
            continue;
        }
        if (found != SYMBOLS_NONE && symbol->address != *address) {
            return SYMBOLS_SEVERAL;
        }
        found = SYMBOLS_ONE;
        *address = symbol->address;
    }
    return found;
}
