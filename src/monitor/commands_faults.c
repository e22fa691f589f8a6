/* Faults, for those who inject them while the machine runs. */
#include "faults/faults.h"
#include "monitor/command.h"

#include <stdlib.h>

static bool has_faults(struct command_call *call)
{
    return call->monitor->config.faults ||
           command_fail(call, NULL, "this machine takes no faults");
}

static bool add(struct command_call *call)
{
    const char *text = command_string(call, "fault");
    return has_faults(call) &&
           faults_arm_text(call->monitor->config.faults, "fault", text, &call->error);
}

/* As in the log. */
static json_t *object_of(const struct fault *fault)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    if (!stream) {
        return json_null();
    }
    fault_write_json(fault, stream);
    fclose(stream);
    json_t *object = json_loads(text, 0, NULL);
    free(text);
    return object ? object : json_null();
}

static bool query(struct command_call *call)
{
    call->result = json_array();
    const struct fault *fault = call->monitor->config.faults
                                    ? faults_first(call->monitor->config.faults)
                                    : NULL;
    for (; fault; fault = fault_next(fault)) {
        json_array_append_new(call->result, object_of(fault));
    }
    return true;
}

static void print(struct command_call *call)
{
    const struct fault *fault = call->monitor->config.faults
                                    ? faults_first(call->monitor->config.faults)
                                    : NULL;
    if (!fault) {
        fputs("no faults\n", call->out);
    }
    for (; fault; fault = fault_next(fault)) {
        char text[1024];
        fault_describe(fault, text, sizeof(text));
        fprintf(call->out, "%s\n", text);
    }
}

static bool clear(struct command_call *call)
{
    if (!has_faults(call)) {
        return false;
    }
    faults_disarm_all(call->monitor->config.faults);
    return true;
}

static const struct command rows[] = {
    {"x-fault-add", "fault_add", "fault:l", "target=…,model=…,when=…",
     "inject a fault, as -fault does", true, add, NULL},
    {"x-query-faults", "info faults", "", "", "faults, and what became of them", true,
     query, print},
    {"x-fault-clear", "fault_clear", "", "", "disarm all faults", true, clear, NULL},
};

const struct command_table commands_faults = {rows, ARRAY_LENGTH(rows)};
