/* Each target with each model, duration and trigger that go together: the fault comes
 * at the trigger's place and time, is seen in what is broken and for as long as it
 * ought to be, and nowhere else. What does not go together is refused with one line.
 *
 *     combinations_test KERNEL        (combinations.asm)
 *
 * The guest, and the test for devices, look at all that can be broken: as soon as all
 * triggers have come, twice 10 ms later, and twice after 600 ms more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine.h"
#include "bus/dma.h"
#include "faults/faults.h"
#include "machine/checkpoint.h"
#include "machine/consoles.h"
#include "machine/inspect.h"
#include "machine/machine_internal.h"

/* -- the guest: see combinations.asm -- */

enum {
    KERNEL_START = 0x100000,
    PLACES_OFFSET = 32,
    LOOKS_ADDRESS = 0x220000,
    LOOK_BYTES = 64,
    DMA_ADDRESS = 0x230000,
    SIGNAL_LINE = 3,
    INTERRUPT_LINE = 5,
    SPURIOUS_LINE = 7,
    SECTORS = 64,
    FRAME_BYTES = 100,
};

/* What is looked at. The guest does the first. */
enum slot {
    SLOT_CELL,
    SLOT_EBP,
    SLOT_CODE,
    SLOT_PAGE,
    SLOT_PAGE_2,
    SLOT_PORT,
    SLOT_MMIO,
    SLOT_BREAK,
    GUEST_SLOTS,
    SLOT_DMA = GUEST_SLOTS,
    SLOT_SERIAL,
    SLOT_IRQ,
    SLOT_DISK_READ,
    SLOT_DISK_WRITE,
    SLOT_NETWORK,
    SLOT_CLOCK,
    SLOTS,
};

enum { LOOKS = 5, LAST_LOOK = LOOKS - 1 };

static const struct {
    const char *text; /* NUMBER: see number_of() */
    unsigned place;   /* which of the guest's table */
} triggers[] = {
    {"now", 0},
    {"instruction:NUMBER", 1},
    {"time:NUMBER", 2},
    {"execute:NUMBER", 3},
    {"symbol:the_place", 4},
    {"read:0x210000", 5},
    {"read:0x210000,space=physical", 5},
    {"write:0x210004", 6},
    {"write:0x210004,space=physical", 6},
    {"access:0x210008", 7},
    {"access:0x210008,space=physical", 7},
    {"in:0x61", 8},
    {"out:0x80", 9},
    {"interrupt:0x80", 10},
    {"text:!", 11},
    {"screen:!!", 12},
};

enum { PLACES = 13, PLACE_SYMBOL = 4, PLACE_SCREEN = 12 };

/* -- what is expected -- */

enum kind {
    ONCE,    /* the first look sees it */
    USES,    /* the next use, or those while it is there */
    TOGGLES, /* likewise, every second of them */
    LASTS,   /* for=TIME */
    CELLS,   /* likewise, and then until it is written */
    CELL_TOGGLES,
    STAYS, /* from then on so much is added */
    MOVES, /* from then on it is another, each time */
    FIRST, /* the first look sees it; what comes then depends */
    SUM,   /* all looks together see so much more */
    ENDS,  /* so the run ends */
};

enum { ANY = 0x10000000 }; /* something wrong */

