/* Long random mixes of all that can be done to page tables, between lists of accesses
 * by both rings, which a model foretells: values, faults, accessed and dirty bits.
 *
 * The page tables themselves are the model of translation. An entry that loses rights
 * or leads elsewhere is stale until a flush that covers it, and is not used meanwhile;
 * one that was absent, or gains rights, is used at once (a fault for the old rights is
 * handled by trying again). */
#include "executor.h"

enum {
    ROOTS = 6,
    REGIONS = 4,
    SHARED_REGION = 3, /* all roots have the same tables there, of global pages */
    LARGE_REGION = 2,  /* a large page at times */
    REGION_PAGES = 16,
    PAGES = REGIONS * REGION_PAGES,
    SMALL_FRAMES = 40,
    LARGE_PLACES = 2,
    FRAME_COUNT = SMALL_FRAMES + LARGE_PLACES * REGION_PAGES,
    MODEL = MODELS, /* contents of all frames */
    BATCHES = 1500,
    LIST = 24,
    MOV_EAX = 0xb8,
    JMP_EDI = 0xe7ff, /* as a word */
    BITS = A | D,
};

static struct {
    uint32_t roots[ROOTS], current;
    uint32_t tables[ROOTS][REGIONS]; /* of small pages, used at the time or not */
    uint32_t frames[FRAME_COUNT];
    bool stale[PAGES], gained[PAGES]; /* of the current root */
    uint8_t used[ROOTS][PAGES];       /* A and D as they have to be */
    uint8_t maybe[ROOTS][PAGES];      /* …and may be */
    struct random random;
    struct operation list[OPERATIONS_MAX];
    unsigned length;
    uint32_t operations, faults, calls;
} world;

static uint32_t any(uint32_t limit)
{
    return random_below(&world.random, limit);
}

static uint32_t region_linear(unsigned region)
{
    return WINDOW + 2 * region * large_bytes();
}

static uint32_t page_linear(unsigned page)
{
    return region_linear(page / REGION_PAGES) + page % REGION_PAGES * PAGE_BYTES;
}

/* The page that an address lies in; PAGES if none. */
static unsigned page_of(uint32_t linear)
{
    uint32_t region = (linear - WINDOW) / large_bytes();
    uint32_t page = (linear - WINDOW) % large_bytes() / PAGE_BYTES;
    bool inside = linear >= WINDOW && region % 2 == 0 && region / 2 < REGIONS;
    return inside && page < REGION_PAGES ? region / 2 * REGION_PAGES + page : PAGES;
}

static uint32_t root_now(void)
{
    return world.roots[world.current];
}

static uint64_t translate(uint32_t linear)
{
    return translation(root_now(), linear);
}

/* Where the model keeps what is at a linear address that is mapped. */
static volatile uint8_t *modelled(uint32_t linear)
{
    uint32_t frame = (uint32_t)translate(linear) & ~ENTRY_FLAGS;
    unsigned i = (frame - world.frames[0]) / PAGE_BYTES;
    if (frame >= LARGE_FRAMES) {
        uint32_t offset = frame - LARGE_FRAMES;
        i = SMALL_FRAMES + offset / large_bytes() * REGION_PAGES +
            offset % large_bytes() / PAGE_BYTES;
    }
    return byte_at(MODEL + i * PAGE_BYTES + linear % PAGE_BYTES);
}

static uint32_t small_entry(unsigned root, unsigned page)
{
    uint32_t step = paging_is_pae() ? 8 : 4;
    return world.tables[root][page / REGION_PAGES] + page % REGION_PAGES * step;
}

static bool is_large(unsigned root, unsigned region)
{
    return *at(directory_entry(world.roots[root], region_linear(region))) & LARGE;
}

static void set_used(unsigned root, unsigned page, uint8_t used, uint8_t maybe)
{
    for (unsigned i = 0; i < ROOTS; i++) {
        if (i == root || page / REGION_PAGES == SHARED_REGION) {
            world.used[i][page] = used;
            world.maybe[i][page] = maybe;
        }
    }
}

/* ---- What is done to the tables ---- */

static uint64_t any_rights(void)
{
    uint64_t rights = any(8) ? P : 0;
    rights |= any(4) ? W : 0;
    rights |= any(4) ? U : 0;
    return rights | (paging_is_pae() && any(4) == 0 ? NX : 0);
}

