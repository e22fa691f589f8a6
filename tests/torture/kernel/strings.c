/* String instructions over pages that are absent or read-only: at each fault ECX, ESI,
 * EDI and memory are those of the elements done; then the page is brought and the
 * instruction goes on. A model in C says what has to come. (The flags at a fault within
 * CMPS and SCAS are not looked at: processors differ.) */
#include "torture.h"

enum {
    PAGES = 3, /* of each region */
    SOURCE = WINDOW,
    TARGET = WINDOW + 0x10000,
    SOURCE_MODEL = MODELS,
    TARGET_MODEL = MODELS + 0x10000,
    REGION_BYTES = PAGES * PAGE_BYTES,
    TRIALS = 150,
    INT3 = 0xcc,
    REPE = 0xf3,
    REPNE = 0xf2,
    OPERAND_16 = 0x66,
    MOVS = 0xa4,
    CMPS = 0xa6,
    STOS = 0xaa,
    LODS = 0xac,
    SCAS = 0xae,
};

static struct {
    uint32_t source[PAGES], target[PAGES]; /* frames */
} world;

/* A trial: the instruction, and its registers as the model has them. */
struct trial {
    uint8_t opcode, prefix;
    uint32_t bytes; /* of an element */
    uint32_t eax, ecx, esi, edi;
    bool down;
    uint32_t flags; /* of the last comparison */
    uint32_t fault; /* the error code that the model expects, or 0 */
    uint32_t cr2;
    uint32_t good_source, good_target; /* pages that have been found not to fault */
};

/* The places of pages are linear; their contents are in the models. */
static uint32_t modelled(uint32_t address)
{
    return address >= TARGET ? address - TARGET + TARGET_MODEL
                             : address - SOURCE + SOURCE_MODEL;
}

static uint32_t load(uint32_t address, uint32_t bytes)
{
    uint32_t value = *at(modelled(address));
    return bytes == 4 ? value : value & ((1U << 8 * bytes) - 1);
}

static void store(uint32_t address, uint32_t bytes, uint32_t value)
{
    for (unsigned i = 0; i < bytes; i++) {
        *byte_at(modelled(address + i)) = (uint8_t)(value >> 8 * i);
    }
}

/* Whether an element's access faults; notes how. `*good` is a page known not to. */
static bool faults(struct trial *trial, uint32_t address, bool write, unsigned ring,
                   uint32_t *good)
{
    uint32_t last = address + trial->bytes - 1;
    uint32_t places[] = {address, last & ~ENTRY_FLAGS};
    for (unsigned i = 0; i < 2; i++) {
        uint32_t page = places[i] & ~ENTRY_FLAGS;
        if (page == *good || (i && page == (address & ~ENTRY_FLAGS))) {
            continue;
        }
        uint32_t ended =
            wanted_end(leaf_of(page), write ? ACCESS_WRITE : ACCESS_READ, ring);
        if (ended) {
            trial->fault = ended;
            trial->cr2 = places[i];
            return true;
        }
        *good = page;
    }
    return false;
}

#define COMPARE(size, a, b, flags)                                                     \
    __asm__("cmp" size "; pushf; pop %0" : "=r"(flags) : "q"(a), "q"(b) : "cc")

static uint32_t compare(uint32_t a, uint32_t b, uint32_t bytes)
{
    uint32_t flags;
    if (bytes == 1) {
        COMPARE("b %b2, %b1", a, b, flags);
    } else if (bytes == 2) {
        COMPARE("w %w2, %w1", a, b, flags);
    } else {
        COMPARE("l %2, %1", a, b, flags);
    }
    return flags & FLAGS_ALL;
}

/* One element; false if it faults. */
static bool step(struct trial *trial, unsigned ring)
{
    uint32_t move = trial->down ? -trial->bytes : trial->bytes;
    bool reads_source = trial->opcode == MOVS || trial->opcode == CMPS;
    bool uses_target = trial->opcode != LODS;
    bool writes = trial->opcode == MOVS || trial->opcode == STOS;
    reads_source |= trial->opcode == LODS;
    if ((reads_source && faults(trial, trial->esi, false, ring, &trial->good_source)) ||
        (uses_target && faults(trial, trial->edi, writes, ring, &trial->good_target))) {
        return false;
    }
    uint32_t source = reads_source ? load(trial->esi, trial->bytes) : trial->eax;
    if (writes) {
        store(trial->edi, trial->bytes, source);
    } else if (trial->opcode == LODS) {
        uint32_t kept = trial->bytes == 4 ? 0 : ~0U << 8 * trial->bytes;
        trial->eax = (trial->eax & kept) | source;
    } else {
        trial->flags = compare(source, load(trial->edi, trial->bytes), trial->bytes);
    }
    trial->esi += reads_source ? move : 0;
    trial->edi += uses_target ? move : 0;
    return true;
}

static bool compares(const struct trial *trial)
{
    return trial->opcode == CMPS || trial->opcode == SCAS;
}

/* Up to the end or the next fault. */
static void model_run(struct trial *trial, unsigned ring)
{
    const uint32_t zf = 0x40;
    trial->fault = trial->good_source = trial->good_target = 0;
    while (trial->ecx && step(trial, ring)) {
        trial->ecx--;
        if (compares(trial) && !(trial->flags & zf) == (trial->prefix == REPE)) {
            return;
        }
    }
}