static const struct row {
    const char *target, *model, *keys;
    enum slot slot;
    enum kind kind;
    uint32_t wrong, all_wrong; /* one use is hit; all are: 0: the same */
    unsigned coupled;          /* another slot that is concerned; 0: none */
} rows[] = {
#define CELL "address=0x200000"
#define CHIP "row=256,column=0,chip=0"
    {"ram", "flip", CELL ",bit=0", SLOT_CELL, ONCE, 0x5b, 0, 0},
    {"ram", "set", CELL ",value=0x77", SLOT_CELL, ONCE, 0x77, 0, 0},
    {"ram", "stuck0", CELL ",bit=1", SLOT_CELL, CELLS, 0x58, 0, 0},
    {"ram", "stuck1", CELL ",bit=0", SLOT_CELL, CELLS, 0x5b, 0, 0},
    {"ram", "toggle", CELL ",bit=0", SLOT_CELL, CELL_TOGGLES, 0x5b, 0, 0},
    {"ram", "flip", CHIP ",bit=0", SLOT_CELL, ONCE, 0x5b, 0, 0},
    {"ram", "set", CHIP ",value=0x77", SLOT_CELL, ONCE, 0x77, 0, 0},
    {"ram", "stuck0", CHIP ",bit=1", SLOT_CELL, LASTS, 0x58, 0, 0},
    {"ram", "stuck1", CHIP ",bit=0", SLOT_CELL, LASTS, 0x5b, 0, 0},
    {"register", "flip", "name=ebp,bit=0", SLOT_EBP, ONCE, 0x5b, 0, 0},
    {"register", "set", "name=ebp,value=0x77", SLOT_EBP, ONCE, 0x77, 0, 0},
    {"register", "stuck0", "name=ebp,bit=1", SLOT_EBP, CELLS, 0x58, 0, 0},
    {"register", "stuck1", "name=ebp,bit=0", SLOT_EBP, CELLS, 0x5b, 0, 0},
    /* DEC instead of INC. */
    {"code", "flip", "bit=3", SLOT_CODE, STAYS, -2U, 0, 0},
    {"code", "set", "value=0x4b", SLOT_CODE, STAYS, -2U, 0, 0},
    {"tlb", "flip", "address=0x300000,bit=12", SLOT_PAGE, ONCE, 0x222, 0, 0},
    {"tlb", "set", "address=0x300000,mask=0xfffff000,value=0x301000", SLOT_PAGE, ONCE,
     0x222, 0, 0},
    {"tlb", "stuck0", "address=0x301000,bit=12", SLOT_PAGE_2, LASTS, 0x111, 0, 0},
    {"tlb", "stuck1", "address=0x300000,bit=12", SLOT_PAGE, LASTS, 0x222, 0, 0},
#define PORT "address=0x71,on=read"
    {"port", "flip", PORT ",bit=0", SLOT_PORT, USES, 0x34, 0, 0},
    {"port", "set", PORT ",value=0x77", SLOT_PORT, USES, 0x77, 0, 0},
    {"port", "stuck0", PORT ",bit=0", SLOT_PORT, USES, 0x34, 0, 0},
    {"port", "stuck1", PORT ",bit=1", SLOT_PORT, USES, 0x37, 0, 0},
    {"port", "toggle", PORT ",bit=0", SLOT_PORT, TOGGLES, 0x34, 0, 0},
    {"port", "lost", PORT, SLOT_PORT, USES, 0xff, 0, 0},
#define MMIO "address=0xfec00010,on=read"
    {"mmio", "flip", MMIO ",bit=0", SLOT_MMIO, USES, 0x1005b, 0, 0},
    {"mmio", "set", MMIO ",value=0x77", SLOT_MMIO, USES, 0x10077, 0, 0},
    {"mmio", "stuck0", MMIO ",bit=1", SLOT_MMIO, USES, 0x10058, 0, 0},
    {"mmio", "stuck1", MMIO ",bit=0", SLOT_MMIO, USES, 0x1005b, 0, 0},
    {"mmio", "toggle", MMIO ",bit=0", SLOT_MMIO, TOGGLES, 0x1005b, 0, 0},
    {"mmio", "lost", MMIO, SLOT_MMIO, USES, UINT32_MAX, 0, 0},
#define DMA "name=test,on=read"
    {"dma", "flip", DMA ",bit=0", SLOT_DMA, USES, 0x5a5a5a5b, 0, 0},
    {"dma", "set", DMA ",mask=0xff,value=0x77", SLOT_DMA, USES, 0x5a5a5a77, 0, 0},
    {"dma", "stuck0", DMA ",bit=1", SLOT_DMA, USES, 0x5a5a5a58, 0, 0},
    {"dma", "stuck1", DMA ",bit=0", SLOT_DMA, USES, 0x5a5a5a5b, 0, 0},
    {"dma", "toggle", DMA ",bit=0", SLOT_DMA, TOGGLES, 0x5a5a5a5b, 0, 0},
    {"dma", "lost", DMA, SLOT_DMA, USES, UINT32_MAX, 0, 0},
    {"irq", "lost", "line=5", SLOT_IRQ, USES, 0, 0, 0},
    {"irq", "delay", "line=5,delay=30s", SLOT_IRQ, FIRST, 0, 0, 0},
    {"irq", "spurious", "line=7", SLOT_IRQ, SUM, 1, 0, 0},
#define READ "sector=3,on=read"
    {"disk", "error", READ, SLOT_DISK_READ, USES, EIO << 8, 0, 0},
    {"disk", "flip", READ ",offset=0,bit=0", SLOT_DISK_READ, USES, 2, 0, 0},
    {"disk", "set", READ ",offset=0,mask=0xff,value=0x77", SLOT_DISK_READ, USES, 0x77,
     0, 0},
    {"disk", "misdirect", READ, SLOT_DISK_READ, USES, 4, 0, 0},
    {"disk", "delay", READ ",delay=30s", SLOT_DISK_READ, USES, -1U << 8, 0, 0},
    {"disk", "vanish", "name=ide0-hd0", SLOT_DISK_READ, USES, -1U << 8, 0,
     SLOT_DISK_WRITE},
    {"disk", "lost", "sector=6", SLOT_DISK_WRITE, USES, ANY, 0, 0},
    {"disk", "torn", "sector=6", SLOT_DISK_WRITE, USES, ANY, 0, 0},
#define RECEIVED(first, count) ((first) << 8 | (count))
#define CARD "name=net,on=read"
    {"network", "lost", CARD, SLOT_NETWORK, USES, RECEIVED('b', 1), RECEIVED(0, 0), 0},
    {"network", "duplicate", CARD, SLOT_NETWORK, USES, RECEIVED('a', 3),
     RECEIVED('a', 4), 0},
    {"network", "flip", CARD ",offset=0,bit=2", SLOT_NETWORK, USES, RECEIVED('e', 2), 0,
     0},
    {"network", "reorder", CARD ",uses=1", SLOT_NETWORK, FIRST, RECEIVED('b', 2), ANY,
     0},
    {"network", "delay", CARD ",delay=30s", SLOT_NETWORK, USES, RECEIVED('b', 1),
     RECEIVED(0, 0), 0},
    {"network", "rate", CARD ",rate=1", SLOT_NETWORK, USES, RECEIVED('b', 1),
     RECEIVED(0, 0), 0},
    {"network", "burst", CARD ",good=1", SLOT_NETWORK, USES, RECEIVED('b', 1),
     RECEIVED(0, 0), 0},
#define LINE "line=1,on=write"
    {"serial", "flip", LINE ",bit=0", SLOT_SERIAL, USES, 0x40, 0, 0},
    {"serial", "set", LINE ",value=0x77", SLOT_SERIAL, USES, 0x77, 0, 0},
    {"serial", "stuck0", LINE ",bit=0", SLOT_SERIAL, USES, 0x40, 0, 0},
    {"serial", "stuck1", LINE ",bit=1", SLOT_SERIAL, USES, 0x43, 0, 0},
    {"serial", "toggle", LINE ",bit=0", SLOT_SERIAL, TOGGLES, 0x40, 0, 0},
    {"serial", "lost", LINE, SLOT_SERIAL, USES, 0, 0, 0},
    {"serial", "break", "line=1", SLOT_BREAK, ONCE, 0x10, 0, 0},
    {"clock", "drift", "name=rtc,ppm=1000000", SLOT_CLOCK, MOVES, 0, 0, 0},
    {"clock", "jump", "name=rtc,by=1s", SLOT_CLOCK, STAYS, 1000000000, 0, 0},
    {"clock", "stop", "name=rtc", SLOT_CLOCK, MOVES, 0, 0, 0},
    {"power", "cut", "", SLOTS, ENDS, MACHINE_END_POWER_CUT, 0, 0},
    {"power", "reset", "", SLOTS, ENDS, MACHINE_END_RESET, 0, 0},
};

