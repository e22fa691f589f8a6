/* The command line: what each option sets, and what is refused with which remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/trace.h"
#include "cli/options.h"
#include "cli/values.h"
#include "cpu/engines/engines.h"

enum { MOST_WORDS = 32 };

static struct options options;
static struct error error;

/* Splits `line` at spaces and parses it. The words must outlive `options`. */
static bool parse(const char *line)
{
    static char copy[1024];
    char *words[MOST_WORDS], *rest = NULL;
    int count = 0;
    strncpy(copy, line, sizeof(copy) - 1);
    for (char *word = strtok_r(copy, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        words[count++] = word;
    }
    error.text[0] = '\0';
    return options_parse(&options, count, words, &error);
}

static void accept(const char *line)
{
    if (!parse(line)) {
        fail_msg("'%s' was refused: %s", line, error.text);
    }
}

/* Refused with one line that has `hint` in it. */
static void refuse(const char *line, const char *hint)
{
    if (parse(line)) {
        fail_msg("'%s' was accepted", line);
    }
    if (!strstr(error.text, hint) || strchr(error.text, '\n')) {
        fail_msg("'%s': '%s' lacks '%s'", line, error.text, hint);
    }
}

static void defaults(void **state)
{
    (void)state;
    accept("x.img");
    const struct machine_config *machine = &options.machine;
    assert_int_equal(options.action, OPTIONS_RUN);
    assert_int_equal(machine->ram_bytes, 128 << 20);
    assert_string_equal(machine->disks[0], "x.img");
    assert_null(machine->disks[1]);
    assert_null(machine->bios);
    assert_string_equal(machine->engine, cpu_engine_find("auto")->name);
    assert_int_equal(machine->clock, CLOCK_KIND_HOST);
    assert_true(machine->epoch_s - time(NULL) <= 2 &&
                time(NULL) - machine->epoch_s <= 2);
    assert_string_equal(machine->serial[0], "stdio");
    assert_true(machine->serial_multiplexed);
    assert_null(machine->serial[1]);
    assert_false(machine->snapshot || machine->no_reboot || machine->show_guest_errors);
    assert_false(options.statistics);
    assert_null(machine->devices[0]);
}

static void control(void **state)
{
    (void)state;
    accept("x");
    assert_true(options.monitor.on_console);
    assert_false(options.monitor.opens_files);
    assert_null(options.gdb);
    assert_false(options.machine.start_paused || options.machine.no_shutdown);
    accept(
        "-monitor unix:m -qmp tcp:h:1,server -qmp null -s -S -name n -no-shutdown x");
    assert_string_equal(options.monitor.human[0], "unix:m");
    assert_string_equal(options.monitor.qmp[1], "null");
    assert_null(options.monitor.qmp[2]);
    assert_string_equal(options.gdb, "tcp::1234");
    assert_string_equal(options.monitor.name, "n");
    assert_true(options.machine.start_paused && options.machine.no_shutdown);
    assert_true(options.monitor.opens_files);
    assert_false(options.monitor.on_console);
    accept("-monitor none -gdb none x");
    assert_false(options.monitor.on_console || options.monitor.opens_files);
    assert_null(options.gdb);
    accept("-serial mon:stdio x");
    assert_true(options.monitor.on_console && options.monitor.opens_files);
    accept("-qmp stdio x"); /* which cannot be the serial line's as well */
    assert_string_equal(options.machine.serial[0], "null");
    refuse("-qmp a -qmp b -qmp c -qmp d -qmp e x", "4");
    refuse("-gdb 1234 x", "tcp::PORT");
    refuse("lockstep -S x", "leave them out");
}

static void files(void **state)
{
    (void)state;
    accept("run -hda a --hdb b --hdc=c -hdd d -kernel k -initrd i -append t -bios s "
           "-snapshot -no-reboot -stats -d guest_errors -debugcon file:F");
    const struct machine_config *machine = &options.machine;
    assert_string_equal(machine->disks[0], "a");
    assert_string_equal(machine->disks[1], "b");
    assert_string_equal(machine->disks[2], "c");
    assert_string_equal(machine->disks[3], "d");
    assert_string_equal(machine->kernel, "k");
    assert_string_equal(machine->initrd, "i");
    assert_string_equal(machine->append, "t");
    assert_string_equal(machine->bios, "s");
    assert_string_equal(machine->debug_console, "file:F");
    assert_true(machine->snapshot && machine->no_reboot && machine->show_guest_errors);
    assert_true(options.statistics);
    accept("-snapshot -- -odd-name");
    assert_string_equal(machine->disks[0], "-odd-name");
    accept("run run");
    assert_string_equal(machine->disks[0], "run");
    refuse("a b", "-hdb");
    refuse("-hda a b", "-hdb");
    refuse("-initrd i x", "-kernel");
    refuse("-append t x", "-kernel");
    refuse("", "nothing to boot");
    refuse("-nographic", "nothing to boot");
    refuse("x -hdb", "needs a value");
    refuse("x --snapshot=on", "takes no value");
}

static void memory(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"4", 4 << 20},  {"256", 256 << 20},    {"256M", 256 << 20},
        {"1G", 1 << 30}, {"65536K", 64 << 20},  {"16777216B", 16 << 20},
        {"1g", 1 << 30}, {"size=32", 32 << 20}, {"3584", 3584ULL << 20},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        uint64_t bytes = 0;
        assert_true(value_parse_memory(good[i].text, &bytes, &error));
        assert_int_equal(bytes, good[i].bytes);
    }
    refuse("x -m 3", "from 4 to 3584 MiB");
    refuse("x -m 3585", "from 4 to 3584 MiB");
    refuse("x -m 0", "from 4 to 3584 MiB");
    refuse("x -m 4G", "from 4 to 3584 MiB");
    refuse("x -m 17592186044416M", "from 4 to 3584 MiB");
    refuse("x -m 99999999999999999999", "from 4 to 3584 MiB");
    refuse("x -m 5000K", "whole MiB");
    static const char *const bad[] = {"", "M", "-256", "12Q", "12MB", "0x10", "1.5G"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        uint64_t bytes;
        assert_false(value_parse_memory(bad[i], &bytes, &error));
    }
}

