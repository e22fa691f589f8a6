#include "cpu/direct/elf_image.h"

#include "cpu/mmu/mmu.h"

#include <elf.h>

enum { PAGES_BACK = 3, SECTIONS_MAXIMUM = 64 };

/* Copies from guest-linear memory that may be executed; false: not all of it can be
 * seen. */
static bool copy_in(struct cpu *cpu, gla_t from, void *to, unsigned bytes)
{
    uint8_t *at = to;
    while (bytes) {
        unsigned offset = from & PAGE_OFFSET_MASK;
        unsigned part = PAGE_BYTES - offset < bytes ? PAGE_BYTES - offset : bytes;
        const uint8_t *host = mmu_peek_code(cpu, from & ~(uint32_t)PAGE_OFFSET_MASK);
        if (!host) {
            return false;
        }
        for (unsigned i = 0; i < part; i++) {
            at[i] = host[offset + i];
        }
        at += part;
        from += part;
        bytes -= part;
    }
    return true;
}

static bool is_image(const Elf32_Ehdr *header)
{
    static const uint8_t magic[] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32};
    for (unsigned i = 0; i < sizeof(magic); i++) {
        if (header->e_ident[i] != magic[i]) {
            return false;
        }
    }
    return header->e_machine == EM_386 && header->e_shentsize == sizeof(Elf32_Shdr) &&
           header->e_shoff != 0 && header->e_shnum != 0 &&
           header->e_shnum <= SECTIONS_MAXIMUM;
}

/* Joins what a section has in the page to what others have. */
static void add_section(const Elf32_Shdr *section, uint32_t page_offset,
                        unsigned *first, unsigned *end)
{
    uint64_t from = section->sh_offset, to = from + section->sh_size;
    uint64_t page_end = (uint64_t)page_offset + PAGE_BYTES;
    from = from > page_offset ? from : page_offset;
    to = to < page_end ? to : page_end;
    if (!(section->sh_flags & SHF_EXECINSTR) || from >= to) {
        return;
    }
    unsigned low = (unsigned)(from - page_offset), high = (unsigned)(to - page_offset);
    *first = low < *first ? low : *first;
    *end = high > *end ? high : *end;
}

/* By the section headers. False: they are not in memory, or not yet. */
static bool find_sections(struct cpu *cpu, gla_t image, const Elf32_Ehdr *header,
                          uint32_t page_offset, unsigned *first, unsigned *end)
{
    unsigned low = PAGE_BYTES, high = 0;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        Elf32_Shdr section;
        if (!copy_in(cpu, image + header->e_shoff + i * (uint32_t)sizeof(section),
                     &section, sizeof(section))) {
            return false;
        }
        add_section(&section, page_offset, &low, &high);
    }
    if (low < high) {
        *first = low;
        *end = high;
    }
    return true;
}

/* True if there is an image at `image`; `*told`: its sections tell where code is.
 * Without them: what lies in one page with the header and before the entry point is
 * data. */
static bool find_in(struct cpu *cpu, gla_t image, uint32_t page_offset, unsigned *first,
                    unsigned *end, bool *told)
{
    Elf32_Ehdr header;
    if (!copy_in(cpu, image, &header, sizeof(header)) || !is_image(&header)) {
        return false;
    }
    *told = find_sections(cpu, image, &header, page_offset, first, end);
    if (!*told && page_offset == 0 && header.e_type == ET_DYN &&
        header.e_entry < PAGE_BYTES) {
        *first = header.e_entry;
    }
    return true;
}

bool elf_image_find_code(struct cpu *cpu, gla_t page, unsigned *first, unsigned *end)
{
    bool found = false, told = false;
    for (uint32_t back = 0; back <= PAGES_BACK && page >= back * PAGE_BYTES && !found;
         back++) {
        found = find_in(cpu, page - back * PAGE_BYTES, back * PAGE_BYTES, first, end,
                        &told);
    }
    return told;
}
