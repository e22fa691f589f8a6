/* help, info, and lines that programs have executed. */
#include "monitor/command.h"
#include "monitor/info.h"

#include <stdlib.h>
#include <string.h>

/* What help is asked for. */
struct listing {
    FILE *out;
    const char *name; /* NULL: everything but "info …" */
    bool all_info;
};

static bool has_name(const char *names, const char *name)
{
    size_t length = strlen(name);
    for (const char *p = names; p; p = strchr(p, '|')) {
        p += *p == '|';
        if (strncmp(p, name, length) == 0 && (p[length] == '|' || !p[length])) {
            return true;
        }
    }
    return false;
}

static void list_one(void *opaque, const struct command *command)
{
    struct listing *listing = opaque;
    if (!command->human) {
        return;
    }
    bool info = strncmp(command->human, "info ", 5) == 0;
    bool wanted = listing->all_info ? info
                  : listing->name   ? has_name(command->human, listing->name)
                                    : !info && strcmp(command->human, "info") != 0;
    if (wanted) {
        fprintf(listing->out, "%s %s -- %s\n", command->human, command->parameters,
                command->help);
    }
}

static bool help(struct command_call *call)
{
    struct listing listing = {.out = call->out, .name = command_string(call, "name")};
    listing.all_info = listing.name && strcmp(listing.name, "info") == 0;
    command_for_each(list_one, &listing);
    if (!listing.name) {
        fputs("info [subcommand] -- show various information about the machine\n",
              call->out);
    }
    return true;
}

static bool info(struct command_call *call)
{
    struct listing listing = {.out = call->out, .all_info = true};
    command_for_each(list_one, &listing);
    return true;
}

static bool show_registers(struct command_call *call)
{
    info_registers(call->monitor->machine, call->out);
    return true;
}

static bool show_mem(struct command_call *call)
{
    info_mem(call->monitor->machine, call->out);
    return true;
}

static bool show_tlb(struct command_call *call)
{
    info_tlb(call->monitor->machine, call->out);
    return true;
}

static bool show_mtree(struct command_call *call)
{
    info_mtree(call->monitor->machine, call->out);
    return true;
}

static bool show_pci(struct command_call *call)
{
    info_pci(call->monitor->machine, call->out);
    return true;
}

/* With the ends of lines that a terminal wants. */
static json_t *text_of(const char *text)
{
    size_t newlines = 0, length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        newlines += text[i] == '\n';
    }
    char *converted = malloc(length + newlines + 1), *to = converted;
    if (!converted) {
        return NULL;
    }
    for (const char *from = text; *from; from++) {
        if (*from == '\n') {
            *to++ = '\r';
        }
        *to++ = *from;
    }
    *to = '\0';
    json_t *value = json_string(converted);
    free(converted);
    return value;
}

static bool execute_line(struct command_call *call)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out) {
        return command_fail(call, NULL, "out of memory");
    }
    command_run_line(call->monitor, command_string(call, "command-line"), out);
    fclose(out);
    call->result = text_of(text);
    free(text);
    return call->result || command_fail(call, NULL, "the answer is no UTF-8");
}

static const struct command rows[] = {
    {NULL, "help|?", "name:s?", "[cmd]", "show the help", .run = help},
    {NULL, "info", "", "", "", .run = info},
    {NULL, "info registers", "", "", "the processor's registers", true, show_registers,
     NULL},
    {NULL, "info mem", "", "", "linear memory and its rights", true, show_mem, NULL},
    {NULL, "info tlb", "", "", "pages, and where they lead", true, show_tlb, NULL},
    {NULL, "info mtree", "", "", "physical memory and ports", true, show_mtree, NULL},
    {NULL, "info pci", "", "", "PCI devices", true, show_pci, NULL},
    {"human-monitor-command", NULL, "command-line:s cpu-index:i?", "", "",
     .run = execute_line},
};

const struct command_table commands_info = {rows, ARRAY_LENGTH(rows)};