static void clocks(void **state)
{
    (void)state;
    accept("x -rtc base=2004-07-01T12:34:56");
    assert_int_equal(options.machine.epoch_s, 1088685296);
    accept("x -rtc base=1970-01-02");
    assert_int_equal(options.machine.epoch_s, 86400);
    accept("x -rtc base=2024-02-29");
    accept("x -rtc base=utc");
    assert_true(options.machine.epoch_s - time(NULL) <= 2);
    accept("x -rtc base=localtime");
    static const char *const bad[] = {
        "x -rtc utc",
        "x -rtc base=now",
        "x -rtc base=2023-02-29",
        "x -rtc base=2023-13-01",
        "x -rtc base=2023-1-1",
        "x -rtc base=2023-01-01T24:00:00",
        "x -rtc base=2023-01-01T10:00",
        "x -rtc base=2023-01-01T10:00:00Z",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        refuse(bad[i], "base=utc");
    }
    accept("x -clock counted");
    assert_int_equal(options.machine.clock, CLOCK_KIND_COUNTED);
    assert_int_equal(options.machine.epoch_s, OPTIONS_COUNTED_EPOCH_S);
    accept("x -rtc base=1970-01-01 -clock counted");
    assert_int_equal(options.machine.epoch_s, 0);
    refuse("x -clock fast", "host and counted");
}

