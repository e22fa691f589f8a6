/* What programs ask about the machine, and people by "info". */
#include "machine/consoles.h"
#include "machine/inspect.h"
#include "monitor/command.h"
#include "monitor/version.h"

#include <string.h>
#include <unistd.h>

static const char *state_name(enum machine_state state)
{
    switch (state) {
    case MACHINE_PRELAUNCH:
        return "prelaunch";
    case MACHINE_RUNNING:
        return "running";
    case MACHINE_PAUSED:
        return "paused";
    case MACHINE_IO_ERROR:
        return "io-error";
    case MACHINE_DEBUG:
        return "debug";
    case MACHINE_SHUT_DOWN:
        return "shutdown";
    }
    return "internal-error";
}

static bool query_status(struct command_call *call)
{
    enum machine_state state = machine_state(call->monitor->machine);
    call->result = json_pack("{s:s,s:b,s:b}", "status", state_name(state), "singlestep",
                             0, "running", state == MACHINE_RUNNING);
    return true;
}

static void print_status(struct command_call *call)
{
    enum machine_state state = machine_state(call->monitor->machine);
    bool running = state == MACHINE_RUNNING;
    bool plain = running || state == MACHINE_PAUSED;
    fprintf(call->out, "VM status: %s%s%s%s\n", running ? "running" : "paused",
            plain ? "" : " (", plain ? "" : state_name(state), plain ? "" : ")");
}

static bool query_version(struct command_call *call)
{
    call->result = version_of_protocol();
    return true;
}

static void print_version(struct command_call *call)
{
    fputs("FAUmachine " FAUMACHINE_VERSION "\n", call->out);
}

static bool query_name(struct command_call *call)
{
    const char *name = call->monitor->config.name;
    call->result = name ? json_pack("{s:s}", "name", name) : json_object();
    return true;
}

static void print_name(struct command_call *call)
{
    const char *name = call->monitor->config.name;
    fputs(name ? name : "", call->out);
    fputs(name ? "\n" : "", call->out);
}

static bool query_uuid(struct command_call *call)
{
    call->result = json_pack("{s:s}", "UUID", "00000000-0000-0000-0000-000000000000");
    return true;
}

static void print_uuid(struct command_call *call)
{
    fprintf(call->out, "%s\n",
            json_string_value(json_object_get(call->result, "UUID")));
}

static bool query_kvm(struct command_call *call)
{
    call->result = json_pack("{s:b,s:b}", "enabled", 0, "present", 0);
    return true;
}

static bool query_target(struct command_call *call)
{
    call->result = json_pack("{s:s}", "arch", "i386");
    return true;
}

static bool query_current_machine(struct command_call *call)
{
    call->result = json_pack("{s:b}", "wakeup-suspend-support", 0);
    return true;
}

static bool query_cpus(struct command_call *call)
{
    call->result =
        json_pack("[{s:i,s:{s:i,s:i,s:i},s:s,s:i,s:s}]", "thread-id", (int)getpid(),
                  "props", "core-id", 0, "thread-id", 0, "socket-id", 0, "qom-path",
                  "/machine/unattached/device[0]", "cpu-index", 0, "target", "i386");
    return true;
}

static void print_cpus(struct command_call *call)
{
    fprintf(call->out, "* CPU #0: thread_id=%d\n", (int)getpid());
}

static bool query_memory(struct command_call *call)
{
    const struct ram *ram = machine_ram(call->monitor->machine);
    call->result = json_pack("{s:I,s:i}", "base-memory", (json_int_t)ram->bytes,
                             "plugged-memory", 0);
    return true;
}

static void print_memory(struct command_call *call)
{
    const struct ram *ram = machine_ram(call->monitor->machine);
    fprintf(call->out, "base memory: %llu\nplugged memory: 0\n",
            (unsigned long long)ram->bytes);
}

static void add_name(void *opaque, const struct command *command)
{
    if (command->name) {
        json_array_append_new(opaque, json_pack("{s:s}", "name", command->name));
    }
}

static bool query_commands(struct command_call *call)
{
    call->result = json_array();
    add_name(call->result, &(const struct command){.name = "qmp_capabilities"});
    command_for_each(add_name, call->result);
    return true;
}

static void add_chardev(json_t *list, const char *label, unsigned number,
                        const char *filename)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%u", label, number);
    json_array_append_new(list, json_pack("{s:b,s:s,s:s}", "frontend-open", 1,
                                          "filename", filename, "label", name));
}

static bool query_chardev(struct command_call *call)
{
    const struct monitor *monitor = call->monitor;
    call->result = json_array();
    for (unsigned i = 0; i < MACHINE_SERIAL_LINES; i++) {
        const char *name = machine_serial_specification(monitor->machine, i);
        if (name) {
            add_chardev(call->result, "serial", i, name);
        }
    }
    unsigned count = 0;
    for (unsigned i = 0; i < MONITOR_SESSIONS; i++) {
        if (monitor->qmp[i]) {
            add_chardev(call->result, "compat_monitor", count++,
                        qmp_session_specification(monitor->qmp[i]));
        }
    }
    for (unsigned i = 0; i < MONITOR_SESSIONS; i++) {
        if (monitor->human[i]) {
            add_chardev(call->result, "compat_monitor", count++,
                        human_session_specification(monitor->human[i]));
        }
    }
    return true;
}

static void print_chardev(struct command_call *call)
{
    json_t *entry;
    size_t i;
    json_array_foreach(call->result, i, entry)
    {
        fprintf(call->out, "%s: filename=%s\n",
                json_string_value(json_object_get(entry, "label")),
                json_string_value(json_object_get(entry, "filename")));
    }
}

static bool query_mice(struct command_call *call)
{
    call->result = json_pack("[{s:i,s:s,s:b,s:b}]", "index", 0, "name", "PS/2 mouse",
                             "current", 1, "absolute", 0);
    return true;
}

static void print_mice(struct command_call *call)
{
    fputs("* Mouse #0: PS/2 mouse\n", call->out);
}

static const struct command rows[] = {
    {"query-status", "info status", "", "", "whether it runs", .run = query_status,
     .print = print_status},
    {"query-version", "info version", "", "", "the version", .run = query_version,
     .print = print_version},
    {"query-name", "info name", "", "", "what -name said", .run = query_name,
     .print = print_name},
    {"query-uuid", "info uuid", "", "", "the machine's UUID", .run = query_uuid,
     .print = print_uuid},
    {"query-kvm", NULL, "", "", "", .run = query_kvm},
    {"query-target", NULL, "", "", "", .run = query_target},
    {"query-current-machine", NULL, "", "", "", .run = query_current_machine},
    {"query-cpus-fast", "info cpus", "", "", "the processors", .run = query_cpus,
     .print = print_cpus},
    {"query-memory-size-summary", "info memory_size_summary", "", "", "bytes of RAM",
     .run = query_memory, .print = print_memory},
    {"query-commands", NULL, "", "", "", .run = query_commands},
    {"query-chardev", "info chardev", "", "", "serial lines and monitors",
     .run = query_chardev, .print = print_chardev},
    {"query-mice", "info mice", "", "", "pointers", .run = query_mice,
     .print = print_mice},
};

const struct command_table commands_query = {rows, ARRAY_LENGTH(rows)};
