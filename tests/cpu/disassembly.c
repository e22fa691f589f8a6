#include "disassembly.h"

#include <Zydis/Zydis.h>
#include <stdio.h>

void disassembly_print(const uint8_t *code, size_t bytes, uint32_t eip, bool is16)
{
    size_t done = 0;
    while (done < bytes) {
        ZydisDisassembledInstruction instruction;
        ZydisMachineMode mode =
            is16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32;
        bool good = ZYAN_SUCCESS(ZydisDisassembleIntel(mode, eip + done, code + done,
                                                       bytes - done, &instruction));
        size_t length = good ? instruction.info.length : bytes - done;
        printf("%08zx:", eip + done);
        for (size_t i = 0; i < length; i++) {
            printf(" %02x", code[done + i]);
        }
        printf("  %s\n", good ? instruction.text : "(not known)");
        done += length;
    }
}
