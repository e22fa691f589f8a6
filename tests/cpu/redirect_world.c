#include "redirect_world.h"

#include <assert.h>
#include <string.h>

enum { GATE_BYTES = 8, GATE_ACCESS = 5, GATE_DPL3 = 0x60, PADDING = 0x90 };

bool world_create(struct cpu_fixture *fixture, const struct cpu_engine *engine,
                  const char *way, struct error *error)
{
    return cpu_fixture_create_by(fixture, engine, way, WORLD_RAM_BYTES, error);
}

static uint8_t *gate_access(struct cpu_fixture *fixture, unsigned vector)
{
    gpa_t idt = cpu_fixture_table_address(FIXTURE_IDT);
    return cpu_fixture_ram(fixture, idt + vector * GATE_BYTES + GATE_ACCESS);
}

void world_open_gate(struct cpu_fixture *fixture, unsigned vector)
{
    *gate_access(fixture, vector) |= GATE_DPL3;
}

void world_prepare(struct cpu_fixture *fixture, const struct code *code)
{
    static uint8_t padding[2 * PAGE_BYTES];
    static gpa_t last = WORLD_CODE;
    /* Pages that are often written to are no longer run directly. */
    gpa_t physical = last += sizeof(padding);
    struct cpu *cpu = fixture->cpu;
    cpu_reset(cpu);
    cpu->free_running = true;
    cpu_fixture_protected_mode(fixture, 3);
    for (uint32_t i = 0; i < sizeof(padding); i += PAGE_BYTES) {
        cpu_fixture_map(fixture, WORLD_CODE + i, physical + i, true, true);
    }
    cpu_fixture_map(fixture, WORLD_STACK, WORLD_STACK - WORLD_CODE + FIXTURE_FREE_RAM,
                    true, true);
    if (!code->closed) {
        world_open_gate(fixture, 0x80);
    }
    memset(padding, PADDING, sizeof(padding));
    cpu_fixture_store(fixture, physical, padding, sizeof(padding));
    cpu_fixture_store(fixture, physical + code->offset, code->bytes, code->length);
    for (unsigned i = 0; i < 8; i++) {
        cpu->regs[i] = WORLD_EAX + 0x10203 * i;
    }
    cpu->regs[REGISTER_ESP] = WORLD_STACK_TOP;
    uint32_t lead = code->offset < WORLD_LEAD ? 0 : WORLD_LEAD;
    cpu->eip = WORLD_CODE + code->offset - lead;
    cpu->arithmetic = arithmetic_flags_from(EFLAGS_CF | EFLAGS_SF);
    cpu->system_flags = EFLAGS_ALWAYS_ONE | EFLAGS_IF;
    cpu->sysenter_cs = FIXTURE_KERNEL_CS;
    cpu->sysenter_esp = FIXTURE_STACK_TOP - 0x40;
    cpu->sysenter_eip = FIXTURE_HANDLERS + 2 * WORLD_SYSENTER_VECTOR;
    cpu->halted = false;
}

void world_run(struct cpu_fixture *fixture)
{
    enum cpu_exit why;
    do {
        why = cpu_fixture_run(fixture, UINT64_MAX);
    } while (why == CPU_EXIT_KICK || why == CPU_EXIT_BUDGET);
    assert(why == CPU_EXIT_HALT);
}

void world_look(struct cpu_fixture *fixture, struct outcome *outcome)
{
    const struct cpu *cpu = fixture->cpu;
    memset(outcome, 0, sizeof(*outcome));
    cpu_fixture_exception(fixture, &outcome->exception);
    memcpy(outcome->regs, cpu->regs, sizeof(outcome->regs));
    outcome->eip = cpu->eip;
    outcome->cr2 = cpu->cr2;
    outcome->dr6 = cpu->dr[6];
    outcome->system_flags = cpu->system_flags;
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        outcome->selectors[i] = cpu->segments[i].selector;
    }
}
