#include "machine/checkpoint.h"

#include "cpu/mmu/mmu.h"
#include "machine/checkpoint_pages.h"
#include "machine/machine_state.h"
#include "machine/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What all checkpoints of a machine have in common. */
struct checkpoints {
    struct page_pool pool;
    struct memory_image *base; /* what memory held when tracking began */
    unsigned count;
    struct checkpoint_statistics statistics;
};

struct checkpoint {
    struct machine *machine;
    struct memory_image *memory;
    struct state_buffer state;
    struct block_layer *disks[DISKS_PLACES]; /* NULL: nothing that can be written */
    struct media_contents media;
    uint32_t cables; /* that are plugged in: networks_cables() */
};

static void find_rams(struct machine *machine, struct ram *rams[CHECKPOINT_RAMS])
{
    rams[0] = &machine->ram;
    rams[1] = vga_memory(machine->vga);
}

/* Memory is now what the image says. */
static bool track_from(struct machine *machine, struct memory_image *image,
                       struct error *error)
{
    struct checkpoints *all = machine->checkpoints;
    struct ram *rams[CHECKPOINT_RAMS];
    find_rams(machine, rams);
    for (unsigned i = 0; i < CHECKPOINT_RAMS; i++) {
        if (!ram_track(rams[i], error)) {
            return false;
        }
    }
    image->uses++;
    memory_image_free(&all->pool, all->base);
    all->base = image;
    mmu_protect_unwritten(&machine->cpu);
    return true;
}

/* -- taking -- */

static struct checkpoints *checkpoints_of(struct machine *machine)
{
    if (!machine->checkpoints) {
        machine->checkpoints = calloc(1, sizeof(*machine->checkpoints));
        assert(machine->checkpoints);
    }
    return machine->checkpoints;
}

/* The last one is gone, or the first has failed. */
static void stop_tracking(struct machine *machine)
{
    struct checkpoints *all = machine->checkpoints;
    struct ram *rams[CHECKPOINT_RAMS];
    find_rams(machine, rams);
    for (unsigned i = 0; i < CHECKPOINT_RAMS; i++) {
        ram_stop_tracking(rams[i]);
    }
    memory_image_free(&all->pool, all->base);
    page_pool_destroy(&all->pool);
    free(all);
    machine->checkpoints = NULL;
}

/* Disks that are written to, if that can be undone. */
static bool check_disks(struct machine *machine, struct error *error)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        char name[DISKS_NAME_BYTES];
        const struct block_backend *backend = disks_at(machine, i, name);
        if (backend && !block_keeps_image(backend)) {
            return error_set(error,
                             "a checkpoint cannot bring back drive %s, whose image is "
                             "written to: use -snapshot, or make it read-only",
                             name);
        }
    }
    return true;
}

static struct block_backend *writable_disk(struct machine *machine, unsigned place)
{
    char name[DISKS_NAME_BYTES];
    struct block_backend *backend = disks_at(machine, place, name);
    return backend && !block_device_of(backend)->read_only ? backend : NULL;
}

static void freeze_disks(struct checkpoint *checkpoint)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        struct block_backend *backend = writable_disk(checkpoint->machine, i);
        checkpoint->disks[i] = backend ? block_freeze(backend) : NULL;
    }
    media_hold(checkpoint->machine, &checkpoint->media);
    checkpoint->cables = networks_cables(checkpoint->machine);
}

static void restore_disks(const struct checkpoint *checkpoint)
{
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        if (checkpoint->disks[i]) {
            block_return_to(writable_disk(checkpoint->machine, i),
                            checkpoint->disks[i]);
        }
    }
}

static void release(struct checkpoint *checkpoint)
{
    struct machine *machine = checkpoint->machine;
    struct checkpoints *all = machine->checkpoints;
    memory_image_free(&all->pool, checkpoint->memory);
    state_buffer_free(&checkpoint->state);
    for (unsigned i = 0; i < DISKS_PLACES; i++) {
        block_layer_release(checkpoint->disks[i]);
    }
    media_let_go(machine, &checkpoint->media);
    free(checkpoint);
    if (--all->count == 0) {
        stop_tracking(machine);
    }
}

