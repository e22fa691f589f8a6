/* Guest code comes out by signals. The handler only moves state to where C looks for
 * it, and goes on in C as if `enter` returned: direct_after_signal() does the rest. */
#define _GNU_SOURCE /* REG_… */
#include "cpu/direct/direct.h"

#include "cpu/core/exception.h"
#include "cpu/core/fpu.h"
#include "cpu/interpreter/run_loop.h"
#include "cpu/interpreter/system.h"
#include "cpu/mmu/access.h"

#include <ucontext.h>

enum {
    PAGE_ERROR_WRITE = 2,
    PAGE_ERROR_FETCH = 16,
    OPCODE_INT3 = 0xcc,
    OPCODE_INTO = 0xce,
    OPCODE_INT1 = 0xf1,
    INT_BYTES = 2,
};
#define DR6_SINGLE_STEP (1U << 14)

/* Of EFLAGS: what ring 3 can change, without IOPL. */
enum {
    FLAGS_OF_USER =
        EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID
};

static const uint8_t host_registers[8] = {
    [REGISTER_EAX] = REG_RAX, [REGISTER_ECX] = REG_RCX, [REGISTER_EDX] = REG_RDX,
    [REGISTER_EBX] = REG_RBX, [REGISTER_ESP] = REG_RSP, [REGISTER_EBP] = REG_RBP,
    [REGISTER_ESI] = REG_RSI, [REGISTER_EDI] = REG_RDI,
};

static void come_out(struct direct *direct, int number, const siginfo_t *info,
                     greg_t *registers)
{
    struct cpu *cpu = direct->cpu;
    struct direct_state *state = &cpu->direct_state;
    for (unsigned i = 0; i < ARRAY_LENGTH(host_registers); i++) {
        cpu->regs[i] = (uint32_t)registers[host_registers[i]];
    }
    cpu->eip = (uint32_t)registers[REG_RIP];
    state->flags = (uint64_t)registers[REG_EFL];
    state->address = (uint64_t)registers[REG_CR2];
    state->error = (uint32_t)registers[REG_ERR];
    state->trap = (uint32_t)registers[REG_TRAPNO];
    state->signal = (uint32_t)number;
    if (number == SIGSYS) {
        /* As it was before the kernel made a call of it that is to be restarted. */
        cpu->regs[REGISTER_EAX] = (uint32_t)info->si_syscall;
        cpu->eip = (uint32_t)(uintptr_t)info->si_call_addr;
    }
    state->stepped = number == SIGTRAP && info->si_code == TRAP_TRACE;
    registers[REG_R15] = (greg_t)(uintptr_t)cpu;
    registers[REG_RIP] = (greg_t)(uintptr_t)cpu->jit->exit_trap;
    registers[REG_CSGSFS] = (registers[REG_CSGSFS] & ~(greg_t)0xffff) | HOST_CODE_64;
    registers[REG_EFL] &= ~(greg_t)(EFLAGS_DF | EFLAGS_TF | EFLAGS_NT | EFLAGS_AC);
}

/* Whether 64-bit code is not the simulator's: guest code has jumped there. Below 4 GiB
 * there is nothing but the guest's memory and, at its end, our page, which does not
 * fault. Forbidden system calls (SIGSYS) are for who forbids them. */
static bool has_escaped(int number, uintptr_t pc)
{
    bool fault =
        number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE;
    return number != SIGSYS && (pc < DIRECT_PAGE || (fault && pc <= UINT32_MAX));
}

/* Whether guest code is on its way out by a gate, and its flags are still in RFLAGS. */
static bool is_in_gate(const struct direct *direct, const uint8_t *pc)
{
    return (pc >= direct->gate_common && pc < direct->gate_flags_read) ||
           (pc >= direct->gates_start &&
            pc < direct->gates_start + DIRECT_GATES * GATE_BYTES);
}

/* The host's kernel does not restore NT and ID when a signal returns. A single step
 * ends after the far jump to the gate; what that stands for has not been executed. True
 * if that was the signal, else it means something to others. */
static bool interrupt_gate(struct direct *direct, int number, greg_t *registers)
{
    struct direct_state *state = &direct->cpu->direct_state;
    uint32_t flags = (uint32_t)registers[REG_EFL];
    state->kept_flags |= flags & (EFLAGS_NT | EFLAGS_ID);
    if (number != SIGTRAP) {
        return false;
    }
    state->stepped = true;
    state->kept_flags |= EFLAGS_TF;
    registers[REG_EFL] &= ~(greg_t)EFLAGS_TF;
    return true;
}

bool direct_handle_signal(void *opaque, int number, const siginfo_t *info,
                          void *context)
{
    struct direct *direct = opaque;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *pc = (const uint8_t *)registers[REG_RIP];
    /* Before any system call of ours: the return from here is one. */
    direct->cpu->direct_state.dispatch = 0;
    bool sent = number == SIGSYS && info->si_code <= 0; /* it is nobody's call */
    if ((registers[REG_CSGSFS] & 0xffff) == HOST_CODE_32 && !sent) {
        come_out(direct, number, info, registers);
        return true;
    }
    if (has_escaped(number, (uintptr_t)pc) && direct->cpu->wiring.escaped) {
        direct->cpu->wiring.escaped();
    }
    if (number == SIGURG && pc >= direct->entering && pc < direct->entering_end) {
        registers[REG_RIP] = (greg_t)(uintptr_t)direct->turned_back;
        return true;
    }
    return is_in_gate(direct, pc) && interrupt_gate(direct, number, registers);
}

