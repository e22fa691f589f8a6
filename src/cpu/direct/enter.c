/* The page of code between C and guest code that the host executes: the way in, the
 * gates out, and where signals begin. It is at the end of the low window, since a far
 * jump of 32-bit code leads nowhere above. */
#define _GNU_SOURCE /* memfd_create() */
#include "cpu/direct/direct.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define CPU_AT(member) ((int32_t)offsetof(struct cpu, member))
#define STATE_AT(member) CPU_AT(direct_state.member)

enum { FILE_BYTES = (DIRECT_CODE_PAGES + DIRECT_COPIES) * PAGE_BYTES };

static void emit_store_constant8(struct emitter *e, unsigned value, int32_t at)
{
    emit_at(e, 0, 0xc6, 0, HOST_CPU, at);
    emit8(e, value);
}

/* cmp byte [uses_fs], 0; je over: mov rax, [base]; wrfsbase rax. Uses flags. */
static void emit_fs_base(struct emitter *e, int32_t base)
{
    emit_at(e, 0, 0x80, 7, HOST_CPU, STATE_AT(uses_fs));
    EMIT(e, 0x00, 0x74, 0x00);
    uint8_t *over = e->at;
    emit_load64(e, HOST_RAX, HOST_CPU, base);
    EMIT(e, 0xf3, 0x48, 0x0f, 0xae, 0xd0);
    over[-1] = (uint8_t)(e->at - over);
}

/* C is not to run with the guest's flags: of NT, IRET would mean another thing, of AC
 * misaligned accesses would trap. push 2; popfq. */
static void emit_plain_flags(struct emitter *e)
{
    EMIT(e, 0x6a, EFLAGS_ALWAYS_ONE, 0x9d);
}

/* Back to C: nothing of the guest's state is left in the host's registers but vectors.
 */
static void emit_return(struct emitter *e, uint32_t exit)
{
    emit_store_constant8(e, 0, STATE_AT(dispatch));
    emit_fs_base(e, STATE_AT(host_fs_base));
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
    emit_plain_flags(e);
    jit_emit_leave(e, exit);
}

static void make_enter(struct direct *direct)
{
    struct emitter *e = &direct->emitter;
    direct->enter = (uint32_t(*)(struct cpu *))(uintptr_t)emit_here(e);
    jit_emit_begin(e);
    direct->entering = emit_here(e);
    const uint8_t *requested = jit_emit_jump_if_requested(e);
    emit_load64(e, HOST_RAX, HOST_CPU, STATE_AT(armed));
    EMIT(e, 0x80, 0x38, 0x00, 0x75, 0x01, 0xcc); /* cmp byte [rax], 0; jne; int3 */
    direct->told = emit_here(e);
    emit_store_constant8(e, 1, STATE_AT(dispatch));
    emit_load64(e, HOST_RAX, HOST_CPU, STATE_AT(gs_base));
    EMIT(e, 0xf3, 0x48, 0x0f, 0xae, 0xd8); /* wrgsbase rax */
    emit_fs_base(e, STATE_AT(fs_base));
    emit_at(e, 0, 0xff, 6, HOST_CPU, STATE_AT(flags)); /* push */
    EMIT(e, 0x9d);                                     /* popfq */
    for (unsigned i = 0; i < 8; i++) {
        emit_load32(e, i, HOST_CPU, CPU_AT(regs) + 4 * (int32_t)i);
    }
    emit_at(e, 0, 0xff, 5, HOST_CPU, STATE_AT(eip)); /* jmp far m16:32 */
    direct->entering_end = direct->turned_back = emit_here(e);
    emit_patch_relative(e, requested, direct->turned_back);
    emit_return(e, JIT_EXIT_NOTHING);
}

/* Guest code has come through a gate, which has set R14 and R15. */
static void make_gate_common(struct direct *direct)
{
    struct emitter *e = &direct->emitter;
    direct->gate_common = emit_here(e);
    for (unsigned i = 0; i < 8; i++) {
        emit_store32(e, i, HOST_CPU, CPU_AT(regs) + 4 * (int32_t)i);
    }
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
    EMIT(e, 0x9c); /* pushfq */
    direct->gate_flags_read = emit_here(e);
    EMIT(e, 0x58); /* pop rax */
    emit_store64(e, HOST_RAX, HOST_CPU, STATE_AT(flags));
    emit_store32(e, HOST_R14, HOST_CPU, CPU_AT(eip));
    emit_return(e, DIRECT_EXIT_GATE);
}

