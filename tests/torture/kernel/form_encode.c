#include "form_encode.h"

enum {
    OPERAND_16 = 0x66, /* the other size in 16-bit code, as the next one */
    ADDRESS_16 = 0x67,
    ESP = 4,
    EBP = 5,
    NO_INDEX = 4,
};

void form_put_byte(struct form *form, uint32_t byte)
{
    form->code[form->length++] = (uint8_t)byte;
}

static void put_bytes(struct form *form, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        form_put_byte(form, value >> 8 * i);
    }
}

static void put_segment(struct form *form, unsigned segment, unsigned usual)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    form->segment = segment;
    if (segment != usual) {
        form_put_byte(form, prefixes[segment]);
    }
}

static void put_opcode(struct form *form, const struct form_operation *operation)
{
    bool words = operation->opcode[0] == OPERAND_16;
    if (form->code_16 && operation->bytes == 4) {
        form_put_byte(form, OPERAND_16);
    }
    for (unsigned i = form->code_16 && words; i < operation->opcode_bytes; i++) {
        form_put_byte(form, operation->opcode[i]);
    }
}

/* Whether the base may change so that the sum comes to what is wanted; else there has
 * to be a displacement. */
static bool adjustable(const struct form *form, int base, int index)
{
    bool own_stack = base == ESP && (form->context.cs & 3) == 0;
    return base >= 0 && base != index && !own_stack;
}

/* The sum of what a form adds up, without the displacement; adjusts the base. */
static uint32_t add_up(struct form *form, int base, int index, unsigned scale,
                       uint32_t displacement, uint32_t wanted)
{
    uint32_t scaled = index < 0 ? 0 : *form->registers[index] << scale;
    if (adjustable(form, base, index)) {
        *form->registers[base] = wanted - displacement - scaled;
    }
    return (base < 0 ? 0 : *form->registers[base]) + scaled;
}

/* ModRM, SIB and displacement of 32-bit addressing. */
void form_encode_32(struct form *form, struct random *random,
                    const struct form_operation *operation, unsigned segment,
                    uint32_t wanted)
{
    unsigned mod = random_below(random, 3), rm = random_below(random, 8);
    unsigned scale = random_below(random, 4), index_field = random_below(random, 8);
    unsigned base_field = random_below(random, 8);
    bool sib = rm == ESP;
    int base = (int)(sib ? base_field : rm), index = -1;
    if (mod == 0 && base == EBP) {
        base = -1;
    }
    if (sib && index_field != NO_INDEX) {
        index = (int)index_field;
    }
    if (base >= 0 && !adjustable(form, base, index)) {
        mod = 2;
    }
    uint32_t displacement = mod == 1 ? (uint32_t)(int8_t)random_next(random) : 0;
    bool free = mod == 2 || base < 0;
    uint32_t sum = free ? (base < 0 ? 0 : *form->registers[base]) +
                              (index < 0 ? 0 : *form->registers[index] << scale)
                        : add_up(form, base, index, scale, displacement, wanted);
    if (free) {
        displacement = wanted - sum;
    }
    form->offset = sum + displacement;
    if (form->code_16) {
        form_put_byte(form, ADDRESS_16);
    }
    put_segment(form, segment, base == ESP || base == EBP ? FORM_SS : FORM_DS);
    put_opcode(form, operation);
    form_put_byte(form, mod << 6 | operation->reg << 3 | rm);
    if (sib) {
        form_put_byte(form, scale << 6 | index_field << 3 | base_field);
    }
    put_bytes(form, displacement, free ? 4 : mod == 1 ? 1 : 0);
}

/* 16-bit addressing: all of it modulo 64 KiB. */
void form_encode_16(struct form *form, struct random *random,
                    const struct form_operation *operation, unsigned segment,
                    uint32_t wanted)
{
    enum { BX = 3, BP = 5, SI = 6, DI = 7 };
    static const int8_t bases[] = {BX, BX, BP, BP, SI, DI, BP, BX};
    static const int8_t indexes[] = {SI, DI, SI, DI, -1, -1, -1, -1};
    unsigned mod = random_below(random, 3), rm = random_below(random, 8);
    int base = mod == 0 && rm == 6 ? -1 : bases[rm];
    int index = indexes[rm];
    uint32_t displacement = mod == 1 ? (uint32_t)(int8_t)random_next(random) : 0;
    bool free = mod == 2 || base < 0;
    uint32_t sum = free ? (base < 0 ? 0 : *form->registers[base]) +
                              (index < 0 ? 0 : *form->registers[index])
                        : add_up(form, base, index, 0, displacement, wanted);
    if (free) {
        displacement = wanted - sum;
    }
    form->offset = (sum + displacement) & 0xffff;
    if (!form->code_16) {
        form_put_byte(form, ADDRESS_16);
    }
    put_segment(form, segment, base == BP ? FORM_SS : FORM_DS);
    put_opcode(form, operation);
    form_put_byte(form, mod << 6 | operation->reg << 3 | rm);
    put_bytes(form, displacement, free ? 2 : mod == 1 ? 1 : 0);
}
