#include "executor.h"

extern const uint8_t executor[], executor_next[], executor_end[];

void executor_load(void)
{
    copy(USER_TEXT, executor, (uint32_t)(executor_end - executor));
}

bool executor_fault(struct trap *trap)
{
    struct operation *operation = (struct operation *)trap->ebp;
    if (trap->ebp < OPERATIONS ||
        trap->ebp >= USER_TEXT + USER_TEXT_PAGES * PAGE_BYTES) {
        return false;
    }
    operation->fault = ENDED_FAULT | trap->error;
    operation->cr2 = get_cr2();
    operation->left = trap->ecx;
    trap->eip = USER_TEXT + (uint32_t)(executor_next - executor);
    return true;
}

bool executor_run(unsigned ring)
{
    struct context c = placed(ring, USER_TEXT);
    c.ebp = OPERATIONS;
    return run_ended(&c) == 0;
}