static struct checkpoint *take(struct machine *machine, struct error *error)
{
    struct checkpoints *all = checkpoints_of(machine);
    struct ram *rams[CHECKPOINT_RAMS];
    struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
    assert(checkpoint);
    checkpoint->machine = machine;
    all->count++;
    find_rams(machine, rams);
    checkpoint->memory = memory_image_take(&all->pool, rams, all->base, error);
    if (!checkpoint->memory || !track_from(machine, checkpoint->memory, error)) {
        release(checkpoint);
        return NULL;
    }
    checkpoint->state.memory_apart = true;
    machine_state_save(machine, &checkpoint->state);
    all->statistics.state_bytes = checkpoint->state.length;
    freeze_disks(checkpoint);
    return checkpoint;
}

struct checkpoint *checkpoint_take(struct machine *machine, struct error *error)
{
    assert(machine->powered_on && !machine->in_run);
    lock_take(&machine->lock);
    disks_settle(machine);
    struct checkpoint *checkpoint =
        disks_are_idle(machine, error) && check_disks(machine, error)
            ? take(machine, error)
            : NULL;
    lock_release(&machine->lock);
    return checkpoint;
}

/* -- going back -- */

/* What the CPU's cached translations depend on, but for what page tables hold. */
struct translation_mode {
    uint32_t cr0, cr4, a20_mask, generation;
    uint32_t dr[8];
    uint64_t efer;
};

static void note_mode(const struct machine *machine, struct translation_mode *mode)
{
    const struct cpu *cpu = &machine->cpu;
    memset(mode, 0, sizeof(*mode));
    mode->cr0 = cpu->cr0;
    mode->cr4 = cpu->cr4;
    mode->a20_mask = cpu->a20_mask;
    mode->generation = machine->memory.generation;
    memcpy(mode->dr, cpu->dr, sizeof(mode->dr));
    mode->efer = cpu->efer;
}

/* Only lines that change lose what was decoded from them. */
static void forget_changed_code(void *opaque, struct ram *ram, uint64_t offset,
                                const uint8_t *now)
{
    static const uint8_t zeros[1 << RAM_CODE_LINE_SHIFT];
    struct machine *machine = opaque;
    if (ram != &machine->ram || !machine->memory.listener.code_written) {
        return;
    }
    uint64_t lines = ram->code_lines[offset >> PAGE_SHIFT];
    for (; lines; lines &= lines - 1) {
        size_t start = (size_t)__builtin_ctzll(lines) << RAM_CODE_LINE_SHIFT;
        if (memcmp(ram->host + offset + start, now ? now + start : zeros,
                   sizeof(zeros)) != 0) {
            machine->memory.listener.code_written(machine->memory.listener.opaque,
                                                  offset + start, sizeof(zeros));
        }
    }
}

/* The CPU's view of memory is to be looked at again, or made anew if its meaning has
 * changed. */
static void flush_translations(struct machine *machine, bool flush_waits,
                               const struct translation_mode *before)
{
    struct cpu *cpu = &machine->cpu;
    struct translation_mode now;
    note_mode(machine, &now);
    uint32_t request = atomic_load(&cpu->request);
    if (flush_waits || (request & CPU_REQUEST_A20) ||
        memcmp(&now, before, sizeof(now)) != 0) {
        return; /* cpu_loaded() has asked for it */
    }
    atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_FLUSH);
    mmu_flush_entries(cpu);
}

