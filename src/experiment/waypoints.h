/* experiment/waypoints.h: moments of a trial's golden run, at which other runs of it
 * begin and are known to end.
 *
 * Up to its first fault, a run is the golden one: it begins at the last waypoint before
 * that. And who is, at a waypoint, what the golden run was there goes on as that did:
 * the rest need not be carried out. Both are exact: a run has the same result without
 * waypoints.
 *
 * The machine is put back by a checkpoint. Lua cannot be: its activities begin anew,
 * and are given the answers that they got in the golden run, until they have come as
 * far. All that a script learns of the machine are such answers: what functions return
 * that look at it or have a hand on it, and how its waits end.
 * Thread: the experiment's. */
#ifndef EXPERIMENT_WAYPOINTS_H
#define EXPERIMENT_WAYPOINTS_H

#include "experiment/experiment_internal.h"

/* The last waypoint before any of the faults of an order can come; NULL: the run has to
 * begin where the trial does. */
const struct waypoint *waypoints_before(const struct experiment *experiment,
                                        const struct trial_order *order);
const struct checkpoint *waypoint_checkpoint(const struct waypoint *waypoint);

/* The machine and the faults are ready, the trial's first activity is there: brings
 * the consoles and Lua to the waypoint (NULL: they stay), and compares from there on.
 * False: the script has gone another way, which it must not. */
bool waypoints_begin_run(struct experiment *experiment, const struct trial_order *order,
                         const struct waypoint *waypoint);
/* The run is over. Whether that was known at a waypoint: then `result`, which has
 * nothing yet but its values, is filled. */
bool waypoints_end_run(struct experiment *experiment, struct experiment_result *result);

/* Instructions at which the machine is to stop next for waypoints_arrive(), more than
 * are retired now; UINT64_MAX: not at all. */
uint64_t waypoints_next(const struct experiment *experiment);
void waypoints_arrive(struct experiment *experiment);

/* A wait of an activity has ended so; `line` is NULL or has `length` bytes. */
void waypoints_note_wait(struct experiment *experiment, const struct activity *activity,
                         const char *outcome, const char *line, size_t length);
/* The script does what a run without faults does not, or cannot be repeated. */
void waypoints_give_up(struct experiment *experiment);
/* Makes `functions` fields of the table on top of the stack: the answers of each are
 * kept, or those that are kept are given. */
void waypoints_push_functions(lua_State *lua, const struct luaL_Reg *functions);

void waypoints_free(struct experiment *experiment);

#endif
