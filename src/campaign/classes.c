#include "campaign/classes.h"

/* The first access under this number, or a later one. */
static size_t find_access(const struct access_list *list, uint64_t instruction)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (list->items[middle] >> 1 < instruction) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void classes_find(const struct access_trace *trace, const struct fault_point *point,
                  struct fault_class *class)
{
    const struct instruction_range range = trace_range(trace);
    const struct access_list *list = trace_find(trace, point);
    *class = (struct fault_class){
        .kind = CLASS_ALONE, .representative = *point, .points = 1};
    if (!trace_prunes(trace, point) || !list || list->elusive) {
        return;
    }
    const size_t next = find_access(list, point->instruction);
    const uint64_t first = next ? (list->items[next - 1] >> 1) + 1 : range.from;
    uint64_t last = range.to - 1;
    class->kind = CLASS_UNUSED;
    if (next < list->count) {
        class->kind = list->items[next] & 1 ? CLASS_OVERWRITTEN : CLASS_READ;
        class->representative.instruction = list->items[next] >> 1;
        /* What ends the run may be one that is not retired. */
        last = class->representative.instruction < last
                   ? class->representative.instruction
                   : last;
    } else {
        class->representative.instruction = last;
    }
    class->points = last - first + 1;
}
