#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISK_BYTES = 1 << 20, EPOCH_S = 1700000000, CHUNK_BYTES = 1 << 16 };

static bool make_disk(struct fuzz *fuzz)
{
    snprintf(fuzz->disk, sizeof(fuzz->disk), "/tmp/fuzz-disk-XXXXXX");
    int file = mkstemp(fuzz->disk);
    return file >= 0 && ftruncate(file, DISK_BYTES) == 0 && close(file) == 0;
}

bool fuzz_make_machine(struct fuzz *fuzz, const char *engine)
{
    if (!fuzz->disk[0] && !make_disk(fuzz)) {
        perror("fuzz: cannot make a disk image");
        return false;
    }
    const struct machine_config config = {
        .ram_bytes = FUZZ_RAM_BYTES,
        .drives = {{.image = {.file = fuzz->disk}},
                   {0},
                   {.media = MACHINE_MEDIA_CDROM,
                    .image = {.file = fuzz->disk, .read_only = true}},
                   {.media = MACHINE_MEDIA_CDROM}},
        .floppies = {{.media = MACHINE_MEDIA_FLOPPY, .image = {.file = fuzz->disk}},
                     {.media = MACHINE_MEDIA_FLOPPY}},
        .snapshot = true,
        .serial = {"null", "null"},
        .audiodevs = {"wav,path=/dev/null"},
        .debug_console = "null",
        .engine = engine,
        .clock = CLOCK_KIND_COUNTED,
        .epoch_s = EPOCH_S,
        .nics = {"null,model=e1000", "null,model=ne2k_pci",
                 "null,model=virtio-net-pci"},
        .devices = {"virtio-rng-pci", "virtio-tablet-pci", "virtio-keyboard-pci",
                    "isa-debug-exit,iobase=0xf4", "sb16", "AC97"},
    };
    struct error error;
    fuzz->machine = machine_create(&config, &error);
    if (!fuzz->machine || !machine_power_on(fuzz->machine, &error)) {
        fprintf(stderr, "fuzz: %s\n", error.text);
        return false;
    }
    return true;
}

void fuzz_forget_requests(struct machine *machine)
{
    machine->reset_requested = false;
    machine->power_off_requested = false;
    machine->debug_exit_requested = false;
    machine->stop_requested = false;
}

void fuzz_reset(struct fuzz *fuzz)
{
    struct machine *machine = fuzz->machine;
    lock_take(&machine->lock);
    fuzz_forget_requests(machine);
    pc_reset(machine);
    fuzz_forget_requests(machine);
    lock_release(&machine->lock);
    cpu_reset(&machine->cpu);
    memset(machine->ram.host, 0, machine->ram.bytes);
    lock_take(&machine->lock);
    for (uint64_t at = 0; at < machine->ram.bytes; at += CHUNK_BYTES) {
        machine->memory.listener.code_written(machine->memory.listener.opaque, at,
                                              CHUNK_BYTES);
    }
    lock_release(&machine->lock);
}
