/* faults/symbols.h: names of places in the guest's code, from a System.map: lines
 * "address type name", as nm(1) writes them.
 * Thread: any; constant once read. */
#ifndef FAULTS_SYMBOLS_H
#define FAULTS_SYMBOLS_H

#include "base/error.h"
#include "base/types.h"

struct symbol {
    uint32_t address;
    const char *name;
};

struct symbols {
    struct symbol *rows; /* sorted */
    size_t count;
    char *text; /* the file */
};

bool symbols_read(struct symbols *symbols, const char *path, struct error *error);
void symbols_free(struct symbols *symbols);
/* "name+0x12" of the symbol at or below; empty if there is none. */
void symbols_describe(const struct symbols *symbols, uint32_t address, char *text,
                      size_t bytes);

#endif
