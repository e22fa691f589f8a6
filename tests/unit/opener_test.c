/* The process that opens files for others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/opener/opener.h"

static char folder[] = "/tmp/faumachine-opener-XXXXXX";
static struct opener opener;

static int set_up(void **state)
{
    struct error error;
    (void)state;
    return opener_start(&opener, &error) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    opener_stop(&opener);
    return 0;
}

static void make_path(char *path, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static void opens_what_it_is_asked_for(void **state)
{
    char path[PATH_MAX], bytes[8];
    struct error error;
    (void)state;
    make_path(path, "file");
    int fd = opener_open(&opener, path, OPENER_REPLACE, &error);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    fd = opener_open(&opener, path, OPENER_READ, &error);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), 5);
    assert_int_equal(write(fd, "x", 1), -1);
    close(fd);
    fd = opener_open(&opener, path, OPENER_READ_WRITE, &error);
    assert_int_equal(write(fd, "j", 1), 1);
    close(fd);
    fd = opener_open(&opener, path, OPENER_REPLACE, &error);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 0);
    close(fd);
}

static void says_why_not(void **state)
{
    struct error error;
    char path[PATH_MAX];
    static char long_path[2 * PATH_MAX];
    (void)state;
    assert_int_equal(opener_open(&opener, "/nonexistent/x", OPENER_READ, &error), -1);
    assert_string_equal(error.text,
                        "Could not open '/nonexistent/x': No such file or directory");
    memset(long_path, 'x', sizeof(long_path) - 1);
    assert_int_equal(opener_open(&opener, long_path, OPENER_READ, &error), -1);
    /* Nobody reads there: that must not keep it waiting. */
    make_path(path, "fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(opener_open(&opener, path, OPENER_REPLACE, &error), -1);
    /* And it is still there. */
    int fd = opener_open(&opener, "/dev/null", OPENER_READ, &error);
    assert_true(fd >= 0);
    close(fd);
}

static void may_be_gone(void **state)
{
    struct error error;
    (void)state;
    kill(opener.companion.process, SIGKILL);
    assert_int_equal(opener_open(&opener, "/dev/null", OPENER_READ, &error), -1);
    opener_stop(&opener);
    assert_int_equal(opener_open(&opener, "/dev/null", OPENER_READ, &error), -1);
    assert_non_null(strstr(error.text, "-monitor"));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[PATH_MAX];
    (void)state;
    make_path(path, "file");
    unlink(path);
    make_path(path, "fifo");
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_what_it_is_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_why_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_be_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
