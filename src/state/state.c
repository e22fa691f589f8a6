#include "state/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FNV_PRIME 0x100000001b3ULL

void state_buffer_free(struct state_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct state_buffer){0};
}

void state_append(struct state_buffer *buffer, const void *bytes, size_t length)
{
    size_t needed = buffer->length + length;
    if (needed > buffer->capacity) {
        buffer->capacity = needed + needed / 2;
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        assert(buffer->bytes);
    }
    memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length = needed;
}

static bool take(struct state_buffer *buffer, void *bytes, size_t length)
{
    if (buffer->length - buffer->position < length) {
        return false;
    }
    memcpy(bytes, buffer->bytes + buffer->position, length);
    buffer->position += length;
    return true;
}

void state_save(struct state_buffer *buffer, const struct state_field *fields,
                uint32_t version, const void *object)
{
    state_append(buffer, &version, sizeof(version));
    for (const struct state_field *field = fields; field->name; field++) {
        state_append(buffer, (const char *)object + field->offset, field->size);
    }
}

/* Makes the bytes of a flag 0 or 1; returns whether they were. */
static bool check_flags(uint8_t *bytes, size_t count)
{
    bool valid = true;
    for (size_t i = 0; i < count; i++) {
        valid = valid && bytes[i] <= 1;
        bytes[i] = bytes[i] != 0;
    }
    return valid;
}

bool state_load(struct state_buffer *buffer, const struct state_field *fields,
                uint32_t version, void *object, const char *name, struct error *error)
{
    uint32_t saved_version;
    if (!take(buffer, &saved_version, sizeof(saved_version))) {
        return error_set(error, "saved state of %s is truncated", name);
    }
    if (saved_version == 0 || saved_version > version) {
        return error_set(error,
                         "saved state of %s has version %u, this program reads up to "
                         "%u: load it with the program that wrote it",
                         name, saved_version, version);
    }
    for (const struct state_field *field = fields; field->name; field++) {
        if (field->since_version > saved_version) {
            continue;
        }
        if (!take(buffer, (char *)object + field->offset, field->size)) {
            return error_set(error, "saved state of %s is truncated at field %s", name,
                             field->name);
        }
        if (field->is_flag &&
            !check_flags((uint8_t *)object + field->offset, field->size)) {
            return error_set(error, "saved state of %s: %s is neither 0 nor 1", name,
                             field->name);
        }
    }
    return true;
}

void state_save_bytes(struct state_buffer *buffer, const void *bytes, size_t length)
{
    uint64_t saved_length = length;
    state_append(buffer, &saved_length, sizeof(saved_length));
    state_append(buffer, bytes, length);
}

bool state_load_bytes(struct state_buffer *buffer, void *bytes, size_t length,
                      const char *name, struct error *error)
{
    uint64_t saved_length;
    if (!take(buffer, &saved_length, sizeof(saved_length)) || saved_length != length ||
        !take(buffer, bytes, length)) {
        return error_set(error, "saved state of %s has the wrong length", name);
    }
    return true;
}

uint64_t state_hash_bytes(uint64_t seed, const void *bytes, size_t length)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < length; i++) {
        seed = (seed ^ byte[i]) * FNV_PRIME;
    }
    return seed;
}

uint64_t state_hash(uint64_t seed, const struct state_field *fields, const void *object)
{
    for (const struct state_field *field = fields; field->name; field++) {
        seed =
            state_hash_bytes(seed, (const char *)object + field->offset, field->size);
    }
    return seed;
}
