/* Page tables of a world. */
#include "views_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static gpa_t new_table(struct world *world)
{
    gpa_t table = world->next_table;
    assert_true(table < WORLD_DATA);
    world->next_table += PAGE_BYTES;
    return table;
}

uint32_t world_new_root(struct world *world)
{
    gpa_t root = new_table(world);
    for (unsigned i = 0; world->pae && i < 4; i++) {
        uint64_t entry = new_table(world) | P;
        memcpy(cpu_fixture_ram(&world->fixture, root + 8 * i), &entry, sizeof(entry));
    }
    return (uint32_t)root;
}

void world_load_root(struct world *world, uint32_t root)
{
    mmu_load_cr3(world->cpu, root);
}

void world_ring(struct world *world, unsigned ring)
{
    world->cpu->cpl = (uint8_t)ring;
    world->cpu->access_rights = ring == 3 ? MMU_USER : MMU_SUPERVISOR;
}

uint64_t world_entry(struct world *world, gpa_t place)
{
    uint64_t entry = 0;
    memcpy(&entry, cpu_fixture_ram(&world->fixture, place), world->pae ? 8 : 4);
    return entry;
}

void world_set_entry(struct world *world, gpa_t place, uint64_t entry)
{
    memcpy(cpu_fixture_ram(&world->fixture, place), &entry, world->pae ? 8 : 4);
}

uint32_t world_large_bytes(const struct world *world)
{
    return world->pae ? 2U << 20 : 4U << 20;
}

gpa_t world_upper_place(struct world *world, uint32_t root, gla_t linear)
{
    if (!world->pae) {
        return root + (linear >> 22) * 4;
    }
    uint64_t pointer = world_entry(world, root + (linear >> 30) * 8);
    return (pointer & PAE_ADDRESS) + ((linear >> 21) & 0x1ff) * 8;
}

gpa_t world_leaf_place(struct world *world, uint32_t root, gla_t linear)
{
    uint64_t upper = world_entry(world, world_upper_place(world, root, linear));
    if (!(upper & P) || (upper & ENTRY_LARGE)) {
        return 0;
    }
    return (upper & PAE_ADDRESS) +
           (world->pae ? ((linear >> 12) & 0x1ff) * 8 : ((linear >> 12) & 0x3ff) * 4);
}

void world_map(struct world *world, gla_t linear, gpa_t physical, uint32_t flags)
{
    uint32_t root = world->cpu->cr3;
    gpa_t upper = world_upper_place(world, root, linear);
    if (!world_leaf_place(world, root, linear)) {
        world_set_entry(world, upper, new_table(world) | P | W | U);
    }
    world_set_entry(world, world_leaf_place(world, root, linear), physical | flags);
}

void world_map_large(struct world *world, gla_t linear, gpa_t physical, uint32_t flags)
{
    world_set_entry(world, world_upper_place(world, world->cpu->cr3, linear),
                    physical | flags | ENTRY_LARGE);
}

uint64_t world_leaf(struct world *world, gla_t linear)
{
    return world_entry(world, world_leaf_place(world, world->cpu->cr3, linear));
}

void world_set_leaf(struct world *world, gla_t linear, uint64_t entry)
{
    world_set_entry(world, world_leaf_place(world, world->cpu->cr3, linear), entry);
}
