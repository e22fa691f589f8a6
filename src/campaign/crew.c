#define _GNU_SOURCE /* close_range() */
#include "campaign/crew.h"

#include "campaign/message.h"
#include "campaign/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double crew_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* -- in the new process -- */

/* Nothing of the campaign's is open in a process that runs a guest. */
static int keep_only(int fd)
{
    int kept = dup2(fd, STDERR_FILENO + 1);
    close_range((unsigned)kept + 1, ~0U, 0);
    return kept;
}

/* What is sent to all processes of a terminal, or of a cluster's job, is the
 * campaign's, which ends its workers. Theirs would look like results. */
static void ignore_signals(const struct crew *crew)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTERM};
    for (size_t i = 0; i < ARRAY_LENGTH(signals); i++) {
        signal(signals[i], SIG_IGN);
    }
    interrupt_leave(crew->interrupt);
}

static _Noreturn void work(const struct crew *crew, int fd, pid_t campaign)
{
    const struct campaign_options *options = crew->options;
    const struct experiment_options experiment = {
        .script = options->script,
        .settings = options->settings,
        .setting_count = options->setting_count,
        .seed = options->seed,
        .engine = options->engine,
    };
    struct worker worker = {.fd = keep_only(fd), .waypoints = options->waypoints};
    struct experiment_result *result = calloc(1, sizeof(*result));
    struct error error;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ignore_signals(crew);
    if (getppid() != campaign || !result) {
        _exit(EXIT_FAILURE);
    }
    if (!crew->host->experiment(crew->host->opaque, &experiment, worker_conduct,
                                &worker, result, &error)) {
        worker_fail(&worker, error.text);
    } else if (!worker.came_to_trial) {
        worker_fail(&worker, *result->detail
                                 ? result->detail
                                 : "the script has no trial {…} to be repeated");
    }
    _exit(EXIT_SUCCESS);
}

/* -- in the campaign -- */

static bool start_one(struct crew *crew, struct crew_member *member,
                      struct error *error)
{
    int ends[2];
    pid_t campaign = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return error_set_errno(error, errno, "cannot make a socket for a worker");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        work(crew, ends[1], campaign);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_set_errno(error, errno, "cannot start a worker");
    }
    *member = (struct crew_member){.pid = pid,
                                   .fd = ends[0],
                                   .index = (unsigned)(member - crew->members),
                                   .since_s = crew_now_s()};
    return true;
}

bool crew_start(struct crew *crew, struct error *error)
{
    for (unsigned i = 0; i < crew->count; i++) {
        if (!crew->members[i].pid && !start_one(crew, &crew->members[i], error)) {
            return false;
        }
    }
    return true;
}

bool crew_tell(struct crew_member *member, json_t *message)
{
    return message_send(member->fd, message);
}

void crew_bury(struct crew_member *member, char *how, size_t bytes)
{
    int status;
    kill(member->pid, SIGKILL); /* it may only have closed its socket */
    waitpid(member->pid, &status, 0);
    close(member->fd);
    member->pid = 0;
    member->ready = false;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
        snprintf(how, bytes, "the simulator was killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (WIFEXITED(status)) {
        snprintf(how, bytes, "the simulator has ended with status %d",
                 WEXITSTATUS(status));
    } else {
        snprintf(how, bytes, "the simulator was killed");
    }
}

struct crew_member *crew_wait(struct crew *crew, int timeout_ms)
{
    struct pollfd polled[CAMPAIGN_WORKERS_MAXIMUM + 1];
    for (unsigned i = 0; i < crew->count; i++) {
        const struct crew_member *member = &crew->members[i];
        polled[i] =
            (struct pollfd){.fd = member->pid ? member->fd : -1, .events = POLLIN};
    }
    polled[crew->count] = (struct pollfd){.fd = crew->interrupt->fd, .events = POLLIN};
    if (poll(polled, crew->count + 1, timeout_ms) <= 0 || polled[crew->count].revents) {
        return NULL;
    }
    do {
        crew->turn = (crew->turn + 1) % crew->count;
    } while (!polled[crew->turn].revents);
    return &crew->members[crew->turn];
}

void crew_end(struct crew *crew)
{
    char how[80];
    for (unsigned i = 0; i < crew->count; i++) {
        struct crew_member *member = &crew->members[i];
        if (member->pid) {
            crew_bury(member, how, sizeof(how));
        }
        for (unsigned order = 0; order < member->waiting; order++) {
            free(member->orders[order].why);
        }
    }
    free(crew->members);
    crew->members = NULL;
    crew->count = 0;
}
