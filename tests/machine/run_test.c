/* The run loop and its clock, with a BIOS of a few bytes: what ends a run, and who may
 * ask for the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine.h"
#include "cpu/core/instruction.h"
#include "machine/machine_internal.h"

enum {
    BIOS_BYTES = 64 << 10,
    RESET_VECTOR = 0xfff0,
    STOP_AFTER_US = 100000,
    LIMIT_S = 20, /* a machine that cannot be stopped ends the test */
};

/* A machine whose BIOS is `code`, to be run from f000:0000. */
static struct machine *create(const uint8_t *code, size_t length, enum clock_kind clock,
                              const char *exit_device)
{
    static uint8_t bios[BIOS_BYTES];
    static const uint8_t jump_to_start[] = {0xe9, 0x0d, 0x00};
    memset(bios, 0, sizeof(bios));
    memcpy(bios, code, length);
    memcpy(bios + RESET_VECTOR, jump_to_start, sizeof(jump_to_start));
    char path[] = "/tmp/faumachine-run-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, bios, sizeof(bios)), sizeof(bios));
    close(fd);
    const struct machine_config config = {
        .ram_bytes = 4 << 20,
        .bios = path,
        .engine = tested_engine_name(),
        .clock = clock,
        .devices = {exit_device},
    };
    struct error error = {.text = ""};
    struct machine *machine = machine_create(&config, &error);
    unlink(path);
    assert_string_equal(error.text, "");
    return machine;
}

static void *stop_soon(void *machine)
{
    usleep(STOP_AFTER_US);
    machine_stop(machine);
    return NULL;
}

/* Runs a machine while another thread does something to it. */
static struct machine_result run_beside(struct machine *machine,
                                        void *(*something)(void *machine))
{
    pthread_t thread;
    alarm(LIMIT_S);
    assert_int_equal(pthread_create(&thread, NULL, something, machine), 0);
    struct machine_result result = machine_run(machine, 0);
    alarm(0);
    pthread_join(thread, NULL);
    return result;
}

static void run_and_stop(const uint8_t *code, size_t length, enum clock_kind clock)
{
    struct machine *machine = create(code, length, clock, NULL);
    struct machine_result result = run_beside(machine, stop_soon);
    assert_int_equal(result.end, MACHINE_END_STOPPED);
    machine_destroy(machine);
}

