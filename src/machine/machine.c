#include "machine/machine.h"

#include "cpu/engines/engines.h"
#include "machine/display.h"
#include "machine/machine_internal.h"
#include "machine/network.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

/* A fixed seed where runs are to be the same. */
enum { COUNTED_SEED = 1 };

static bool choose_engine(struct machine *machine, struct error *error)
{
    const struct cpu_engine *override = machine->config.engine_override;
    const char *name = machine->config.engine;
    machine->engine = override ? override : cpu_engine_find(name);
    if (!machine->engine) {
        return error_set(error, "-engine %s: not built in; use -engine interpreter",
                         name);
    }
    return true;
}

static void stop_requested(void *opaque, unsigned events)
{
    struct machine *machine = opaque;
    uint64_t count;
    (void)events;
    if (read(machine->stop_fd, &count, sizeof(count)) == sizeof(count)) {
        machine->stop_requested = true;
        machine_notify(machine, MACHINE_EVENT_SHUTDOWN, false, "host-signal");
        machine_wake_cpu(machine);
    }
}

static bool create_host_side(struct machine *machine, struct error *error)
{
    machine->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (machine->stop_fd < 0) {
        return error_set_errno(error, errno, "cannot create an event descriptor");
    }
    machine->loop = event_loop_create(&machine->lock, &machine->clock, error);
    if (!machine->loop) {
        return false;
    }
    event_loop_watch(machine->loop, machine->stop_fd, EVENT_READABLE, stop_requested,
                     machine);
    return consoles_open(machine, error) && displays_open(machine, error);
}

static bool on_cpu_thread(const struct machine *machine)
{
    return pthread_equal(pthread_self(), machine->cpu_thread);
}

/* Counted clock. The event loop asks too, when input arrives for a device: within its
 * block the CPU's place is known to its own thread only, so it gets the block's start.
 */
static uint64_t retired(void *opaque)
{
    const struct machine *machine = opaque;
    return on_cpu_thread(machine)
               ? cpu_retired(&machine->cpu)
               : __atomic_load_n(&machine->cpu.retired, __ATOMIC_RELAXED);
}

/* Counted clock: the CPU must not run past a deadline that has just come nearer. It
 * leaves the engine after the instruction that did this, and gets a new budget. Another
 * thread cannot tell which budget it has, so it always makes it leave. */
static void deadline_changed(void *opaque)
{
    struct machine *machine = opaque;
    struct cpu *cpu = &machine->cpu;
    uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
    if (deadline_ns == CLOCK_NEVER) {
        return;
    }
    uint64_t now_ns = clock_now_ns(&machine->clock);
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    if (!on_cpu_thread(machine) || cpu_retired(cpu) + left_ns < cpu->budget_end) {
        machine_wake_cpu(machine);
    }
}

/* Host clock: the event loop must not sleep past it. But a guest that arms a timer is
 * often about to halt, and then the CPU's thread waits for the timer itself: the loop
 * is told only when the CPU goes on instead. That saves two wakes of the loop's thread
 * for each tick of an idle guest. */
static void host_deadline_changed(void *opaque)
{
    struct machine *machine = opaque;
    struct cpu *cpu = &machine->cpu;
    uint64_t deadline_ns = clock_next_deadline_ns(&machine->clock);
    bool soon = deadline_ns < clock_now_ns(&machine->clock) + UNTOLD_NS;
    if (soon || !machine->powered_on || !on_cpu_thread(machine)) {
        event_loop_deadline_changed(machine->loop);
        return;
    }
    machine->untold_deadline = true;
    cpu_end_budget(cpu, cpu_retired(cpu) + UNTOLD_INSTRUCTIONS);
}

static bool create_parts(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    struct clock *clock = &machine->clock;
    machine->cpu_thread = pthread_self();
    clock_init(clock, config->clock, config->epoch_s);
    for (unsigned i = 0; i < MACHINE_CLOCKS; i++) {
        clock_init_view(&machine->views[i], clock);
    }
    if (config->clock == CLOCK_KIND_COUNTED) {
        clock->retired = retired;
        clock->retired_opaque = machine;
        clock->deadline_changed = deadline_changed;
        clock->deadline_opaque = machine;
        machine->cpu.random_state = config->seed ? config->seed : COUNTED_SEED;
    } else {
        clock->deadline_changed = host_deadline_changed;
        clock->deadline_opaque = machine;
        if (getrandom(&machine->cpu.random_state, sizeof(uint64_t), 0) < 0) {
            machine->cpu.random_state = (uint64_t)config->epoch_s;
        }
    }
    machine->cpu.statistics = &machine->statistics;
    if (!choose_engine(machine, error) ||
        !ram_create(&machine->ram, "guest-ram", config->ram_bytes, error)) {
        return false;
    }
    machine->memory.ram = &machine->ram;
    return create_host_side(machine, error) && pc_create(machine, error) &&
           pc_prepare_firmware(machine, error) &&
           machine->engine->create(&machine->cpu, error);
}

