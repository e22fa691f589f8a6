#define _GNU_SOURCE /* close_range() */
#include "host/companion/program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool find_beside_us(const char *program, char *path, size_t bytes)
{
    ssize_t length = readlink("/proc/self/exe", path, bytes - 1);
    if (length <= 0) {
        return false;
    }
    path[length] = '\0';
    char *name = strrchr(path, '/') + 1;
    size_t room = bytes - (size_t)(name - path);
    return (size_t)snprintf(name, room, "%s", program) < room &&
           access(path, X_OK) == 0;
}

bool companion_find_program(const char *program, const char *package, char *path,
                            size_t bytes, struct error *error)
{
    if (find_beside_us(program, path, bytes)) {
        return true;
    }
    int length = snprintf(path, bytes, "%s/%s", FAUMACHINE_PROGRAMS, program);
    return ((size_t)length < bytes && access(path, X_OK) == 0) ||
           error_set(error,
                     "%s is neither beside faumachine nor in " FAUMACHINE_PROGRAMS
                     ": build it with Debian's package %s",
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
        const char *slash = strrchr(path, '/');
        execl(path, slash ? slash + 1 : path, (char *)NULL);
    }
}
