/* tests/cpu/xsave_area.h: the parts of an XSAVE area (standard format, x87 + SSE + AVX)
 * that tests compare. */
#ifndef TESTS_CPU_XSAVE_AREA_H
#define TESTS_CPU_XSAVE_AREA_H

#include "base/types.h"

/* The state after FNINIT with empty vector registers. */
void xsave_area_init(uint8_t *area);

/* Whether all registers agree. Not compared: last-instruction pointers, reserved bytes.
 * A component whose XSTATE_BV bit is clear counts as initialised. Else `text` says what
 * differs first. */
bool xsave_area_compare(const uint8_t *host, const uint8_t *guest, char *text,
                        size_t text_bytes);

void xsave_area_print(const uint8_t *area);

#endif
