#include "direct_world.h"

#include "pester.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    FIXTURE_TABLE_PAGES = 6,
    TABLES_PAGES = 64, /* of page tables that ring 0 sees */
    BUDGET = 20000,    /* of instructions in one run */
    HANDLER_BYTES = 32,
    HANDLERS_OFFSET = 0x800, /* behind those of the fixture */
    GATE_INTERRUPT32_DPL3 = 0xee00,
};

static const char *const engine_names[DIRECT_SIDES] = {"interpreter", "direct"};

const char *direct_world_lacks(void)
{
    static struct error error;
    struct cpu_fixture fixture;
    const struct cpu_engine *engine = cpu_engine_find(engine_names[SIDE_DIRECT]);
    if (!engine) {
        return "direct execution is not built in";
    }
    if (engine->lacks && engine->lacks()) {
        return engine->lacks();
    }
    if (!cpu_fixture_create_with(&fixture, engine->name, DIRECT_RAM_BYTES, &error)) {
        return error.text;
    }
    cpu_fixture_destroy(&fixture);
    return NULL;
}

static void map(struct world *world, uint32_t root, gla_t linear, uint64_t leaf)
{
    uint32_t current = world->cpu->cr3;
    world->cpu->cr3 = root;
    world_map(world, linear, 0, 0);
    world_set_leaf(world, linear, leaf);
    gpa_t upper = world_upper_place(world, root, linear);
    world_set_entry(world, upper, world_entry(world, upper) | A);
    world->cpu->cr3 = current;
}

static void map_tables(struct world *world, uint32_t root)
{
    for (unsigned i = 0; i < FIXTURE_TABLE_PAGES; i++) {
        map(world, root, FIXTURE_TABLES + i * PAGE_BYTES,
            (FIXTURE_TABLES_PHYSICAL + i * PAGE_BYTES) | P | W | A | D);
    }
    for (unsigned i = 0; i < TABLES_PAGES; i++) {
        gpa_t physical = WORLD_TABLES + i * PAGE_BYTES;
        map(world, root, DIRECT_TABLES_LINEAR + (gla_t)physical,
            physical | P | W | A | D);
    }
}

static void create_side(struct direct_world *world, enum direct_side side)
{
    struct world *here = &world->sides[side];
    struct error error;
    if (!cpu_fixture_create_with(&here->fixture, engine_names[side], DIRECT_RAM_BYTES,
                                 &error)) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    struct cpu *cpu = here->cpu = here->fixture.cpu;
    here->pae = world->paging != PAGING_32;
    here->next_table = WORLD_TABLES;
    cpu_fixture_protected_mode(&here->fixture, 3);
    duel_install_segments(&here->fixture);
    for (unsigned i = 0; i < DIRECT_ROOTS; i++) {
        world->roots[i] = world_new_root(here);
        map_tables(here, world->roots[i]);
    }
    cpu->cr4 |= CR4_PSE | CR4_PGE | (here->pae ? CR4_PAE : 0);
    cpu->efer = world->paging == PAGING_PAE_NX ? EFER_NXE : 0;
    cpu->free_running = side == SIDE_DIRECT;
    world_load_root(here, world->roots[0]);
    mmu_flush_all(cpu);
}

void direct_world_create(struct direct_world *world, enum direct_paging paging)
{
    memset(world, 0, sizeof(*world));
    world->paging = paging;
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        create_side(world, side);
    }
}

void direct_world_destroy(struct direct_world *world)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        cpu_fixture_destroy(&world->sides[side].fixture);
    }
}

void direct_world_map(struct direct_world *world, uint32_t root, gla_t linear,
                      uint64_t leaf)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        map(&world->sides[side], root, linear, leaf);
    }
}

void direct_world_store(struct direct_world *world, gpa_t address, const void *bytes,
                        size_t count)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        cpu_fixture_store(&world->sides[side].fixture, address, bytes, count);
    }
}

