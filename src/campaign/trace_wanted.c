/* Traces for certain points: of each only the accesses before and after it are kept, so
 * that they take no more memory than there are points. */
#include "campaign/trace_internal.h"

#include <stdlib.h>

/* -- bytes -- */

static struct wanted_byte *slot_of(struct wanted_byte *slots, uint32_t count,
                                   gpa_t address)
{
    uint64_t hash = address * 0x9e3779b97f4a7c15ULL >> 32;
    for (;; hash++) {
        struct wanted_byte *slot = &slots[hash & (count - 1)];
        if (!slot->list.wanted || slot->address == address) {
            return slot;
        }
    }
}

struct access_list *wanted_find_byte(const struct access_trace *trace, gpa_t address)
{
    struct wanted_byte *slot =
        trace->wanted_slots ? slot_of(trace->wanted_bytes, trace->wanted_slots, address)
                            : NULL;
    return slot && slot->list.wanted ? &slot->list : NULL;
}

static bool make_room(struct access_trace *trace)
{
    enum { FIRST = 256 };
    const uint32_t count = trace->wanted_slots ? 2 * trace->wanted_slots : FIRST;
    if (trace->wanted_count < trace->wanted_slots / 2) {
        return true;
    }
    struct wanted_byte *slots = trace_allocate(trace, count, sizeof(*slots));
    for (uint32_t i = 0; slots && i < trace->wanted_slots; i++) {
        const struct wanted_byte *old = &trace->wanted_bytes[i];
        if (old->list.wanted) {
            *slot_of(slots, count, old->address) = *old;
        }
    }
    if (slots) {
        trace->statistics.bytes -= trace->wanted_slots * sizeof(*slots);
        free(trace->wanted_bytes);
        trace->wanted_bytes = slots;
        trace->wanted_slots = count;
    }
    return slots;
}

/* -- what is wanted -- */

static bool want(struct access_trace *trace, struct access_list *list,
                 uint64_t instruction)
{
    if (!list->wanted) {
        list->wanted = trace_allocate(trace, 1, sizeof(*list->wanted));
    }
    struct wanted_points *wanted = list->wanted;
    if (!wanted || (wanted->count == wanted->capacity &&
                    !trace_grow(trace, &wanted->instructions, &wanted->capacity))) {
        return false;
    }
    wanted->instructions[wanted->count++] = instruction;
    return true;
}

static void want_byte(struct access_trace *trace, gpa_t address, uint64_t instruction)
{
    if (!make_room(trace)) {
        return;
    }
    struct wanted_byte *slot =
        slot_of(trace->wanted_bytes, trace->wanted_slots, address);
    trace->wanted_count += !slot->list.wanted;
    slot->address = address;
    want(trace, &slot->list, instruction);
}

void trace_want(struct access_trace *trace, const struct fault_point *point)
{
    const struct space_row *row = &trace->space->rows[point->row];
    trace->wants = true;
    if (!row->is_flip) {
        return;
    }
    if (row->target == FAULT_RAM) {
        want_byte(trace, point->unit, point->instruction);
        return;
    }
    const struct access_list *list =
        trace_register_cell(trace, &row->registers[point->unit], point->bit);
    if (list) {
        want(trace, (struct access_list *)list, point->instruction);
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void sort(struct access_trace *trace, struct access_list *list)
{
    (void)trace;
    if (list->wanted) {
        qsort(list->wanted->instructions, list->wanted->count, sizeof(uint64_t),
              compare);
    }
}

void wanted_begin(struct access_trace *trace)
{
    trace_for_each_cell(trace, sort);
}

/* -- what comes -- */

void wanted_note(struct access_trace *trace, struct access_list *list, uint64_t item)
{
    struct wanted_points *wanted = list->wanted;
    const uint64_t *points = wanted->instructions;
    if (wanted->has_last && wanted->last >> 1 == item >> 1) {
        return;
    }
    if (wanted->next < wanted->count && points[wanted->next] <= item >> 1) {
        if (wanted->has_last) {
            trace_keep(trace, list, wanted->last);
        }
        trace_keep(trace, list, item);
        while (wanted->next < wanted->count && points[wanted->next] <= item >> 1) {
            wanted->next++;
        }
    }
    wanted->last = item;
    wanted->has_last = true;
}

static void finish(struct access_trace *trace, struct access_list *list)
{
    const struct wanted_points *wanted = list->wanted;
    if (wanted && wanted->has_last && wanted->next < wanted->count) {
        trace_keep(trace, list, wanted->last);
    }
}

void wanted_finish(struct access_trace *trace)
{
    trace_for_each_cell(trace, finish);
}

bool wanted_has(const struct access_list *list, uint64_t instruction)
{
    const struct wanted_points *wanted = list->wanted;
    return wanted && wanted->count &&
           bsearch(&instruction, wanted->instructions, wanted->count, sizeof(uint64_t),
                   compare);
}