static bool open_trace(struct machine *machine, struct error *error)
{
    const struct machine_config *config = &machine->config;
    struct trace *trace = &machine->trace;
    if (!config->trace_items && !config->show_guest_errors) {
        return true;
    }
    if (!trace_open(trace, config->trace_items, config->trace_file, error)) {
        return false;
    }
    machine->log.show_guest_errors = config->show_guest_errors;
    machine->log.guest_error_stream = trace->stream;
    return true;
}

struct machine *machine_create(const struct machine_config *config, struct error *error)
{
    size_t bytes = (sizeof(struct machine) + 63) & ~(size_t)63;
    struct machine *machine = aligned_alloc(64, bytes);
    if (!machine) {
        error_set(error, "out of memory");
        return NULL;
    }
    memset(machine, 0, bytes);
    machine->config = *config;
    services_offer(machine);
    machine->state = config->start_paused ? MACHINE_PRELAUNCH : MACHINE_RUNNING;
    machine->ram.fd = -1;
    machine->stop_fd = -1;
    machine->random_fd = -1;
    lock_init(&machine->lock);
    pthread_cond_init(&machine->wake, NULL);
    pthread_cond_init(&machine->held, NULL);
    if (!open_trace(machine, error) || !create_parts(machine, error)) {
        machine_destroy(machine);
        return NULL;
    }
    return machine;
}

void machine_destroy(struct machine *machine)
{
    if (!machine) {
        return;
    }
    lock_take(&machine->lock);
    machine->run_ahead = false;
    pthread_cond_broadcast(&machine->held);
    lock_release(&machine->lock);
    /* From here on there is one thread: no timer or input finds half a machine. */
    event_loop_stop(machine->loop);
    machine->clock.deadline_changed = NULL;
    disks_end(machine);
    displays_close(machine);
    consoles_close(machine);
    sound_close(machine);
    networks_destroy(machine);
    if (machine->cpu.code_cache) {
        machine->engine->destroy(&machine->cpu);
    }
    for (unsigned i = machine->device_count; i-- > 0;) {
        device_destroy(machine->devices[i]);
    }
    media_close(machine);
    disks_close(machine);
    struct error error;
    if (!trace_close(&machine->trace, &error)) {
        log_warning(&machine->log, "%s", error.text);
    }
    event_loop_destroy(machine->loop);
    firmware_roms_destroy(&machine->roms);
    ram_destroy(&machine->ram);
    if (machine->random_fd >= 0) {
        close(machine->random_fd);
    }
    if (machine->stop_fd >= 0) {
        close(machine->stop_fd);
    }
    pthread_cond_destroy(&machine->wake);
    pthread_cond_destroy(&machine->held);
    lock_destroy(&machine->lock);
    free(machine);
}

void machine_stop(struct machine *machine)
{
    const uint64_t one = 1;
    ssize_t ignored = write(machine->stop_fd, &one, sizeof(one));
    (void)ignored;
}

uint64_t machine_hash(struct machine *machine)
{
    struct state_buffer buffer = {0};
    lock_take(&machine->lock);
    disks_settle(machine);
    for (unsigned i = 0; i < machine->device_count; i++) {
        device_save(machine->devices[i], &buffer);
    }
    uint64_t hash = state_hash_bytes(machine->cpu.retired, buffer.bytes, buffer.length);
    hash = state_hash(hash, cpu_fields, &machine->cpu);
    hash = ram_hash(&machine->ram, hash);
    lock_release(&machine->lock);
    state_buffer_free(&buffer);
    return hash;
}

static void print_statistic(void *opaque, const char *name, uint64_t count)
{
    FILE *stream = opaque;
    fprintf(stream, "%20" PRIu64 "  %s\n", count, name);
}

void machine_print_statistics(struct machine *machine, FILE *stream)
{
    const struct cpu_statistics *s = &machine->statistics;
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"instructions retired", machine->cpu.retired},
        {"virtual time in us", clock_now_ns(&machine->clock) / 1000},
        {"blocks decoded", s->blocks_decoded},
        {"blocks invalidated", s->blocks_invalidated},
        {"code cache flushes", s->code_cache_flushes},
        {"TLB misses", s->tlb_misses},
        {"TLB flushes", s->tlb_flushes},
        {"page faults", s->page_faults},
        {"exceptions", s->exceptions},
        {"hardware interrupts", s->hardware_interrupts},
        {"software interrupts", s->software_interrupts},
        {"port accesses", s->port_accesses},
        {"device memory accesses", s->mmio_accesses},
        {"guest errors", atomic_load(&machine->log.guest_errors)},
    };
    fprintf(stream, "engine %s\n", machine->engine->name);
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        print_statistic(stream, rows[i].name, rows[i].count);
    }
    sound_show_statistics(machine, print_statistic, stream);
    if (machine->engine->show_statistics) {
        machine->engine->show_statistics(&machine->cpu, print_statistic, stream);
    }
}
