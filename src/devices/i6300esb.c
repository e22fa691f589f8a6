#include "devices/i6300esb.h"

#include "bus/device.h"

enum {
    VENDOR = 0x8086,
    DEVICE = 0x25ab,
    REVISION = 0x02,
    CLASS_OTHER_SYSTEM = 0x088000,
    CONFIGURATION = 0x60, /* in the PCI configuration space */
    CONFIGURATION_INTERRUPT = 0x03,
    INTERRUPT_PCI = 0, /* the others are an SMI and none */
    CONFIGURATION_FAST = 0x04,
    CONFIGURATION_NO_OUTPUT = 0x20,
    LOCK = 0x68,
    LOCK_LOCKED = 0x01,
    LOCK_ENABLE = 0x02,
    LOCK_FREE_RUNNING = 0x04,
    LOCK_DEFINED = LOCK_LOCKED | LOCK_ENABLE | LOCK_FREE_RUNNING,
};

/* Registers in memory. */
enum {
    OFFSET_PRELOAD1 = 0x0,
    OFFSET_PRELOAD2 = 0x4,
    OFFSET_INTERRUPT = 0x8, /* a 1 clears it */
    OFFSET_RELOAD = 0xc,
    INTERRUPT_ACTIVE = 0x001,
    RELOAD = 0x100,
    RELOAD_TIMEOUT = 0x200, /* the second stage has ended; a 1 clears it */
    UNLOCK1 = 0x80,
    UNLOCK2 = 0x86,
    PRELOAD_DEFINED = 0xfffff,
    REGISTER_BYTES = 16,
};

enum {
    PCI_CLOCK_NS = 30,
    SLOW_SHIFT = 15, /* units of about a millisecond, */
    FAST_SHIFT = 5,  /* or of a microsecond */
};

struct i6300esb {
    struct device device;
    struct clock *clock;
    struct timer timer;
    void (*act)(void *opaque);
    void *opaque;
    /* saved */
    struct pci_function pci;
    uint32_t preload[2];
    uint8_t stage;     /* the one that runs, 0 or 1 */
    uint8_t unlocking; /* how much of the sequence has been written: 0 to 2 */
    bool interrupt_active, timed_out;
    uint64_t due_ns; /* when the stage ends; CLOCK_NEVER: it stands still */
};

static const struct state_field i6300esb_fields[] = {
    STATE_FIELD(struct i6300esb, pci.config, 1),
    STATE_FIELD(struct i6300esb, preload, 1),
    STATE_FIELD(struct i6300esb, stage, 1),
    STATE_FIELD(struct i6300esb, unlocking, 1),
    STATE_FIELD(struct i6300esb, interrupt_active, 1),
    STATE_FIELD(struct i6300esb, timed_out, 1),
    STATE_FIELD(struct i6300esb, due_ns, 1),
    STATE_END,
};

static bool is_enabled(const struct i6300esb *watchdog)
{
    return watchdog->pci.config[LOCK] & LOCK_ENABLE;
}

static void set_due(struct i6300esb *watchdog, uint64_t due_ns)
{
    watchdog->due_ns = due_ns;
    timer_set_ns(&watchdog->timer, due_ns);
}

static void start_stage(struct i6300esb *watchdog, uint8_t stage)
{
    bool fast = watchdog->pci.config[CONFIGURATION] & CONFIGURATION_FAST;
    uint64_t units = (uint64_t)watchdog->preload[stage] + 1;
    uint64_t length_ns = (units << (fast ? FAST_SHIFT : SLOW_SHIFT)) * PCI_CLOCK_NS;
    watchdog->stage = stage;
    set_due(watchdog, clock_now_ns(watchdog->clock) + length_ns);
}

static void update_interrupt(struct i6300esb *watchdog)
{
    unsigned kind = watchdog->pci.config[CONFIGURATION] & CONFIGURATION_INTERRUPT;
    pci_function_set_interrupt(&watchdog->pci,
                               watchdog->interrupt_active && kind == INTERRUPT_PCI);
}

static void stage_ended(void *opaque)
{
    struct i6300esb *watchdog = opaque;
    if (watchdog->pci.config[LOCK] & LOCK_FREE_RUNNING) {
        start_stage(watchdog, 0);
        watchdog->interrupt_active = true;
    } else if (watchdog->stage == 0) {
        watchdog->interrupt_active = true;
        start_stage(watchdog, 1);
    } else {
        watchdog->timed_out = true;
        set_due(watchdog, CLOCK_NEVER);
        if (!(watchdog->pci.config[CONFIGURATION] & CONFIGURATION_NO_OUTPUT)) {
            watchdog->act(watchdog->opaque);
        }
    }
    update_interrupt(watchdog);
}

static void config_written(void *opaque, unsigned offset, unsigned width)
{
    struct i6300esb *watchdog = opaque;
    uint8_t *writable = &watchdog->pci.writable[LOCK];
    if (offset <= LOCK && offset + width > LOCK) {
        /* Once locked, it and whether it is enabled cannot be changed any more. */
        *writable = watchdog->pci.config[LOCK] & LOCK_LOCKED ? 0 : LOCK_DEFINED;
        if (!is_enabled(watchdog)) {
            set_due(watchdog, CLOCK_NEVER);
        } else if (watchdog->due_ns == CLOCK_NEVER && !watchdog->timed_out) {
            start_stage(watchdog, 0);
        }
    }
    update_interrupt(watchdog);
}

