/* Segments of the LDT: with bases and limits, growing down, of 16 bits, for data, code
 * and the stack. */
#define _GNU_SOURCE
#include "catch.h"
#include "descriptors.h"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE_LDT = 0x11, READ_LDT = 0, HALF = 0x8000, WHOLE = 0x10000 };

static uint8_t *memory; /* WHOLE bytes */

uint16_t set_ldt_entry(uint32_t entry, const void *base, uint32_t limit, uint32_t flags)
{
    struct descriptor descriptor = {entry, (uint32_t)base, limit, flags};
    if (syscall(SYS_modify_ldt, WRITE_LDT, &descriptor, sizeof(descriptor))) {
        return 0;
    }
    return (uint16_t)(entry << 3 | 7);
}

/* Reads 4 bytes at an offset of a segment; prints what comes of it. */
static void peek(const char *what, uint16_t selector, uint32_t offset)
{
    uint32_t value = 0;
    uint16_t before = load_fs(selector);
    FAULTING("movl %%fs:(%1), %0", : "+r"(value) : "r"(offset));
    load_fs(before);
    if (!caught.signal) {
        printf("%s: %#x\n", what, value);
    } else {
        print_caught(what);
    }
}

static void set_limits(void)
{
    for (uint32_t i = 0; i < WHOLE / 4; i++) {
        ((uint32_t *)memory)[i] = i * 4;
    }
    uint16_t bytes = set_ldt_entry(0, memory + 0x100, 0xfff, DESCRIPTOR_32BIT);
    peek("limit of 1000h bytes, first", bytes, 0);
    peek("limit of 1000h bytes, last", bytes, 0xffc);
    peek("limit of 1000h bytes, behind", bytes, 0xffd);
    uint16_t pages =
        set_ldt_entry(1, memory, 2, DESCRIPTOR_32BIT | DESCRIPTOR_IN_PAGES);
    peek("limit of 3 pages, last", pages, 0x2ffc);
    peek("limit of 3 pages, behind", pages, 0x3000);
    uint16_t down =
        set_ldt_entry(2, memory, 0xfff, DESCRIPTOR_32BIT | DESCRIPTOR_EXPANDS_DOWN);
    peek("down to 1000h, first", down, 0x1000);
    peek("down to 1000h, below", down, 0xfff);
    peek("down to 1000h, far above", down, 0x8000);
    uint16_t down16 = set_ldt_entry(3, memory, 0xfff, DESCRIPTOR_EXPANDS_DOWN);
    peek("down to 1000h, 16 bits, last", down16, 0xfffc);
    peek("down to 1000h, 16 bits, above", down16, 0xfffd);
    uint16_t reading =
        set_ldt_entry(4, memory, 0xfff, DESCRIPTOR_32BIT | DESCRIPTOR_READ_ONLY);
    peek("for reading, read", reading, 0x20);
    load_fs(reading);
    FAULTING("movl %0, %%fs:(%1)", : : "r"(1), "r"(0x20) : "memory");
    print_caught("for reading, written");
    uint16_t absent =
        set_ldt_entry(5, memory, 0xfff, DESCRIPTOR_32BIT | DESCRIPTOR_NOT_PRESENT);
    FAULTING("mov %0, %%fs", : : "r"(absent));
    print_caught("not present");
    FAULTING("mov %0, %%fs", : : "r"(0x7f7));
    print_caught("behind the table");
    load_fs(0);
}

static void ask(const char *what, uint16_t selector)
{
    uint32_t rights = 0, limit = 0;
    uint8_t has_rights, has_limit, readable, writable;
    asm volatile("lar %4, %0; setz %1; lsl %4, %2; setz %3"
                 : "+&r"(rights), "=&q"(has_rights), "+&r"(limit), "=&q"(has_limit)
                 : "r"((uint32_t)selector)
                 : "cc");
    asm volatile("verr %w2; setz %0; verw %w2; setz %1"
                 : "=&q"(readable), "=q"(writable)
                 : "r"((uint32_t)selector)
                 : "cc");
    printf("%s: rights %#x (%u), limit %#x (%u), readable %u, writable %u\n", what,
           rights, has_rights, limit, has_limit, readable, writable);
}

