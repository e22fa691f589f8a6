#include "form_encode.h"

enum {
    CODE_16 = SLOT + 8 * FORM_SEGMENTS,
    ISLAND_PAGES = 4,
    INT3 = 0xcc,
    WIDEST = 32,
    XCR0_AVX = 7,
};

const struct form_operation form_operations[] = {
    {.name = "load_8", .opcode = {0x8a}, .opcode_bytes = 1, .bytes = 1},
    {.name = "load_16", .opcode = {0x66, 0x8b}, .opcode_bytes = 2, .bytes = 2},
    {.name = "load_32", .opcode = {0x8b}, .opcode_bytes = 1, .bytes = 4},
    {.name = "store_8",
     .opcode = {0x88},
     .opcode_bytes = 1,
     .bytes = 1,
     .access = ACCESS_WRITE},
    {.name = "store_16",
     .opcode = {0x66, 0x89},
     .opcode_bytes = 2,
     .bytes = 2,
     .access = ACCESS_WRITE},
    {.name = "store_32",
     .opcode = {0x89},
     .opcode_bytes = 1,
     .bytes = 4,
     .access = ACCESS_WRITE},
    {.name = "not_32",
     .opcode = {0xf7},
     .opcode_bytes = 1,
     .reg = 2,
     .bytes = 4,
     .access = ACCESS_WRITE,
     .modifies = true},
    {.name = "not_8",
     .opcode = {0xf6},
     .opcode_bytes = 1,
     .reg = 2,
     .bytes = 1,
     .access = ACCESS_WRITE,
     .modifies = true},
    {.name = "load_64",
     .opcode = {0x0f, 0x6f},
     .opcode_bytes = 2,
     .bytes = 8,
     .wide = true},
    {.name = "store_64",
     .opcode = {0x0f, 0x7f},
     .opcode_bytes = 2,
     .bytes = 8,
     .access = ACCESS_WRITE,
     .wide = true},
    {.name = "load_80",
     .opcode = {0xdb},
     .opcode_bytes = 1,
     .reg = 5,
     .bytes = 10,
     .wide = true},
    {.name = "store_80",
     .opcode = {0xdb},
     .opcode_bytes = 1,
     .reg = 7,
     .bytes = 10,
     .access = ACCESS_WRITE,
     .wide = true},
    {.name = "load_128",
     .opcode = {0x0f, 0x10},
     .opcode_bytes = 2,
     .bytes = 16,
     .wide = true},
    {.name = "store_128",
     .opcode = {0x0f, 0x11},
     .opcode_bytes = 2,
     .bytes = 16,
     .access = ACCESS_WRITE,
     .wide = true},
    {.name = "load_256",
     .opcode = {0xc5, 0xfc, 0x10},
     .opcode_bytes = 3,
     .bytes = 32,
     .wide = true,
     .avx = true},
    {.name = "store_256",
     .opcode = {0xc5, 0xfc, 0x11},
     .opcode_bytes = 3,
     .bytes = 32,
     .access = ACCESS_WRITE,
     .wide = true,
     .avx = true},
};
const unsigned form_operation_count =
    sizeof(form_operations) / sizeof(form_operations[0]);

static const uint32_t islands[] = {0,          0xc000,     0x10000,   0x7fffe000,
                                   0xbffff000, 0xfffee000, 0xffffc000};
static const uint32_t extremes[] = {
    0,          1,          2,          3,          4,          8,
    0x7f,       0x80,       0xfff,      0x1000,     0xffff,     0x10000,
    0x40000000, 0x7fffffff, 0x80000000, 0xc0000000, 0xfffffffc, 0xfffffffe,
    0xffffffff, 0xffffff80, 0xfffff000, 0xffff0000};

static bool avx_on(void)
{
    const uint32_t xsave_avx = 1U << 26 | 1U << 28;
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & xsave_avx) != xsave_avx) {
        return false;
    }
    set_cr4(get_cr4() | CR4_OSXSAVE);
    __asm__ volatile("xsetbv" ::"a"(XCR0_AVX), "d"(0), "c"(0));
    return true;
}

void forms_map(void)
{
    for (uint32_t page = 0; page < 0x20000; page += PAGE_BYTES) {
        map(page, 0); /* the firmware's */
    }
    for (unsigned i = 0; i < sizeof(islands) / sizeof(islands[0]); i++) {
        for (unsigned page = 0; page < ISLAND_PAGES; page++) {
            map(islands[i] + page * PAGE_BYTES, frame_alloc() | USER_PAGE);
        }
    }
}

