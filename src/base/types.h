/* base/types.h: the address types, and the sizes everybody shares.
 *
 * Guest-linear and guest-physical addresses are distinct types so that the compiler
 * refuses to mix them up; host addresses are plain pointers. */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Guest-linear address: what segmentation yields and paging translates. */
typedef uint32_t gla_t;

/* Guest-physical address: 36 bits with PAE, hence 64 here. */
typedef uint64_t gpa_t;

enum {
    PAGE_SHIFT = 12,
    PAGE_BYTES = 1 << PAGE_SHIFT,
    PAGE_OFFSET_MASK = PAGE_BYTES - 1,
};

#define NS_PER_SECOND 1000000000ULL

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The structure of type `type` whose member `member` is at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                            \
    ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
