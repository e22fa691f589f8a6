#include "base/trace.h"

#include <errno.h>

bool trace_open(struct trace *trace, uint32_t items, const char *path,
                struct error *error)
{
    *trace = (struct trace){.items = items, .stream = stderr, .path = path};
    if (!path) {
        return true;
    }
    trace->stream = fopen(path, "we");
    if (!trace->stream) {
        return error_set_errno(error, errno, "-D %s: cannot create this file", path);
    }
    setvbuf(trace->stream, NULL, _IOLBF, 0);
    return true;
}

bool trace_close(struct trace *trace, struct error *error)
{
    FILE *stream = trace->stream;
    trace->stream = NULL;
    if (!stream || !trace->path) {
        return true;
    }
    bool failed = ferror(stream);
    failed |= fclose(stream) != 0;
    return !failed ||
           error_set(error, "-D %s: not all could be written, is the disk full?",
                     trace->path);
}

void trace_print(struct trace *trace, const char *format, va_list arguments)
{
    vfprintf(trace->stream, format, arguments);
}
