/* Cells of a trace: lists of accesses, and which bits of registers belong together. */
#include "campaign/trace_internal.h"

#include "faults/register_file.h"

#include <stdlib.h>

static const uint32_t part_bits[TRACE_PARTS] = {0xff, 0xff00, 0xffff0000};
static const uint32_t flag_bits[TRACE_FLAGS] = {
    EFLAGS_CF, EFLAGS_PF, EFLAGS_AF, EFLAGS_ZF, EFLAGS_SF, EFLAGS_DF, EFLAGS_OF,
};

static const struct access_list never;

static bool may_take(struct access_trace *trace, uint64_t bytes)
{
    trace->is_full |= bytes > trace->most_bytes - trace->statistics.bytes;
    return !trace->is_full;
}

void *trace_allocate(struct access_trace *trace, size_t count, size_t bytes)
{
    void *memory = may_take(trace, count * bytes) ? calloc(count, bytes) : NULL;
    if (memory) {
        trace->statistics.bytes += count * bytes;
    }
    trace->is_full |= !memory;
    return memory;
}

static bool grow(struct access_trace *trace, struct access_list *list)
{
    enum { FIRST = 8 };
    const size_t capacity = list->capacity ? 2 * list->capacity : FIRST;
    const uint64_t more = (capacity - list->capacity) * sizeof(*list->items);
    uint64_t *items = may_take(trace, more)
                          ? realloc(list->items, capacity * sizeof(*list->items))
                          : NULL;
    if (!items) {
        trace->is_full = true;
        return false;
    }
    trace->statistics.bytes += more;
    list->items = items;
    list->capacity = capacity;
    return true;
}

/* Of accesses under one number the first decides; of writes one after the other only
 * the last matters. */
void trace_note(struct access_trace *trace, struct access_list *list, bool write)
{
    const uint64_t item = trace->now << 1 | write;
    if (!trace->begun || trace->is_full) {
        return;
    }
    if (list->count) {
        uint64_t *last = &list->items[list->count - 1];
        if (*last >> 1 == trace->now) {
            return;
        }
        if (write && (*last & 1)) {
            *last = item;
            return;
        }
    }
    if (list->count < list->capacity || grow(trace, list)) {
        list->items[list->count++] = item;
        trace->statistics.accesses++;
    }
}

/* -- registers -- */

const struct access_list *trace_register_cell(const struct access_trace *trace,
                                              const struct space_register *place,
                                              unsigned bit)
{
    enum register_kind kind = register_kind(place->name);
    if (kind == REGISTER_GENERAL) {
        const unsigned part = bit < 16 ? bit / 8 : 2;
        return &trace->general[register_number(place->name)][part];
    }
    for (unsigned i = 0; kind == REGISTER_EFLAGS && i < TRACE_FLAGS; i++) {
        if (flag_bits[i] == 1U << bit) {
            return &trace->flags[i];
        }
    }
    return NULL;
}

static void note_bits(struct access_trace *trace, struct access_list *list,
                      uint32_t bits, uint32_t reads, uint32_t writes)
{
    if (reads & bits) {
        trace_note(trace, list, false);
    } else if ((writes & bits) == bits) {
        trace_note(trace, list, true);
    }
}

void trace_note_uses(struct access_trace *trace,
                     const struct disassembly_all_uses *uses)
{
    for (unsigned number = 0; number < TRACE_GENERAL; number++) {
        for (unsigned i = 0; trace->follows_general[number] && i < TRACE_PARTS; i++) {
            note_bits(trace, &trace->general[number][i], part_bits[i],
                      uses->reads[number], uses->writes[number]);
        }
    }
    for (unsigned i = 0; trace->follows_flags && i < TRACE_FLAGS; i++) {
        note_bits(trace, &trace->flags[i], flag_bits[i], uses->reads_flags,
                  uses->writes_flags);
    }
}

void trace_note_all_registers(struct access_trace *trace)
{
    struct disassembly_all_uses all = {.reads_flags = UINT32_MAX};
    for (unsigned number = 0; number < TRACE_GENERAL; number++) {
        all.reads[number] = UINT32_MAX;
    }
    trace_note_uses(trace, &all);
}

/* -- all of them -- */

const struct access_list *trace_find(const struct access_trace *trace,
                                     const struct fault_point *point)
{
    const struct space_row *row = &trace->space->rows[point->row];
    if (row->target == FAULT_REGISTER) {
        return trace_register_cell(trace, &row->registers[point->unit], point->bit);
    }
    const struct access_list *list = trace_byte(trace, point->unit);
    return list ? list : &never;
}

void trace_free_cells(struct access_trace *trace)
{
    for (unsigned i = 0; i < trace->memory_count; i++) {
        struct traced_memory *memory = &trace->memory[i];
        for (uint64_t page = 0; memory->cells && page < memory->pages; page++) {
            for (unsigned j = 0; memory->cells[page] && j < PAGE_BYTES; j++) {
                free(memory->cells[page][j].items);
            }
            free(memory->cells[page]);
        }
        free(memory->cells);
    }
    for (unsigned number = 0; number < TRACE_GENERAL; number++) {
        for (unsigned i = 0; i < TRACE_PARTS; i++) {
            free(trace->general[number][i].items);
        }
    }
    for (unsigned i = 0; i < TRACE_FLAGS; i++) {
        free(trace->flags[i].items);
    }
}
