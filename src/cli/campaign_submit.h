/* cli/campaign_submit.h: `faumachine campaign submit`. */
#ifndef CLI_CAMPAIGN_SUBMIT_H
#define CLI_CAMPAIGN_SUBMIT_H

/* `arguments`: what follows "submit". Returns the exit status: 0, or 1 after a line
 * about what went wrong. */
int run_campaign_submit(int count, char *const arguments[]);

#endif
