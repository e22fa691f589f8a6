/* cli/campaign_run.h: `faumachine campaign run` and `campaign replay`. */
#ifndef CLI_CAMPAIGN_RUN_H
#define CLI_CAMPAIGN_RUN_H

/* `arguments`: what follows "run". The exit status: 0 all experiments are done, 1 a
 * mistake in the script, the options or of the host, 3 the user has stopped it. */
int run_campaign_run(int count, char *const arguments[]);

/* `arguments`: what follows "replay". 0: it ended as it did before; 1 as above; 2: it
 * did not. */
int run_campaign_replay(int count, char *const arguments[]);

#endif
