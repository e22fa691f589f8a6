/* machine/picture.h: screenshots, for struct machine_services. Thread: any that holds
 * the machine lock. */
#ifndef MACHINE_PICTURE_H
#define MACHINE_PICTURE_H

#include "base/error.h"
#include "base/types.h"

struct machine;

bool picture_screenshot(struct machine *machine, int fd, bool png, struct error *error);

#endif
