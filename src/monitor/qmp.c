/* A QMP session: one client at a time of one character device. */
#include "host/console/character.h"
#include "monitor/command.h"
#include "monitor/json_stream.h"
#include "monitor/monitor_internal.h"
#include "monitor/version.h"

#include <stdlib.h>
#include <string.h>

/* Input waits while so much output does: a client that does not read cannot make us
 * collect answers without end. */
enum { OUTPUT_ROOM = 512 << 10, INPUT_BYTES = 4096 };

struct qmp_session {
    struct monitor *monitor;
    const char *specification;
    struct character *character;
    struct json_stream stream;
    bool connected, negotiated;
};

void qmp_session_send(struct qmp_session *session, const json_t *message)
{
    char *text = json_dumps(message, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
    size_t length = text ? strlen(text) : 0;
    /* All of a message or nothing of it. */
    if (text && length + 2 <= character_room(session->character)) {
        character_write(session->character, (const uint8_t *)text, length);
        character_write(session->character, (const uint8_t *)"\r\n", 2);
    }
    free(text);
}

static void send_event(struct qmp_session *session, const json_t *event)
{
    if (session && session->negotiated) {
        qmp_session_send(session, event);
    }
}

void monitor_send_event(struct monitor *monitor, const char *name, json_t *data)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    json_t *event =
        json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec,
                  "microseconds", (json_int_t)now.tv_nsec / 1000, "event", name);
    if (data) {
        json_object_set_new(event, "data", data);
    }
    for (unsigned i = 0; i < MONITOR_SESSIONS; i++) {
        send_event(monitor->qmp[i], event);
    }
    json_decref(event);
}

/* Takes `id` and `result` over. */
static void reply(struct qmp_session *session, json_t *id, json_t *result)
{
    json_t *answer = json_object();
    json_object_set_new(answer, "return", result);
    if (id) {
        json_object_set_new(answer, "id", id);
    }
    qmp_session_send(session, answer);
    json_decref(answer);
}

static void reply_error(struct qmp_session *session, json_t *id,
                        const char *error_class, const char *text)
{
    json_t *answer = json_object();
    if (id) {
        json_object_set_new(answer, "id", id);
    }
    json_object_set_new(answer, "error",
                        json_pack("{s:s,s:s}", "class",
                                  error_class ? error_class : "GenericError", "desc",
                                  text));
    qmp_session_send(session, answer);
    json_decref(answer);
}

/* The members that a request may have. */
static bool check_members(const json_t *request, struct command_call *call)
{
    const char *name;
    json_t *value;
    if (!json_is_object(request)) {
        return command_fail(call, NULL, "QMP input must be a JSON object");
    }
    json_object_foreach((json_t *)request, name, value)
    {
        if (strcmp(name, "execute") == 0) {
            if (!json_is_string(value)) {
                return command_fail(call, NULL,
                                    "QMP input member 'execute' must be a string");
            }
        } else if (strcmp(name, "arguments") == 0) {
            if (!json_is_object(value)) {
                return command_fail(call, NULL,
                                    "QMP input member 'arguments' must be an object");
            }
        } else if (strcmp(name, "id") != 0) {
            return command_fail(call, NULL, "QMP input member '%s' is unexpected",
                                name);
        }
    }
    return json_object_get(request, "execute") ||
           command_fail(call, NULL, "QMP input lacks member 'execute'");
}

/* "qmp_capabilities", which belongs to the session: there are none to enable. */
static bool negotiate(struct qmp_session *session, struct command_call *call)
{
    const char *name;
    json_t *value;
    if (session->negotiated) {
        return command_fail(call, COMMAND_NOT_FOUND,
                            "Capabilities negotiation is already complete, command "
                            "ignored");
    }
    json_object_foreach((json_t *)call->arguments, name, value)
    {
        if (strcmp(name, "enable") != 0) {
            return command_fail(call, NULL, "Parameter '%s' is unexpected", name);
        }
        if (!json_is_array(value)) {
            return command_fail(call, NULL,
                                "Invalid parameter type for 'enable', expected: array");
        }
        if (json_array_size(value)) {
            return command_fail(call, NULL, "Capability is not available");
        }
    }
    session->negotiated = true;
    call->result = json_object();
    return true;
}

static bool dispatch(struct qmp_session *session, const json_t *request,
                     struct command_call *call)
{
    if (!check_members(request, call)) {
        return false;
    }
    const char *name = json_string_value(json_object_get(request, "execute"));
    call->arguments = json_object_get(request, "arguments");
    if (strcmp(name, "qmp_capabilities") == 0) {
        return negotiate(session, call);
    }
    if (!session->negotiated) {
        return command_fail(
            call, COMMAND_NOT_FOUND,
            "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    const struct command *command = command_find_qmp(name);
    if (!command) {
        return command_fail(call, COMMAND_NOT_FOUND,
                            "The command %s has not been found", name);
    }
    return command_run_qmp(command, call);
}

static void on_request(void *opaque, json_t *request, const char *problem)
{
    struct qmp_session *session = opaque;
    if (!request) {
        reply_error(session, NULL, NULL, problem);
        return;
    }
    struct command_call call = {.monitor = session->monitor};
    json_t *id = json_incref(json_object_get(request, "id"));
    if (dispatch(session, request, &call)) {
        reply(session, id, call.result);
    } else {
        reply_error(session, id, call.error_class, call.error.text);
    }
    json_decref(request);
}

static size_t room(void *opaque)
{
    const struct qmp_session *session = opaque;
    bool full = session->connected && character_room(session->character) < OUTPUT_ROOM;
    return full ? 0 : INPUT_BYTES;
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    struct qmp_session *session = opaque;
    json_stream_feed(&session->stream, bytes, count);
}

static void opened(void *opaque)
{
    struct qmp_session *session = opaque;
    session->connected = true;
    session->negotiated = false;
    json_stream_reset(&session->stream);
    json_t *greeting = json_pack("{s:{s:o,s:[]}}", "QMP", "version",
                                 version_of_protocol(), "capabilities");
    qmp_session_send(session, greeting);
    json_decref(greeting);
}

static void closed(void *opaque)
{
    struct qmp_session *session = opaque;
    session->connected = session->negotiated = false;
}

struct qmp_session *qmp_session_create(struct monitor *monitor,
                                       const char *specification, struct error *error)
{
    struct qmp_session *session = calloc(1, sizeof(*session));
    if (!session) {
        error_set(error, "-qmp %s: no memory", specification);
        return NULL;
    }
    session->monitor = monitor;
    session->specification = specification;
    session->stream.received = on_request;
    session->stream.opaque = session;
    struct machine *machine = monitor->machine;
    session->character =
        character_open(specification, false, NULL, machine_event_loop(machine),
                       machine_log(machine), error);
    if (!session->character) {
        free(session);
        return NULL;
    }
    character_connect(session->character, &(struct character_receiver){
                                              .room = room,
                                              .receive = receive,
                                              .opened = opened,
                                              .closed = closed,
                                              .opaque = session,
                                          });
    return session;
}

void qmp_session_destroy(struct qmp_session *session)
{
    if (session) {
        character_close(session->character);
        json_stream_free(&session->stream);
        free(session);
    }
}

const char *qmp_session_specification(const struct qmp_session *session)
{
    return session->specification;
}
