/* Long random mixes of all that can be done to page tables, between lists of accesses
 * by both rings, which a model foretells: values, faults, accessed and dirty bits. */
#include "mix.h"

enum {
    BATCHES = 1500,
    LIST = 24,
    MOV_EAX = 0xb8,
    JMP_EDI = 0xe7ff, /* as a word */
};

/* An address whose pages, up to `bytes` on, are all inside and not stale; 0 if there is
 * none at hand. */
static uint32_t any_address(uint32_t bytes)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        uint32_t offset = any(3) ? any(PAGE_BYTES) : PAGE_BYTES - 1 - any(8);
        uint32_t linear = page_linear(any(MIX_PAGES)) + offset;
        bool good = true;
        for (uint32_t place = linear; place < linear + bytes + PAGE_BYTES;
             place += PAGE_BYTES) {
            uint32_t last = place < linear + bytes ? place : linear + bytes - 1;
            unsigned page = page_of(last);
            good &= page < MIX_PAGES && !mix.stale[page];
        }
        if (good) {
            return linear;
        }
    }
    return 0;
}

static struct operation *append(uint32_t kind, uint32_t address, uint32_t value)
{
    struct operation *operation = &mix.list[mix.length++];
    *operation = (struct operation){.kind = kind, .address = address, .value = value};
    return operation;
}

/* Another address of the frame at `linear` that may be written; 0 if there is none. */
static uint32_t writable_alias(uint32_t linear)
{
    uint32_t frame = (uint32_t)translate(linear) & ~ENTRY_FLAGS;
    unsigned start = any(MIX_PAGES);
    for (unsigned i = 0; i < MIX_PAGES; i++) {
        unsigned page = (start + i) % MIX_PAGES;
        uint64_t entry = translate(page_linear(page));
        if (!mix.stale[page] && ((uint32_t)entry & ~ENTRY_FLAGS) == frame &&
            wanted_end(entry, ACCESS_WRITE, mix.ring) == 0) {
            return page_linear(page) + linear % PAGE_BYTES;
        }
    }
    return 0;
}

/* Code is written, a byte at a time by any alias, and called. */
static void append_call(void)
{
    uint32_t linear = any_address(CODE_BYTES), value = random_next(&mix.random);
    uint8_t code[CODE_BYTES] = {MOV_EAX,
                                (uint8_t)value,
                                (uint8_t)(value >> 8),
                                (uint8_t)(value >> 16),
                                (uint8_t)(value >> 24),
                                JMP_EDI & 0xff,
                                JMP_EDI >> 8};
    uint32_t places[CODE_BYTES];
    if (!linear) {
        return;
    }
    for (unsigned i = 0; i < CODE_BYTES; i++) {
        places[i] = translate(linear + i) ? writable_alias(linear + i) : 0;
        if (!places[i]) {
            return;
        }
    }
    for (unsigned i = 0; i < CODE_BYTES; i++) {
        foretell(append(OPERATION_WRITE_8, places[i], code[i]));
    }
    for (unsigned i = 0; i < CODE_BYTES; i++) {
        if (*modelled(linear + i) != code[i]) {
            return; /* two of the pages are one */
        }
    }
    foretell(append(OPERATION_CALL, linear, 0));
}

/* A read-modify-write across a border whose first page may be read, but not written:
 * what else is wrong with the second may come first. */
static bool ambiguous(uint32_t linear)
{
    uint32_t last = linear + 3;
    return page_of(linear) != page_of(last) &&
           wanted_end(translate(linear), ACCESS_READ, mix.ring) == 0 &&
           wanted_end(translate(linear), ACCESS_WRITE, mix.ring) != 0;
}

static void append_any(void)
{
    uint32_t kind = 1 + any(OPERATION_KINDS - 1), count = any(2) ? any(40) : any(3000);
    if (kind == OPERATION_CALL) {
        append_call();
        return;
    }
    bool string = kind == OPERATION_COPY || kind == OPERATION_FILL;
    uint32_t bytes = !string                  ? 8
                     : kind == OPERATION_FILL ? 4 * (count / 4 + 1)
                                              : count + 1;
    uint32_t address = any_address(bytes), value = random_next(&mix.random);
    uint32_t from = kind == OPERATION_COPY ? any_address(bytes) : value;
    bool modifies = kind == OPERATION_ADD || kind == OPERATION_EXCHANGE;
    if (!address || (kind == OPERATION_COPY && !from) ||
        (modifies && ambiguous(address))) {
        return;
    }
    struct operation *operation = append(kind, address, from);
    operation->count = kind == OPERATION_FILL ? count / 4 : string ? count : 0;
    foretell(operation);
}

