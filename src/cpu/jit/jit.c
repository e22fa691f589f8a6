/* The JIT as an engine: its memory, and what becomes of translations when code changes
 * or moves. */
#define _GNU_SOURCE /* mremap() */
#include "cpu/jit/jit.h"

#include "base/pages.h"
#include "cpu/core/fpu.h"
#include "cpu/interpreter/interpreter.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum {
    CODE_RESERVE = 16 << 10,    /* more than one translation may take */
    RECORDS_RESERVE = 32 << 10, /* likewise */
};

static void block_killed(void *opaque, struct block *block)
{
    struct jit *jit = opaque;
    jit_forget(jit, block->translation);
    block->translation = NULL;
    jit->pending_link = NULL;
    /* It may be the one that runs. */
    atomic_fetch_or(&jit->cpu->request, CPU_REQUEST_CODE);
}

/* A few blocks may as well stay with the interpreter. */
static void watch_changed(void *opaque)
{
    enum { FEW = 64 };
    struct jit *jit = opaque;
    if (jit->left_count <= FEW) {
        return;
    }
    while (jit->left_count) {
        struct block *block = jit->left_blocks[--jit->left_count];
        block->left_alone = 0;
        if (block->translation) {
            jit_forget(jit, block->translation);
            block->translation = NULL;
        }
    }
    jit->pending_link = NULL;
}

static void forget_translations(void *opaque)
{
    struct jit *jit = opaque;
    jit->left_count = 0;
    jit->emitter.at = (uint8_t *)jit->translations_start - jit->emitter.distance;
    jit->stubs.at = (uint8_t *)jit->stubs_start - jit->stubs.distance;
    jit->translation_count = jit->pages_begun = 0;
    jit_forget_links(jit);
    jit->records_used = 0;
    jit->pending_link = NULL;
    jit->statistics.flushes++;
    for (unsigned i = 0; i < VIEWS_MAXIMUM; i++) {
        jit_table_forget_all(jit, i);
    }
}

bool jit_has_room(const struct jit *jit)
{
    return jit->stubs_start - emit_here(&jit->emitter) > CODE_RESERVE &&
           jit->code_end - emit_here(&jit->stubs) > CODE_RESERVE &&
           JIT_RECORD_BYTES - jit->records_used > RECORDS_RESERVE &&
           jit->translation_count < JIT_TRANSLATIONS &&
           jit->link_count + 2 * BLOCK_INSTRUCTIONS < JIT_LINKS;
}

/* Code that is spread over many pages misses the host's TLB with every other jump. */
static void gather(struct jit *jit, const struct emitter *e, const uint8_t **gathered)
{
    if (emit_here(e) + CODE_RESERVE > *gathered && *gathered < jit->code_end) {
        uint8_t *written = (uint8_t *)*gathered - e->distance;
        fpu_park(jit->cpu); /* the host's library may use any register */
        pages_gather(written);
        pages_gather((void *)*gathered);
        *gathered += PAGES_HUGE_BYTES;
    }
}

bool jit_make_room(struct jit *jit)
{
    gather(jit, &jit->emitter, &jit->gathered);
    gather(jit, &jit->stubs, &jit->stubs_gathered);
    if (jit_has_room(jit)) {
        return true;
    }
    /* With the decoded blocks, which point to translations. */
    code_cache_flush(jit->cpu);
    return false;
}

static void code_moved(void *opaque, unsigned view, gla_t page)
{
    struct jit *jit = opaque;
    jit_table_forget_page(jit, view, page);
    jit_cut_at(jit, view, page);
    if (view == 0) {
        jit_unlink_supervisor(jit);
    }
    jit->pending_link = NULL;
}

static void code_moved_all(void *opaque, unsigned view)
{
    struct jit *jit = opaque;
    jit_table_forget_all(jit, view);
    if (view == 0) {
        jit_unlink_supervisor(jit);
    }
    jit->pending_link = NULL;
}

/* One memory, two mappings: written here, executed there. */
static bool map_code(struct jit *jit, struct error *error)
{
    enum { SHARED = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED };
    jit->code_written = pages_reserve(JIT_CODE_BYTES);
    jit->code = pages_reserve(JIT_CODE_BYTES);
    if (!jit->code_written || !jit->code) {
        return error_set(error, "out of memory for translated code");
    }
    /* Of a shared mapping, "moving" no bytes of it makes a second one. */
    if (mmap(jit->code_written, JIT_CODE_BYTES, PROT_READ | PROT_WRITE, SHARED, -1,
             0) == MAP_FAILED ||
        mremap(jit->code_written, 0, JIT_CODE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
               jit->code) == MAP_FAILED ||
        mprotect((void *)jit->code, JIT_CODE_BYTES, PROT_READ | PROT_EXEC) != 0) {
        return error_set_errno(error, errno, "the host refuses executable memory");
    }
    jit->code_end = jit->code + JIT_CODE_BYTES;
    return true;
}

