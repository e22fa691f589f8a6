/* cpu/interpreter/host_unit.h: x87, MMX, SSE and AVX instructions, run by the host.
 *
 * An instruction is encoded anew for 64-bit mode, with its memory operand at [rdi] and
 * its general register as EAX, and wrapped into a few bytes of code, a stub. Stubs are
 * made when an instruction is first executed and found again through the instruction's
 * `stub` field. There are few: what only differs in how it addresses memory shares one.
 * The memory that holds them is written through one mapping and executed in another.
 *
 * Everything the interpreter must know to execute a stub is in a struct host_form.
 * Thread: the CPU's own. Saved by: nobody. */
#ifndef CPU_INTERPRETER_HOST_UNIT_H
#define CPU_INTERPRETER_HOST_UNIT_H

#include "base/error.h"
#include "cpu/core/fpu.h"
#include "cpu/core/instruction.h"

/* What a stub takes and leaves beside memory and vector registers. */
struct host_exchange {
    uint32_t general; /* the operand that is a general register */
    uint32_t ecx, edx;
    struct arithmetic_flags flags;
};

/* `memory`: the memory operand, or anything. */
typedef void host_code(void *memory, struct host_exchange *exchange);

/* What an instruction demands of the control registers (SDM vol. 3, tables 2-2 and
 * 13-1; vol. 2, section 2.4). */
struct host_demands {
    uint32_t cr0_clear; /* CR0_EM, CR0_TS: bits that must not be set */
    uint32_t cr4_set;
    uint8_t xcr0_set;
    bool x87; /* CR0.EM leads to #NM, not to #UD */
};

enum host_form_flag {
    HOST_STORES = 1 << 0,   /* the memory operand is written, not read */
    HOST_BUFFERED = 1 << 1, /* the host may read more than the operand */
    HOST_GENERAL_IN = 1 << 2,
    HOST_GENERAL_OUT = 1 << 3,
    HOST_LENGTHS_IN = 1 << 4, /* EAX and EDX */
    HOST_INDEX_OUT = 1 << 5,  /* ECX */
    HOST_FLAGS_IN = 1 << 6,
    HOST_FLAGS_OUT = 1 << 7,
    HOST_EXCHANGES = HOST_GENERAL_IN | HOST_GENERAL_OUT | HOST_LENGTHS_IN |
                     HOST_INDEX_OUT | HOST_FLAGS_IN | HOST_FLAGS_OUT,
    HOST_WAITS = 1 << 8,     /* pending x87 exceptions come first */
    HOST_SIMD = 1 << 9,      /* may raise SIMD floating-point exceptions */
    HOST_CONTROLS = 1 << 10, /* an x87 control instruction: leaves the pointers alone */
    HOST_PASSES = 1 << 11,   /* pending x87 exceptions stay so; the host might differ */
};

struct host_form {
    uint64_t key; /* what makes two instructions the same to the host */
    host_code *code;
    instruction_handler *special; /* if set: do this instead of running `code` */
    struct host_demands demands;
    uint16_t flags;         /* enum host_form_flag */
    uint8_t memory_bytes;   /* of the memory operand; 0: none */
    uint8_t alignment_mask; /* bits of its address that must be clear */
    uint8_t general;        /* number of the general register */
};

enum {
    HOST_FORM_BITS = 14,
    HOST_FORMS = 1 << HOST_FORM_BITS,
    HOST_BUCKETS = 2 * HOST_FORMS,
    HOST_STUB_BYTES = 32,
    HOST_BUFFER_BYTES = 128,
};

struct host_unit {
    _Alignas(64) uint8_t buffer[HOST_BUFFER_BYTES]; /* memory operands */
    _Alignas(64) uint8_t saved[XSAVE_AREA_BYTES];   /* state before a trial */
    uint32_t generation;                            /* of the stubs; not 0 */
    uint32_t form_count;
    uint8_t *writable;              /* the stubs, to be written */
    const uint8_t *executable;      /* the same memory, to be executed */
    uint16_t buckets[HOST_BUCKETS]; /* by hash of the key: form + 1, 0: free */
    struct host_form forms[HOST_FORMS];
};

/* Makes cpu->host_unit. Fails if the host refuses memory, or executable memory. */
bool host_unit_create(struct cpu *cpu, struct error *error);
/* A CPU that has none is fine. */
void host_unit_destroy(struct cpu *cpu);

/* To be called before bytes are executed that were written through another mapping
 * (SDM vol. 3, section 8.1.3). */
void host_unit_serialize(void);

/* Finds or makes the form, and notes it in the instruction. Parks the vector state. */
const struct host_form *host_form_find(struct cpu *cpu,
                                       const struct instruction *instruction);

/* The form of an instruction whose row says exec=vector or exec=x87. */
static inline const struct host_form *host_form(struct cpu *cpu,
                                                const struct instruction *instruction)
{
    struct host_unit *unit = cpu->host_unit;
    if (__builtin_expect(instruction->stub >> HOST_FORM_BITS == unit->generation, 1)) {
        return &unit->forms[instruction->stub & (HOST_FORMS - 1)];
    }
    return host_form_find(cpu, instruction);
}

/* What rows with these attributes (enum row_attribute) demand. */
struct host_demands host_demands_of(uint32_t attributes);

_Noreturn void host_refuse(struct cpu *cpu, const struct host_demands *demands);

/* Raises #UD or #NM if control registers forbid the instruction. */
static inline void host_check(struct cpu *cpu, const struct host_demands *demands)
{
    uint32_t wrong = (cpu->cr0 & demands->cr0_clear) | (~cpu->cr4 & demands->cr4_set) |
                     (~(uint32_t)cpu->xcr0 & demands->xcr0_set);
    if (__builtin_expect(wrong != 0, 0)) {
        host_refuse(cpu, demands);
    }
}

#endif
