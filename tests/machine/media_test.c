/* Media that come and go while a machine has power, and what firmware is told of drives
 * and of the order to boot from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine_internal.h"

enum { PATH_BYTES = 96, BIOS_BYTES = 64 << 10, FLOPPY_BYTES = 720 << 10 };

struct setting {
    char directory[64], bios[PATH_BYTES], disc[PATH_BYTES], other[PATH_BYTES],
        floppy[PATH_BYTES], large[PATH_BYTES];
    struct machine_config config;
    struct machine *machine;
    unsigned opened, shut;
    char moved[MEDIA_NAME_BYTES];
};

static void make_file(struct setting *s, char *path, const char *name, off_t bytes)
{
    snprintf(path, PATH_BYTES, "%s/%s", s->directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), bytes), 0);
    fclose(file);
}

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    strcpy(s->directory, "/tmp/media-test-XXXXXX");
    assert_non_null(mkdtemp(s->directory));
    make_file(s, s->bios, "bios", BIOS_BYTES);
    make_file(s, s->disc, "disc", 1 << 20);
    make_file(s, s->other, "other", 2 << 20);
    make_file(s, s->floppy, "floppy", FLOPPY_BYTES);
    make_file(s, s->large, "large", 8 << 20);
    s->config = (struct machine_config){
        .ram_bytes = 4 << 20,
        .bios = s->bios,
        .drives = {[2] = {.media = MACHINE_MEDIA_CDROM,
                          .image = {.file = s->disc, .read_only = true}}},
        .floppies = {{.media = MACHINE_MEDIA_FLOPPY, .image = {.file = s->floppy}},
                     {.media = MACHINE_MEDIA_FLOPPY}},
        .clock = CLOCK_KIND_COUNTED,
    };
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    machine_destroy(s->machine);
    unlink(s->bios);
    unlink(s->disc);
    unlink(s->other);
    unlink(s->floppy);
    unlink(s->large);
    assert_int_equal(rmdir(s->directory), 0);
    free(s);
    return 0;
}

static void switch_on(struct setting *s)
{
    struct error error = {.text = ""};
    s->machine = machine_create(&s->config, &error);
    assert_string_equal(error.text, "");
    assert_true(machine_power_on(s->machine, &error));
}

static struct machine_medium describe(struct setting *s, unsigned index)
{
    struct machine_medium medium;
    lock_take(&s->machine->lock);
    assert_true(machine_media_describe(s->machine, index, &medium));
    lock_release(&s->machine->lock);
    return medium;
}

static bool eject(struct setting *s, const char *drive, bool force, struct error *error)
{
    lock_take(&s->machine->lock);
    bool done = machine_media_eject(s->machine, drive, force, error);
    lock_release(&s->machine->lock);
    return done;
}

static bool insert(struct setting *s, const char *drive, const char *path,
                   struct error *error)
{
    const struct block_options options = {.file = path, .read_only = true};
    struct block_backend *backend = block_open(&options, NULL, NULL, error);
    struct error ignored;
    assert_non_null(backend);
    lock_take(&s->machine->lock);
    bool done = machine_media_insert(s->machine, drive, backend, error);
    lock_release(&s->machine->lock);
    if (!done) {
        block_close(backend, &ignored);
    }
    return done;
}

static uint8_t port(struct setting *s, uint16_t number, uint32_t value)
{
    struct port_space *ports = &s->machine->ports;
    lock_take(&s->machine->lock);
    port_write(ports, number, value, 1);
    uint8_t answer = (uint8_t)port_read(ports, number + 1, 1);
    lock_release(&s->machine->lock);
    return answer;
}

static uint8_t cmos(struct setting *s, uint8_t index)
{
    return port(s, 0x70, index);
}

static void tray_moved(void *opaque, const char *drive, bool open)
{
    struct setting *s = opaque;
    open ? s->opened++ : s->shut++;
    snprintf(s->moved, sizeof(s->moved), "%s", drive);
}

/* -- tests -- */

static void change_a_disc(void **state)
{
    struct setting *s = *state;
    struct error error;
    switch_on(s);
    const struct media_listener listener = {.tray_moved = tray_moved, .opaque = s};
    machine_media_listen(s->machine, &listener);
    struct machine_medium disc = describe(s, 0);
    assert_string_equal(disc.drive, "ide1-cd0");
    assert_string_equal(disc.file, s->disc);
    assert_true(disc.write_protected && !disc.tray_open && !disc.locked);
    assert_false(insert(s, "ide1-cd0", s->other, &error));
    assert_non_null(strstr(error.text, "eject it first"));
    assert_true(eject(s, "ide1-cd0", false, &error));
    disc = describe(s, 0);
    assert_null(disc.file);
    assert_true(disc.tray_open);
    assert_true(eject(s, "ide1-cd0", false, &error)); /* it is open already */
    assert_true(insert(s, "ide1-cd0", s->other, &error));
    disc = describe(s, 0);
    assert_string_equal(disc.file, s->other);
    assert_false(disc.tray_open);
    assert_int_equal(s->opened, 1);
    assert_int_equal(s->shut, 1);
    assert_string_equal(s->moved, "ide1-cd0");
    assert_false(eject(s, "ide0-cd0", true, &error));
    assert_non_null(strstr(error.text, "ide1-cd0, floppy0, floppy1"));
}

