#include "duel.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "duel_compare.h"

#include <string.h>

enum { PAGE_FAULT_WRITE = 2 };

static const uint32_t page_addresses[DUEL_PAGES] = {
    ORACLE_CODE, ORACLE_CODE + PAGE_BYTES, ORACLE_DATA, ORACLE_DATA + PAGE_BYTES};

void duel_install_segments(struct cpu_fixture *fixture)
{
    for (unsigned i = 0; i < ORACLE_SEGMENTS; i++) {
        const struct oracle_segment *from = &oracle_segments[i];
        unsigned access =
            SEGMENT_NOT_SYSTEM | SEGMENT_ACCESSED | 3 << SEGMENT_DPL_SHIFT;
        access |= from->present ? SEGMENT_PRESENT : 0;
        access |= from->big ? SEGMENT_BIG : 0;
        access |= from->code ? SEGMENT_CODE : 0;
        access |= from->expand_down ? SEGMENT_EXPAND_DOWN : 0;
        access |= from->writable || from->readable_code ? SEGMENT_WRITABLE : 0;
        cpu_fixture_set_descriptor(
            fixture, (uint16_t)(i << 3 | 7),
            cpu_fixture_descriptor(from->base, from->limit, (uint16_t)access));
    }
}

void duel_protect(struct duel *duel, unsigned page, enum oracle_rights rights)
{
    static const gpa_t physical[DUEL_PAGES] = {
        DUEL_CODE_PHYSICAL, DUEL_CODE_PHYSICAL + PAGE_BYTES, DUEL_DATA_PHYSICAL,
        DUEL_DATA_PHYSICAL + PAGE_BYTES};
    uint32_t address = page_addresses[page];
    duel->rights[page] = rights;
    host_oracle_protect(address, rights);
    cpu_fixture_map(&duel->fixture, address, physical[page], rights == ORACLE_WRITABLE,
                    true);
    if (rights == ORACLE_ABSENT) {
        cpu_fixture_unmap(&duel->fixture, address);
    }
}

bool duel_create(struct duel *duel, struct error *error)
{
    if (!cpu_fixture_create(&duel->fixture, DUEL_RAM_BYTES, error)) {
        return false;
    }
    struct cpu_fixture *fixture = &duel->fixture;
    cpu_fixture_protected_mode(fixture, 3);
    duel_install_segments(fixture);
    for (unsigned i = 0; i < DUEL_PAGES; i++) {
        duel_protect(duel, i, ORACLE_WRITABLE);
    }
    gpa_t read_only = DUEL_DATA_PHYSICAL + ORACLE_DATA_BYTES;
    cpu_fixture_map(fixture, ORACLE_READ_ONLY, read_only, false, true);
    memcpy(cpu_fixture_ram(fixture, read_only),
           (const void *)(uintptr_t)ORACLE_READ_ONLY, ORACLE_READ_ONLY_BYTES);
    pacing_create(&duel->pacing, fixture);
    return true;
}

void duel_destroy(struct duel *duel)
{
    cpu_fixture_destroy(&duel->fixture);
}

bool duel_may_interrupt(const struct duel_case *duel_case)
{
    uint16_t selector = duel_case->before.segments[SEGMENT_SS];
    return !(selector & 4) || oracle_segments[selector >> 3].big;
}

gla_t duel_code_address(const struct oracle_state *state, uint32_t eip)
{
    uint16_t selector = state->segments[SEGMENT_CS];
    return eip + (selector & 4 ? oracle_segments[selector >> 3].base : 0);
}

/* The whole area, for bit strings and odd pointers reach far and may have written there
 * before. */
void duel_place_code(struct duel *duel, const struct duel_case *duel_case)
{
    gla_t address = duel_code_address(&duel_case->before, duel_case->before.eip);
    memset(duel->code, DUEL_CODE_FILLER, ORACLE_CODE_BYTES);
    memcpy(duel->code + (address - ORACLE_CODE), duel_case->code, duel_case->length);
    memcpy(host_oracle_code(), duel->code, ORACLE_CODE_BYTES);
    cpu_fixture_store(&duel->fixture, DUEL_CODE_PHYSICAL, duel->code,
                      ORACLE_CODE_BYTES);
}

void duel_load_guest(struct cpu_fixture *fixture, const struct oracle_state *state)
{
    struct cpu *cpu = fixture->cpu;
    memcpy(cpu->regs, state->regs, sizeof(state->regs));
    cpu->eip = state->eip;
    cpu_set_eflags(cpu, state->eflags);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        cpu_fixture_load_segment(fixture, i, state->segments[i]);
    }
    memcpy(cpu->fpu.area, state->vector, XSAVE_AREA_BYTES);
    fpu_loaded(cpu);
    cpu->halted = false;
    cpu->shadow = 0;
    cpu->cr2 = 0;
    cpu_update_mode(cpu);
}

void duel_keep_guest(struct cpu_fixture *fixture, struct duel_side *guest)
{
    struct cpu *cpu = fixture->cpu;
    struct oracle_state *state = &guest->state;
    memcpy(state->regs, cpu->regs, sizeof(state->regs));
    state->eip = cpu->eip;
    state->eflags = cpu_eflags(cpu);
    for (unsigned i = 0; i < SEGMENT_COUNT; i++) {
        state->segments[i] = cpu->segments[i].selector;
    }
    memcpy(state->vector, cpu->fpu.area, XSAVE_AREA_BYTES);
    /* Parked, our area is complete whatever its header says. */
    state->vector[FPU_AREA_XSTATE_BV] = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    struct cpu_fixture_exception exception;
    if (cpu_fixture_exception(fixture, &exception)) {
        guest->outcome.vector = exception.vector;
        guest->outcome.error = exception.error;
        guest->outcome.cr2 = cpu->cr2;
        state->eip = exception.eip;
        state->eflags = exception.eflags;
        state->regs[REGISTER_ESP] = exception.esp;
        state->segments[SEGMENT_CS] = (uint16_t)exception.cs;
        state->segments[SEGMENT_SS] = (uint16_t)exception.ss;
    }
}

