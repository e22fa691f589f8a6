/* Instructions that a program may not or cannot execute, and traps that it asks for. */
#define _GNU_SOURCE
#include "catch.h"
#include <stdio.h>
#include <string.h>

enum {
    ALIGNMENT_CHECK = 0x40000,
    TRAP = 0x100,
    ZERO_DIVIDE = 4,
    TRAP_FLAG_STEPS = 100
};

static void divide(unsigned rounds)
{
    uint32_t a = 1, d = 0;
    FAULTING("divl %[zero]", : "+a"(a), "+d"(d) : [zero] "r"(0) : "cc");
    print_caught("division by zero");
    a = 0x80000000, d = 0xffffffff;
    FAULTING("idivl %[minus]", : "+a"(a), "+d"(d) : [minus] "r"(-1) : "cc");
    print_caught("overflow of a division");
    check("registers after it", a == 0x80000000 && d == 0xffffffff);
    FAULTING("aam $0", : "+a"(a) : : "cc");
    print_caught("AAM of 0");
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        a = i, d = i;
        FAULTING("divl %[zero]", : "+a"(a), "+d"(d) : [zero] "m"((uint32_t){0}) : "cc");
        right += caught.signal == SIGFPE && caught.address == fault_begin && a == i;
    }
    check_equal("many divisions by zero", (long)right, (long)rounds);
}

static void calculate(void)
{
    uint16_t word = 0x37f & ~ZERO_DIVIDE;
    asm volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(word));
    FAULTING("fwait");
    print_caught("x87: division by zero");
    word = 0x37e;
    asm volatile("fninit; fldcw %0; fldz; fldz; fdivrp" : : "m"(word));
    FAULTING("fld1");
    print_caught("x87: invalid");
    asm volatile("fninit");

    uint32_t control = 0x1f80 & ~(ZERO_DIVIDE << 7), masked = 0x1f80;
    static const float ones[4] __attribute__((aligned(16))) = {1, 1, 1, 1};
    asm volatile("ldmxcsr %0; movaps %1, %%xmm0; xorps %%xmm1, %%xmm1"
                 :
                 : "m"(control), "m"(ones)
                 : "memory");
    FAULTING("divps %%xmm1, %%xmm0", :);
    print_caught("SSE: division by zero");
    float quotient;
    asm volatile("ldmxcsr %1; movss %%xmm0, %0" : "=m"(quotient) : "m"(masked));
    check("the dividend is as it was", quotient == 1);
    FAULTING("movaps 4(%0), %%xmm0", : : "r"(ones));
    print_caught("SSE: not aligned");
}

static void trap(void)
{
    FAULTING("ud2");
    print_caught("UD2");
    FAULTING("int3");
    print_caught("INT3");
    FAULTING(".byte 0xcd, 3");
    print_caught("INT 3");
    /* On a host that is a virtual machine itself, it may look like a fault. */
    FAULTING(".byte 0xf1");
    check("INT1", caught.signal == SIGTRAP && caught.trap == 1 &&
                      (!caught.at_fault || !kernel_is_i386()));
    FAULTING("movb $0x7f, %%al; addb $1, %%al; into", : : : "eax", "cc");
    print_caught("INTO with overflow");
    asm volatile("xor %%eax, %%eax; into" : : : "eax", "cc");
    static const int32_t bounds[2] = {3, 5};
    FAULTING("bound %0, %1", : : "r"(6), "m"(bounds));
    print_caught("BOUND, outside");
    asm volatile("bound %0, %1" : : "r"(5), "m"(bounds));
    FAULTING("int $0x81");
    print_caught("INT 0x81");
    FAULTING("int $14");
    print_caught("INT 14");
    FAULTING("lock; .byte 0x90", : : : "memory");
    print_caught("LOCK NOP");
    FAULTING(".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
             "0x66,0x66,0x90");
    print_caught("16 bytes");
}