struct observations {
    uint32_t looks[LOOKS][SLOTS];
};

struct answer {
    int result;
    uint8_t buffer[2 * BLOCK_SECTOR_BYTES];
};

struct world {
    struct machine *machine;
    struct faults *faults;
    struct checkpoint *checkpoint;
    struct timer timer;
    struct irq_line line;
    uint32_t places[PLACES];
    struct fault_place expected[PLACES]; /* when the guest is there */
    struct observations right;
    bool signalled;
    uint8_t sent;
    unsigned edges, frames;
    uint8_t first_frame;
    bool levels[16];
    struct network_port_ops card_ops;
    struct answer answers[LOOKS][3];
};

/* -- the other ends -- */

static void sent(void *opaque, unsigned console, uint8_t byte)
{
    struct world *world = opaque;
    if (console == 1) {
        world->sent = byte;
    } else if (console == SIGNAL_LINE) {
        world->signalled = true;
        machine_interrupt(world->machine);
    }
}

static void rises(void *opaque, unsigned number, bool level)
{
    struct world *world = opaque;
    if (number == INTERRUPT_LINE || number == SPURIOUS_LINE) {
        world->edges += level && !world->levels[number];
        world->levels[number] = level;
    }
}

static bool receive(void *opaque, const uint8_t *frame, size_t bytes)
{
    struct world *world = opaque;
    assert_int_equal(bytes, FRAME_BYTES);
    world->first_frame = world->frames++ ? world->first_frame : frame[0];
    return true;
}

