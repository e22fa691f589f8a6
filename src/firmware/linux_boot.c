#include "firmware/linux_boot.h"
#include "firmware/boot_rom.h"
#include "firmware/multiboot.h"
#include "firmware/rom.h"

#include <stdlib.h>
#include <string.h>

/* Offsets of fields in the kernel's first sectors ("The Real-Mode Kernel Header"). */
enum setup_field {
    SETUP_SECTORS = 0x1f1,
    SETUP_SYSSIZE = 0x1f4,
    SETUP_VIDEO_MODE = 0x1fa,
    SETUP_BOOT_FLAG = 0x1fe,
    SETUP_HEADER = 0x202,
    SETUP_VERSION = 0x206,
    SETUP_LOADER_TYPE = 0x210,
    SETUP_LOAD_FLAGS = 0x211,
    SETUP_RAMDISK_IMAGE = 0x218,
    SETUP_RAMDISK_SIZE = 0x21c,
    SETUP_HEAP_END = 0x224,
    SETUP_CMDLINE = 0x228,
    SETUP_INITRD_MAXIMUM = 0x22c,
    SETUP_KERNEL_ALIGNMENT = 0x230,
    SETUP_RELOCATABLE = 0x234,
    SETUP_CMDLINE_BYTES = 0x238,
    SETUP_PREFERRED_ADDRESS = 0x258,
    SETUP_INIT_BYTES = 0x260,
    SETUP_FIELDS_END = 0x264,
};

enum {
    SECTOR_BYTES = 512,
    DEFAULT_SECTORS = 4, /* what 0 in SETUP_SECTORS stands for */
    MAGIC_BOOT_FLAG = 0xaa55,
    MAGIC_HEADER = 0x53726448, /* "HdrS" */
    VERSION_CMDLINE_POINTER = 0x202,
    VERSION_INITRD_MAXIMUM = 0x203,
    VERSION_WIDE_SYSSIZE = 0x204,
    VERSION_RELOCATABLE = 0x205,
    VERSION_CMDLINE_BYTES = 0x206,
    VERSION_INIT_BYTES = 0x20a,
    LOADER_UNDEFINED = 0xff,
    LOADED_HIGH = 0x01,
    CAN_USE_HEAP = 0x80,
    DEFAULT_INITRD_MAXIMUM = 0x37ffffff,
    DEFAULT_CMDLINE_BYTES = 255,
    VIDEO_NORMAL = 0xffff,
    VIDEO_EXTENDED = 0xfffe,
    VIDEO_ASK = 0xfffd,
};

/* Where the pieces go. The setup's 64 KiB segment also holds its heap and stack. */
enum {
    SETUP_ADDRESS = 0x10000,
    SETUP_MAXIMUM = 0x8000,
    HEAP_END_POINTER = 0x10000 - 0x200, /* offset of the segment's end, - 0x200 */
    CMDLINE_ADDRESS = 0x20000,
    KERNEL_ADDRESS = 0x100000,
};

#define ADDRESS_LIMIT (1ULL << 32)

struct linux_kernel {
    const char *path;
    uint8_t *setup; /* the image itself: its header is patched in place */
    size_t setup_bytes;
    const uint8_t *code; /* the protected-mode part */
    size_t code_bytes;
    unsigned version;
};

static uint16_t get16(const uint8_t *setup, enum setup_field field)
{
    return (uint16_t)(setup[field] | setup[field + 1] << 8);
}

static uint32_t get32(const uint8_t *setup, enum setup_field field)
{
    uint32_t high = get16(setup, field + 2);
    return get16(setup, field) | high << 16;
}

static uint64_t get64(const uint8_t *setup, enum setup_field field)
{
    uint64_t high = get32(setup, field + 4);
    return get32(setup, field) | high << 32;
}

