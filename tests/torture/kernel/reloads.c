/* Segment registers loaded over and over by the same code, while the descriptors change
 * under it: what a register holds is the descriptor as it was when it was loaded (SDM
 * vol. 3, 3.4.3), and each load checks anew (vol. 2, MOV). */
#include "torture.h"

enum {
    TRIES = 1500,
    SEGMENTS = 5, /* so many that some share a place wherever selectors are hashed */
    PAGES = 4,
    VECTOR_NP = 11,
};

SNIPPET(reload_thread, "mov %ax, %fs; mov %fs:(%ebx), %ecx; mov %dx, %gs;"
                       "mov %gs:(%ebx), %esi");
SNIPPET(reload_plain, "mov %ax, %es; mov %es:(%ebx), %ecx; mov %dx, %ds;"
                      "mov %ds:(%ebx), %esi");
/* The selectors come from memory that DS reaches as it was. */
SNIPPET(reload_stored, "mov %ax, (%edi); mov %dx, 4(%edi); mov (%edi), %fs;"
                       "mov %fs:(%ebx), %ecx; mov 4(%edi), %gs; mov %gs:(%ebx), %esi");

static const uint8_t *const snippets[] = {reload_thread, reload_plain, reload_stored};

static struct segment {
    uint32_t base, limit, bits;
} segments[SEGMENTS];

static void change(struct random *random, unsigned i)
{
    static const uint32_t types[] = {DATA_WRITE, DATA_WRITE, DATA_WRITE,  DATA_READ,
                                     CODE_READ,  CODE_READ,  CODE_EXECUTE};
    struct segment *segment = &segments[i];
    bool flat = random_below(random, 3) == 0;
    segment->base = flat ? 0 : WINDOW + PAGE_BYTES * random_below(random, PAGES - 1);
    segment->limit = flat ? 0xfffff : random_below(random, PAGE_BYTES);
    segment->bits = types[random_below(random, sizeof(types) / sizeof(types[0]))] |
                    BIG | (flat ? GRANULAR : 0) |
                    (random_below(random, 8) ? PRESENT : 0) |
                    (random_below(random, 4) ? DPL3 : 0);
    gdt_set(SLOT + 8 * i, segment->base, segment->limit, segment->bits);
}

/* Null, of all privileges, or a segment. */
static uint32_t any_selector(struct random *random)
{
    uint32_t privilege = random_below(random, 4) ? 3 : random_below(random, 4);
    return random_below(random, 6)
               ? (SLOT + 8 * random_below(random, SEGMENTS)) | privilege
               : privilege;
}

/* How a load has to end, as run_ended() tells it; 0: with success. */
static uint32_t load_end(uint32_t selector, unsigned ring)
{
    if (selector < 4) {
        return 0;
    }
    const struct segment *segment = &segments[(selector - SLOT) / 8];
    unsigned privilege = segment->bits & DPL3 ? 3 : 0, asked = selector & 3;
    if ((segment->bits & 0x1a) == CODE_EXECUTE || asked > privilege ||
        ring > privilege) {
        return ENDED_OTHER | VECTOR_GP;
    }
    return segment->bits & PRESENT ? 0 : ENDED_OTHER | VECTOR_NP;
}

static uint32_t access_end(uint32_t selector, uint32_t offset)
{
    if (selector < 4) {
        return ENDED_OTHER | VECTOR_GP;
    }
    const struct segment *segment = &segments[(selector - SLOT) / 8];
    bool inside = (segment->bits & GRANULAR) || offset + 3 <= segment->limit;
    return inside ? 0 : ENDED_OTHER | VECTOR_GP;
}

static uint32_t value_at(uint32_t selector, uint32_t offset)
{
    return *(const uint32_t *)(segments[(selector - SLOT) / 8].base + offset);
}

static void try_one(struct tally *tally, struct random *random, unsigned ring)
{
    struct context c = at_ring(ring, snippets[random_below(random, 3)]);
    uint32_t first = any_selector(random), second = any_selector(random);
    bool far = random_below(random, 2);
    uint32_t offset = far ? WINDOW + random_below(random, PAGE_BYTES)
                          : random_below(random, PAGE_BYTES - 4);
    c.eax = first;
    c.edx = second;
    c.ebx = offset;
    c.edi = WINDOW + PAGES * PAGE_BYTES - 8;
    uint32_t ended = load_end(first, ring);
    ended = ended ? ended : access_end(first, offset);
    bool read = !ended && (far || segments[(first - SLOT) / 8].base);
    if (!ended && !read) {
        return; /* of the low pages nobody knows what they hold */
    }
    uint32_t value = read ? value_at(first, offset) : 0;
    ended = ended ? ended : load_end(second, ring);
    ended = ended ? ended : access_end(second, offset);
    if (!ended && !far && !segments[(second - SLOT) / 8].base) {
        return;
    }
    expect(tally, first << 16 | second, run_ended(&c), ended);
    expect(tally, offset, c.ecx, value);
    if (!ended) {
        expect(tally, offset, c.esi, value_at(second, offset));
    }
}

static void test_ring(const char *name, unsigned ring)
{
    struct random random = random_new(600 + ring);
    struct tally tally = {0};
    begin(name);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        change(&random, i);
    }
    for (unsigned n = 0; n < TRIES; n++) {
        if (random_below(&random, 4) == 0) {
            change(&random, random_below(&random, SEGMENTS));
        }
        try_one(&tally, &random, ring);
    }
    put_tally(&tally);
}

void limits_of_reloads(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        map(WINDOW + i * PAGE_BYTES, frame_alloc() | USER_PAGE);
    }
    fill_pattern(WINDOW, PAGES * PAGE_BYTES, 600);
    test_ring("reloads_kernel", 0);
    test_ring("reloads_user", 3);
}