static void time_is_over(void *opaque)
{
    struct world *world = opaque;
    machine_interrupt(world->machine);
}

static void completed(void *opaque, int result)
{
    struct answer *answer = opaque;
    answer->result = result;
}

static void request(struct world *world, enum block_operation operation,
                    uint64_t sector, uint32_t count, struct answer *answer)
{
    answer->result = -1;
    const struct block_request request = {
        .operation = operation,
        .sector = sector,
        .count = count,
        .buffer = answer->buffer,
        .completion = completed,
        .opaque = answer,
    };
    block_device_submit(machine_block_device(world->machine, ""), &request);
}

/* -- runs -- */

/* False: the run has come to an end, which goes to `*end`. */
static bool run_to_signal(struct world *world, enum machine_end *end)
{
    world->signalled = false;
    *end = machine_run(world->machine, 1000000000).end;
    return *end == MACHINE_END_INTERRUPTED && world->signalled;
}

/* The guest halts. */
static bool pass_until(struct world *world, uint64_t ns, enum machine_end *end)
{
    timer_set_ns(&world->timer, ns);
    *end = machine_run(world->machine, 0).end;
    timer_cancel(&world->timer);
    return *end == MACHINE_END_INTERRUPTED;
}

static void read_guest(struct world *world, unsigned look, uint32_t *slots)
{
    const uint8_t *host = machine_ram(world->machine)->host;
    memcpy(slots, host + LOOKS_ADDRESS + (size_t)look * LOOK_BYTES,
           GUEST_SLOTS * sizeof(*slots));
}

static uint32_t value_of(const struct answer *answer, unsigned place)
{
    uint32_t byte = answer->result ? 0 : answer->buffer[place];
    return (uint32_t)answer->result << 8 | byte;
}

