/* The same faults give the same end, under every engine; and one that does not come is
 * no different from none. The guest computes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu/engines/engines.h"
#include "faults/faults.h"
#include "machine/machine_internal.h"

enum { BIOS_BYTES = 64 << 10, RESET_VECTOR = 0xfff0, INSTRUCTIONS = 60000 };

/* Into flat 32-bit code, which translators translate; then numbers are made, summed up
 * and stored, for ever. */
static const uint8_t code[] = {
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0x16, 0x00,       /* lgdt cs:[0x16] */
    0x0f, 0x20, 0xc0, 0x40, 0x0f, 0x22, 0xc0,       /* CR0.PE */
    0x66, 0xea, 0x34, 0x00, 0xff, 0xff, 0x08, 0x00, /* jmp 8:0xffff0034 */
    0x17, 0x00, 0x1c, 0x00, 0xff, 0xff,             /* limit and base of the GDT */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* the GDT */
    0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00, /* 8: code */
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, /* 16: data */
    0xb0, 0x10, 0x8e, 0xd8, 0x8e, 0xd0,             /* 34: mov ds, 16; mov ss, 16 */
    0xbe, 0x00, 0x10, 0x00, 0x00,                   /* 3a: mov esi, 0x1000 */
    0xb9, 0x00, 0x02, 0x00, 0x00,                   /* mov ecx, 0x200 */
    0x69, 0xc0, 0x35, 0x4e, 0x00, 0x00,             /* 44: imul eax, eax, 0x4e35 */
    0x40, 0x03, 0x06, 0x89, 0x06,                   /* inc eax; add eax, [esi]; mov */
    0x83, 0xc6, 0x04, 0xe2, 0xf0,                   /* add esi, 4; loop 44 */
    0x66, 0xba, 0xf8, 0x03, 0xee,                   /* mov dx, 0x3f8; out dx, al */
    0xe4, 0x40, 0xeb, 0xdd,                         /* in al, 0x40; jmp 3a */
};

static const char *bios_path;

static uint64_t run(const char *engine, const char *const *faults)
{
    struct error error = {.text = ""};
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = bios_path,
        .engine = engine,
        .clock = CLOCK_KIND_COUNTED,
    };
    struct machine *machine = machine_create(&config, &error);
    assert_string_equal(error.text, "");
    struct faults *armed =
        faults_create(machine, &(struct faults_config){.seed = 4}, &error);
    for (; *faults; faults++) {
        faults_arm_text(armed, "-fault", *faults, &error);
        assert_string_equal(error.text, "");
    }
    assert_int_equal(machine_run(machine, INSTRUCTIONS).end, MACHINE_END_BUDGET);
    uint64_t hash = machine_hash(machine);
    faults_destroy(armed);
    machine_destroy(machine);
    return hash;
}

static void same_end(void **state)
{
    static const char *const sets[][4] = {
        {NULL},
        {"target=ram,address=0x1100,model=flip,when=instruction:20000"},
        {"target=ram,address=0x1100,width=2,model=stuck1,bit=3,duration=permanent"},
        {"target=ram,address=0x1200,model=flip,duration=intermittent,period=3us,"
         "probability=0.5"},
        {"target=register,name=eax,model=flip,when=time:30us"},
        {"target=register,name=eax,model=flip,when=execute:0xffff0044,count=700"},
        {"target=register,name=ebx,model=flip,when=write:0x1100,count=3"},
        {"target=register,name=eax,model=flip,when=write:0x1100,count=3,space="
         "physical"},
        {"target=register,name=eax,bit=20,model=flip,when=out:0x3f8,count=2"},
        {"target=port,address=0x40,model=flip,duration=permanent,probability=0.5",
         "target=code,model=flip,bit=2,when=instruction:31001"},
    };
    const char *const engines[] = {"interpreter", "jit"};
    uint64_t hashes[ARRAY_LENGTH(sets)];
    for (size_t i = 0; i < ARRAY_LENGTH(sets); i++) {
        hashes[i] = run(engines[0], sets[i]);
        assert_true(run(engines[0], sets[i]) == hashes[i]);
        for (size_t j = 0; j < i; j++) {
            assert_true(hashes[j] != hashes[i]);
        }
        if (cpu_engine_find(engines[1])) {
            assert_true(run(engines[1], sets[i]) == hashes[i]);
        }
    }
    static const char *const never[][2] = {
        {"target=ram,address=0x1100,model=flip,when=instruction:60001"},
        {"target=ram,address=0x1100,model=flip,when=time:1s"},
        {"target=ram,address=0x1100,model=flip,when=execute:0xffff0045"},
        {"target=ram,address=0x1100,model=flip,when=read:0x1100,length=64,count="
         "100000"},
        {"target=ram,address=0x1100,model=flip,when=read:0x1100,space=physical,equals="
         "0,"
         "count=100000"},
        {"target=ram,address=0x1100,model=flip,when=in:0x60"},
        {"target=ram,address=0x1100,model=flip,when=interrupt:3"},
        {"target=ram,address=0x1100,model=flip,when=text:never"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(never); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(engines); j++) {
            assert_true(!cpu_engine_find(engines[j]) ||
                        run(engines[j], never[i]) == hashes[0]);
        }
    }
}

int main(void)
{
    static uint8_t bios[BIOS_BYTES];
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    char path[] = "/tmp/faumachine-faults-test-XXXXXX";
    int fd = mkstemp(path);
    memcpy(bios, code, sizeof(code));
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    if (fd < 0 || write(fd, bios, sizeof(bios)) != sizeof(bios)) {
        return 1;
    }
    close(fd);
    bios_path = path;
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_end)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