static void set_up(struct trial *trial, struct random *random)
{
    for (unsigned i = 0; i < PAGES; i++) {
        set_leaf(SOURCE + i * PAGE_BYTES, world.source[i] | USER_PAGE);
        set_leaf(TARGET + i * PAGE_BYTES, world.target[i] | USER_PAGE);
    }
    flush_root();
    uint32_t limit = REGION_BYTES - 0x40;
    trial->bytes = 1U << random_below(random, 3);
    trial->down = random_below(random, 2);
    trial->ecx = random_below(random, (REGION_BYTES / 2) / trial->bytes);
    uint32_t length = trial->ecx * trial->bytes;
    trial->esi = random_below(random, limit - length);
    trial->edi = random_below(random, limit - length);
    if (trial->down) {
        trial->esi += length;
        trial->edi += length;
    }
    trial->esi += SOURCE;
    trial->edi += TARGET;
    trial->eax = random_next(random);
    /* Comparisons go on for a while. */
    bool same = trial->prefix == REPE;
    for (uint32_t i = 0; i < REGION_BYTES; i += 4) {
        uint32_t value = compares(trial) ? 0x5a5a5a5a : pattern_word(i, trial->eax);
        *at(SOURCE_MODEL + i) = value;
        *at(TARGET_MODEL + i) = same ? value : ~value;
    }
    if (compares(trial)) {
        uint32_t at_element = random_below(random, trial->ecx + 8) * trial->bytes;
        uint32_t place =
            trial->down ? trial->edi - at_element : trial->edi + at_element;
        if (place >= TARGET && place < TARGET + REGION_BYTES - 4) {
            store(place, 4, same ? 0xa5a5a5a5 : 0x5a5a5a5a);
        }
        trial->eax = 0x5a5a5a5a;
    }
    copy(SOURCE, (const void *)SOURCE_MODEL, REGION_BYTES);
    copy(TARGET, (const void *)TARGET_MODEL, REGION_BYTES);
    /* Then some pages go. CMPS has one region that faults: the order is its own. */
    for (unsigned i = 0; i < PAGES; i++) {
        if (random_below(random, 2)) {
            set_leaf(SOURCE + i * PAGE_BYTES, 0);
        }
        unsigned what = trial->opcode == CMPS ? 3 : random_below(random, 4);
        if (what < 2) {
            set_leaf(TARGET + i * PAGE_BYTES, what ? world.target[i] | P | U : 0);
        }
    }
    flush_root();
}

static void bring(uint32_t address)
{
    unsigned i = address / PAGE_BYTES % PAGES;
    bool target = address >= TARGET;
    i = (address - (target ? TARGET : SOURCE)) / PAGE_BYTES;
    map(address & ~ENTRY_FLAGS,
        (target ? world.target[i] : world.source[i]) | USER_PAGE);
}

static struct context begin_trial(const struct trial *trial, unsigned ring)
{
    static uint8_t code[128];
    unsigned n = 0;
    if (trial->bytes == 2) {
        code[n++] = OPERAND_16;
    }
    code[n++] = trial->prefix;
    code[n++] = trial->opcode + (trial->bytes > 1);
    code[n] = INT3;
    struct context c = at_ring(ring, code);
    c.eax = trial->eax;
    c.ecx = trial->ecx;
    c.esi = trial->esi;
    c.edi = trial->edi;
    c.eflags |= (trial->down ? FLAG_DF : 0) | FLAGS_ALL;
    return c;
}

static void try_one(struct tally *tally, struct random *random, uint8_t opcode,
                    uint8_t prefix, unsigned number)
{
    struct trial trial = {.opcode = opcode, .prefix = prefix, .flags = FLAGS_ALL};
    unsigned ring = number & 1 ? 3 : 0;
    set_up(&trial, random);
    struct context c = begin_trial(&trial, ring);
    for (unsigned i = 0; i < 3 * PAGES; i++) {
        uint32_t ended = run_ended(&c);
        model_run(&trial, ring);
        expect(tally, number, ended, trial.fault);
        expect(tally, number, c.ecx, trial.ecx);
        expect(tally, number, c.esi, trial.esi);
        expect(tally, number, c.edi, trial.edi);
        expect(tally, number, c.eax, trial.eax);
        if (!trial.fault || ended != trial.fault) {
            break;
        }
        expect(tally, number, get_cr2(), trial.cr2);
        bring(trial.cr2);
    }
    expect(tally, number, c.eflags & FLAGS_ALL, trial.flags);
    for (unsigned i = 0; i < PAGES; i++) {
        map(TARGET + i * PAGE_BYTES, world.target[i] | USER_PAGE);
    }
    expect(tally, number, checksum(TARGET, REGION_BYTES),
           checksum(TARGET_MODEL, REGION_BYTES));
}

void torture_strings(void)
{
    static const struct {
        const char *name;
        uint8_t opcode, prefix;
    } kinds[] = {
        {"movs", MOVS, REPE},        {"stos", STOS, REPE},
        {"lods", LODS, REPE},        {"cmps_repe", CMPS, REPE},
        {"cmps_repne", CMPS, REPNE}, {"scas_repe", SCAS, REPE},
        {"scas_repne", SCAS, REPNE}, {"movs_repne", MOVS, REPNE},
    };
    for (unsigned i = 0; i < PAGES; i++) {
        world.source[i] = frame_alloc();
        world.target[i] = frame_alloc();
    }
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct random random = random_new(200 + i);
        struct tally tally = {0};
        begin(kinds[i].name);
        for (unsigned number = 0; number < TRIALS; number++) {
            try_one(&tally, &random, kinds[i].opcode, kinds[i].prefix, number);
        }
        put_tally(&tally);
    }
}
