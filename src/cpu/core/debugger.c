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
    for (unsigned i = 0; i < debugger->count; i++) {
        debugger->points[i].met = false;
    }
}

bool debugger_has_stopped(const struct debugger *debugger)
{
    return debugger->moved && (debugger->met || debugger->step);
}

static bool breaks(const struct debugger *debugger, gla_t address)
{
    for (unsigned i = 0; i < debugger->count; i++) {
        const struct debugger_point *point = &debugger->points[i];
        if (point->kind == DEBUGGER_EXECUTE && point->address == address) {
            return true;
        }
    }
    return false;
}

bool debugger_breaks(const struct cpu *cpu, gla_t address)
{
    for (const struct debugger *d = cpu->debugger; d; d = d->next) {
        if (breaks(d, address)) {
            return true;
        }
    }
    return false;
}

static bool overlaps(const struct debugger_point *point, gla_t address, uint32_t bytes)
{
    return point->kind != DEBUGGER_EXECUTE &&
           address < (uint64_t)point->address + point->bytes &&
           point->address < (uint64_t)address + bytes;
}

static bool watches(const struct debugger *debugger, gla_t address, uint32_t bytes)
{
    for (unsigned i = 0; debugger->watch_count && i < debugger->count; i++) {
        if (overlaps(&debugger->points[i], address, bytes)) {
            return true;
        }
    }
    return false;
}

bool debugger_watches(const struct cpu *cpu, gla_t address, uint32_t bytes)
{
    for (const struct debugger *d = cpu->debugger; d; d = d->next) {
        if (watches(d, address, bytes)) {
            return true;
        }
    }
    return false;
}

static void meet(struct debugger *debugger, struct debugger_point *point)
{
    point->met = true;
    debugger->met = point;
}

void debugger_note_access(struct cpu *cpu, gla_t address, uint32_t bytes, bool write)
{
    const enum debugger_kind kind = write ? DEBUGGER_WRITE : DEBUGGER_READ;
    for (struct debugger *d = cpu->debugger; d; d = d->next) {
        for (unsigned i = 0; d->watch_count && i < d->count; i++) {
            struct debugger_point *point = &d->points[i];
            if ((point->kind == kind || point->kind == DEBUGGER_ACCESS) &&
                overlaps(point, address, bytes)) {
                meet(d, point);
            }
        }
    }
}

void debugger_note_move(struct cpu *cpu)
{
    for (struct debugger *d = cpu->debugger; d; d = d->next) {
        d->moved = true;
    }
}

bool debugger_wants_steps(const struct cpu *cpu)
{
    for (const struct debugger *d = cpu->debugger; d; d = d->next) {
        if (d->step || d->watch_count) {
            return true;
        }
    }
    return false;
}

bool debugger_masks(const struct cpu *cpu)
{
    for (const struct debugger *d = cpu->debugger; d; d = d->next) {
        if (d->step && d->no_interrupts && !cpu->halted) {
            return true;
        }
    }
    return false;
}

static void meet_breakpoints(struct debugger *debugger, gla_t address)
{
    for (unsigned i = 0; i < debugger->count; i++) {
        struct debugger_point *point = &debugger->points[i];
        if (point->kind == DEBUGGER_EXECUTE && point->address == address) {
            meet(debugger, point);
        }
    }
}

bool debugger_stops(struct cpu *cpu)
{
    bool stops = false;
    for (struct debugger *d = cpu->debugger; d; d = d->next) {
        if (d->moved && !cpu->halted) {
            meet_breakpoints(d, cpu->segments[SEGMENT_CS].base + cpu->eip);
        }
        stops |= debugger_has_stopped(d);
    }
    return stops;
}
