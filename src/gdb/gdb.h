/* gdb/gdb.h: the stub that gdb connects to ("target remote"), one client at a time.
 *
 * Protocol: "Debugging with GDB", appendix E, Remote Serial Protocol, in all-stop mode;
 * details as QEMU's stub has them. The machine is one thread, of which gdb sees the
 * processor's registers, and memory through its page tables. While anything is watched
 * or a breakpoint set the machine is interpreted: cpu/core/debugger.h.
 * Thread: created and destroyed by the machine's own, while its event loop does not
 * run; everything in between happens in callbacks, machine lock held. Saved by: nobody.
 */
#ifndef GDB_GDB_H
#define GDB_GDB_H

#include "base/error.h"
#include "machine/machine.h"
#include "monitor/monitor.h"

struct gdb_server;

/* `place`: "tcp::1234" (this host only), "tcp:HOST:PORT", "unix:PATH". `monitor`
 * executes what gdb's "monitor" is given. NULL, with one line in `error`, if the host
 * does not allow it. */
struct gdb_server *gdb_server_create(struct machine *machine, struct monitor *monitor,
                                     const char *place, struct error *error);
/* Steps are like other instructions: time passes, interrupts come. Else they do not, as
 * with QEMU, so that the run is another one than without gdb. Before the event loop
 * runs. */
void gdb_server_keep_time(struct gdb_server *server);
/* Whether gdb has let the machine go, and waits for it to stop. */
bool gdb_server_waits(const struct gdb_server *server);
/* The event loop has been stopped. NULL is fine. */
void gdb_server_destroy(struct gdb_server *server);

#endif