bool form_begin(const struct form_operation *operation)
{
    for (unsigned i = 0; i < sizeof(islands) / sizeof(islands[0]); i++) {
        for (unsigned page = 0; page < ISLAND_PAGES; page++) {
            uint32_t frame = (uint32_t)leaf_of(islands[i] + page * PAGE_BYTES);
            fill_pattern(frame & ~ENTRY_FLAGS, PAGE_BYTES, i * ISLAND_PAGES + page);
        }
    }
    return !operation->avx || avx_on();
}

uint32_t form_edge(struct random *random)
{
    uint32_t island =
        islands[random_below(random, sizeof(islands) / sizeof(islands[0]))];
    uint32_t edge = island + random_below(random, ISLAND_PAGES + 1) * PAGE_BYTES;
    return edge + random_below(random, 0x48) - 0x28;
}

struct form_segment form_segment_flat(unsigned slot, uint32_t base)
{
    uint32_t selector = (SLOT + 8 * slot) | 3;
    gdt_set(selector, base, 0xfffff, PRESENT | DPL3 | DATA_WRITE | BIG | GRANULAR);
    return (struct form_segment){
        .selector = selector,
        .base = base,
        .last = 0xffffffff,
        .whole = true,
        .readable = true,
        .writable = true,
    };
}

static uint32_t extreme(struct random *random)
{
    unsigned count = sizeof(extremes) / sizeof(extremes[0]);
    unsigned i = random_below(random, count + 4);
    return i < count ? extremes[i] : random_next(random);
}

static volatile uint8_t *byte_of(uint32_t linear)
{
    return byte_at(((uint32_t)translation(current_root(), linear) & ~ENTRY_FLAGS) |
                   (linear & ENTRY_FLAGS));
}

/* How the access has to end; *cr2 for a page fault. */
static uint32_t model_end(const struct form *form,
                          const struct form_operation *operation,
                          const struct form_segment *segment, unsigned ring,
                          uint32_t *cr2)
{
    const uint32_t stack_fault = 12;
    bool write = operation->access == ACCESS_WRITE;
    uint64_t last = (uint64_t)form->offset + operation->bytes - 1;
    bool inside =
        segment->whole || (form->offset >= segment->first && last <= segment->last);
    if (!inside || !(write ? segment->writable : segment->readable) ||
        (operation->modifies && !segment->readable)) {
        return ENDED_OTHER | (form->segment == FORM_SS ? stack_fault : VECTOR_GP);
    }
    for (unsigned i = 0; i < operation->bytes; i++) {
        uint32_t linear = segment->base + form->offset + i;
        uint32_t ended =
            wanted_end(translation(current_root(), linear), operation->access, ring);
        if (ended) {
            *cr2 = linear;
            return ended;
        }
    }
    return 0;
}

/* What the FPU and the vector unit begin with, and what they hold then. */
static void load_wide(const struct form_operation *operation, const uint8_t *from)
{
    if (operation->avx) {
        __asm__ volatile("vmovups (%0), %%ymm0" ::"r"(from));
    } else if (operation->bytes == 16) {
        __asm__ volatile("movups (%0), %%xmm0" ::"r"(from));
    } else if (operation->bytes == 8) {
        __asm__ volatile("fninit; movq (%0), %%mm0" ::"r"(from));
    } else {
        __asm__ volatile("fninit; fldt (%0)" ::"r"(from));
    }
}

static void store_wide(const struct form_operation *operation, uint8_t *to)
{
    if (operation->avx) {
        __asm__ volatile("vmovups %%ymm0, (%0); vzeroupper" ::"r"(to) : "memory");
    } else if (operation->bytes == 16) {
        __asm__ volatile("movups %%xmm0, (%0)" ::"r"(to) : "memory");
    } else if (operation->bytes == 8) {
        __asm__ volatile("movq %%mm0, (%0); emms" ::"r"(to) : "memory");
    } else {
        __asm__ volatile("fstpt (%0)" ::"r"(to) : "memory");
    }
}

/* Numbers that FLDT and FSTPT leave alone. */
static void fill_value(uint8_t value[WIDEST], struct random *random)
{
    for (unsigned i = 0; i < WIDEST; i++) {
        value[i] = (uint8_t)random_next(random);
    }
    value[7] |= 0x80;
}

