#include "xsave_area.h"

#include "cpu/core/cpu.h"
#include "cpu/core/fpu.h"

#include <stdio.h>
#include <string.h>

enum { REGISTERS = 8, ST_BYTES = 10, SLOT_BYTES = 16 };

struct field {
    const char *name;
    unsigned offset, bytes;
    unsigned component; /* XCR0_… */
};

static const struct field words[] = {
    {"x87 control", FPU_AREA_CONTROL, 2, XCR0_X87},
    {"x87 status", FPU_AREA_STATUS, 2, XCR0_X87},
    {"x87 tags", FPU_AREA_TAGS, 1, XCR0_X87},
    /* Belongs to SSE and AVX; XSAVE writes it whatever XSTATE_BV says. */
    {"mxcsr", FPU_AREA_MXCSR, 4, 0},
};

static const struct field registers[] = {
    {"st", FPU_AREA_ST, ST_BYTES, XCR0_X87},
    {"xmm", FPU_AREA_XMM, SLOT_BYTES, XCR0_SSE},
    {"ymm high", FPU_AREA_YMM_HIGH, SLOT_BYTES, XCR0_AVX},
};

static void store16(uint8_t *area, unsigned offset, uint16_t value)
{
    memcpy(area + offset, &value, sizeof(value));
}

void xsave_area_init(uint8_t *area)
{
    memset(area, 0, XSAVE_AREA_BYTES);
    store16(area, FPU_AREA_CONTROL, FPU_CONTROL_INIT);
    store16(area, FPU_AREA_MXCSR, MXCSR_INIT);
    area[FPU_AREA_XSTATE_BV] = XCR0_X87 | XCR0_SSE | XCR0_AVX;
}

/* The area with its initialised components filled in. */
static void complete(const uint8_t *from, uint8_t *to)
{
    uint8_t present = from[FPU_AREA_XSTATE_BV];
    xsave_area_init(to);
    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
        if ((present & words[i].component) == words[i].component) {
            memcpy(to + words[i].offset, from + words[i].offset, words[i].bytes);
        }
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(registers); i++) {
        for (unsigned k = 0; k < REGISTERS && (present & registers[i].component); k++) {
            unsigned offset = registers[i].offset + k * SLOT_BYTES;
            memcpy(to + offset, from + offset, registers[i].bytes);
        }
    }
}

static void print_bytes(char *text, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        sprintf(text + 2 * i, "%02x", bytes[count - 1 - i]);
    }
}

static bool same(const char *name, unsigned number, const uint8_t *host,
                 const uint8_t *guest, unsigned count, char *text, size_t text_bytes)
{
    if (memcmp(host, guest, count) == 0) {
        return true;
    }
    char host_text[2 * SLOT_BYTES + 1], guest_text[2 * SLOT_BYTES + 1];
    print_bytes(host_text, host, count);
    print_bytes(guest_text, guest, count);
    snprintf(text, text_bytes, "%s%u: host %s, ours %s\n", name, number, host_text,
             guest_text);
    return false;
}

bool xsave_area_compare(const uint8_t *host, const uint8_t *guest, char *text,
                        size_t text_bytes)
{
    uint8_t a[XSAVE_AREA_BYTES], b[XSAVE_AREA_BYTES];
    complete(host, a);
    complete(guest, b);
    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
        const struct field *field = &words[i];
        if (!same(field->name, 0, a + field->offset, b + field->offset, field->bytes,
                  text, text_bytes)) {
            return false;
        }
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(registers); i++) {
        for (unsigned k = 0; k < REGISTERS; k++) {
            unsigned offset = registers[i].offset + k * SLOT_BYTES;
            if (!same(registers[i].name, k, a + offset, b + offset, registers[i].bytes,
                      text, text_bytes)) {
                return false;
            }
        }
    }
    return true;
}

void xsave_area_print(const uint8_t *area)
{
    uint8_t whole[XSAVE_AREA_BYTES];
    char text[2 * SLOT_BYTES + 1];
    complete(area, whole);
    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++) {
        print_bytes(text, whole + words[i].offset, words[i].bytes);
        printf("  %s %s", words[i].name, text);
    }
    printf("\n");
    for (unsigned i = 0; i < ARRAY_LENGTH(registers); i++) {
        for (unsigned k = 0; k < REGISTERS; k++) {
            print_bytes(text, whole + registers[i].offset + k * SLOT_BYTES,
                        registers[i].bytes);
            printf("%s%s%u %s", k % 4 ? " " : "  ", registers[i].name, k, text);
            printf("%s", k % 4 == 3 ? "\n" : "");
        }
    }
}
