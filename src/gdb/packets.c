/* What each packet asks for. */
#include "gdb/gdb_internal.h"

#include "machine/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_BYTES = PACKET_BYTES / 2 - 16, CONSOLE_BYTES = 1024 };

static void read_registers(struct gdb_server *server)
{
    for (unsigned i = 0; i < gdb_register_count; i++) {
        uint8_t value[REGISTER_BYTES_MAXIMUM];
        gdb_append_hex(server, value, gdb_get_register(server, i, value));
    }
    gdb_send(server);
}

static void write_registers(struct gdb_server *server, const char *text)
{
    for (unsigned i = 0; i < gdb_register_count; i++) {
        uint8_t value[REGISTER_BYTES_MAXIMUM];
        unsigned bytes = gdb_registers[i].bits / 8;
        if (gdb_parse_hex(text, value, bytes) < bytes) {
            break; /* the rest stays as it is */
        }
        gdb_set_register(server, i, value);
        text += 2 * bytes;
    }
    gdb_reply(server, "OK");
}

static void read_register(struct gdb_server *server, const char *text)
{
    uint8_t value[REGISTER_BYTES_MAXIMUM];
    unsigned long number = strtoul(text, NULL, 16);
    if (number >= gdb_register_count) {
        gdb_reply(server, "E14");
        return;
    }
    gdb_append_hex(server, value, gdb_get_register(server, (unsigned)number, value));
    gdb_send(server);
}

static void write_register(struct gdb_server *server, const char *text)
{
    char *end;
    uint8_t value[REGISTER_BYTES_MAXIMUM];
    unsigned long number = strtoul(text, &end, 16);
    bool good = number < gdb_register_count && *end == '=';
    unsigned bytes = good ? gdb_registers[number].bits / 8 : 0;
    good = good && gdb_parse_hex(end + 1, value, bytes) == bytes &&
           gdb_set_register(server, (unsigned)number, value);
    gdb_reply(server, good ? "OK" : "E14");
}

/* "ADDRESS,LENGTH" and what follows; NULL if it is none. */
static const char *parse_range(const char *text, uint64_t *address, uint64_t *length)
{
    char *end;
    *address = strtoull(text, &end, 16);
    if (*end != ',') {
        return NULL;
    }
    *length = strtoull(end + 1, &end, 16);
    return end;
}

static void read_memory(struct gdb_server *server, const char *text)
{
    uint64_t address, length;
    uint8_t data[MEMORY_BYTES];
    if (!parse_range(text, &address, &length) || length > sizeof(data)) {
        gdb_reply(server, "E16");
        return;
    }
    size_t got =
        machine_peek(server->machine, !server->physical, address, data, length);
    if (got == 0 && length > 0) {
        gdb_reply(server, "E0e");
        return;
    }
    gdb_append_hex(server, data, got);
    gdb_send(server);
}

/* In X packets '}' goes before a byte that has bit 5 turned. Returns how many bytes. */
static size_t unescape(const char *from, size_t count, uint8_t *to, size_t most)
{
    size_t done = 0;
    for (size_t i = 0; i < count && done < most; i++) {
        bool escaped = from[i] == '}' && i + 1 < count;
        i += escaped;
        to[done++] = (uint8_t)(escaped ? from[i] ^ 0x20 : from[i]);
    }
    return done;
}

static void write_memory(struct gdb_server *server, const char *text, bool binary)
{
    uint64_t address, length;
    uint8_t data[PACKET_BYTES];
    const char *colon = parse_range(text, &address, &length);
    if (!colon || *colon != ':' || length > sizeof(data)) {
        gdb_reply(server, "E16");
        return;
    }
    const char *from = colon + 1;
    size_t rest = server->length - (size_t)(from - server->packet);
    size_t got =
        binary ? unescape(from, rest, data, length) : gdb_parse_hex(from, data, length);
    bool good = got == length && machine_poke(server->machine, !server->physical,
                                              address, data, length) == length;
    gdb_reply(server, good ? "OK" : "E0e");
}

/* "qXfer:features:read:FILE:OFFSET,LENGTH". What we send has none of the characters
 * that would have to be escaped. */
static void transfer_features(struct gdb_server *server, const char *text)
{
    char name[64];
    uint64_t offset, length;
    size_t name_length = strcspn(text, ":");
    if (!text[name_length] || name_length >= sizeof(name) ||
        !parse_range(text + name_length + 1, &offset, &length)) {
        gdb_reply(server, "E16");
        return;
    }
    memcpy(name, text, name_length);
    name[name_length] = '\0';
    char *description = gdb_describe_target(name);
    if (!description) {
        gdb_reply(server, "E00");
        return;
    }
    size_t total = strlen(description);
    offset = offset < total ? offset : total;
    length = length < PACKET_BYTES - 2 ? length : PACKET_BYTES - 2;
    bool last = total - offset <= length;
    gdb_append(server, "%c%.*s", last ? 'l' : 'm', (int)length, description + offset);
    gdb_send(server);
    free(description);
}

