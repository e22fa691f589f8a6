/* A few threads that make the system calls that block.
 *
 * Pieces wait in one queue, answers in another, under a mutex of their own: the threads
 * never take the machine lock. An eventfd tells the event loop of answers. */
#include "host/storage/storage_internal.h"

#include "host/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { THREADS = 4 };

struct queue {
    struct piece *first, **last;
};

struct engine_threads {
    struct event_loop *loop;
    int event_fd;
    pthread_t threads[THREADS];
    unsigned thread_count;
    pthread_mutex_t mutex;
    pthread_cond_t submitted, answered;
    struct queue pieces, answers;
    bool stopping;
};

static void append(struct queue *queue, struct piece *piece)
{
    piece->next = NULL;
    *queue->last = piece;
    queue->last = &piece->next;
}

static struct piece *take(struct queue *queue)
{
    struct piece *piece = queue->first;
    if (piece) {
        queue->first = piece->next;
        queue->last = queue->first ? queue->last : &queue->first;
    }
    return piece;
}

static void *work(void *opaque)
{
    struct engine_threads *engine = opaque;
    pthread_mutex_lock(&engine->mutex);
    while (!engine->stopping) {
        struct piece *piece = take(&engine->pieces);
        if (!piece) {
            pthread_cond_wait(&engine->submitted, &engine->mutex);
            continue;
        }
        pthread_mutex_unlock(&engine->mutex);
        piece->result = engine_carry_out(piece);
        pthread_mutex_lock(&engine->mutex);
        bool first = !engine->answers.first;
        append(&engine->answers, piece);
        pthread_cond_signal(&engine->answered);
        if (first) {
            const uint64_t one = 1;
            ssize_t ignored = write(engine->event_fd, &one, sizeof(one));
            (void)ignored;
        }
    }
    pthread_mutex_unlock(&engine->mutex);
    return NULL;
}

/* Calls back all who have their answer; returns how many. */
static unsigned deliver(struct engine_threads *engine)
{
    unsigned count = 0;
    for (;; count++) {
        pthread_mutex_lock(&engine->mutex);
        struct piece *piece = take(&engine->answers);
        pthread_mutex_unlock(&engine->mutex);
        if (!piece) {
            return count;
        }
        piece->done(piece, piece->result);
    }
}

static void answers_are_there(void *opaque, unsigned events)
{
    struct engine_threads *engine = opaque;
    uint64_t value;
    ssize_t ignored = read(engine->event_fd, &value, sizeof(value));
    (void)ignored, (void)events;
    deliver(engine);
}

static void submit(void *opaque, struct piece *piece)
{
    struct engine_threads *engine = opaque;
    pthread_mutex_lock(&engine->mutex);
    append(&engine->pieces, piece);
    pthread_cond_signal(&engine->submitted);
    pthread_mutex_unlock(&engine->mutex);
}

static void wait_for_answer(void *opaque)
{
    struct engine_threads *engine = opaque;
    while (deliver(engine) == 0) {
        pthread_mutex_lock(&engine->mutex);
        if (!engine->answers.first) {
            pthread_cond_wait(&engine->answered, &engine->mutex);
        }
        pthread_mutex_unlock(&engine->mutex);
    }
}

static void destroy(void *opaque)
{
    struct engine_threads *engine = opaque;
    pthread_mutex_lock(&engine->mutex);
    engine->stopping = true;
    pthread_cond_broadcast(&engine->submitted);
    pthread_mutex_unlock(&engine->mutex);
    for (unsigned i = 0; i < engine->thread_count; i++) {
        pthread_join(engine->threads[i], NULL);
    }
    event_loop_watch(engine->loop, engine->event_fd, 0, NULL, NULL);
    close(engine->event_fd);
    pthread_cond_destroy(&engine->submitted);
    pthread_cond_destroy(&engine->answered);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

const struct engine_ops engine_threads_ops = {
    .name = "threads",
    .submit = submit,
    .wait = wait_for_answer,
    .destroy = destroy,
};

void *engine_threads_create(struct event_loop *loop, struct error *error)
{
    struct engine_threads *engine = calloc(1, sizeof(*engine));
    assert(engine);
    engine->loop = loop;
    engine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (engine->event_fd < 0) {
        error_set_errno(error, errno, "cannot create an event descriptor");
        free(engine);
        return NULL;
    }
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->submitted, NULL);
    pthread_cond_init(&engine->answered, NULL);
    engine->pieces.last = &engine->pieces.first;
    engine->answers.last = &engine->answers.first;
    while (engine->thread_count < THREADS) {
        if (!thread_start(&engine->threads[engine->thread_count], work, engine,
                          "for disks", error)) {
            destroy(engine);
            return NULL;
        }
        engine->thread_count++;
    }
    event_loop_watch(loop, engine->event_fd, EVENT_READABLE, answers_are_there, engine);
    return engine;
}
