/* faults/spec_internal.h: the parts of the text form.
 * Thread: any. */
#ifndef FAULTS_SPEC_INTERNAL_H
#define FAULTS_SPEC_INTERNAL_H

#include "base/properties.h"
#include "faults/spec.h"

/* "5ms": a number with ns (or nothing), us, ms or s. Leaves `*ns` alone if the key is
 * not given. */
bool fault_take_time(struct properties *properties, const char *key, uint64_t *ns,
                     struct error *error);
/* when=EVENT:…, and the keys that go with it. */
bool fault_take_when(struct properties *properties, struct fault_trigger *trigger,
                     struct error *error);

bool fault_take_probability(struct properties *properties, const char *key,
                            double *value, struct error *error);
/* What is meant, as the target has it. */
bool fault_take_place(struct properties *properties, struct fault_spec *spec,
                      struct error *error);
/* Likewise, of memory by its geometry. */
bool fault_take_module(struct properties *properties, struct fault_spec *spec,
                       struct error *error);
/* Which bits of spec->width bytes, and their value. */
bool fault_take_bits(struct properties *properties, struct fault_spec *spec,
                     struct error *error);

#define FAULT_REGISTER_NAMES                                                           \
    "eax to edi, eip, eflags, es to gs, cr0, cr2, cr3, cr4, dr0 to dr3, dr6, dr7, "    \
    "st0 to st7, "                                                                     \
    "fctrl, fstat, mxcsr and xmm0 to xmm7"

/* 0: there is no such register. (register_file.c) */
unsigned fault_register_bytes(const char *name);

#endif