static void put16(uint8_t *setup, enum setup_field field, uint16_t value)
{
    setup[field] = (uint8_t)value;
    setup[field + 1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *setup, enum setup_field field, uint32_t value)
{
    put16(setup, field, (uint16_t)value);
    put16(setup, field + 2, (uint16_t)(value >> 16));
}

static bool is_linux(const struct firmware_image *image)
{
    return image->length >= SETUP_FIELDS_END &&
           get16(image->bytes, SETUP_BOOT_FLAG) == MAGIC_BOOT_FLAG &&
           get32(image->bytes, SETUP_HEADER) == MAGIC_HEADER;
}

/* Splits the image into its parts and checks that it is one we can start. */
static bool parse_kernel(const char *path, const struct firmware_image *image,
                         struct linux_kernel *kernel, struct error *error)
{
    uint8_t *setup = image->bytes;
    unsigned sectors = setup[SETUP_SECTORS] ? setup[SETUP_SECTORS] : DEFAULT_SECTORS;
    size_t setup_bytes = (size_t)(sectors + 1) * SECTOR_BYTES;
    unsigned version = get16(setup, SETUP_VERSION);
    if (version < VERSION_CMDLINE_POINTER || !(setup[SETUP_LOAD_FLAGS] & LOADED_HIGH)) {
        return error_set(error,
                         "kernel \"%s\" is an old zImage (boot protocol %u.%02u): "
                         "give a bzImage of Linux 2.4 or later",
                         path, version >> 8, version & 0xff);
    }
    if (setup_bytes > SETUP_MAXIMUM) {
        return error_set(error,
                         "kernel \"%s\" is damaged: its real-mode part has %zu bytes, "
                         "at most %d are possible",
                         path, setup_bytes, SETUP_MAXIMUM);
    }
    uint64_t code_bytes = version >= VERSION_WIDE_SYSSIZE
                              ? get32(setup, SETUP_SYSSIZE) * 16ULL
                              : get16(setup, SETUP_SYSSIZE) * 16ULL;
    /* The last 16-byte unit of the file need not be whole. */
    if (image->length <= setup_bytes || image->length - setup_bytes + 15 < code_bytes) {
        return error_set(error, "kernel \"%s\" is truncated: it has %zu bytes of %llu",
                         path, image->length,
                         (unsigned long long)(setup_bytes + code_bytes));
    }
    *kernel = (struct linux_kernel){
        .path = path,
        .setup = setup,
        .setup_bytes = setup_bytes,
        .code = setup + setup_bytes,
        .code_bytes = image->length - setup_bytes,
        .version = version,
    };
    return true;
}

/* First address behind all the memory that the kernel uses before it looks at the
 * memory map: the loaded image and the place it is unpacked to. */
static uint64_t kernel_end(const struct linux_kernel *kernel)
{
    uint64_t loaded_end = KERNEL_ADDRESS + kernel->code_bytes;
    if (kernel->version < VERSION_INIT_BYTES) {
        return loaded_end;
    }
    uint64_t start = get64(kernel->setup, SETUP_PREFERRED_ADDRESS);
    uint64_t alignment = get32(kernel->setup, SETUP_KERNEL_ALIGNMENT);
    if (kernel->setup[SETUP_RELOCATABLE] && alignment) {
        uint64_t lowest = (KERNEL_ADDRESS + alignment - 1) / alignment * alignment;
        start = start > lowest ? start : lowest;
    }
    start = start < ADDRESS_LIMIT ? start : ADDRESS_LIMIT;
    uint64_t unpacked_end = start + get32(kernel->setup, SETUP_INIT_BYTES);
    return unpacked_end > loaded_end ? unpacked_end : loaded_end;
}

/* The value of the option `name` ("vga=") in the command line, or NULL. */
static const char *find_option(const char *append, const char *name)
{
    size_t length = strlen(name);
    const char *found = append;
    while ((found = strstr(found, name)) != NULL) {
        if (found == append || found[-1] == ' ') {
            return found + length;
        }
        found += length;
    }
    return NULL;
}

/* A size like 64M, as the kernel's "mem=" takes it. */
static uint64_t parse_size(const char *text)
{
    char *end;
    uint64_t size = strtoull(text, &end, 0);
    switch (*end) {
    case 'G':
    case 'g':
        return size << 30;
    case 'M':
    case 'm':
        return size << 20;
    case 'K':
    case 'k':
        return size << 10;
    default:
        return size;
    }
}

static uint16_t parse_video_mode(const char *text)
{
    if (strncmp(text, "normal", 6) == 0) {
        return VIDEO_NORMAL;
    }
    if (strncmp(text, "ext", 3) == 0) {
        return VIDEO_EXTENDED;
    }
    if (strncmp(text, "ask", 3) == 0) {
        return VIDEO_ASK;
    }
    return (uint16_t)strtoul(text, NULL, 0);
}

/* "Special Command Line Options": those that the boot loader has to obey. */
static uint64_t apply_options(const struct linux_kernel *kernel, const char *append,
                              uint64_t ram_bytes)
{
    const char *video = find_option(append, "vga=");
    if (video) {
        put16(kernel->setup, SETUP_VIDEO_MODE, parse_video_mode(video));
    }
    const char *limit = find_option(append, "mem=");
    uint64_t limit_bytes = limit ? parse_size(limit) : 0;
    return limit_bytes && limit_bytes < ram_bytes ? limit_bytes : ram_bytes;
}

/* Reads the initrd and puts it as high as kernel and memory allow. */
static bool add_initrd(struct fw_cfg *fw_cfg, const struct linux_kernel *kernel,
                       uint64_t ram_bytes, const char *path, struct error *error)
{
    struct firmware_image initrd;
    if (!firmware_read_file(path, "initrd", ram_bytes, &initrd, error)) {
        return false;
    }
    uint64_t end = ram_bytes - BIOS_RESERVED_BYTES;
    uint64_t maximum = kernel->version >= VERSION_INITRD_MAXIMUM
                           ? get32(kernel->setup, SETUP_INITRD_MAXIMUM)
                           : DEFAULT_INITRD_MAXIMUM;
    end = end < maximum + 1 ? end : maximum + 1;
    uint64_t first = kernel_end(kernel);
    if (initrd.length + PAGE_BYTES > end || first > end - initrd.length - PAGE_BYTES) {
        error_set(error,
                  "initrd \"%s\" (%zu KiB) does not fit above the kernel: give the "
                  "machine more memory, at least %llu MiB",
                  path, initrd.length >> 10,
                  (unsigned long long)((first + initrd.length + PAGE_BYTES +
                                        BIOS_RESERVED_BYTES) >>
                                       20) +
                      1);
        firmware_image_free(&initrd);
        return false;
    }
    uint32_t address = (uint32_t)(end - initrd.length) & ~(uint32_t)PAGE_OFFSET_MASK;
    put32(kernel->setup, SETUP_RAMDISK_IMAGE, address);
    put32(kernel->setup, SETUP_RAMDISK_SIZE, (uint32_t)initrd.length);
    boot_rom_add_piece(fw_cfg, &boot_rom_initrd, address, initrd.bytes, initrd.length);
    firmware_image_free(&initrd);
    return true;
}

static bool prepare_linux(struct fw_cfg *fw_cfg, uint64_t ram_bytes, const char *path,
                          const struct firmware_image *image, const char *initrd,
                          const char *append, struct error *error)
{
    struct linux_kernel kernel = {0};
    if (!parse_kernel(path, image, &kernel, error)) {
        return false;
    }
    unsigned long maximum = kernel.version >= VERSION_CMDLINE_BYTES
                                ? get32(kernel.setup, SETUP_CMDLINE_BYTES)
                                : DEFAULT_CMDLINE_BYTES;
    if (strlen(append) > maximum) {
        return error_set(error, "-append has %zu characters, \"%s\" takes at most %lu",
                         strlen(append), path, maximum);
    }
    uint64_t usable = apply_options(&kernel, append, ram_bytes);
    if (kernel_end(&kernel) + BIOS_RESERVED_BYTES > usable) {
        return error_set(
            error, "kernel \"%s\" does not fit into memory: it needs at least %llu MiB",
            path,
            (unsigned long long)((kernel_end(&kernel) + BIOS_RESERVED_BYTES) >> 20) +
                1);
    }
    if (initrd && !add_initrd(fw_cfg, &kernel, usable, initrd, error)) {
        return false;
    }
    kernel.setup[SETUP_LOADER_TYPE] = LOADER_UNDEFINED;
    kernel.setup[SETUP_LOAD_FLAGS] |= CAN_USE_HEAP;
    put16(kernel.setup, SETUP_HEAP_END, HEAP_END_POINTER);
    put32(kernel.setup, SETUP_CMDLINE, CMDLINE_ADDRESS);
    boot_rom_add_piece(fw_cfg, &boot_rom_setup, SETUP_ADDRESS, kernel.setup,
                       kernel.setup_bytes);
    boot_rom_add_piece(fw_cfg, &boot_rom_cmdline, CMDLINE_ADDRESS, append,
                       strlen(append) + 1);
    boot_rom_add_piece(fw_cfg, &boot_rom_kernel, KERNEL_ADDRESS, kernel.code,
                       kernel.code_bytes);
    return true;
}

bool linux_boot_prepare(struct fw_cfg *fw_cfg, uint64_t ram_bytes, const char *kernel,
                        const char *initrd, const char *append, struct error *error)
{
    struct firmware_image image;
    if (!firmware_read_file(kernel, "kernel", ram_bytes, &image, error)) {
        return false;
    }
    bool prepared;
    if (is_linux(&image)) {
        prepared = prepare_linux(fw_cfg, ram_bytes, kernel, &image, initrd,
                                 append ? append : "", error);
    } else if (multiboot_find_header(image.bytes, image.length) >= 0) {
        prepared = multiboot_prepare(fw_cfg, ram_bytes, kernel, &image, initrd,
                                     append ? append : "", error);
    } else {
        prepared = error_set(error,
                             "kernel \"%s\" is of no known kind: -kernel takes a Linux "
                             "bzImage or a Multiboot (version 1) image",
                             kernel);
    }
    if (prepared) {
        boot_rom_add(fw_cfg);
    }
    firmware_image_free(&image);
    return prepared;
}