/* The program's faults; those that the tables have allowed meanwhile are tried again.
 */
static bool handle_fault(struct trap *trap)
{
    uint32_t linear = get_cr2();
    unsigned page = page_of(linear);
    enum access access = trap->error & ERROR_FETCH   ? ACCESS_EXECUTE
                         : trap->error & ERROR_WRITE ? ACCESS_WRITE
                                                     : ACCESS_READ;
    if (page < MIX_PAGES && mix.gained[page] &&
        wanted_end(translate(linear), access, mix.ring) == 0) {
        mix.gained[page] = false;
        return true;
    }
    return executor_fault(trap);
}

static void compare(struct tally *tally, const struct operation *wanted,
                    const struct operation *found)
{
    bool modifies = wanted->kind == OPERATION_ADD || wanted->kind == OPERATION_EXCHANGE;
    uint32_t mask = modifies ? ~(uint32_t)ERROR_WRITE : ~0U;
    uint32_t results = wanted->kind == OPERATION_ADD ? FLAGS_ALL : ~0U;
    bool has_result =
        wanted->kind <= OPERATION_READ_32 || modifies || wanted->kind == OPERATION_CALL;
    bool string = wanted->kind == OPERATION_COPY || wanted->kind == OPERATION_FILL;
    expect(tally, wanted->address, found->fault & mask, wanted->fault & mask);
    if (wanted->fault) {
        expect(tally, wanted->address, found->cr2, wanted->cr2);
    } else if (has_result) {
        expect(tally, wanted->address, found->result & results, wanted->result);
    }
    if (string) {
        expect(tally, wanted->address, found->left, wanted->left);
    }
}

static void run_list(struct tally *tally)
{
    mix.ring = any(2) ? 3 : 0;
    mix.length = 0;
    while (mix.length < LIST) {
        append_any();
        if (any(LIST) == 0) {
            break;
        }
    }
    mix.list[mix.length].kind = OPERATION_END;
    struct operation *given = (struct operation *)OPERATIONS;
    for (unsigned i = 0; i <= mix.length; i++) {
        given[i] = mix.list[i];
        given[i].result = given[i].left = given[i].fault = given[i].cr2 = 0;
    }
    expect(tally, 0, executor_run(mix.ring), true);
    for (unsigned i = 0; i < mix.length; i++) {
        compare(tally, &mix.list[i], &given[i]);
        mix.operations++;
        mix.faults += mix.list[i].fault != 0;
        mix.calls += mix.list[i].kind == OPERATION_CALL;
    }
}

/* All of memory, and the bits of all entries. */
static void compare_world(struct tally *tally)
{
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        expect(tally, mix.frames[i], checksum(mix.frames[i], PAGE_BYTES),
               checksum(modelled_frame(i), PAGE_BYTES));
    }
    for (unsigned root = 0; root < MIX_ROOTS; root++) {
        for (unsigned page = 0; page < MIX_PAGES; page++) {
            uint32_t entry = entry_of(root, page);
            uint8_t bits = *at(entry) & ENTRY_BITS;
            expect(tally, entry, bits & mix.used[root][page], mix.used[root][page]);
            expect(tally, entry, bits & D & ~mix.maybe[root][page], 0);
        }
    }
}
void torture_random(void)
{
    struct tally tally = {0};
    uint32_t home = current_root();
    mix.random = random_new(600);
    mix_create();
    executor_load();
    handle(VECTOR_PF, handle_fault);
    begin("mix");
    for (unsigned batch = 1; batch <= BATCHES; batch++) {
        for (unsigned i = any(8); i; i--) {
            do_something();
        }
        run_list(&tally);
        if (batch % 50 == 0) {
            compare_world(&tally);
        }
        if (batch % (BATCHES / 5) == 0) {
            put(" %x", tally.sum);
        }
    }
    set_cr3(home);
    set_cr0(get_cr0() | CR0_WP);
    set_cr4(get_cr4() & ~(uint32_t)CR4_PGE);
    put(" %d accesses, %d faults, %d calls,", mix.operations, mix.faults, mix.calls);
    put_tally(&tally);
}
