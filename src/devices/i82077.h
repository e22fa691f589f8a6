/* devices/i82077.h: Intel 82077AA floppy disk controller with two drives.
 *
 * Ports 0x3f2-0x3f5 and 0x3f7, PC/AT mode: the status registers of PS/2 models
 * (0x3f0, 0x3f1) are not decoded, 0x3f6 is the IDE controller's. Data go by DMA
 * channel 2, or byte by byte through the FIFO. Source: Intel 82077AA data sheet
 * (290166). PART ID came with the 82078 and is an invalid command here, by which
 * drivers tell the two apart.
 *
 * Media are images: what format one has follows from its size. Sectors have 512 bytes,
 * there are no deleted ones, and no track can be formatted in another way. A drive
 * without a medium fails at once, where hardware waits for an index hole until the host
 * gives up. Like all disks of this machine, seeks and transfers take no virtual time:
 * drivers wait for interrupts and poll the main status register, and so cannot tell.
 * Thread: any that holds the machine lock. Saved by: itself, without the media. */
#ifndef DEVICES_I82077_H
#define DEVICES_I82077_H

#include "base/log.h"
#include "bus/irq.h"
#include "bus/port.h"
#include "bus/removable.h"
#include "devices/i8237.h"

enum { I82077_DRIVES = 2, I82077_DMA_CHANNEL = 2 };

/* Kinds of drives, by the numbers that CMOS byte 0x10 has for them. */
enum floppy_drive_kind {
    FLOPPY_DRIVE_NONE,
    FLOPPY_DRIVE_360K,
    FLOPPY_DRIVE_1200K,
    FLOPPY_DRIVE_720K,
    FLOPPY_DRIVE_1440K,
    FLOPPY_DRIVE_2880K,
};

struct i82077; /* begins with a struct device */

struct i82077 *i82077_create(struct log *log, struct port_space *ports,
                             struct i8237 *dma, struct irq_line irq6);

/* Connects drive `index`, without a medium. */
struct removable_drive *i82077_attach(struct i82077 *fdc, unsigned index);

/* The drive that an image of so many sectors wants; NONE: no floppy is so large.
 * Smaller ones of no known size are the beginning of a larger floppy. */
enum floppy_drive_kind i82077_drive_for(uint64_t sectors);

#endif
