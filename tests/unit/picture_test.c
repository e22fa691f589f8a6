/* Screenshots: what is in the files, their names, and what is never written over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/display/picture.h"
#include "host/display/picture_file.h"

static const struct display_size size = {3, 2};
static const uint32_t pixels[] = {0xff0000, 0x00ff00, 0x0000ff, 0x123456, 0, 0xffffff};

struct folder {
    char before[4096], path[64];
};

static int set_up(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));
    strcpy(folder->path, "/tmp/faumachine-picture-XXXXXX");
    *state = folder;
    return getcwd(folder->before, sizeof(folder->before)) && mkdtemp(folder->path) &&
                   chdir(folder->path) == 0
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder->path);
    int failed = chdir(folder->before) != 0 || system(command) != 0;
    free(folder);
    return failed;
}

static void expect_picture(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t found[sizeof(pixels) / 4 * 3];
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, size.width);
    assert_int_equal(image.height, size.height);
    image.format = PNG_FORMAT_RGB;
    assert_true(png_image_finish_read(&image, NULL, found, 0, NULL));
    for (size_t i = 0; i < sizeof(pixels) / 4; i++) {
        uint32_t pixel = (uint32_t)found[3 * i] << 16 |
                         (uint32_t)found[3 * i + 1] << 8 | found[3 * i + 2];
        assert_int_equal(pixel, pixels[i]);
    }
}

static void make_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void refuse(const char *path, const char *hint)
{
    struct error error;
    assert_false(picture_file_write(path, pixels, &size, &error));
    if (!strstr(error.text, hint)) {
        fail_msg("%s: '%s' lacks '%s'", path, error.text, hint);
    }
}

static void files(void **state)
{
    (void)state;
    struct error error;
    assert_true(picture_file_write("a.png", pixels, &size, &error));
    expect_picture("a.png");
    assert_true(picture_file_write("a.png", pixels, &size, &error));
    make_file("empty.PNG", "");
    assert_true(picture_file_write("empty.PNG", pixels, &size, &error));
    expect_picture("empty.PNG");
    assert_int_equal(access("a.png.part", F_OK), -1);
}

static void what_is_never_written(void **state)
{
    (void)state;
    make_file("precious.png", "a diary");
    refuse("precious.png", "no PNG file");
    make_file("target", "");
    assert_int_equal(symlink("target", "link.png"), 0);
    refuse("link.png", "no PNG file");
    assert_int_equal(mkdir("folder.png", 0777), 0);
    refuse("folder.png", "no PNG file");
    assert_int_equal(mkfifo("fifo.png", 0777), 0);
    refuse("fifo.png", "no PNG file");
    refuse("a.jpg", ".png");
    refuse(".png", ".png");
    refuse("", ".png");
    refuse("nowhere/a.png", "nowhere");
    make_file("b.png.part", "somebody else's");
    refuse("b.png", "b.png.part");
}

struct outcome {
    char path[256], problem[256];
    unsigned count;
};

static void done(void *opaque, const char *path, const char *problem)
{
    struct outcome *outcome = opaque;
    snprintf(outcome->path, sizeof(outcome->path), "%s", path ? path : "");
    snprintf(outcome->problem, sizeof(outcome->problem), "%s", problem ? problem : "");
    outcome->count++;
}

static void take(struct picture_writer *writer, const char *path,
                 struct outcome *outcome)
{
    struct error error;
    assert_true(picture_write(writer, path, pixels, &size, done, outcome, &error));
    assert_false(picture_write(writer, path, pixels, &size, done, outcome, &error));
    picture_wait(writer);
}

static void writer_process(void **state)
{
    (void)state;
    struct error error;
    struct outcome outcome = {.count = 0};
    make_file("shot-2.png", "not ours");
    struct picture_writer *writer = picture_writer_start("shot.png", &error);
    assert_non_null(writer);
    take(writer, NULL, &outcome);
    assert_string_equal(outcome.path, "shot-1.png");
    take(writer, NULL, &outcome);
    assert_string_equal(outcome.path, "shot-3.png");
    expect_picture("shot-3.png");
    take(writer, "other.png", &outcome);
    expect_picture("other.png");
    take(writer, "/nowhere/x.png", &outcome);
    assert_string_equal(outcome.path, "");
    assert_non_null(strstr(outcome.problem, "/nowhere/x.png"));
    assert_int_equal(outcome.count, 4);
    assert_true(
        picture_write(writer, "last.png", pixels, &size, done, &outcome, &error));
    picture_writer_stop(writer);
    expect_picture("last.png");
}

static void portable_pixmap(void **state)
{
    (void)state;
    static const char wanted[] =
        "P6\n3 2\n255\n"
        "\xff\0\0\0\xff\0\0\0\xff\x12\x34\x56\0\0\0\xff\xff\xff";
    size_t bytes;
    uint8_t *file = picture_encode(pixels, &size, false, &bytes);
    assert_int_equal(bytes, sizeof(wanted) - 1);
    assert_memory_equal(file, wanted, bytes);
    free(file);
}

static void names(void **state)
{
    (void)state;
    char name[64];
    struct error error;
    picture_file_name(name, sizeof(name), NULL, 7);
    assert_int_equal(strlen(name), strlen("faumachine-20261123-030000-7.png"));
    assert_null(picture_writer_start("x.bmp", &error));
    assert_non_null(strstr(error.text, "-screenshot 'x.bmp'"));
    assert_null(picture_writer_start("nowhere/x.png", &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_never_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writer_process, set_up, tear_down),
        cmocka_unit_test(portable_pixmap),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
