#include "campaign/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double terminal_interval_s = 0.2, log_interval_s = 10;
enum { LINE_BYTES = 400, SHOWN_BYTES = 100 };

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_announce(uint64_t experiments, double margin, double confidence)
{
    fprintf(stderr,
            "faumachine: %" PRIu64 " experiments: any rate is known to %g percentage "
            "points either way, at %g%% confidence\n",
            experiments, margin * 100, confidence * 100);
}

void progress_begin(struct progress *progress, uint64_t planned, uint64_t before)
{
    *progress = (struct progress){.planned = planned,
                                  .done = before,
                                  .before = before,
                                  .terminal = isatty(STDERR_FILENO),
                                  .began_s = now_s()};
    progress->shown_s = progress->began_s;
}

void progress_count(struct progress *progress, const char *outcome)
{
    progress->done++;
    for (unsigned i = 0; i < PROGRESS_CLASSES; i++) {
        char *name = progress->classes[i].name;
        if (!*name) {
            snprintf(name, PROGRESS_NAME_BYTES, "%s", outcome);
        }
        if (strncmp(name, outcome, PROGRESS_NAME_BYTES - 1) == 0) {
            progress->classes[i].count++;
            return;
        }
    }
}

void progress_correct(struct progress *progress, unsigned before, unsigned now,
                      bool done)
{
    progress->planned += now;
    progress->planned -= before;
    if (done) {
        progress->done += now;
        progress->done -= before;
        progress->before += now;
        progress->before -= before;
    }
}

static void show(const struct progress *progress)
{
    char line[LINE_BYTES];
    uint64_t fresh = progress->done - progress->before;
    double passed_s = now_s() - progress->began_s;
    double rate = passed_s > 0 ? (double)fresh / passed_s : 0;
    size_t length =
        (size_t)snprintf(line, sizeof(line), "%" PRIu64 " of %" PRIu64 ", %.3g/s",
                         progress->done, progress->planned, rate);
    if (rate > 0 && progress->done < progress->planned) {
        uint64_t left_s =
            (uint64_t)((double)(progress->planned - progress->done) / rate);
        length += (size_t)snprintf(line + length, sizeof(line) - length,
                                   ", %" PRIu64 ":%02u left", left_s / 60,
                                   (unsigned)(left_s % 60));
    }
    for (unsigned i = 0;
         i < PROGRESS_CLASSES && *progress->classes[i].name && length < SHOWN_BYTES;
         i++) {
        length += (size_t)snprintf(
            line + length, sizeof(line) - length, "%s %s %" PRIu64, i ? "," : ":",
            progress->classes[i].name, progress->classes[i].count);
    }
    fprintf(stderr, progress->terminal ? "\r%s\033[K" : "%s\n", line);
    fflush(stderr);
}

void progress_show(struct progress *progress)
{
    double interval_s = progress->terminal ? terminal_interval_s : log_interval_s;
    if (now_s() - progress->shown_s >= interval_s) {
        progress->shown_s = now_s();
        show(progress);
    }
}

void progress_end(struct progress *progress)
{
    show(progress);
    if (progress->terminal) {
        fputc('\n', stderr);
    }
}
