/* faults/linux_process.h: which process a Linux guest runs just now, without its help.
 *
 * The kernel's `current_task`, of the first CPU, leads to a task_struct; where in that
 * the name is (`comm`) follows from where it is in `init_task`, whose name is known. So
 * all that is needed are symbols of that kernel, which has not been moved at its start.
 * Source: include/linux/sched.h, arch/x86/include/asm/current.h and
 * arch/x86/kernel/setup_percpu.c of Linux, 4.x to 6.x.
 * Thread: the CPU's own, machine lock held. */
#ifndef FAULTS_LINUX_PROCESS_H
#define FAULTS_LINUX_PROCESS_H

#include "faults/symbols.h"
#include "machine/machine.h"

struct linux_kernel {
    uint32_t init_task, current_task, per_cpu_offset; /* addresses; the last may be 0 */
    uint32_t name_offset;                             /* 0: not known yet */
};

/* False: not all of the symbols are there. */
bool linux_kernel_find(struct linux_kernel *kernel, const struct symbols *symbols);
/* Whether the process that runs is called `name` (as ps shows it, up to 15 letters).
 * Kernel code counts as its, interrupt handlers that come meanwhile as well. */
bool linux_process_is(struct linux_kernel *kernel, struct machine *machine,
                      const char *name);

#endif
