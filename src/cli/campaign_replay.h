/* cli/campaign_replay.h: `faumachine campaign replay`. */
#ifndef CLI_CAMPAIGN_REPLAY_H
#define CLI_CAMPAIGN_REPLAY_H

/* `arguments`: what follows "replay". 0: it ended as it did before; 1: a mistake in the
 * options, or of the host; 2: it did not. */
int run_campaign_replay(int count, char *const arguments[]);

#endif