static uint32_t read_registers(void *opaque, uint64_t offset, unsigned width)
{
    const struct i6300esb *watchdog = opaque;
    switch (offset) {
    case OFFSET_RELOAD:
        return watchdog->timed_out ? RELOAD_TIMEOUT : 0;
    case OFFSET_INTERRUPT:
        return watchdog->interrupt_active ? INTERRUPT_ACTIVE : 0;
    default: /* preloads are write-only */
        return 0;
    }
}

static void write_reload(struct i6300esb *watchdog, uint32_t value)
{
    if (value & RELOAD_TIMEOUT) {
        watchdog->timed_out = false;
    }
    if ((value & RELOAD) && is_enabled(watchdog)) {
        start_stage(watchdog, 0);
    }
}

/* Every register but that of the interrupt is written after two writes of a sequence to
 * the one for reloading, which counts for one write. */
static void write_registers(void *opaque, uint64_t offset, uint32_t value,
                            unsigned width)
{
    struct i6300esb *watchdog = opaque;
    bool unlocked = watchdog->unlocking == 2;
    if (offset == OFFSET_INTERRUPT) {
        watchdog->interrupt_active &= !(value & INTERRUPT_ACTIVE);
        update_interrupt(watchdog);
        return;
    }
    if (!unlocked) {
        bool next = offset == OFFSET_RELOAD &&
                    value == (watchdog->unlocking ? UNLOCK2 : UNLOCK1);
        watchdog->unlocking = next ? watchdog->unlocking + 1 : 0;
        return;
    }
    watchdog->unlocking = 0;
    if (offset == OFFSET_RELOAD) {
        write_reload(watchdog, value);
    } else if (offset == OFFSET_PRELOAD1 || offset == OFFSET_PRELOAD2) {
        watchdog->preload[offset == OFFSET_PRELOAD2] = value & PRELOAD_DEFINED;
    }
}

static const struct memory_ops ops = {read_registers, write_registers, 1 | 2 | 4};

static void i6300esb_reset(void *device)
{
    struct i6300esb *watchdog = device;
    pci_function_reset(&watchdog->pci);
    watchdog->pci.config[CONFIGURATION] = watchdog->pci.config[CONFIGURATION + 1] = 0;
    watchdog->pci.config[LOCK] = 0;
    watchdog->pci.writable[LOCK] = LOCK_DEFINED;
    watchdog->preload[0] = watchdog->preload[1] = PRELOAD_DEFINED;
    watchdog->stage = watchdog->unlocking = 0;
    watchdog->interrupt_active = false;
    /* `timed_out` stays: it tells the system that comes up why. */
    set_due(watchdog, CLOCK_NEVER);
}

static void i6300esb_reset_lines(void *device)
{
    update_interrupt(device);
}

static bool i6300esb_loaded(void *device, struct error *error)
{
    struct i6300esb *watchdog = device;
    if (watchdog->stage > 1 || watchdog->unlocking > 2) {
        return error_set(error, "saved state of i6300esb: its stage is out of range");
    }
    watchdog->preload[0] &= PRELOAD_DEFINED;
    watchdog->preload[1] &= PRELOAD_DEFINED;
    watchdog->pci.writable[LOCK] =
        watchdog->pci.config[LOCK] & LOCK_LOCKED ? 0 : LOCK_DEFINED;
    pci_function_loaded(&watchdog->pci);
    timer_set_ns(&watchdog->timer, watchdog->due_ns);
    update_interrupt(watchdog);
    return true;
}

static void i6300esb_destroy(void *device)
{
    struct i6300esb *watchdog = device;
    timer_cancel(&watchdog->timer);
}

static const struct device_class i6300esb_class = {
    .name = "i6300esb",
    .version = 1,
    .size = sizeof(struct i6300esb),
    .fields = i6300esb_fields,
    .reset = i6300esb_reset,
    .reset_lines = i6300esb_reset_lines,
    .loaded = i6300esb_loaded,
    .destroy = i6300esb_destroy,
};

struct i6300esb *i6300esb_create(struct log *log, struct pci_bus *bus, unsigned slot,
                                 struct clock *clock, void (*act)(void *opaque),
                                 void *opaque)
{
    struct i6300esb *watchdog = device_allocate(&i6300esb_class, log);
    struct pci_function *pci = &watchdog->pci;
    watchdog->clock = clock;
    watchdog->act = act;
    watchdog->opaque = opaque;
    timer_init(&watchdog->timer, clock, stage_ended, watchdog);
    pci_function_init(pci, "i6300esb", VENDOR, DEVICE, REVISION, CLASS_OTHER_SYSTEM,
                      watchdog);
    pci->config[PCI_INTERRUPT_PIN] = 1;
    pci->config_written = config_written;
    pci->writable[CONFIGURATION] =
        CONFIGURATION_INTERRUPT | CONFIGURATION_FAST | CONFIGURATION_NO_OUTPUT;
    pci->bars[0] = (struct pci_bar){
        .kind = PCI_BAR_MEMORY,
        .bytes = REGISTER_BYTES,
        .memory = {.name = "i6300esb",
                   .priority = MEMORY_PRIORITY_PCI,
                   .ops = &ops,
                   .opaque = watchdog},
    };
    pci_bus_add(bus, pci, slot, 0);
    i6300esb_reset(watchdog);
    return watchdog;
}
