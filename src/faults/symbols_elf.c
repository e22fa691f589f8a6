/* The symbol table of an ELF32 file. Source: Tool Interface Standard, Executable and
 * Linking Format 1.2, book I, chapter 1. The file may be anything: nothing outside of
 * it is read. */
#include "faults/symbols.h"

#include <elf.h>
#include <string.h>

/* `bytes` of the file from `offset` on; NULL: there are fewer. */
static const void *at(const struct symbols *symbols, uint64_t offset, uint64_t bytes)
{
    bool inside =
        offset <= symbols->image_bytes && bytes <= symbols->image_bytes - offset;
    return inside ? symbols->image + offset : NULL;
}

static bool section(const struct symbols *symbols, const Elf32_Ehdr *header,
                    uint32_t index, Elf32_Shdr *out)
{
    const void *place =
        at(symbols, header->e_shoff + (uint64_t)index * sizeof(*out), sizeof(*out));
    if (index >= header->e_shnum || header->e_shentsize != sizeof(*out) || !place) {
        return false;
    }
    memcpy(out, place, sizeof(*out));
    return true;
}

static bool is_place(const Elf32_Sym *symbol, const char *name)
{
    unsigned type = ELF32_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && *name &&
           (type == STT_NOTYPE || type == STT_OBJECT || type == STT_FUNC);
}

static bool add_table(struct symbols *symbols, const Elf32_Shdr *table,
                      const Elf32_Shdr *strings)
{
    const uint8_t *entries = at(symbols, table->sh_offset, table->sh_size);
    const char *names = at(symbols, strings->sh_offset, strings->sh_size);
    if (!entries || !names || !strings->sh_size || names[strings->sh_size - 1]) {
        return false;
    }
    for (uint32_t i = 0; i < table->sh_size / sizeof(Elf32_Sym); i++) {
        Elf32_Sym symbol;
        memcpy(&symbol, entries + i * sizeof(symbol), sizeof(symbol));
        if (symbol.st_name >= strings->sh_size) {
            return false;
        }
        if (is_place(&symbol, names + symbol.st_name) &&
            !symbols_add(symbols, symbol.st_value, names + symbol.st_name)) {
            return false;
        }
    }
    return true;
}

bool symbols_add_elf(struct symbols *symbols)
{
    Elf32_Ehdr header;
    Elf32_Shdr table, strings;
    const void *first = at(symbols, 0, sizeof(header));
    if (!first) {
        return false;
    }
    memcpy(&header, first, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS32 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_386) {
        return false;
    }
    for (uint32_t i = 0; section(symbols, &header, i, &table); i++) {
        if (table.sh_type == SHT_SYMTAB &&
            section(symbols, &header, table.sh_link, &strings)) {
            return add_table(symbols, &table, &strings);
        }
    }
    return false;
}