static void use_devices(struct world *world, unsigned look, uint32_t *slots)
{
    struct machine *machine = world->machine;
    struct answer *answers = world->answers[look];
    uint8_t frame[FRAME_BYTES] = "a";
    memset(answers, 0, sizeof(world->answers[look]));
    dma_read(machine_memory_to_change(machine), "test", DMA_ADDRESS, &slots[SLOT_DMA],
             sizeof(slots[SLOT_DMA]));
    request(world, BLOCK_READ, 3, 1, &answers[0]);
    slots[SLOT_DISK_READ] = value_of(&answers[0], 0);
    memset(answers[1].buffer, (int)(0x80 + look), sizeof(answers[1].buffer));
    request(world, BLOCK_WRITE, 5, 2, &answers[1]);
    request(world, BLOCK_READ, 5, 2, &answers[2]);
    slots[SLOT_DISK_WRITE] = value_of(&answers[2], BLOCK_SECTOR_BYTES);
    irq_set(&world->line, true);
    irq_set(&world->line, false);
    struct network_port *peer = machine_network_card(machine, "net")->peer;
    network_send(peer, frame, sizeof(frame));
    frame[0] = 'b';
    network_send(peer, frame, sizeof(frame));
    slots[SLOT_CLOCK] =
        (uint32_t)clock_view_offset_ns(machine_clock_view(machine, MACHINE_CLOCK_RTC));
}

/* What has come since the look before is that one's. */
static void note_arrivals(struct world *world, uint32_t *slots)
{
    slots[SLOT_IRQ] = world->edges;
    slots[SLOT_NETWORK] = RECEIVED((uint32_t)world->first_frame, world->frames);
    world->edges = world->frames = world->first_frame = 0;
}

static bool look(struct world *world, unsigned number, struct observations *seen,
                 enum machine_end *end)
{
    uint32_t *slots = seen->looks[number];
    world->sent = 0;
    if (number) {
        cpu_raise_nmi(machine_cpu_to_change(world->machine));
    }
    if (!run_to_signal(world, end)) {
        return false;
    }
    if (number) {
        note_arrivals(world, seen->looks[number - 1]);
    }
    read_guest(world, number, slots);
    slots[SLOT_SERIAL] = world->sent;
    lock_take(machine_lock(world->machine));
    use_devices(world, number, slots);
    lock_release(machine_lock(world->machine));
    return true;
}

/* From the checkpoint on. False: the run has ended before. */
static bool observe(struct world *world, struct observations *seen,
                    enum machine_end *end)
{
    const uint64_t ms = 1000000;
    memset(seen, 0, sizeof(*seen));
    world->edges = world->frames = world->first_frame = 0;
    memset(world->levels, 0, sizeof(world->levels));
    if (!look(world, 0, seen, end)) {
        return false;
    }
    uint64_t now_ns = machine_now_ns(world->machine);
    bool good = pass_until(world, (now_ns / (10 * ms) + 2) * 10 * ms + 1000, end) &&
                look(world, 1, seen, end) && look(world, 2, seen, end) &&
                pass_until(world, machine_now_ns(world->machine) + 600 * ms, end) &&
                look(world, 3, seen, end) && look(world, 4, seen, end) &&
                pass_until(world, machine_now_ns(world->machine) + 20 * ms, end);
    note_arrivals(world, seen->looks[LAST_LOOK]);
    return good;
}

static void go_back(struct world *world)
{
    struct error error = {.text = ""};
    lock_take(machine_lock(world->machine));
    faults_forget_all(world->faults, 1);
    lock_release(machine_lock(world->machine));
    checkpoint_restore(world->machine, world->checkpoint, &error);
    assert_string_equal(error.text, "");
}

static struct fault *arm(struct world *world, const char *text)
{
    struct error error = {.text = ""};
    lock_take(machine_lock(world->machine));
    struct fault *fault = faults_arm_text(world->faults, "-fault", text, &error);
    lock_release(machine_lock(world->machine));
    assert_string_equal(error.text, "");
    return fault;
}

/* -- judgement -- */

enum { TRANSIENT, INTERMITTENT, PERMANENT, DURATIONS };

static bool is_instant(enum kind kind, const struct row *row)
{
    return kind == ONCE || kind == STAYS || kind == SUM || kind == ENDS ||
           strcmp(row->model, "spurious") == 0;
}

