/* Segmentation, privilege, interrupts, tasks and system registers: cases worked out by
 * hand from the Intel SDM, vol. 2 and 3. */
#include "system_world.h"

int main(void)
{
    return system_segment_tests() + system_transfer_tests() + system_return_tests() +
           system_interrupt_tests() + system_task_tests() + system_flag_tests() +
           system_register_tests() + system_port_tests();
}
