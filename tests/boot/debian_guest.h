/* tests/boot/debian_guest.h: Debian's kernel with BusyBox, in a machine of a test, with
 * a counted clock. */
#ifndef TESTS_BOOT_DEBIAN_GUEST_H
#define TESTS_BOOT_DEBIAN_GUEST_H

#include <stdio.h>
#include <string.h>

#include "machine/machine.h"

enum { GUEST_PATH_BYTES = 4096 };

struct debian_guest {
    char kernel[GUEST_PATH_BYTES + 16], initrd[GUEST_PATH_BYTES + 16];
};

/* Asks tools/fetch-guest for the folder; false if there is none. */
static inline bool debian_guest_fetch(const char *fetch_guest,
                                      struct debian_guest *guest)
{
    char command[GUEST_PATH_BYTES], folder[GUEST_PATH_BYTES];
    snprintf(command, sizeof(command), "'%s' 686", fetch_guest);
    FILE *pipe = popen(command, "r");
    bool found = pipe && fgets(folder, sizeof(folder), pipe);
    if (!pipe || pclose(pipe) != 0 || !found) {
        return false;
    }
    folder[strcspn(folder, "\n")] = 0;
    snprintf(guest->kernel, sizeof(guest->kernel), "%s/vmlinuz", folder);
    snprintf(guest->initrd, sizeof(guest->initrd), "%s/initrd.gz", folder);
    return true;
}

/* What all machines with it have in common. */
static inline struct machine_config
debian_guest_configuration(const struct debian_guest *guest, const char *engine,
                           const char *append)
{
    return (struct machine_config){
        .ram_bytes = 96ULL << 20,
        .kernel = guest->kernel,
        .initrd = guest->initrd,
        .append = append,
        .engine = engine,
        .clock = CLOCK_KIND_COUNTED,
        .epoch_s = 1700000000,
    };
}

#endif