/* As the guest does it: PREVENT ALLOW MEDIUM REMOVAL. */
static void lock_drive(struct setting *s)
{
    static const uint16_t packet[6] = {0x1e, 0, 1};
    struct port_space *ports = &s->machine->ports;
    lock_take(&s->machine->lock);
    port_write(ports, 0xcf8, 0x80000904, 4);
    port_write(ports, 0xcfc, 1, 4);
    port_write(ports, 0xcf8, 0x80000940, 4);
    port_write(ports, 0xcfc, 0x80008000, 4);
    /* The first packet hears of the reset. */
    for (unsigned i = 0; i < 2; i++) {
        port_write(ports, 0x176, 0xa0, 1);
        port_write(ports, 0x177, 0xa0, 1);
        for (unsigned k = 0; k < 6; k++) {
            port_write(ports, 0x170, packet[k], 2);
        }
    }
    lock_release(&s->machine->lock);
}

static void locked_drive(void **state)
{
    struct setting *s = *state;
    struct error error;
    switch_on(s);
    lock_drive(s);
    assert_true(describe(s, 0).locked);
    assert_false(eject(s, "ide1-cd0", false, &error));
    assert_non_null(strstr(error.text, "locked"));
    assert_string_equal(describe(s, 0).file, s->disc);
    assert_true(eject(s, "ide1-cd0", true, &error));
    assert_null(describe(s, 0).file);
}

static void change_a_floppy(void **state)
{
    struct setting *s = *state;
    struct error error;
    switch_on(s);
    assert_string_equal(describe(s, 1).drive, "floppy0");
    assert_string_equal(describe(s, 1).file, s->floppy);
    assert_false(describe(s, 1).write_protected);
    assert_null(describe(s, 2).file);
    assert_false(insert(s, "floppy1", s->large, &error));
    assert_non_null(strstr(error.text, "8192 KiB"));
    assert_true(insert(s, "floppy1", s->disc, &error));
    assert_true(describe(s, 2).write_protected);
    assert_true(eject(s, "floppy0", false, &error));
    assert_null(describe(s, 1).file);
    /* Nothing has been closed that is still in use: what was there can be taken again.
     */
    assert_true(insert(s, "floppy0", s->floppy, &error));
}

static void what_firmware_is_told(void **state)
{
    struct setting *s = *state;
    switch_on(s);
    assert_int_equal(cmos(s, 0x10), 0x45); /* 720K is read by a drive for 1.44M */
    assert_int_equal(cmos(s, 0x14), 0x47);
    assert_int_equal(cmos(s, 0x3d), 0x12); /* cad */
    assert_int_equal(cmos(s, 0x38), 0x30);
    size_t length;
    const uint8_t *menu =
        fw_cfg_find_item(s->machine->fw_cfg, FW_CFG_BOOT_MENU, &length);
    assert_int_equal(length, 2);
    assert_int_equal(menu[0], 0);
    assert_null(fw_cfg_find_file(s->machine->fw_cfg, "etc/boot-menu-wait", &length));
}

static void boot_once(void **state)
{
    struct setting *s = *state;
    memset(s->config.floppies, 0, sizeof(s->config.floppies));
    s->config.boot = (struct boot_choice){
        .order = "nda", .once = "d", .menu = true, .menu_wait_ms = 5000};
    switch_on(s);
    assert_int_equal(cmos(s, 0x10), 0x00);
    assert_int_equal(cmos(s, 0x14), 0x06);
    assert_int_equal(cmos(s, 0x3d), 0x03);
    assert_int_equal(cmos(s, 0x38), 0x00);
    lock_take(&s->machine->lock);
    pc_reset(s->machine);
    lock_release(&s->machine->lock);
    assert_int_equal(cmos(s, 0x3d), 0x34);
    assert_int_equal(cmos(s, 0x38), 0x10);
    size_t length;
    const uint8_t *wait =
        fw_cfg_find_file(s->machine->fw_cfg, "etc/boot-menu-wait", &length);
    assert_int_equal(length, 2);
    assert_int_equal(wait[0] | wait[1] << 8, 5000);
}

static void images_that_do_not_fit(void **state)
{
    struct setting *s = *state;
    struct error error;
    s->config.floppies[1].image.file = s->large;
    assert_null(machine_create(&s->config, &error));
    assert_non_null(strstr(error.text, "2880"));
    s->config.floppies[1].image.file = "/nonexistent/floppy";
    assert_null(machine_create(&s->config, &error));
    assert_non_null(strstr(error.text, "/nonexistent/floppy"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(change_a_disc),         TEST(locked_drive), TEST(change_a_floppy),
        TEST(what_firmware_is_told), TEST(boot_once),    TEST(images_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