static void destroy_jit(struct jit *jit)
{
    jit_signals_destroy(jit);
    for (unsigned i = 0; i < VIEWS_MAXIMUM; i++) {
        if (jit->tables[i].entries) {
            munmap(jit->tables[i].entries, JUMP_TABLE_BYTES + JUMP_TABLE_GUARD);
        }
    }
    pages_free(jit->code_written, JIT_CODE_BYTES);
    pages_free((void *)jit->code, JIT_CODE_BYTES);
    pages_free(jit->stack, JIT_STACK_GUARD + JIT_STACK_BYTES + JIT_STACK_BOTTOM);
    pages_free(jit->records, JIT_RECORD_BYTES);
    pages_free(jit->by_address, JIT_TRANSLATIONS * sizeof(*jit->by_address));
    pages_free(jit->links, JIT_LINKS * sizeof(*jit->links));
    pages_free(jit->supervisor_links, JIT_LINKS * sizeof(*jit->links));
    jit->cpu->jit = NULL;
    pages_free(jit, sizeof(*jit));
}

static bool map_stack(struct jit *jit)
{
    const size_t bytes = JIT_STACK_GUARD + JIT_STACK_BYTES + JIT_STACK_BOTTOM;
    jit->stack = pages_allocate(bytes);
    return jit->stack && mprotect(jit->stack, JIT_STACK_GUARD, PROT_NONE) == 0;
}

static bool create_jit(struct cpu *cpu, struct error *error)
{
    struct jit *jit = pages_allocate(sizeof(*jit));
    if (!jit) {
        return error_set(error, "out of memory for the JIT");
    }
    cpu->jit = jit;
    jit->cpu = cpu;
    jit->vector_allowed = !FPU_PARK_ALWAYS;
    jit->records = pages_allocate(JIT_RECORD_BYTES);
    jit->by_address = pages_allocate(JIT_TRANSLATIONS * sizeof(*jit->by_address));
    jit->links = pages_allocate(JIT_LINKS * sizeof(*jit->links));
    jit->supervisor_links = pages_allocate(JIT_LINKS * sizeof(*jit->links));
    if (!map_stack(jit) || !jit->records || !jit->by_address || !jit->links ||
        !jit->supervisor_links || !jit_signals_create(jit, error) ||
        !map_code(jit, error)) {
        destroy_jit(jit);
        return false;
    }
    cpu->translated.stack_top =
        (uintptr_t)jit->stack + JIT_STACK_GUARD + JIT_STACK_BYTES;
    cpu->translated.index_mask = JUMP_TABLE_ENTRIES - 1;
    cpu->translated.arithmetic_mask = EFLAGS_ARITHMETIC;
    cpu->translated.closed_mask = ~(uint32_t)EFLAGS_IF;
    cpu->translated.interrupt_mask = EFLAGS_IF;
    jit->emitter.at = jit->code_written;
    jit->emitter.distance = jit->code - jit->code_written;
    jit_make_glue(jit);
    *(const uint8_t **)cpu->translated.stack_top = jit->unpaired;
    jit->translations_start = emit_here(&jit->emitter);
    jit->stubs_start = jit->code + JIT_CODE_BYTES / 4 * 3;
    jit->gathered = jit->code;
    jit->stubs_gathered = jit->stubs_start;
    jit->stubs.distance = jit->emitter.distance;
    jit->stubs.at = (uint8_t *)jit->stubs_start - jit->stubs.distance;
    cpu->code_cache->listener.killed = block_killed;
    cpu->code_cache->listener.flushed = forget_translations;
    cpu->code_cache->listener.watch_changed = watch_changed;
    cpu->code_cache->listener.opaque = jit;
    views_listen(cpu, code_moved, code_moved_all, jit);
    return true;
}

/* Translated code itself needs BMI2; that views can be switched without the kernel,
 * FSGSBASE. The kernel tells in AT_HWCAP2 whether that may be used. */
static const char *jit_lacks(void)
{
    enum { HWCAP2_FSGSBASE = 2 };
    if (!__builtin_cpu_supports("bmi2")) {
        return "a processor with BMI2";
    }
    return getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE ? NULL : "FSGSBASE (Linux 5.9)";
}

static bool jit_create(struct cpu *cpu, struct error *error)
{
    if (jit_lacks()) {
        return error_set(error, "-engine jit needs %s: use -engine interpreter",
                         jit_lacks());
    }
    if (!interpreter_create(cpu, error)) {
        return false;
    }
    if (!views_create(cpu, VIEWS_BUDGET_DEFAULT, error)) {
        interpreter_destroy(cpu);
        return false;
    }
    if (!create_jit(cpu, error)) {
        views_destroy(cpu);
        interpreter_destroy(cpu);
        return false;
    }
    return true;
}

static void jit_destroy(struct cpu *cpu)
{
    fpu_park(cpu);
    destroy_jit(cpu->jit);
    views_destroy(cpu);
    interpreter_destroy(cpu);
}

const struct cpu_engine jit_engine = {
    .name = "jit",
    .lacks = jit_lacks,
    .create = jit_create,
    .destroy = jit_destroy,
    .run = jit_run,
    .show_statistics = jit_show_statistics,
};
