/* campaign/text.h: text from guests and scripts, written so that it stays text.
 *
 * Bytes that are no UTF-8 become U+FFFD, whatever is written. */
#ifndef CAMPAIGN_TEXT_H
#define CAMPAIGN_TEXT_H

#include "base/types.h"

#include <stdio.h>

/* Bytes of the character of UTF-8 at `text` (RFC 3629); 0: there is none. */
unsigned text_character(const char *text);

/* A copy to be freed. */
char *text_make_utf8(const char *text);

/* For a terminal: what controls it, and lines, are "?". At most `width` characters; an
 * ellipsis says that there were more. */
void text_write_plain(FILE *stream, const char *text, unsigned width);

/* The same as a copy, to be freed. */
char *text_shorten(const char *text, unsigned width);

/* Between tags, and within attributes in double quotes. */
void text_write_html(FILE *stream, const char *text);

/* A string of JSON that may stand within <script>: no "<", ">", "&", U+2028, U+2029.
 * NULL is null. */
void text_write_json(FILE *stream, const char *text);

/* A field of CSV (RFC 4180), quoted where it has to be. NULL is nothing, and an empty
 * text is "". */
void text_write_csv(FILE *stream, const char *text);

/* A word of a POSIX shell. */
void text_write_shell(FILE *stream, const char *text);

/* A part of an address of the web (RFC 3986). */
void text_write_url(FILE *stream, const char *text);

enum { TEXT_NUMBER_BYTES = 32 };

/* "1,234,567"; returns `text`. */
const char *text_number(char text[TEXT_NUMBER_BYTES], uint64_t number);

#endif
