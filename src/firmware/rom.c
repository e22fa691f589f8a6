#include "firmware/rom.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BIOS_MINIMUM_BYTES = 64 << 10,
    BIOS_MAXIMUM_BYTES = 256 << 10,
    LOW_BIOS_BYTES = 128 << 10, /* at most so much is seen below 1 MiB */
    LOW_BIOS_END = 1 << 20,
    VGA_BIOS_MAXIMUM_BYTES = 64 << 10,
};

#define HIGH_BIOS_END (1ULL << 32)

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE_OFFSET_MASK) & ~(size_t)PAGE_OFFSET_MASK;
}

/* Reads exactly `length` bytes; false with errno set, 0 if the file ended early. */
static bool read_all(int fd, uint8_t *bytes, size_t length)
{
    while (length) {
        ssize_t got = read(fd, bytes, length);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            errno = got == 0 ? 0 : errno;
            return false;
        }
        if (got > 0) {
            bytes += got;
            length -= (size_t)got;
        }
    }
    return true;
}

static bool read_open_file(int fd, const char *path, const char *what, size_t maximum,
                           struct firmware_image *image, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set_errno(error, errno, "cannot read %s \"%s\"", what, path);
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(error, "%s \"%s\" is not a regular file", what, path);
    }
    if (status.st_size == 0) {
        return error_set(error, "%s \"%s\" is empty", what, path);
    }
    if ((uint64_t)status.st_size > maximum) {
        return error_set(error, "%s \"%s\" has %lld bytes, at most %zu are possible",
                         what, path, (long long)status.st_size, maximum);
    }
    size_t length = (size_t)status.st_size;
    void *bytes = mmap(NULL, whole_pages(length), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        return error_set_errno(error, errno, "no memory to read %s \"%s\"", what, path);
    }
    *image = (struct firmware_image){bytes, length};
    if (!read_all(fd, bytes, length)) {
        int why = errno;
        firmware_image_free(image);
        return why ? error_set_errno(error, why, "cannot read %s \"%s\"", what, path)
                   : error_set(error, "%s \"%s\" shrank while it was read", what, path);
    }
    return true;
}

bool firmware_read_file(const char *path, const char *what, size_t maximum,
                        struct firmware_image *image, struct error *error)
{
    *image = (struct firmware_image){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set_errno(error, errno, "cannot open %s \"%s\"", what, path);
    }
    bool done = read_open_file(fd, path, what, maximum, image, error);
    close(fd);
    return done;
}

void firmware_image_free(struct firmware_image *image)
{
    if (image->bytes) {
        munmap(image->bytes, whole_pages(image->length));
    }
    *image = (struct firmware_image){0};
}

/* As firmware_read_file, for one of Debian's files when `path` is NULL. */
static bool read_rom(const char *path, const char *debian, const char *what,
                     size_t maximum, struct firmware_image *image, struct error *error)
{
    if (!path && access(debian, F_OK) < 0) {
        return error_set(error,
                         "%s \"%s\" is missing: install the package seabios, or name "
                         "another file",
                         what, debian);
    }
    return firmware_read_file(path ? path : debian, what, maximum, image, error);
}

static unsigned map_bios(struct memory_map *map, const struct firmware_image *bios,
                         const char *name, gpa_t end, size_t bytes)
{
    struct memory_region region = {
        .name = name,
        .start = end - bytes,
        .bytes = bytes,
        .priority = MEMORY_PRIORITY_ROM,
        .read = bios->bytes + bios->length - bytes,
    };
    return memory_add(map, &region);
}

bool firmware_load_bios(struct memory_map *map, const char *path,
                        struct firmware_roms *out, struct error *error)
{
    struct firmware_image bios;
    if (!read_rom(path, FIRMWARE_DEBIAN_BIOS, "BIOS", BIOS_MAXIMUM_BYTES, &bios,
                  error)) {
        return false;
    }
    size_t length = bios.length;
    if (length < BIOS_MINIMUM_BYTES || (length & (length - 1))) {
        firmware_image_free(&bios);
        return error_set(error,
                         "BIOS \"%s\" has %zu bytes, a BIOS has 64, 128 or 256 KiB",
                         path ? path : FIRMWARE_DEBIAN_BIOS, length);
    }
    out->bios = bios;
    out->map = map;
    out->high_handle = map_bios(map, &bios, "bios", HIGH_BIOS_END, length);
    out->low_handle = map_bios(map, &bios, "isa-bios", LOW_BIOS_END,
                               length < LOW_BIOS_BYTES ? length : LOW_BIOS_BYTES);
    return true;
}

bool firmware_load_vga_bios(const char *path, struct firmware_roms *out,
                            struct error *error)
{
    struct firmware_image rom;
    if (!read_rom(path, FIRMWARE_DEBIAN_VGA_BIOS, "VGA BIOS", VGA_BIOS_MAXIMUM_BYTES,
                  &rom, error)) {
        return false;
    }
    if (rom.length < 3 || rom.bytes[0] != 0x55 || rom.bytes[1] != 0xaa) {
        firmware_image_free(&rom);
        return error_set(error, "VGA BIOS \"%s\" does not begin with 0x55 0xaa",
                         path ? path : FIRMWARE_DEBIAN_VGA_BIOS);
    }
    out->vga_bios = rom;
    return true;
}

void firmware_roms_destroy(struct firmware_roms *roms)
{
    if (roms->map) {
        memory_remove(roms->map, roms->high_handle);
        memory_remove(roms->map, roms->low_handle);
    }
    firmware_image_free(&roms->bios);
    firmware_image_free(&roms->vga_bios);
    *roms = (struct firmware_roms){0};
}
