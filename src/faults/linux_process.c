#define _GNU_SOURCE /* memmem */
#include "faults/linux_process.h"

#include "machine/inspect.h"

#include <string.h>

enum {
    NAME_BYTES = 16,       /* TASK_COMM_LEN */
    TASK_BYTES = 16 << 10, /* no task_struct is larger */
};

#define DIRECT_MAP 0xc0000000U /* where physical memory is seen */

bool linux_kernel_find(struct linux_kernel *kernel, const struct symbols *symbols)
{
    *kernel = (struct linux_kernel){0};
    /* From Linux 6.2 on the pointer is the first field of that. */
    bool current =
        symbols_find(symbols, "current_task", &kernel->current_task) == SYMBOLS_ONE ||
        symbols_find(symbols, "pcpu_hot", &kernel->current_task) == SYMBOLS_ONE;
    symbols_find(symbols, "__per_cpu_offset", &kernel->per_cpu_offset);
    return current &&
           symbols_find(symbols, "init_task", &kernel->init_task) == SYMBOLS_ONE;
}

/* Kernel data, also while page tables without it are in force (page-table isolation):
 * it is all in the direct map. */
static bool read_kernel(struct machine *machine, uint32_t address, void *data,
                        size_t bytes)
{
    const struct ram *ram = machine_ram(machine);
    if (machine_peek(machine, true, address, data, bytes) == bytes) {
        return true;
    }
    uint64_t offset = (uint64_t)address - DIRECT_MAP;
    if (address < DIRECT_MAP || offset > ram->bytes || bytes > ram->bytes - offset) {
        return false;
    }
    memcpy(data, ram->host + offset, bytes);
    return true;
}

static bool find_name_offset(struct linux_kernel *kernel, struct machine *machine)
{
    static const char name[] = "swapper"; /* of the first task; "swapper/0" later */
    uint8_t task[TASK_BYTES];
    if (!read_kernel(machine, kernel->init_task, task, sizeof(task))) {
        return false;
    }
    const uint8_t *place = memmem(task, sizeof(task), name, sizeof(name) - 1);
    kernel->name_offset = place ? (uint32_t)(place - task) : 0;
    return place;
}

bool linux_process_is(struct linux_kernel *kernel, struct machine *machine,
                      const char *name)
{
    uint32_t offset = 0, task;
    char running[NAME_BYTES];
    return (kernel->name_offset || find_name_offset(kernel, machine)) &&
           (!kernel->per_cpu_offset ||
            read_kernel(machine, kernel->per_cpu_offset, &offset, sizeof(offset))) &&
           read_kernel(machine, kernel->current_task + offset, &task, sizeof(task)) &&
           read_kernel(machine, task + kernel->name_offset, running, sizeof(running)) &&
           strncmp(running, name, sizeof(running)) == 0;
}