/* What a command of the monitor prints goes to gdb's console, piece by piece. */
static void execute(struct gdb_server *server, const char *text)
{
    char line[CONSOLE_BYTES], *printed = NULL;
    size_t length = gdb_parse_hex(text, (uint8_t *)line, sizeof(line) - 1);
    line[length] = '\0';
    FILE *out = open_memstream(&printed, &length);
    if (!out) {
        gdb_reply(server, "E0c");
        return;
    }
    monitor_execute(server->monitor, line, out);
    fclose(out);
    for (size_t done = 0; done < length; done += CONSOLE_BYTES) {
        size_t piece = length - done < CONSOLE_BYTES ? length - done : CONSOLE_BYTES;
        gdb_begin(server);
        gdb_append(server, "O");
        gdb_append_hex(server, printed + done, piece);
        gdb_send(server);
    }
    free(printed);
    gdb_reply(server, "OK");
}

/* -- q and Q: a word, and what follows it -- */

static void supported(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_append(server,
               "PacketSize=%x;qXfer:features:read+;vContSupported+;QStartNoAckMode+",
               PACKET_BYTES);
    gdb_send(server);
}

static void start_no_acknowledging(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, "OK");
    server->acknowledges = false;
}

static void first_threads(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, "m01");
}

static void more_threads(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, "l");
}

static void current_thread(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, "QC01");
}

static void thread_name(struct gdb_server *server, const char *rest)
{
    const struct cpu *cpu = machine_cpu(server->machine);
    const char *name = cpu->halted ? "CPU#0 [halted ]" : "CPU#0 [running]";
    (void)rest;
    gdb_append_hex(server, name, strlen(name));
    gdb_send(server);
}

/* The machine was there before. */
static void attached(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, "1");
}

static void show_step_bits(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_append(server, "ENABLE=%x,NOIRQ=%x,NOTIMER=%x", STEP_ENABLED,
               STEP_NO_INTERRUPTS, STEP_NO_TIME);
    gdb_send(server);
}

static void show_step(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_append(server, "0x%x", server->step_bits);
    gdb_send(server);
}

static void set_step(struct gdb_server *server, const char *rest)
{
    server->step_bits = (unsigned)strtoul(rest, NULL, 16);
    gdb_reply(server, "OK");
}

static void show_physical(struct gdb_server *server, const char *rest)
{
    (void)rest;
    gdb_reply(server, server->physical ? "1" : "0");
}

static void set_physical(struct gdb_server *server, const char *rest)
{
    server->physical = strtoul(rest, NULL, 16) != 0;
    gdb_reply(server, "OK");
}

static void handle_query(struct gdb_server *server)
{
    static const struct {
        const char *word;
        void (*handle)(struct gdb_server *server, const char *rest);
    } rows[] = {
        {"qSupported", supported},
        {"QStartNoAckMode", start_no_acknowledging},
        {"qXfer:features:read:", transfer_features},
        {"qfThreadInfo", first_threads},
        {"qsThreadInfo", more_threads},
        {"qThreadExtraInfo", thread_name},
        {"qC", current_thread},
        {"qAttached", attached},
        {"qRcmd,", execute},
        {"qqemu.sstepbits", show_step_bits},
        {"qqemu.sstep", show_step},
        {"Qqemu.sstep=", set_step},
        {"Qqemu.sstep:", set_step},
        {"qqemu.PhyMemMode", show_physical},
        {"Qqemu.PhyMemMode:", set_physical},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t length = strlen(rows[i].word);
        if (strncmp(server->packet, rows[i].word, length) == 0) {
            rows[i].handle(server, server->packet + length);
            return;
        }
    }
    gdb_reply(server, "");
}

static void detach(struct gdb_server *server)
{
    struct error ignored; /* a machine that is shut down stays so */
    gdb_forget_points(server);
    machine_continue(server->machine, &ignored);
    gdb_reply(server, "OK");
}

static void handle_v(struct gdb_server *server)
{
    if (strncmp(server->packet, "vCont", 5) == 0) {
        gdb_handle_vcont(server, server->packet + 5);
    } else if (strncmp(server->packet, "vKill", 5) == 0) {
        gdb_reply(server, "OK");
        machine_quit(server->machine, "host-ui");
    } else {
        gdb_reply(server, "");
    }
}

/* "c" and "s" may say where to go on. */
static void go_on(struct gdb_server *server, const char *address, bool step)
{
    if (*address) {
        machine_cpu_to_change(server->machine)->eip =
            (uint32_t)strtoull(address, NULL, 16);
    }
    gdb_let_go(server, step);
}

void gdb_handle_packet(struct gdb_server *server)
{
    const char *rest = server->packet + 1;
    switch (server->packet[0]) {
    case '?':
        gdb_reply_why_stopped(server);
        return;
    case 'c':
    case 's':
        go_on(server, rest, server->packet[0] == 's');
        return;
    case 'C':
    case 'S':
        go_on(server, "", server->packet[0] == 'S');
        return;
    case 'D':
        detach(server);
        return;
    case 'g':
        read_registers(server);
        return;
    case 'G':
        write_registers(server, rest);
        return;
    case 'H':
    case 'T':
        gdb_reply(server, "OK");
        return;
    case 'k':
        machine_quit(server->machine, "host-ui");
        return;
    case 'm':
        read_memory(server, rest);
        return;
    case 'M':
    case 'X':
        write_memory(server, rest, server->packet[0] == 'X');
        return;
    case 'p':
        read_register(server, rest);
        return;
    case 'P':
        write_register(server, rest);
        return;
    case 'q':
    case 'Q':
        handle_query(server);
        return;
    case 'v':
        handle_v(server);
        return;
    case 'Z':
    case 'z':
        gdb_handle_point(server, server->packet[0] == 'Z', rest);
        return;
    }
    gdb_reply(server, "");
}
