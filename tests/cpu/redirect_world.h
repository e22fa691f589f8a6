/* tests/cpu/redirect_world.h: a few bytes of ring-3 code under engine direct, and what
 * becomes of them.
 *
 * Code lies in two pages at WORLD_CODE, ESP points into a page of its own. All gates
 * lead to handlers that halt, as in cpu_fixture.h; ring 3 may use INT 3, 4 and 80h.
 * Time runs freely. Thread: one. */
#ifndef TESTS_CPU_REDIRECT_WORLD_H
#define TESTS_CPU_REDIRECT_WORLD_H

#include "cpu_fixture.h"

enum {
    WORLD_RAM_BYTES = 16 << 20,
    WORLD_CODE = 0x100000, /* linear; physical pages are others each time */
    WORLD_STACK = 0x102000,
    WORLD_STACK_TOP = WORLD_STACK + 0x800,
    WORLD_LEAD = 32, /* NOPs before the code, if there is room in its page */
    WORLD_SYSENTER_VECTOR = 0xfe, /* its handler is where SYSENTER leads */
};

#define WORLD_EAX 0x81828384U /* before the code runs; the others differ */

struct code {
    const char *name;
    const char *bytes;
    uint32_t length;
    uint32_t offset;    /* from WORLD_CODE */
    bool closed;        /* ring 3 may not use INT 80h */
    bool comes_by_host; /* it is one that the host's kernel takes for a call */
};

/* All that may differ. */
struct outcome {
    struct cpu_fixture_exception exception;
    uint32_t regs[8];
    uint32_t eip, cr2, dr6, system_flags;
    uint16_t selectors[SEGMENT_COUNT];
};

bool world_create(struct cpu_fixture *fixture, const struct cpu_engine *engine,
                  const char *way, struct error *error);
/* Everything as it is before the code runs. */
void world_prepare(struct cpu_fixture *fixture, const struct code *code);
/* Until it halts. */
void world_run(struct cpu_fixture *fixture);
void world_look(struct cpu_fixture *fixture, struct outcome *outcome);
/* Lets ring 3 use INT `vector`. */
void world_open_gate(struct cpu_fixture *fixture, unsigned vector);

#endif
