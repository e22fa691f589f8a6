#include "machine/snapshot_runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void runs_add(struct runs *runs, uint64_t unit)
{
    struct run *last = runs->count ? &runs->items[runs->count - 1] : NULL;
    runs->units++;
    if (last && last->first + last->count == unit) {
        last->count++;
        return;
    }
    if (runs->count == runs->capacity) {
        runs->capacity = 2 * runs->capacity + 16;
        runs->items = realloc(runs->items, runs->capacity * sizeof(*runs->items));
        assert(runs->items);
    }
    runs->items[runs->count++] = (struct run){unit, 1};
}

void runs_free(struct runs *runs)
{
    free(runs->items);
    *runs = (struct runs){0};
}

uint64_t runs_bytes(const struct runs *runs, size_t unit_bytes)
{
    return runs->count * sizeof(struct run) + runs->units * unit_bytes;
}

bool run_reader_next(struct run_reader *reader, struct run *run, const uint8_t **bytes)
{
    if (reader->left < sizeof(*run)) {
        return false;
    }
    memcpy(run, reader->next, sizeof(*run));
    size_t held = reader->left - sizeof(*run);
    if (run->first < reader->seen || run->first > reader->end ||
        run->count > reader->end - run->first ||
        run->count > held / reader->unit_bytes) {
        return false;
    }
    size_t taken = sizeof(*run) + run->count * reader->unit_bytes;
    *bytes = reader->next + sizeof(*run);
    reader->next += taken;
    reader->left -= taken;
    reader->seen = run->first + run->count;
    return true;
}

bool runs_are_valid(struct run_reader reader)
{
    struct run run;
    const uint8_t *bytes;
    while (run_reader_next(&reader, &run, &bytes)) {
    }
    return reader.left == 0;
}
