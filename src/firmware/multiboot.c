#include "firmware/multiboot.h"
#include "firmware/boot_rom.h"

#include <assert.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCHED_BYTES = 8192,
    HEADER_MAGIC = 0x1badb002,
    HEADER_BYTES = 12,
    HEADER_ADDRESSES_BYTES = 32,
    /* Flags: 0-15 must be understood; bits 0 (page-aligned modules), 1 (memory
     * information) and 2 (video information) always are. */
    FLAGS_UNDERSTOOD = 0x7,
    FLAGS_REQUIRED_MASK = 0xffff,
    FLAG_ADDRESSES = 1 << 16,
    LOWEST_ADDRESS = 1 << 20,
};

enum info_flags {
    INFO_MEMORY = 1 << 0,
    INFO_CMDLINE = 1 << 2,
    INFO_MODULES = 1 << 3,
    INFO_MMAP = 1 << 6,
    INFO_LOADER_NAME = 1 << 9,
    INFO_FRAMEBUFFER = 1 << 12,
};

/* The information structure (section 3.3), all addresses physical. */
struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t modules_count, modules_address, symbols[4];
    uint32_t mmap_length, mmap_address, drives_length, drives_address;
    uint32_t config_table, loader_name, apm_table;
    uint32_t vbe[4];
    uint64_t framebuffer_address;
    uint32_t framebuffer_pitch, framebuffer_width, framebuffer_height;
    uint8_t framebuffer_bits, framebuffer_type, color_info[6];
};
_Static_assert(offsetof(struct info, framebuffer_address) == 88, "section 3.3");

struct module {
    uint32_t start, end, string, reserved;
};

enum { FRAMEBUFFER_EGA_TEXT = 2 };

/* A run of guest memory that is being put together. */
struct blob {
    uint8_t *bytes;
    size_t length;
    uint32_t address;
};

/* What is being loaded, and the limits of where to. */
struct loader {
    const char *path;
    const struct firmware_image *image;
    uint64_t memory_end;
    struct error *error;
    struct blob kernel, extra;
    uint32_t entry;
};

static uint32_t get32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

int multiboot_find_header(const uint8_t *bytes, size_t length)
{
    size_t end = length < SEARCHED_BYTES ? length : SEARCHED_BYTES;
    for (size_t at = 0; at + HEADER_BYTES <= end; at += 4) {
        uint32_t flags = get32(bytes + at + 4), sum = get32(bytes + at + 8);
        if (get32(bytes + at) == HEADER_MAGIC && HEADER_MAGIC + flags + sum == 0) {
            return (int)at;
        }
    }
    return -1;
}

static bool does_not_fit(struct loader *loader, uint64_t end)
{
    return error_set(loader->error,
                     "Multiboot kernel \"%s\" with its modules does not fit into "
                     "memory: it needs at least %llu MiB",
                     loader->path,
                     (unsigned long long)((end + BIOS_RESERVED_BYTES) >> 20) + 1);
}

static bool damaged(struct loader *loader, const char *what)
{
    return error_set(loader->error, "Multiboot kernel \"%s\" is damaged: %s",
                     loader->path, what);
}

/* Zeroed memory for the kernel at [start, end). */
static bool reserve_kernel(struct loader *loader, uint64_t start, uint64_t end)
{
    if (start >= end) {
        return damaged(loader, "it has nothing to load");
    }
    if (start < LOWEST_ADDRESS) {
        return error_set(loader->error,
                         "Multiboot kernel \"%s\" wants to be loaded at 0x%llx: only "
                         "addresses from 1 MiB on are possible",
                         loader->path, (unsigned long long)start);
    }
    if (end > loader->memory_end) {
        return does_not_fit(loader, end);
    }
    loader->kernel = (struct blob){
        .bytes = calloc(1, end - start),
        .length = end - start,
        .address = (uint32_t)start,
    };
    return loader->kernel.bytes ||
           error_set(loader->error, "no memory to load \"%s\"", loader->path);
}

/* The header's own addresses (flag 16): a file that is loaded in one piece. */
static bool load_by_header(struct loader *loader, size_t header_at)
{
    const struct firmware_image *image = loader->image;
    if (header_at + HEADER_ADDRESSES_BYTES > image->length) {
        return damaged(loader, "its header is cut off");
    }
    const uint8_t *header = image->bytes + header_at;
    uint32_t header_address = get32(header + 12), load = get32(header + 16);
    uint32_t load_end = get32(header + 20), bss_end = get32(header + 24);
    loader->entry = get32(header + 28);
    if (load > header_address || header_address - load > header_at) {
        return damaged(loader, "its header gives a wrong load address");
    }
    size_t from = header_at - (header_address - load);
    uint64_t bytes = load_end ? (uint64_t)load_end - load : image->length - from;
    if (load_end && load_end < load) {
        return damaged(loader, "it ends before it begins");
    }
    if (bytes > image->length - from) {
        return damaged(loader, "the file is truncated");
    }
    uint64_t end = load + bytes;
    if (bss_end && bss_end < end) {
        return damaged(loader, "its bss ends within its data");
    }
    if (!reserve_kernel(loader, load, bss_end ? bss_end : end)) {
        return false;
    }
    memcpy(loader->kernel.bytes, image->bytes + from, bytes);
    return true;
}

