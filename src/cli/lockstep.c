#include "cli/lockstep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/run.h"
#include "disassembly/disassembly.h"

enum { EXIT_SAME = 0, EXIT_PROBLEM = 1, EXIT_DIFFERENT = 2 };

/* Seconds between two lines about how far it is. */
static const double terminal_s = 0.2, log_s = 10;

/* What is told of the progress, on standard error. */
struct display {
    bool on_terminal;
    bool line_open; /* a line that the next one is to replace */
    double shown_s; /* when */
    uint64_t shown; /* instructions */
    uint64_t same, different;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void clear_line(struct display *display)
{
    if (display->line_open) {
        fputs("\r\033[K", stderr);
        display->line_open = false;
    }
}

static void show_interval(struct display *display,
                          const struct lockstep_progress *progress)
{
    display->same = progress->same;
    display->different = progress->different;
    clear_line(display);
    fprintf(stderr,
            "They differ after %" PRIu64 " instructions, not after %" PRIu64
            "; looking closer.\n",
            progress->different, progress->same);
}

static void show_speed(struct display *display, uint64_t instructions)
{
    double now = now_s(), passed_s = now - display->shown_s;
    if (passed_s < (display->on_terminal ? terminal_s : log_s)) {
        return;
    }
    uint64_t done = instructions - display->shown;
    clear_line(display);
    fprintf(stderr, "%.0f million instructions, %.1f million a second%s",
            (double)instructions / 1e6, (double)done / 1e6 / passed_s,
            display->on_terminal ? "" : "\n");
    display->line_open = display->on_terminal;
    display->shown_s = now;
    display->shown = instructions;
}

static void show_progress(void *opaque, const struct lockstep_progress *progress)
{
    struct display *display = opaque;
    if (!progress->different) {
        show_speed(display, progress->instructions);
    } else if (progress->same != display->same ||
               progress->different != display->different) {
        show_interval(display, progress);
    }
}

static void print_code(const struct lockstep_result *result)
{
    uint64_t length = result->different - result->instructions;
    if (result->code_count == 0) {
        return;
    }
    printf("\n%s\n", length == 1 ? "The instruction:" : "The instructions:");
    for (size_t i = 0; i < result->code_count; i++) {
        const struct lockstep_code *code = &result->code[i];
        char line[DISASSEMBLY_LINE_BYTES] = "(cannot be read)";
        if (code->count > 0) {
            disassembly_line(code->bytes, code->count, code->eip, code->is16, line);
        }
        printf("%12" PRIu64 "  %04x:%s%s\n", result->instructions + i, code->cs, line,
               code->interrupted ? "  (an interrupt comes first)" : "");
    }
    if (length > result->code_count) {
        printf("%12s  and %" PRIu64 " more\n", "", length - result->code_count);
    }
}

static void print_rows(const struct lockstep_config *config,
                       const struct lockstep_result *result)
{
    size_t name_width = 0, widths[LOCKSTEP_STATES];
    const char *const heads[LOCKSTEP_STATES] = {"common", config->engines[0].name,
                                                config->engines[1].name};
    for (unsigned i = 0; i < LOCKSTEP_STATES; i++) {
        widths[i] = strlen(heads[i]);
    }
    for (size_t i = 0; i < result->row_count; i++) {
        const struct lockstep_row *row = &result->rows[i];
        size_t length = strlen(row->name);
        name_width = length > name_width ? length : name_width;
        for (unsigned j = 0; j < LOCKSTEP_STATES; j++) {
            length = strlen(row->values[j]);
            widths[j] = length > widths[j] ? length : widths[j];
        }
    }
    printf("\n  %-*s  %*s  %*s  %*s\n", (int)name_width, "", (int)widths[0], heads[0],
           (int)widths[1], heads[1], (int)widths[2], heads[2]);
    for (size_t i = 0; i < result->row_count; i++) {
        const struct lockstep_row *row = &result->rows[i];
        printf("%c %-*s  %*s  %*s  %*s\n", row->differs ? '*' : ' ', (int)name_width,
               row->name, (int)widths[0], row->values[0], (int)widths[1],
               row->values[1], (int)widths[2], row->values[2]);
    }
}

static void print_memory(const struct lockstep_result *result)
{
    if (result->memory_bytes == 0) {
        return;
    }
    printf("\n%" PRIu64 " bytes of RAM differ%s\n", result->memory_bytes,
           result->memory_bytes > result->memory_count ? "; the first:" : ":");
    for (size_t i = 0; i < result->memory_count; i++) {
        const struct lockstep_byte *byte = &result->memory[i];
        printf("* %09" PRIx64 "  %02x  %02x\n", byte->address, byte->values[0],
               byte->values[1]);
    }
}

static void print_difference(const struct lockstep_config *config,
                             const struct lockstep_result *result)
{
    uint64_t length = result->different - result->instructions;
    printf("The engines differ after %" PRIu64 " instructions; after %" PRIu64
           " they were the same.\n",
           result->different, result->instructions);
    if (result->vanished) {
        puts("In another run they were the same there: it depends on more than the "
             "guest.");
    } else if (length > 1) {
        printf("It takes these %" PRIu64 " instructions in one go: with a stop in "
               "between there is no difference.\n",
               length);
    }
    for (unsigned i = 0; i < LOCKSTEP_ENGINES; i++) {
        printf("%s: %s\n", config->engines[i].name, result->ends[i]);
    }
    print_code(result);
    print_rows(config, result);
    print_memory(result);
}

int run_lockstep(const struct options *options)
{
    struct display display = {.on_terminal = isatty(STDERR_FILENO), .shown_s = now_s()};
    struct lockstep_config config = options->lockstep;
    config.progress = show_progress;
    config.opaque = &display;
    struct lockstep_result result;
    lockstep_run(&config, &result);
    clear_line(&display);
    int status = EXIT_PROBLEM;
    switch (result.outcome) {
    case LOCKSTEP_SAME:
        printf("No difference in %" PRIu64 " instructions: %s.\n", result.instructions,
               result.ends[0]);
        status = EXIT_SAME;
        break;
    case LOCKSTEP_DIFFERENT:
        print_difference(&config, &result);
        status = EXIT_DIFFERENT;
        break;
    case LOCKSTEP_PROBLEM:
        cli_print_error(&result.error);
        break;
    }
    lockstep_result_free(&result);
    int flushed = cli_flush_output();
    return flushed ? flushed : status;
}
