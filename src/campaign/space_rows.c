/* Rows of the fault space: what a script says of one, checked. */
#include "campaign/space_internal.h"

#include "faults/page_watch.h"
#include "faults/register_file.h"
#include "machine/inspect.h"
#include "machine/seams.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_KEYS = 24, VALUE_BYTES = 64 };

/* What is wrong, and in which row. */
struct row_reader {
    unsigned number;
    const json_t *json;
    struct error *error;
};

__attribute__((format(printf, 2, 3))) static bool
refuse(const struct row_reader *reader, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return error_set(reader->error, "faults: row %u: %s", reader->number, text);
}

/* -- RAM -- */

static bool read_number(const struct row_reader *reader, const char *key,
                        uint64_t minimum, uint64_t *value)
{
    const json_t *number = json_object_get(reader->json, key);
    json_int_t found = json_integer_value(number);
    if (!json_is_integer(number) || found < 0 || (uint64_t)found < minimum) {
        return refuse(reader, "%s is to be a whole number%s", key,
                      minimum ? " greater than 0" : ", not negative");
    }
    *value = (uint64_t)found;
    return true;
}

/* All of it is RAM, now. */
static bool check_ram(const struct row_reader *reader, const struct space_row *row,
                      struct machine *machine)
{
    const struct page_watches memory = {.map = machine_memory_to_change(machine)};
    const gpa_t end = row->address + row->bytes;
    gpa_t next;
    for (gpa_t at = row->address; at < end; at = next) {
        next = (at & ~(gpa_t)PAGE_OFFSET_MASK) + PAGE_BYTES;
        if (!page_watch_ram(&memory, at)) {
            return refuse(reader,
                          "there is no RAM at 0x%" PRIx64 " (the machine has %" PRIu64
                          " MiB, with a hole from 0xa0000 to 0xfffff)",
                          at, machine_ram(machine)->bytes >> 20);
        }
    }
    return true;
}

static bool read_ram(const struct row_reader *reader, struct space_row *row,
                     struct machine *machine)
{
    if (!read_number(reader, "address", 0, &row->address) ||
        !read_number(reader, "bytes", 1, &row->bytes)) {
        return false;
    }
    const uint64_t most = (uint64_t)MACHINE_MAXIMUM_RAM_MIB << 20;
    if (row->address >= most || row->bytes > most - row->address) {
        return refuse(reader, "no machine has RAM at 0x%" PRIx64 " + %" PRIu64 " bytes",
                      row->address, row->bytes);
    }
    row->bits = 8 * row->bytes;
    return !machine || check_ram(reader, row, machine);
}

/* -- registers -- */

static bool add_register(const struct row_reader *reader, struct space_row *row,
                         const char *name)
{
    const struct register_name *found = name ? register_find(name) : NULL;
    if (!found) {
        return refuse(reader, "name \"%s\": the registers are " FAULT_REGISTER_NAMES,
                      name ? name : "");
    }
    for (unsigned i = 0; i < row->register_count; i++) {
        if (row->registers[i].name == found) {
            return refuse(reader, "%s is there twice", name);
        }
    }
    struct space_register *place = &row->registers[row->register_count++];
    place->name = found;
    snprintf(place->text, sizeof(place->text), "%s", name);
    register_existing_bits(found, place->mask);
    for (unsigned i = 0; i < sizeof(place->mask); i++) {
        place->bits += (unsigned)__builtin_popcount(place->mask[i]);
    }
    row->bits += place->bits;
    return true;
}

static bool read_registers(const struct row_reader *reader, struct space_row *row)
{
    const json_t *names = json_object_get(reader->json, "name");
    const size_t count = json_array_size(names);
    if (json_is_string(names)) {
        return add_register(reader, row, json_string_value(names));
    }
    if (count == 0 || count > SPACE_ROW_REGISTERS) {
        return refuse(reader, "name is to be a register, or a list of them");
    }
    for (size_t i = 0; i < count; i++) {
        if (!add_register(reader, row, json_string_value(json_array_get(names, i)))) {
            return false;
        }
    }
    return true;
}

/* -- what else its faults say -- */

