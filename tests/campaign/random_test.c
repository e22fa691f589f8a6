/* Proves classes of faults for programs of instructions by chance: what each of them is
 * said to read and to overwrite is compared with what it does.
 *
 *     random_test PROGRAMS POINTS
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults/random.h"
#include "machine/control.h"
#include "machine/inspect.h"
#include "proof.h"
#include "../engine.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    CODE = 0x10000,
    DATA = 0x20000, /* as the rows have it */
    DATA_BYTES = 64,
    STACK = 0x30000,
    INSTRUCTIONS = 60,
    CODE_BYTES = 1024,
};

/* Into flat 32-bit code; sends a byte, and goes to CODE. */
static const uint8_t bios_code[] = {
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x16, 0x00,       /* lgdt cs:[0x16] */
    0x0f, 0x20, 0xc0, 0x40, 0x0f, 0x22, 0xc0,       /* CR0.PE */
    0x66, 0xea, 0x34, 0x00, 0xff, 0xff, 0x08, 0x00, /* jmp 8:0xffff0034 */
    0x17, 0x00, 0x1c, 0x00, 0xff, 0xff,             /* limit and base of the GDT */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* the GDT */
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, /* 8: code */
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, /* 16: data */
    0xb0, 0x10, 0x8e, 0xd8, 0x8e, 0xd0, 0x8e, 0xc0, /* 34: selectors */
    0x66, 0xba, 0xf8, 0x03, 0xee,                   /* mov dx, 0x3f8; out dx, al */
    0xb8, 0x00, 0x00, 0x01, 0x00, 0xff, 0xe0,       /* mov eax, CODE; jmp eax */
};

static const char rows[] = "[{\"target\": \"ram\", \"address\": 131072, \"bytes\": 64},"
                           " {\"target\": \"ram\", \"address\": 196592, \"bytes\": 16},"
                           " {\"target\": \"ram\", \"address\": 65536, \"bytes\": 60},"
                           " {\"target\": \"register\", \"name\": [\"eax\", \"ecx\", "
                           "\"edx\", \"ebx\", \"esp\","
                           "  \"ebp\", \"esi\", \"edi\", \"eflags\"]}]";

/* Opcodes that have an operand by a ModR/M byte, and how many bytes follow that. The
 * first byte is 0x0f if there are two; `widths`: bit 0 of the opcode chooses between
 * bytes and words; `digit`: which values of the byte's reg field there are. */
struct form {
    uint8_t prefix, opcode, count, digits, immediate;
};

static const struct form forms[] = {
    {0, 0x00, 4, 0xff, 0}, /* ADD, OR… with two operands: 8 * random is added */
    {0, 0x80, 1, 0xff, 1},    {0, 0x83, 1, 0xff, 1},     {0, 0x84, 8, 0xff, 0},
    {0, 0x69, 1, 0xff, 4},    {0, 0x6b, 1, 0xff, 1},     {0, 0xc0, 2, 0xbf, 1},
    {0, 0xd0, 4, 0xbf, 0},    {0, 0xf6, 1, 0x01, 1},     {0, 0xf6, 2, 0x3c, 0},
    {0, 0xf6, 2, 0xc0, 0}, /* divisions may fault */
    {0, 0xfe, 1, 0x03, 0},    {0, 0xff, 1, 0x43, 0},     {0, 0x8f, 1, 0x01, 0},
    {0, 0xc6, 1, 0x01, 1},    {0x0f, 0x40, 16, 0xff, 0}, {0x0f, 0x90, 16, 0xff, 0},
    {0x0f, 0xa3, 1, 0xff, 0}, {0x0f, 0xab, 1, 0xff, 0},  {0x0f, 0xb3, 1, 0xff, 0},
    {0x0f, 0xbb, 1, 0xff, 0}, {0x0f, 0xba, 1, 0xf0, 1},  {0x0f, 0xa4, 1, 0xff, 1},
    {0x0f, 0xa5, 1, 0xff, 0}, {0x0f, 0xac, 1, 0xff, 1},  {0x0f, 0xad, 1, 0xff, 0},
    {0x0f, 0xaf, 1, 0xff, 0}, {0x0f, 0xb0, 2, 0xff, 0},  {0x0f, 0xb6, 2, 0xff, 0},
    {0x0f, 0xbe, 2, 0xff, 0}, {0x0f, 0xbc, 2, 0xff, 0},  {0x0f, 0xc0, 2, 0xff, 0},
};

