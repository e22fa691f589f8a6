/* Memory, ports and numbers, for people. The formats are QEMU's. */
#include "disassembly/disassembly.h"
#include "machine/inspect.h"
#include "monitor/command.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum { LINE_BYTES = 16, BYTES_OF_BYTES = 8, DUMP_MAXIMUM = 1 << 20 };

static void print_character(FILE *out, uint8_t byte)
{
    static const char plain[] = "\n\r\t\\'", shown[] = "nrt\\'";
    const char *found = byte ? strchr(plain, byte) : NULL;
    if (found) {
        fprintf(out, "'\\%c'", shown[found - plain]);
    } else if (byte >= ' ' && byte < 127) {
        fprintf(out, "'%c'", byte);
    } else {
        fprintf(out, "'\\x%02x'", byte);
    }
}

/* A value of `bytes` in a column. */
static void print_value(FILE *out, uint64_t value, unsigned bytes, int format)
{
    int bits = 8 * (int)bytes;
    switch (format) {
    case 'o':
        fprintf(out, "%#*" PRIo64, (bits + 2) / 3, value);
        break;
    case 'u':
        fprintf(out, "%*" PRIu64, (bits * 10 + 32) / 33, value);
        break;
    case 'd':
        fprintf(out, "%*" PRId64, (bits * 10 + 32) / 33, (int64_t)value);
        break;
    case 'c':
        print_character(out, (uint8_t)value);
        break;
    default:
        fprintf(out, "0x%0*" PRIx64, bits / 4, value);
        break;
    }
}

static void dump_code(struct command_call *call, bool linear, uint64_t address,
                      int64_t count)
{
    struct machine *machine = call->monitor->machine;
    const struct cpu *cpu = machine_cpu(machine);
    bool is16 = !(cpu->code_mode & CODE_MODE_32);
    for (; count > 0; count--) {
        uint8_t code[DISASSEMBLY_MOST_BYTES];
        char line[DISASSEMBLY_LINE_BYTES];
        size_t bytes = machine_peek(machine, linear, address, code, sizeof(code));
        if (!bytes) {
            fputs("Cannot access memory\n", call->out);
            return;
        }
        address += disassembly_line(code, bytes, (uint32_t)address, is16, line);
        fprintf(call->out, "0x%s\n", line);
    }
}

static void dump_line(struct command_call *call, uint64_t address, bool linear,
                      const uint8_t *data, size_t bytes, unsigned width, int format)
{
    fprintf(call->out, "%0*" PRIx64 ":", linear ? 8 : 16, address);
    for (size_t i = 0; i + width <= bytes; i += width) {
        uint64_t value = 0;
        memcpy(&value, data + i, width);
        fputc(' ', call->out);
        print_value(call->out, value, width, format);
    }
    fputc('\n', call->out);
}

static bool dump(struct command_call *call, bool linear)
{
    struct machine *machine = call->monitor->machine;
    int format = (int)command_integer(call, "format", 0);
    unsigned width = (unsigned)command_integer(call, "size", 0);
    int64_t count = command_integer(call, "count", 1);
    uint64_t address = (uint64_t)command_integer(call, "address", 0);
    if (linear) {
        address = (uint32_t)address;
    }
    count = count < DUMP_MAXIMUM ? count : DUMP_MAXIMUM;
    if (format == 'i') {
        dump_code(call, linear, address, count);
        return true;
    }
    width = format == 'c' ? 1 : width ? width : 4;
    size_t left = (size_t)count * width,
           line = width == 1 ? BYTES_OF_BYTES : LINE_BYTES;
    while (left > 0) {
        uint8_t data[LINE_BYTES];
        size_t bytes = left < line ? left : line;
        if (machine_peek(machine, linear, address, data, bytes) < bytes) {
            fputs("Cannot access memory\n", call->out);
            break;
        }
        dump_line(call, address, linear, data, bytes, width, format);
        address += bytes;
        left -= bytes;
    }
    return true;
}

