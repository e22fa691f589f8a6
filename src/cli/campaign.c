#include "cli/campaign.h"

#include <stdio.h>
#include <string.h>

#include "cli/campaign_replay.h"
#include "cli/campaign_run.h"
#include "cli/campaign_submit.h"
#include "cli/run.h"

enum { EXIT_PROBLEM = 1 };

static const struct {
    const char *name, *summary;
    int (*run)(int count, char *const arguments[]);
} commands[] = {
    {"run", "carry out a script's trial many times, each with another fault",
     run_campaign_run},
    {"submit", "the same as a job array of a cluster", run_campaign_submit},
    {"replay", "carry out one of its experiments again, with gdb if you like",
     run_campaign_replay},
    {"report", "what a campaign has shown", run_campaign_report},
};

static int print_usage(void)
{
    puts("Usage: faumachine campaign COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    puts(
        "\n'faumachine campaign COMMAND -help' says more, docs/campaigns.md the rest.");
    return cli_flush_output();
}

/* One line: the names of all commands. */
static void refuse(const char *word)
{
    char names[256] = "";
    struct error error;
    for (size_t i = 0; i < ARRAY_LENGTH(commands); i++) {
        size_t length = strlen(names);
        snprintf(names + length, sizeof(names) - length, "%s%s", i ? ", " : "",
                 commands[i].name);
    }
    if (word) {
        error_set(&error, "campaign %s: there is %s", word, names);
    } else {
        error_set(&error, "campaign: give a command: %s", names);
    }
    cli_print_error(&error);
}

int run_campaign(int count, char *const arguments[])
{
    const char *word = count ? arguments[0] : NULL;
    if (word && (strcmp(word, "-h") == 0 || strcmp(word, "-help") == 0 ||
                 strcmp(word, "--help") == 0)) {
        return print_usage();
    }
    for (size_t i = 0; word && i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].run(count - 1, arguments + 1);
        }
    }
    refuse(word);
    return EXIT_PROBLEM;
}
