/* Code that modifies itself, at every place around the border of two pages, in both
 * rings, by its own addresses and by those of an alias. A processor sees stores to its
 * own addresses at once (SDM vol. 3, 8.1.3); by an alias it wants a serializing
 * instruction first, which emulators that see all stores do not need. */
#include "torture.h"

/* EDI is where the snippet may be written, EBX where it runs; 0x40 is inc %eax, 0x42
 * inc %edx. */
SNIPPET(next, "movb $0x42, 1f-next(%edi); 1: .byte 0x40");
SNIPPET(ahead, "movb $0x42, 1f-ahead(%edi); .fill 20, 1, 0x90; 1: .byte 0x40");
SNIPPET(far_ahead, "movb $0x42, 1f-far_ahead(%edi); .fill 100, 1, 0x90; 1: .byte 0x40");
SNIPPET(behind, "mov $5, %ecx; 1: .byte 0x40; xorb $2, 1b-behind(%edi); loop 1b");
SNIPPET(immediate, "mov $5, %ecx; 2: mov %ecx, 1f-immediate+1(%edi);"
                   "1: add $0x12345678, %eax; loop 2b");
SNIPPET(
    displacement,
    "mov $6, %ecx; 1: .byte 0xeb, 0; inc %eax; inc %eax; incb 1b+1-displacement(%edi);"
    "andb $1, 1b+1-displacement(%edi); loop 1b");
SNIPPET(opcode, "mov $7, %ecx; 1: .byte 5; .long 3; xorb $0x28, 1b-opcode(%edi);"
                "add $10, %edx; loop 1b");
SNIPPET(condition, "mov $7, %ecx; 1: xor %ebp, %ebp; 2: jz 3f; inc %eax; 3: inc %edx;"
                   "xorb $1, 2b-condition(%edi); loop 1b");
SNIPPET(call_target,
        "mov $6, %ecx; 1: call 2f; mov 4f-call_target(%edi), %esi;"
        "xchg %esi, 1b+1-call_target(%edi); mov %esi, 4f-call_target(%edi); loop 1b;"
        "jmp 5f; 2: inc %eax; ret; 3: inc %edx; ret; 4: .long 3b-1b-5; 5: nop");
SNIPPET(nop_jump,
        "mov $6, %ecx; 1: .byte 0x0f, 0x1f, 0x44, 0, 0; inc %eax; inc %edx;"
        "mov 2f-nop_jump(%edi), %esi; xchg %esi, 1b-nop_jump(%edi);"
        "mov %esi, 2f-nop_jump(%edi); loop 1b; jmp 3f; 2: .byte 0xe9, 1, 0, 0; 3: nop");
SNIPPET(own_operand, "mov $4, %ecx; 1: addb $1, 2f-1-own_operand(%edi); 2: loop 1b;"
                     "movzbl 2b-1-own_operand(%edi), %eax");
/* 0x80 and 0x82 are the same. */
SNIPPET(own_opcode, "mov $3, %ecx; 1: xorb $2, 1b-own_opcode(%edi); loop 1b;"
                    "movzbl 1b-own_opcode(%edi), %eax");
SNIPPET(prefix, "mov $4, %ecx; 1: .byte 0x90, 0xb8, 1, 0; .byte 0x90, 0x90;"
                "add %eax, %edx; xorb $0xf6, 1b-prefix(%edi); loop 1b");
SNIPPET(resynchronised, "mov $4, %ecx; 1: .byte 0xb8, 0x42, 0x42, 0x42, 0x42;"
                        "xorb $0x28, 1b-resynchronised(%edi); loop 1b");
SNIPPET(makes_trap, "movb $0xcc, 1f-makes_trap(%edi); inc %eax; 1: inc %eax; inc %eax");
SNIPPET(makes_fault, "movw $0x0b0f, 1f-makes_fault(%edi); inc %eax; 1: inc %eax; nop");
SNIPPET(words_stored, "movl $0x42424242, 1f-words_stored(%edi);"
                      "movw $0x4242, 1f+4-words_stored(%edi);"
                      "1: .fill 8, 1, 0x40");
SNIPPET(exchanged, "mov $0x42424242, %ebp; xchg %ebp, 1f-exchanged(%edi);"
                   "1: .fill 8, 1, 0x40; mov %ebp, %ecx");
SNIPPET(compared, "mov $0x40404040, %eax; mov $0x42424242, %ecx;"
                  "lock cmpxchg %ecx, 1f-compared(%edi); 1: .fill 8, 1, 0x40");
SNIPPET(modified, "addl $0x02020202, 1f-modified(%edi); 1: .fill 8, 1, 0x40");
SNIPPET(bit_set, "btsl $1, 1f-bit_set(%edi); 1: .fill 4, 1, 0x40");
SNIPPET(pushed, "mov %esp, %ebp; lea 1f+8-pushed(%edi), %esp; push $0x42424242;"
                "push $0x42424242; 1: .fill 8, 1, 0x40; mov %ebp, %esp");
SNIPPET(vector_stored, "movups 2f-vector_stored(%edi), %xmm0;"
                       "movups %xmm0, 1f-vector_stored(%edi); 1: .fill 20, 1, 0x40;"
                       "jmp 3f; 2: .fill 16, 1, 0x42; 3: nop");
SNIPPET(float_stored, "fildll 2f-float_stored(%edi); fistpll 1f-float_stored(%edi);"
                      "1: .fill 12, 1, 0x40; jmp 3f; 2: .fill 8, 1, 0x42; 3: nop");
