/* Redirection by a tracer process: PTRACE_SYSEMU and PTRACE_SYSCALL. */
#define _GNU_SOURCE /* gettid() */
#include "cpu/direct/direct.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool create(struct direct *direct, bool emulates, struct error *error)
{
    direct->tracer = (struct tracer){
        .emulates = emulates,
        .told = (uintptr_t)direct->told,
        .redirected = (uintptr_t)direct->redirected,
        .cpu = (uintptr_t)direct->cpu,
    };
    return tracer_start(&direct->tracer, error);
}

static bool create_sysemu(struct direct *direct, struct error *error)
{
    return create(direct, true, error);
}

static bool create_ptrace(struct direct *direct, struct error *error)
{
    return create(direct, false, error);
}

static void destroy(struct direct *direct)
{
    struct direct_state *state = &direct->cpu->direct_state;
    state->armed = (uintptr_t)&state->untraced;
    tracer_stop(&direct->tracer);
}

/* It stays traced until another thread runs the CPU: to be traced anew costs more than
 * what is run in between. */
static bool begin(struct direct *direct, struct error *error)
{
    struct tracer *tracer = &direct->tracer;
    pid_t thread = gettid();
    if (atomic_load(&tracer->shared->traced) != thread) {
        int why = tracer_trace(tracer, thread);
        if (why) {
            return error_set(error,
                             "-syscall-redirect %s: the process cannot be traced (%s): "
                             "a debugger traces it already, or the host forbids it "
                             "(kernel.yama.ptrace_scope); use sud or copy",
                             tracer->emulates ? "sysemu" : "ptrace", strerror(why));
        }
    }
    direct->cpu->direct_state.armed = (uintptr_t)&tracer->shared->armed;
    return true;
}

const struct redirect redirect_sysemu = {
    .name = "sysemu", .create = create_sysemu, .destroy = destroy, .begin = begin};
const struct redirect redirect_ptrace = {
    .name = "ptrace", .create = create_ptrace, .destroy = destroy, .begin = begin};
