/* firmware/linux_boot.h: -kernel, -initrd and -append.
 *
 * The kernel is started by the BIOS like any other boot device: an option ROM of ours
 * offers itself as a bootstrap entry vector (BEV), moves the pieces that fw_cfg holds
 * to where they belong, and jumps to the kernel. All headers are filled in here, on the
 * host's side, beforehand. Images that are no Linux bzImage are tried as Multiboot.
 * Source: the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst). */
#ifndef FIRMWARE_LINUX_BOOT_H
#define FIRMWARE_LINUX_BOOT_H

#include "devices/fw_cfg.h"

/* Puts `kernel` with `initrd` and the command line `append` (both may be NULL) into
 * fw_cfg, together with the boot ROM and a boot order that starts with it. For a
 * Multiboot kernel `initrd` is a list "file arguments,file arguments,…" of modules. */
bool linux_boot_prepare(struct fw_cfg *fw_cfg, uint64_t ram_bytes, const char *kernel,
                        const char *initrd, const char *append, struct error *error);

#endif
