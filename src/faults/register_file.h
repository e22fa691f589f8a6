/* faults/register_file.h: registers by name, as bytes.
 *
 * Segment registers are their selectors: the hidden part stays until they are loaded.
 * Thread: the CPU's own, between two instructions. */
#ifndef FAULTS_REGISTER_FILE_H
#define FAULTS_REGISTER_FILE_H

#include "cpu/core/cpu.h"
#include "faults/spec_internal.h"
#include "machine/machine.h"

enum { REGISTER_FILE_BYTES = 16 };

enum register_kind {
    REGISTER_GENERAL,
    REGISTER_EIP,
    REGISTER_EFLAGS,
    REGISTER_SEGMENT,
    REGISTER_CONTROL,
    REGISTER_DEBUG,
    REGISTER_X87,
    REGISTER_X87_WORD,
    REGISTER_XMM,
    REGISTER_MXCSR,
};

/* NULL: there is none of that name. */
const struct register_name *register_find(const char *name);
enum register_kind register_kind(const struct register_name *name);
unsigned register_number(const struct register_name *name);
unsigned register_bytes(const struct register_name *name);

/* Which bits it has, low byte first. */
void register_existing_bits(const struct register_name *name,
                            uint8_t mask[REGISTER_FILE_BYTES]);

void register_get(const struct cpu *cpu, const struct register_name *name,
                  uint8_t *value);
/* Bits that the register does not have are left out. */
void register_set(struct machine *machine, const struct register_name *name,
                  const uint8_t *value);

#endif
