#include "cpu/core/debugger.h"

#include "cpu/core/cpu.h"

bool debugger_add(struct debugger *debugger, const struct debugger_point *point)
{
    if (debugger->count == DEBUGGER_POINTS) {
        return false;
    }
    debugger->points[debugger->count++] = *point;
    debugger->watch_count += point->kind != DEBUGGER_EXECUTE;
    return true;
}

bool debugger_remove(struct debugger *debugger, const struct debugger_point *point)
{
    for (unsigned i = 0; i < debugger->count; i++) {
        struct debugger_point *other = &debugger->points[i];
        if (other->kind == point->kind && other->address == point->address &&
            (other->kind == DEBUGGER_EXECUTE || other->bytes == point->bytes)) {
            *other = debugger->points[--debugger->count];
            debugger->watch_count -= point->kind != DEBUGGER_EXECUTE;
            debugger->met = NULL;
            return true;
        }
    }
    return false;
}

void debugger_let_go(struct debugger *debugger, bool step)
{
    debugger->step = step;
    debugger->moved = false;
    debugger->met = NULL;
}

static const struct debugger_point *breakpoint_at(const struct debugger *debugger,
                                                  gla_t address)
{
    for (unsigned i = 0; i < debugger->count; i++) {
        const struct debugger_point *point = &debugger->points[i];
        if (point->kind == DEBUGGER_EXECUTE && point->address == address) {
            return point;
        }
    }
    return NULL;
}

bool debugger_breaks(const struct debugger *debugger, gla_t address)
{
    return breakpoint_at(debugger, address);
}

static bool overlaps(const struct debugger_point *point, gla_t address, uint32_t bytes)
{
    return point->kind != DEBUGGER_EXECUTE &&
           address < (uint64_t)point->address + point->bytes &&
           point->address < (uint64_t)address + bytes;
}

bool debugger_watches(const struct debugger *debugger, gla_t address, uint32_t bytes)
{
    for (unsigned i = 0; debugger->watch_count && i < debugger->count; i++) {
        if (overlaps(&debugger->points[i], address, bytes)) {
            return true;
        }
    }
    return false;
}

void debugger_note_access(struct debugger *debugger, gla_t address, uint32_t bytes,
                          bool write)
{
    const enum debugger_kind kind = write ? DEBUGGER_WRITE : DEBUGGER_READ;
    for (unsigned i = 0; debugger->watch_count && i < debugger->count; i++) {
        const struct debugger_point *point = &debugger->points[i];
        if ((point->kind == kind || point->kind == DEBUGGER_ACCESS) &&
            overlaps(point, address, bytes)) {
            debugger->met = point;
        }
    }
}

bool debugger_stops(struct cpu *cpu)
{
    struct debugger *debugger = cpu->debugger;
    if (!debugger->moved) {
        return false;
    }
    if (!debugger->met && !cpu->halted) {
        debugger->met =
            breakpoint_at(debugger, cpu->segments[SEGMENT_CS].base + cpu->eip);
    }
    return debugger->met || debugger->step;
}