/* An entry for translation has changed from `old` to `new`, for the current root. */
static void note_change(unsigned page, uint64_t old, uint64_t new)
{
    const uint64_t rights = P | W | U;
    if (!(old & P)) {
        return;
    }
    bool same_frame = ((old ^ new) & ~(rights | BITS | G | NX)) == 0;
    bool fewer = (old & ~new &rights) || (new & ~old &NX);
    if (same_frame && !fewer) {
        world.gained[page] = true;
    } else {
        world.stale[page] = true;
    }
}

/* The page it leads to or another one, with any rights. A and D stay with the page: the
 * processor need not set them again without a flush. */
static void set_page(void)
{
    unsigned root = any(2) ? world.current : any(ROOTS), page = any(PAGES);
    unsigned region = page / REGION_PAGES;
    uint32_t entry = small_entry(root, page);
    uint64_t before = translate(page_linear(page)), old = entry_read(entry);
    uint32_t frame = (uint32_t)old & ~ENTRY_FLAGS;
    bool same = any(3) && frame;
    if (!same) {
        frame = world.frames[any(SMALL_FRAMES)];
    }
    entry_write(entry, frame | any_rights() | (same ? old & BITS : 0) |
                           (region == SHARED_REGION ? G : 0));
    if (root == world.current || region == SHARED_REGION) {
        note_change(page, before, translate(page_linear(page)));
    }
    if (!same && !is_large(root, region)) {
        set_used(root, page, 0, 0);
    }
}

static void change_directory(unsigned root, unsigned region, uint64_t entry)
{
    uint64_t before[REGION_PAGES];
    unsigned first = region * REGION_PAGES;
    for (unsigned i = 0; i < REGION_PAGES; i++) {
        before[i] = translate(page_linear(first + i));
    }
    entry_write(directory_entry(world.roots[root], region_linear(region)), entry);
    for (unsigned i = 0; i < REGION_PAGES && root == world.current; i++) {
        uint64_t now = translate(page_linear(first + i));
        if (now != before[i]) {
            note_change(first + i, before[i], now);
        }
    }
}

/* What software knows about A and D ends: whatever is there, is there. */
static void take_bits(unsigned root, unsigned region)
{
    for (unsigned i = 0; i < REGION_PAGES; i++) {
        unsigned page = region * REGION_PAGES + i;
        set_used(root, page, 0, BITS);
    }
}

static void set_directory(void)
{
    unsigned root = any(ROOTS), region = any(SHARED_REGION);
    uint64_t rights = any(2) ? USER_PAGE : any_rights();
    uint64_t entry = world.tables[root][region] | rights;
    if (region == LARGE_REGION && any(2)) {
        entry = (LARGE_FRAMES + any(LARGE_PLACES) * large_bytes()) | rights | LARGE;
    }
    change_directory(root, region, entry);
    take_bits(root, region);
}

/* Two regions of a root change places, with their tables. */
static void swap_regions(void)
{
    unsigned root = any(ROOTS);
    uint32_t one = world.tables[root][0], other = world.tables[root][1];
    world.tables[root][0] = other;
    world.tables[root][1] = one;
    change_directory(root, 0, other | USER_PAGE);
    change_directory(root, 1, one | USER_PAGE);
    take_bits(root, 0);
    take_bits(root, 1);
}

static void forget_stale(unsigned first, unsigned end)
{
    for (unsigned page = first; page < end; page++) {
        world.stale[page] = world.gained[page] = false;
    }
}

static void flush_something(void)
{
    enum flush how = any(FLUSHES);
    unsigned page = any(PAGES);
    bool shared_too = !(get_cr4() & CR4_PGE) || how != FLUSH_ROOT;
    for (unsigned i = 0; i < PAGES && how == FLUSH_PAGE; i++) {
        if (world.stale[i] && any(2)) {
            page = i;
            break;
        }
    }
    flush(how, page_linear(page));
    if (how == FLUSH_PAGE) {
        forget_stale(page, page + 1);
    } else {
        forget_stale(0, shared_too ? PAGES : SHARED_REGION * REGION_PAGES);
    }
}

static void switch_root(void)
{
    const uint32_t cache_bits = 0x18;
    bool shared_too = !(get_cr4() & CR4_PGE);
    world.current = any(ROOTS);
    set_cr3(root_now() | (any(4) ? 0 : cache_bits));
    forget_stale(0, shared_too ? PAGES : SHARED_REGION * REGION_PAGES);
}