static bool dump_linear(struct command_call *call)
{
    return dump(call, true);
}

static bool dump_physical(struct command_call *call)
{
    return dump(call, false);
}

static bool print(struct command_call *call)
{
    int64_t value = command_integer(call, "value", 0);
    switch (command_integer(call, "format", 0)) {
    case 'd':
        fprintf(call->out, "%" PRId64 "\n", value);
        break;
    case 'u':
        fprintf(call->out, "%" PRIu64 "\n", (uint64_t)value);
        break;
    case 'o':
        fprintf(call->out, "%#" PRIo64 "\n", (uint64_t)value);
        break;
    case 'c':
        print_character(call->out, (uint8_t)value);
        fputc('\n', call->out);
        break;
    default:
        fprintf(call->out, "%#" PRIx64 "\n", (uint64_t)value);
        break;
    }
    return true;
}

static unsigned port_width(const struct command_call *call)
{
    unsigned width = (unsigned)command_integer(call, "size", 0);
    return width == 2 || width == 4 ? width : 1;
}

static bool port_in(struct command_call *call)
{
    static const char letters[] = "?bw?l";
    uint16_t port = (uint16_t)command_integer(call, "port", 0);
    unsigned width = port_width(call);
    uint32_t value = port_read(machine_ports(call->monitor->machine), port, width);
    fprintf(call->out, "port%c[0x%04x] = 0x%0*x\n", letters[width], port,
            (int)width * 2, value);
    return true;
}

static bool port_out(struct command_call *call)
{
    uint16_t port = (uint16_t)command_integer(call, "port", 0);
    port_write(machine_ports(call->monitor->machine), port,
               (uint32_t)command_integer(call, "value", 0), port_width(call));
    return true;
}

/* The checksum of BSD's sum(1). */
static bool sum(struct command_call *call)
{
    uint64_t address = (uint64_t)command_integer(call, "start", 0);
    int64_t left = command_integer(call, "size", 0);
    uint16_t result = 0;
    uint8_t data[PAGE_BYTES];
    while (left > 0) {
        size_t piece = left < PAGE_BYTES ? (size_t)left : PAGE_BYTES;
        memset(data, 0xff, sizeof(data));
        if (!machine_peek(call->monitor->machine, false, address, data, piece)) {
            break;
        }
        for (size_t i = 0; i < piece; i++) {
            result = (uint16_t)((result >> 1 | result << 15) + data[i]);
        }
        address += piece;
        left -= (int64_t)piece;
    }
    fprintf(call->out, "%05d\n", result);
    return true;
}

static bool to_physical(struct command_call *call)
{
    gpa_t physical;
    gla_t address = (gla_t)command_integer(call, "address", 0);
    if (machine_translate(call->monitor->machine, address, &physical, NULL, NULL)) {
        fprintf(call->out, "gpa: %#" PRIx64 "\n", physical);
    } else {
        fputs("Unmapped\n", call->out);
    }
    return true;
}

static const struct command rows[] = {
    {NULL, "x", "format:f address:e", "/fmt addr", "memory dump", true, dump_linear,
     NULL},
    {NULL, "xp", "format:f address:e", "/fmt addr", "physical memory dump", true,
     dump_physical, NULL},
    {NULL, "print|p", "format:f value:e", "/fmt expr",
     "value of an expression (registers: $eax…)", false, print, NULL},
    {NULL, "i", "format:f port:e", "/fmt addr", "read an I/O port", true, port_in,
     NULL},
    {NULL, "o", "format:f port:e value:e", "/fmt addr value", "write an I/O port", true,
     port_out, NULL},
    {NULL, "sum", "start:e size:e", "addr size", "checksum of physical memory", true,
     sum, NULL},
    {NULL, "gva2gpa", "address:e", "addr", "where a linear address leads", true,
     to_physical, NULL},
};

const struct command_table commands_memory = {rows, ARRAY_LENGTH(rows)};
