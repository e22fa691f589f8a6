/* An item is a name with its length, then bytes with their length. */
#include "lockstep/dump.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 16 };

/* How an item is shown. Those without an entry are numbers if they are as long as one,
 * else bytes. */
struct layout {
    const char *name;
    unsigned width;           /* of an element; 0: of the item */
    unsigned always;          /* so many elements are shown even if they are the same */
    const char *const *names; /* of elements */
};

static const char *const register_names[REGISTER_COUNT] = {
    "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "(zero)",
};

static const struct layout layouts[] = {
    {.name = "regs", .width = 4, .always = 8, .names = register_names},
    {.name = "eip", .always = 1},
    {.name = "eflags", .always = 1},
    {.name = "cs.selector", .always = 1},
    {.name = "cs.base", .always = 1},
    {.name = "ss.selector", .always = 1},
    {.name = "ss.base", .always = 1},
    {.name = "cr0", .always = 1},
    {.name = "cr3", .always = 1},
    {.name = "dr", .width = 4},
    {.name = "mtrr_fixed", .width = 8},
    {.name = "mtrr_variable", .width = 8},
    {.name = "pdpte", .width = 8},
};

/* "segments[SEGMENT_CS].base" is known as "cs.base". */
static void shorten(const char *name, char *shortened, size_t bytes)
{
    static const char segment[] = "segments[SEGMENT_";
    size_t prefix = sizeof(segment) - 1;
    if (strncmp(name, segment, prefix) == 0) {
        snprintf(shortened, bytes, "%c%c%s", tolower((unsigned char)name[prefix]),
                 tolower((unsigned char)name[prefix + 1]), name + prefix + 3);
    } else {
        snprintf(shortened, bytes, "%s", name);
    }
}

static void put(struct state_buffer *dump, const char *name, const void *bytes,
                size_t length)
{
    state_save_bytes(dump, name, strlen(name));
    state_save_bytes(dump, bytes, length);
}

/* Arithmetic flags may be kept in several forms that mean the same. */
static bool is_part_of_eflags(const char *name)
{
    return strcmp(name, "arithmetic") == 0 || strcmp(name, "system_flags") == 0;
}

void dump_cpu(struct state_buffer *dump, struct machine *machine)
{
    const struct cpu *cpu = machine_cpu(machine);
    for (const struct state_field *field = cpu_fields; field->name; field++) {
        char name[48];
        shorten(field->name, name, sizeof(name));
        if (!is_part_of_eflags(name)) {
            put(dump, name, (const char *)cpu + field->offset, field->size);
        }
        if (strcmp(name, "eip") == 0) {
            uint32_t eflags = cpu_eflags(cpu);
            put(dump, "eflags", &eflags, sizeof(eflags));
        }
    }
    uint64_t now_ns = machine_now_ns(machine);
    put(dump, "time in ns", &now_ns, sizeof(now_ns));
}

/* Chips of a kind are numbered. */
static unsigned kin_before(const struct machine *machine, unsigned index)
{
    unsigned kin = 0;
    const struct device_class *class = machine_device(machine, index)->class;
    while (index-- > 0) {
        kin += machine_device(machine, index)->class == class;
    }
    return kin;
}

void dump_devices(struct state_buffer *dump, const struct machine *machine)
{
    const struct device *device;
    for (unsigned i = 0; (device = machine_device(machine, i)); i++) {
        const struct device_class *class = device->class;
        char name[128], number[16] = "";
        unsigned kin = kin_before(machine, i);
        if (kin > 0) {
            snprintf(number, sizeof(number), "#%u", kin + 1);
        }
        for (const struct state_field *field = class->fields; field->name; field++) {
            snprintf(name, sizeof(name), "%s%s.%s", class->name, number, field->name);
            put(dump, name, (const char *)device + field->offset, field->size);
        }
        if (class->save_more) {
            struct state_buffer more = {0};
            class->save_more(device, &more);
            snprintf(name, sizeof(name), "%s%s, more", class->name, number);
            put(dump, name, more.bytes, more.length);
            state_buffer_free(&more);
        }
    }
}