static void toggle_control(void)
{
    switch (any(3)) {
    case 0:
        set_cr4(get_cr4() ^ CR4_PGE);
        forget_stale(0, PAGES);
        break;
    default:
        set_cr0(get_cr0() ^ CR0_WP);
    }
}

/* A and D of a page of the current root go, with the flush that this needs. */
static void clear_bits(void)
{
    unsigned page = any(PAGES);
    if (is_large(world.current, page / REGION_PAGES)) {
        return;
    }
    uint32_t entry = small_entry(world.current, page);
    *at(entry) &= ~(uint32_t)BITS;
    flush_page(page_linear(page));
    forget_stale(page, page + 1);
    set_used(world.current, page, 0, 0);
}

/* The kernel writes to a frame, behind all linear addresses. */
static void write_frame(void)
{
    unsigned i = any(FRAME_COUNT);
    uint32_t offset = any(PAGE_BYTES / 4) * 4, value = random_next(&world.random);
    *at(world.frames[i] + offset) = value;
    *at(MODEL + i * PAGE_BYTES + offset) = value;
}

static void do_something(void)
{
    static void (*const things[])(void) = {
        set_page,    set_page,       set_page,     set_page,        set_page,
        set_page,    set_directory,  swap_regions, flush_something, flush_something,
        switch_root, toggle_control, clear_bits,   write_frame,     flush_something,
    };
    things[any(sizeof(things) / sizeof(things[0]))]();
}

/* ---- What the accesses have to do ---- */

static unsigned ring_now;

static void note_use(uint32_t linear, bool write, bool done)
{
    unsigned page = page_of(linear), region = page / REGION_PAGES;
    uint8_t bits = write ? BITS : A;
    unsigned first = is_large(world.current, region) ? region * REGION_PAGES : page;
    unsigned end = is_large(world.current, region) ? first + REGION_PAGES : page + 1;
    for (unsigned i = first; i < end; i++) {
        set_used(world.current, i, world.used[world.current][i] | (done ? bits : 0),
                 world.maybe[world.current][i] | bits);
    }
}

/* Whether `bytes` at an address may be accessed, at most across one border of pages;
 * else the operation's fault. */
static bool allowed(struct operation *operation, uint32_t linear, unsigned bytes,
                    enum access access)
{
    uint32_t last = linear + bytes - 1;
    uint32_t places[] = {linear, last & ~ENTRY_FLAGS};
    unsigned count = page_of(linear) == page_of(last) ? 1 : 2;
    for (unsigned i = 0; i < count; i++) {
        uint32_t ended = wanted_end(translate(places[i]), access, ring_now);
        if (ended) {
            operation->fault = ended;
            operation->cr2 = places[i];
            return false;
        }
        note_use(places[i], access == ACCESS_WRITE, false);
    }
    for (unsigned i = 0; i < count; i++) {
        note_use(places[i], access == ACCESS_WRITE, true);
    }
    return true;
}

static uint32_t load(uint32_t linear, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint32_t)*modelled(linear + i) << 8 * i;
    }
    return value;
}

static void store(uint32_t linear, unsigned bytes, uint32_t value)
{
    for (unsigned i = 0; i < bytes; i++) {
        *modelled(linear + i) = (uint8_t)(value >> 8 * i);
    }
}

static uint32_t flags_of_sum(uint32_t a, uint32_t b)
{
    uint32_t flags;
    __asm__("add %2, %1; pushf; pop %0" : "=&r"(flags), "+r"(a) : "r"(b) : "cc");
    return flags & FLAGS_ALL;
}

static void model_read(struct operation *operation, unsigned bytes)
{
    if (allowed(operation, operation->address, bytes, ACCESS_READ)) {
        operation->result = load(operation->address, bytes);
    }
}

static void model_write(struct operation *operation, unsigned bytes)
{
    if (allowed(operation, operation->address, bytes, ACCESS_WRITE)) {
        store(operation->address, bytes > 4 ? 4 : bytes, operation->value);
        if (bytes > 4) {
            store(operation->address + 4, 4, ~operation->value);
        }
    }
}

