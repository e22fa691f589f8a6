/* A forked process gets files of its own: what it does to them the other does not see,
 * and all that belonged together still does. */
#define _GNU_SOURCE /* memfd_create() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/types.h"
#include "lockstep/detach.h"

enum { BYTES = 4 << 20, FAR = BYTES - 2 * PAGE_BYTES, LIMIT_S = 20 };

/* A file in memory as machines have them: with and without a descriptor, in several
 * mappings, one of them of a part and read only. */
struct memory {
    int fd; /* -1: closed */
    uint8_t *whole, *part;
};

static struct memory make_memory(bool keep_descriptor)
{
    struct memory memory = {.fd = memfd_create("detach-test", MFD_CLOEXEC)};
    assert_true(memory.fd >= 0);
    assert_int_equal(ftruncate(memory.fd, BYTES), 0);
    memory.whole = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    memory.part =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED, memory.fd, FAR);
    assert_ptr_not_equal(memory.whole, MAP_FAILED);
    assert_ptr_not_equal(memory.part, MAP_FAILED);
    if (!keep_descriptor) {
        close(memory.fd);
        memory.fd = -1;
    }
    memory.whole[0] = 1;
    memory.whole[FAR] = 2;
    return memory;
}

static void free_memory(struct memory *memory)
{
    munmap(memory->whole, BYTES);
    munmap(memory->part, PAGE_BYTES);
    if (memory->fd >= 0) {
        close(memory->fd);
    }
}

/* What must hold in the forked process; the number of what does not, or 0. */
static int check_memory(const struct memory *memory)
{
    if (memory->whole[0] != 1 || memory->whole[FAR] != 2 || memory->part[0] != 2 ||
        memory->whole[PAGE_BYTES] != 0) {
        return 2;
    }
    memory->whole[0] = 11;
    memory->whole[FAR] = 12;
    memory->whole[PAGE_BYTES] = 13;
    if (memory->part[0] != 12) {
        return 3;
    }
    uint8_t byte = 0;
    bool read =
        memory->fd < 0 || (pread(memory->fd, &byte, 1, FAR) == 1 && byte == 12 &&
                           lseek(memory->fd, 0, SEEK_END) == BYTES);
    return read ? 0 : 4;
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void memory_is_copied(void **state)
{
    (void)state;
    struct memory with = make_memory(true), without = make_memory(false);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        int status = detach_files() ? 0 : 1;
        status = status ? status : check_memory(&with);
        status = status ? status : check_memory(&without);
        _exit(status);
    }
    assert_int_equal(status_of(pid), 0);
    const struct memory *const both[] = {&with, &without};
    for (unsigned i = 0; i < ARRAY_LENGTH(both); i++) {
        assert_int_equal(both[i]->whole[0], 1);
        assert_int_equal(both[i]->whole[FAR], 2);
        assert_int_equal(both[i]->whole[PAGE_BYTES], 0);
    }
    free_memory(&with);
    free_memory(&without);
}

/* The file behind -snapshot has no name; a log has one. */
static void files_are_copied_or_lead_nowhere(void **state)
{
    (void)state;
    char temporary_path[] = "/tmp/faumachine-detach-test-XXXXXX";
    char log_path[] = "/tmp/faumachine-detach-test-log-XXXXXX";
    int temporary = mkstemp(temporary_path), log = mkstemp(log_path);
    assert_true(temporary >= 0 && log >= 0);
    int image = open(log_path, O_RDONLY);
    assert_true(image >= 0);
    unlink(temporary_path);
    assert_int_equal(pwrite(temporary, "before", 6, BYTES), 6);
    assert_int_equal(write(log, "line\n", 5), 5);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(LIMIT_S);
        char text[6];
        bool good = detach_files() && pread(temporary, text, 6, BYTES) == 6 &&
                    memcmp(text, "before", 6) == 0 &&
                    pwrite(temporary, "behind", 6, BYTES) == 6 &&
                    write(log, "more\n", 5) == 5 && pread(image, text, 6, 0) == 5;
        _exit(!good);
    }
    assert_int_equal(status_of(pid), 0);
    char text[16];
    assert_int_equal(pread(temporary, text, sizeof(text), BYTES), 6);
    assert_memory_equal(text, "before", 6);
    assert_int_equal(pread(image, text, sizeof(text), 0), 5);
    unlink(log_path);
    close(temporary);
    close(image);
    close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_copied),
        cmocka_unit_test(files_are_copied_or_lead_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