static void want_privilege(void)
{
    uint32_t a = 0;
    FAULTING("hlt");
    print_caught("HLT");
    FAULTING("cli");
    print_caught("CLI");
    FAULTING("sti");
    print_caught("STI");
    FAULTING("inb $0x80, %%al", : "+a"(a));
    print_caught("IN");
    FAULTING("outb %%al, %%dx", : "+a"(a) : "d"(0x80));
    print_caught("OUT");
    FAULTING("mov %%cr0, %0", : "=r"(a));
    print_caught("MOV from CR0");
    FAULTING("mov %0, %%cr3", : : "r"(a));
    print_caught("MOV to CR3");
    FAULTING("mov %%db7, %0", : "=r"(a));
    print_caught("MOV from DR7");
    FAULTING("lgdt %0", : : "m"(a));
    print_caught("LGDT");
    FAULTING("lldt %%ax", : : "a"(0));
    print_caught("LLDT");
    FAULTING("invlpg %0", : : "m"(a));
    print_caught("INVLPG");
    FAULTING("wrmsr", : : "a"(0), "d"(0), "c"(0));
    print_caught("WRMSR");
    FAULTING("clts");
    print_caught("CLTS");
    FAULTING("ljmp $0x60, $0");
    caught.error &= ~0xffffL; /* the kernel's selectors differ */
    print_caught("a jump to the kernel's code segment");
    uint32_t flags;
    asm volatile("pushf; orl $0x3200, (%%esp); popf; pushf; pop %0"
                 : "=r"(flags)::"cc");
    printf("IOPL and IF after POPF: %#x\n", flags & 0x3200);
}

static void check_alignment(unsigned rounds)
{
    static uint32_t words[2] __attribute__((aligned(16))) = {0x44332211, 0x88776655};
    uint32_t found = 0;
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        asm volatile("pushf; orl %0, (%%esp); popf" : : "i"(ALIGNMENT_CHECK) : "cc");
        FAULTING("movl 1(%1), %0", : "+r"(found) : "r"(words));
        right += caught.signal == SIGBUS;
        asm volatile("pushf; andl %0, (%%esp); popf" : : "i"(~ALIGNMENT_CHECK) : "cc");
    }
    check_equal("accesses that are not aligned", (long)right, (long)rounds);
    print_caught("the last of them");
    check("without AC they are allowed",
          *(volatile uint32_t *)((char *)words + 1) == 0x55443322);
}

static volatile unsigned steps, wrong_steps;

static void count_step(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    steps++;
    wrong_steps +=
        number != SIGTRAP || info->si_code != TRAP_TRACE || registers[REG_TRAPNO] != 1;
}

/* The program steps itself, by TF, through a loop of three instructions. */
static void step(void)
{
    struct sigaction action = {.sa_sigaction = count_step, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, NULL);
    uint32_t turns = TRAP_FLAG_STEPS, sum = 0;
    asm volatile("pushf; orl %[trap], (%%esp); popf\n"
                 "1: add %[turns], %[sum]; dec %[turns]; jnz 1b\n"
                 "pushf; andl %[no_trap], (%%esp); popf; nop"
                 : [turns] "+r"(turns), [sum] "+r"(sum)
                 : [trap] "i"(TRAP), [no_trap] "i"(~TRAP)
                 : "cc", "memory");
    printf("steps by TF: %u, wrong %u, sum %u\n", steps, wrong_steps, sum);

    /* One step each: a repeated instruction's turns, what follows a load of SS, an
     * instruction that the kernel executes. */
    steps = 0;
    static char from[20] = "0123456789", to[20];
    char *source = from, *destination = to;
    uint32_t count = 10, pid = 20, stack;
    asm volatile("mov %%ss, %[stack]\n"
                 "pushf; orl %[trap], (%%esp); popf\n"
                 "rep movsb\n"
                 "mov %[stack], %%ss; nop\n"
                 "int $0x80\n"
                 "pushf; andl %[no_trap], (%%esp); popf; nop"
                 : "+S"(source), "+D"(destination), "+c"(count),
                   "+a"(pid), [stack] "=&r"(stack)
                 : [trap] "i"(TRAP), [no_trap] "i"(~TRAP)
                 : "cc", "memory");
    printf("steps by TF: %u, copied %s\n", steps, to);
}

void traps_kind(unsigned rounds)
{
    catch_faults();
    divide(rounds);
    calculate();
    trap();
    want_privilege();
    check_alignment(rounds);
    step();
}
