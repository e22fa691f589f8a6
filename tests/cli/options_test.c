/* The command line: what each option sets, and what is refused with which remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    accept("x.img");
    const struct machine_config *machine = &options.machine;
    assert_int_equal(options.action, OPTIONS_RUN);
    assert_int_equal(machine->ram_bytes, 128 << 20);
    assert_string_equal(machine->drives[0].image.file, "x.img");
    assert_null(machine->drives[1].image.file);
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
    assert_string_equal(machine->drives[0].image.file, "a");
    assert_string_equal(machine->drives[1].image.file, "b");
    assert_string_equal(machine->drives[2].image.file, "c");
    assert_string_equal(machine->drives[3].image.file, "d");
    assert_string_equal(machine->kernel, "k");
    assert_string_equal(machine->initrd, "i");
    assert_string_equal(machine->append, "t");
    assert_string_equal(machine->bios, "s");
    assert_string_equal(machine->debug_console, "file:F");
    assert_true(machine->snapshot && machine->no_reboot && machine->show_guest_errors);
    assert_true(options.statistics);
    accept("-snapshot -- -odd-name");
    assert_string_equal(machine->drives[0].image.file, "-odd-name");
    accept("run run");
    assert_string_equal(machine->drives[0].image.file, "run");
    refuse("a b", "-hdb");
    refuse("-hda a b", "-hdb");
    refuse("-initrd i x", "-kernel");
    refuse("-append t x", "-kernel");
    refuse("", "nothing to boot");
    refuse("-nographic", "nothing to boot");
    refuse("x -hdb", "needs a value");
    refuse("x --snapshot=on", "takes no value");
}

static void media(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    accept("x.img");
    assert_int_equal(machine->drives[2].media, MACHINE_MEDIA_CDROM);
    assert_null(machine->drives[2].image.file);
    assert_true(machine_drive_exists(&machine->floppies[0]));
    assert_null(machine->floppies[0].image.file);
    assert_false(machine_drive_exists(&machine->floppies[1]));
    accept("x.img -nodefaults");
    assert_false(machine_drive_exists(&machine->drives[2]));
    assert_false(machine_drive_exists(&machine->floppies[0]));
    accept("-cdrom c.iso -fda a -fdb b");
    assert_string_equal(machine->drives[2].image.file, "c.iso");
    assert_true(machine->drives[2].image.read_only);
    assert_string_equal(machine->floppies[0].image.file, "a");
    assert_string_equal(machine->floppies[1].image.file, "b");
    accept("-hdc y");
    assert_int_equal(machine->drives[2].media, MACHINE_MEDIA_DISK);
    accept("-hda x -drive if=floppy,index=1,readonly=on,file=f -drive if=floppy "
           "-drive media=cdrom -drive media=cdrom,file=d");
    assert_null(machine->floppies[0].image.file);
    assert_string_equal(machine->floppies[1].image.file, "f");
    assert_true(machine->floppies[1].image.read_only);
    assert_int_equal(machine->drives[2].media, MACHINE_MEDIA_CDROM);
    assert_null(machine->drives[2].image.file);
    assert_string_equal(machine->drives[1].image.file, "d");
    refuse("-drive if=floppy,index=2,file=f", "from 0 to 1");
    refuse("-drive if=floppy,file=f -drive if=floppy -drive if=floppy",
           "2 floppy drives");
    refuse("-drive if=floppy,media=cdrom,file=f", "floppy");
    refuse("-hdc y -cdrom c", "hdc");
    refuse("-cdrom c -hdc y", "hdc");
    refuse("-cdrom c -cdrom d", "hdc");
    refuse("-drive media=cdrom -hdc d", "hdc");
    refuse("-fda a -fda b", "in floppy drive A");
}

static void boot_order(void **state)
{
    (void)state;
    const struct boot_choice *boot = &options.machine.boot;
    accept("x");
    assert_string_equal(boot->order, "");
    assert_false(boot->menu);
    accept("x -boot d");
    assert_string_equal(boot->order, "d");
    accept("x -boot order=cdn,once=a,menu=on,splash-time=900");
    assert_string_equal(boot->order, "cdn");
    assert_string_equal(boot->once, "a");
    assert_true(boot->menu);
    assert_int_equal(boot->menu_wait_ms, 900);
    accept("x -boot d -boot menu=on");
    assert_string_equal(boot->order, "d");
    assert_true(boot->menu);
    refuse("x -boot order=x", "letters");
    refuse("x -boot once=cc", "each once");
    refuse("x -boot cadn", "one to 3");
    refuse("x -boot order=", "one to 3");
    refuse("x -boot menu=maybe", "on or off");
    refuse("x -boot strict=on", "strict");
    refuse("x -boot splash-time=70000", "65535");
}

static void drives(void **state)
{
    (void)state;
    accept("-drive file=a,format=raw,discard=unmap,cache=unsafe,aio=threads "
           "-drive file=b,,c,if=ide,index=3,media=cdrom "
           "-drive id=x,file=d,bus=1,unit=0,snapshot=on,werror=report,format=qcow2 "
           "-hdb e");
    const struct machine_drive *drive = options.machine.drives;
    assert_string_equal(drive[0].image.file, "a");
    assert_string_equal(drive[0].image.format, "raw");
    assert_true(drive[0].image.discard);
    assert_false(drive[0].image.snapshot || drive[0].image.read_only);
    assert_int_equal(drive[0].image.cache, BLOCK_CACHE_UNSAFE);
    assert_int_equal(options.machine.disk_engine, BLOCK_ENGINE_THREADS);
    assert_string_equal(drive[1].image.file, "e");
    assert_null(drive[1].image.format);
    assert_string_equal(drive[2].image.file, "d");
    assert_true(drive[2].image.snapshot);
    assert_int_equal(drive[2].image.on_write_error, BLOCK_ON_ERROR_REPORT);
    assert_int_equal(drive[0].image.on_write_error, BLOCK_ON_ERROR_ENOSPC);
    assert_string_equal(drive[3].image.file, "b,c");
    assert_int_equal(drive[3].media, MACHINE_MEDIA_CDROM);
    assert_true(drive[3].image.read_only);
    /* A CD-ROM drive is the secondary master; others take the first place. */
    accept("-drive media=cdrom,file=cd -drive file=x -drive file=y,readonly=on");
    assert_string_equal(drive[2].image.file, "cd");
    assert_string_equal(drive[0].image.file, "x");
    assert_true(drive[1].image.read_only);
    accept("-drive file=x,if=virtio -drive file=y,if=none,id=z -drive file=z");
    assert_int_equal(drive[0].bus, MACHINE_BUS_VIRTIO);
    assert_int_equal(drive[1].bus, MACHINE_BUS_NONE);
    assert_string_equal(drive[1].id, "z");
    assert_int_equal(drive[2].bus, MACHINE_BUS_IDE);
    accept("-drive file=x,werror=ignore,rerror=stop "
           "-drive media=cdrom,werror=enospc,rerror=report");
    assert_int_equal(drive[0].image.on_write_error, BLOCK_ON_ERROR_IGNORE);
    assert_int_equal(drive[0].image.on_read_error, BLOCK_ON_ERROR_STOP);
    accept("x -drive file=y,aio=io_uring -drive file=z,cache=writethrough");
    assert_int_equal(options.machine.disk_engine, BLOCK_ENGINE_IO_URING);
    assert_int_equal(drive[2].image.cache, BLOCK_CACHE_WRITETHROUGH);
}

