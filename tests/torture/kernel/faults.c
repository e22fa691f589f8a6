/* Page faults in every kind of instruction: the error code and CR2; registers, flags,
 * memory and the FPU as before the instruction; the instruction then done again, with
 * the result that it has without a fault; accessed and dirty bits. */
#include "instructions.h"

enum {
    PAGE = WINDOW,
    STOP = USER_TEXT + 0x800, /* an INT3 */
    INT3 = 0xcc,
    EAX = 0x11223344,
    ECX = 2,
    FXSAVE_BYTES = 512,
    FXSAVE_POINTERS = 6, /* FOP, FIP and FDP, which vary */
    FXSAVE_MXCSR = 24,
    FXSAVE_END = 288,      /* of the registers */
    CONTROL_WORD = 0x1fbf, /* as FCW, FSW and MXCSR */
};

/* Which of the two pages at PAGE are how. */
enum layout {
    GOOD,
    ABSENT,
    SECOND_ABSENT,
    FIRST_ABSENT,
    READ_ONLY,
    SUPERVISOR,
    LAYOUTS
};
static const char *const layout_names[] = {"",      "absent",    "second",
                                           "first", "read-only", "supervisor"};

/* All that an instruction could change. */
struct outcome {
    struct context context;
    uint32_t memory, fpu;
};

static struct {
    uint32_t frames[2];
    uint8_t fpu[FXSAVE_BYTES] __attribute__((aligned(16)));
} world;

static void map_layout(enum layout layout)
{
    uint32_t bits = layout == READ_ONLY    ? P | U
                    : layout == SUPERVISOR ? P | W
                                           : USER_PAGE;
    bool first = layout != ABSENT && layout != FIRST_ABSENT;
    bool second = layout != ABSENT && layout != SECOND_ABSENT;
    map(PAGE, first ? world.frames[0] | bits : 0);
    map(PAGE + PAGE_BYTES, second ? world.frames[1] | bits : 0);
}

static void fill_operand(const struct instruction *instruction, uint32_t operand,
                         unsigned ring)
{
    uint32_t cs = ring == 3 ? USER_CODE : KERNEL_CODE;
    fill_pattern(PAGE, 2 * PAGE_BYTES, instruction->bytes);
    for (uint32_t i = 0; i < instruction->bytes; i += 4) {
        uint32_t value = pattern_word(i, 77);
        if (instruction->does & POINTERS) {
            value = i == 0 ? STOP : i == 4 ? cs : 2;
        } else if (instruction->does & SELECTORS) {
            value = USER_DATA;
        } else if (instruction->does & CONTROLS) {
            value = CONTROL_WORD;
        } else if (instruction->does & BOUNDS) {
            value = i == 0 ? 0 : 0x7fffffff;
        }
        *at(operand + i) = value;
    }
}

/* Three registers of x87 in use, all of XMM with contents. */
static void load_fpu(void)
{
    static uint8_t start[FXSAVE_BYTES] __attribute__((aligned(16)));
    fill_pattern((uint32_t)start + 32, FXSAVE_BYTES - 32, 9);
    *at((uint32_t)start) = 0x37f | 5 << 27; /* FCW, TOP */
    *at((uint32_t)start + 4) = 0xe0;        /* registers 5 to 7 */
    *at((uint32_t)start + FXSAVE_MXCSR) = 0x1f80;
    for (unsigned i = 0; i < 8; i++) {
        *at((uint32_t)start + 32 + 16 * i + 8) = 0x4000 + i; /* numbers around 3 */
        *at((uint32_t)start + 32 + 16 * i + 4) |= 0x80000000;
    }
    __asm__ volatile("fxrstor %0" ::"m"(start));
}

static uint32_t sum_fpu(void)
{
    __asm__ volatile("fxsave %0" : "=m"(world.fpu));
    fill((uint32_t)world.fpu + FXSAVE_POINTERS, 0, FXSAVE_MXCSR - FXSAVE_POINTERS);
    __asm__ volatile("fninit");
    return checksum((uint32_t)world.fpu, FXSAVE_END);
}

static uint32_t sum_memory(void)
{
    return checksum(world.frames[0], PAGE_BYTES) ^
           checksum(world.frames[1], PAGE_BYTES) * 3;
}

static struct context begin_at(const struct instruction *instruction, uint32_t operand,
                               unsigned ring, uint32_t flags)
{
    struct context c = at_ring(ring, instruction->code);
    c.ebx = c.esi = c.edi = operand;
    c.eax = EAX;
    c.ecx = ECX;
    c.ebp = c.esp - 0x100;
    if (instruction->does & PUSHES) {
        c.esp = operand + instruction->bytes;
    } else if (instruction->does & POPS) {
        c.esp = operand;
    } else if (instruction->does & FRAME) {
        c.ebp = operand;
    }
    c.eflags |= flags;
    return c;
}

static void take(struct outcome *outcome)
{
    run(&outcome->context);
    outcome->fpu = sum_fpu();
    outcome->memory = sum_memory();
}