static bool restore(struct machine *machine, const struct checkpoint *checkpoint,
                    struct error *error)
{
    struct checkpoints *all = machine->checkpoints;
    struct ram *rams[CHECKPOINT_RAMS];
    struct translation_mode before;
    disks_settle(machine);
    if (!disks_are_idle(machine, error)) {
        return false;
    }
    note_mode(machine, &before);
    bool flush_waits =
        atomic_load(&machine->cpu.request) & (CPU_REQUEST_FLUSH | CPU_REQUEST_A20);
    find_rams(machine, rams);
    all->statistics.pages_restored = memory_image_restore(
        &all->pool, rams, all->base, checkpoint->memory, forget_changed_code, machine);
    bool tracked = track_from(machine, checkpoint->memory, error);
    assert(tracked); /* there is room already */
    /* Devices hear of these, so their own state comes after it. */
    networks_set_cables(machine, checkpoint->cables);
    media_put_back(machine, &checkpoint->media);
    machine_state_restore(machine, &checkpoint->state);
    restore_disks(checkpoint);
    flush_translations(machine, flush_waits, &before);
    return true;
}

bool checkpoint_restore(struct machine *machine, const struct checkpoint *checkpoint,
                        struct error *error)
{
    assert(checkpoint->machine == machine && !machine->in_run);
    lock_take(&machine->lock);
    bool restored = restore(machine, checkpoint, error);
    lock_release(&machine->lock);
    return restored;
}

uint64_t checkpoint_hash(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct checkpoints *all = machine->checkpoints;
    struct state_buffer state = {.memory_apart = true};
    struct ram *rams[CHECKPOINT_RAMS];
    assert(checkpoint->machine == machine && !machine->in_run);
    find_rams(machine, rams);
    lock_take(&machine->lock);
    disks_settle(machine);
    machine_state_save(machine, &state);
    uint64_t hash = state_hash_bytes(0, state.bytes, state.length);
    hash = memory_image_hash(&all->pool, rams, all->base, checkpoint->memory, hash);
    lock_release(&machine->lock);
    state_buffer_free(&state);
    return hash;
}

static bool disks_are_now(const struct checkpoint *checkpoint)
{
    bool same = media_are(checkpoint->machine, &checkpoint->media);
    for (unsigned i = 0; same && i < DISKS_PLACES; i++) {
        same =
            !checkpoint->disks[i] ||
            block_is_now(writable_disk(checkpoint->machine, i), checkpoint->disks[i]);
    }
    return same;
}

static bool is_now(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct checkpoints *all = machine->checkpoints;
    struct state_buffer state = {.memory_apart = true};
    struct ram *rams[CHECKPOINT_RAMS];
    find_rams(machine, rams);
    machine_state_save(machine, &state);
    bool same = state.length == checkpoint->state.length &&
                memcmp(state.bytes, checkpoint->state.bytes, state.length) == 0;
    state_buffer_free(&state);
    return same && networks_cables(machine) == checkpoint->cables &&
           memory_image_is_now(&all->pool, rams, all->base, checkpoint->memory) &&
           disks_are_now(checkpoint);
}

bool checkpoint_is_now(struct machine *machine, const struct checkpoint *checkpoint)
{
    struct error error;
    assert(checkpoint->machine == machine && !machine->in_run);
    lock_take(&machine->lock);
    disks_settle(machine);
    bool same = disks_are_idle(machine, &error) && is_now(machine, checkpoint);
    lock_release(&machine->lock);
    return same;
}

/* -- the end -- */

void checkpoint_free(struct checkpoint *checkpoint)
{
    if (!checkpoint) {
        return;
    }
    struct machine *machine = checkpoint->machine;
    lock_take(&machine->lock);
    release(checkpoint);
    lock_release(&machine->lock);
}

struct checkpoint_statistics checkpoint_statistics(const struct machine *machine)
{
    const struct checkpoints *all = machine->checkpoints;
    struct checkpoint_statistics statistics = {0};
    if (all) {
        statistics = all->statistics;
        statistics.pages_held = all->pool.held;
    }
    return statistics;
}