static void consoles(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    accept("x -serial mon:stdio -serial file:log");
    assert_string_equal(machine->serial[0], "stdio");
    assert_string_equal(machine->serial[1], "file:log");
    assert_true(machine->serial_multiplexed);
    accept("x -serial stdio");
    assert_false(machine->serial_multiplexed);
    accept("x -nographic -serial stdio");
    assert_true(machine->serial_multiplexed);
    accept("x -serial none -serial pty");
    assert_null(machine->serial[0]);
    assert_string_equal(machine->serial[1], "pty");
    accept("x -display none");
    assert_string_equal(machine->serial[0], "null");
    assert_false(machine->serial_multiplexed);
    accept("x -display none -nographic");
    assert_string_equal(machine->serial[0], "stdio");
    refuse("x -serial null -serial null -serial null", "2 serial lines");
    refuse("x -display gtk", "-display none");
}

static void devices(void **state)
{
    (void)state;
    accept("x -device isa-debug-exit,iobase=0xf4,iosize=0x04 -device b");
    assert_string_equal(options.machine.devices[0],
                        "isa-debug-exit,iobase=0xf4,iosize=0x04");
    assert_string_equal(options.machine.devices[1], "b");
    assert_null(options.machine.devices[2]);
    accept("x -device a -device help");
    assert_int_equal(options.action, OPTIONS_DEVICES);
    char many[512] = "x";
    for (unsigned i = 0; i <= MACHINE_ADDED_DEVICES; i++) {
        strcat(many, " -device a");
    }
    refuse(many, "more than 16");
}

static void engines(void **state)
{
    (void)state;
    accept("x -engine auto");
    accept("x -engine interpreter");
    assert_string_equal(options.machine.engine, "interpreter");
    accept("x -syscall-redirect sud");
    assert_string_equal(options.machine.syscall_redirect, "sud");
    accept("x -engine auto --syscall-redirect=auto");
    refuse("x -syscall-redirect magic", "copy, sud, seccomp");
    refuse("x -engine interpreter -syscall-redirect sud", "-engine direct");
    refuse("lockstep -syscall-redirect sud x", "-syscall-redirect");
    accept("x -engine direct");
    assert_string_equal(options.machine.engine, "direct");
    refuse("x -engine warp", "interpreter, jit, direct");
}

static void logged_items(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    accept("x");
    assert_int_equal(machine->trace_items, 0);
    assert_null(machine->trace_file);
    accept("x -d int");
    assert_int_equal(machine->trace_items, TRACE_INT);
    assert_false(machine->show_guest_errors);
    accept("x -d in_asm,out_asm,int,mmu,exec -D log");
    assert_int_equal(machine->trace_items,
                     TRACE_IN_ASM | TRACE_OUT_ASM | TRACE_INT | TRACE_MMU | TRACE_EXEC);
    assert_string_equal(machine->trace_file, "log");
    accept("x -d guest_errors,mmu --d=int");
    assert_int_equal(machine->trace_items, TRACE_MMU | TRACE_INT);
    assert_true(machine->show_guest_errors);
    accept("-d help");
    assert_int_equal(options.action, OPTIONS_LOG_ITEMS);
    accept("lockstep -engines auto,auto -d guest_errors x");
    refuse("lockstep -engines auto,auto -d int x", "-d");
    refuse("x -d op", "'op'");
    refuse("x -d int,cpu", "in_asm, out_asm, int, mmu, exec, guest_errors");
    refuse("x -d int,", "there is no item ''");
    refuse("x -d ,int", "there is no item ''");
    refuse("x -d inter", "'inter'");
    refuse("x -d in", "'in'");
    refuse("x -d", "needs a value");
}