static void model_modify(struct operation *operation)
{
    if (allowed(operation, operation->address, 4, ACCESS_WRITE)) {
        uint32_t old = load(operation->address, 4);
        bool adds = operation->kind == OPERATION_ADD;
        operation->result = adds ? flags_of_sum(old, operation->value) : old;
        store(operation->address, 4, adds ? old + operation->value : operation->value);
    } else {
        note_use(operation->cr2, false, false); /* it may have been read */
    }
}

/* Up to the next border of pages at most. */
static uint32_t bytes_in_page(uint32_t linear, uint32_t bytes)
{
    uint32_t rest = PAGE_BYTES - linear % PAGE_BYTES;
    return bytes < rest ? bytes : rest;
}

static void model_copy(struct operation *operation)
{
    uint32_t from = operation->value, to = operation->address;
    for (operation->left = operation->count; operation->left;) {
        uint32_t bytes = bytes_in_page(from, bytes_in_page(to, operation->left));
        if (!allowed(operation, from, bytes, ACCESS_READ) ||
            !allowed(operation, to, bytes, ACCESS_WRITE)) {
            return;
        }
        const volatile uint8_t *source = modelled(from);
        volatile uint8_t *target = modelled(to);
        for (uint32_t i = 0; i < bytes; i++) {
            target[i] = source[i];
        }
        from += bytes;
        to += bytes;
        operation->left -= bytes;
    }
}

static void model_fill(struct operation *operation)
{
    uint32_t to = operation->address;
    for (operation->left = operation->count; operation->left;) {
        uint32_t words = bytes_in_page(to, 4 * operation->left) / 4;
        words += words == 0; /* across the border */
        if (!allowed(operation, to, 4 * words, ACCESS_WRITE)) {
            return;
        }
        operation->left -= words;
        for (; words; words--) {
            store(to, 4, operation->value);
            to += 4;
        }
    }
}

static void model_call(struct operation *operation)
{
    /* The instructions are fetched one after the other. */
    if (allowed(operation, operation->address, 5, ACCESS_EXECUTE) &&
        allowed(operation, operation->address + 5, 2, ACCESS_EXECUTE)) {
        operation->result = load(operation->address + 1, 4);
    }
}

static void foretell(struct operation *operation)
{
    static const uint8_t sizes[] = {0, 1, 2, 4, 1, 2, 4};
    switch (operation->kind) {
    case OPERATION_READ_8:
    case OPERATION_READ_16:
    case OPERATION_READ_32:
        model_read(operation, sizes[operation->kind]);
        break;
    case OPERATION_WRITE_8:
    case OPERATION_WRITE_16:
    case OPERATION_WRITE_32:
        model_write(operation, sizes[operation->kind]);
        break;
    case OPERATION_WRITE_64:
        model_write(operation, 8);
        break;
    case OPERATION_ADD:
    case OPERATION_EXCHANGE:
        model_modify(operation);
        break;
    case OPERATION_COPY:
        model_copy(operation);
        break;
    case OPERATION_FILL:
        model_fill(operation);
        break;
    default:
        model_call(operation);
    }
}

/* ---- Lists ---- */

/* An address whose pages, up to `bytes` on, are all inside and not stale; 0 if there is
 * none at hand. */
static uint32_t any_address(uint32_t bytes)
{
    for (unsigned tries = 0; tries < 20; tries++) {
        uint32_t offset = any(3) ? any(PAGE_BYTES) : PAGE_BYTES - 1 - any(8);
        uint32_t linear = page_linear(any(PAGES)) + offset;
        bool good = true;
        for (uint32_t place = linear; place < linear + bytes + PAGE_BYTES;
             place += PAGE_BYTES) {
            uint32_t last = place < linear + bytes ? place : linear + bytes - 1;
            unsigned page = page_of(last);
            good &= page < PAGES && !world.stale[page];
        }
        if (good) {
            return linear;
        }
    }
    return 0;
}

static struct operation *append(uint32_t kind, uint32_t address, uint32_t value)
{
    struct operation *operation = &world.list[world.length++];
    *operation = (struct operation){.kind = kind, .address = address, .value = value};
    return operation;
}

