/* monitor/info.h: what "info" shows of the machine's inside, as QEMU lays it out.
 * Thread: the event loop's, the CPU held. */
#ifndef MONITOR_INFO_H
#define MONITOR_INFO_H

#include "machine/inspect.h"

#include <stdio.h>

void info_registers(struct machine *machine, FILE *out);
/* Runs of pages with the same rights. */
void info_mem(struct machine *machine, FILE *out);
/* Each page. */
void info_tlb(struct machine *machine, FILE *out);
/* Address spaces of memory and ports. */
void info_mtree(struct machine *machine, FILE *out);
void info_pci(struct machine *machine, FILE *out);

#endif
