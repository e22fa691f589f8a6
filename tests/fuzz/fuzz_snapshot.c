/* Snapshots that somebody has tampered with. Checksums are made right again, so that
 * what reads the pieces has to find out: a machine that refuses one is what it was
 * before; one that takes it may be any machine, and runs. */
#define _GNU_SOURCE
#include "fuzz.h"
#include "machine/snapshot.h"
#include "state/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DAMAGE = 16, INSTRUCTIONS = 20000 };

/* A good one, in memory. */
struct sample {
    struct archive_header header;
    uint8_t *bytes;
    size_t length;
    uint64_t hash; /* of its machine */
};

static bool take_sample(struct fuzz *fuzz, struct sample *sample)
{
    struct error error;
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    struct machine *machine = fuzz->machine;
    lock_take(&machine->lock);
    bool saved = snapshot_save(machine, fd, "sample", &error);
    lock_release(&machine->lock);
    sample->hash = machine_hash(machine);
    off_t end = lseek(fd, 0, SEEK_END);
    sample->length = (size_t)end - sizeof(sample->header);
    sample->bytes = malloc(sample->length);
    bool read = saved && sample->bytes &&
                pread(fd, &sample->header, sizeof(sample->header), 0) ==
                    sizeof(sample->header) &&
                pread(fd, sample->bytes, sample->length, sizeof(sample->header)) ==
                    (ssize_t)sample->length;
    close(fd);
    return read;
}

/* Mostly where small things are: names, lengths, registers; memory follows. */
static size_t pick_place(struct fuzz *fuzz, size_t length)
{
    enum { SMALL = 64 << 10 };
    size_t limit = fuzz_one_in(fuzz, 4) || length < SMALL ? length : SMALL;
    return fuzz_below(fuzz, (uint32_t)limit);
}

static void damage(struct fuzz *fuzz, uint8_t *bytes, size_t length)
{
    for (uint32_t i = fuzz_below(fuzz, DAMAGE); i > 0; i--) {
        size_t at = pick_place(fuzz, length);
        uint32_t value = fuzz_interesting(fuzz);
        size_t count = fuzz_one_in(fuzz, 2) ? 1 : sizeof(value);
        memcpy(bytes + at, &value, at + count <= length ? count : 1);
    }
}

/* Cuts something off or out, or has something twice. */
static size_t rearrange(struct fuzz *fuzz, uint8_t *bytes, size_t length)
{
    size_t from = pick_place(fuzz, length) & ~(size_t)7;
    size_t to = pick_place(fuzz, length) & ~(size_t)7;
    if (fuzz_one_in(fuzz, 2)) {
        return from;
    }
    size_t rest = length - (from > to ? from : to);
    memmove(bytes + to, bytes + from, rest);
    return to + rest;
}

/* Whether the archive is taken for one at all, and then by the machine. */
static bool load(struct fuzz *fuzz, const struct sample *sample, const uint8_t *bytes,
                 size_t length)
{
    struct machine *machine = fuzz->machine;
    struct archive_header header = sample->header;
    struct archive archive;
    struct error error = {.text = ""};
    header.bytes = length;
    header.checksum = archive_checksum(0, bytes, length);
    if (!archive_check(&archive, "sample", &header, bytes, length, &error)) {
        return false;
    }
    lock_take(&machine->lock);
    bool loaded = snapshot_apply(machine, &archive, &error);
    lock_release(&machine->lock);
    if (!loaded && (!error.text[0] || strchr(error.text, '\n'))) {
        fprintf(stderr, "fuzz: refused with '%s'\n", error.text);
        abort();
    }
    return loaded;
}

/* Whatever it was, it is made a good machine again. */
static void recover(struct fuzz *fuzz, const struct sample *sample)
{
    if (!load(fuzz, sample, sample->bytes, sample->length) ||
        machine_hash(fuzz->machine) != sample->hash) {
        fprintf(stderr, "fuzz: a good snapshot does not make a good machine\n");
        abort();
    }
}

static void iterate(struct fuzz *fuzz, const struct sample *sample)
{
    struct machine *machine = fuzz->machine;
    size_t length = sample->length;
    uint8_t *bytes = malloc(length);
    memcpy(bytes, sample->bytes, length);
    damage(fuzz, bytes, length);
    if (fuzz_one_in(fuzz, 4)) {
        length = rearrange(fuzz, bytes, length);
    }
    uint64_t before = machine_hash(machine);
    bool loaded = load(fuzz, sample, bytes, length);
    if (!loaded && machine_hash(machine) != before) {
        fprintf(stderr, "fuzz: what was refused has changed the machine\n");
        abort();
    }
    if (loaded) {
        machine_run(machine, INSTRUCTIONS);
        fuzz_forget_requests(machine);
        recover(fuzz, sample);
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    struct fuzz fuzz = {.seed = 0};
    struct sample sample = {.bytes = NULL};
    if (!fuzz_begin(&fuzz, argc, argv)) {
        return 2;
    }
    fuzz.machine->config.halt_ends = true;
    machine_run(fuzz.machine, INSTRUCTIONS);
    if (!take_sample(&fuzz, &sample)) {
        return 2;
    }
    while (fuzz_next(&fuzz)) {
        iterate(&fuzz, &sample);
    }
    free(sample.bytes);
    return fuzz_end(&fuzz);
}
