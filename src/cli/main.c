#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/campaign.h"
#include "cli/experiment.h"
#include "cli/image.h"
#include "cli/lockstep.h"
#include "cli/log_items.h"
#include "cli/options.h"
#include "cli/run.h"
#include "machine/added_devices.h"

/* A file opened later must not become standard input, output or error because the
 * parent has closed one of them. */
static void fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static void print_line(void *opaque, const char *line)
{
    fputs(line, opaque);
}

static int print_help(void)
{
    puts("Usage: faumachine [run] [options] [DISK]\n"
         "       faumachine lockstep [options] [DISK]\n"
         "       faumachine image create|info|commit ...\n"
         "       faumachine experiment run|replay ...\n"
         "       faumachine campaign run|submit|replay|report ...\n"
         "\n"
         "Runs a whole i386 PC in this process. DISK is an image, the same as\n"
         "-hda DISK. Options are spelled as QEMU does, with one dash or two:\n");
    options_describe(false, print_line, stdout);
    puts("\nlockstep runs the PC under two engines and finds where they differ:\n");
    options_describe(true, print_line, stdout);
    puts("\nThe manual page faumachine(1) has the rest.");
    return cli_flush_output();
}

static int print_log_items(void)
{
    puts("What -d can log, separated by commas:\n");
    log_items_describe(print_line, stdout);
    return cli_flush_output();
}

static int print_devices(void)
{
    puts("What -device can add, and its properties (-device NAME,PROPERTY=VALUE,…):\n");
    added_devices_describe(print_line, stdout);
    return cli_flush_output();
}

static int print_version(void)
{
    puts("faumachine " FAUMACHINE_VERSION);
    return cli_flush_output();
}

int main(int argc, char *argv[])
{
    fill_standard_descriptors();
    if (argc > 1 && strcmp(argv[1], "image") == 0) {
        return run_image(argc - 2, argv + 2);
    }
    if (argc > 1 && strcmp(argv[1], "experiment") == 0) {
        return run_experiment(argc - 2, argv + 2);
    }
    if (argc > 1 && strcmp(argv[1], "campaign") == 0) {
        return run_campaign(argc - 2, argv + 2);
    }
    struct options options;
    struct error error;
    if (!options_parse(&options, argc - 1, argv + 1, &error)) {
        cli_print_error(&error);
        return 1;
    }
    switch (options.action) {
    case OPTIONS_HELP:
        return print_help();
    case OPTIONS_VERSION:
        return print_version();
    case OPTIONS_LOG_ITEMS:
        return print_log_items();
    case OPTIONS_DEVICES:
        return print_devices();
    case OPTIONS_LOCKSTEP:
        return run_lockstep(&options);
    case OPTIONS_RUN:
        break;
    }
    return run_machine(&options);
}