static bool same_registers(const struct context *a, const struct context *b)
{
    return a->eax == b->eax && a->ecx == b->ecx && a->edx == b->edx &&
           a->ebx == b->ebx && a->esp == b->esp && a->ebp == b->ebp &&
           a->esi == b->esi && a->edi == b->edi && a->eflags == b->eflags &&
           a->cs == b->cs && (a->ss & 0xffff) == (b->ss & 0xffff) &&
           (a->ds & 0xffff) == (b->ds & 0xffff) &&
           (a->es & 0xffff) == (b->es & 0xffff) && (a->gs & 0xffff) == (b->gs & 0xffff);
}

/* The whole outcome without a fault. */
static struct outcome without_fault(const struct instruction *instruction,
                                    uint32_t operand, unsigned ring, uint32_t flags)
{
    struct outcome outcome;
    map_layout(GOOD);
    fill_operand(instruction, operand, ring);
    outcome.context = begin_at(instruction, operand, ring, flags);
    load_fpu();
    take(&outcome);
    return outcome;
}

/* The snippet's instructions before the one with the operand change registers: what
 * they do is seen by running up to the fault with nothing mapped. */
static void put_fault(const struct instruction *instruction,
                      const struct outcome *fault, uint32_t operand)
{
    /* A processor reports what it did first, the read or the write. */
    uint32_t mask =
        (instruction->does & KIND) == MODIFIES ? ~(uint32_t)ERROR_WRITE : ~0U;
    uint32_t page = get_cr2() - operand;
    put(" %x+%x", fault->context.error & mask, page);
}

static void try_layout(const struct instruction *instruction, enum layout layout,
                       unsigned ring)
{
    bool crosses = layout == SECOND_ABSENT || layout == FIRST_ABSENT;
    uint32_t operand =
        crosses ? PAGE + PAGE_BYTES - (instruction->bytes + 1) / 2 : PAGE + 0x200;
    uint32_t flags = (layout & 1) ? FLAGS_ALL : 0;
    if (crosses && (instruction->bytes == 1 || (instruction->does & ALIGNED))) {
        return;
    }
    struct outcome good = without_fault(instruction, operand, ring, flags), fault;
    fill_operand(instruction, operand, ring);
    uint32_t memory = sum_memory();
    map_layout(layout);
    fault.context = begin_at(instruction, operand, ring, flags);
    struct context before = fault.context;
    load_fpu();
    uint32_t fpu = sum_fpu();
    load_fpu();
    take(&fault);
    put(" %s", layout_names[layout]);
    if (fault.context.vector == VECTOR_PF) {
        put_fault(instruction, &fault, operand);
        bool first = fault.context.eip == fault.context.code;
        if (first && !same_registers(&before, &fault.context)) {
            put(" registers-changed");
        }
        if (fault.memory != memory) {
            put(" memory-changed");
        }
        if (fault.fpu != fpu) {
            put(" fpu-changed");
        }
        map_layout(GOOD);
        load_fpu();
        take(&fault);
    } else {
        put("+");
    }
    if (!same_registers(&good.context, &fault.context) ||
        good.context.eip != fault.context.eip || good.memory != fault.memory ||
        good.fpu != fault.fpu) {
        put(" other-result");
    }
}

/* The bits that the access leaves in the entry of a small and of a large page. */
static void put_bits(const struct instruction *instruction, unsigned ring)
{
    uint32_t large = WINDOW + 4 * large_bytes();
    uint32_t entries[2] = {leaf_entry(current_root(), PAGE),
                           directory_entry(current_root(), large)};
    map_layout(GOOD);
    put(" bits");
    for (unsigned i = 0; i < 2; i++) {
        uint32_t linear = (i ? large : PAGE) + 0x200;
        fill_operand(instruction, PAGE + 0x200, ring);
        if (i) {
            entry_write(entries[1], LARGE_FRAMES | USER_PAGE | LARGE);
            flush_root();
            copy(large, (const void *)PAGE, PAGE_BYTES);
        }
        *at(entries[i]) &= ~(uint32_t)(A | D);
        flush_root();
        struct context c = begin_at(instruction, linear, ring, 0);
        load_fpu();
        run(&c);
        sum_fpu();
        put(" %x", *at(entries[i]) & (A | D));
    }
}

static void test_ring(unsigned ring)
{
    for (unsigned i = 0; i < instruction_count; i++) {
        const struct instruction *instruction = &instructions[i];
        if (ring == 0 && (instruction->does & BY_STACK)) {
            continue;
        }
        begin(joined(ring ? "user" : "kernel", instruction->name));
        struct outcome good = without_fault(instruction, PAGE + 0x200, ring, 0);
        if (good.context.vector != 3) {
            put_ending(&good.context);
            continue;
        }
        for (enum layout layout = ABSENT; layout < (ring ? LAYOUTS : SUPERVISOR);
             layout++) {
            try_layout(instruction, layout, ring);
        }
        put_bits(instruction, ring);
    }
}

void torture_faults(void)
{
    world.frames[0] = frame_alloc();
    frame_alloc();
    world.frames[1] = frame_alloc();
    *byte_at(STOP) = INT3;
    test_ring(3);
    test_ring(0);
}
