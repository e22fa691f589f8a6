/* forms.h: memory operands in all forms of addressing, with registers, displacements
 * and segments that lead to extreme addresses; and a model that says what an access to
 * them has to do: the value, #GP, #SS, or #PF with its address and error code.
 *
 * Linear memory is empty but for some islands of four pages each, at both ends, in the
 * middle, and around 64 KiB. */
#ifndef FORMS_H
#define FORMS_H

#include "torture.h"

enum { FORM_ES, FORM_CS, FORM_SS, FORM_DS, FORM_FS, FORM_GS, FORM_SEGMENTS };

/* A segment as the model sees it: offsets from `first` to `last` are inside; if it is
 * `whole` addresses wrap. */
struct form_segment {
    uint32_t selector, base, first, last;
    bool whole, readable, writable;
};

/* An instruction with a memory operand. */
struct form_operation {
    const char *name;
    uint8_t opcode[4];         /* with prefixes */
    uint8_t opcode_bytes, reg; /* of ModRM */
    uint8_t bytes;             /* of the operand */
    enum access access;
    bool modifies; /* a write that reads before */
    bool wide;     /* the value is in the FPU or the vector unit */
    bool avx;
};
extern const struct form_operation form_operations[];
extern const unsigned form_operation_count;

/* Maps the islands. All of them have to be there when form_begin() fills them. */
void forms_map(void);
/* Before a series of form_try(); false if it needs AVX and there is none. */
bool form_begin(const struct form_operation *operation);

/* One access with registers and form at random, in ring 3 by 16-bit code at times, to
 * `wanted` (an offset) if the form allows. The array has an entry for each segment
 * register. */
void form_try(struct tally *tally, struct random *random,
              const struct form_operation *operation, unsigned ring,
              const struct form_segment segments[FORM_SEGMENTS], unsigned segment,
              uint32_t wanted);

/* Linear addresses at the edges of islands. */
uint32_t form_edge(struct random *random);
/* A selector for ring 3 and 0, made in an entry of the global table. */
struct form_segment form_segment_flat(unsigned slot, uint32_t base);

#endif
