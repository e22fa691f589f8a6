/* Which pages of guest code the host's processor may execute as they are.
 *
 * Some instructions are not privileged, and yet would show the host, or do another
 * thing than on the guest's processor: CPUID, RDTSC, those that read or load selectors,
 * those that read descriptor table registers, XSAVE of more state than the guest knows,
 * and those by which the host's kernel would be entered at a place that it does not
 * tell us. A page that has one is left to the interpreter and the JIT.
 *
 * Code is not marked as such, and instructions have any length. What looks like one of
 * these is taken for one if decoding comes to it: from the beginning of the page, from
 * where it was entered, or from any of the places just before, as decoding that begins
 * at a wrong place finds the right one within a few instructions. PUSH and POP of
 * segment registers by their opcodes of one byte are not looked for (docs/fidelity.md).
 */
#include "cpu/direct/direct.h"

#include "cpu/core/fpu.h"
#include "cpu/decoder/decoder.h"

enum {
    MAXIMUM_LENGTH = 15,
    LEAD = 48,                 /* where decoding finds the right place for sure */
    REWRITES = 8,              /* in a row, before a page is refused for that */
    ENTRIES_BETWEEN = 2000,    /* rewrites that are farther apart are not in a row */
    ENTRIES_REFUSED = 1000000, /* how long such a page stays refused */
    REFUSED_FOR_REWRITES = -3, /* a verdict: VIEWS_REFUSED, for some time */
};

/* A page's bytes, and at which of them decoding has begun an instruction. */
struct scan {
    const uint8_t *bytes;
    uint32_t mode;
    bool vex_allowed, mark_int80;
    uint64_t starts[PAGE_BYTES / 64];
};

static bool is_memory(uint8_t modrm)
{
    return modrm < 0xc0;
}

static unsigned reg_of(uint8_t modrm)
{
    return (modrm >> 3) & 7;
}

/* The byte behind 0F, and the one behind that. */
static bool is_marked_0f(uint8_t opcode, uint8_t modrm)
{
    switch (opcode) {
    case 0x00: /* SLDT, STR, VERR, VERW */
    case 0x01: /* SGDT, SIDT, SMSW, XGETBV, RDTSCP */
    case 0x02: /* LAR */
    case 0x03: /* LSL */
    case 0x05: /* SYSCALL */
    case 0x31: /* RDTSC */
    case 0x34: /* SYSENTER */
    case 0xa0: /* PUSH FS */
    case 0xa1: /* POP FS */
    case 0xa2: /* CPUID */
    case 0xa8: /* PUSH GS */
    case 0xa9: /* POP GS */
    case 0xb2: /* LSS */
    case 0xb4: /* LFS */
    case 0xb5: /* LGS */
        return true;
    case 0xae: /* XSAVE, XRSTOR, XSAVEOPT */
        return is_memory(modrm) && reg_of(modrm) >= 4 && reg_of(modrm) <= 6;
    case 0xc7: /* XRSTORS, XSAVEC, XSAVES */
        return is_memory(modrm) && reg_of(modrm) >= 3 && reg_of(modrm) <= 5;
    default:
        return false;
    }
}

/* Whether it could be one of the instructions meant; what is behind the page counts as
 * anything. */
static bool is_marked(const struct scan *scan, unsigned at)
{
    const uint8_t *bytes = scan->bytes + at;
    unsigned left = PAGE_BYTES - at;
    switch (bytes[0]) {
    case 0x0f:
        return left < 3 || is_marked_0f(bytes[1], bytes[2]);
    case 0x8c: /* MOV of segment registers */
    case 0x8e:
        return left < 2 || reg_of(bytes[1]) < SEGMENT_COUNT;
    case 0xc4: /* LES, or VEX */
    case 0xc5: /* LDS, or VEX */
        return left < 2 || is_memory(bytes[1]) || !scan->vex_allowed;
    case 0x62: /* EVEX: the guest's processor has no AVX-512 */
        return left < 2 || !is_memory(bytes[1]);
    case 0xcd: /* INT 80h */
        return scan->mark_int80 && (left < 2 || bytes[1] == 0x80);
    default:
        return false;
    }
}

static bool has_begun(const struct scan *scan, unsigned at)
{
    return scan->starts[at / 64] >> (at % 64) & 1;
}

static unsigned length_at(const struct scan *scan, unsigned at)
{
    struct instruction instruction;
    unsigned left = PAGE_BYTES - at;
    enum decode_result result = decode_instruction(
        &instruction, scan->bytes + at, left < MAXIMUM_LENGTH ? left : MAXIMUM_LENGTH,
        at, scan->mode);
    return result == DECODE_OK ? instruction.length : 1;
}

