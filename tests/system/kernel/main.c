/* Runs all topics, or what the command line asks for: "only=TOPIC", "skip=TOPIC", or
 * "reset=HOW", which does not come back. */
#include "kernel.h"

static const struct topic topics[] = {
    {"segments", test_segments},
    {"limits", test_limits},
    {"transfers", test_transfers},
    {"interrupts", test_interrupts},
    {"tasks", test_tasks},
    {"v86", test_v86},
    {"real", test_real_mode},
    {"paging", test_paging},
    {"pae", test_pae},
    {"debug", test_debug},
    {"shadows", test_shadows},
    {"flags", test_flags},
    {"system", test_system},
    {"fpu", test_fpu},
    {"code", test_code},
    {"devices", test_devices},
    {"apic", test_apic},
    {"platform", test_platform},
    {"hazards", test_hazards},
    {"hazards", test_real_mode_hazards},
};

void main(const uint32_t *multiboot)
{
    const char *line = boot(multiboot);
    const char *reset = boot_argument(line, "reset=");
    if (reset) {
        test_reset(reset);
    }
    run_topics(topics, sizeof(topics) / sizeof(topics[0]), line);
    leave(0);
}
