/* work KIND ROUNDS: see programs.h. The last line says how many checks were wrong, and
 * so does the exit status. */
#include "programs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static const struct kind kinds[] = {
    {"library", library_kind},     {"times", times_kind},
    {"signals", signals_kind},     {"faults", faults_kind},
    {"traps", traps_kind},         {"threads", threads_kind},
    {"segments", segments_kind},   {"ldt", ldt_kind},
    {"code", code_kind},           {"shared-code", shared_code_kind},
    {"processes", processes_kind}, {"timers", timers_kind},
    {"visible", visible_kind},
};

static unsigned wrong;

void check(const char *what, bool right)
{
    printf("%s: %s\n", what, right ? "right" : "WRONG");
    wrong += !right;
}

void check_equal(const char *what, long found, long expected)
{
    if (found == expected) {
        check(what, true);
        return;
    }
    printf("%s: WRONG: %ld (%#lx), not %ld (%#lx)\n", what, found, (unsigned long)found,
           expected, (unsigned long)expected);
    wrong++;
}

bool kernel_is_i386(void)
{
    struct utsname name;
    return uname(&name) == 0 && strcmp(name.machine, "x86_64") != 0;
}

bool child_ends_with(int child, int wanted)
{
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == wanted;
}

void *new_pages(unsigned pages, int protection)
{
    void *memory =
        mmap(NULL, pages * PAGE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], EXITING) == 0) {
        return EXITING_STATUS;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that no child has something to print */
    for (size_t i = 0; count == 3 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, arguments[1]) == 0) {
            kinds[i].run((unsigned)strtoul(arguments[2], NULL, 10));
            printf("%u wrong\n", wrong);
            return wrong != 0;
        }
    }
    fputs("usage: work KIND ROUNDS\n", stderr);
    return 2;
}
