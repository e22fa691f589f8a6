/* cli/experiment.h: `faumachine experiment run|replay`. */
#ifndef CLI_EXPERIMENT_H
#define CLI_EXPERIMENT_H

/* `arguments`: what follows "experiment". Returns the exit status: 0 if it has been
 * carried out (replay: and has ended in the same state), 1 after a mistake in the
 * script, the options or of the host, 2 if not all was as expected (replay: the state
 * is another one), 3 if the limit of host time was reached or the user has ended it. */
int run_experiment(int count, char *const arguments[]);

#endif
