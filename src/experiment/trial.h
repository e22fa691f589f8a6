/* experiment/trial.h: the part of a script that is repeated, for who repeats it.
 *
 * When a script comes to trial {…}, the machine and Lua are kept as they are; each run
 * of the trial begins with both as they were then. So what a run comes to follows from
 * the script, its settings, its seed, and its order; not from the runs before.
 * Thread: the experiment's. */
#ifndef EXPERIMENT_TRIAL_H
#define EXPERIMENT_TRIAL_H

#include "experiment/experiment.h"

enum { TRIAL_WAYPOINTS = 32 };

/* The machine, between two runs. */
struct machine *trial_machine(struct experiment *experiment);
/* Instructions retired when a trial begins. */
uint64_t trial_begin(const struct experiment *experiment);
uint64_t trial_begin_ns(const struct experiment *experiment);
const char *trial_engine(const struct experiment *experiment);
/* Virtual time after which the script wants a run to be given up; 0: it does not say.
 */
uint64_t trial_timeout_ns(const struct experiment *experiment);
/* The rows of the fault space that the script describes, an array; NULL: none. */
const json_t *trial_space(const struct experiment *experiment);
/* Whether the script draws the faults itself. */
bool trial_draws(const struct experiment *experiment);

/* Has the script draw the faults of an experiment: lines, to be freed. NULL with the
 * script's mistake. */
char *trial_draw(struct experiment *experiment, uint64_t seed, uint64_t number,
                 uint64_t instruction, struct error *error);

/* Who is told when the script looks at memory (`bytes` from a physical address on), or
 * at registers (`bytes` is 0): what is there may then matter. NULL: nobody. */
typedef void trial_look(void *opaque, gpa_t address, uint64_t bytes);
void trial_listen_to_looks(struct experiment *experiment, trial_look *looked,
                           void *opaque);

/* Carries it out once more without faults, to keep up to `most` moments of it at which
 * runs with faults begin, or are known to end: they come to the same sooner. `golden`:
 * what it came to before. Where that is not possible there are none. */
void trial_lay_waypoints(struct experiment *experiment, unsigned most,
                         const struct experiment_result *golden);

/* Carries it out once more. Something that is wrong is a result, too: "error". */
void trial_run(struct experiment *experiment, const struct trial_order *order,
               struct experiment_result *result);

#endif
