/* Work that needs programs of a user land around it: a shell, a compiler. Each is a
 * script whose result is a file, or its exit status. */
#include "kinds.h"
#include "system.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRAMS = 20, LARGEST_RESULT = 1 << 20 };

static bool run_script(const char *script)
{
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", script, NULL);
        _exit(1);
    }
    return child_ends_with(child, 0);
}

/* With the shell itself, which is one too, this starts PROGRAMS dynamic programs. */
static uint32_t shell_loop(void)
{
    return run_script("i=1; while [ $i -lt 20 ]; do /bin/true || exit 1; "
                      "i=$((i+1)); done");
}

static uint32_t file_checksum(const char *path)
{
    static uint8_t data[LARGEST_RESULT];
    int file = open(path, O_RDONLY);
    ssize_t bytes = file < 0 ? -1 : read(file, data, sizeof(data));
    close(file);
    return bytes > 0 ? checksum(data, (size_t)bytes) : 0;
}

/* A static library of all of zlib; its own makefile says how. */
static uint32_t compile(void)
{
    bool done = run_script("exec >/dev/null && rm -rf /tmp/zlib && mkdir /tmp/zlib && "
                           "cd /tmp/zlib && cp /usr/src/zlib/*.[ch] "
                           "/usr/src/zlib/Makefile.in . && make -f Makefile.in libz.a "
                           "CC=gcc CFLAGS='-O2 -DHAVE_UNISTD_H'");
    return done ? file_checksum("/tmp/zlib/libz.a") : 0;
}

const struct kind userland_kinds[] = {
    {"shell", shell_loop, PROGRAMS},
    {"first-compile", compile, 1},
    {"compile", compile, 1},
    {0},
};
