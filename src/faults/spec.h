/* faults/spec.h: what is to break, how, when and for how long: the text form.
 *
 *     target=ram,address=0x1234,bit=3,model=flip,when=instruction:1000000
 *
 * is the same on the command line, in monitors and in scripts; docs/faults.md has all
 * of it. Parsing has no effects, and needs no machine: whether there is such a drive is
 * found out when the fault is armed.
 * Thread: any. */
#ifndef FAULTS_SPEC_H
#define FAULTS_SPEC_H

#include "base/error.h"
#include "base/types.h"

enum fault_target_kind {
    FAULT_RAM,
    FAULT_REGISTER,
    FAULT_CODE,
    FAULT_TLB,
    FAULT_PORT,
    FAULT_MMIO,
    FAULT_DMA,
    FAULT_IRQ,
    FAULT_DISK,
    FAULT_NETWORK,
    FAULT_SERIAL,
    FAULT_CLOCK,
    FAULT_POWER,
    FAULT_TARGETS,
};

enum fault_model {
    /* What becomes of bits. */
    FAULT_FLIP,
    FAULT_STUCK0,
    FAULT_STUCK1,
    FAULT_SET,
    FAULT_TOGGLE, /* inverted by each access */
    /* What becomes of things that happen. */
    FAULT_LOST,
    FAULT_SPURIOUS,
    FAULT_DELAY,
    FAULT_ERROR,
    FAULT_MISDIRECT,
    FAULT_TORN,
    FAULT_VANISH,
    FAULT_BREAK,
    FAULT_DUPLICATE,
    FAULT_REORDER,
    FAULT_RATE,
    FAULT_BURST, /* losses, by Gilbert and Elliott */
    FAULT_DRIFT,
    FAULT_JUMP,
    FAULT_STOP,
    FAULT_CUT,
    FAULT_RESET,
    FAULT_MODELS,
};

enum fault_duration { FAULT_TRANSIENT, FAULT_INTERMITTENT, FAULT_PERMANENT };

enum fault_event {
    FAULT_NOW,         /* when it is armed */
    FAULT_INSTRUCTION, /* so many have been retired */
    FAULT_TIME,        /* virtual time */
    FAULT_EXECUTE,     /* before the instruction at a linear address */
    FAULT_READ,        /* after the instruction that does it */
    FAULT_WRITE,
    FAULT_ACCESS,
    FAULT_IN,
    FAULT_OUT,
    FAULT_INTERRUPT, /* before the first instruction of the handler */
    FAULT_TEXT,      /* after the byte that completes it on a serial line */
    FAULT_SCREEN,    /* it is on the text screen */
    FAULT_SYMBOL,    /* FAULT_EXECUTE, by a name: becomes that when it is armed */
    FAULT_EVENTS,
};

enum {
    FAULT_VALUE_BYTES = 16,
    FAULT_NAME_BYTES = 32,
    FAULT_TEXT_BYTES = 64,
    FAULT_PROCESS_BYTES = 16, /* Linux's TASK_COMM_LEN */
};

struct fault_trigger {
    enum fault_event event;
    uint64_t at;     /* instructions, ns, address, port or vector */
    uint64_t length; /* of a range, from `at` */
    uint64_t count;  /* the n-th time, from 1 */
    bool physical;   /* the address is */
    bool has_cr3, has_equals;
    uint32_t cr3;
    uint64_t equals;                   /* the value read or written */
    unsigned line;                     /* of FAULT_TEXT */
    char text[FAULT_TEXT_BYTES];       /* likewise; of FAULT_SCREEN; "symbol+0x10" */
    char process[FAULT_PROCESS_BYTES]; /* only while it runs; empty: whichever does */
};

enum { FAULT_LINE_NMI = 16 };

/* Which uses of a target are meant. */
enum { FAULT_ON_READ = 1, FAULT_ON_WRITE = 2 };

/* Cells of a memory module by its geometry, or a line to it: target_module.c. Below 0:
 * whichever; no line. */
struct fault_module {
    bool is_meant;
    int64_t row;
    int column, chip, data_line, address_line;
};

enum { FAULT_MODULE_CHIPS = 8, FAULT_MODULE_COLUMNS = 1024 };

struct fault_spec {
    char id[FAULT_NAME_BYTES]; /* empty: one is given */
    enum fault_target_kind target;
    enum fault_model model;
    struct fault_trigger when;

    enum fault_duration duration;
    uint64_t for_ns;    /* it is there so long; 0: as the duration says */
    uint64_t uses;      /* …or for so many uses; 0: likewise */
    uint64_t period_ns; /* intermittent */
    unsigned duty;      /* per cent of each period */
    double probability; /* of a use, or of a period, to be hit */
    bool has_seed;
    uint64_t seed;

    /* Where. */
    char name[FAULT_NAME_BYTES]; /* register, drive, card */
    uint64_t address; /* physical or linear address, port; offset in sector or frame */
    unsigned width;   /* bytes of what is broken */
    uint64_t sector, sectors;
    struct fault_module module;        /* of FAULT_RAM */
    uint64_t range_first, range_bytes; /* physical addresses */
    unsigned line;                     /* interrupt, serial line */
    unsigned uses_of;                  /* FAULT_ON_… */

    /* What. Bits that are concerned, and what they are set to, low byte first. If
     * `random_bits`, so many adjacent ones are chosen when it is injected. */
    unsigned random_bits;
    uint8_t mask[FAULT_VALUE_BYTES], value[FAULT_VALUE_BYTES];
    uint64_t delay_ns, jump_ns, bytes_per_second, distance;
    int64_t ppm;                              /* of FAULT_DRIFT */
    double enter, leave, good_loss, bad_loss; /* of FAULT_BURST */
    uint64_t cache_bytes;                     /* of FAULT_CUT */
    bool restart;                             /* likewise: power comes back */
};

/* Fails with one line that says what is allowed. */
bool fault_spec_parse(struct fault_spec *spec, const char *option, const char *text,
                      struct error *error);

const char *fault_target_name(enum fault_target_kind target);
const char *fault_model_name(enum fault_model model);
const char *fault_duration_name(enum fault_duration duration);
/* "instruction:1000", "execute:0x10100"… */
void fault_trigger_describe(const struct fault_trigger *trigger, char *text,
                            size_t bytes);

#endif
