#define _GNU_SOURCE
#include "fpu_native.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct {
    uint8_t *code;
    sigjmp_buf jump;
    uint8_t image[FPU_AREA_XMM + 8 * 16]; /* FXSAVE's, when a signal came */
} native;

static void put_host_defaults(void)
{
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("fninit; vzeroall; ldmxcsr %0" : : "m"(mxcsr));
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)info;
    ucontext_t *user = context;
    memcpy(native.image, user->uc_mcontext.fpregs, sizeof(native.image));
    siglongjmp(native.jump,
               number == SIGILL ? NATIVE_NO_INSTRUCTION : NATIVE_SIMD_EXCEPTION);
}

void native_create(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGFPE, &action, NULL);
    if (native.code) {
        return;
    }
    native.code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Registers that C code keeps are pushed; RBP holds `state`. */
__attribute__((noinline)) static void enter(struct native_state *state, void *code)
{
    __asm__ volatile("push %%rbx\n\t"
                     "push %%rbp\n\t"
                     "mov %0, %%rbp\n\t"
                     "mov %1, %%r8\n\t"
                     "mov $7, %%eax\n\t"
                     "xor %%edx, %%edx\n\t"
                     "xrstor (%%rbp)\n\t"
                     "push %c3(%%rbp)\n\t"
                     "popfq\n\t"
                     "mov %c2(%%rbp), %%rax\n\t"
                     "mov %c2+8(%%rbp), %%rcx\n\t"
                     "mov %c2+16(%%rbp), %%rdx\n\t"
                     "mov %c2+24(%%rbp), %%rbx\n\t"
                     "mov %c2+56(%%rbp), %%rdi\n\t"
                     "call *%%r8\n\t"
                     "pushfq\n\t"
                     "pop %c3(%%rbp)\n\t"
                     "mov %%rax, %c2(%%rbp)\n\t"
                     "mov %%rcx, %c2+8(%%rbp)\n\t"
                     "mov %%rdx, %c2+16(%%rbp)\n\t"
                     "mov %%rbx, %c2+24(%%rbp)\n\t"
                     "mov $7, %%eax\n\t"
                     "xor %%edx, %%edx\n\t"
                     "xsave (%%rbp)\n\t"
                     "pop %%rbp\n\t"
                     "pop %%rbx\n\t"
                     : "+D"(state), "+S"(code)
                     : "i"(offsetof(struct native_state, regs)),
                       "i"(offsetof(struct native_state, flags))
                     : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    put_host_defaults();
}

int native_run(struct native_state *state, const uint8_t *bytes, unsigned length)
{
    memcpy(native.code, bytes, length);
    native.code[length] = 0xc3; /* ret */
    state->flags |= 2;
    int result = sigsetjmp(native.jump, 1);
    if (result == 0) {
        enter(state, native.code);
    } else {
        put_host_defaults();
        memcpy(state->area, native.image, sizeof(native.image));
    }
    return result;
}
