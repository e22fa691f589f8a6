/* gdb/gdb_internal.h: one connection to gdb. */
#ifndef GDB_GDB_INTERNAL_H
#define GDB_GDB_INTERNAL_H

#include "cpu/core/cpu.h"
#include "cpu/core/debugger.h"
#include "gdb/gdb.h"
#include "host/console/character.h"
#include "machine/control.h"

enum {
    PACKET_BYTES = 1 << 14, /* what gdb is told, and what is received */
    REPLY_BYTES = 2 * PACKET_BYTES,
};

/* What a step leaves out, as QEMU's bits. */
enum { STEP_ENABLED = 1, STEP_NO_INTERRUPTS = 2, STEP_NO_TIME = 4 };

/* Where we are in what gdb sends. */
enum packet_state { PACKET_NONE, PACKET_BODY, PACKET_SUM_1, PACKET_SUM_2 };

struct gdb_server {
    struct machine *machine;
    struct monitor *monitor;
    struct character *character;
    struct machine_observer observer;
    struct debugger debugger;
    bool connected;
    bool acknowledges; /* no QStartNoAckMode yet */
    bool waits;        /* gdb has let the machine go and waits for it to stop */
    bool interrupted;  /* by Ctrl-C */
    bool physical;     /* addresses are */
    unsigned first_step_bits, step_bits; /* as a client finds them, and has them */

    enum packet_state state;
    uint8_t sum, expected_sum;
    size_t length;
    char packet[PACKET_BYTES + 1]; /* the body, with a zero behind it */
    /* The reply in the making, and then the last one sent, with its frame. */
    size_t reply_length;
    char reply[REPLY_BYTES + 8];
};

/* server.c: a reply begins empty, once for each packet received; what has been appended
 * is sent by gdb_send(). */
void gdb_begin(struct gdb_server *server);
__attribute__((format(printf, 2, 3))) void gdb_append(struct gdb_server *server,
                                                      const char *format, ...);
void gdb_append_hex(struct gdb_server *server, const void *bytes, size_t count);
void gdb_send(struct gdb_server *server);
/* All in one. */
void gdb_reply(struct gdb_server *server, const char *text);

/* Takes pairs of hex digits off the text; returns how many, at most `most`. */
size_t gdb_parse_hex(const char *text, uint8_t *bytes, size_t most);

/* packets.c: does what server->packet says. */
void gdb_handle_packet(struct gdb_server *server);

/* run_packets.c: stopping, going on, break- and watchpoints. */
void gdb_reply_why_stopped(struct gdb_server *server);
void gdb_let_go(struct gdb_server *server, bool step);
/* vCont…, without that word. */
void gdb_handle_vcont(struct gdb_server *server, const char *actions);
/* Z and z. */
void gdb_handle_point(struct gdb_server *server, bool insert, const char *arguments);
/* Forgets all points. */
void gdb_forget_points(struct gdb_server *server);

/* registers.c: numbered as target_description.c lists them. */
struct gdb_register {
    const char *name;
    unsigned bits;
    const char *type;  /* in the description */
    const char *group; /* likewise; NULL: none */
    unsigned feature;  /* enum gdb_feature */
    unsigned first;    /* which one of its kind */
    void (*get)(const struct cpu *cpu, unsigned which, uint8_t *value);
    /* NULL: it cannot be changed. Followed by cpu_loaded(). */
    void (*set)(struct machine *machine, struct cpu *cpu, unsigned which,
                const uint8_t *value);
};

enum gdb_feature { FEATURE_CORE, FEATURE_SSE, FEATURE_SYSTEM, FEATURES };
enum { REGISTER_BYTES_MAXIMUM = 16 };

extern const struct gdb_register gdb_registers[];
extern const unsigned gdb_register_count;

/* Returns how many bytes it has. */
unsigned gdb_get_register(const struct gdb_server *server, unsigned number,
                          uint8_t *value);
bool gdb_set_register(struct gdb_server *server, unsigned number, const uint8_t *value);

/* target_description.c: the file of that name ("target.xml"), to be freed; NULL: there
 * is none such. */
char *gdb_describe_target(const char *name);

#endif
