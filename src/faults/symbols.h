/* faults/symbols.h: names of places in the guest's code and data: from a System.map
 * (lines "address type name", as nm(1) writes them) or from the symbol table of an
 * ELF32 file, which may have lines of source text as well (source_lines.h).
 * Thread: any; names are constant once read, lines want the machine lock. */
#ifndef FAULTS_SYMBOLS_H
#define FAULTS_SYMBOLS_H

#include "base/error.h"
#include "base/types.h"

struct symbol {
    uint32_t address;
    const char *name;
};

struct symbols {
    struct symbol *rows; /* sorted by address */
    size_t count, room;
    char *text;           /* the file, if it is text */
    const uint8_t *image; /* likewise, if it is ELF: mapped */
    size_t image_bytes;
    struct source_lines *lines; /* NULL: none */
};

bool symbols_read(struct symbols *symbols, const char *path, struct error *error);
void symbols_free(struct symbols *symbols);

/* "name+0x12" of the symbol at or below; empty if there is none. */
void symbols_describe(const struct symbols *symbols, uint32_t address, char *text,
                      size_t bytes);
/* "file.c:123"; empty if that is not known. */
void symbols_describe_source(const struct symbols *symbols, uint32_t address,
                             char *text, size_t bytes);

enum symbols_found { SYMBOLS_NONE, SYMBOLS_ONE, SYMBOLS_SEVERAL };

/* Where `name` is; several: there are such at different addresses. */
enum symbols_found symbols_find(const struct symbols *symbols, const char *name,
                                uint32_t *address);

/* For readers of files; false: out of memory. */
bool symbols_add(struct symbols *symbols, uint32_t address, const char *name);
/* symbols_elf.c: adds the symbols of symbols->image. False: it is no ELF32 file of this
 * processor with a symbol table, or a wrong one. */
bool symbols_add_elf(struct symbols *symbols);

#endif