static bool is_place(const char *key)
{
    static const char *const places[] = {"target", "address", "bytes", "name"};
    for (unsigned i = 0; i < ARRAY_LENGTH(places); i++) {
        if (strcmp(key, places[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* These say what is drawn. */
static bool is_drawn(const char *key)
{
    static const char *const drawn[] = {"when",  "count",  "cr3",    "length",
                                        "space", "equals", "serial", "bit",
                                        "bits",  "mask",   "width",  "id"};
    for (unsigned i = 0; i < ARRAY_LENGTH(drawn); i++) {
        if (strcmp(key, drawn[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool put_value(char value[VALUE_BYTES], const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_STRING:
        return snprintf(value, VALUE_BYTES, "%s", json_string_value(json)) <
                   VALUE_BYTES &&
               !strchr(value, ',');
    case JSON_INTEGER:
        snprintf(value, VALUE_BYTES, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return true;
    case JSON_REAL:
        snprintf(value, VALUE_BYTES, "%.9g", json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(value, VALUE_BYTES, "%s", json_is_true(json) ? "on" : "off");
        return true;
    default:
        return false;
    }
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of the alphabet, as Lua's tables have none. */
static bool read_keys(const struct row_reader *reader, struct space_row *row)
{
    const char *keys[ROW_KEYS], *key;
    unsigned count = 0;
    json_t *unused;
    const json_t *model = json_object_get(reader->json, "model");
    json_object_foreach((json_t *)reader->json, key, unused)
    {
        if (is_drawn(key)) {
            return refuse(reader,
                          "%s cannot be given, as instructions and bits are "
                          "drawn; use a function for other faults",
                          key);
        }
        if (!is_place(key) && strcmp(key, "model") != 0) {
            if (count == ROW_KEYS) {
                return refuse(reader, "there are too many keys");
            }
            keys[count++] = key;
        }
    }
    qsort(keys, count, sizeof(keys[0]), compare_keys);
    size_t length = (size_t)snprintf(row->keys, sizeof(row->keys), "model=%s",
                                     model ? json_string_value(model) : "flip");
    for (unsigned i = 0; i < count; i++) {
        char value[VALUE_BYTES];
        if (!put_value(value, json_object_get(reader->json, keys[i]))) {
            return refuse(reader,
                          "%s is to be a number, true, false, or a text without "
                          "a comma",
                          keys[i]);
        }
        length += (size_t)snprintf(row->keys + length, sizeof(row->keys) - length,
                                   ",%s=%s", keys[i], value);
        if (length >= sizeof(row->keys)) {
            return refuse(reader, "it says too much");
        }
    }
    return true;
}

/* One of its faults, as the machine would have it. */
static bool check_fault(const struct row_reader *reader, struct space_row *row)
{
    char option[32], text[SPACE_TEXT_BYTES];
    struct fault_point first = {0};
    struct fault_spec spec;
    space_row_find(row, 0, &first);
    space_row_describe(row, &first, text);
    snprintf(option, sizeof(option), "faults: row %u", reader->number);
    if (!fault_spec_parse(&spec, option, text, reader->error)) {
        return false;
    }
    row->is_flip = spec.model == FAULT_FLIP && spec.duration == FAULT_TRANSIENT &&
                   spec.probability >= 1;
    return true;
}

bool space_row_read(struct space_row *row, unsigned number, const json_t *json,
                    struct machine *machine, struct error *error)
{
    const struct row_reader reader = {number, json, error};
    const char *target = json_string_value(json_object_get(json, "target"));
    const json_t *model = json_object_get(json, "model");
    *row = (struct space_row){0};
    if (!json_is_object(json)) {
        return refuse(&reader,
                      "it is to be a table, as in {target = \"ram\", address = "
                      "0x100000, bytes = 400}");
    }
    if (model && !json_is_string(model)) {
        return refuse(&reader, "model is to be a text");
    }
    bool ram = target && strcmp(target, "ram") == 0;
    if (!ram && (!target || strcmp(target, "register") != 0)) {
        return refuse(&reader,
                      "target \"%s\": it can be \"ram\" or \"register\"; use a "
                      "function for other faults",
                      target ? target : "");
    }
    row->target = ram ? FAULT_RAM : FAULT_REGISTER;
    return (ram ? read_ram(&reader, row, machine) : read_registers(&reader, row)) &&
           read_keys(&reader, row) && check_fault(&reader, row);
}
