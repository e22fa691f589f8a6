/* Commands that start, stop and end the machine. */
#include "monitor/command.h"

static bool stop(struct command_call *call)
{
    machine_pause(call->monitor->machine);
    return true;
}

static bool go_on(struct command_call *call)
{
    return machine_continue(call->monitor->machine, &call->error);
}

static bool reset(struct command_call *call)
{
    machine_reset(call->monitor->machine, "host-qmp-system-reset");
    return true;
}

static bool power_down(struct command_call *call)
{
    machine_power_down(call->monitor->machine);
    return true;
}

static bool wake_up(struct command_call *call)
{
    return command_fail(call, NULL,
                        "Unable to wake up: guest is not in suspended state");
}

static bool quit(struct command_call *call)
{
    machine_quit(call->monitor->machine, "host-qmp-quit");
    return true;
}

static bool raise_nmi(struct command_call *call)
{
    machine_raise_nmi(call->monitor->machine);
    return true;
}

static const struct command rows[] = {
    {"stop", "stop|s", "", "", "stop emulation", .run = stop},
    {"cont", "cont|c", "", "", "resume emulation", .run = go_on},
    {"system_reset", "system_reset", "", "", "reset the system", .run = reset},
    {"system_powerdown", "system_powerdown", "", "", "press the power button",
     .run = power_down},
    {"system_wakeup", "system_wakeup", "", "", "wake the guest up", .run = wake_up},
    {"inject-nmi", "nmi", "", "", "inject an NMI", .run = raise_nmi},
    {"quit", "quit|q", "", "", "end the simulator", .run = quit},
};

const struct command_table commands_run = {rows, ARRAY_LENGTH(rows)};