/* The tracer sends guest code that it has stopped here. */
static void make_redirected(struct direct *direct)
{
    struct emitter *e = &direct->emitter;
    direct->redirected = emit_here(e);
    for (unsigned i = 0; i < 8; i++) {
        emit_store32(e, i, HOST_CPU, CPU_AT(regs) + 4 * (int32_t)i);
    }
    emit_store64(e, HOST_R13, HOST_CPU, STATE_AT(flags));
    emit_store32(e, HOST_R14, HOST_CPU, CPU_AT(eip));
    emit_load64(e, HOST_RSP, HOST_CPU, CPU_AT(translated.host_stack));
    emit_return(e, DIRECT_EXIT_REDIRECTED);
}

/* What redirection is tried with. If INT 80h does not come back, HLT does. */
static void make_trials(struct direct *direct)
{
    struct emitter *e = &direct->emitter;
    direct->trial_int80 = emit_here(e);
    EMIT(e, 0xcd, 0x80); /* int 80h */
    direct->trial_hlt = emit_here(e);
    EMIT(e, 0xf4); /* hlt */
}

/* Where the host's kernel begins a signal: what C needs before it can do anything. */
static void make_signal_entry(struct direct *direct)
{
    struct emitter *e = &direct->emitter;
    direct->signal_entry = emit_here(e);
    emit_plain_flags(e);
    emit_constant64(e, HOST_RAX, 0);
    direct->host_fs_site = emit_here(e) - 8;
    EMIT(e, 0xf3, 0x48, 0x0f, 0xae, 0xd0); /* wrfsbase rax */
    emit_constant64(e, HOST_RAX, (uintptr_t)jit_signals_handle);
    EMIT(e, 0xff, 0xe0); /* jmp rax */
}

bool direct_make_code(struct direct *direct, struct error *error)
{
    direct->fd = memfd_create("faumachine-direct", MFD_CLOEXEC);
    if (direct->fd < 0 || ftruncate(direct->fd, FILE_BYTES) != 0) {
        return error_set_errno(error, errno, "out of memory for direct execution");
    }
    direct->written =
        mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, direct->fd, 0);
    void *page = (void *)(uintptr_t)DIRECT_PAGE;
    direct->mapped = direct->written != MAP_FAILED &&
                     mmap(page, PAGE_BYTES, PROT_READ | PROT_EXEC,
                          MAP_SHARED | MAP_FIXED_NOREPLACE, direct->fd, 0) == page;
    if (!direct->mapped) {
        return error_set_errno(error, errno, "the host refuses executable memory");
    }
    direct->emitter.at = direct->written;
    direct->emitter.distance = (uint8_t *)page - direct->written;
    make_enter(direct);
    make_gate_common(direct);
    make_signal_entry(direct);
    make_redirected(direct);
    make_trials(direct);
    direct->gates_start = emit_here(&direct->emitter);
    return true;
}

void direct_unmake_code(struct direct *direct)
{
    if (direct->mapped) {
        munmap((void *)(uintptr_t)DIRECT_PAGE, PAGE_BYTES);
    }
    if (direct->written && direct->written != MAP_FAILED) {
        munmap(direct->written, FILE_BYTES);
    }
    if (direct->fd >= 0) {
        close(direct->fd);
    }
}

void direct_set_host_fs(struct direct *direct, uint64_t base)
{
    direct->cpu->direct_state.host_fs_base = base;
    __builtin_memcpy((uint8_t *)direct->host_fs_site - direct->emitter.distance, &base,
                     sizeof(base));
}

uint32_t direct_make_gate(struct direct *direct, uint32_t passed)
{
    if (direct->gates_used == UINT64_MAX) {
        return 0;
    }
    unsigned number = (unsigned)__builtin_ctzll(~direct->gates_used);
    struct emitter e = direct->emitter;
    e.at += number * GATE_BYTES;
    uint32_t gate = (uint32_t)(uintptr_t)emit_here(&e);
    direct->gates_used |= 1ULL << number;
    emit_constant64(&e, HOST_R15, (uintptr_t)direct->cpu);
    emit_constant32(&e, HOST_R14, passed);
    emit_jump(&e, direct->gate_common);
    return gate;
}

void direct_free_gate(struct direct *direct, uint32_t gate)
{
    unsigned number = (gate - (uint32_t)(uintptr_t)direct->gates_start) / GATE_BYTES;
    direct->gates_used &= ~(1ULL << number);
}
