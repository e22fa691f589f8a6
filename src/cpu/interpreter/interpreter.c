/* The interpreter as an engine: every instruction in C, the reference for the others.
 */
#include "cpu/core/engine.h"
#include "cpu/interpreter/code_cache.h"
#include "cpu/interpreter/host_unit.h"
#include "cpu/interpreter/interpreter.h"
#include "cpu/interpreter/run_loop.h"
#include "cpu/mmu/mmu.h"

static enum cpu_exit interpreter_run(struct cpu *cpu, uint64_t budget)
{
    return run_loop(cpu, budget, run_loop_interpret);
}

static void memory_map_changed(void *opaque)
{
    struct cpu *cpu = opaque;
    atomic_fetch_or(&cpu->request, CPU_REQUEST_FLUSH);
}

/* Whoever else it comes from has the CPU stand still, but may not touch its caches. */
static void watch_changed(void *opaque, gpa_t page)
{
    struct cpu *cpu = opaque;
    if (!pthread_equal(pthread_self(), cpu->code_cache->owner)) {
        memory_map_changed(cpu);
        return;
    }
    mmu_flush_physical_page(cpu, page);
    if (cpu->code_cache->listener.watch_changed) {
        cpu->code_cache->listener.watch_changed(cpu->code_cache->listener.opaque);
    }
}

bool interpreter_create(struct cpu *cpu, struct error *error)
{
    if (!mmu_create(cpu, error)) {
        return false;
    }
    if (!code_cache_create(cpu, error)) {
        mmu_destroy(cpu);
        return false;
    }
    if (!host_unit_create(cpu, error)) {
        code_cache_destroy(cpu);
        mmu_destroy(cpu);
        return false;
    }
    struct memory_map *map = cpu->wiring.memory;
    map->listener.changed = memory_map_changed;
    map->listener.watch_changed = watch_changed;
    map->listener.code_written = code_cache_ram_written;
    map->listener.opaque = cpu;
    return true;
}

void interpreter_destroy(struct cpu *cpu)
{
    struct memory_map *map = cpu->wiring.memory;
    map->listener.changed = NULL;
    map->listener.watch_changed = NULL;
    map->listener.code_written = NULL;
    host_unit_destroy(cpu);
    code_cache_destroy(cpu);
    mmu_destroy(cpu);
}

const struct cpu_engine interpreter_engine = {
    .name = "interpreter",
    .create = interpreter_create,
    .destroy = interpreter_destroy,
    .run = interpreter_run,
};
