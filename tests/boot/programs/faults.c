/* Page faults that the program itself handles: it opens the page, and the instruction
 * that found it closed must then do all of what it does, once. */
#define _GNU_SOURCE
#include "programs.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGES = 64, WRITE = 2, STACK_BYTES = 64 * 1024 };

/* What the handler does: opens the page of the address. */
static volatile struct {
    unsigned count, wrong;
    uint32_t address, stack, ecx;
    long error;
    int code, signal;
} fault;

static void open_page(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    fault.count++;
    fault.address = (uint32_t)info->si_addr;
    fault.error = registers[REG_ERR];
    fault.code = info->si_code;
    fault.signal = number;
    fault.stack = (uint32_t)registers[REG_ESP];
    fault.ecx = (uint32_t)registers[REG_ECX];
    fault.wrong += registers[REG_TRAPNO] != 14 ||
                   ((ucontext_t *)context)->uc_mcontext.cr2 != fault.address;
    if (mprotect((void *)(fault.address & -PAGE_BYTES), PAGE_BYTES,
                 PROT_READ | PROT_WRITE)) {
        _exit(1);
    }
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void touch_pages(unsigned rounds)
{
    volatile uint8_t *memory = new_pages(PAGES, PROT_READ | PROT_WRITE);
    unsigned right = 0, expected = 0;
    fault.count = fault.wrong = 0;
    for (unsigned i = 0; i < rounds; i++) {
        volatile uint8_t *byte = memory + i % PAGES * PAGE_BYTES + i % PAGE_BYTES;
        uint8_t before = *byte;
        mprotect((void *)((uintptr_t)byte & -PAGE_BYTES), PAGE_BYTES,
                 i % 2 ? PROT_READ : PROT_NONE);
        *byte += 3;
        expected++;
        right += *byte == (uint8_t)(before + 3) && fault.address == (uintptr_t)byte &&
                 fault.count == expected && fault.code == SEGV_ACCERR &&
                 (i % 2 == 0 || (fault.error & WRITE));
    }
    check_equal("pages opened by mprotect", (long)right, (long)rounds);
    check_equal("signals that say something else", (long)fault.wrong, 0);
    munmap((void *)memory, PAGES * PAGE_BYTES);
}

/* Instructions that write in several steps, at a page boundary behind which nothing may
 * be written yet. */
static void cross_pages(unsigned rounds)
{
    static uint8_t source[64];
    uint8_t *memory = new_pages(2, PROT_READ | PROT_WRITE);
    uint8_t *border = memory + PAGE_BYTES;
    unsigned copied = 0, pushed = 0, stored = 0, exchanged = 0;
    memset(source, 0xa5, sizeof(source));
    for (unsigned i = 0; i < rounds; i++) {
        unsigned before = i % 40 + 1;
        memset(memory, 0, 2 * PAGE_BYTES);
        mprotect(border, PAGE_BYTES, PROT_NONE);
        uint8_t *to = border - before, *from = source;
        uint32_t count = sizeof(source);
        asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        copied += count == 0 && to == border - before + sizeof(source) &&
                  memcmp(border - before, source, sizeof(source)) == 0 &&
                  fault.ecx == sizeof(source) - before;

        mprotect(memory, PAGE_BYTES, PROT_READ);
        uint32_t stack;
        asm volatile("mov %%esp, %[stack]; mov %[border], %%esp\n"
                     "push %[stack]; mov %[stack], %%esp"
                     : [stack] "=&r"(stack)
                     : [border] "r"(border)
                     : "memory");
        pushed += *(uint32_t *)(border - 4) == stack && fault.stack == (uint32_t)border;

        mprotect(border, PAGE_BYTES, PROT_READ);
        *(volatile uint32_t *)(border - 2) = 0x11223344;
        stored += *(uint32_t *)(border - 2) == 0x11223344;

        mprotect(memory, PAGE_BYTES, PROT_READ);
        uint32_t value = i;
        asm volatile("lock xaddl %0, %1"
                     : "+r"(value), "+m"(*(uint32_t *)(border - 2))
                     :
                     : "memory", "cc");
        exchanged += value == 0x11223344 && *(uint32_t *)(border - 2) == 0x11223344 + i;
    }
    check_equal("REP MOVSB into a closed page", (long)copied, (long)rounds);
    check_equal("PUSH into a page for reading", (long)pushed, (long)rounds);
    check_equal("a store across two pages", (long)stored, (long)rounds);
    check_equal("LOCK XADD across two pages", (long)exchanged, (long)rounds);
    munmap(memory, 2 * PAGE_BYTES);
}

static volatile uint32_t goes_on_at;

static void go_on(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    fault.signal = number;
    fault.code = info->si_code;
    fault.address = (uint32_t)info->si_addr;
    fault.error = registers[REG_EIP];
    registers[REG_EIP] = (greg_t)goes_on_at;
    registers[REG_ESP] = (greg_t)fault.stack;
}

static void call(const void *nowhere)
{
    asm volatile("push %%ebp; movl $1f, %[on]; mov %%esp, %[stack]; jmp *%[nowhere]\n"
                 "1: pop %%ebp"
                 : [on] "=m"(goes_on_at), [stack] "=m"(fault.stack)
                 : [nowhere] "r"(nowhere)
                 : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc");
}

static void jump_nowhere(void)
{
    uint8_t *memory = new_pages(2, PROT_READ | PROT_WRITE | PROT_EXEC);
    handle(SIGSEGV, go_on);
    call(NULL);
    check("a jump to 0", fault.signal == SIGSEGV && fault.address == 0 &&
                             fault.error == 0 && fault.code == SEGV_MAPERR);
    /* An instruction of which only the first byte is there. */
    memset(memory, 0x90, PAGE_BYTES);
    memory[PAGE_BYTES - 1] = 0xb8;
    mprotect(memory + PAGE_BYTES, PAGE_BYTES, PROT_NONE);
    call(memory);
    check("an instruction across two pages",
          fault.signal == SIGSEGV && fault.address == (uint32_t)memory + PAGE_BYTES &&
              fault.error == (long)memory + PAGE_BYTES - 1 &&
              fault.code == SEGV_ACCERR);
    munmap(memory, 2 * PAGE_BYTES);
    call(memory);
    check("a jump to what was unmapped",
          fault.signal == SIGSEGV && fault.address == (uint32_t)memory);
    handle(SIGSEGV, open_page);
}

static void extend_file(int number, siginfo_t *info, void *context)
{
    fault.signal = number;
    fault.code = info->si_code;
    fault.address = (uint32_t)info->si_addr;
    fault.count++;
    if (ftruncate((int)fault.ecx, 2 * PAGE_BYTES)) {
        _exit(1);
    }
}

static void pass_end_of_file(void)
{
    int file = memfd_create("short", 0);
    if (file < 0 || ftruncate(file, 10)) {
        check("a file in memory", false);
        return;
    }
    volatile uint8_t *memory =
        mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    fault.ecx = (uint32_t)file;
    fault.count = 0;
    handle(SIGBUS, extend_file);
    memory[5] = 1;
    memory[PAGE_BYTES + 7] = 42;
    check_equal("one access behind the end of a file", (long)fault.count, 1);
    check("its signal", fault.signal == SIGBUS && fault.code == BUS_ADRERR &&
                            fault.address == (uint32_t)memory + PAGE_BYTES + 7);
    uint8_t found = 0;
    check("the file has it",
          pread(file, &found, 1, PAGE_BYTES + 7) == 1 && found == 42);
    munmap((void *)memory, 2 * PAGE_BYTES);
    close(file);
}

static unsigned use_stack(unsigned depth)
{
    volatile char frame[1000];
    frame[0] = (char)depth;
    return depth ? use_stack(depth - 1) + (unsigned char)frame[0] : 0;
}

/* Handlers have their own stack, since that of the program may just be the fault. */
void faults_kind(unsigned rounds)
{
    stack_t stack = {.ss_sp =
                         new_pages(STACK_BYTES / PAGE_BYTES, PROT_READ | PROT_WRITE),
                     .ss_size = STACK_BYTES};
    sigaltstack(&stack, NULL);
    handle(SIGSEGV, open_page);
    touch_pages(rounds);
    cross_pages(rounds);
    jump_nowhere();
    pass_end_of_file();
    printf("2 MB of stack: %u\n", use_stack(2000));
}