/* Whether look `number` sees something wrong; `*value`: what. -1: it may, or not. */
static int is_wrong(const struct row *row, unsigned duration, unsigned first,
                    unsigned number, uint32_t right, uint32_t *value)
{
    bool over = number > 2 && duration != PERMANENT;
    bool all = duration != TRANSIENT && row->all_wrong + row->wrong != row->wrong;
    all |= duration != TRANSIENT && row->slot == SLOT_NETWORK &&
           row->wrong == RECEIVED('b', 1);
    *value = all ? row->all_wrong : row->wrong;
    if (number < first && row->kind != SUM) {
        return false;
    }
    switch (row->kind) {
    case ONCE:
        return number == first;
    case USES:
        return duration == TRANSIENT ? number == first : !over;
    case TOGGLES:
        return duration == TRANSIENT ? number == first
                                     : !over && (number - first) % 2 == 0;
    case LASTS:
        return !over;
    case CELLS:
        return number == 3 && over ? -1 : !over;
    case CELL_TOGGLES:
        return number == first || number == LAST_LOOK ? number == first : -1;
    case STAYS:
        *value = right + row->wrong;
        return true;
    case MOVES:
        *value = ANY;
        return true;
    case FIRST:
        return number == first && *value != ANY ? 1 : -1;
    case SUM:
    case ENDS:
        return -1;
    }
    return false;
}

static void check_looks(const struct world *world, const struct row *row,
                        unsigned duration, unsigned first,
                        const struct observations *seen, const char *text)
{
    uint32_t sum = 0;
    for (unsigned number = 0; number < LOOKS; number++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            uint32_t right = world->right.looks[number][slot], value;
            uint32_t there = seen->looks[number][slot];
            int wrong = slot == row->slot
                            ? is_wrong(row, duration, first, number, right, &value)
                            : 0;
            bool good = wrong == -1                  ? true
                        : wrong == 1 && value == ANY ? there != right
                                                     : there == (wrong ? value : right);
            sum += slot == row->slot ? there - right : 0;
            if (!good && !(slot == row->coupled && row->coupled)) {
                fail_msg("%s: look %u, slot %u: 0x%x; right is 0x%x", text, number,
                         slot, there, right);
            }
        }
    }
    if (row->kind == SUM && sum != row->wrong) {
        fail_msg("%s: %u more", text, sum);
    }
}

static void check_injection(const struct world *world, const struct fault *fault,
                            unsigned place, const char *text)
{
    const struct fault_report *report = fault_report(fault);
    const struct fault_place *wanted = &world->expected[place];
    bool there = report->injections == 1 &&
                 report->injected.eip == world->places[place] &&
                 (place == PLACE_SCREEN
                      ? report->injected.ns % 10000000 == 0
                      : report->injected.instructions == wanted->instructions &&
                            report->injected.ns == wanted->ns);
    if (!there) {
        char line[1024];
        fault_describe(fault, line, sizeof(line));
        fail_msg("%s: %s; it should be at instruction %" PRIu64 ", %08x", text, line,
                 wanted->instructions, world->places[place]);
    }
}

/* -- texts -- */

static const char *duration_text(const struct row *row, unsigned duration)
{
    bool lasts = row->kind == LASTS || row->kind == CELLS ||
                 row->kind == CELL_TOGGLES || row->kind == MOVES;
    switch (duration) {
    case TRANSIENT:
        return lasts ? ",for=100ms" : "";
    case INTERMITTENT:
        return ",duration=intermittent,period=1s";
    default:
        return ",duration=permanent";
    }
}

static uint64_t number_of(const struct world *world, unsigned trigger)
{
    unsigned place = triggers[trigger].place;
    const struct fault_place *wanted = &world->expected[place];
    return strncmp(triggers[trigger].text, "instruction", 11) == 0
               ? wanted->instructions
           : strncmp(triggers[trigger].text, "time", 4) == 0 ? wanted->ns
                                                             : world->places[place];
}

