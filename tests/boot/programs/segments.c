/* Segment registers: what is in them at first, in signals, across the kernel; entries
 * for threads in the GDT. */
#define _GNU_SOURCE
#include "catch.h"
#include "descriptors.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORDS = 1024, FIRST_ENTRY_I386 = 6, FIRST_ENTRY_X86_64 = 12 };

uint16_t set_gdt_entry(struct descriptor *descriptor)
{
    if (syscall(SYS_set_thread_area, descriptor)) {
        return 0;
    }
    return (uint16_t)(descriptor->entry << 3 | 3);
}

struct selectors {
    uint16_t cs, ds, es, fs, gs, ss;
};

static struct selectors read_selectors(void)
{
    struct selectors found;
    asm volatile("mov %%cs, %0; mov %%ds, %1; mov %%es, %2\n"
                 "mov %%fs, %3; mov %%gs, %4; mov %%ss, %5"
                 : "=m"(found.cs), "=m"(found.ds), "=m"(found.es), "=m"(found.fs),
                   "=m"(found.gs), "=m"(found.ss));
    return found;
}

static bool are_as_wanted(const struct selectors *found)
{
    bool guest = kernel_is_i386();
    uint16_t data = guest ? 0x7b : 0x2b;
    int first = guest ? FIRST_ENTRY_I386 : FIRST_ENTRY_X86_64;
    return found->cs == (guest ? 0x73 : 0x23) && found->ds == data &&
           found->es == data && found->ss == data && found->fs == 0 &&
           found->gs == (first << 3 | 3);
}

static void read_them(void)
{
    struct selectors found = read_selectors();
    check("selectors at first", are_as_wanted(&found));

    /* To a register the selector comes with zeros above; to memory without. */
    uint32_t in_register, pushed, in_memory = 0xffffffff, expected = found.ds;
    asm volatile("mov %%ds, %0; movw %%ds, %1; push %%ds; pop %2"
                 : "=r"(in_register), "+m"(in_memory), "=r"(pushed));
    check_equal("MOV to a register", (long)in_register, (long)expected);
    check_equal("MOV to memory", (long)in_memory, (long)(0xffff0000 | expected));
    check_equal("PUSH and POP", (long)(uint16_t)pushed, (long)expected);

    /* Far pointers: through the ones that are there. */
    static struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) pointer = {0x1234, 0};
    pointer.selector = found.ds;
    uint32_t offset;
    uint16_t loaded;
    asm volatile("les %2, %0; mov %%es, %1"
                 : "=r"(offset), "=r"(loaded)
                 : "m"(pointer));
    check("LES", offset == 0x1234 && loaded == found.ds);
    asm volatile("push %%fs; lfs %2, %0; mov %%fs, %1; pop %%fs"
                 : "=r"(offset), "=r"(loaded)
                 : "m"(pointer));
    check("LFS", offset == 0x1234 && loaded == found.ds && read_fs() == found.fs);
    uint32_t stack;
    asm volatile("mov %%esp, %%ecx; mov %%ss, %%edx; push %%edx; push %%ecx\n"
                 "lss (%%esp), %%esp; mov %%esp, %0; sub %%ecx, %0"
                 : "=r"(stack)
                 :
                 : "ecx", "edx", "memory", "cc");
    check_equal("LSS", (long)stack, 0);
    static uint32_t far;
    asm volatile("mov %%cs, %%ecx; push %%ecx; push $1f; lret\n"
                 "1: incl %0; push %%ecx; push $2f; ljmp *(%%esp)\n"
                 "2: add $8, %%esp"
                 : "+m"(far)
                 :
                 : "ecx", "memory", "cc");
    check_equal("far jumps within the code segment", (long)far, 1);
}

static struct selectors in_frame;
static uint16_t new_fs;

static void note_frame(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    in_frame =
        (struct selectors){(uint16_t)registers[REG_CS], (uint16_t)registers[REG_DS],
                           (uint16_t)registers[REG_ES], (uint16_t)registers[REG_FS],
                           (uint16_t)registers[REG_GS], (uint16_t)registers[REG_SS]};
    if (new_fs) {
        registers[REG_FS] = new_fs;
    }
}

static void look_at_frames(unsigned rounds)
{
    struct sigaction action = {.sa_sigaction = note_frame, .sa_flags = SA_SIGINFO};
    unsigned right = 0;
    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < rounds; i++) {
        struct selectors found = read_selectors();
        raise(SIGUSR1);
        struct selectors after = read_selectors();
        right += memcmp(&found, &in_frame, sizeof(found)) == 0 &&
                 memcmp(&found, &after, sizeof(found)) == 0;
    }
    check_equal("selectors in a signal's frame", (long)right, (long)rounds);
    new_fs = read_selectors().ds;
    raise(SIGUSR1);
    check_equal("a handler sets FS", read_fs(), new_fs);
    new_fs = 0;
    raise(SIGUSR1);
    check_equal("FS in the frame", in_frame.fs, read_fs());
    load_fs(0);
}

static uint32_t words[2][WORDS];

static uint16_t new_entry(int which, uint32_t flags, uint32_t limit)
{
    struct descriptor descriptor = {UINT32_MAX, (uint32_t)words[which], limit,
                                    DESCRIPTOR_32BIT | DESCRIPTOR_USEABLE | flags};
    return set_gdt_entry(&descriptor);
}

