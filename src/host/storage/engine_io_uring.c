/* io_uring: the kernel does what would block, without threads of ours.
 *
 * What the kernel can do at once, it does within the submission, and that is answered
 * before submit() returns. Of the rest an eventfd tells the event loop.
 *
 * A ring is a way past a filter of system calls. So this one is restricted, before it
 * is enabled and for good, to reading, writing, flushing and punching holes, which the
 * filter allows anyway; there is no call left that could change that.
 * Source: io_uring(7), io_uring_register(2). */
#define _GNU_SOURCE /* FALLOC_FL_PUNCH_HOLE */
#include "host/storage/storage_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RING_ENTRIES = 64 };

struct engine_io_uring {
    struct event_loop *loop;
    struct io_uring ring;
    int event_fd;
};

/* -- submission -- */

static void fill(struct io_uring_sqe *entry, struct piece *piece)
{
    switch (piece->operation) {
    case BLOCK_READ:
        io_uring_prep_read(entry, piece->fd, piece->buffer, (unsigned)piece->length,
                           piece->offset);
        break;
    case BLOCK_WRITE:
        io_uring_prep_write(entry, piece->fd, piece->buffer, (unsigned)piece->length,
                            piece->offset);
        break;
    case BLOCK_FLUSH:
        io_uring_prep_fsync(entry, piece->fd, IORING_FSYNC_DATASYNC);
        break;
    case BLOCK_DISCARD:
        io_uring_prep_fallocate(entry, piece->fd,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)piece->offset, (off_t)piece->length);
        break;
    }
    io_uring_sqe_set_data(entry, piece);
}

/* Each piece is handed over at once, so there always is an entry. */
static int hand_over(struct engine_io_uring *engine, struct piece *piece)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&engine->ring);
    assert(entry);
    fill(entry, piece);
    int count;
    do {
        count = io_uring_submit(&engine->ring);
    } while (count == -EINTR || count == -EAGAIN || count == -EBUSY);
    return count < 0 ? -count : 0;
}

/* -- answers -- */

static bool moves(const struct piece *piece)
{
    return piece->operation == BLOCK_READ || piece->operation == BLOCK_WRITE;
}

/* Deals with what the kernel says of a piece; false: the rest of it is under way. */
static bool is_done(struct engine_io_uring *engine, struct piece *piece, int said)
{
    bool again = said == -EINTR || said == -EAGAIN;
    piece->result = said < 0 ? -said : 0;
    if (piece->operation == BLOCK_DISCARD) {
        piece->result = engine_discard_result(piece->result);
    }
    if (moves(piece) && said == 0) {
        piece->result = EIO; /* the file ends here */
    } else if (moves(piece) && said > 0 && (uint64_t)said < piece->length) {
        piece->offset += (uint64_t)said;
        piece->buffer += said;
        piece->length -= (uint64_t)said;
        again = true;
    }
    if (again) {
        piece->result = hand_over(engine, piece);
    }
    return !again || piece->result;
}

/* Calls back all who have their answer; returns how many. */
static unsigned deliver(struct engine_io_uring *engine)
{
    struct io_uring_cqe *answer;
    unsigned count = 0;
    while (io_uring_peek_cqe(&engine->ring, &answer) == 0) {
        struct piece *piece = io_uring_cqe_get_data(answer);
        int said = answer->res;
        io_uring_cqe_seen(&engine->ring, answer);
        if (is_done(engine, piece, said)) {
            count++;
            piece->done(piece, piece->result);
        }
    }
    return count;
}

static void answers_are_there(void *opaque, unsigned events)
{
    struct engine_io_uring *engine = opaque;
    uint64_t value;
    ssize_t ignored = read(engine->event_fd, &value, sizeof(value));
    (void)ignored, (void)events;
    deliver(engine);
}

static void submit(void *opaque, struct piece *piece)
{
    struct engine_io_uring *engine = opaque;
    int why = hand_over(engine, piece);
    if (why) {
        piece->done(piece, why);
    }
    deliver(engine);
}

static void wait_for_answer(void *opaque)
{
    struct engine_io_uring *engine = opaque;
    while (deliver(engine) == 0) {
        struct io_uring_cqe *answer;
        io_uring_wait_cqe(&engine->ring, &answer);
    }
}

/* -- the ring -- */

static int restrict_ring(struct io_uring *ring)
{
    static const uint8_t operations[] = {IORING_OP_READ, IORING_OP_WRITE,
                                         IORING_OP_FSYNC, IORING_OP_FALLOCATE};
    struct io_uring_restriction restrictions[ARRAY_LENGTH(operations)] = {{0}};
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
        restrictions[i].sqe_op = operations[i];
    }
    return io_uring_register((unsigned)ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
                             restrictions, ARRAY_LENGTH(restrictions));
}

static void destroy(void *opaque)
{
    struct engine_io_uring *engine = opaque;
    event_loop_watch(engine->loop, engine->event_fd, 0, NULL, NULL);
    io_uring_queue_exit(&engine->ring);
    close(engine->event_fd);
    free(engine);
}

const struct engine_ops engine_io_uring_ops = {
    .name = "io_uring",
    .submit = submit,
    .wait = wait_for_answer,
    .destroy = destroy,
};

void *engine_io_uring_create(struct event_loop *loop, struct error *error)
{
    struct engine_io_uring *engine = calloc(1, sizeof(*engine));
    assert(engine);
    engine->loop = loop;
    engine->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int why = engine->event_fd < 0 ? -errno
                                   : io_uring_queue_init(RING_ENTRIES, &engine->ring,
                                                         IORING_SETUP_R_DISABLED);
    if (!why) {
        why = io_uring_register_eventfd(&engine->ring, engine->event_fd);
        why = why ? why : restrict_ring(&engine->ring);
        why = why ? why
                  : io_uring_register((unsigned)engine->ring.ring_fd,
                                      IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (why) {
            io_uring_queue_exit(&engine->ring);
        }
    }
    if (why) {
        error_set_errno(error, -why,
                        "the host does not offer io_uring (aio=threads does without)");
        close(engine->event_fd);
        free(engine);
        return NULL;
    }
    event_loop_watch(loop, engine->event_fd, EVENT_READABLE, answers_are_there, engine);
    return engine;
}