static void write_text(const struct world *world, const struct row *row,
                       unsigned duration, unsigned trigger, char *text, size_t bytes)
{
    const char *when = triggers[trigger].text, *number = strstr(when, "NUMBER");
    char keys[96];
    snprintf(keys, sizeof(keys), "%s", row->keys);
    char *uses = strstr(keys, ",uses=1");
    if (uses && duration != TRANSIENT) {
        *uses = '\0';
    }
    int length =
        snprintf(text, bytes, "target=%s,model=%s%s%s%s,when=%.*s", row->target,
                 row->model, *keys ? "," : "", keys, duration_text(row, duration),
                 (int)(number ? number - when : 64), when);
    if (number) {
        snprintf(text + length, bytes - (size_t)length, "%" PRIu64,
                 number_of(world, trigger));
    }
}

/* -- tests -- */

static bool goes_together(const struct row *row, unsigned duration)
{
    return !(duration == PERMANENT && is_instant(row->kind, row)) &&
           !(duration != TRANSIENT && strcmp(row->target, "power") == 0);
}

static void try_one(struct world *world, const struct row *row, unsigned duration,
                    unsigned trigger)
{
    char text[256];
    struct observations seen;
    enum machine_end end;
    struct fault_spec spec;
    struct error error = {.text = ""};
    write_text(world, row, duration, trigger, text, sizeof(text));
    if (!goes_together(row, duration)) {
        assert_false(fault_spec_parse(&spec, "-fault", text, &error));
        assert_true(*error.text && !strchr(error.text, '\n'));
        return;
    }
    const unsigned place = triggers[trigger].place;
    go_back(world);
    struct fault *fault = arm(world, text);
    bool goes_on = observe(world, &seen, &end);
    check_injection(world, fault, place, text);
    if (row->kind == ENDS) {
        assert_false(goes_on);
        assert_int_equal(end, row->wrong);
        return;
    }
    if (!goes_on) {
        fail_msg("%s: the run has ended (%d)", text, (int)end);
    }
    check_looks(world, row, duration, place == PLACE_SCREEN, &seen, text);
}

static void all_combinations(void **state)
{
    struct world *world = *state;
    unsigned count = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        for (unsigned duration = 0; duration < DURATIONS; duration++) {
            for (unsigned trigger = 0; trigger < ARRAY_LENGTH(triggers); trigger++) {
                try_one(world, &rows[i], duration, trigger);
                count++;
            }
        }
    }
    print_message("%u combinations\n", count);
}

/* Nothing is left out that the text form knows. */
static void all_are_here(void **state)
{
    (void)state;
    for (unsigned target = 0; target < FAULT_TARGETS; target++) {
        for (unsigned model = 0; model < FAULT_MODELS; model++) {
            const char *names[] = {fault_target_name((enum fault_target_kind)target),
                                   fault_model_name((enum fault_model)model)};
            bool known = false;
            char text[80];
            struct fault_spec spec;
            struct error error = {.text = ""};
            for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
                known |= strcmp(rows[i].target, names[0]) == 0 &&
                         strcmp(rows[i].model, names[1]) == 0;
            }
            snprintf(text, sizeof(text), "target=%s,model=%s", names[0], names[1]);
            bool good = fault_spec_parse(&spec, "-fault", text, &error);
            bool refused = strstr(error.text, "the models are") != NULL;
            if (known == refused || (good && refused) || strchr(error.text, '\n')) {
                fail_msg("%s: %s", text, error.text);
            }
        }
    }
    for (unsigned event = 0; event < FAULT_EVENTS; event++) {
        struct fault_trigger trigger = {.event = (enum fault_event)event};
        char text[80];
        bool known = false;
        fault_trigger_describe(&trigger, text, sizeof(text));
        size_t length = strcspn(text, ":");
        for (unsigned i = 0; i < ARRAY_LENGTH(triggers); i++) {
            known |= strncmp(triggers[i].text, text, length) == 0;
        }
        assert_true(known);
    }
}

/* -- before and after -- */

static const char *kernel;

static char *temporary(const void *bytes, size_t length)
{
    char *path = strdup("/tmp/faumachine-combinations-XXXXXX");
    int fd = mkstemp(path);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    return path;
}

