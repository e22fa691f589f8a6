/* state/state.h: saved state as tables of fields.
 *
 * Every structure that is part of a machine's state has a table that names its fields.
 * The codec walks the table: adding a field is adding a row with the version in which
 * it came. A saved image is hostile input: loading checks every length and never
 * writes outside the structure. Host pointers, wiring and caches are not listed.
 *
 * Format, little endian, per structure: version (u32), then each field as its bytes. */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/error.h"
#include "base/types.h"

struct state_field {
    const char *name; /* NULL ends the table */
    size_t offset, size;
    uint32_t since_version;
    bool is_flag; /* of type bool, or an array of that: only 0 and 1 may be loaded */
};

/* Whether `value` is of type bool or an array of that. */
#define STATE_IS_FLAG(value)                                                           \
    _Generic((value), bool : true, bool * : true, default : false)

/* Any scalar, array or plain struct member without pointers. A bool within a struct
 * member is not checked: its owner does, or gives it a row of its own. */
#define STATE_FIELD(type, member, since)                                               \
    {                                                                                  \
        .name = #member, .offset = offsetof(type, member),                             \
        .size = sizeof(((type *)0)->member), .since_version = (since),                 \
        .is_flag = STATE_IS_FLAG(((type *)0)->member),                                 \
    }
#define STATE_END                                                                      \
    {                                                                                  \
        .name = NULL                                                                   \
    }

/* A growing (save) or shrinking (load) run of bytes. */
struct state_buffer {
    uint8_t *bytes;
    size_t length;     /* save: bytes written; load: bytes there are */
    size_t position;   /* load: next byte to read */
    size_t capacity;   /* of what has been allocated for `bytes` */
    bool memory_apart; /* video memory is neither saved nor loaded, but left alone */
};

void state_buffer_free(struct state_buffer *buffer);

/* Appends `object`, as the table tells, in version `version`. */
void state_save(struct state_buffer *buffer, const struct state_field *fields,
                uint32_t version, const void *object);

/* Reads into `object`; fields younger than the image keep their value. Fails on a
 * truncated image or a version above `version`. */
bool state_load(struct state_buffer *buffer, const struct state_field *fields,
                uint32_t version, void *object, const char *name, struct error *error);

/* Bytes as they are. */
void state_append(struct state_buffer *buffer, const void *bytes, size_t length);

/* Raw bytes (RAM and the like), preceded by their length in a load check. */
void state_save_bytes(struct state_buffer *buffer, const void *bytes, size_t length);
bool state_load_bytes(struct state_buffer *buffer, void *bytes, size_t length,
                      const char *name, struct error *error);

/* FNV-1a hash of the object's saved fields: equal states have equal hashes. */
uint64_t state_hash(uint64_t seed, const struct state_field *fields,
                    const void *object);
uint64_t state_hash_bytes(uint64_t seed, const void *bytes, size_t length);

#endif