/* Another address of the frame at `linear` that may be written; 0 if there is none. */
static uint32_t writable_alias(uint32_t linear)
{
    uint32_t frame = (uint32_t)translate(linear) & ~ENTRY_FLAGS;
    unsigned start = any(PAGES);
    for (unsigned i = 0; i < PAGES; i++) {
        unsigned page = (start + i) % PAGES;
        uint64_t entry = translate(page_linear(page));
        if (!world.stale[page] && ((uint32_t)entry & ~ENTRY_FLAGS) == frame &&
            wanted_end(entry, ACCESS_WRITE, ring_now) == 0) {
            return page_linear(page) + linear % PAGE_BYTES;
        }
    }
    return 0;
}

/* Code is written, a byte at a time by any alias, and called. */
static void append_call(void)
{
    uint32_t linear = any_address(CODE_BYTES), value = random_next(&world.random);
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
           wanted_end(translate(linear), ACCESS_READ, ring_now) == 0 &&
           wanted_end(translate(linear), ACCESS_WRITE, ring_now) != 0;
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
    uint32_t address = any_address(bytes), value = random_next(&world.random);
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
    if (page < PAGES && world.gained[page] &&
        wanted_end(translate(linear), access, ring_now) == 0) {
        world.gained[page] = false;
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
    ring_now = any(2) ? 3 : 0;
    world.length = 0;
    while (world.length < LIST) {
        append_any();
        if (any(LIST) == 0) {
            break;
        }
    }
    world.list[world.length].kind = OPERATION_END;
    struct operation *given = (struct operation *)OPERATIONS;
    for (unsigned i = 0; i <= world.length; i++) {
        given[i] = world.list[i];
        given[i].result = given[i].left = given[i].fault = given[i].cr2 = 0;
    }
    expect(tally, 0, executor_run(ring_now), true);
    for (unsigned i = 0; i < world.length; i++) {
        compare(tally, &world.list[i], &given[i]);
        world.operations++;
        world.faults += world.list[i].fault != 0;
        world.calls += world.list[i].kind == OPERATION_CALL;
    }
}

/* All of memory, and the bits of all entries. */
static void compare_world(struct tally *tally)
{
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        expect(tally, world.frames[i], checksum(world.frames[i], PAGE_BYTES),
               checksum(MODEL + i * PAGE_BYTES, PAGE_BYTES));
    }
    for (unsigned root = 0; root < ROOTS; root++) {
        for (unsigned page = 0; page < PAGES; page++) {
            unsigned region = page / REGION_PAGES;
            uint32_t entry =
                is_large(root, region)
                    ? directory_entry(world.roots[root], region_linear(region))
                    : small_entry(root, page);
            uint8_t bits = *at(entry) & BITS;
            expect(tally, entry, bits & world.used[root][page], world.used[root][page]);
            expect(tally, entry, bits & D & ~world.maybe[root][page], 0);
        }
    }
}

static void create_world(void)
{
    for (unsigned i = 0; i < SMALL_FRAMES; i++) {
        world.frames[i] = frame_alloc();
    }
    for (unsigned i = 0; i < LARGE_PLACES * REGION_PAGES; i++) {
        world.frames[SMALL_FRAMES + i] = LARGE_FRAMES +
                                         i / REGION_PAGES * large_bytes() +
                                         i % REGION_PAGES * PAGE_BYTES;
    }
    for (unsigned i = 0; i < FRAME_COUNT; i++) {
        fill_pattern(world.frames[i], PAGE_BYTES, i);
        fill_pattern(MODEL + i * PAGE_BYTES, PAGE_BYTES, i);
    }
    for (unsigned root = 0; root < ROOTS; root++) {
        world.roots[root] = space_create();
        for (unsigned region = 0; region < REGIONS; region++) {
            uint32_t directory =
                directory_entry(world.roots[root], region_linear(region));
            uint32_t table = root && region == SHARED_REGION
                                 ? world.tables[0][SHARED_REGION]
                                 : frame_alloc();
            world.tables[root][region] = table;
            entry_write(directory, table | USER_PAGE);
        }
    }
    fill((uint32_t)world.used, 0, sizeof(world.used));
    fill((uint32_t)world.maybe, 0, sizeof(world.maybe));
    forget_stale(0, PAGES);
    world.current = 0;
    set_cr3(root_now());
    world.operations = world.faults = world.calls = 0;
}

void torture_random(void)
{
    struct tally tally = {0};
    uint32_t home = current_root();
    world.random = random_new(600);
    create_world();
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
    put(" %d accesses, %d faults, %d calls,", world.operations, world.faults,
        world.calls);
    put_tally(&tally);
}