/* The program header `index`, checked against the file; false if that is damaged. */
static bool get_segment(struct loader *loader, const Elf32_Ehdr *elf, unsigned index,
                        Elf32_Phdr *segment)
{
    const struct firmware_image *image = loader->image;
    uint64_t at = elf->e_phoff + (uint64_t)index * elf->e_phentsize;
    if (elf->e_phentsize < sizeof(*segment) || at + sizeof(*segment) > image->length) {
        return damaged(loader, "its program headers are cut off");
    }
    memcpy(segment, image->bytes + at, sizeof(*segment));
    if (segment->p_type != PT_LOAD) {
        segment->p_memsz = 0;
        return true;
    }
    if ((uint64_t)segment->p_offset + segment->p_filesz > image->length) {
        return damaged(loader, "the file is truncated");
    }
    return segment->p_filesz <= segment->p_memsz ||
           damaged(loader, "a segment is larger in the file than in memory");
}

static bool load_elf(struct loader *loader)
{
    const struct firmware_image *image = loader->image;
    Elf32_Ehdr elf;
    if (image->length < sizeof(elf) || memcmp(image->bytes, ELFMAG, SELFMAG) != 0) {
        return error_set(loader->error,
                         "Multiboot kernel \"%s\" is no ELF file and its header gives "
                         "no addresses",
                         loader->path);
    }
    memcpy(&elf, image->bytes, sizeof(elf));
    if (elf.e_ident[EI_CLASS] != ELFCLASS32 || elf.e_machine != EM_386) {
        return error_set(loader->error,
                         "Multiboot kernel \"%s\" is not for the i386: give a 32-bit "
                         "ELF file",
                         loader->path);
    }
    uint64_t start = UINT64_MAX, end = 0;
    Elf32_Phdr segment;
    loader->entry = elf.e_entry;
    for (unsigned i = 0; i < elf.e_phnum; i++) {
        if (!get_segment(loader, &elf, i, &segment)) {
            return false;
        }
        if (segment.p_memsz) {
            uint64_t segment_end = (uint64_t)segment.p_paddr + segment.p_memsz;
            start = segment.p_paddr < start ? segment.p_paddr : start;
            end = segment_end > end ? segment_end : end;
        }
        if (elf.e_entry - segment.p_vaddr < segment.p_memsz) {
            loader->entry = elf.e_entry - segment.p_vaddr + segment.p_paddr;
        }
    }
    if (!reserve_kernel(loader, start, end)) {
        return false;
    }
    for (unsigned i = 0; i < elf.e_phnum; i++) {
        if (get_segment(loader, &elf, i, &segment) && segment.p_memsz) {
            memcpy(loader->kernel.bytes + (segment.p_paddr - start),
                   image->bytes + segment.p_offset, segment.p_filesz);
        }
    }
    return true;
}

/* Appends `length` bytes (NULL: zeros) at a multiple of `alignment`, a power of two;
 * `*address` gets their guest-physical address. */
static bool append_bytes(struct loader *loader, const void *bytes, size_t length,
                         size_t alignment, uint32_t *address)
{
    struct blob *blob = &loader->extra;
    size_t at = (blob->length + alignment - 1) & ~(alignment - 1);
    if (blob->address + (uint64_t)at + length > loader->memory_end) {
        return does_not_fit(loader, blob->address + (uint64_t)at + length);
    }
    uint8_t *grown = realloc(blob->bytes, at + length);
    if (!grown) {
        return error_set(loader->error, "no memory to load \"%s\"", loader->path);
    }
    memset(grown + blob->length, 0, at + length - blob->length);
    if (bytes) {
        memcpy(grown + at, bytes, length);
    }
    blob->bytes = grown;
    blob->length = at + length;
    *address = blob->address + (uint32_t)at;
    return true;
}

/* Copies the next of a comma-separated list to `to` (as large as the list); a doubled
 * comma is one that belongs to it. Returns where to go on, NULL at the end. */
static const char *next_in_list(const char *list, char *to)
{
    for (; *list; list++) {
        if (*list == ',' && *++list != ',') {
            *to = 0;
            return list;
        }
        *to++ = *list;
    }
    *to = 0;
    return NULL;
}

