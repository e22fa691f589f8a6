#include "disassembly/disassembly.h"

#include <Zydis/Zydis.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t disassembly_line(const uint8_t *code, size_t bytes, uint32_t eip, bool is16,
                        char line[DISASSEMBLY_LINE_BYTES])
{
    ZydisDisassembledInstruction instruction;
    ZydisMachineMode mode =
        is16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32;
    bool good =
        ZYAN_SUCCESS(ZydisDisassembleIntel(mode, eip, code, bytes, &instruction));
    size_t length =
        good ? instruction.info.length : smaller(bytes, DISASSEMBLY_MOST_BYTES);
    int at = snprintf(line, DISASSEMBLY_LINE_BYTES, "%08x:", eip);
    for (size_t i = 0; i < length; i++) {
        at +=
            snprintf(line + at, DISASSEMBLY_LINE_BYTES - (size_t)at, " %02x", code[i]);
    }
    snprintf(line + at, DISASSEMBLY_LINE_BYTES - (size_t)at, "  %s",
             good ? instruction.text : "(not known)");
    return length;
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
