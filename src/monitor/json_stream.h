/* monitor/json_stream.h: JSON values one after the other out of a stream of bytes.
 *
 * As QEMU's: strings may be in single quotes, too; what cannot be JSON is reported and
 * skipped, so that a client that has sent nonsense can go on. Thread: any that holds
 * the machine lock. Saved by: nobody. */
#ifndef MONITOR_JSON_STREAM_H
#define MONITOR_JSON_STREAM_H

#include "base/types.h"

#include <jansson.h>

enum { JSON_STREAM_BYTES = 1 << 20, JSON_STREAM_DEPTH = 1024 };

struct json_stream {
    /* A value, to be released by the callee; or NULL, and what is wrong. */
    void (*received)(void *opaque, json_t *value, const char *problem);
    void *opaque;
    char *bytes; /* of the value that has begun */
    size_t count, capacity;
    unsigned depth;
    char quote;    /* within a string: what ends it; else 0 */
    bool escaped;  /* the last byte was a backslash in a string */
    bool skipping; /* up to the end of the line */
};

void json_stream_feed(struct json_stream *stream, const uint8_t *bytes, size_t count);
/* Forgets what has begun. */
void json_stream_reset(struct json_stream *stream);
void json_stream_free(struct json_stream *stream);

#endif