static void ask_all(void)
{
    uint64_t table[6] = {0};
    for (uint32_t entry = 0; entry < 7; entry++) {
        char what[20];
        snprintf(what, sizeof(what), "entry %u", entry);
        ask(what, (uint16_t)(entry << 3 | 7));
    }
    ask("null", 0);
    syscall(SYS_modify_ldt, READ_LDT, table, sizeof(table));
    uint32_t base = (uint32_t)memory;
    uint64_t in_place = (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(base >> 24)
                                                                << 56;
    for (int i = 1; i < 6; i++) {
        printf("entry %d in memory: %llx\n", i,
               (unsigned long long)(table[i] - in_place));
    }
}

/* String instructions from DS to a segment with a base, and within it. */
static void move_strings(unsigned rounds)
{
    uint16_t selector = set_ldt_entry(6, memory + HALF, HALF - 1, DESCRIPTOR_32BIT);
    static const char text[] = "a string to be moved";
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        uint32_t to = i * 7 % 1000, count = sizeof(text), left, found = 0;
        const char *from = text;
        char *string = (char *)memory + HALF + to;
        memset(string, 0, sizeof(text) + 8);
        asm volatile("push %%es; mov %3, %%es; cld; rep movsb; pop %%es"
                     : "+D"(to), "+S"(from), "+c"(count)
                     : "r"(selector)
                     : "memory");
        right += strcmp(string, text) == 0 && to == i * 7 % 1000 + sizeof(text);
        to -= sizeof(text);
        left = sizeof(text);
        asm volatile("push %%es; mov %3, %%es; repne scasb; pop %%es\n"
                     : "+D"(to), "+c"(left)
                     : "a"('s'), "r"(selector)
                     : "cc", "memory");
        right += left == sizeof(text) - 3;
        asm volatile("push %%ds; mov %2, %%ds; movl (%1), %0; movb $'A', (%1); pop %%ds"
                     : "=&r"(found)
                     : "r"(to - 3), "r"(selector)
                     : "memory");
        right += memcmp(&found, text, 4) == 0 && string[0] == 'A';
    }
    check_equal("strings in a segment with a base", (long)right, 3 * (long)rounds);
    uint32_t to = HALF - 10, count = 20;
    asm volatile("mov %0, %%es" : : "r"(selector));
    FAULTING("rep stosb", : "+D"(to), "+c"(count) : "a"(7) : "memory");
    asm volatile("push %ss; pop %es");
    print_caught("REP STOSB over the limit");
    check_equal("what it has not done", (long)count, 10);
}

/* One with `count` bytes of code at memory + offset; called with EAX, it returns EAX.
 */
static uint32_t call_far(uint16_t selector, uint32_t offset, uint32_t value)
{
    struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) pointer = {offset, selector};
    asm volatile("lcall *%1" : "+a"(value) : "m"(pointer) : "ecx", "memory", "cc");
    return value;
}

