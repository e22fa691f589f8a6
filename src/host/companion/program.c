#define _GNU_SOURCE /* close_range() */
#include "host/companion/program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Relative to the folder of faumachine itself. */
static const char *const folders[] = {".", FAUMACHINE_PROGRAMS};

bool companion_program_exists(const char *program, char *path, size_t bytes)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length <= 0) {
        return false;
    }
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
        int used = snprintf(path, bytes, "%s/%s/%s", own, folders[i], program);
        if ((size_t)used < bytes && access(path, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

bool companion_find_program(const char *program, const char *package, char *path,
                            size_t bytes, struct error *error)
{
    return companion_program_exists(program, path, bytes) ||
           error_set(error,
                     "%s is neither beside faumachine nor in " FAUMACHINE_PROGRAMS
                     " from there: build it with Debian's package %s",
                     program, package);
}

void companion_become_program(const char *path, int socket, int memory)
{
    /* Neither may be in the other's way. */
    int high_socket = fcntl(socket, F_DUPFD, COMPANION_MEMORY + 1);
    int high_memory = fcntl(memory, F_DUPFD, COMPANION_MEMORY + 1);
    if (dup2(high_socket, COMPANION_SOCKET) >= 0 &&
        dup2(high_memory, COMPANION_MEMORY) >= 0 &&
        close_range(COMPANION_MEMORY + 1, UINT_MAX, 0) == 0) {
        execl(path, strrchr(path, '/') + 1, (char *)NULL);
    }
}
