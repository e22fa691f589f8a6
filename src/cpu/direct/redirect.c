/* Which way system calls come back, and how long each takes. */
#include "cpu/direct/redirect.h"

#include "cpu/direct/direct.h"

#include <string.h>
#include <time.h>

enum {
    ROUNDS = 24, /* of a trial; the fastest counts */
    INT80_BYTES = 2,
    I386_GETPID = 20,
};

/* In the order in which auto tries them. */
static const struct redirect *const redirects[REDIRECTS] = {
    &redirect_copy,   &redirect_sud,    &redirect_seccomp,
    &redirect_sysemu, &redirect_ptrace,
};

const struct redirect redirect_copy = {
    .name = "copy",
    .replaces = true,
    .automatic = true,
};

static int find(const char *name)
{
    int i = 0;
    while (i < REDIRECTS && strcmp(redirects[i]->name, name) != 0) {
        i++;
    }
    return i;
}

bool redirect_is_known(const char *name)
{
    return !name || strcmp(name, "auto") == 0 || find(name) < REDIRECTS;
}

/* From `eip` in our own page of code, as guest code is executed; until it comes out. */
static uint32_t execute(struct direct *direct, const uint8_t *code)
{
    struct cpu *cpu = direct->cpu;
    struct direct_state *state = &cpu->direct_state;
    state->eip = (uint32_t)(uintptr_t)code;
    state->code = HOST_CODE_32;
    state->uses_fs = false;
    state->flags = EFLAGS_IF | EFLAGS_ALWAYS_ONE;
    state->signal = 0;
    cpu->translated.requests = 0;
    cpu->regs[REGISTER_EAX] = I386_GETPID;
    return direct->enter(cpu);
}

/* The same, with `struct cpu` as it was before. Whether it came back from `expected`
 * by `signal`, or by a tracer. */
static bool comes_back(struct direct *direct, const uint8_t *code,
                       const uint8_t *expected, uint32_t signal)
{
    struct cpu *cpu = direct->cpu;
    uint32_t regs[REGISTER_COUNT], eip = cpu->eip;
    __builtin_memcpy(regs, cpu->regs, sizeof(regs));
    uint32_t exit = execute(direct, code);
    bool redirected = exit == DIRECT_EXIT_REDIRECTED ||
                      (exit == JIT_EXIT_TRAP && cpu->direct_state.signal == signal);
    redirected = redirected && cpu->eip == (uint32_t)(uintptr_t)expected &&
                 cpu->regs[REGISTER_EAX] == I386_GETPID;
    __builtin_memcpy(cpu->regs, regs, sizeof(regs));
    cpu->eip = eip;
    return redirected;
}

static bool int80_comes_back(struct direct *direct)
{
    return comes_back(direct, direct->trial_int80, direct->trial_int80 + INT80_BYTES,
                      SIGSYS);
}

bool redirect_comes_back(struct direct *direct)
{
    jit_signals_begin(direct->cpu->jit);
    bool redirected = int80_comes_back(direct);
    jit_signals_end(direct->cpu->jit);
    return redirected;
}

static bool stops(struct direct *direct)
{
    return comes_back(direct, direct->trial_hlt, direct->trial_hlt, SIGSEGV);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static bool measure(struct direct *direct, const struct redirect *redirect,
                    uint64_t *ns)
{
    bool works = true;
    *ns = UINT64_MAX;
    jit_signals_begin(direct->cpu->jit);
    for (unsigned i = 0; i < ROUNDS && works; i++) {
        uint64_t before = now_ns();
        works = redirect->replaces ? stops(direct) : int80_comes_back(direct);
        uint64_t taken = now_ns() - before;
        *ns = taken < *ns ? taken : *ns;
    }
    jit_signals_end(direct->cpu->jit);
    *ns = works ? *ns : 0;
    return works;
}

static void drop(struct direct *direct, const struct redirect *redirect)
{
    if (redirect->destroy) {
        redirect->destroy(direct);
    }
}

static bool try_one(struct direct *direct, unsigned i, struct error *error)
{
    const struct redirect *redirect = redirects[i];
    if (redirect->create && !redirect->create(direct, error)) {
        drop(direct, redirect);
        return false;
    }
    bool begun = !redirect->begin || redirect->begin(direct, error);
    bool works = begun && measure(direct, redirect, &direct->redirect_ns[i]);
    if (begun && redirect->end) {
        redirect->end(direct);
    }
    if (begun && !works) {
        error_set(error,
                  "-syscall-redirect %s: the host's kernel does not hand INT 80h back; "
                  "use copy",
                  redirect->name);
    }
    if (!works) {
        drop(direct, redirect);
    }
    return works;
}

/* The cheapest; at least the first, which always works. A filter of seccomp's stays, so
 * it is only tried where it may be used. */
static unsigned choose_cheapest(struct direct *direct)
{
    unsigned best = 0;
    struct error ignored;
    for (unsigned i = 0; i < REDIRECTS; i++) {
        if (!redirects[i]->automatic && !(redirects[i] == &redirect_seccomp &&
                                          direct->redirect_ns[find("sud")] == 0)) {
            continue;
        }
        if (!try_one(direct, i, &ignored)) {
            continue;
        }
        if (i != best && direct->redirect_ns[i] < direct->redirect_ns[best]) {
            drop(direct, redirects[best]);
            best = i;
        } else if (i != best) {
            drop(direct, redirects[i]);
        }
    }
    return best;
}

static void use(struct direct *direct, const struct redirect *redirect)
{
    direct->redirect = redirect;
    direct->mark_int80 = redirect->replaces;
    direct_forget_verdicts(direct);
}

bool redirect_choose(struct direct *direct, const char *name, struct error *error)
{
    bool given = name && strcmp(name, "auto") != 0;
    unsigned i = given ? (unsigned)find(name) : REDIRECTS;
    if (given && i == REDIRECTS) {
        return error_set(error, "-syscall-redirect %s: the ways are " REDIRECT_NAMES,
                         name);
    }
    direct_settle(direct);
    if (!given) {
        i = choose_cheapest(direct);
    } else if (!try_one(direct, i, error)) {
        jit_signals_give_back(direct->cpu->jit);
        return false;
    }
    /* Others may want to take them, too, before the CPU runs. */
    jit_signals_give_back(direct->cpu->jit);
    use(direct, redirects[i]);
    return true;
}

void redirect_destroy(struct direct *direct)
{
    if (direct->redirect) {
        drop(direct, direct->redirect);
        direct->redirect = NULL;
    }
}

void redirect_begin(struct direct *direct)
{
    const struct redirect *redirect = direct->redirect;
    struct error error;
    if (redirect->begin && !redirect->begin(direct, &error)) {
        log_warning(direct->cpu->wiring.log, "%s", error.text);
        drop(direct, redirect);
        use(direct, &redirect_copy);
    }
}

void redirect_end(struct direct *direct)
{
    if (direct->redirect->end) {
        direct->redirect->end(direct);
    }
}

uint64_t redirect_measured_ns(const struct direct *direct, unsigned i,
                              const char **name)
{
    *name = redirects[i]->name;
    return direct->redirect_ns[i];
}