void duel_start(struct duel *duel, const struct duel_case *duel_case,
                struct duel_result *result)
{
    *result = (struct duel_result){.agree = true};
    result->host.state = duel_case->before;
    memcpy(host_oracle_data(), duel_case->data, ORACLE_DATA_BYTES);
    memcpy(cpu_fixture_ram(&duel->fixture, DUEL_DATA_PHYSICAL), duel_case->data,
           ORACLE_DATA_BYTES);
    duel_load_guest(&duel->fixture, &duel_case->before);
}

static void run_on_host(const struct duel_case *duel_case, struct duel_side *host)
{
    const struct oracle_bounds bounds = {
        .max_steps = duel_case->max_steps,
        .first_eip = duel_case->first_eip,
        .last_eip = duel_case->last_eip,
        .may_run = duel_case->may_run,
        .opaque = duel_case->opaque,
    };
    host_oracle_run(&host->state, &bounds, &host->outcome);
    memcpy(host->data, host_oracle_data(), ORACLE_DATA_BYTES);
}

/* As many instructions as the host has done, and the one that faulted there. */
static void run_on_guest(struct duel *duel, const struct duel_case *duel_case,
                         const struct oracle_outcome *host, struct duel_side *guest)
{
    struct cpu *cpu = duel->fixture.cpu;
    guest->outcome = (struct oracle_outcome){.vector = -1, .steps = host->steps};
    uint64_t budget = host->steps + (host->vector >= 0 ? 1 : 0);
    if (duel_case->exemptions & DUEL_ONE_INSTRUCTION) {
        budget = 1;
    }
    if (budget > 0) {
        pacing_run(&duel->pacing, budget);
    }
    if ((cpu->shadow & CPU_SHADOW_MOV_SS) || (cpu->cpl == 0 && !cpu->halted)) {
        /* No single-step trap between these two; INT3 and INTO count as instructions,
         * the HLT of their handlers is still to come. */
        cpu_fixture_run(&duel->fixture, 1);
    }
    duel_keep_guest(&duel->fixture, guest);
    memcpy(guest->data, cpu_fixture_ram(&duel->fixture, DUEL_DATA_PHYSICAL),
           ORACLE_DATA_BYTES);
}

static void judge(struct duel *duel, const struct duel_case *duel_case,
                  struct duel_result *result)
{
    duel_compare(duel, duel_case, result);
    if (duel->pacing.complaint[0]) {
        duel_differ(result, "%s", duel->pacing.complaint);
    }
}

void duel_leg(struct duel *duel, const struct duel_case *duel_case,
              struct duel_result *result)
{
    run_on_host(duel_case, &result->host);
    run_on_guest(duel, duel_case, &result->host.outcome, &result->guest);
    judge(duel, duel_case, result);
}

void duel_again(struct duel *duel, const struct duel_case *duel_case,
                struct duel_result *result)
{
    memcpy(cpu_fixture_ram(&duel->fixture, DUEL_DATA_PHYSICAL), duel_case->data,
           ORACLE_DATA_BYTES);
    duel_load_guest(&duel->fixture, &duel_case->before);
    run_on_guest(duel, duel_case, &result->host.outcome, &result->guest);
    judge(duel, duel_case, result);
}

void duel_run(struct duel *duel, const struct duel_case *duel_case,
              struct duel_result *result)
{
    duel_place_code(duel, duel_case);
    duel_start(duel, duel_case, result);
    duel_leg(duel, duel_case, result);
}

/* The protected page that `outcome` tells of, DUEL_PAGES: none. */
static unsigned faulting_page(const struct duel *duel,
                              const struct oracle_outcome *outcome)
{
    unsigned page = 0;
    while (page < DUEL_PAGES && outcome->cr2 - page_addresses[page] >= PAGE_BYTES) {
        page++;
    }
    bool protected = outcome->vector == EXCEPTION_PF && page < DUEL_PAGES &&
                     duel->rights[page] != ORACLE_WRITABLE;
    return protected ? page : DUEL_PAGES;
}

static void permit(struct duel *duel, struct random *random,
                   const struct oracle_outcome *outcome)
{
    unsigned page = faulting_page(duel, outcome);
    if (page < DUEL_PAGES) {
        bool write = (outcome->error & PAGE_FAULT_WRITE) || random_one_in(random, 4);
        duel_protect(duel, page, write ? ORACLE_WRITABLE : ORACLE_READABLE);
    }
}

bool duel_resume(struct duel *duel, struct random *random, struct duel_result *result)
{
    uint32_t eip = result->host.state.eip;
    unsigned page = faulting_page(duel, &result->host.outcome);
    if (page == DUEL_PAGES ||
        faulting_page(duel, &result->guest.outcome) == DUEL_PAGES) {
        return false;
    }
    /* Of several pages the two sides may have met different ones first. */
    permit(duel, random, &result->host.outcome);
    permit(duel, random, &result->guest.outcome);
    unsigned other = random_below(random, DUEL_PAGES);
    if (eip != duel->resumed_at && other != page && random_one_in(random, 2)) {
        duel_protect(duel, other, random_below(random, ORACLE_WRITABLE));
    }
    duel->resumed_at = eip;
    result->host.state.eflags &= ~(uint32_t)(EFLAGS_TF | EFLAGS_RF);
    cpu_fixture_resume(&duel->fixture);
    return true;
}
