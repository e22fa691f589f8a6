/* tests/cpu/decoder_generator.h: bytes to decode, made at random. */
#ifndef TESTS_CPU_DECODER_GENERATOR_H
#define TESTS_CPU_DECODER_GENERATOR_H

#include <stdint.h>

/* splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* Fills `bytes`: an encoding of a random row of the table with random prefixes and
 * operands, sometimes with a bit or two changed; or sheer noise. */
void generate_instruction(uint64_t *state, uint8_t *bytes, unsigned count);

#endif
