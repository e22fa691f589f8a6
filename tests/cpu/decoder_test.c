/* tests/cpu/decoder_test.c: the decoder, by hand and against Zydis.
 *
 * usage: decoder_test [COUNT [SEED]]; COUNT random instructions (default 20000). */
#include "decoder_generator.h"
#include "decoder_oracle.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MODE_REAL = 0, MODE_16 = CODE_MODE_VEX, MODE_32 = CODE_MODE_32 | CODE_MODE_VEX };

struct random_plan {
    uint64_t count, seed;
};

static enum decode_result decode(struct instruction *out, uint32_t mode,
                                 unsigned length, const char *bytes)
{
    return decode_instruction(out, (const uint8_t *)bytes, length, 0x1000, mode);
}

#define DECODE(mode, bytes) decode(&decoded, mode, sizeof(bytes) - 1, bytes)

static void check(struct instruction *out, uint32_t mode, unsigned length,
                  const char *bytes, const char *mnemonic, enum handler_number handler)
{
    assert_int_equal(decode(out, mode, length, bytes), DECODE_OK);
    assert_int_equal(out->length, length);
    assert_string_equal(instruction_row(out)->mnemonic, mnemonic);
    assert_int_equal(instruction_row(out)->handler, handler);
}

#define CHECK(mode, bytes, mnemonic, exec)                                             \
    check(&decoded, mode, sizeof(bytes) - 1, bytes, mnemonic, HANDLER_##exec)

static void test_plain(void **state)
{
    struct instruction decoded = {0};
    CHECK(MODE_32, "\x90", "NOP", nop);
    assert_int_equal(decoded.eip, 0x1000);
    assert_false(decoded.memory);
    CHECK(MODE_32, "\xf3\x90", "PAUSE", pause);
    CHECK(MODE_32, "\x93", "XCHG", xchg_Zv_eAX);
    assert_int_equal(decoded.reg, REGISTER_EBX);
    CHECK(MODE_32, "\x83\xc4\xf0", "ADD", add_Ev_Iz);
    assert_int_equal(decoded.rm, REGISTER_ESP);
    assert_int_equal(decoded.immediate, 0xfffffff0);
    CHECK(MODE_32, "\x05\x78\x56\x34\x12", "ADD", add_Ev_Iz);
    assert_int_equal(decoded.rm, REGISTER_EAX);
    assert_int_equal(decoded.immediate, 0x12345678);
    CHECK(MODE_16, "\x05\x34\x92", "ADD", add_Ev_Iz);
    assert_int_equal(decoded.immediate, 0x9234);
    CHECK(MODE_32, "\xcd\x80", "INT", int_Ib);
    assert_int_equal(decoded.immediate, 0x80);
    CHECK(MODE_32, "\xc8\x34\x12\x05", "ENTER", enter_Iw_Ib);
    assert_int_equal(decoded.immediate, 0x1234);
    assert_int_equal(decoded.immediate2, 5);
    CHECK(MODE_32, "\x0f\xa8", "PUSH", push_Sw);
    assert_int_equal(decoded.reg, SEGMENT_GS);
    CHECK(MODE_32, "\x16", "PUSH", push_Sw);
    assert_int_equal(decoded.reg, SEGMENT_SS);
}

static void test_branches(void **state)
{
    struct instruction decoded = {0};
    CHECK(MODE_32, "\x75\xfe", "Jcc", jcc_Jb);
    assert_int_equal(decoded.immediate, 0x1000);
    assert_int_equal(decoded.opcode & 15, 5);
    CHECK(MODE_32, "\xe8\x00\x00\x00\x80", "CALL", call_Jz);
    assert_int_equal(decoded.immediate, 0x80001005);
    /* A 16-bit target stays in 64 KiB, whatever the code segment. */
    CHECK(MODE_32, "\x66\xe9\x00\xe0", "JMP", jmp_Jz);
    assert_int_equal(decoded.immediate, 0xf004);
    CHECK(MODE_16, "\xeb\x80", "JMP", jmp_Jb);
    assert_int_equal(decoded.immediate, 0x0f82);
    CHECK(MODE_REAL, "\xea\x5b\xe0\x00\xf0", "JMP", jmp_Ap);
    assert_int_equal(decoded.immediate, 0xe05b);
    assert_int_equal(decoded.immediate2, 0xf000);
    CHECK(MODE_REAL, "\x66\xea\x78\x56\x34\x12\x08\x00", "JMP", jmp_Ap);
    assert_int_equal(decoded.immediate, 0x12345678);
    assert_int_equal(decoded.immediate2, 8);
}

static void check_memory(const struct instruction *out, uint8_t segment, uint8_t base,
                         uint8_t index, uint8_t scale, uint32_t displacement,
                         uint32_t mask)
{
    assert_true(out->memory);
    assert_int_equal(out->segment, segment);
    assert_int_equal(out->base, base);
    assert_int_equal(out->index, index);
    assert_int_equal(out->scale, scale);
    assert_int_equal(out->displacement, displacement);
    assert_int_equal(out->address_mask, mask);
}

static void test_memory(void **state)
{
    struct instruction decoded = {0};
    const uint32_t wide = 0xffffffff, narrow = 0xffff;

    CHECK(MODE_32, "\x8b\x44\x8d\x80", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_SS, REGISTER_EBP, REGISTER_ECX, 2, 0xffffff80, wide);
    CHECK(MODE_32, "\x8b\x04\x24", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_SS, REGISTER_ESP, REGISTER_ZERO, 0, 0, wide);
    CHECK(MODE_32, "\x8b\x04\x2d\x04\x00\x00\x00", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_DS, REGISTER_ZERO, REGISTER_EBP, 0, 4, wide);
    CHECK(MODE_32, "\x65\x8b\x05\x14\x00\x00\x00", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_GS, REGISTER_ZERO, REGISTER_ZERO, 0, 0x14, wide);
    CHECK(MODE_32, "\x3e\x8b\x45\x00", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_DS, REGISTER_EBP, REGISTER_ZERO, 0, 0, wide);
    CHECK(MODE_16, "\x8b\x42\xfe", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_SS, REGISTER_EBP, REGISTER_ESI, 0, 0xfffffffe,
                 narrow);
    CHECK(MODE_16, "\x8b\x1e\x34\x12", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_DS, REGISTER_ZERO, REGISTER_ZERO, 0, 0x1234, narrow);
    CHECK(MODE_16, "\x67\x66\x8b\x44\x24\x04", "MOV", mov_Gv_Ev);
    check_memory(&decoded, SEGMENT_SS, REGISTER_ESP, REGISTER_ZERO, 0, 4, wide);
    assert_int_equal(decoded.operand_bytes, 4);
    CHECK(MODE_32, "\x2e\xa1\x78\x56\x34\x12", "MOV", mov_eAX_Ov);
    check_memory(&decoded, SEGMENT_CS, REGISTER_ZERO, REGISTER_ZERO, 0, 0x12345678,
                 wide);
    CHECK(MODE_32, "\x67\xa0\xff\xff", "MOV", mov_AL_Ob);
    check_memory(&decoded, SEGMENT_DS, REGISTER_ZERO, REGISTER_ZERO, 0, 0xffff, narrow);
    /* Implied: no memory operand, but its segment and address size. */
    CHECK(MODE_32, "\x67\x64\xf3\xa4", "MOVS", movs_Yb_Xb);
    assert_false(decoded.memory);
    assert_int_equal(decoded.segment, SEGMENT_FS);
    assert_int_equal(decoded.address_mask, narrow);
    assert_int_equal(decoded.prefixes,
                     PREFIX_ADDRESS_SIZE | PREFIX_SEGMENT | PREFIX_REP);
}

static void test_prefixes(void **state)
{
    struct instruction decoded = {0};
    /* Of segment overrides the last counts, so of F2 and F3. */
    CHECK(MODE_32, "\x64\x26\x8b\x00", "MOV", mov_Gv_Ev);
    assert_int_equal(decoded.segment, SEGMENT_ES);
    CHECK(MODE_32, "\xf2\xf3\x0f\x58\xc1", "ADDSS", vector);
    CHECK(MODE_32, "\xf3\xf2\x0f\x58\xc1", "ADDSD", vector);
    /* F3 and F2 count before 66, wherever that stands. */
    CHECK(MODE_32, "\xf3\x66\x0f\x58\xc1", "ADDSS", vector);
    CHECK(MODE_32, "\x66\xf3\x0f\x58\xc1", "ADDSS", vector);
    CHECK(MODE_32, "\x66\x0f\x58\xc1", "ADDPD", vector);
    CHECK(MODE_32, "\x66\xf2\x0f\x38\xf1\xc1", "CRC32", crc32_Gd_Ev);
    assert_int_equal(decoded.operand_bytes, 2);
    /* A repeated 66 does not toggle. */
    CHECK(MODE_32, "\x66\x66\x40", "INC", inc_Zv);
    assert_int_equal(decoded.operand_bytes, 2);
    CHECK(MODE_16, "\x66\x66\x40", "INC", inc_Zv);
    assert_int_equal(decoded.operand_bytes, 4);
    /* Unknown combinations of a mandatory prefix. */
    assert_int_equal(DECODE(MODE_32, "\xf3\x0f\x14\xc0"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x66\x0f\x77"), DECODE_INVALID);
    CHECK(MODE_32, "\xf2\x0f\xbc\xc1", "BSF", bsf_Gv_Ev);
    CHECK(MODE_32, "\xf3\x0f\xbc\xc1", "TZCNT", tzcnt_Gv_Ev);
}

static void test_lock(void **state)
{
    struct instruction decoded = {0};
    CHECK(MODE_32, "\xf0\xff\x00", "INC", inc_Ev);
    CHECK(MODE_32, "\xf0\x0f\xc7\x0e", "CMPXCHG8B", cmpxchg8b_Mq);
    CHECK(MODE_32, "\xf0\x87\x03", "XCHG", xchg_Ev_Gv);
    assert_int_equal(DECODE(MODE_32, "\xf0\xff\xc0"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xf0\x03\x00"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xf0\x39\x00"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xf0\x90"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xf0\x0f\xba\x20\x01"), DECODE_INVALID);
    CHECK(MODE_32, "\xf0\x0f\xba\x28\x01", "BTS", bts_Ev_Ib);
}

static void test_invalid_registers(void **state)
{
    struct instruction decoded = {0};
    assert_int_equal(DECODE(MODE_32, "\x8e\xc8"), DECODE_INVALID); /* CS */
    assert_int_equal(DECODE(MODE_32, "\x8e\xf0"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x8c\xf8"), DECODE_INVALID);
    CHECK(MODE_32, "\x8c\xc8", "MOV", mov_Ev_Sw);
    CHECK(MODE_32, "\x8e\xd0", "MOV", mov_Sw_Ew);
    assert_true(instruction_row(&decoded)->attributes & ROW_ENDS);
    assert_int_equal(DECODE(MODE_32, "\x0f\x20\xc8"), DECODE_INVALID); /* CR1 */
    assert_int_equal(DECODE(MODE_32, "\x0f\x22\xe8"), DECODE_INVALID); /* CR5 */
    CHECK(MODE_32, "\x0f\x22\xd8", "MOV", mov_Cd_Rd);
    /* Mod does not matter. */
    CHECK(MODE_32, "\x0f\x20\x05", "MOV", mov_Rd_Cd);
    assert_false(decoded.memory);
    assert_int_equal(decoded.rm, REGISTER_EBP);
    assert_int_equal(DECODE(MODE_32, "\x8d\xc0"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x62\xf1\x7c\x48\x58"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x0f\x0f\xc0\x9e"), DECODE_INVALID);
}

static void test_vex(void **state)
{
    struct instruction decoded = {0};
    CHECK(MODE_32, "\xc5\xf4\x58\xc2", "VADDPS", vector);
    assert_int_equal(decoded.vex_register, 1);
    assert_int_equal(decoded.vex_flags, INSTRUCTION_VEX | INSTRUCTION_VEX_L);
    CHECK(MODE_32, "\xc4\xe2\x70\xf2\xc2", "ANDN", andn_Gd_Bd_Ed);
    CHECK(MODE_32, "\xc4\xe3\x71\x4a\xc2\x30", "VBLENDVPS", vector);
    assert_int_equal(decoded.immediate2, 3);
    CHECK(MODE_32, "\xc5\xf8\xae\x10", "VLDMXCSR", ldmxcsr);
    /* With mod other than 3, and wherever there is no VEX, they load pointers. */
    CHECK(MODE_32, "\xc5\x30", "LDS", lds_Gv_Mp);
    CHECK(MODE_16, "\xc4\x36\x58\xc2", "LES", les_Gv_Mp);
    assert_int_equal(DECODE(MODE_REAL, "\xc5\xf4\x58\xc2"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x66\xc5\xf4\x58\xc2"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xf0\xc5\xf4\x58\xc2"), DECODE_INVALID);
    /* An unused vvvv is 1111. */
    assert_int_equal(DECODE(MODE_32, "\xc5\xf0\x28\xc1"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xc4\xe1\x38\x28\xc1"), DECODE_INVALID);
    /* Vectors of addresses: index 4 is a register; three different ones. */
    CHECK(MODE_32, "\xc4\xe2\x69\x90\x0c\x60", "VPGATHERDD", vector);
    assert_int_equal(decoded.index, 4);
    assert_int_equal(decoded.scale, 1);
    assert_int_equal(DECODE(MODE_32, "\xc4\xe2\x69\x90\x0c\x48"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\xc4\xe2\x69\x90\x08"), DECODE_INVALID);
    assert_int_equal(DECODE(MODE_32, "\x67\xc4\xe2\x69\x90\x0c\x60"), DECODE_INVALID);
}

static void test_length(void **state)
{
    struct instruction decoded = {0};
    static const char fifteen[] =
        "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x01\x00";
    static const char sixteen[] = "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e"
                                  "\x01\x40\x00";
    static const char prefixes[] = "ffffffffffffffff";

    check(&decoded, MODE_32, 15, fifteen, "ADD", HANDLER_add_Ev_Gv);
    assert_int_equal(decode(&decoded, MODE_32, 16, sixteen), DECODE_TOO_LONG);
    assert_int_equal(decode(&decoded, MODE_32, 15, sixteen), DECODE_TOO_LONG);
    assert_int_equal(decode(&decoded, MODE_32, 16, prefixes), DECODE_TOO_LONG);
    assert_int_equal(decode(&decoded, MODE_32, 14, prefixes), DECODE_TRUNCATED);
    assert_int_equal(decode(&decoded, MODE_32, 0, prefixes), DECODE_TRUNCATED);
    assert_int_equal(DECODE(MODE_32, "\x0f\x04"), DECODE_INVALID);
    assert_int_equal(decoded.length, 2);
}

static void test_memory_bytes(void **state)
{
    struct instruction decoded = {0};
    static const struct {
        const char *bytes;
        unsigned length, expected;
    } cases[] = {
        {"\xdd\x30", 2, 108},
        {"\x66\xdd\x30", 3, 94},
        {"\xd9\x20", 2, 28},
        {"\xdb\x28", 2, 10},
        {"\x0f\xae\x00", 3, 512},
        {"\x0f\x58\x00", 3, 16},
        {"\xc5\xfc\x58\x00", 4, 32},
        {"\x0f\x01\x10", 3, 6},
        {"\xff\x18", 2, 6},
        {"\x66\xff\x18", 3, 4},
        {"\x8c\x00", 2, 2},
        {"\x66\x0f\x3a\x14\x00\x01", 6, 1},
        {"\xc4\xe2\x69\x90\x0c\x60", 6, 4},
        {"\x8d\x00", 2, 0},
        {"\xa4", 1, 0},
    };

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode(&decoded, MODE_32, cases[i].length, cases[i].bytes),
                         DECODE_OK);
        assert_int_equal(instruction_memory_bytes(&decoded), cases[i].expected);
    }
}

/* Every row can be reached, and states nothing impossible. */
static void test_table(void **state)
{
    for (unsigned i = 0; i < instruction_row_count; i++) {
        const struct instruction_row *row = &instruction_rows[i];
        bool found = false;
        for (unsigned j = 0; j < row->opcode_count; j++) {
            const struct opcode_entry *entry =
                &opcode_entries[row->map][row->opcode + j];
            for (unsigned k = 0; k < entry->count; k++) {
                found |= instruction_candidates[entry->first + k].row == i;
            }
        }
        assert_true(found);
        assert_true(row->handler < HANDLER_COUNT);
        assert_int_equal(row->flags_written & row->flags_undefined, 0);
        if (row->attributes & ROW_LOCK) {
            assert_int_equal(row_memory_operand(row), 0);
        }
    }
}

static void report(uint64_t number, unsigned mode, const uint8_t *bytes,
                   const char *message)
{
    char hex[3 * ORACLE_BYTES + 1] = "";

    for (unsigned i = 0; i < 16; i++) {
        snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
    }
    print_error("instruction %llu, mode %u:%s: %s\n", (unsigned long long)number, mode,
                hex, message);
}

/* Rows that none of many random instructions was of. */
static unsigned count_unseen(const bool *seen)
{
    unsigned unseen = 0;

    for (unsigned i = 0; i < instruction_row_count; i++) {
        if (!seen[i]) {
            print_message("%s (row %u) was not seen\n", instruction_rows[i].mnemonic,
                          i);
            unseen++;
        }
    }
    return unseen;
}

static void test_against_zydis(void **state)
{
    enum { ENOUGH_FOR_ALL_ROWS = 1000000 };
    const struct random_plan *plan = *state;
    uint64_t random = plan->seed, differences = 0;
    bool *seen = calloc(instruction_row_count, sizeof *seen);

    assert_non_null(seen);
    print_message("%llu instructions, seed %llu\n", (unsigned long long)plan->count,
                  (unsigned long long)plan->seed);
    for (uint64_t i = 0; i < plan->count; i++) {
        uint8_t bytes[ORACLE_BYTES];
        char message[ORACLE_MESSAGE_BYTES];
        int row;
        generate_instruction(&random, bytes, sizeof bytes);
        unsigned mode = random_next(&random) % ORACLE_MODES;
        if (!oracle_agrees(mode, bytes, &row, message) && differences++ < 20) {
            report(i, mode, bytes, message);
        }
        if (row >= 0) {
            seen[row] = true;
        }
    }
    if (plan->count >= ENOUGH_FOR_ALL_ROWS) {
        assert_int_equal(count_unseen(seen), 0);
    }
    free(seen);
    assert_int_equal(differences, 0);
}

/* With fewer bytes than an instruction has, it is truncated (unless what is there shows
 * already that it is invalid), and no byte beyond is looked at. */
static void test_truncation(void **state)
{
    struct instruction decoded = {0};
    const struct random_plan *plan = *state;
    uint64_t random = ~plan->seed;

    for (uint64_t i = 0; i < plan->count / 10; i++) {
        uint8_t bytes[ORACLE_BYTES], other[ORACLE_BYTES];
        struct instruction whole;
        generate_instruction(&random, bytes, sizeof bytes);
        uint32_t mode = oracle_code_modes[random_next(&random) % ORACLE_MODES];
        if (decode_instruction(&whole, bytes, sizeof bytes, 0, mode) != DECODE_OK) {
            continue;
        }
        for (unsigned n = 0; n < whole.length; n++) {
            assert_int_equal(decode_instruction(&decoded, bytes, n, 0, mode),
                             DECODE_TRUNCATED);
        }
        for (unsigned n = 0; n < sizeof other; n++) {
            other[n] = n < whole.length ? bytes[n] : ~bytes[n];
        }
        whole.execute = decoded.execute = NULL;
        assert_int_equal(decode_instruction(&decoded, other, whole.length, 0, mode),
                         DECODE_OK);
        /* Without the padding at the end. */
        assert_memory_equal(&decoded, &whole,
                            offsetof(struct instruction, vex_flags) + 1);
    }
}

int main(int argc, char **argv)
{
    struct random_plan plan = {
        .count = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000,
        .seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_branches),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_invalid_registers),
        cmocka_unit_test(test_vex),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_memory_bytes),
        cmocka_unit_test(test_table),
        cmocka_unit_test_prestate(test_against_zydis, &plan),
        cmocka_unit_test_prestate(test_truncation, &plan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
