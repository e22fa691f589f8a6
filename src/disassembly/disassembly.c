#include "disassembly/disassembly.h"

#include <inttypes.h>

#include <Zydis/Zydis.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* `digits`: of the address. */
static size_t write_line(ZydisMachineMode mode, const uint8_t *code, size_t bytes,
                         uint64_t address, int digits,
                         char line[DISASSEMBLY_LINE_BYTES])
{
    ZydisDisassembledInstruction instruction;
    bool good =
        ZYAN_SUCCESS(ZydisDisassembleIntel(mode, address, code, bytes, &instruction));
    size_t length =
        good ? instruction.info.length : smaller(bytes, DISASSEMBLY_MOST_BYTES);
    int at = snprintf(line, DISASSEMBLY_LINE_BYTES, "%0*" PRIx64 ":", digits, address);
    for (size_t i = 0; i < length; i++) {
        at +=
            snprintf(line + at, DISASSEMBLY_LINE_BYTES - (size_t)at, " %02x", code[i]);
    }
    snprintf(line + at, DISASSEMBLY_LINE_BYTES - (size_t)at, "  %s",
             good ? instruction.text : "(not known)");
    return length;
}

size_t disassembly_line(const uint8_t *code, size_t bytes, uint32_t eip, bool is16,
                        char line[DISASSEMBLY_LINE_BYTES])
{
    ZydisMachineMode mode =
        is16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32;
    return write_line(mode, code, bytes, eip, 8, line);
}

size_t disassembly_host_line(const uint8_t *code, size_t bytes, uint64_t address,
                             char line[DISASSEMBLY_LINE_BYTES])
{
    return write_line(ZYDIS_MACHINE_MODE_LONG_64, code, bytes, address, 12, line);
}

void disassembly_print(FILE *stream, const uint8_t *code, size_t bytes, uint32_t eip,
                       bool is16)
{
    for (size_t done = 0; done < bytes;) {
        char line[DISASSEMBLY_LINE_BYTES];
        done += disassembly_line(code + done, bytes - done, eip + (uint32_t)done, is16,
                                 line);
        fprintf(stream, "%s\n", line);
    }
}