static void wrong_drives(void **state)
{
    (void)state;
    refuse("-drive format=raw", "file=FILE");
    refuse("-drive file=x,format=zip", "the formats are raw, qcow2");
    refuse("-drive file=x,if=scsi", "it can be ide");
    refuse("-drive file=x,if=none", "id=NAME");
    refuse("-drive file=x,if=virtio,media=cdrom", "on IDE");
    refuse("-drive file=x,media=tape", "disk or cdrom");
    refuse("-drive file=x,index=4", "from 0 to 3");
    refuse("-drive file=x,unit=2", "from 0 to 1");
    refuse("-drive file=x,discard=maybe", "unmap or ignore");
    refuse("-drive file=x,cache=none", "writeback, writethrough or unsafe");
    refuse("-drive file=x,aio=native", "threads or io_uring");
    refuse("-drive file=x,werror=pause", "enospc, report, ignore or stop");
    refuse("-drive file=x,rerror=enospc", "report, ignore or stop");
    refuse("-drive if=floppy,file=x,rerror=stop", "leave them out");
    refuse("-drive file=x,snapshot=yes", "on or off");
    refuse("-drive file=x,snapshot=on,readonly=on", "leave one out");
    refuse("-drive file=x,colour=red", "no property colour; there are file");
    refuse("-drive file=x,file=y", "given twice");
    refuse("-drive file=x,index=1 -hdb y", "are both to be hdb");
    refuse("-drive file=x,aio=threads -drive file=y,aio=io_uring", "the same");
    refuse("a -hdb b -hdc c -hdd d -drive file=e", "4 drives");
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

/* What the PC is made of, and what its watchdog does. */
static void parts(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    accept("x");
    assert_false(machine->no_apic || machine->no_hpet || machine->no_acpi);
    accept("x -machine pc,apic=off,hpet=off");
    assert_true(machine->no_apic && machine->no_hpet && !machine->no_acpi);
    accept("x -M acpi=off");
    assert_true(machine->no_acpi && !machine->no_apic);
    accept("x -machine type=pc -machine hpet=off -M apic=off,hpet=on");
    assert_true(machine->no_apic && !machine->no_hpet);
    refuse("x -machine q35", "only machine is pc");
    refuse("x -machine pc,apic=maybe", "on");
    refuse("x -machine pc,apci=off", "apci");
    accept("x -watchdog-action poweroff");
    assert_string_equal(machine->watchdog_action, "poweroff");
    accept("x -action watchdog=inject-nmi");
    assert_string_equal(machine->watchdog_action, "inject-nmi");
    refuse("x -watchdog-action bark", "inject-nmi");
    refuse("x -action watchdog=bark", "inject-nmi");
    refuse("x -action panic=none", "watchdog=");
}

static void networks(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    accept("x");
    assert_string_equal(machine->nics[0], "user,model=e1000");
    accept("x -nic none");
    assert_null(machine->nics[0]);
    accept("x -net none");
    assert_null(machine->nics[0]);
    accept("x -nodefaults");
    assert_null(machine->nics[0]);
    accept("x -netdev user,id=a -object filter-dump,netdev=a,file=b");
    assert_null(machine->nics[0]);
    assert_string_equal(machine->netdevs[0], "user,id=a");
    assert_string_equal(machine->captures[0], "filter-dump,netdev=a,file=b");
    accept("x -nic user -nic tap,fd=3");
    assert_string_equal(machine->nics[1], "tap,fd=3");
    refuse("x -net user", "-nic");
    refuse("x -object rng-random,id=a", "filter-dump");
    /* What counts has no network, but for one where nobody is. */
    accept("x -clock counted");
    assert_null(machine->nics[0]);
    accept("x -clock counted -nic null,capture=a");
    accept("x -clock counted -nic none");
    refuse("x -clock counted -nic user", "input at any time");
    refuse("x -netdev socket,id=a,listen=:1 -clock counted", "input at any time");
    accept("lockstep x");
    assert_null(machine->nics[0]);
    refuse("lockstep x -nic user", "input at any time");
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
    accept("x -serial null -serial null -serial null -serial file:f");
    assert_string_equal(machine->serial[3], "file:f");
    refuse("x -serial null -serial null -serial null -serial null -serial null",
           "4 serial lines");
    accept("x -parallel file:printed");
    assert_string_equal(machine->parallel, "file:printed");
    accept("x -parallel none");
    assert_null(machine->parallel);
    refuse("x -parallel null -parallel null", "one parallel port");
    refuse("x -display gtk", "curses and none");
}

static void displays(void **state)
{
    (void)state;
    const struct machine_config *machine = &options.machine;
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    accept("x -name A");
    assert_string_equal(machine->name, "A");
    assert_null(machine->window);
    assert_true(machine->takes_screenshots);
    assert_non_null(strstr(options.note, "-nographic"));
    accept("x -serial null");
    assert_non_null(strstr(options.note, "-display none"));
    accept("x -nographic");
    assert_null(options.note);
    accept("x -display sdl,full-screen=on -vnc :1 -screenshot F.png");
    assert_string_equal(machine->window, "sdl,full-screen=on");
    assert_string_equal(machine->vnc, ":1");
    assert_string_equal(machine->screenshot, "F.png");
    assert_string_equal(machine->serial[0], "null");
    assert_null(options.note);
    accept("x -display vnc=h:2,password-file=f -nographic");
    assert_string_equal(machine->vnc, "h:2,password-file=f");
    assert_string_equal(machine->serial[0], "stdio");
    accept("x -display curses");
    assert_true(machine->text_view);
    assert_string_equal(machine->serial[0], "null");
    refuse("x -display curses -nographic", "leave one out");
    refuse("x -display sdlx", "curses and none");
    refuse("x -vnc :1 -display vnc=:2", "twice");
    accept("lockstep x -display none");
    assert_false(machine->takes_screenshots);
    refuse("lockstep x -display sdl", "-display: lockstep");
    refuse("lockstep x -vnc :1", "-vnc: lockstep");
    refuse("lockstep x -screenshot F.png", "-screenshot: lockstep");
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

static void sound(void **state)
{
    (void)state;
    accept("x -audiodev wav,path=a,id=one -audiodev sdl -machine "
           "pc,pcspk-audiodev=one -audio sdl,model=AC97");
    assert_string_equal(options.machine.audiodevs[0], "wav,path=a,id=one");
    assert_string_equal(options.machine.audiodevs[1], "sdl");
    assert_null(options.machine.audiodevs[2]);
    assert_string_equal(options.machine.audio, "sdl,model=AC97");
    assert_string_equal(options.machine.pcspk_audiodev, "one");
    refuse("x -audio a -audio b", "-audio b");
    refuse("x -audiodev a -audiodev a -audiodev a -audiodev a -audiodev b",
           "more than 4");
    refuse("x -machine q35", "the only machine is pc");
    refuse("x -machine pc,sound=on", "pcspk-audiodev");
    refuse("lockstep x -audiodev wav,path=a", "-audiodev: lockstep");
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
    assert_string_equal(config->machine.drives[0].image.file, "x");
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
        cmocka_unit_test(defaults),        cmocka_unit_test(files),
        cmocka_unit_test(drives),          cmocka_unit_test(wrong_drives),
        cmocka_unit_test(media),           cmocka_unit_test(boot_order),
        cmocka_unit_test(memory),          cmocka_unit_test(clocks),
        cmocka_unit_test(parts),           cmocka_unit_test(networks),
        cmocka_unit_test(sound),           cmocka_unit_test(displays),
        cmocka_unit_test(control),         cmocka_unit_test(consoles),
        cmocka_unit_test(devices),         cmocka_unit_test(engines),
        cmocka_unit_test(lockstep),        cmocka_unit_test(logged_items),
        cmocka_unit_test(unknown_options), cmocka_unit_test(help_and_version),
        cmocka_unit_test(edit_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
