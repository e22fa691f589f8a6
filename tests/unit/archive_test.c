/* Files of named pieces: what was written is found again, and no damage is overlooked.
 */
#define _GNU_SOURCE
#include "state/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { LONG = 200001, MOST = 1 << 20 };

static uint8_t long_bytes[LONG];

static int write_archive(void)
{
    static struct archive_writer writer;
    struct error error;
    int fd = memfd_create("archive", MFD_CLOEXEC);
    archive_begin(&writer, fd);
    archive_begin_section(&writer, "short", 3);
    archive_write(&writer, "abc", 3);
    archive_begin_section(&writer, "empty", 0);
    archive_begin_section(&writer, "long", LONG);
    for (size_t at = 0; at < LONG; at += 1000) {
        archive_write(&writer, long_bytes + at, LONG - at < 1000 ? LONG - at : 1000);
    }
    assert_true(archive_finish(&writer, "test", &error));
    return fd;
}

static void comes_back(void **state)
{
    struct archive archive;
    struct error error;
    size_t length;
    for (size_t i = 0; i < LONG; i++) {
        long_bytes[i] = (uint8_t)(i * 7 >> 3);
    }
    int fd = write_archive();
    assert_true(archive_read(&archive, fd, "test", MOST, &error));
    assert_memory_equal(archive_find(&archive, "short", &length), "abc", 3);
    assert_int_equal(length, 3);
    assert_non_null(archive_find(&archive, "empty", &length));
    assert_int_equal(length, 0);
    assert_memory_equal(archive_find(&archive, "long", &length), long_bytes, LONG);
    assert_int_equal(length, LONG);
    assert_null(archive_find(&archive, "none", &length));
    archive_free(&archive);
    assert_false(archive_read(&archive, fd, "test", LONG, &error));
    assert_non_null(strstr(error.text, "larger"));
    close(fd);
}

static void assert_refused(int fd)
{
    struct archive archive;
    struct error error = {.text = ""};
    assert_false(archive_read(&archive, fd, "test", MOST, &error));
    assert_non_null(strstr(error.text, "test"));
    assert_null(strchr(error.text, '\n'));
}

/* Each byte matters. */
static void damage_is_found(void **state)
{
    int fd = write_archive();
    off_t end = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < end; at += at < 300 ? 1 : 997) {
        uint8_t byte, other;
        bool unused = at >= 12 && at < 16; /* of the header */
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        other = byte ^ 0x10;
        assert_int_equal(pwrite(fd, &other, 1, at), 1);
        if (!unused) {
            assert_refused(fd);
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    for (off_t length = end; length >= 0; length -= length < 300 ? 1 : 997) {
        if (length != end) {
            assert_int_equal(ftruncate(fd, length), 0);
            assert_refused(fd);
        }
    }
    close(fd);
}

/* With a checksum that is right. */
static void sections_that_do_not_fit(void **state)
{
    struct {
        struct archive_section section;
        uint8_t bytes[16];
    } file = {.section = {.name = "a"}};
    const uint64_t lengths[] = {17,        24, 1 << 20, UINT64_MAX, UINT64_MAX - 6,
                                1ULL << 63};
    struct archive_header header = {.version = ARCHIVE_VERSION, .bytes = sizeof(file)};
    struct archive archive;
    struct error error;
    memcpy(header.magic, "FAUsaved", sizeof(header.magic));
    for (size_t i = 0; i <= ARRAY_LENGTH(lengths); i++) {
        bool good = i == ARRAY_LENGTH(lengths);
        file.section.bytes = good ? 16 : lengths[i];
        header.checksum = archive_checksum(0, (uint8_t *)&file, sizeof(file));
        assert_int_equal(archive_check(&archive, "test", &header, (uint8_t *)&file,
                                       sizeof(file), &error),
                         good);
    }
    memset(file.section.name, 'a', sizeof(file.section.name));
    header.checksum = archive_checksum(0, (uint8_t *)&file, sizeof(file));
    assert_false(archive_check(&archive, "test", &header, (uint8_t *)&file,
                               sizeof(file), &error));
}

/* The host's disk is full. */
static void cannot_be_written(void **state)
{
    static struct archive_writer writer;
    struct error error = {.text = ""};
    archive_begin(&writer, -1);
    archive_begin_section(&writer, "long", LONG);
    archive_write(&writer, long_bytes, LONG);
    assert_false(archive_finish(&writer, "test", &error));
    assert_non_null(strstr(error.text, "cannot write snapshot test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(sections_that_do_not_fit),
        cmocka_unit_test(cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