/* Decodes from `at` up to `end`, or to where decoding has been. */
static void decode_from(struct scan *scan, unsigned at, unsigned end)
{
    while (at < end && !has_begun(scan, at)) {
        scan->starts[at / 64] |= 1ULL << (at % 64);
        at += length_at(scan, at);
    }
}

static bool may_begin(struct scan *scan, unsigned at)
{
    unsigned first = at > LEAD + MAXIMUM_LENGTH ? at - LEAD - MAXIMUM_LENGTH : 0;
    unsigned end = at > LEAD ? at - LEAD : 1;
    for (unsigned from = first; from < end && !has_begun(scan, at); from++) {
        /* Away from the marks of the main decoding: these are but guesses. */
        unsigned here = from;
        while (here < at) {
            here += length_at(scan, here);
        }
        if (here == at) {
            return true;
        }
    }
    return has_begun(scan, at);
}

static bool has_marked_instruction(struct scan *scan, unsigned entered_at)
{
    bool decoded = false;
    for (unsigned at = 0; at < PAGE_BYTES; at++) {
        if (__builtin_expect(!is_marked(scan, at), 1)) {
            continue;
        }
        if (!decoded) {
            decode_from(scan, entered_at, PAGE_BYTES);
            decode_from(scan, 0, PAGE_BYTES);
            decoded = true;
        }
        if (may_begin(scan, at)) {
            return true;
        }
    }
    return false;
}

/* Looks at a page of RAM, and has it watched from then on. DMA holds the lock, too. */
static int look_at(struct direct *direct, uint32_t ram_page, unsigned entered_at)
{
    struct cpu *cpu = direct->cpu;
    struct scan scan = {
        .bytes = cpu->wiring.memory->ram->host + ((uint64_t)ram_page << PAGE_SHIFT),
        .mode = cpu->code_mode,
        .vex_allowed = direct->vex_allowed,
        .mark_int80 = direct->mark_int80,
    };
    fpu_park(cpu);
    lock_take(cpu->wiring.lock);
    code_cache_watch_page(cpu, ram_page);
    bool refused = has_marked_instruction(&scan, entered_at);
    lock_release(cpu->wiring.lock);
    direct->statistics.examined++;
    direct->statistics.refused += refused;
    return refused ? VIEWS_REFUSED : VIEWS_AS_IT_IS;
}

int direct_examine(void *opaque, gla_t page, uint32_t ram_page, bool fetched)
{
    struct direct *direct = opaque;
    struct verdict *verdict = &direct->verdicts[ram_page];
    if (verdict->shown == REFUSED_FOR_REWRITES &&
        direct->entries - verdict->since > ENTRIES_REFUSED) {
        *verdict = (struct verdict){.shown = VIEWS_UNKNOWN};
    }
    if (verdict->shown == VIEWS_UNKNOWN && fetched) {
        unsigned at = page >> PAGE_SHIFT == direct->cpu->eip >> PAGE_SHIFT
                          ? direct->cpu->eip & PAGE_OFFSET_MASK
                          : 0;
        verdict->shown = verdict->rewrites >= REWRITES
                             ? REFUSED_FOR_REWRITES
                             : (int16_t)look_at(direct, ram_page, at);
        verdict->since = direct->entries;
    }
    return verdict->shown == REFUSED_FOR_REWRITES ? VIEWS_REFUSED : verdict->shown;
}

void direct_page_written(void *opaque, uint64_t ram_page)
{
    struct direct *direct = opaque;
    struct verdict *verdict = &direct->verdicts[ram_page];
    bool soon = direct->entries - verdict->since < ENTRIES_BETWEEN;
    int shown = verdict->shown;
    verdict->rewrites = soon ? (uint8_t)(verdict->rewrites + 1) : 0;
    verdict->shown = VIEWS_UNKNOWN;
    direct->statistics.rewritten++;
    if (shown >= VIEWS_AS_IT_IS) {
        views_forbid_execution(direct->cpu, (uint32_t)ram_page, shown > VIEWS_AS_IT_IS);
    }
}

void direct_forget_verdicts(struct direct *direct)
{
    for (uint64_t page = 0; page < direct->ram_pages; page++) {
        int shown = direct->verdicts[page].shown;
        direct->verdicts[page] = (struct verdict){.shown = VIEWS_UNKNOWN};
        if (shown >= VIEWS_AS_IT_IS) {
            views_forbid_execution(direct->cpu, (uint32_t)page, shown > VIEWS_AS_IT_IS);
        }
    }
}