/* Reads GS:0 through another selector, while nothing may use the thread's own. The
 * processor is given away in between. */
static uint32_t peek_gs(uint16_t selector, uint16_t *found)
{
    uint32_t value;
    asm volatile("push %%gs; mov %2, %%gs\n"
                 "mov $158, %%eax; int $0x80\n" /* sched_yield */
                 "movl %%gs:0, %0; mov %%gs, %1; pop %%gs"
                 : "=&r"(value), "=&r"(*found)
                 : "r"(selector)
                 : "eax", "memory");
    return value;
}

static void switch_entries(unsigned rounds, uint32_t who, const uint16_t *selectors,
                           const char *what)
{
    unsigned right = 0;
    words[0][0] = who;
    words[1][0] = who + 1;
    for (unsigned i = 0; i < rounds; i++) {
        uint16_t selector = selectors[i % 2], found;
        load_fs(selectors[(i + 1) % 2]);
        right += peek_gs(selector, &found) == who + i % 2 && found == selector &&
                 peek_fs(0) == who + (i + 1) % 2 &&
                 read_fs() == selectors[(i + 1) % 2] && getpid() != 0;
        words[i % 2][1] = i;
        load_fs(selector);
        right += peek_fs(4) == i;
        load_fs(0);
    }
    check_equal(what, (long)right, 2 * (long)rounds);
}

static void use_entries(unsigned rounds)
{
    uint16_t selectors[2] = {new_entry(0, 0, sizeof(words[0]) - 1),
                             new_entry(1, DESCRIPTOR_IN_PAGES, 0xfffff)};
    uint16_t first =
        (kernel_is_i386() ? FIRST_ENTRY_I386 : FIRST_ENTRY_X86_64) << 3 | 3;
    check_equal("selector of the second entry", selectors[0], first + 8);
    check_equal("selector of the third entry", selectors[1], first + 16);
    check_equal("there is no fourth", new_entry(0, 0, 0), 0);

    /* Two processes with the same selectors and other bases. */
    int child = fork();
    if (child == 0) {
        switch_entries(rounds, 1000, selectors, "FS and GS in the child");
        _exit(words[0][0] == 1000 ? EXITING_STATUS : 0);
    }
    bool ended = child_ends_with(child, EXITING_STATUS);
    check("the child's own", ended && words[0][0] == 0);
    child = fork();
    if (child == 0) {
        for (;;) {
            uint16_t found;
            words[0][0] = 5000;
            if (peek_gs(selectors[0], &found) != 5000) {
                _exit(1);
            }
        }
    }
    switch_entries(rounds, 2000, selectors, "FS and GS beside a child");
    kill(child, SIGKILL);
    check("that child was killed", !child_ends_with(child, 1));

    /* A change of the entry that is in use. */
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        struct descriptor moved = {selectors[0] >> 3, (uint32_t)&words[0][i % WORDS], 3,
                                   DESCRIPTOR_32BIT | DESCRIPTOR_USEABLE};
        words[0][i % WORDS] = i;
        load_fs(selectors[0]);
        set_gdt_entry(&moved);
        right += peek_fs(0) == i;
        poke_fs(0, i + 1);
        right += words[0][i % WORDS] == i + 1;
        uint32_t limit;
        asm volatile("lsl %1, %0" : "=r"(limit) : "r"((uint32_t)selectors[0]) : "cc");
        right += limit == 3;
    }
    check_equal("a moved entry", (long)right, 3 * (long)rounds);
    load_fs(0);
}

static void go_wrong(void)
{
    uint32_t value = 0;
    struct descriptor small = {UINT32_MAX, (uint32_t)words[0], 9,
                               DESCRIPTOR_32BIT | DESCRIPTOR_USEABLE};
    small.entry = (kernel_is_i386() ? FIRST_ENTRY_I386 : FIRST_ENTRY_X86_64) + 1;
    uint16_t selector = set_gdt_entry(&small);
    load_fs(selector);
    FAULTING("movl %%fs:(%1), %0", : "+r"(value) : "r"(7));
    print_caught("behind the limit");
    FAULTING("movl %%fs:(%1), %0", : "+r"(value) : "r"(6));
    print_caught("at the limit");
    load_fs(0);
    FAULTING("movl %%fs:(%1), %0", : "+r"(value) : "r"(0));
    print_caught("through a null selector");
    FAULTING("mov %0, %%fs", : : "r"(0x1fb));
    print_caught("a selector of no entry");
    FAULTING("mov %0, %%ss", : : "r"(0));
    print_caught("a null selector for the stack");
    FAULTING("mov %0, %%ss", : : "r"(read_selectors().cs));
    check_equal("error code of the code segment as stack", caught.error,
                read_selectors().cs & ~3);
    struct descriptor empty = {small.entry, 0, 0,
                               DESCRIPTOR_READ_ONLY | DESCRIPTOR_NOT_PRESENT};
    set_gdt_entry(&empty);
    FAULTING("mov %0, %%fs", : : "r"(selector));
    check_equal("error code of an emptied entry", caught.error, selector & ~3);
    load_fs(0);
}

void segments_kind(unsigned rounds)
{
    read_them();
    look_at_frames(rounds);
    use_entries(rounds);
    catch_faults();
    go_wrong();
}