bool dumps_equal(const struct state_buffer *a, const struct state_buffer *b)
{
    return a->length == b->length &&
           (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

struct item {
    char name[48];
    const uint8_t *bytes;
    size_t length;
};

static const uint8_t *take(const struct state_buffer *dump, size_t *position,
                           size_t *length)
{
    uint64_t stored;
    memcpy(&stored, dump->bytes + *position, sizeof(stored));
    const uint8_t *bytes = dump->bytes + *position + sizeof(stored);
    *position += sizeof(stored) + stored;
    *length = stored;
    return bytes;
}

/* The item at *position, which then is the next one's; false at the end. */
static bool next_item(const struct state_buffer *dump, size_t *position,
                      struct item *item)
{
    *item = (struct item){.length = 0};
    if (*position >= dump->length) {
        return false;
    }
    size_t name_length;
    const uint8_t *name = take(dump, position, &name_length);
    snprintf(item->name, sizeof(item->name), "%.*s", (int)name_length,
             (const char *)name);
    item->bytes = take(dump, position, &item->length);
    return true;
}

static const struct layout *find_layout(const char *name)
{
    static const struct layout plain = {.width = 0};
    for (size_t i = 0; i < ARRAY_LENGTH(layouts); i++) {
        if (strcmp(layouts[i].name, name) == 0) {
            return &layouts[i];
        }
    }
    return &plain;
}

static struct lockstep_row *add_row(struct lockstep_result *result)
{
    size_t count = result->row_count + 1;
    struct lockstep_row *rows = realloc(result->rows, count * sizeof(*rows));
    assert(rows);
    rows[count - 1] = (struct lockstep_row){.differs = false};
    result->rows = rows;
    result->row_count = count;
    return &rows[count - 1];
}

/* The 16 bytes at `offset` of the FPU's area, as one knows them. */
static void name_fpu_row(char *name, size_t bytes, size_t offset)
{
    if (offset >= FPU_AREA_ST && offset < FPU_AREA_XMM) {
        snprintf(name, bytes, "st%zu", (offset - FPU_AREA_ST) / ROW_BYTES);
    } else if (offset >= FPU_AREA_XMM && offset < FPU_AREA_XMM + 8 * ROW_BYTES) {
        snprintf(name, bytes, "xmm%zu", (offset - FPU_AREA_XMM) / ROW_BYTES);
    } else if (offset >= FPU_AREA_YMM_HIGH) {
        snprintf(name, bytes, "ymm%zu, high", (offset - FPU_AREA_YMM_HIGH) / ROW_BYTES);
    } else {
        snprintf(name, bytes, "fpu.area+%zu", offset);
    }
}

static void name_row(char *name, size_t bytes, const struct layout *layout,
                     const struct item *item, size_t offset, size_t width)
{
    size_t element = offset / width;
    if (layout->names) {
        snprintf(name, bytes, "%s", layout->names[element]);
    } else if (layout->width) {
        snprintf(name, bytes, "%s[%zu]", item->name, element);
    } else if (strcmp(item->name, "fpu.area") == 0) {
        name_fpu_row(name, bytes, offset);
    } else if (offset > 0 || item->length > width) {
        snprintf(name, bytes, "%s+%zu", item->name, offset);
    } else {
        snprintf(name, bytes, "%s", item->name);
    }
}

static void print_value(char *text, size_t bytes, const struct item *item,
                        size_t offset, size_t width)
{
    if (offset >= item->length) {
        text[0] = '\0';
        return;
    }
    size_t length = item->length - offset < width ? item->length - offset : width;
    /* The highest byte first, as in a number. */
    for (size_t i = 0; i < length && 2 * i + 2 < bytes; i++) {
        snprintf(text + 2 * i, bytes - 2 * i, "%02x",
                 item->bytes[offset + length - 1 - i]);
    }
}

static bool element_differs(const struct item *a, const struct item *b, size_t offset,
                            size_t width)
{
    for (size_t i = offset; i < offset + width; i++) {
        bool in_a = i < a->length, in_b = i < b->length;
        if (in_a != in_b || (in_a && a->bytes[i] != b->bytes[i])) {
            return true;
        }
    }
    return false;
}

static void tell_item(struct lockstep_result *result,
                      const struct item items[LOCKSTEP_STATES], const struct item *any)
{
    const struct layout *layout = find_layout(any->name);
    size_t longest = 0;
    for (unsigned i = 0; i < LOCKSTEP_STATES; i++) {
        longest = items[i].length > longest ? items[i].length : longest;
    }
    size_t width = layout->width                 ? layout->width
                   : longest <= sizeof(uint64_t) ? longest
                                                 : ROW_BYTES;
    /* A machine that is gone has nothing to compare. */
    bool both = items[1].bytes && items[2].bytes;
    for (size_t offset = 0; offset < longest; offset += width) {
        bool differs = both && element_differs(&items[1], &items[2], offset, width);
        if (!differs && offset / width >= layout->always) {
            continue;
        }
        struct lockstep_row *row = add_row(result);
        row->differs = differs;
        name_row(row->name, sizeof(row->name), layout, any, offset, width);
        for (unsigned i = 0; i < LOCKSTEP_STATES; i++) {
            print_value(row->values[i], sizeof(row->values[i]), &items[i], offset,
                        width);
        }
    }
}

void dump_tell(struct lockstep_result *result,
               const struct state_buffer *dumps[LOCKSTEP_STATES])
{
    size_t positions[LOCKSTEP_STATES] = {0};
    for (;;) {
        struct item items[LOCKSTEP_STATES];
        const struct item *any = NULL;
        for (unsigned i = 0; i < LOCKSTEP_STATES; i++) {
            if (next_item(dumps[i], &positions[i], &items[i])) {
                any = &items[i];
            }
        }
        if (!any) {
            return;
        }
        tell_item(result, items, any);
    }
}
