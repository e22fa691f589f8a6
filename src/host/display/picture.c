#include "host/display/picture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "host/companion/companion.h"
#include "host/confinement/confinement.h"
#include "host/display/messages.h"
#include "host/display/picture_file.h"

enum { PATIENCE_MS = 10000 };

static const char has_ended[] = "the process that writes screenshots has ended";

struct request {
    struct display_size size;
    char path[PICTURE_PATH_BYTES]; /* "": the next numbered one */
};

struct reply {
    bool written;
    char text[PICTURE_PATH_BYTES]; /* the name, or why there is none */
};

struct picture_writer {
    struct companion companion;
    uint32_t *pixels; /* shared with the process; its own while it writes */
    const char *path;
    struct event_loop *loop; /* NULL: not connected */
    picture_done *done;      /* of what is being written; NULL: nothing is */
    void *opaque;
};

/* -- the companion process -- */

static bool is_sane(const struct request *request, ssize_t length)
{
    const struct display_size *size = &request->size;
    return length == sizeof(*request) &&
           memchr(request->path, '\0', sizeof(request->path)) && size->width > 0 &&
           size->width <= DISPLAY_MAXIMUM_WIDTH && size->height > 0 &&
           size->height <= DISPLAY_MAXIMUM_HEIGHT;
}

/* Numbers that are taken are passed over. */
static void find_name(struct request *request, const char *path, unsigned *number)
{
    FILE *there;
    do {
        picture_file_name(request->path, sizeof(request->path), path, ++*number);
        there = fopen(request->path, "re");
        if (there) {
            fclose(there);
        }
    } while (there);
}

static int write_pictures(void *opaque, int socket)
{
    const struct picture_writer *writer = opaque;
    struct request request;
    struct reply reply;
    struct error error;
    unsigned number = 0;
    confinement_enter_companion(CONFINEMENT_PICTURES);
    for (;;) {
        ssize_t length = recv(socket, &request, sizeof(request), 0);
        if (length < 0 && errno == EINTR) {
            continue;
        }
        if (!is_sane(&request, length)) {
            return length != 0;
        }
        if (!request.path[0]) {
            find_name(&request, writer->path, &number);
        }
        memset(&reply, 0, sizeof(reply));
        reply.written =
            picture_file_write(request.path, writer->pixels, &request.size, &error);
        snprintf(reply.text, sizeof(reply.text), "%s",
                 reply.written ? request.path : error.text);
        send(socket, &reply, sizeof(reply), MSG_NOSIGNAL);
    }
}

/* -- the machine's side -- */

struct picture_writer *picture_writer_start(const char *path, struct error *error)
{
    struct error why;
    if (path && !picture_file_allowed(path, &why)) {
        error_set(error, "-screenshot %s", why.text);
        return NULL;
    }
    struct picture_writer *writer = calloc(1, sizeof(*writer));
    void *pixels = mmap(NULL, VIEW_PIXELS_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!writer || pixels == MAP_FAILED) {
        error_set(error, "no memory for screenshots");
        free(writer);
        return NULL;
    }
    writer->pixels = pixels;
    writer->path = path;
    const struct companion_role role = {
        .name = "pict", .main = write_pictures, .opaque = writer};
    if (!companion_start(&writer->companion, &role, error)) {
        munmap(pixels, VIEW_PIXELS_BYTES);
        free(writer);
        return NULL;
    }
    return writer;
}

static void finish(struct picture_writer *writer, const char *path, const char *problem)
{
    picture_done *done = writer->done;
    writer->done = NULL;
    if (done) {
        done(writer->opaque, path, problem);
    }
}

/* Takes one reply. The process is no more trusted than a viewer. */
static void receive(struct picture_writer *writer)
{
    struct reply reply;
    int socket = writer->companion.socket;
    ssize_t length = recv(socket, &reply, sizeof(reply), MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (length != sizeof(reply)) {
        if (writer->loop) {
            event_loop_watch(writer->loop, socket, 0, NULL, NULL);
        }
        companion_abandon(&writer->companion);
        finish(writer, NULL, has_ended);
        return;
    }
    reply.text[sizeof(reply.text) - 1] = '\0';
    finish(writer, reply.written ? reply.text : NULL,
           reply.written ? NULL : reply.text);
}

static void readable(void *opaque, unsigned events)
{
    (void)events;
    receive(opaque);
}

void picture_writer_connect(struct picture_writer *writer, struct event_loop *loop)
{
    writer->loop = loop;
    event_loop_watch(loop, writer->companion.socket, EVENT_READABLE, readable, writer);
}

bool picture_write(struct picture_writer *writer, const char *path,
                   const uint32_t *pixels, const struct display_size *size,
                   picture_done *done, void *opaque, struct error *error)
{
    struct request request = {.size = *size};
    if (!writer->companion.process) {
        return error_set(error, "%s", has_ended);
    }
    if (writer->done) {
        return error_set(error, "the last screenshot is still being written");
    }
    if (path && strlen(path) >= sizeof(request.path)) {
        return error_set(error, "'%s': that name is too long", path);
    }
    strcpy(request.path, path ? path : "");
    memcpy(writer->pixels, pixels, (size_t)size->width * size->height * 4);
    if (send(writer->companion.socket, &request, sizeof(request),
             MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        return errno == EPIPE
                   ? error_set(error, "%s", has_ended)
                   : error_set_errno(error, errno, "no screenshot can be written");
    }
    writer->done = done;
    writer->opaque = opaque;
    return true;
}

void picture_wait(struct picture_writer *writer)
{
    struct pollfd end = {.fd = writer->companion.socket, .events = POLLIN};
    while (writer->done && poll(&end, 1, PATIENCE_MS) == 1) {
        receive(writer);
    }
    if (writer->done) {
        finish(writer, NULL, "the screenshot takes too long to write");
    }
}

void picture_writer_stop(struct picture_writer *writer)
{
    if (!writer) {
        return;
    }
    picture_wait(writer);
    if (writer->loop && writer->companion.process) {
        event_loop_watch(writer->loop, writer->companion.socket, 0, NULL, NULL);
    }
    companion_stop(&writer->companion);
    munmap(writer->pixels, VIEW_PIXELS_BYTES);
    free(writer);
}
