/* devices/mpu401.h: the MIDI interface MPU-401 of a sound card, in UART mode.
 *
 * Two ports: data, and status or command. It answers commands as drivers expect; what
 * they send goes to a socket that nothing is plugged into, and nothing comes in.
 * Source: Roland MPU-401 Technical Reference Manual; Creative, Sound Blaster Series
 * Hardware Programming Guide, chapter 6.
 * Thread: any that holds the machine lock. Saved by: itself. */
#ifndef DEVICES_MPU401_H
#define DEVICES_MPU401_H

#include "base/log.h"
#include "bus/port.h"

struct mpu401; /* begins with a struct device */

struct mpu401 *mpu401_create(struct log *log, struct port_space *ports, uint16_t port);

#endif