/* Without: INC, DEC, PUSH, POP, XCHG, CBW, PUSHF, SAHF, LAHF, LEAVE, string
 * instructions, CMC… */
static const uint8_t plain[] = {
    0x40, 0x41, 0x42, 0x43, 0x46, 0x48, 0x49, 0x4b, 0x4f, 0x50, 0x51, 0x52, 0x53, 0x54,
    0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x90, 0x91,
    0x92, 0x93, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9c, 0x9e, 0x9f, 0xa4, 0xa5, 0xa6, 0xa7,
    0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xc9, 0xd6, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd,
};

struct writer {
    struct fault_random random;
    uint8_t code[CODE_BYTES];
    unsigned bytes;
};

static unsigned below(struct writer *writer, unsigned limit)
{
    return (unsigned)random_below(&writer->random, limit);
}

static void put(struct writer *writer, uint8_t byte)
{
    assert_true(writer->bytes < CODE_BYTES);
    writer->code[writer->bytes++] = byte;
}

static void put_bytes(struct writer *writer, unsigned count)
{
    while (count--) {
        put(writer, (uint8_t)below(writer, 256));
    }
}

static void put_word(struct writer *writer, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++) {
        put(writer, (uint8_t)(word >> (8 * i)));
    }
}

/* A register, or memory: at a place in DATA, or by [ESI] or [EBX], which may be
 * anywhere.
 */
static void put_operand(struct writer *writer, uint8_t reg)
{
    const uint8_t field = (uint8_t)(reg << 3);
    switch (below(writer, 8)) {
    case 0:
        put(writer, field | 6);
        break;
    case 1:
        put(writer, field | 0x43);
        put(writer, (uint8_t)below(writer, 16));
        break;
    case 2:
    case 3:
        put(writer, field | 5);
        put_word(writer, DATA + below(writer, DATA_BYTES - 4));
        break;
    default:
        put(writer, field | 0xc0 | (uint8_t)below(writer, 8));
        break;
    }
}

static void put_form(struct writer *writer, bool wide)
{
    const struct form *form = &forms[below(writer, ARRAY_LENGTH(forms))];
    uint8_t opcode = (uint8_t)(form->opcode + below(writer, form->count));
    if (form->prefix) {
        put(writer, form->prefix);
    } else if (form->opcode == 0) {
        opcode += (uint8_t)(8 * below(writer, 8));
    } else if (opcode > 0x8b && opcode < 0x8f) {
        opcode = 0x8b;
    }
    uint8_t digit;
    do {
        digit = (uint8_t)below(writer, 8);
    } while (!(form->digits >> digit & 1));
    put(writer, opcode);
    put_operand(writer, digit);
    bool full = form->immediate == 4 && !wide;
    put_bytes(writer, form->immediate == 4 && !full ? 2 : form->immediate);
}

static void put_instruction(struct writer *writer)
{
    const bool wide = below(writer, 4) == 0; /* 16 bits */
    const unsigned kind = below(writer, 16);
    if (wide) {
        put(writer, 0x66);
    }
    if (kind == 0) { /* a jump over the next instruction's first byte or two */
        put(writer, (uint8_t)(0x70 + below(writer, 16)));
        put(writer, (uint8_t)below(writer, 3));
    } else if (kind == 1) { /* MOV, immediate */
        put(writer, (uint8_t)(0xb0 + below(writer, 8)));
        put_bytes(writer, 1);
    } else if (kind == 2) { /* string instructions, a few times at most */
        put(writer, 0xb1);
        put(writer, (uint8_t)below(writer, 4));
        put(writer, (uint8_t)(0xf2 + below(writer, 2)));
        put(writer, (uint8_t)(0xa4 + below(writer, 4)));
    } else if (kind < 6) {
        put(writer, plain[below(writer, ARRAY_LENGTH(plain))]);
    } else {
        put_form(writer, wide);
    }
}