static void begin_form(struct form *form, struct random *random, unsigned ring,
                       const struct form_segment segments[FORM_SEGMENTS])
{
    struct context *c = &form->context;
    *c = placed(ring, USER_TEXT);
    if (form->code_16) {
        c->cs = CODE_16 | 3;
        c->eip = 0;
        gdt_set(c->cs, USER_TEXT, 0xffff, PRESENT | DPL3 | CODE_READ);
    }
    c->eax = extreme(random);
    c->ecx = extreme(random);
    c->edx = extreme(random);
    c->ebx = extreme(random);
    c->ebp = extreme(random);
    c->esi = extreme(random);
    c->edi = extreme(random);
    c->ds = segments[FORM_DS].selector;
    c->es = segments[FORM_ES].selector;
    c->fs = segments[FORM_FS].selector;
    c->gs = segments[FORM_GS].selector;
    if (ring == 3) {
        c->esp = extreme(random);
        c->ss = segments[FORM_SS].selector;
    }
    uint32_t *registers[] = {&c->eax, &c->ecx, &c->edx, &c->ebx,
                             &c->esp, &c->ebp, &c->esi, &c->edi};
    for (unsigned i = 0; i < 8; i++) {
        form->registers[i] = registers[i];
    }
}

/* Memory as the operand has to leave it. */
static void expect_memory(struct tally *tally, uint32_t linear, unsigned bytes,
                          const uint8_t *wanted)
{
    for (unsigned i = 0; i < bytes; i++) {
        expect(tally, linear + i, *byte_of(linear + i), wanted[i]);
    }
}

/* After a run without a fault. */
static void expect_value(struct tally *tally, const struct form_operation *operation,
                         const struct form *form, uint32_t eax, uint32_t linear,
                         const uint8_t *before, const uint8_t *value)
{
    uint8_t found[WIDEST], wanted[WIDEST];
    for (unsigned i = 0; i < operation->bytes; i++) {
        wanted[i] = operation->modifies ? (uint8_t)~before[i]
                    : operation->access == ACCESS_READ
                        ? before[i]
                        : (operation->wide ? value[i] : (uint8_t)(eax >> 8 * i));
        found[i] = (uint8_t)(form->context.eax >> 8 * (i & 3));
    }
    if (operation->access == ACCESS_WRITE) {
        expect_memory(tally, linear, operation->bytes, wanted);
        return;
    }
    if (operation->wide) {
        store_wide(operation, found);
    }
    for (unsigned i = 0; i < operation->bytes; i++) {
        expect(tally, linear + i, found[i], wanted[i]);
    }
}

void form_try(struct tally *tally, struct random *random,
              const struct form_operation *operation, unsigned ring,
              const struct form_segment segments[FORM_SEGMENTS], unsigned segment,
              uint32_t wanted)
{
    bool code_16 = ring == 3 && segment != FORM_CS && !operation->avx;
    struct form form = {.code_16 = code_16 && random_below(random, 4) == 0};
    uint8_t before[WIDEST] = {0}, value[WIDEST];
    bool narrow = random_below(random, 4) == 0;
    begin_form(&form, random, ring, segments);
    fill_value(value, random);
    (narrow ? form_encode_16 : form_encode_32)(&form, random, operation, segment,
                                               wanted);
    form_put_byte(&form, INT3);
    copy(USER_TEXT, form.code, form.length);
    uint32_t linear = segments[segment].base + form.offset, cr2 = 0;
    uint32_t ended = model_end(&form, operation, &segments[segment], ring, &cr2);
    uint32_t eax = form.context.eax;
    for (unsigned i = 0; i < operation->bytes; i++) {
        uint64_t entry = translation(current_root(), linear + i);
        bool program = linear + i >= USER_TEXT && linear + i < USER_STACK;
        if ((entry & P) && (!(entry & U) || program)) {
            return; /* the kernel's own memory, or the program's */
        }
        before[i] =
            translation(current_root(), linear + i) & P ? *byte_of(linear + i) : 0;
    }
    if (!ended && operation->bytes == 10 && operation->access == ACCESS_READ) {
        before[7] |= 0x80; /* a number */
        *byte_of(linear + 7) = before[7];
    }
    if (operation->wide) {
        load_wide(operation, value);
    }
    uint32_t found = run_ended(&form.context);
    uint32_t mask = operation->modifies ? ~(uint32_t)ERROR_WRITE : ~0U;
    expect(tally, linear, found & mask, ended & mask);
    if (ended & ENDED_FAULT) {
        expect(tally, linear, get_cr2(), cr2);
    }
    if (ended || found) {
        expect(tally, linear, form.context.eax, eax);
        return;
    }
    expect_value(tally, operation, &form, eax, linear, before, value);
}
