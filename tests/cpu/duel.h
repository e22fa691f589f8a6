/* tests/cpu/duel.h: the same code from the same state, on the host's processor and on
 * the engine under test; what must agree afterwards. */
#ifndef TESTS_CPU_DUEL_H
#define TESTS_CPU_DUEL_H

#include "cpu_fixture.h"
#include "host_oracle.h"
#include "pacing.h"

enum {
    DUEL_CODE_MAX = 640,
    DUEL_CODE_FILLER = 0x90, /* around the code: NOP */
    DUEL_TEXT_BYTES = 16384,
    DUEL_CODE_PHYSICAL = 0x100000,
    DUEL_DATA_PHYSICAL = 0x110000, /* the read-only page follows */
    DUEL_RAM_BYTES = 4 << 20,
    DUEL_PAGES = 4, /* of the code area, then of the data area */
};

/* What is compared less strictly, because processors differ. */
enum duel_exemption {
    /* Memory may hold an image of EFLAGS with TF, which the host has set. */
    DUEL_PUSHES_FLAGS = 1,
    /* Of several pages that fault CR2 and the error code may tell of any. */
    DUEL_ANY_PAGE = 2,
    /* Of several reasons to fault any may come first. */
    DUEL_ANY_FAULT = 4,
    /* When it faults it may have switched the x87 registers to MMX use, or not yet. */
    DUEL_MMX_FAULT = 8,
    /* #GP for alignment or #SS for the limit of the stack segment. */
    DUEL_ALIGNMENT_OR_LIMIT = 16,
    /* It may fault for bytes that its mask excludes. */
    DUEL_MASKED = 32,
    /* Single-step traps come in the middle of it, too: it is but one instruction. */
    DUEL_ONE_INSTRUCTION = 64,
    /* A fault may come when part of it has been done. */
    DUEL_PARTIAL = 128,
};

struct duel {
    struct cpu_fixture fixture;
    uint8_t code[ORACLE_CODE_BYTES]; /* the code area before the run */
    enum oracle_rights rights[DUEL_PAGES];
    struct pacing pacing; /* how the guest is run; at first in one go */
    uint32_t resumed_at;  /* by duel_resume() */
};

struct duel_case {
    uint8_t code[DUEL_CODE_MAX];
    unsigned length;
    struct oracle_state before;
    uint8_t data[ORACLE_DATA_BYTES];
    /* Runs until as many instructions are done or EIP is not in between. */
    unsigned max_steps;
    uint32_t first_eip, last_eip;
    bool (*may_run)(void *opaque, const struct oracle_state *state); /* or NULL */
    void *opaque;
    uint32_t undefined_flags; /* differences here are counted, not reported */
    unsigned exemptions;      /* enum duel_exemption */
    /* Memory that is not compared: x87 pointers in a stored environment, which
     * processors keep in different ways. */
    struct {
        uint32_t address;
        unsigned bytes;
    } ignored[2];
};

struct duel_side {
    struct oracle_state state;
    struct oracle_outcome outcome;
    uint8_t data[ORACLE_DATA_BYTES];
};

struct duel_result {
    bool agree;
    bool vector_matters;            /* vector registers are worth showing */
    uint32_t undefined_differences; /* flags among the undefined ones that differ */
    struct duel_side host, guest;
    char text[DUEL_TEXT_BYTES]; /* differences, a line each */
};

/* After host_oracle_create(). */
bool duel_create(struct duel *duel, struct error *error);
void duel_destroy(struct duel *duel);

/* Whether the guest may be interrupted and resumed: IRET to a 16-bit stack changes the
 * upper half of ESP, which the host's kernel puts right, and ours does not. */
bool duel_may_interrupt(const struct duel_case *duel_case);

/* Linear address of CS:`eip`. */
gla_t duel_code_address(const struct oracle_state *state, uint32_t eip);

/* `result` is large: let the caller keep one. */
void duel_run(struct duel *duel, const struct duel_case *duel_case,
              struct duel_result *result);

/* The parts of it. Code to both sides, then state and data, then a run from where both
 * are. */
void duel_place_code(struct duel *duel, const struct duel_case *duel_case);
void duel_start(struct duel *duel, const struct duel_case *duel_case,
                struct duel_result *result);
void duel_leg(struct duel *duel, const struct duel_case *duel_case,
              struct duel_result *result);

/* The guest once more from the start, to where the last leg has led. */
void duel_again(struct duel *duel, const struct duel_case *duel_case,
                struct duel_result *result);

/* Rights of a page on both sides. All pages are writable at first. */
void duel_protect(struct duel *duel, unsigned page, enum oracle_rights rights);
/* If the leg has ended in a fault for rights that can be given: gives them, perhaps
 * takes others, and goes on with the instruction; then the next leg can come. */
bool duel_resume(struct duel *duel, struct random *random, struct duel_result *result);

/* For any guest, in the fixture's protected mode: the descriptors that oracle_segments
 * tells of; a state; what has become of it and of vector registers, with the exception
 * that ended it if there was one. */
void duel_install_segments(struct cpu_fixture *fixture);
void duel_load_guest(struct cpu_fixture *fixture, const struct oracle_state *state);
void duel_keep_guest(struct cpu_fixture *fixture, struct duel_side *guest);

/* Everything needed to understand a failure, to standard output. */
void duel_print(const struct duel_case *duel_case, const struct duel_result *result);

#endif
