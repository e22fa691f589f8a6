/* The stack, where it is flat. Memory comes before the stack pointer: it may trap. */
#include "cpu/jit/encode.h"

void encode_stack(struct emitter *e, bool sixteen, unsigned opcode, unsigned reg,
                  int8_t displacement)
{
    const struct shape shape = {
        .sixteen = sixteen, .opcode = (uint8_t)opcode, .reg = (uint8_t)reg};
    const struct address address = {.base = HOST_ESP,
                                    .index = HOST_RSP,
                                    .displacement = (uint32_t)(int32_t)displacement};
    encode_memory(e, &shape, &address, false, false);
}

void encode_move_stack(struct emitter *e, int32_t distance)
{
    const struct shape shape = {.opcode = 0x8d, .reg = HOST_ESP};
    const struct address address = {
        .base = HOST_ESP, .index = HOST_RSP, .displacement = (uint32_t)distance};
    encode_memory(e, &shape, &address, false, true);
}

void encode_push_register(struct emitter *e, bool sixteen, unsigned reg)
{
    int8_t bytes = sixteen ? 2 : 4;
    encode_stack(e, sixteen, 0x89, reg, (int8_t)-bytes);
    encode_move_stack(e, -bytes);
}

void encode_push_constant(struct emitter *e, bool sixteen, uint32_t value)
{
    int8_t bytes = sixteen ? 2 : 4;
    const struct shape shape = {
        .sixteen = sixteen,
        .opcode = 0xc7,
        .immediate_bytes = (uint8_t)bytes,
        .immediate = value,
    };
    const struct address address = {
        .base = HOST_ESP, .index = HOST_RSP, .displacement = (uint32_t)-bytes};
    encode_memory(e, &shape, &address, false, false);
    encode_move_stack(e, -bytes);
}
