/* cli/campaign_run.h: `faumachine campaign run`. */
#ifndef CLI_CAMPAIGN_RUN_H
#define CLI_CAMPAIGN_RUN_H

/* `arguments`: what follows "run". The exit status: 0 all experiments are done, 1 a
 * mistake in the script, the options or of the host, 3 the user has stopped it. */
int run_campaign_run(int count, char *const arguments[]);

#endif
