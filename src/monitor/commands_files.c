/* Commands that write files. */
#include "machine/inspect.h"
#include "machine/services.h"
#include "monitor/command.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 16 };

static bool write_all(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, data, bytes);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        data += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static bool write_memory(struct command_call *call, bool linear, int fd)
{
    uint64_t address = (uint64_t)command_integer(call, "val", 0);
    uint64_t left = (uint64_t)command_integer(call, "size", 0);
    uint8_t data[PIECE_BYTES];
    while (left > 0) {
        size_t piece = left < sizeof(data) ? left : sizeof(data);
        if (machine_peek(call->monitor->machine, linear, address, data, piece) <
            piece) {
            return command_fail(call, NULL,
                                "Invalid addr 0x%016llx/size %lld specified",
                                (unsigned long long)address, (long long)left);
        }
        if (!write_all(fd, data, piece)) {
            return error_set_errno(&call->error, errno, "writing memory to '%s' failed",
                                   command_string(call, "filename"));
        }
        address += piece;
        left -= piece;
    }
    return true;
}

static bool save(struct command_call *call, bool linear)
{
    const char *file = command_string(call, "filename");
    int fd = opener_open(&call->monitor->opener, file, OPENER_REPLACE, &call->error);
    bool good = fd >= 0 && write_memory(call, linear, fd);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static bool save_linear(struct command_call *call)
{
    int64_t cpu = command_integer(call, "cpu-index", 0);
    return cpu == 0 ? save(call, true)
                    : command_fail(call, NULL,
                                   "Invalid parameter 'cpu-index', expected: a CPU "
                                   "number");
}

static bool save_physical(struct command_call *call)
{
    return save(call, false);
}

static bool screendump(struct command_call *call)
{
    struct monitor *monitor = call->monitor;
    const struct machine_services *services = machine_services(monitor->machine);
    const char *file = command_string(call, "filename");
    const char *format = command_string(call, "format");
    bool png = format && strcmp(format, "png") == 0;
    if (format && !png && strcmp(format, "ppm") != 0) {
        return command_fail(call, NULL, "Parameter 'format' does not accept value '%s'",
                            format);
    }
    if (!services->screenshot) {
        return command_fail(call, NULL, "There is no display to take a picture of");
    }
    int fd = opener_open(&monitor->opener, file, OPENER_REPLACE, &call->error);
    bool good =
        fd >= 0 && services->screenshot(monitor->machine, fd, png, &call->error);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static const struct command rows[] = {
    {"memsave", NULL, "val:i size:i filename:s cpu-index:i?", "", "", true, save_linear,
     NULL},
    {"pmemsave", NULL, "val:i size:i filename:s", "", "", true, save_physical, NULL},
    {NULL, "memsave", "val:e size:e filename:s", "addr size file",
     "save memory from a linear address on", true, save_linear, NULL},
    {NULL, "pmemsave", "val:e size:e filename:s", "addr size file",
     "save physical memory", true, save_physical, NULL},
    {"screendump", NULL, "filename:s device:s? head:i? format:s?", "", "",
     .run = screendump},
    {NULL, "screendump", "filename:s format:s?", "file [png|ppm]", "save the picture",
     .run = screendump},
};

const struct command_table commands_files = {rows, ARRAY_LENGTH(rows)};
