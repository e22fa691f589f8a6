#include "machine/machine_state.h"

#include <assert.h>

enum { STATE_VERSION = 2 };

/* What there is beside CPU and devices. */
struct common_state {
    uint64_t now_ns;
    int64_t epoch_s;
    bool nmi_waits;
    bool reset_requested, power_off_requested, debug_exit_requested, init_requested;
    uint32_t debug_exit_value;
    uint64_t clock_offsets_ns[MACHINE_CLOCKS]; /* of the chips' views */
};

static const struct state_field common_fields[] = {
    STATE_FIELD(struct common_state, now_ns, 1),
    STATE_FIELD(struct common_state, epoch_s, 1),
    STATE_FIELD(struct common_state, nmi_waits, 1),
    STATE_FIELD(struct common_state, reset_requested, 1),
    STATE_FIELD(struct common_state, power_off_requested, 1),
    STATE_FIELD(struct common_state, debug_exit_requested, 1),
    STATE_FIELD(struct common_state, init_requested, 1),
    STATE_FIELD(struct common_state, debug_exit_value, 1),
    STATE_FIELD(struct common_state, clock_offsets_ns, 2),
    STATE_END,
};

void machine_state_save(struct machine *machine, struct state_buffer *buffer)
{
    struct common_state common = {
        .now_ns = clock_now_ns(&machine->clock),
        .epoch_s = machine->clock.epoch_s,
        .nmi_waits = atomic_load(&machine->cpu.request) & CPU_REQUEST_NMI,
        .reset_requested = machine->reset_requested,
        .power_off_requested = machine->power_off_requested,
        .debug_exit_requested = machine->debug_exit_requested,
        .init_requested = machine->init_requested,
        .debug_exit_value = machine->debug_exit_value,
    };
    for (unsigned i = 0; i < MACHINE_CLOCKS; i++) {
        common.clock_offsets_ns[i] = clock_view_offset_ns(&machine->views[i]);
    }
    state_save(buffer, common_fields, STATE_VERSION, &common);
    state_save(buffer, cpu_fields, CPU_STATE_VERSION, &machine->cpu);
    for (unsigned i = 0; i < machine->device_count; i++) {
        device_save(machine->devices[i], buffer);
    }
}

static void apply_common(struct machine *machine, const struct common_state *common)
{
    struct cpu *cpu = &machine->cpu;
    clock_load_ns(&machine->clock, common->now_ns);
    machine->clock.epoch_s = common->epoch_s;
    for (unsigned i = 0; i < MACHINE_CLOCKS; i++) {
        clock_view_load(&machine->views[i], common->clock_offsets_ns[i]);
    }
    if (common->nmi_waits) {
        cpu_raise_nmi(cpu);
    } else {
        atomic_fetch_and(&cpu->request, ~(uint32_t)CPU_REQUEST_NMI);
    }
}

/* After the devices, whose lines may have asked for something on their way. */
static void apply_requests(struct machine *machine, const struct common_state *common)
{
    machine->reset_requested = common->reset_requested;
    machine->power_off_requested = common->power_off_requested;
    machine->debug_exit_requested = common->debug_exit_requested;
    machine->init_requested = common->init_requested;
    machine->debug_exit_value = common->debug_exit_value;
    machine->halted_for_good = false;
}

/* The interrupt controllers come first, and again at the end: devices that set their
 * lines one after the other may have shown them edges that there were not. */
static bool load_devices(struct machine *machine, struct state_buffer *buffer,
                         struct error *error)
{
    size_t first = buffer->position, rest = first;
    for (unsigned i = 0; i < machine->device_count; i++) {
        if (i == machine->controllers) {
            rest = buffer->position;
        }
        if (!device_load_at_once(machine->devices[i], buffer, error)) {
            return false;
        }
    }
    size_t end = buffer->position;
    buffer->position = first;
    for (unsigned i = 0; i < machine->controllers; i++) {
        if (!device_load_at_once(machine->devices[i], buffer, error)) {
            return false;
        }
    }
    assert(buffer->position == rest);
    buffer->position = end;
    return true;
}

static bool load_all(struct machine *machine, struct state_buffer *buffer,
                     struct error *error)
{
    struct common_state common = {0};
    struct cpu *cpu = &machine->cpu;
    if (!state_load(buffer, common_fields, STATE_VERSION, &common, "the machine",
                    error) ||
        !state_load(buffer, cpu_fields, CPU_STATE_VERSION, cpu, "the CPU", error)) {
        return false;
    }
    cpu_loaded(cpu);
    cpu->user_fault.pending = false;
    apply_common(machine, &common);
    if (!load_devices(machine, buffer, error)) {
        return false;
    }
    apply_requests(machine, &common);
    return true;
}

/* Time stands still meanwhile: what it is depends on the CPU, too. */
static bool load_paused(struct machine *machine, struct state_buffer *buffer,
                        struct error *error)
{
    struct clock *clock = &machine->clock;
    bool was_paused = clock->paused;
    clock_pause(clock);
    bool loaded = load_all(machine, buffer, error);
    if (!was_paused) {
        clock_resume(clock);
    }
    return loaded;
}

void machine_state_restore(struct machine *machine, const struct state_buffer *saved)
{
    struct state_buffer buffer = *saved;
    struct error error;
    buffer.position = 0;
    bool restored = load_paused(machine, &buffer, &error);
    assert(restored);
}

bool machine_state_load(struct machine *machine, struct state_buffer *buffer,
                        struct error *error)
{
    struct state_buffer before = {.memory_apart = buffer->memory_apart};
    machine_state_save(machine, &before);
    bool loaded = load_paused(machine, buffer, error);
    if (!loaded) {
        machine_state_restore(machine, &before);
    }
    state_buffer_free(&before);
    return loaded;
}
