/* cli/campaign.h: `faumachine campaign`: thousands of experiments, and what they show.
 */
#ifndef CLI_CAMPAIGN_H
#define CLI_CAMPAIGN_H

/* `arguments`: what follows "campaign". Returns the exit status. */
int run_campaign(int count, char *const arguments[]);

/* Its commands: `arguments` is what follows the command's name. Return the exit status:
 * 0, or 1 after a line about what went wrong. */
int run_campaign_report(int count, char *const arguments[]);

#endif
