/* What the consoles have said, and looking for text in it. */
#include "experiment/experiment_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_LINES = 10, TAIL_BYTES = 1000, ESCAPED_BYTES = 4 };

bool console_records_create(struct experiment *experiment)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        if (machine_console_exists(experiment->machine, i)) {
            experiment->consoles[i].bytes = malloc(CONSOLE_RECORD_BYTES);
            if (!experiment->consoles[i].bytes) {
                return false;
            }
        }
    }
    return true;
}

void console_records_free(struct experiment *experiment)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        free(experiment->consoles[i].bytes);
        free(experiment->consoles[i].kept);
    }
}

bool console_records_keep(struct experiment *experiment)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        struct console_record *record = &experiment->consoles[i];
        if (!record->bytes) {
            continue;
        }
        record->kept = record->kept ? record->kept : malloc(CONSOLE_RECORD_BYTES);
        if (!record->kept) {
            return false;
        }
        memcpy(record->kept, record->bytes, CONSOLE_RECORD_BYTES);
        record->kept_total = record->total;
        record->hash = 0;
    }
    return true;
}

/* Only what has come since has overwritten anything. */
void console_records_return(struct experiment *experiment)
{
    for (unsigned i = 0; i < MACHINE_CONSOLES; i++) {
        struct console_record *record = &experiment->consoles[i];
        uint64_t end = record->total;
        if (end > record->kept_total + CONSOLE_RECORD_BYTES) {
            end = record->kept_total + CONSOLE_RECORD_BYTES;
        }
        for (uint64_t at = record->kept_total; at < end; at++) {
            record->bytes[at % CONSOLE_RECORD_BYTES] =
                record->kept[at % CONSOLE_RECORD_BYTES];
        }
        record->total = record->kept_total;
        record->hash = 0;
    }
}

struct console_place console_place(const struct console_record *record)
{
    return (struct console_place){.total = record->total, .hash = record->hash};
}

bool console_copy(const struct console_record *record, char **bytes)
{
    uint64_t length = record->total - record->kept_total;
    *bytes = NULL;
    if (!record->bytes) {
        return true;
    }
    if (length > CONSOLE_RECORD_BYTES || !(*bytes = malloc(length + 1))) {
        return false;
    }
    for (uint64_t i = 0; i < length; i++) {
        (*bytes)[i] = record->bytes[(record->kept_total + i) % CONSOLE_RECORD_BYTES];
    }
    return true;
}

void console_go_on(struct console_record *record, const char *bytes,
                   const struct console_place *place)
{
    for (uint64_t at = record->kept_total; record->bytes && at < place->total; at++) {
        record->bytes[at % CONSOLE_RECORD_BYTES] = bytes[at - record->kept_total];
    }
    record->total = place->total;
    record->hash = place->hash;
}

static char byte_at(const struct console_record *record, uint64_t position)
{
    return record->bytes[position % CONSOLE_RECORD_BYTES];
}

static uint64_t oldest(const struct console_record *record)
{
    return record->total > CONSOLE_RECORD_BYTES ? record->total - CONSOLE_RECORD_BYTES
                                                : 0;
}

/* Whether that text ends at `end`, and begins at `first` or later. */
static bool ends_with(const struct console_record *record, uint64_t first, uint64_t end,
                      const char *needle, size_t bytes)
{
    if (end < first + bytes) {
        return false;
    }
    size_t i = bytes;
    while (i > 0 && byte_at(record, end - bytes + i - 1) == needle[i - 1]) {
        i--;
    }
    return i == 0;
}

bool console_find(const struct console_record *record, uint64_t *cursor,
                  const char *needle, size_t bytes)
{
    uint64_t first = *cursor > oldest(record) ? *cursor : oldest(record);
    for (uint64_t end = first + bytes; end <= record->total; end++) {
        if (ends_with(record, first, end, needle, bytes)) {
            *cursor = end;
            return true;
        }
    }
    return false;
}

ptrdiff_t console_take_line(const struct console_record *record, uint64_t *cursor,
                            char *line, size_t bytes)
{
    uint64_t first = *cursor > oldest(record) ? *cursor : oldest(record);
    uint64_t end = first;
    while (end < record->total && byte_at(record, end) != '\n') {
        end++;
    }
    if (end == record->total) {
        return -1;
    }
    size_t length = 0;
    for (uint64_t i = first; i < end && length < bytes; i++) {
        line[length++] = byte_at(record, i);
    }
    *cursor = end + 1;
    return (ptrdiff_t)length;
}

/* On the CPU's thread, in the middle of an instruction: it ends after that one. */
void console_heard(void *opaque, unsigned console, uint8_t byte)
{
    struct experiment *experiment = opaque;
    struct console_record *record = &experiment->consoles[console];
    if (byte == '\r' || !record->bytes) {
        return;
    }
    record->bytes[record->total++ % CONSOLE_RECORD_BYTES] = (char)byte;
    record->hash = state_hash_bytes(record->hash, &byte, 1);
    for (struct activity *a = experiment->activities; a; a = a->next) {
        if (a->console != console) {
            continue;
        }
        if (a->kind == WAIT_TEXT && !a->found &&
            ends_with(record, a->cursors[console], record->total, a->needle,
                      a->needle_bytes)) {
            a->found = true;
            a->cursors[console] = record->total;
            machine_interrupt(experiment->machine);
        } else if (a->kind == WAIT_LINE && byte == '\n') {
            machine_interrupt(experiment->machine);
        }
    }
}

void console_tail(const struct console_record *record, char *text, size_t bytes)
{
    uint64_t first = record->total, least = oldest(record);
    if (record->total > least + TAIL_BYTES) {
        least = record->total - TAIL_BYTES;
    }
    for (unsigned lines = 0; first > least; first--) {
        lines += byte_at(record, first - 1) == '\n' && first < record->total;
        if (lines == TAIL_LINES) {
            break;
        }
    }
    size_t length = 0;
    for (uint64_t i = first; i < record->total && length + ESCAPED_BYTES < bytes; i++) {
        unsigned char c = (unsigned char)byte_at(record, i);
        bool plain = c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f);
        length += (size_t)snprintf(text + length, bytes - length,
                                   plain ? "%c" : "\\x%02x", c);
    }
    text[length] = '\0';
}
