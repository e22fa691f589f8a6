/* form_encode.h: an instruction with a memory operand as bytes. */
#ifndef FORM_ENCODE_H
#define FORM_ENCODE_H

#include "forms.h"

/* On its way: registers are chosen before, and changed so that the address comes out.
 */
struct form {
    uint8_t code[32];
    unsigned length;
    struct context context;
    uint32_t *registers[8]; /* of the context, by number */
    uint32_t offset;
    unsigned segment;
    bool code_16; /* in a segment of 16-bit code */
};

void form_put_byte(struct form *form, uint32_t byte);
/* ModRM and what follows, at random, after prefixes and opcode. With 16-bit addressing
 * all is modulo 64 KiB. */
void form_encode_32(struct form *form, struct random *random,
                    const struct form_operation *operation, unsigned segment,
                    uint32_t wanted);
void form_encode_16(struct form *form, struct random *random,
                    const struct form_operation *operation, unsigned segment,
                    uint32_t wanted);

#endif
