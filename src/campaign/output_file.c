#define _GNU_SOURCE /* asprintf(), mkostemp() */
#include "campaign/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* With the rights that any new file has: mkostemp() gives fewer. */
static int open_part(char *part)
{
    int fd = mkostemp(part, O_CLOEXEC);
    if (fd >= 0) {
        mode_t mask = umask(0);
        umask(mask);
        fchmod(fd, 0666 & ~mask);
    }
    return fd;
}

bool output_file_open(struct output_file *file, const char *path, struct error *error)
{
    struct stat status;
    *file = (struct output_file){.path = path};
    if (strcmp(path, "-") == 0) {
        file->stream = stdout;
        return true;
    }
    bool there = stat(path, &status) == 0;
    if (there && S_ISDIR(status.st_mode)) {
        return error_set(error, "cannot write '%s': it is a folder", path);
    }
    int fd;
    if (there && !S_ISREG(status.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC);
    } else if (asprintf(&file->part, "%s.XXXXXX", path) < 0) {
        file->part = NULL;
        return error_set(error, "cannot write '%s': no memory", path);
    } else {
        fd = open_part(file->part);
    }
    file->stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file->stream) {
        free(file->part);
        return error_set_errno(error, errno, "cannot write '%s'", path);
    }
    return true;
}

bool output_file_close(struct output_file *file, bool good, struct error *error)
{
    const bool is_stdout = file->stream == stdout;
    bool written = !ferror(file->stream) && fflush(file->stream) == 0 &&
                   (!file->part || fsync(fileno(file->stream)) == 0);
    int why = errno;
    if (!is_stdout && fclose(file->stream) != 0 && written) {
        written = false;
        why = errno;
    }
    if (good && written && file->part && rename(file->part, file->path) != 0) {
        written = false;
        why = errno;
    }
    if (file->part && !(good && written)) {
        unlink(file->part);
    }
    free(file->part);
    return good &&
           (written || error_set_errno(error, why, "cannot write '%s'",
                                       is_stdout ? "standard output" : file->path));
}