void direct_world_flush(struct direct_world *world)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        mmu_flush_all(world->sides[side].cpu);
    }
}

void direct_world_load_root(struct direct_world *world, uint32_t root)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        world_load_root(&world->sides[side], root);
    }
}

void direct_world_handle(struct direct_world *world, uint8_t vector,
                         const uint8_t *code, unsigned bytes)
{
    gla_t handler = FIXTURE_HANDLERS + 2 * vector;
    if (code) {
        handler = FIXTURE_HANDLERS + HANDLERS_OFFSET +
                  (vector % HANDLER_BYTES) * HANDLER_BYTES;
    }
    const uint32_t gate[] = {(handler & 0xffff) | FIXTURE_KERNEL_CS << 16,
                             (handler & 0xffff0000) | GATE_INTERRUPT32_DPL3};
    assert_true(bytes <= HANDLER_BYTES);
    direct_world_store(world, cpu_fixture_table_address(handler), code, bytes);
    direct_world_store(world, cpu_fixture_table_address(FIXTURE_IDT) + 8 * vector, gate,
                       sizeof(gate));
}

bool direct_world_run(struct direct_world *world, enum direct_side side)
{
    struct cpu_fixture *fixture = &world->sides[side].fixture;
    /* There is no bound to what runs freely. */
    bool free_running = fixture->cpu->free_running;
    uint64_t end = fixture->cpu->retired + BUDGET;
    enum cpu_exit why = CPU_EXIT_BUDGET;
    while ((why == CPU_EXIT_BUDGET || why == CPU_EXIT_KICK) &&
           (free_running || fixture->cpu->retired < end)) {
        why = cpu_fixture_run(fixture, free_running ? UINT64_MAX : BUDGET);
    }
    return why == CPU_EXIT_HALT;
}

void direct_world_take_interrupts(struct direct_world *world, struct pacing *pacing)
{
    for (unsigned side = 0; side < DIRECT_SIDES; side++) {
        pacing_create(pacing, &world->sides[side].fixture);
    }
}

/* Handlers of other signals than the engine's must not run in the CPU's thread: FS is
 * the guest's. The timer's go to the thread that kicks. */
static void block_timer(int how)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGALRM);
    pthread_sigmask(how, &signals, NULL);
}

bool direct_world_run_under_fire(struct direct_world *world, struct pacing *pacing)
{
    struct cpu *cpu = world->sides[SIDE_DIRECT].cpu;
    struct pester pester;
    atomic_store(&pacing->running, true);
    assert_true(pester_start(&pester, cpu, &pacing->running));
    block_timer(SIG_BLOCK);
    bool halted = direct_world_run(world, SIDE_DIRECT);
    atomic_store(&pacing->running, false);
    block_timer(SIG_UNBLOCK);
    pester_stop(&pester);
    cpu_set_interrupt_line(cpu, false);
    return halted;
}

static void print_if_direct(void *opaque, const char *name, uint64_t count)
{
    (void)opaque;
    if (strncmp(name, engine_names[SIDE_DIRECT], strlen(engine_names[SIDE_DIRECT])) ==
            0 &&
        count) {
        printf("%s: %llu; ", name, (unsigned long long)count);
    }
}

void direct_world_print_statistics(const struct direct_world *world)
{
    const struct cpu_fixture *fixture = &world->sides[SIDE_DIRECT].fixture;
    fixture->engine->show_statistics(fixture->cpu, print_if_direct, NULL);
    printf("\n");
}

bool direct_world_ram_agrees(struct direct_world *world, gpa_t first, gpa_t end,
                             gpa_t *place)
{
    const uint8_t *a = cpu_fixture_ram(&world->sides[SIDE_REFERENCE].fixture, first);
    const uint8_t *b = cpu_fixture_ram(&world->sides[SIDE_DIRECT].fixture, first);
    if (memcmp(a, b, end - first) == 0) {
        return true;
    }
    *place = first;
    while (*a++ == *b++) {
        (*place)++;
    }
    return false;
}