static void take_flags(struct cpu *cpu)
{
    uint32_t flags = (uint32_t)cpu->direct_state.flags;
    uint32_t changed = (cpu_eflags(cpu) ^ flags) & FLAGS_OF_USER;
    cpu_set_eflags(cpu, cpu_eflags(cpu) ^ changed);
    if (changed & EFLAGS_AC) {
        cpu_update_mode(cpu);
    }
}

/* Segment registers that guest code has loaded unnoticed are loaded by the guest's
 * tables, and get back what they have while it runs. */
static void take_segments(struct cpu *cpu)
{
    uint16_t ds, es;
    __asm__ volatile("mov %%ds, %0\n\tmov %%es, %1" : "=r"(ds), "=r"(es));
    if (__builtin_expect(ds != HOST_DATA || es != HOST_DATA, 0)) {
        __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(HOST_DATA));
        if (ds != HOST_DATA) {
            segment_load(cpu, SEGMENT_DS, ds);
        }
        if (es != HOST_DATA) {
            segment_load(cpu, SEGMENT_ES, es);
        }
    }
}

void direct_take_state(struct cpu *cpu)
{
    take_flags(cpu);
    fpu_mxcsr_changed(cpu);
    take_segments(cpu);
}

static uint8_t byte_at(struct cpu *cpu, uint32_t eip)
{
    return mmu_fetch_byte(cpu, eip);
}

/* EIP of an instruction that the processor has finished to raise what it raised. */
static uint32_t trapped_instruction(struct cpu *cpu, uint8_t opcode)
{
    return cpu->eip - (byte_at(cpu, cpu->eip - 1) == opcode ? 1 : INT_BYTES);
}

/* Without a fault of ours if nothing is there. */
static bool is_icebp(struct cpu *cpu, uint32_t eip)
{
    const uint8_t *page = mmu_peek_code(cpu, eip & ~(uint32_t)PAGE_OFFSET_MASK);
    return page && page[eip & PAGE_OFFSET_MASK] == OPCODE_INT1;
}

/* Single steps of the guest are ours from the trap on; the instruction may have cleared
 * TF. Otherwise it was ICEBP; some
 * hypervisors leave EIP at it, and not behind. */
static void after_debug_trap(struct cpu *cpu)
{
    if (cpu->direct_state.stepped) {
        cpu->dr[6] |= DR6_SINGLE_STEP;
        cpu_raise(cpu, EXCEPTION_DB);
    }
    cpu->eip -= is_icebp(cpu, cpu->eip) ? 0 : 1;
}

static bool reach(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    const struct direct_state *state = &cpu->direct_state;
    enum mmu_access access = state->error & PAGE_ERROR_FETCH   ? MMU_EXECUTE
                             : state->error & PAGE_ERROR_WRITE ? MMU_WRITE
                                                               : MMU_READ;
    direct->statistics.page_traps++;
    return state->address <= UINT32_MAX &&
           views_reach(cpu, (gla_t)state->address, access) == VIEWS_MAPPED;
}

/* Guest code has come out behind an INT 80h. */
static void rewind_int80(struct direct *direct)
{
    direct->statistics.redirected++;
    direct->cpu->eip -= INT_BYTES;
}

void direct_after_redirection(struct direct *direct)
{
    rewind_int80(direct);
    direct_take_state(direct->cpu);
    run_loop_interpret_few(direct->cpu, 1);
}

/* Whether guest code may be entered again after it has changed what it can change
 * unnoticed. On the way in, TF would trap too early. */
static bool may_go_on(const struct cpu *cpu)
{
    return !(cpu->system_flags & (EFLAGS_TF | EFLAGS_AC)) &&
           cpu->segments[SEGMENT_DS].kind == SEGMENT_FLAT &&
           cpu->segments[SEGMENT_ES].kind == SEGMENT_FLAT;
}

bool direct_after_signal(struct direct *direct)
{
    struct cpu *cpu = direct->cpu;
    struct direct_state *state = &cpu->direct_state;
    direct_take_state(cpu);
    if (state->signal == SIGURG) {
        direct->statistics.kicks++;
        return false;
    }
    if (state->signal == SIGSYS) {
        rewind_int80(direct);
    } else if (state->trap == EXCEPTION_PF) {
        if (reach(direct)) {
            return may_go_on(cpu);
        }
        direct->statistics.soft_traps++;
        uint32_t ram_page;
        if (!views_executes(cpu, cpu->eip, &ram_page)) {
            return false; /* for whoever runs what is refused */
        }
    } else if (state->trap == EXCEPTION_DB) {
        after_debug_trap(cpu);
    } else if (state->trap == EXCEPTION_BP) {
        cpu->eip = trapped_instruction(cpu, OPCODE_INT3);
    } else if (state->trap == EXCEPTION_OF) {
        cpu->eip = trapped_instruction(cpu, OPCODE_INTO);
    }
    direct->statistics.other_traps++;
    if (!(cpu->system_flags & EFLAGS_TF)) { /* else the run loop steps it */
        run_loop_interpret_few(cpu, 1);
    }
    return false;
}