/* Registers, data and code for one golden run; it ends with HLT. */
static void write_program(struct world *world, uint64_t seed)
{
    struct writer writer = {.random = {.state = seed}};
    struct cpu *cpu = machine_cpu_to_change(world->machine);
    uint8_t data[DATA_BYTES];
    for (unsigned i = 0; i < INSTRUCTIONS; i++) {
        put_instruction(&writer);
    }
    for (unsigned i = 0; i < 16; i++) {
        put(&writer, 0xf4);
    }
    for (unsigned i = 0; i < DATA_BYTES; i++) {
        data[i] = (uint8_t)random_next(&writer.random);
    }
    for (unsigned i = 0; i < 8; i++) {
        cpu->regs[i] = (uint32_t)random_next(&writer.random);
    }
    cpu->regs[REGISTER_ECX] &= 7;
    cpu->regs[REGISTER_EBX] = DATA + 8;
    cpu->regs[REGISTER_ESI] = DATA + 16;
    cpu->regs[REGISTER_EDI] = DATA + 32;
    cpu->regs[REGISTER_ESP] = STACK;
    cpu->eip = CODE;
    cpu_loaded(cpu);
    lock_take(machine_lock(world->machine));
    machine_poke(world->machine, false, DATA, data, sizeof(data));
    machine_poke(world->machine, false, CODE, writer.code, writer.bytes);
    lock_release(machine_lock(world->machine));
}

static unsigned programs, points;
static const char *bios_path;

static void same_outcome(void **state)
{
    struct world world = {.most_instructions = 2 * INSTRUCTIONS};
    struct error error;
    unsigned kinds[CLASS_ALONE + 1] = {0};
    uint64_t executed = 0;
    proof_power_on(&world, bios_path);
    struct checkpoint *start = checkpoint_take(world.machine, &error);
    for (unsigned i = 0; i < programs; i++) {
        assert_true(checkpoint_restore(world.machine, start, &error));
        write_program(&world, i);
        proof_run_golden(&world, rows);
        const struct instruction_range range = trace_range(world.trace);
        executed += range.to - range.from;
        for (unsigned j = 0; j < points && range.to > range.from; j++) {
            struct fault_class class;
            struct fault_point point = space_draw(world.space, range, i, j);
            /* Of registers more: the space has a third of them. */
            for (uint64_t k = points; point.row != 3 && j % 4; k++) {
                point = space_draw(world.space, range, i, k * points + j);
            }
            proof_check(&world, &point, &class);
            kinds[class.kind]++;
        }
        proof_forget_golden(&world);
    }
    checkpoint_free(start);
    machine_destroy(world.machine);
    print_message("%u programs of %.0f instructions: %u read, %u overwritten, %u "
                  "unused, %u alone; %.0f experiments a second\n",
                  programs, (double)executed / programs, kinds[CLASS_READ],
                  kinds[CLASS_OVERWRITTEN], kinds[CLASS_UNUSED], kinds[CLASS_ALONE],
                  (double)world.experiments * NS_PER_SECOND /
                      (double)world.experiments_ns);
}

int main(int argc, char **argv)
{
    static uint8_t bios[BIOS_BYTES];
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    char path[] = "/tmp/faumachine-random-test-XXXXXX";
    if (argc != 3) {
        return 2;
    }
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    programs = (unsigned)strtoul(argv[1], NULL, 10);
    points = (unsigned)strtoul(argv[2], NULL, 10);
    int fd = mkstemp(path);
    memcpy(bios, bios_code, sizeof(bios_code));
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    if (fd < 0 || write(fd, bios, sizeof(bios)) != sizeof(bios)) {
        return 1;
    }
    close(fd);
    bios_path = path;
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_outcome)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
