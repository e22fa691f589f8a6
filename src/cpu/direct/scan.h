/* cpu/direct/scan.h: a page of guest code, and what in it must not be executed as it
 * is.
 *
 * Some instructions are not privileged, and yet would show the host, or do another
 * thing than on the guest's processor: CPUID, RDTSC, those that read or load selectors,
 * those that read descriptor table registers, XSAVE of more state than the guest knows,
 * and those that enter the kernel, if the host's kernel would do so at a place that it
 * does not tell us, or at all.
 *
 * Code is not marked as such, and instructions have any length. What looks like one of
 * these is taken for one if decoding comes to it, from some bytes before the page or
 * from where it was entered. Decoding that begins at a wrong place finds the right one
 * within a few instructions; if that which begins a little before does not agree,
 * nobody can tell. Nor if something around there is no ordinary code: then it may be a
 * table, whose bytes programs read. PUSH and POP
 * of segment registers by their opcodes of one byte, which data is full of, count in
 * pages that load segment registers otherwise, and where a PUSH is followed by a POP
 * into another register (docs/fidelity.md). Thread: the CPU's own. */
#ifndef CPU_DIRECT_SCAN_H
#define CPU_DIRECT_SCAN_H

#include "cpu/core/cpu.h"
#include "cpu/direct/lengths.h"

enum {
    SCAN_BEFORE = 64, /* bytes; decoding finds the right place within them */
    SCAN_BEHIND = 15, /* an instruction's */
    SCAN_MARKS = 64,
    SCAN_NONE = -1,
};

/* A page's bytes, with some of those before and behind it, if they are known. Places
 * are counted in `bytes`. */
struct scan {
    uint8_t bytes[SCAN_BEFORE + PAGE_BYTES + SCAN_BEHIND];
    unsigned page; /* where it begins */
    unsigned count;
    unsigned code, code_end; /* in the page: where there is code, as far as is known */
    bool code_is_known;      /* somebody has said so, who knows */
    const struct lengths *lengths;
    bool vex_allowed; /* VEX-encoded instructions are as good as others */
    bool mark_pushes; /* set by scan_find_marks() */
    bool mark_int80;  /* INT 80h is not */
    uint64_t starts[(SCAN_BEFORE + PAGE_BYTES) / 64 + 1]; /* where decoding has begun */
};

/* What was found. */
struct scan_marks {
    unsigned count;
    bool doubtful; /* something may be one of these instructions, or there are too many
                    */
    struct {
        /* In the page, of the instruction; with its prefixes as far as they are. */
        uint16_t start;
        /* Of instructions that enter the kernel: at least 7 bytes up to its end that
         * are whole instructions, to which no jump in the page leads but to the first;
         * or SCAN_NONE. */
        int16_t window;
        uint8_t window_bytes;
    } marks[SCAN_MARKS];
};

enum { SCAN_WINDOW_MINIMUM = 7 /* bytes of a far jump */ };

/* `entered`: place in the page at which code is about to be executed, or SCAN_NONE. */
void scan_find_marks(struct scan *scan, int entered, struct scan_marks *out);

#endif
