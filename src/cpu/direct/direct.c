/* Direct execution as an engine: on top of the JIT's. */
#include "cpu/direct/direct.h"

#include "base/pages.h"
#include "cpu/core/fpu.h"

#include <stdio.h>
#include <string.h>

static size_t verdict_bytes(const struct direct *direct)
{
    return (direct->ram_pages + 1) * sizeof(*direct->verdicts);
}

static void destroy_direct(struct direct *direct)
{
    direct_unmake_code(direct);
    pages_free(direct->verdicts, verdict_bytes(direct));
    direct->cpu->direct = NULL;
    pages_free(direct, sizeof(*direct));
}

static bool fill_in(struct direct *direct, struct error *error)
{
    struct cpu *cpu = direct->cpu;
    const struct ram *ram = cpu->wiring.memory->ram;
    direct->fd = -1;
    cpu->direct_state.untraced = true;
    cpu->direct_state.armed = (uintptr_t)&cpu->direct_state.untraced;
    direct->ram_pages = ram ? ram->bytes >> PAGE_SHIFT : 0;
    direct->verdicts = pages_allocate(verdict_bytes(direct));
    if (!direct->verdicts) {
        return error_set(error, "out of memory for direct execution");
    }
    direct_forget_verdicts(direct);
    lengths_create(&direct->lengths, CODE_MODE_32 | CODE_MODE_VEX | CODE_MODE_USER);
    if (!views_create_low(cpu, DIRECT_PAGE, error) ||
        !direct_make_code(direct, error)) {
        return false;
    }
    const struct views_examiner examiner = {direct_examine, direct, direct->fd,
                                            DIRECT_CODE_PAGES};
    views_examine_by(cpu, &examiner);
    return true;
}

static void destroy(struct cpu *cpu)
{
    struct direct *direct = cpu->direct;
    redirect_destroy(direct);
    /* The views' window goes first, then what is above it. */
    jit_engine.destroy(cpu);
    destroy_direct(direct);
}

static bool create(struct cpu *cpu, bool always, struct error *error)
{
    if (!jit_engine.create(cpu, error)) {
        return false;
    }
    struct direct *direct = pages_allocate(sizeof(*direct));
    if (!direct) {
        jit_engine.destroy(cpu);
        return error_set(error, "out of memory for direct execution");
    }
    cpu->direct = direct;
    direct->cpu = cpu;
    if (!fill_in(direct, error)) {
        destroy_direct(direct);
        jit_engine.destroy(cpu);
        return false;
    }
    policy_create(&direct->policy, always, direct->fd);
    cpu->code_cache->page_listener.written = direct_page_written;
    cpu->code_cache->page_listener.opaque = direct;
    cpu->jit->direct.handle = direct_handle_signal;
    cpu->jit->direct.executes = direct_executes;
    cpu->jit->direct.opaque = direct;
    cpu->jit->direct.signal_entry =
        (void (*)(int, siginfo_t *, void *))(uintptr_t)direct->signal_entry;
    if (!redirect_choose(direct, cpu->wiring.syscall_redirect, error)) {
        destroy(cpu);
        return false;
    }
    return true;
}

static void show_redirection(const struct direct *direct, cpu_show_statistic *show,
                             void *opaque)
{
    for (unsigned i = 0; i < REDIRECTS; i++) {
        const char *name;
        char row[80];
        uint64_t ns = redirect_measured_ns(direct, i, &name);
        bool used = strcmp(name, direct->redirect->name) == 0;
        if (ns) {
            snprintf(row, sizeof(row), "direct: ns for an INT 80h by %s%s", name,
                     used ? ", which is used" : "");
            show(opaque, row, ns);
        }
    }
}

static void show_statistics(const struct cpu *cpu, cpu_show_statistic *show,
                            void *opaque)
{
    const struct direct_statistics *s = &cpu->direct->statistics;
    const struct policy *policy = &cpu->direct->policy;
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"direct: low window given to programs that began", policy->taken_early},
        {"direct: low window given to others", policy->taken_late},
        {"direct: cycles of the host to map a page", policy->costs.map},
        {"direct: cycles of the host to unmap one", policy->costs.unmap},
        {"direct: cycles of the host to trap", policy->costs.trap},
        {"direct: entries", s->entries},
        {"direct: exits by a gate", s->gates},
        {"direct: exits for system calls that the host redirected", s->redirected},
        {"direct: exits for requests of other threads", s->kicks},
        {"direct: page traps", s->page_traps},
        {"direct: of them not for mapping", s->soft_traps},
        {"direct: other exceptions", s->other_traps},
        {"direct: pages of code examined", s->examined},
        {"direct: of them copied", s->copied},
        {"direct: of them refused", s->refused},
        {"direct: written again", s->rewritten},
        {"direct: visits left to the JIT after many traps", s->given_up},
        {"direct: blocks of refused pages interpreted", s->refused_blocks},
    };
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        show(opaque, rows[i].name, rows[i].count);
    }
    show_redirection(cpu->direct, show, opaque);
    jit_engine.show_statistics(cpu, show, opaque);
}

static bool create_direct(struct cpu *cpu, struct error *error)
{
    return create(cpu, true, error);
}

static bool create_auto(struct cpu *cpu, struct error *error)
{
    return create(cpu, false, error);
}

static const char *lacks(void)
{
    return jit_engine.lacks() ? jit_engine.lacks() : views_low_lacks();
}

const struct cpu_engine direct_engine = {
    .name = "direct",
    .lacks = lacks,
    .create = create_direct,
    .destroy = destroy,
    .run = direct_run,
    .show_statistics = show_statistics,
};

const struct cpu_engine auto_engine = {
    .name = "auto",
    .lacks = lacks,
    .create = create_auto,
    .destroy = destroy,
    .run = direct_run,
    .show_statistics = show_statistics,
};
