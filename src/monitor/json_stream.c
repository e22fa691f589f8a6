#include "monitor/json_stream.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_stream_reset(struct json_stream *stream)
{
    stream->count = 0;
    stream->depth = 0;
    stream->quote = 0;
    stream->escaped = false;
    stream->skipping = false;
}

void json_stream_free(struct json_stream *stream)
{
    free(stream->bytes);
    stream->bytes = NULL;
    stream->capacity = stream->count = 0;
}

static void refuse(struct json_stream *stream, const char *problem)
{
    json_stream_reset(stream);
    stream->skipping = true;
    stream->received(stream->opaque, NULL, problem);
}

static bool append(struct json_stream *stream, char byte)
{
    if (stream->count == JSON_STREAM_BYTES) {
        refuse(stream, "JSON token size limit exceeded");
        return false;
    }
    if (stream->count == stream->capacity) {
        size_t capacity = stream->capacity ? 2 * stream->capacity : 256;
        char *bytes = realloc(stream->bytes, capacity);
        if (!bytes) {
            refuse(stream, "out of memory");
            return false;
        }
        stream->bytes = bytes;
        stream->capacity = capacity;
    }
    stream->bytes[stream->count++] = byte;
    return true;
}

static bool is_word(const struct json_stream *stream)
{
    for (size_t i = 0; i < stream->count; i++) {
        if (!islower((unsigned char)stream->bytes[i])) {
            return false;
        }
    }
    return stream->count < 64;
}

static void report(struct json_stream *stream, const json_error_t *why)
{
    char problem[256];
    enum json_error_code code = json_error_code(why);
    if (is_word(stream)) {
        snprintf(problem, sizeof(problem), "JSON parse error, invalid keyword '%.*s'",
                 (int)stream->count, stream->bytes);
    } else if (code == json_error_duplicate_key) {
        snprintf(problem, sizeof(problem), "JSON parse error, duplicate key");
    } else {
        snprintf(problem, sizeof(problem), "JSON parse error, %s", why->text);
    }
    json_stream_reset(stream);
    stream->received(stream->opaque, NULL, problem);
}

/* What has been collected is a value, or something that ends like one. */
static void finish(struct json_stream *stream)
{
    json_error_t why;
    if (stream->count == 0) {
        return;
    }
    json_t *value = json_loadb(stream->bytes, stream->count,
                               JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!value) {
        report(stream, &why);
        return;
    }
    json_stream_reset(stream);
    stream->received(stream->opaque, value, NULL);
}

/* In single quotes a double one is plain, and the other way round: JSON knows only the
 * latter. */
static void take_in_string(struct json_stream *stream, char byte)
{
    if ((unsigned char)byte < ' ') {
        refuse(stream, "JSON parse error, invalid character in a string");
        stream->skipping = byte != '\n';
        return;
    }
    if (stream->escaped) {
        stream->escaped = false;
        if (byte == '\'') {
            append(stream, byte);
        } else if (append(stream, '\\')) {
            append(stream, byte);
        }
    } else if (byte == '\\') {
        stream->escaped = true;
    } else if (byte == stream->quote) {
        stream->quote = 0;
        append(stream, '"');
        if (stream->depth == 0) {
            finish(stream);
        }
    } else if (byte != '"' || append(stream, '\\')) {
        append(stream, byte);
    }
}

static void open_bracket(struct json_stream *stream, char byte)
{
    if (stream->depth == 0) {
        finish(stream);
    }
    if (++stream->depth > JSON_STREAM_DEPTH) {
        refuse(stream, "JSON nesting depth limit exceeded");
        return;
    }
    append(stream, byte);
}

static void close_bracket(struct json_stream *stream, char byte)
{
    if (stream->depth == 0) {
        finish(stream);
        stream->received(stream->opaque, NULL, "JSON parse error, expecting value");
        return;
    }
    if (append(stream, byte) && --stream->depth == 0) {
        finish(stream);
    }
}

static void take(struct json_stream *stream, char byte)
{
    bool blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
    switch (byte) {
    case '"':
    case '\'':
        if (append(stream, '"')) {
            stream->quote = byte;
        }
        return;
    case '{':
    case '[':
        open_bracket(stream, byte);
        return;
    case '}':
    case ']':
        close_bracket(stream, byte);
        return;
    }
    if (!blank) {
        append(stream, byte);
    } else if (stream->depth == 0) {
        finish(stream);
    } else {
        append(stream, ' ');
    }
}

void json_stream_feed(struct json_stream *stream, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (stream->skipping) {
            stream->skipping = bytes[i] != '\n';
        } else if (stream->quote) {
            take_in_string(stream, (char)bytes[i]);
        } else {
            take(stream, (char)bytes[i]);
        }
    }
}
