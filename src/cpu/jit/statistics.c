/* What -stats shows of the JIT. */
#include "cpu/core/instruction_table.h"
#include "cpu/jit/jit.h"

#include <stdio.h>
#include <time.h>

enum { HANDED_SHOWN = 16, FILL_STEPS = 8, NAME_BYTES = 96 };

struct shown {
    cpu_show_statistic *show;
    void *opaque;
};

static void show(const struct shown *to, const char *name, uint64_t count)
{
    to->show(to->opaque, name, count);
}

static uint64_t host_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t jit_translation_begins(struct jit *jit)
{
    uint64_t now = __builtin_ia32_rdtsc();
    if (jit->statistics.first_cycles == 0) {
        jit->statistics.first_cycles = now;
        jit->statistics.first_ns = host_ns();
    }
    return now;
}

/* From bytes to the host's code: what has been decoded and not translated is in it,
 * too. The rate of the time stamp counter is that of the run so far. */
static uint64_t translation_us(const struct cpu *cpu)
{
    const struct jit_statistics *s = &cpu->jit->statistics;
    uint64_t cycles = __builtin_ia32_rdtsc() - s->first_cycles;
    uint64_t spent = s->translating_cycles + cpu->statistics->decoding_cycles;
    if (s->first_cycles == 0 || cycles == 0) {
        return 0;
    }
    return (uint64_t)((unsigned __int128)spent * (host_ns() - s->first_ns) / cycles /
                      1000);
}

/* How full translations are: of the instructions that a block may have. */
static void show_fill(const struct jit *jit, const struct shown *to)
{
    uint64_t counts[FILL_STEPS] = {0};
    const unsigned step = BLOCK_INSTRUCTIONS / FILL_STEPS;
    for (uint32_t i = 0; i < jit->translation_count; i++) {
        counts[(jit->by_address[i]->count - 1) / step]++;
    }
    for (unsigned i = 0; i < FILL_STEPS; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), "translations in use of %u to %u instructions",
                 i * step + 1, (i + 1) * step);
        show(to, name, counts[i]);
    }
}

/* The rows of the instruction table that are handed to the interpreter most. */
static void show_handed(const struct jit *jit, const struct shown *to)
{
    uint64_t below = UINT64_MAX;
    unsigned last = 0;
    for (unsigned shown = 0; shown < HANDED_SHOWN; shown++) {
        unsigned best = instruction_row_count;
        for (unsigned i = 0; i < instruction_row_count; i++) {
            uint64_t count = jit->statistics.handed_by_row[i];
            bool next = count < below || (count == below && i > last);
            if (count && next &&
                (best == instruction_row_count ||
                 count > jit->statistics.handed_by_row[best])) {
                best = i;
            }
        }
        if (best == instruction_row_count) {
            return;
        }
        below = jit->statistics.handed_by_row[best];
        last = best;
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), "… of them %s (%s)",
                 instruction_rows[best].mnemonic,
                 handler_names[instruction_rows[best].handler]);
        show(to, name, below);
    }
}

static void show_views(const struct cpu *cpu, const struct shown *to)
{
    const struct views_statistics *s = views_statistics(cpu);
    show(to, "view accesses that were mapped", s->reached);
    show(to, "view accesses left to the interpreter", s->soft);
    show(to, "mmap calls", s->mmaps);
    show(to, "mprotect calls", s->mprotects);
    show(to, "unmapping calls", s->unmaps);
    show(to, "pages mapped", s->pages_mapped);
    show(to, "pages unmapped", s->pages_unmapped);
    show(to, "views compared with page tables", s->revalidations);
    show(to, "pages compared", s->pages_compared);
    show(to, "views created", s->views_created);
    show(to, "views evicted", s->views_evicted);
    show(to, "host mappings at most", s->mappings_peak);
    show(to, "host calls that failed", s->failed);
}

void jit_show_statistics(const struct cpu *cpu, cpu_show_statistic *function,
                         void *opaque)
{
    const struct jit *jit = cpu->jit;
    const struct jit_statistics *s = &jit->statistics;
    const struct shown to = {function, opaque};
    show(&to, "blocks translated", s->translated_blocks);
    show(&to, "instructions translated", s->translated_instructions);
    show(&to, "translation time in us", translation_us(cpu));
    show(&to, "bytes of translated code", s->translated_bytes);
    show(&to, "translation cache flushes", s->flushes);
    show_fill(jit, &to);
    show(&to, "links made", s->links);
    show(&to, "links cut", s->unlinks);
    show(&to, "exits: a request waits", s->exits[JIT_EXIT_NOTHING]);
    show(&to, "exits: look up an indirect jump", s->exits[JIT_EXIT_LOOKUP]);
    show(&to, "exits: link a direct jump", s->exits[JIT_EXIT_LINK]);
    show(&to, "exits: after an interpreted instruction", s->exits[JIT_EXIT_LEFT]);
    show(&to, "exits: host signals", s->exits[JIT_EXIT_TRAP]);
    show(&to, "signals: page not mapped", s->page_traps);
    show(&to, "signals: of them not for mapping", s->soft_traps);
    show(&to, "signals: budget used up", s->budget_traps);
    show(&to, "signals: requests of other threads", s->kicks);
    show(&to, "signals: vector registers not loaded", s->vector_traps);
    show(&to, "signals: others", s->other_traps);
    show(&to, "blocks interpreted", s->interpreted_blocks);
    show_views(cpu, &to);
    show(&to, "instructions handed to the interpreter", s->handed_over);
    show_handed(jit, &to);
}
