/* cli/campaign_run.h: `faumachine campaign run`. */
#ifndef CLI_CAMPAIGN_RUN_H
#define CLI_CAMPAIGN_RUN_H

#include "campaign/campaign.h"
#include "cli/experiment_host.h"
#include "cli/settings.h"
#include "cli/words.h"

/* What its command line says. */
struct campaign_command {
    struct campaign_options options;
    struct settings settings;
    struct experiment_setup setup;
    bool help; /* and nothing else counts */
};

/* `arguments`: what follows "run"; they are referred to. *this is all zeros before;
 * settings_free() afterwards. */
bool campaign_run_parse(struct campaign_command *this, int count,
                        char *const arguments[], struct error *error);
/* The row of an option as it was given. NULL: it has no such option. */
const struct word *campaign_run_option(const char *argument);

/* Returns the exit status: 0 all experiments are done, 1 a mistake in the script, the
 * options or of the host, 3 the user has stopped it. */
int run_campaign_run(int count, char *const arguments[]);

#endif
