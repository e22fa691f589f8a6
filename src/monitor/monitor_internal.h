/* monitor/monitor_internal.h: what the sessions of a machine's monitors share. */
#ifndef MONITOR_MONITOR_INTERNAL_H
#define MONITOR_MONITOR_INTERNAL_H

#include "clock/clock.h"
#include "host/opener/opener.h"
#include "machine/control.h"
#include "monitor/monitor.h"

#include <jansson.h>

struct qmp_session;
struct human_session;

enum { MONITOR_HELD_KEYS = 16 };

enum monitor_migration { MIGRATION_NONE, MIGRATION_COMPLETED, MIGRATION_FAILED };

struct monitor {
    struct machine *machine;
    struct monitor_config config;
    struct opener opener;
    struct machine_observer observer;
    struct qmp_session *qmp[MONITOR_SESSIONS];
    struct human_session *human[MONITOR_SESSIONS + 1];
    struct timer key_timer; /* releases what send-key has pressed */
    uint16_t held_keys[MONITOR_HELD_KEYS];
    unsigned held_key_count;
    int last_size, last_format;       /* that people wanted: "/xw"; 0: none yet */
    unsigned pointer[2];              /* the position that was sent last */
    enum monitor_migration migration; /* what became of the last one */
};

/* Tells all QMP clients; takes `data` over, which may be NULL. */
void monitor_send_event(struct monitor *monitor, const char *name, json_t *data);

/* qmp.c */
struct qmp_session *qmp_session_create(struct monitor *monitor,
                                       const char *specification, struct error *error);
void qmp_session_destroy(struct qmp_session *session);
void qmp_session_send(struct qmp_session *session, const json_t *message);
const char *qmp_session_specification(const struct qmp_session *session);

/* human.c. `specification`: NULL for the one on the console. */
struct human_session *human_session_create(struct monitor *monitor,
                                           const char *specification,
                                           struct error *error);
void human_session_destroy(struct human_session *session);
const char *human_session_specification(const struct human_session *session);

#endif
