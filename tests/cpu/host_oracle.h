/* tests/cpu/host_oracle.h: the host's processor as a judge of IA-32 instructions.
 *
 * Runs guest code natively in compatibility mode (CS 0x23), one instruction at a time
 * by the trap flag, in a few pages below 4 GiB, and tells what became of registers,
 * flags, vector state and memory, or which exception came. Needs Linux on x86-64 with
 * FSGSBASE, AVX and modify_ldt(2). One oracle per process.
 *
 * The address space that both sides show to the instruction (nothing else is mapped):
 *
 *   ORACLE_CODE        2 pages, readable, writable, unless host_oracle_protect()ed
 *   ORACLE_DATA        2 pages, likewise
 *   ORACLE_READ_ONLY   1 page right behind them, readable
 */
#ifndef TESTS_CPU_HOST_ORACLE_H
#define TESTS_CPU_HOST_ORACLE_H

#include "base/error.h"
#include "base/types.h"
#include "cpu/core/cpu.h"

enum {
    ORACLE_CODE = 0x10000000,
    ORACLE_CODE_BYTES = 2 * PAGE_BYTES,
    ORACLE_DATA = 0x20001000,
    ORACLE_DATA_BYTES = 2 * PAGE_BYTES,
    ORACLE_READ_ONLY = ORACLE_DATA + ORACLE_DATA_BYTES,
    ORACLE_READ_ONLY_BYTES = PAGE_BYTES,
};

/* With a 16-bit stack segment IRET leaves bits 31-16 of ESP as they were: cases that
 * use one have to start with these. They are those of the fixture's stack. */
#define ORACLE_STACK16_HIGH 0xfffe0000U

/* Selectors, all of privilege 3. The flat ones are Linux's; the others are entries of
 * the LDT (oracle_segments) and show the data area at offset ORACLE_WINDOW. */
enum {
    ORACLE_CS = 0x23,
    ORACLE_DS = 0x2b,
    ORACLE_SEGMENT_WINDOW = 0x07,      /* data, 64 KiB */
    ORACLE_SEGMENT_SHORT = 0x0f,       /* data, ends in the middle of the data area */
    ORACLE_SEGMENT_CONSTANT = 0x17,    /* read-only data, 64 KiB */
    ORACLE_SEGMENT_EXPAND_DOWN = 0x1f, /* data from the middle of the area to 64 KiB */
    ORACLE_SEGMENT_STACK16 = 0x27,     /* data, 64 KiB, B clear */
    ORACLE_SEGMENT_CODE16 = 0x2f,      /* code, 64 KiB, D clear, readable */
    ORACLE_SEGMENT_EXECUTE_ONLY = 0x37,
    ORACLE_SEGMENT_ABSENT = 0x3f,
    ORACLE_WINDOW = 0x4000,
    ORACLE_WINDOW_BASE = ORACLE_DATA - ORACLE_WINDOW,
    ORACLE_SEGMENTS = 8,
};

/* One LDT entry, as modify_ldt(2) wants it and as a descriptor shows it. */
struct oracle_segment {
    uint32_t base, limit; /* limit in bytes, at most 1 MiB - 1 */
    bool code, writable, expand_down, readable_code, big, present;
};
extern const struct oracle_segment oracle_segments[ORACLE_SEGMENTS];

struct oracle_state {
    uint32_t regs[8]; /* enum register_number */
    uint32_t eip, eflags;
    uint16_t segments[SEGMENT_COUNT];
    _Alignas(64) uint8_t vector[XSAVE_AREA_BYTES]; /* XSAVE: x87, SSE, AVX */
};

struct oracle_outcome {
    unsigned steps; /* instructions (iterations of REP) that were completed */
    int vector;     /* of the exception that ended the run, -1: none */
    uint32_t error, cr2;
};

bool host_oracle_create(struct error *error);
void host_oracle_destroy(void);

/* Pages of ORACLE_CODE and ORACLE_DATA have them; `address`: of the page's start. */
enum oracle_rights { ORACLE_ABSENT, ORACLE_READABLE, ORACLE_WRITABLE };
void host_oracle_protect(uint32_t address, enum oracle_rights rights);

/* ORACLE_DATA's pages, and ORACLE_CODE's, for the test itself, whatever their rights.
 */
uint8_t *host_oracle_data(void);
uint8_t *host_oracle_code(void);

/* A run ends when `max_steps` instructions are done, or EIP is none of [first_eip,
 * last_eip]. */
struct oracle_bounds {
    unsigned max_steps;
    uint32_t first_eip, last_eip;
    /* Whether the next instruction may run, too; NULL: any may. Called from a signal
     * handler. */
    bool (*may_run)(void *opaque, const struct oracle_state *state);
    void *opaque;
};

/* Runs from `state` within the bounds, or until an exception comes; leaves the
 * resulting state in `state`. Meanwhile the handlers of SIGTRAP, and of the signals
 * that exceptions become, are the oracle's; other signals wait. */
void host_oracle_run(struct oracle_state *state, const struct oracle_bounds *bounds,
                     struct oracle_outcome *outcome);

#endif
