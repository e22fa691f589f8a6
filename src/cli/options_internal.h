/* cli/options_internal.h: what each option is, for those who read the arguments. */
#ifndef CLI_OPTIONS_INTERNAL_H
#define CLI_OPTIONS_INTERNAL_H

#include "cli/options.h"

/* What has been read so far. */
struct parser {
    struct options *options;
    unsigned serial_lines; /* -serial so far */
    unsigned drive_texts;  /* -drive so far */
    bool no_graphic;
    bool no_defaults; /* -nodefaults */
    bool display_given;
    bool rtc_given;
    bool clock_given;
    bool lockstep; /* "lockstep" is the first word */
    bool engine_given, engines_given;
    bool engine_auto; /* the choice is ours */
    bool sandbox_asked_for;
    bool network_given; /* or none wanted */
    bool monitor_given; /* -monitor, whatever its value */
    unsigned monitors, qmp_monitors;
    bool start_paused;      /* -S */
    bool incoming_deferred; /* -incoming defer */
};

typedef bool option_apply(struct parser *parser, const char *value,
                          struct error *error);

struct option_row {
    const char *name;
    const char *value; /* what to call it in the help; NULL: takes none */
    option_apply *apply;
    const char *help;
};

/* In the order of the help. */
struct option_table {
    const struct option_row *rows;
    size_t count;
};

extern const struct option_table options_general, options_of_lockstep;

/* These serve several options, or defaults. They fail with one line for the user. */
bool option_set_disk(struct parser *parser, size_t index, const char *value,
                     struct error *error);
bool option_apply_engines(struct parser *parser, const char *value,
                          struct error *error);

/* option_display.c */
option_apply option_apply_display, option_apply_vnc, option_apply_screenshot,
    option_apply_name;
/* What is shown if nobody has said so, and what does not go together. */
bool option_finish_display(struct parser *parser, struct error *error);

/* option_control.c */
option_apply option_apply_monitor, option_apply_qmp, option_apply_gdb, option_apply_s,
    option_apply_start_paused, option_apply_no_shutdown, option_apply_incoming;
/* What follows from them all. */
void option_finish_control(struct parser *parser);
/* Whether a monitor takes standard input and output. */
bool option_uses_stdio(const struct parser *parser);

#endif
