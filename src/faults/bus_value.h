/* faults/bus_value.h: what becomes of a value between the CPU and a device.
 *
 * `address` and `width` are those of the access: the bytes that are broken may be some
 * of them. Thread: any that holds the machine lock. */
#ifndef FAULTS_BUS_VALUE_H
#define FAULTS_BUS_VALUE_H

#include "base/types.h"

struct fault;

uint32_t bus_value_changed(struct fault *fault, bool write, uint64_t address,
                           unsigned width, uint32_t value);
/* The device is not to see the access. */
bool bus_value_lost(struct fault *fault, bool write, uint64_t address, unsigned width);
bool bus_value_begin(struct fault *fault);
void bus_value_end(struct fault *fault);

#endif
