#define _GNU_SOURCE /* asprintf(), pipe2() */
#include "cli/sbatch.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/types.h"

enum { EXIT_NOT_FOUND = 127, COMPLAINT_BYTES = 4096 };

static _Noreturn void become_sbatch(const char *script, const char *folder,
                                    int complaints)
{
    char *chdir_option;
    int input = open("/dev/null", O_RDONLY);
    if (input < 0 || dup2(input, STDIN_FILENO) < 0 ||
        dup2(complaints, STDERR_FILENO) < 0 ||
        asprintf(&chdir_option, "--chdir=%s", folder) < 0) {
        _exit(EXIT_FAILURE);
    }
    execlp("sbatch", "sbatch", chdir_option, script, (char *)NULL);
    _exit(EXIT_NOT_FOUND);
}

/* All of it, as far as there is room; to the end in any case. */
static void read_all(int fd, char *text, size_t bytes)
{
    char more[256];
    size_t length = 0;
    ssize_t got;
    while ((got = read(fd, more, sizeof(more))) > 0 || (got < 0 && errno == EINTR)) {
        size_t room = bytes - 1 - length;
        size_t taken = got < 0 ? 0 : (size_t)got < room ? (size_t)got : room;
        memcpy(text + length, more, taken);
        length += taken;
    }
    text[length] = '\0';
}

/* "sbatch: error: a\nsbatch: error: b\n" is "a; b". */
static void join_lines(char *text, char *line)
{
    static const char *const prefixes[] = {
        "sbatch: error: ", "sbatch: fatal: ", "sbatch: "};
    const char *separator = "";
    char *rest;
    *line = '\0';
    for (char *part = strtok_r(text, "\n", &rest); part;
         part = strtok_r(NULL, "\n", &rest)) {
        for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
            size_t length = strlen(prefixes[i]);
            if (strncmp(part, prefixes[i], length) == 0) {
                part += length;
                break;
            }
        }
        line += sprintf(line, "%s%s", separator, part);
        separator = "; ";
    }
}

static bool judge(int status, char *complaints, const char *script, struct error *error)
{
    char line[2 * COMPLAINT_BYTES];
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND) {
        return error_set(error, "there is no sbatch here: give the command on a host "
                                "from which jobs are submitted (Debian: package "
                                "slurm-client), or --dry-run for the script");
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        join_lines(complaints, line);
        return error_set(error, "sbatch refuses '%s': %s", script,
                         *line ? line : "it does not say why");
    }
    fputs(complaints, stderr);
    return true;
}

bool sbatch_submit(const char *script, const char *folder, struct error *error)
{
    char complaints[COMPLAINT_BYTES];
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return error_set_errno(error, errno, "cannot start sbatch");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        become_sbatch(script, folder, ends[1]);
    }
    int why = errno;
    close(ends[1]);
    if (pid > 0) {
        read_all(ends[0], complaints, sizeof(complaints));
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    return pid > 0 ? judge(status, complaints, script, error)
                   : error_set_errno(error, why, "cannot start sbatch");
}