/* Loads one module, "file arguments", and appends it and its string. */
static bool append_module(struct loader *loader, char *specification,
                          struct module *module)
{
    if (!append_bytes(loader, specification, strlen(specification) + 1, 1,
                      &module->string)) {
        return false;
    }
    struct firmware_image file;
    specification[strcspn(specification, " ")] = 0;
    if (!firmware_read_file(specification, "Multiboot module", loader->memory_end,
                            &file, loader->error)) {
        return false;
    }
    bool done =
        append_bytes(loader, file.bytes, file.length, PAGE_BYTES, &module->start);
    module->end = module->start + (uint32_t)file.length;
    firmware_image_free(&file);
    return done;
}

static bool append_modules(struct loader *loader, const char *list, struct info *info)
{
    size_t most = 1;
    for (const char *comma = list; (comma = strchr(comma, ',')) != NULL; comma++) {
        most++;
    }
    struct module *modules = calloc(most, sizeof(*modules));
    char *specification = malloc(strlen(list) + 1);
    assert(modules && specification);
    bool done = true;
    while (list && done) {
        list = next_in_list(list, specification);
        done = append_module(loader, specification, &modules[info->modules_count++]);
    }
    done = done && append_bytes(loader, modules, info->modules_count * sizeof(*modules),
                                4, &info->modules_address);
    info->flags |= INFO_MODULES;
    free(specification);
    free(modules);
    return done;
}

static bool append_command_line(struct loader *loader, const char *arguments,
                                uint32_t *address)
{
    size_t path_length = strlen(loader->path), length = strlen(arguments);
    char *line = malloc(path_length + length + 2);
    assert(line);
    memcpy(line, loader->path, path_length);
    line[path_length] = ' ';
    memcpy(line + path_length + 1, arguments, length + 1);
    bool done = append_bytes(loader, line, path_length + length + 2, 1, address);
    free(line);
    return done;
}

/* Behind the kernel: the information structure and all that it points at. */
static bool build_information(struct loader *loader, const char *modules,
                              const char *arguments)
{
    struct info info = {
        .flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER_NAME |
                 INFO_FRAMEBUFFER,
        .framebuffer_address = 0xb8000,
        .framebuffer_pitch = 160,
        .framebuffer_width = 80,
        .framebuffer_height = 25,
        .framebuffer_bits = 16,
        .framebuffer_type = FRAMEBUFFER_EGA_TEXT,
    };
    static const char name[] = "FAUmachine";
    uint64_t kernel_end = loader->kernel.address + (uint64_t)loader->kernel.length;
    loader->extra.address =
        (uint32_t)((kernel_end + PAGE_OFFSET_MASK) & ~(uint64_t)PAGE_OFFSET_MASK);
    uint32_t info_address;
    bool done = append_bytes(loader, NULL, sizeof(info), 8, &info_address) &&
                append_bytes(loader, NULL, BOOT_ROM_MAP_BYTES, 8, &info.mmap_address) &&
                append_bytes(loader, name, sizeof(name), 1, &info.loader_name) &&
                append_command_line(loader, arguments, &info.cmdline) &&
                (!modules || append_modules(loader, modules, &info));
    if (done) {
        memcpy(loader->extra.bytes, &info, sizeof(info));
    }
    return done;
}

bool multiboot_prepare(struct fw_cfg *fw_cfg, uint64_t ram_bytes, const char *path,
                       const struct firmware_image *image, const char *modules,
                       const char *append, struct error *error)
{
    struct loader loader = {
        .path = path,
        .image = image,
        .memory_end = ram_bytes - BIOS_RESERVED_BYTES,
        .error = error,
    };
    int header_at = multiboot_find_header(image->bytes, image->length);
    assert(header_at >= 0 && ram_bytes >= 2 * BIOS_RESERVED_BYTES);
    uint32_t flags = get32(image->bytes + header_at + 4);
    uint32_t unknown = flags & FLAGS_REQUIRED_MASK & ~(uint32_t)FLAGS_UNDERSTOOD;
    if (unknown) {
        return error_set(error,
                         "Multiboot kernel \"%s\" requires features that the "
                         "specification 0.6.96 does not know (flags 0x%x)",
                         path, unknown);
    }
    bool done = ((flags & FLAG_ADDRESSES) ? load_by_header(&loader, (size_t)header_at)
                                          : load_elf(&loader)) &&
                build_information(&loader, modules, append);
    if (done) {
        boot_rom_add_piece(fw_cfg, &boot_rom_kernel, loader.kernel.address,
                           loader.kernel.bytes, loader.kernel.length);
        boot_rom_add_piece(fw_cfg, &boot_rom_initrd, loader.extra.address,
                           loader.extra.bytes, loader.extra.length);
        fw_cfg_add_i32(fw_cfg, FW_CFG_KERNEL_ENTRY, loader.entry);
    }
    free(loader.kernel.bytes);
    free(loader.extra.bytes);
    return done;
}
