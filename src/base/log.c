#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

/* One write per line, so that lines of several threads do not mix. */
static void print_line(FILE *stream, const char *prefix, const char *format,
                       va_list arguments)
{
    char text[512];
    vsnprintf(text, sizeof(text), format, arguments);
    fprintf(stream, "faumachine: %s%s\n", prefix, text);
}

void log_warning(struct log *log, const char *format, ...)
{
    (void)log;
    va_list arguments;
    va_start(arguments, format);
    print_line(stderr, "", format, arguments);
    va_end(arguments);
}

void log_guest_error(struct log *log, const char *device, const char *format, ...)
{
    unsigned seen =
        atomic_fetch_add_explicit(&log->guest_errors, 1, memory_order_relaxed);
    if (!log->show_guest_errors || seen >= LOG_GUEST_ERRORS_SHOWN) {
        return;
    }
    char prefix[64];
    snprintf(prefix, sizeof(prefix), "guest error: %s: ", device);
    va_list arguments;
    va_start(arguments, format);
    print_line(log->guest_error_stream ? log->guest_error_stream : stderr, prefix,
               format, arguments);
    va_end(arguments);
}