static void lockstep(void **state)
{
    (void)state;
    const struct lockstep_config *config = &options.lockstep;
    accept("lockstep -engines interpreter,auto -every 10k --from=2M -until 3G -m 64 x");
    assert_int_equal(options.action, OPTIONS_LOCKSTEP);
    assert_string_equal(config->engines[0].name, "interpreter");
    assert_string_equal(config->engines[1].name, cpu_engine_find("auto")->name);
    assert_int_equal(config->every, 10000);
    assert_int_equal(config->from, 2000000);
    assert_int_equal(config->until, 3000000000);
    assert_string_equal(config->machine.disks[0], "x");
    assert_int_equal(config->machine.ram_bytes, 64 << 20);
    assert_int_equal(config->machine.clock, CLOCK_KIND_COUNTED);
    assert_int_equal(config->machine.epoch_s, OPTIONS_COUNTED_EPOCH_S);
    assert_string_equal(config->machine.serial[0], "null");
    accept("lockstep -engines auto,auto -nographic -clock counted x");
    assert_string_equal(config->machine.serial[0], "null");
    assert_false(config->machine.serial_multiplexed);
    assert_int_equal(config->every, LOCKSTEP_EVERY);
    assert_int_equal(config->from + config->until, 0);
    accept("lockstep -engines auto,auto -serial file:F -debugcon file:G x");
    assert_string_equal(config->machine.serial[0], "file:F");
    accept("lockstep -help");
    assert_int_equal(options.action, OPTIONS_HELP);
    accept("./lockstep");
    assert_int_equal(options.action, OPTIONS_RUN);

    refuse("lockstep -engines auto,auto", "nothing to boot");
    refuse("lockstep -engines interpreter x", "name two");
    refuse("lockstep -engines auto,auto,auto x", "name two");
    accept("lockstep -engines interpreter,direct x");
    refuse("lockstep -engines warp,auto x", "interpreter, jit, direct");
    refuse("lockstep -engine auto x", "-engines A,B");
    refuse("lockstep -clock host x", "-clock host");
    refuse("lockstep -serial stdio x", "file:FILE");
    refuse("lockstep -serial none -serial unix:F x", "file:FILE");
    refuse("lockstep -serial pty x", "file:FILE");
    refuse("lockstep -debugcon stdio x", "file:FILE");
    refuse("lockstep -stats x", "-stats");
    refuse("lockstep -sandbox on x", "-sandbox on");
    refuse("lockstep -from 5 -until 5 x", "-from");
    static const char *const bad[] = {"",   "0",    "-1",          "1.5M",
                                      "1T", "10MB", "99999999999G"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        char line[64];
        snprintf(line, sizeof(line), "lockstep --every=%s x", bad[i]);
        refuse(line, "-every");
        snprintf(line, sizeof(line), "lockstep --until=%s x", bad[i]);
        refuse(line, "-until");
    }
    refuse("-every 5 x", "faumachine lockstep");
    refuse("run -engines auto,auto x", "faumachine lockstep");
    refuse("lockstep -form 5 x", "did you mean -from?");
}

static void unknown_options(void **state)
{
    (void)state;
    refuse("-kernal k", "did you mean -kernel?");
    refuse("--no-rebot x", "did you mean -no-reboot?");
    refuse("-nograpihc x", "did you mean -nographic?");
    refuse("-enable-kvm x", "-help");
    refuse("-ker k", "-help"); /* no abbreviations */
}

static void help_and_version(void **state)
{
    (void)state;
    accept("--help");
    assert_int_equal(options.action, OPTIONS_HELP);
    accept("-h");
    assert_int_equal(options.action, OPTIONS_HELP);
    accept("-version");
    assert_int_equal(options.action, OPTIONS_VERSION);
}

static void edit_distance(void **state)
{
    (void)state;
    assert_int_equal(value_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(value_edit_distance("", "abc"), 3);
    assert_int_equal(value_edit_distance("abc", "abc"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(control),
        cmocka_unit_test(files),           cmocka_unit_test(memory),
        cmocka_unit_test(clocks),          cmocka_unit_test(consoles),
        cmocka_unit_test(devices),         cmocka_unit_test(engines),
        cmocka_unit_test(lockstep),        cmocka_unit_test(logged_items),
        cmocka_unit_test(unknown_options), cmocka_unit_test(help_and_version),
        cmocka_unit_test(edit_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