SNIPPET(string_stored,
        "mov %edi, %ebp; lea 1f-string_stored(%edi), %edi; mov $0x42424242, %eax;"
        "mov $3, %ecx; rep stosl; 1: .fill 16, 1, 0x40; mov %ebp, %edi");
SNIPPET(string_copied, "mov %edi, %ebp; lea 2f-string_copied(%edi), %esi;"
                       "lea 1f-string_copied(%edi), %edi; mov $14, %ecx; rep movsb;"
                       "1: .fill 16, 1, 0x40; jmp 3f; 2: .fill 16, 1, 0x42;"
                       "3: mov %ebp, %edi");
SNIPPET(one_string_step, "mov %edi, %ebp; lea 1f-one_string_step(%edi), %edi;"
                         "mov $0x42, %al; stosb; 1: .fill 4, 1, 0x40; mov %ebp, %edi");
SNIPPET(return_site, "mov $3, %ecx; 1: call 2f; inc %eax; loop 1b; jmp 3f;"
                     "2: xorb $2, 1b+5-return_site(%edi); ret; 3: nop");
SNIPPET(function_copied,
        "mov %edi, %ebp; mov $4, %edx; 1: lea 5f-function_copied(%ebp), %esi;"
        "test $1, %dl; jz 2f; lea 6f-function_copied(%ebp), %esi;"
        "2: lea 4f-function_copied(%ebp), %edi; mov $6, %ecx; rep movsb; call 4f;"
        "dec %edx; jnz 1b; jmp 7f; 4: .fill 6, 1, 0xcc;"
        "5: add $1, %eax; ret; nop; nop; 6: add $16, %eax; ret; nop; nop;"
        "7: mov %ebp, %edi");
SNIPPET(data_beside,
        "mov $50, %ecx; 1: addl %ecx, 2f-data_beside(%edi);"
        "incl 3f-data_beside(%edi); loop 1b; mov 2f-data_beside(%edi), %eax;"
        "mov 3f-data_beside(%edi), %edx; jmp 4f; 2: .long 0; 3: .long 0;"
        "4: nop");
SNIPPET(stack_beside,
        "mov %esp, %ebp; lea 2f-stack_beside(%edi), %esp; mov $20, %ecx; 1: push %ecx;"
        "pop %esi; add %esi, %eax; push $3; pushl (%esp); pop %edx; pop %edx; loop 1b;"
        "jmp 3f; .fill 16, 1, 0x40; 2: nop; 3: mov %ebp, %esp");

#define CASE(name)                                                                     \
    {                                                                                  \
#name, name, name##_end                                                        \
    }
static const struct {
    const char *name;
    const uint8_t *code, *end;
} cases[] = {
    CASE(next),          CASE(ahead),           CASE(far_ahead),
    CASE(behind),        CASE(immediate),       CASE(displacement),
    CASE(opcode),        CASE(condition),       CASE(call_target),
    CASE(nop_jump),      CASE(own_operand),     CASE(own_opcode),
    CASE(prefix),        CASE(resynchronised),  CASE(makes_trap),
    CASE(makes_fault),   CASE(words_stored),    CASE(exchanged),
    CASE(compared),      CASE(modified),        CASE(bit_set),
    CASE(pushed),        CASE(vector_stored),   CASE(float_stored),
    CASE(string_stored), CASE(string_copied),   CASE(one_string_step),
    CASE(return_site),   CASE(function_copied), CASE(data_beside),
    CASE(stack_beside),
};

enum {
    TEXT = WINDOW, /* three pages */
    ALIAS = WINDOW + 0x900000,
    TEXT_PAGES = 3,
    INT3 = 0xcc,
};

/* One run of a snippet at TEXT + offset, written at `writes` + offset. */
static struct context run_at(uint32_t offset, uint32_t writes, unsigned ring,
                             const uint8_t *code, uint32_t bytes)
{
    copy(TEXT + offset, code, bytes);
    struct context c = placed(ring, TEXT + offset);
    c.ebx = TEXT + offset;
    c.edi = writes + offset;
    __asm__ volatile("fninit");
    run(&c);
    return c;
}

static void expect_same(struct tally *tally, uint32_t where, const struct context *c,
                        const struct context *first)
{
    expect(tally, where, c->vector, first->vector);
    expect(tally, where, c->eip - c->code, first->eip - first->code);
    expect(tally, where, c->eax, first->eax);
    expect(tally, where, c->ecx, first->ecx);
    expect(tally, where, c->edx, first->edx);
}

void torture_code(void)
{
    for (unsigned i = 0; i < TEXT_PAGES; i++) {
        uint32_t frame = frame_alloc();
        frame_alloc(); /* so that neighbours are not neighbours in memory */
        map(TEXT + i * PAGE_BYTES, frame | USER_PAGE);
        map(ALIAS + i * PAGE_BYTES, frame | USER_PAGE);
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tally tally = {0};
        uint32_t bytes = (uint32_t)(cases[i].end - cases[i].code);
        fill(TEXT, INT3, TEXT_PAGES * PAGE_BYTES);
        begin(cases[i].name);
        struct context first = run_at(0x100, TEXT, 3, cases[i].code, bytes);
        put_ending(&first);
        put(" eax %x ecx %x edx %x", first.eax, first.ecx, first.edx);
        for (uint32_t offset = PAGE_BYTES - bytes; offset <= PAGE_BYTES; offset++) {
            for (unsigned kind = 0; kind < 4; kind++) {
                struct context c = run_at(offset, kind & 1 ? ALIAS : TEXT,
                                          kind & 2 ? 0 : 3, cases[i].code, bytes);
                expect_same(&tally, offset << 4 | kind, &c, &first);
            }
        }
        put_tally(&tally);
    }
}