static void take_ends(struct world *world)
{
    struct isa_interrupts *isa = machine_isa_interrupts(world->machine);
    struct network_port *card = machine_network_card(world->machine, "net");
    world->line = isa_interrupts_line(isa, INTERRUPT_LINE);
    isa->controllers[0].sink = rises;
    isa->controllers[0].opaque = world;
    isa->controllers[1].sink = NULL;
    world->card_ops = (struct network_port_ops){.receive = receive};
    card->ops = &world->card_ops;
    card->opaque = world;
    timer_init(&world->timer, machine_clock(world->machine), time_is_over, world);
}

/* Boots the guest, and finds out what is right. */
static void prepare(struct world *world)
{
    struct error error = {.text = ""};
    enum machine_end end;
    const uint8_t pattern[4] = {0x5a, 0x5a, 0x5a, 0x5a};
    assert_true(run_to_signal(world, &end));
    take_ends(world);
    memory_write(machine_memory_to_change(world->machine), DMA_ADDRESS, pattern,
                 sizeof(pattern));
    world->checkpoint = checkpoint_take(world->machine, &error);
    assert_string_equal(error.text, "");
    assert_true(observe(world, &world->right, &end));
    for (unsigned place = 0; place < PLACE_SCREEN; place++) {
        struct observations seen;
        char text[96];
        snprintf(text, sizeof(text),
                 "target=ram,address=0x3f0000,model=flip,bit=0,when=execute:0x%x",
                 world->places[place]);
        go_back(world);
        struct fault *fault = arm(world, text);
        assert_true(observe(world, &seen, &end));
        assert_memory_equal(&seen, &world->right, sizeof(seen));
        world->expected[place] = fault_report(fault)->injected;
        assert_true(world->expected[place].known);
    }
}

static void read_places(struct world *world)
{
    FILE *file = fopen(kernel, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, PLACES_OFFSET, SEEK_SET), 0);
    assert_int_equal(fread(world->places, sizeof(world->places[0]), PLACES, file),
                     PLACES);
    fclose(file);
}

static int set_up(void **state)
{
    static uint8_t image[SECTORS * BLOCK_SECTOR_BYTES];
    struct world *world = calloc(1, sizeof(*world));
    struct error error = {.text = ""};
    char symbol[64];
    read_places(world);
    for (unsigned i = 0; i < SECTORS; i++) {
        memset(image + i * BLOCK_SECTOR_BYTES, (int)i, BLOCK_SECTOR_BYTES);
    }
    int length = snprintf(symbol, sizeof(symbol), "%08x T the_place\n",
                          world->places[PLACE_SYMBOL]);
    char *symbols = temporary(symbol, (size_t)length);
    char *disk = temporary(image, sizeof(image));
    const struct machine_config config = {
        .ram_bytes = 8 << 20,
        .kernel = kernel,
        .engine = tested_engine_name(),
        .clock = CLOCK_KIND_COUNTED,
        .drives = {{.image = {.file = disk, .format = "raw"}}},
        .snapshot = true,
        .nics = {"null,id=net"},
        .serial = {"null", "null", NULL, "null"},
        .no_reboot = true,
    };
    world->machine = machine_create(&config, &error);
    assert_string_equal(error.text, "");
    machine_listen_to_consoles(
        world->machine, &(struct console_listener){.sent = sent, .opaque = world});
    world->faults = faults_create(world->machine,
                                  &(struct faults_config){.symbols = symbols}, &error);
    assert_string_equal(error.text, "");
    unlink(symbols);
    unlink(disk);
    free(symbols);
    free(disk);
    prepare(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    go_back(world);
    faults_destroy(world->faults);
    checkpoint_free(world->checkpoint);
    machine_destroy(world->machine);
    free(world);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2 || !tested_engine()) {
        return argc == 2 ? TEST_SKIPPED : 1;
    }
    kernel = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_here),
        cmocka_unit_test_setup_teardown(all_combinations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