static void run_code(unsigned rounds)
{
    /* Of 32 bits: add %cs:4, eax with the word that stands there; far return. */
    static const uint8_t code32[] = {0x2e, 0x03, 0x05, 0x10, 0,    0,
                                     0,    0xcb, 0x90, 0x90, 0x90, 0x90,
                                     0x90, 0x90, 0x90, 0x90, 7};
    /* Of 16 bits: inc ax; add eax, eax; push ax; pop cx; far return to 32 bits. */
    static const uint8_t code16[] = {0x40, 0x66, 0x01, 0xc0, 0x50, 0x59, 0x66, 0xcb};
    uint8_t *code = new_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    memcpy(code, code32, sizeof(code32));
    memcpy(code + 0x100, code16, sizeof(code16));
    uint16_t flat32 =
        set_ldt_entry(7, code, PAGE_BYTES - 1, DESCRIPTOR_32BIT | DESCRIPTOR_CODE);
    uint16_t flat16 = set_ldt_entry(8, code + 0x100, 0xff, DESCRIPTOR_CODE);
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        right += call_far(flat32, 0, i) == i + 7;
        right += call_far(flat16, 0, 0x10000 + i) == 2 * (0x10000 + i + 1);
    }
    check_equal("code of 32 and 16 bits in the LDT", (long)right, 2 * (long)rounds);
    ask("code of 32 bits", flat32);
    ask("code of 16 bits", flat16);
    munmap(code, PAGE_BYTES);
}

/* A stack in a segment of 16 bits: PUSH moves SP only, and not even the kernel changes
 * the rest of ESP. */
static void use_stacks(unsigned rounds)
{
    uint16_t small = set_ldt_entry(9, memory, 0xffff, 0);
    uint16_t large = set_ldt_entry(10, memory, 0xffff, DESCRIPTOR_32BIT);
    static unsigned i; /* not on the stack */
    unsigned right = 0;
    for (i = 0; i < rounds; i++) {
        uint32_t stack, value, pid = SYS_getpid;
        asm volatile(
            "mov %%esp, %%ecx; mov %%ss, %%edx\n"
            "mov %[small], %%ss; mov %[top], %%esp\n"
            "push %[number]; int $0x80; pop %[value]; mov %%esp, %[stack]\n"
            "mov %%edx, %%ss; mov %%ecx, %%esp"
            : [stack] "=&D"(stack), [value] "=&S"(value), "+a"(pid)
            : [small] "r"(small), [top] "i"(0x12340000 + 0x1000), [number] "m"(i)
            : "ecx", "edx", "memory", "cc");
        right += stack == 0x12341000 && value == i && pid == (uint32_t)getpid() &&
                 *(uint32_t *)(memory + 0xffc) == i;
        asm volatile("mov %%esp, %%ecx; mov %%ss, %%edx\n"
                     "mov %[large], %%ss; mov $0x2000, %%esp\n"
                     "call 1f; jmp 2f\n"
                     "1: push %[number]; pop %[value]; ret\n"
                     "2: mov %%esp, %[stack]; mov %%edx, %%ss; mov %%ecx, %%esp"
                     : [stack] "=&D"(stack), [value] "=&S"(value)
                     : [large] "r"(large), [number] "m"(i)
                     : "ecx", "edx", "memory", "cc");
        right += stack == 0x2000 && value == i && *(uint32_t *)(memory + 0x1ff8) == i;
    }
    check_equal("stacks of 16 and 32 bits in the LDT", (long)right, 2 * (long)rounds);
}

static void fork_with_it(void)
{
    uint16_t selector = set_ldt_entry(11, memory, 0xfff, DESCRIPTOR_32BIT);
    *(uint32_t *)memory = 1;
    load_fs(selector);
    int child = fork();
    if (child == 0) {
        bool right = peek_fs(0) == 1;
        *(uint32_t *)(memory + 8) = 2;
        set_ldt_entry(11, memory + 8, 0xfff, DESCRIPTOR_32BIT);
        load_fs(selector);
        right = right && peek_fs(0) == 2;
        _exit(right ? EXITING_STATUS : 0);
    }
    check("the child has a copy", child_ends_with(child, EXITING_STATUS));
    check("the parent has its own", peek_fs(0) == 1 && read_fs() == selector);
    load_fs(0);
}

void ldt_kind(unsigned rounds)
{
    memory = new_pages(WHOLE / PAGE_BYTES, PROT_READ | PROT_WRITE);
    catch_faults();
    set_limits();
    ask_all();
    move_strings(rounds);
    run_code(rounds);
    use_stacks(rounds);
    fork_with_it();
}