/* The timer runs, but its interrupt gets nowhere: time is skipped from tick to tick. */
static void halted_with_masked_timer(void **state)
{
    static const uint8_t code[] = {
        0xb0, 0x34, 0xe6, 0x43, /* mov al, 0x34; out 0x43, al: channel 0, mode 2 */
        0xb0, 0x00, 0xe6, 0x40, /* mov al, 0; out 0x40, al */
        0xb0, 0x10, 0xe6, 0x40, /* mov al, 0x10; out 0x40, al */
        0xfb, 0xf4, 0xeb, 0xfd, /* sti; hlt; jmp back to the hlt */
    };
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

/* As fast as it can be programmed: a tick is due whenever one looks. */
static void halted_with_fast_timer(void **state)
{
    static const uint8_t code[] = {
        0xb0, 0x14, 0xe6, 0x43, /* mov al, 0x14; out 0x43, al: low byte only, mode 2 */
        0xb0, 0x02, 0xe6, 0x40, /* mov al, 2; out 0x40, al */
        0xfb, 0xf4, 0xeb, 0xfd, /* sti; hlt; jmp back to the hlt */
    };
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

static bool time_went_on;

/* A second NMI while the first is handled; looks whether time goes on. */
static void *raise_second_nmi(void *opaque)
{
    struct machine *machine = opaque;
    usleep(STOP_AFTER_US);
    lock_take(&machine->lock);
    machine->cpu.nmi_blocked = true;
    cpu_raise_nmi(&machine->cpu);
    uint64_t before_ns = clock_now_ns(&machine->clock);
    lock_release(&machine->lock);
    usleep(STOP_AFTER_US);
    lock_take(&machine->lock);
    time_went_on = clock_now_ns(&machine->clock) > before_ns;
    lock_release(&machine->lock);
    machine_stop(machine);
    return NULL;
}

/* An NMI that has to wait for IRET does not wake the CPU. */
static void halted_in_nmi_handler(void **state)
{
    static const uint8_t code[] = {
        0xb0, 0x34, 0xe6, 0x43, /* mov al, 0x34; out 0x43, al: channel 0, mode 2 */
        0xb0, 0x00, 0xe6, 0x40, /* mov al, 0; out 0x40, al */
        0xb0, 0x10, 0xe6, 0x40, /* mov al, 0x10; out 0x40, al */
        0xfb, 0xf4, 0xeb, 0xfd, /* sti; hlt; jmp back to the hlt */
    };
    struct machine *machine = create(code, sizeof(code), CLOCK_KIND_COUNTED, NULL);
    struct machine_result result = run_beside(machine, raise_second_nmi);
    assert_int_equal(result.end, MACHINE_END_STOPPED);
    assert_true(time_went_on);
    machine_destroy(machine);
}

static void halted_for_good(void **state)
{
    static const uint8_t code[] = {0xfa, 0xf4, 0xeb, 0xfc}; /* cli; hlt; jmp */
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

static void busy(void **state)
{
    static const uint8_t code[] = {0xeb, 0xfe}; /* jmp to itself */
    run_and_stop(code, sizeof(code), CLOCK_KIND_COUNTED);
    run_and_stop(code, sizeof(code), CLOCK_KIND_HOST);
}

static void *type_a_key(void *opaque)
{
    struct machine *machine = opaque;
    usleep(STOP_AFTER_US);
    lock_take(&machine->lock);
    ns16550a_receive(machine->uarts[0], (const uint8_t *)"x", 1);
    lock_release(&machine->lock);
    return NULL;
}

/* A byte below the trigger level of the UART's FIFO arms a timer, the only one there
 * is: the halted CPU must hear of it, on a counted clock too. */
static void input_wakes_by_timer(void **state)
{
    static const uint8_t code[] = {
        0x31, 0xc0, 0x8e, 0xd8,             /* xor ax, ax; mov ds, ax */
        0x8e, 0xd0, 0xbc, 0x00, 0x70,       /* mov ss, ax; mov sp, 0x7000 */
        0xc7, 0x06, 0x30, 0x00, 0x39, 0x00, /* vector 12 is f000:0039, the end below */
        0xc7, 0x06, 0x32, 0x00, 0x00, 0xf0, /* */
        0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x08, /* the interrupt controller's ICW1 and 2, */
        0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, /* ICW3, */
        0xb0, 0x01, 0xe6, 0x21,             /* ICW4, */
        0xb0, 0xef, 0xe6, 0x21,             /* and only irq 4 open */
        0xba, 0xfa, 0x03, 0xb0, 0xc1, 0xee, /* FCR: FIFOs, 14 bytes */
        0xba, 0xf9, 0x03, 0xb0, 0x01, 0xee, /* IER: received data */
        0xfb, 0xf4, 0xeb, 0xfd,             /* sti; hlt; jmp back to the hlt */
        0xba, 0x01, 0x05, 0xb0, 0x00, 0xee, /* out 0x501, 0: isa-debug-exit */
        0xf4,
    };
    for (enum clock_kind clock = CLOCK_KIND_HOST; clock <= CLOCK_KIND_COUNTED;
         clock++) {
        struct machine *machine = create(code, sizeof(code), clock, "isa-debug-exit");
        struct machine_result result = run_beside(machine, type_a_key);
        assert_int_equal(result.end, MACHINE_END_DEBUG_EXIT);
        machine_destroy(machine);
    }
}

static void *ask_for_time(void *opaque)
{
    struct machine *machine = opaque;
    struct timer timer;
    uint64_t *now_ns = malloc(sizeof(*now_ns));
    assert_non_null(now_ns);
    *now_ns = clock_now_ns(&machine->clock);
    timer_init(&timer, &machine->clock, NULL, NULL);
    timer_set_ns(&timer, *now_ns + 1000000);
    timer_cancel(&timer);
    return now_ns;
}

/* The CPU changes block and place in it while another thread, with input for a device,
 * looks at the counted clock: what it sees must be a time that there has been. Nor can
 * it know how far the CPU is going to run: it makes it look at the deadline. */
static void time_for_another_thread(void **state)
{
    static const uint8_t code[] = {0xf4};
    struct machine *machine = create(code, sizeof(code), CLOCK_KIND_COUNTED, NULL);
    struct cpu *cpu = &machine->cpu;
    const struct instruction *blocks = calloc(64, sizeof(*blocks));
    assert_non_null(blocks);
    cpu->retired = 1000;
    cpu->block_start = blocks + 40;
    cpu->current = blocks + 45;
    assert_int_equal(clock_now_ns(&machine->clock), 1005);
    cpu->current = blocks; /* halfway into the next block */
    atomic_store(&cpu->request, 0);

    pthread_t thread;
    void *seen_ns;
    assert_int_equal(pthread_create(&thread, NULL, ask_for_time, machine), 0);
    pthread_join(thread, &seen_ns);
    assert_int_equal(*(uint64_t *)seen_ns, 1000);
    assert_true(atomic_load(&cpu->request) & CPU_REQUEST_KICK);

    free(seen_ns);
    cpu->block_start = cpu->current = NULL;
    free((void *)blocks);
    machine_destroy(machine);
}

int main(void)
{
    if (!tested_engine()) {
        return TEST_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halted_with_masked_timer),
        cmocka_unit_test(halted_with_fast_timer),
        cmocka_unit_test(halted_in_nmi_handler),
        cmocka_unit_test(halted_for_good),
        cmocka_unit_test(busy),
        cmocka_unit_test(input_wakes_by_timer),
        cmocka_unit_test(time_for_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
