/* A monitor for people, on a character device of its own or on the console that the
 * guest's serial line shares (Ctrl-A C). */
#include "host/console/character.h"
#include "machine/consoles.h"
#include "monitor/command.h"
#include "monitor/line_editor.h"
#include "monitor/monitor_internal.h"

#include <stdlib.h>
#include <string.h>

enum { OUTPUT_ROOM = 512 << 10, INPUT_BYTES = 256 };

struct human_session {
    struct monitor *monitor;
    const char *specification; /* NULL: the console's */
    struct character *character;
    struct line_editor editor;
    bool greeted;
};

static void print(void *opaque, const char *bytes, size_t count)
{
    struct human_session *session = opaque;
    character_write(session->character, (const uint8_t *)bytes, count);
}

/* Terminals are in raw mode, and clients expect the same of us as of QEMU. */
static void print_lines(struct human_session *session, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        print(session, text, length);
        text += length;
        if (*text) {
            print(session, "\r\n", 2);
            text++;
        }
    }
}

static void prompt(struct human_session *session)
{
    print_lines(session, "(faumachine) ");
}

static void entered(void *opaque, const char *line)
{
    struct human_session *session = opaque;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out) {
        return;
    }
    command_run_line(session->monitor, line, out);
    fclose(out);
    print_lines(session, text);
    free(text);
    prompt(session);
}

static size_t room(void *opaque)
{
    const struct human_session *session = opaque;
    size_t left = character_room(session->character);
    return left > 0 && left < OUTPUT_ROOM ? 0 : INPUT_BYTES;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct human_session *session = opaque;
    line_editor_feed(&session->editor, bytes, count);
}

static void opened(void *opaque)
{
    struct human_session *session = opaque;
    session->editor.length = 0;
    session->editor.escape = 0;
    bool first = session->specification || !session->greeted;
    session->greeted = true;
    print_lines(session, session->specification ? "" : "\n");
    if (first) {
        print_lines(session, "FAUmachine " FAUMACHINE_VERSION
                             " monitor - type 'help' for more information\n");
    }
    prompt(session);
}

static void closed(void *opaque)
{
    struct human_session *session = opaque;
    print_lines(session, "\n");
}

struct human_session *human_session_create(struct monitor *monitor,
                                           const char *specification,
                                           struct error *error)
{
    struct human_session *session = calloc(1, sizeof(*session));
    if (!session) {
        error_set(error, "no memory for a monitor");
        return NULL;
    }
    const struct character_receiver receiver = {
        .room = room,
        .receive = receive,
        .opened = opened,
        .closed = closed,
        .opaque = session,
    };
    struct machine *machine = monitor->machine;
    session->monitor = monitor;
    session->specification = specification;
    session->editor.entered = entered;
    session->editor.echo = print;
    session->editor.opaque = session;
    if (!specification) {
        session->character = machine_shared_console(machine);
        character_connect_second(session->character, &receiver);
        return session;
    }
    session->character =
        character_open(specification, false, NULL, machine_event_loop(machine),
                       machine_log(machine), error);
    if (!session->character) {
        free(session);
        return NULL;
    }
    character_connect(session->character, &receiver);
    return session;
}

void human_session_destroy(struct human_session *session)
{
    if (!session) {
        return;
    }
    if (session->specification) {
        character_close(session->character);
    } else {
        character_connect_second(session->character, NULL);
    }
    line_editor_free(&session->editor);
    free(session);
}

const char *human_session_specification(const struct human_session *session)
{
    return session->specification;
}
