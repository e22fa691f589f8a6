/* Packets: "$body#sum", each acknowledged by '+' until gdb wants none of that. */
#include "gdb/gdb_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INTERRUPT = 0x03, INPUT_BYTES = 4096, PLACE_BYTES = 512 };

void gdb_append(struct gdb_server *server, const char *format, ...)
{
    va_list arguments;
    size_t room = REPLY_BYTES - server->reply_length;
    va_start(arguments, format);
    int length =
        vsnprintf(server->reply + server->reply_length, room, format, arguments);
    va_end(arguments);
    server->reply_length += (size_t)length < room ? (size_t)length : room - 1;
}

void gdb_append_hex(struct gdb_server *server, const void *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < count && server->reply_length + 2 < REPLY_BYTES; i++) {
        server->reply[server->reply_length++] = digits[from[i] >> 4];
        server->reply[server->reply_length++] = digits[from[i] & 15];
    }
}

static void write_bytes(struct gdb_server *server, const char *bytes, size_t count)
{
    character_write(server->character, (const uint8_t *)bytes, count);
}

static void send_again(struct gdb_server *server)
{
    write_bytes(server, server->reply, server->reply_length);
}

void gdb_begin(struct gdb_server *server)
{
    server->reply[0] = '$';
    server->reply_length = 1;
}

void gdb_send(struct gdb_server *server)
{
    uint8_t sum = 0;
    for (size_t i = 1; i < server->reply_length; i++) {
        sum += (uint8_t)server->reply[i];
    }
    size_t length = server->reply_length;
    length += (size_t)snprintf(server->reply + length, 4, "#%02x", sum);
    write_bytes(server, server->reply, length);
    server->reply_length = length;
}

void gdb_reply(struct gdb_server *server, const char *text)
{
    gdb_begin(server);
    gdb_append(server, "%s", text);
    gdb_send(server);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

size_t gdb_parse_hex(const char *text, uint8_t *bytes, size_t most)
{
    size_t count = 0;
    while (count < most && digit_of(text[0]) >= 0 && digit_of(text[1]) >= 0) {
        bytes[count++] = (uint8_t)(digit_of(text[0]) << 4 | digit_of(text[1]));
        text += 2;
    }
    return count;
}

/* The body is complete. The CPU stands still while we look. */
static void take_packet(struct gdb_server *server)
{
    if (server->acknowledges) {
        bool good = server->sum == server->expected_sum;
        write_bytes(server, good ? "+" : "-", 1);
        if (!good) {
            return;
        }
    }
    server->packet[server->length] = '\0';
    machine_hold(server->machine);
    gdb_begin(server);
    gdb_handle_packet(server);
    machine_release(server->machine);
}

static void take_outside(struct gdb_server *server, char byte)
{
    switch (byte) {
    case '$':
        server->state = PACKET_BODY;
        server->length = 0;
        server->sum = 0;
        break;
    case '-':
        send_again(server);
        break;
    case INTERRUPT:
        server->interrupted = true;
        machine_pause(server->machine);
        server->interrupted = false;
        break;
    }
}

static void take(struct gdb_server *server, char byte)
{
    switch (server->state) {
    case PACKET_NONE:
        take_outside(server, byte);
        return;
    case PACKET_BODY:
        if (byte == '#') {
            server->state = PACKET_SUM_1;
        } else if (server->length == PACKET_BYTES) {
            server->state = PACKET_NONE; /* nobody was told that we take so much */
        } else {
            server->packet[server->length++] = byte;
            server->sum += (uint8_t)byte;
        }
        return;
    case PACKET_SUM_1:
        server->expected_sum = (uint8_t)(digit_of(byte) << 4);
        server->state = PACKET_SUM_2;
        return;
    case PACKET_SUM_2:
        server->expected_sum |= (uint8_t)digit_of(byte);
        server->state = PACKET_NONE;
        take_packet(server);
        return;
    }
}

static void receive(void *opaque, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        take(opaque, (char)bytes[i]);
    }
}

static size_t room(void *opaque)
{
    (void)opaque;
    return INPUT_BYTES;
}

/* gdb expects a machine that stands still. */
static void opened(void *opaque)
{
    struct gdb_server *server = opaque;
    server->connected = true;
    server->acknowledges = true;
    server->waits = server->physical = false;
    server->step_bits = server->first_step_bits;
    server->state = PACKET_NONE;
    machine_pause(server->machine);
}

/* A gdb that is gone leaves nothing in the way of the machine, which stays as it is. */
static void closed(void *opaque)
{
    struct gdb_server *server = opaque;
    server->connected = server->waits = false;
    gdb_forget_points(server);
}

static void on_event(void *opaque, const struct machine_event *event)
{
    struct gdb_server *server = opaque;
    bool keeps = event->guest && machine_keeps_after_shutdown(server->machine);
    if (!server->connected) {
        return;
    }
    if (event->kind == MACHINE_EVENT_STOP && server->waits) {
        server->waits = false;
        gdb_begin(server);
        gdb_reply_why_stopped(server);
    } else if (event->kind == MACHINE_EVENT_SHUTDOWN && !keeps) {
        server->waits = false;
        gdb_reply(server, "W00");
    }
}

/* A server that waits for nobody: there need not be a gdb. */
static struct character *open_place(struct gdb_server *server, const char *place,
                                    struct error *error)
{
    char specification[PLACE_BYTES];
    bool complete = strchr(place, ',');
    int length = snprintf(specification, sizeof(specification), "%s%s", place,
                          complete ? "" : ",server=on,wait=off");
    if ((size_t)length >= sizeof(specification)) {
        error_set(error, "-gdb %s: that is too long", place);
        return NULL;
    }
    struct machine *machine = server->machine;
    return character_open(specification, false, NULL, machine_event_loop(machine),
                          machine_log(machine), error);
}

struct gdb_server *gdb_server_create(struct machine *machine, struct monitor *monitor,
                                     const char *place, struct error *error)
{
    struct gdb_server *server = calloc(1, sizeof(*server));
    if (!server) {
        error_set(error, "-gdb %s: no memory", place);
        return NULL;
    }
    server->machine = machine;
    server->monitor = monitor;
    server->first_step_bits = STEP_ENABLED | STEP_NO_INTERRUPTS | STEP_NO_TIME;
    server->observer = (struct machine_observer){.notify = on_event, .opaque = server};
    server->character = open_place(server, place, error);
    if (!server->character) {
        free(server);
        return NULL;
    }
    machine_add_observer(machine, &server->observer);
    character_connect(server->character, &(struct character_receiver){
                                             .room = room,
                                             .receive = receive,
                                             .opened = opened,
                                             .closed = closed,
                                             .opaque = server,
                                         });
    return server;
}

void gdb_server_keep_time(struct gdb_server *server)
{
    server->first_step_bits = STEP_ENABLED;
}

bool gdb_server_waits(const struct gdb_server *server)
{
    return server->waits;
}

void gdb_server_destroy(struct gdb_server *server)
{
    if (server) {
        gdb_forget_points(server);
        machine_remove_observer(server->machine, &server->observer);
        character_close(server->character);
        free(server);
    }
}
