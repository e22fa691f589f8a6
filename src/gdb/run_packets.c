/* Packets that let the machine go, and say where it is to stop. */
#include "gdb/gdb_internal.h"

#include <stdlib.h>
#include <string.h>

/* gdb's numbers of signals. */
enum { SIGNAL_INT = 2, SIGNAL_QUIT = 3, SIGNAL_TRAP = 5 };

static void append_watchpoint(struct gdb_server *server,
                              const struct debugger_point *point)
{
    static const char *const names[] = {
        [DEBUGGER_WRITE] = "watch",
        [DEBUGGER_READ] = "rwatch",
        [DEBUGGER_ACCESS] = "awatch",
    };
    if (point && point->kind != DEBUGGER_EXECUTE) {
        gdb_append(server, "%s:%x;", names[point->kind], point->address);
    }
}

void gdb_reply_why_stopped(struct gdb_server *server)
{
    int signal = SIGNAL_INT;
    switch (machine_state(server->machine)) {
    case MACHINE_DEBUG:
    case MACHINE_PRELAUNCH:
    case MACHINE_RUNNING:
        signal = SIGNAL_TRAP;
        break;
    case MACHINE_IO_ERROR:
        break;
    case MACHINE_PAUSED:
        signal = server->interrupted ? SIGNAL_INT : SIGNAL_TRAP;
        break;
    case MACHINE_SHUT_DOWN:
        signal = SIGNAL_QUIT;
        break;
    }
    gdb_append(server, "T%02xthread:01;", signal);
    append_watchpoint(server, server->debugger.met);
    gdb_send(server);
}

/* The machine is interpreted only if somebody gains by it. */
void gdb_let_go(struct gdb_server *server, bool step)
{
    struct error error;
    struct debugger *debugger = &server->debugger;
    bool no_time = step && (server->step_bits & STEP_NO_TIME);
    debugger->no_interrupts = server->step_bits & STEP_NO_INTERRUPTS;
    machine_set_debugger(server->machine, step || debugger->count ? debugger : NULL);
    debugger_let_go(debugger, step);
    server->waits = true;
    if (!(step ? machine_step(server->machine, no_time, &error)
               : machine_continue(server->machine, &error))) {
        server->waits = false;
        gdb_reply(server, "E16");
    }
}

void gdb_handle_vcont(struct gdb_server *server, const char *actions)
{
    if (strcmp(actions, "?") == 0) {
        gdb_reply(server, "vCont;c;C;s;S");
    } else if (actions[0] == ';' && strchr("cC", actions[1])) {
        gdb_let_go(server, false);
    } else if (actions[0] == ';' && strchr("sS", actions[1])) {
        gdb_let_go(server, true);
    } else {
        gdb_reply(server, "");
    }
}

void gdb_handle_point(struct gdb_server *server, bool insert, const char *arguments)
{
    static const enum debugger_kind kinds[] = {DEBUGGER_EXECUTE, DEBUGGER_EXECUTE,
                                               DEBUGGER_WRITE, DEBUGGER_READ,
                                               DEBUGGER_ACCESS};
    unsigned type = (unsigned)(arguments[0] - '0');
    char *end = (char *)arguments;
    struct debugger_point point = {0};
    if (type >= ARRAY_LENGTH(kinds) || arguments[1] != ',') {
        gdb_reply(server, "");
        return;
    }
    point.kind = kinds[type];
    point.address = (gla_t)strtoull(arguments + 2, &end, 16);
    point.bytes = *end == ',' ? (uint32_t)strtoull(end + 1, NULL, 16) : 1;
    bool good = insert ? debugger_add(&server->debugger, &point)
                       : debugger_remove(&server->debugger, &point);
    if (insert && point.kind != DEBUGGER_EXECUTE) {
        machine_debugger_changed(server->machine);
    }
    gdb_reply(server, good ? "OK" : "E1c");
}

void gdb_forget_points(struct gdb_server *server)
{
    machine_hold(server->machine);
    memset(&server->debugger, 0, sizeof(server->debugger));
    machine_set_debugger(server->machine, NULL);
    machine_release(server->machine);
}
